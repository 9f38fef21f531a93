"""A new revision for an author: what the models need, in operations that are safe, with a test."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import groupby
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command

from chatdata.errors import MigrationError
from chatdata.migrate import engine, locate, rules, runner, snapshot
from chatdata.models import Base

if TYPE_CHECKING:
    from pathlib import Path

_BATCH = re.compile(
    r"    with op\.batch_alter_table\('(\w+)', schema=None\) as batch_op:\n((?:        .*\n)+)"
)
_STATEMENT = re.compile(r"        batch_op\..*\n(?:         .*\n)*")
_INDEX = ("        batch_op.create_index(", "        batch_op.drop_index(")
PHASES = ("expand", "backfill", "contract")
_TEST = '''"""Revision {revision}: {message}."""

from __future__ import annotations

from chatdata import migrate


def test_up_down_up(new_database):
    """
    The revision can be applied, undone and applied again.
    """
    url = new_database()
    migrate.upgrade(url, to="{revision}")
    migrate.downgrade(url, "{before}", accept_data_loss=True)
    again = migrate.upgrade(url, to="{revision}")

    assert "{revision}" == again.after
'''


@dataclass(frozen=True)
class Draft:
    """The files of a new revision, and what the lint says about it."""

    revision: str
    script: Path
    test: Path | None
    findings: tuple[rules.Finding, ...]


def new(
    message: str, *, phase: str, scripts: Path | None = None, tests: Path | None = None
) -> Draft:
    """Write a revision that brings the chain to the models, its snapshot and, in `tests`, a test.

    Raises:
        MigrationError: the phase is unknown, or the scripts cannot be written.
    """
    if phase not in PHASES:
        raise MigrationError(
            f"found phase {phase!r}, expected one of {', '.join(PHASES)}",
            then="run the same command with one of these",
            exit_code=2,
        )
    folder = scripts or locate.scripts()
    if folder.name == "_migrations":
        raise MigrationError(
            "revisions of an installed package are not edited",
            then="run the same command in a checkout",
            exit_code=2,
        )
    before = runner.chain(scripts).get_current_head() or "base"
    revision = f"{int(before) + 1 if before.isdigit() else 1:04}"
    with engine.connect("sqlite://") as connection:
        runner.upgrade(connection, scripts=scripts)
        config = runner.config(scripts, connection=connection, phase=phase)
        command.revision(config, message, autogenerate=True, rev_id=revision)
        connection.rollback()
    script = next((folder / "versions").glob(f"{revision}_*.py"))
    script.write_text(_safer(script.read_text(encoding="utf-8")), encoding="utf-8")
    snapshot.write(scripts)
    test = None if tests is None else tests / f"test_revision_{revision}.py"
    if test is not None:
        text = _TEST.format(revision=revision, before=before, message=message)
        test.write_text(text, encoding="utf-8")
    return Draft(revision, script, test, tuple(rules.lint(script)))


def check(scripts: Path | None = None) -> list[str]:
    """Compare the chain with its snapshots and with the models; what differs, one by one."""
    found = []
    for step in runner.chain(scripts).walk_revisions():
        made = snapshot.make(step.revision, "sqlite://", scripts)
        stored = snapshot.load(step.revision, scripts)
        if made["sqlite"] != stored["sqlite"]:
            found.append(f"snapshot {step.revision} is not what the chain makes")
    return found + _models(scripts)


def _models(scripts: Path | None) -> list[str]:
    with engine.connect("sqlite://") as connection:
        runner.upgrade(connection, scripts=scripts)
        chain = snapshot.structure(connection)
        connection.rollback()
    memory = sa.create_engine("sqlite://")
    with memory.begin() as connection:
        Base.metadata.create_all(connection)
        models = snapshot.structure(connection)
    memory.dispose()
    return [
        f"the models and the chain differ in {name}"
        for name in sorted({*chain, *models})
        if chain.get(name) != models.get(name)
    ]


def _safer(text: str) -> str:
    """Put our operations in the place of Alembic's."""
    lines = (line for line in text.splitlines(keepends=True) if "### " not in line)
    created = set(re.findall(r"op\.create_table\('(\w+)'", text))
    return _BATCH.sub(lambda found: _block(found[1], found[2], created), "".join(lines))


def _block(table: str, body: str, created: set[str]) -> str:
    """Rewrite one batch; indexes stand outside it, for a rebuild is not what they need."""
    parts = groupby(_STATEMENT.findall(body), lambda statement: statement.startswith(_INDEX))
    return "".join(
        _indexes(table, "".join(statements), created)
        if are_indexes
        else f"    with op.safe_batch({table!r}) as batch_op:\n{''.join(statements)}"
        for are_indexes, statements in parts
    )


def _indexes(table: str, body: str, created: set[str]) -> str:
    index = "op.create_index(op.f(" if table in created else "op.add_index("
    closing = ")" if table in created else ""
    body = re.sub(
        r"    batch_op\.create_index\(batch_op\.f\(('\w+')\), ",
        lambda found: f"{index}{found[1]}{closing}, {table!r}, ",
        body,
    )
    return re.sub(
        r"    batch_op\.drop_index\(batch_op\.f\(('\w+')\)\)",
        lambda found: f"op.drop_index(op.f({found[1]}), table_name={table!r})",
        body,
    )

"""Upgrade and downgrade: Alembic's commands, on our connection, with our refusals."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

from chatdata.errors import MigrationError
from chatdata.migrate import engine, history, locate, lock

if TYPE_CHECKING:
    from pathlib import Path

    from alembic.script import Script


@dataclass(frozen=True)
class Run:
    """What an upgrade or a downgrade did.

    `before` and `after` are revisions, None where the chain has not run; `steps` are the revisions
    that were applied or undone, in order.
    """

    source: str
    before: str | None
    after: str | None
    steps: tuple[str, ...]
    seconds: float

    def __str__(self) -> str:
        if not self.steps:
            return f"{self.source}: at {self.after or 'base'}, nothing to do"
        return (
            f"{self.source}: {self.before or 'base'} -> {self.after or 'base'} "
            f"({', '.join(self.steps)}) in {self.seconds:.1f} s"
        )


def config(scripts: Path | None = None, **attributes: object) -> Config:
    """Make Alembic's settings; the connection and the like travel as attributes, never as text."""
    settings = Config()
    folder = str(scripts or locate.scripts())
    settings.set_main_option("script_location", folder.replace("%", "%%"))
    settings.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    settings.set_main_option("path_separator", "os")
    settings.attributes.update(attributes)
    return settings


def chain(scripts: Path | None = None) -> ScriptDirectory:
    """Open the folder of revisions."""
    return ScriptDirectory.from_config(config(scripts))


def upgrade(
    target: str | sa.URL | sa.Connection,
    *,
    to: str = "head",
    schema: str | None = None,
    scripts: Path | None = None,
) -> Run:
    """Bring a database to a revision; an empty or missing one is created.

    SQLite: all or nothing. PostgreSQL: all or nothing for each revision. A database that is there
    already is not written to.

    Args:
        target: a URL, or a connection made by `chatdata.migrate.connect`.
        to: the revision to stop at.
        schema: PostgreSQL only: the schema to work in.
        scripts: the folder of another chain than ours.

    Raises:
        MigrationError: refused or failed; says what state the database is in and what to do.
    """
    return _run(target, to, schema=schema, scripts=scripts, down=False)


def downgrade(
    target: str | sa.URL | sa.Connection,
    to: str,
    *,
    accept_data_loss: bool = False,
    schema: str | None = None,
    scripts: Path | None = None,
) -> Run:
    """Undo revisions down to `to`, never below the one at which the database was adopted.

    Raises:
        MigrationError: refused or failed, as for `upgrade`; without `accept_data_loss` also where
            a step loses rows (exit code 3).
    """
    losses = [] if accept_data_loss else lossy(target, to, schema=schema, scripts=scripts)
    if losses:
        raise MigrationError(
            f"this would lose {'; '.join(losses)}",
            then="to go on all the same, run the same command with --accept-data-loss",
            source=_label(target),
            exit_code=3,
        )
    return _run(target, to, schema=schema, scripts=scripts, down=True)


def lossy(
    target: str | sa.URL | sa.Connection,
    to: str,
    *,
    schema: str | None = None,
    scripts: Path | None = None,
) -> list[str]:
    """List what a downgrade to `to` would lose, newest step first."""
    current, directory = current_revision(target, schema=schema), chain(scripts)
    if current is None:
        return []
    return [
        f"{step.revision}: {loss}"
        for step in _steps(directory, current, to)
        if (loss := getattr(step.module, "loses", None))
    ]


def pending(
    target: str | sa.URL | sa.Connection,
    *,
    to: str = "head",
    schema: str | None = None,
    scripts: Path | None = None,
) -> tuple[str, ...]:
    """List the revisions that an upgrade to `to` would apply, in order; reads only.

    Raises:
        MigrationError: the upgrade would be refused.
    """
    directory = chain(scripts)
    goal, before = _goal(directory, to), _unrefused(target, directory, schema)
    steps = _steps(directory, goal or "base", before or "base")
    return tuple(step.revision for step in reversed(steps))


def current_revision(
    target: str | sa.URL | sa.Connection, *, schema: str | None = None
) -> str | None:
    """Read the revision of a database, without writing or locking anything."""
    if isinstance(target, sa.Connection):
        idle = not target.in_transaction()
        found = history.revision(target)
        if idle:
            target.rollback()
        return found
    file = engine.file_of(target)
    if file is not None and not file.exists():
        return None
    with engine.read(target, schema=schema) as connection:
        return history.revision(connection)


def _unrefused(
    target: str | sa.URL | sa.Connection, directory: ScriptDirectory, schema: str | None
) -> str | None:
    """Read the revision, where an upgrade from it would not be refused."""
    if isinstance(target, sa.Connection):
        return current_revision(target)
    file = engine.file_of(target)
    if file is not None and not file.exists():
        return None
    with engine.read(target, schema=schema) as connection:
        engine.freeze(connection)
        history.refuse(connection, directory)
        return history.revision(connection)


def _run(
    target: str | sa.URL | sa.Connection,
    to: str,
    *,
    schema: str | None,
    scripts: Path | None,
    down: bool,
) -> Run:
    started = time.monotonic()
    directory = chain(scripts)
    goal = _goal(directory, to)
    before = current_revision(target, schema=schema)
    if down:
        _refuse_down(target, directory, before, goal, schema)
    if before != goal or (before is None and not down):
        if isinstance(target, sa.Connection):
            _command(target, to, scripts, down=down)
        else:
            with lock.exclusive(target, schema=schema) as connection:
                _command(connection, to, scripts, down=down)
    after = current_revision(target, schema=schema)
    upper, lower = (before, after) if down else (after, before)
    steps = [step.revision for step in _steps(directory, upper or "base", lower or "base")]
    order = steps if down else steps[::-1]
    return Run(_label(target), before, after, tuple(order), time.monotonic() - started)


def _refuse_down(
    target: str | sa.URL | sa.Connection,
    directory: ScriptDirectory,
    before: str | None,
    goal: str | None,
    schema: str | None,
) -> None:
    """Refuse to go down to what is above, or into tables that are the application's own."""
    known = {step.revision for step in directory.walk_revisions()}
    if before == goal or (before is not None and before not in known):
        return
    if before is None or not _steps(directory, before, goal or "base"):
        raise MigrationError(
            f"is at {before or 'base'}, which is not above {goal}",
            then="see where it stands: chatdata db status URL",
            source=_label(target),
            exit_code=2,
        )
    if isinstance(target, sa.Connection):
        floor = history.adopted(target)
    else:
        with engine.read(target, schema=schema) as connection:
            floor = history.adopted(connection)
    if floor is not None and _steps(directory, floor, goal or "base"):
        raise MigrationError(
            f"was adopted at {floor}; below it are the application's own tables",
            then="see where it stands: chatdata db status URL",
            source=_label(target),
            exit_code=3,
        )


def _command(connection: sa.Connection, to: str, scripts: Path | None, *, down: bool) -> None:
    settings = config(scripts, connection=connection)
    try:
        (command.downgrade if down else command.upgrade)(settings, to)
    except engine.FAILURES as error:
        is_whole = connection.dialect.name == "sqlite"
        state = "it is as it was before" if is_whole else "it is at its last complete revision"
        raise engine.explain(error, engine.label(connection.engine.url), state) from error


def _goal(directory: ScriptDirectory, to: str) -> str | None:
    if to in ("head", "heads"):
        heads = directory.get_heads()
        return heads[0] if len(heads) == 1 else None
    if to == "base":
        return None
    if to not in {step.revision for step in directory.walk_revisions()}:
        raise MigrationError(
            f"there is no revision {to}; expected head, base or one of "
            f"{', '.join(sorted(step.revision for step in directory.walk_revisions()))}",
            then="run the same command with one of these",
            exit_code=2,
        )
    return to


def _steps(directory: ScriptDirectory, upper: str, lower: str) -> list[Script]:
    """List the revisions above `lower` up to `upper`, newest first; none if one is unknown."""
    line = [step.revision for step in directory.walk_revisions()] + ["base"]
    if upper not in line or lower not in line or line.index(upper) >= line.index(lower):
        return []
    return [directory.get_revision(name) for name in line[line.index(upper) : line.index(lower)]]


def _label(target: str | sa.URL | sa.Connection) -> str:
    return engine.label(target.engine.url if isinstance(target, sa.Connection) else target)

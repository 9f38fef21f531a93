"""What revisions of each phase may do to an SQLite database that holds rows."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from databases import contents, execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import guard, locate

REVISION = """from alembic import op
revision, down_revision, phase = {!r}, {!r}, {!r}
def upgrade():
    {}
"""
USER = "INSERT INTO users VALUES ({0!r}, {0!r}, 'n', 'secret', NULL, NULL, NULL, 'a', 'b')"
DROP = "op.execute('ALTER TABLE users DROP COLUMN password_hash')"
DROP_TABLE = "op.execute('DROP TABLE tasks')"
UPDATE = "op.execute(\"UPDATE users SET name = 'x'\")"
SWAP = "op.execute('UPDATE users SET name = id')"
DELETE = "op.execute('DELETE FROM users WHERE rowid = 1')"


@pytest.fixture
def chain(tmp_path):
    """
    A copy of our chain that may be added to.
    """
    return Path(shutil.copytree(locate.scripts(), tmp_path / "chain"))


@pytest.fixture
def url(tmp_path, chain):
    """
    A database at our head, with two users of one name.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, scripts=chain)
    execute(url, USER.format("u"), USER.format("v"))
    return url


def add(chain, *steps):
    """
    Revisions of a phase that do something, after ours.
    """
    for number, (phase, step) in enumerate(steps, 6):
        text = REVISION.format(f"{number:04}", f"{number - 1:04}", phase, step)
        (chain / "versions" / f"{number:04}_step.py").write_text(text)


@pytest.mark.parametrize(
    "steps",
    [
        pytest.param([("contract", DROP)], id="a column goes"),
        pytest.param([("contract", DROP_TABLE)], id="a table goes"),
        pytest.param([("backfill", UPDATE)], id="values change"),
        pytest.param([("backfill", DELETE)], id="rows go"),
        pytest.param([("backfill", UPDATE), ("contract", DROP)], id="one after the other"),
    ],
)
def test_what_a_phase_is_for(url, chain, steps):
    """
    A backfill may change values and rows, a contract drop columns and tables.
    """
    add(chain, *steps)
    done = guard.upgrade(url, scripts=chain)

    assert tuple(f"{number:04}" for number in range(6, 6 + len(steps))) == done.run.steps
    assert done.run.after == migrate.current_revision(url)
    assert [] == fetch(url, "PRAGMA foreign_key_check")


@pytest.mark.parametrize(
    ("steps", "match"),
    [
        ([("expand", DROP)], "users: the columns password_hash are gone"),
        ([("expand", UPDATE)], "users: 2 rows, some with other values"),
        ([("backfill", DROP)], "users: the columns password_hash are gone"),
        ([("backfill", DROP_TABLE)], "tasks: the table is gone"),
        ([("contract", UPDATE)], "users: 2 rows, some with other values"),
        ([("contract", SWAP)], "users: 2 rows, some with other values"),
        ([("contract", f"{DROP}; {DELETE}")], "users: 2 rows before, 1 now"),
        ([("backfill", UPDATE), ("expand", SWAP)], "users: 2 rows, some with other values"),
        ([("sometime", UPDATE)], "users: 2 rows, some with other values"),
    ],
)
def test_what_a_phase_is_not_for(url, chain, steps, match):
    """
    Anything else is rolled back, all of the run, with exit code 5.
    """
    add(chain, *steps)
    before = contents(url)

    with pytest.raises(MigrationError, match=match) as refused:
        guard.upgrade(url, scripts=chain)
    assert 5 == refused.value.exit_code
    assert (before, "0005") == (contents(url), migrate.current_revision(url))


def test_a_contract_after_its_backfill(url, chain):
    """
    What waits for a backfill can be planned and applied once that is done.
    """
    step = "op.requires_backfill('tool_calls'); op.drop_column('messages', 'tool_calls')"
    add(chain, ("contract", step))

    with pytest.raises(MigrationError, match="needs the backfill tool_calls"):
        migrate.plan(url, scripts=chain)
    migrate.backfill.run(url)
    made = migrate.plan(url, scripts=chain)

    assert ("0006",) == made.pending
    assert "0006" == migrate.apply(made, scripts=chain).run.after

"""Every revision up, down and up again with rows in every table; SQL that is shown is what runs."""

from __future__ import annotations

import io
import re
import shutil
from contextlib import redirect_stdout
from itertools import pairwise
from pathlib import Path

import pytest
from alembic import command
from databases import contents, execute, tables

from chatdata import migrate
from chatdata.migrate import locate, plans, runner, snapshot

CHAIN = Path(__file__).parent / "chain"
OURS = {
    "0001": (
        (
            "INSERT INTO users (id, email, name, created_at, updated_at)"
            " VALUES ('u', 'e', 'n', '2026-01-01', '2026-01-01')"
        ),
        (
            "INSERT INTO tasks (id, user_id, title, completed, created_at, updated_at)"
            " VALUES (1, 'u', 't', {true}, '2026-01-01', '2026-01-01 00:00:00.000001')"
        ),
    ),
    "0002": (
        "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
        (
            "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'x', NULL, '2026-01-01 00:00:00.5'),"
            " (2, 'u', 1, 'assistant', NULL, '[{\"tool\": \"a\"}]', '2026-01-01 00:00:01')"
        ),
    ),
    "0004": (
        (
            "INSERT INTO tool_calls (id, user_id, conversation_id, message_id, position, tool_name,"
            " status) VALUES (1, 'u', 1, 2, 0, 'a', 'unknown'), (2, 'u', 1, NULL, 0, 'b', 'ok')"
        ),
    ),
}
THEIRS = {
    "0001": (
        "INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob')",
        "INSERT INTO threads VALUES (1, 1, 'x', '2026-03-29 00:30:00.123456')",
        "INSERT INTO notes VALUES (1, 1, 'idea', 'b'), (2, 1, 'fact', NULL)",
    )
}


def chain(scripts):
    return [step.revision for step in reversed(list(runner.chain(scripts).walk_revisions()))]


def rows(url):
    """
    Every row, with times as they are in UTC, whatever the column's type is by now.
    """
    return {
        name: [re.sub(r", tzinfo=.*?\)\)", ")", row) for row in found]
        for name, found in contents(url).items()
    }


@pytest.mark.parametrize(
    ("scripts", "filling"),
    [pytest.param(None, OURS, id="ours"), pytest.param(CHAIN, THEIRS, id="every operation")],
)
def test_every_revision_up_down_and_up_again(new_database, scripts, filling):
    """
    Twice over, each revision is undone and applied again with rows in every table that there is,
    and changes none; at the end nothing but our own records is left.
    """
    url, steps = new_database(), chain(scripts)
    true = "1" if url.startswith("sqlite") else "true"

    def reach(step):
        migrate.upgrade(url, to=step, scripts=scripts)
        execute(url, *(text.replace("{true}", true) for text in filling.get(step, ())))
        return rows(url)

    for _ in range(2):
        below = reach(steps[0])
        for lower, step in pairwise(steps):
            seen = reach(step)
            migrate.downgrade(url, lower, accept_data_loss=True, scripts=scripts)

            assert below == rows(url)
            if scripts is None:
                assert [] == migrate.drift(url)
            assert seen == (reach(step) if step in filling else again(url, step, scripts))
            below = seen
        assert all(below.values())
        migrate.downgrade(url, "base", accept_data_loss=True, scripts=scripts)
        assert [] == [name for name in tables(url) if not name.startswith("chatdata_")]


def again(url, step, scripts):
    migrate.upgrade(url, to=step, scripts=scripts)
    return rows(url)


def test_one_head():
    """
    The chain does not fork, and is numbered in the order in which it runs.
    """
    assert [f"{number:04}" for number in range(1, len(chain(None)) + 1)] == chain(None)
    assert 1 == len(runner.chain().get_heads())


@pytest.mark.parametrize("server", ["postgres", "postgres_16"])
@pytest.mark.parametrize("scripts", [None, CHAIN], ids=["ours", "every operation"])
def test_sql_for_postgres_gives_the_same_catalog(request, server, scripts):
    """
    The SQL that is written without a database makes what the upgrade makes, object by object.
    """
    new_database = request.getfixturevalue(server)
    online, offline = new_database(), new_database()
    migrate.upgrade(online, scripts=scripts)
    config = runner.config(scripts, dialect="postgresql")
    config.output_buffer = io.StringIO()
    with redirect_stdout(config.output_buffer):
        command.upgrade(config, "head", sql=True)
    with migrate.connect(offline) as connection:
        connection.execution_options(isolation_level="AUTOCOMMIT")
        driver = connection.connection.driver_connection
        for statement in config.output_buffer.getvalue().split(";\n"):
            driver.execute(statement)
    made = []
    for url in (online, offline):
        with migrate.connect(url) as connection:
            made.append(snapshot.definitions(connection))

    assert made[0] == made[1]
    assert 20 <= len(made[0])


@pytest.mark.parametrize("scripts", [None, CHAIN], ids=["ours", "every operation"])
def test_a_dry_run_is_what_is_executed(tmp_path, scripts):
    """
    The statements that a plan shows for SQLite are those that the upgrade executes, word for word
    but for values, and none touches the file.
    """
    file = tmp_path / "app.db"
    url, first = f"sqlite:///{file}", chain(scripts)[0]
    migrate.upgrade(url, to=first, scripts=scripts)
    execute(url, f"CREATE VIEW named AS SELECT name FROM {'people' if scripts else 'users'}")
    before = (file.read_bytes(), file.stat().st_mtime_ns)
    shown = plans.dry_run(url, scripts=scripts)
    untouched = before == (file.read_bytes(), file.stat().st_mtime_ns)
    done = []
    with migrate.connect(url) as connection:
        connection.begin()
        connection.connection.driver_connection.set_trace_callback(done.append)
        migrate.upgrade(connection, scripts=scripts)
        connection.rollback()
    reads = ("SELECT", "PRAGMA", "BEGIN", "WITH", "ROLLBACK", "--")
    executed = [sql.strip() for sql in done if not sql.strip().upper().startswith(reads)]

    assert untouched
    assert len(shown) == len(executed) > 2
    # The driver's trace has values where the plan has marks.
    assert [] == [
        (one, other)
        for one, other in zip(shown, executed, strict=True)
        if not re.fullmatch(re.escape(one).replace(r"\?", ".*?"), other, re.DOTALL)
    ]


def test_a_rebuild_is_the_same_every_time(tmp_path):
    """
    What a rebuild writes does not depend on chance, so a plan and a snapshot can be compared.
    """
    scripts = Path(shutil.copytree(locate.scripts(), tmp_path / "chain"))
    (scripts / "versions" / "0006_rebuild.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision, down_revision = '0006', '0005'\n"
        "def upgrade():\n    with op.safe_batch('messages') as batch:\n"
        "        batch.add_column(sa.Column('more', sa.Text()))\n"
    )
    url = f"sqlite:///{tmp_path / 'app.db'}"
    shown = {tuple(plans.dry_run(url, scripts=scripts)) for _ in range(8)}

    assert 1 == len(shown)

"""An upgrade that is killed anywhere is finished by the next one, with every row."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing

import pytest
from databases import catalog, contents, execute, fetch
from test_migrate_backfill import add
from test_migrate_operations import CHAIN, ROWS

from chatdata import migrate
from chatdata.migrate import runner

UPGRADE = (
    "import sys; from pathlib import Path; from chatdata import migrate;"
    "migrate.upgrade(sys.argv[1], scripts=Path(sys.argv[2]) if sys.argv[2] else None)"
)


def begin(url, start, scripts):
    """
    Bring an empty database to where the upgrade starts: nowhere, or a revision that holds rows.
    """
    if start is None:
        return
    migrate.upgrade(url, to=start, scripts=scripts)
    if scripts is None:
        add(url, 1, 70)
    else:
        execute(url, *ROWS)


def shape(url):
    """
    All that a database is made of; on PostgreSQL with the indexes, and which of them are invalid.
    """
    if url.startswith("sqlite"):
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw:
            assert [("ok",)] == raw.execute("PRAGMA quick_check").fetchall()
            return sorted(raw.execute("SELECT type, name, sql FROM sqlite_master"))
    indexes = (
        "SELECT indexrelid::regclass::text, indisvalid FROM pg_index"
        " WHERE indrelid IN (SELECT oid FROM pg_class WHERE relnamespace = 'public'::regnamespace)"
        " ORDER BY 1"
    )
    return catalog(url), fetch(url, indexes)


def survive(new_database, killer, *, scripts, start, kills, how, watch=None):
    """
    Upgrade one database in peace, and one for each point at which it is killed, twice.
    """
    options = {"watch": watch} | ({} if scripts is None else {"scripts": scripts})
    calm = new_database()
    begin(calm, start, scripts)
    points = killer("chatdata.migrate:upgrade", calm, **options)["points"]
    revisions = [None, *(step.revision for step in runner.chain(scripts).walk_revisions())]
    n = points if kills is None else min(kills, points)
    tried = [1 + place * points // n for place in range(n)]
    print(f"{how} at {len(tried)} of {points} points")  # noqa: T201 - the figures
    for point in tried:
        url = new_database()
        begin(url, start, scripts)
        first = killer("chatdata.migrate:upgrade", url, kill_at=point, how=how, **options)
        left = migrate.current_revision(url)
        second = migrate.upgrade(url, scripts=scripts)

        assert first["killed"] or "run the same command again" in first["error"]
        assert left in revisions
        assert revisions[1] == second.after
        assert shape(calm) == shape(url)
        assert contents(calm) == contents(url)


CHAINS = pytest.mark.parametrize(
    ("scripts", "start", "kills"),
    [
        pytest.param(None, "0002", 10, id="ours"),
        pytest.param(CHAIN, "0001", 10, id="every operation"),
        pytest.param(None, None, None, id="ours, empty, all", marks=pytest.mark.slow),
        pytest.param(None, "0002", None, id="ours, all", marks=pytest.mark.slow),
        pytest.param(CHAIN, "0001", None, id="every operation, all", marks=pytest.mark.slow),
    ],
)


@CHAINS
def test_sigkill_anywhere(new_database, killer, scripts, start, kills):
    """
    A run that is killed before any write or commit leaves a revision, old or new, that a second
    run takes to head with every row.
    """
    survive(new_database, killer, scripts=scripts, start=start, kills=kills, how="SIGKILL")


@CHAINS
def test_terminated_anywhere(postgres, killer, scripts, start, kills):
    """
    The same where the server ends its session, and the error says what to run.
    """
    survive(postgres, killer, scripts=scripts, start=start, kills=kills, how="terminate")


@pytest.mark.parametrize("how", ["SIGKILL", "terminate"])
@pytest.mark.parametrize(
    ("scripts", "start", "kills"),
    [
        pytest.param(None, "0002", 10, id="ours"),
        pytest.param(None, None, None, id="ours, empty, all", marks=pytest.mark.slow),
        pytest.param(None, "0002", None, id="ours, all", marks=pytest.mark.slow),
        pytest.param(CHAIN, "0001", None, id="every operation, all", marks=pytest.mark.slow),
    ],
)
def test_ended_before_any_statement(postgres, killer, *, scripts, start, kills, how):
    """
    The same before each statement of all, the questions and the polling of the lock among them.
    """
    survive(
        postgres, killer, scripts=scripts, start=start, kills=kills, how=how, watch="statements"
    )


BUILDS = pytest.mark.parametrize(
    ("scripts", "start", "table"),
    [
        pytest.param(None, "0002", "messages", id="ours"),
        pytest.param(CHAIN, "0006", "people", id="every operation"),
    ],
)


def building(url):
    """
    The session that has built an index and waits for a reader, as soon as there is one. Before
    that the index may not stand in the catalog yet.
    """
    query = (
        "SELECT pid FROM pg_stat_progress_create_index"
        " WHERE datname = current_database() AND phase = 'waiting for old snapshots'"
    )
    while not (found := fetch(url, query)):
        time.sleep(0.02)
    return found[0][0]


def indexes(url):
    return shape(url)[1]


@pytest.mark.parametrize("how", ["SIGKILL", "terminate", "both"])
@BUILDS
def test_killed_inside_a_concurrent_index(postgres, scripts, start, table, how):
    """
    An index whose build is killed half way is whole after the next run, whether its session was
    ended or goes on building for a client that is no more; and nothing else is left behind.
    """
    calm, url = postgres(), postgres()
    begin(calm, start, scripts)
    begin(url, start, scripts)
    migrate.upgrade(calm, scripts=scripts)
    command = [sys.executable, "-c", UPGRADE, url, scripts or ""]
    with migrate.connect(url) as reader:
        reader.execution_options(isolation_level="REPEATABLE READ")
        reader.exec_driver_sql(f"SELECT * FROM {table}")
        first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        session = building(url)
        if how != "terminate":
            first.kill()
        if how != "SIGKILL":
            fetch(url, f"SELECT pg_terminate_backend({session}, 5000)")
        assert first.wait() != 0
        invalid = [name for name, valid in indexes(url) if not valid]
        second = subprocess.Popen(command)
        time.sleep(1)
        reader.rollback()

    assert 1 == len(invalid)
    assert 0 == second.wait()
    assert indexes(calm) == indexes(url)


def test_the_lock_is_lost_inside_a_concurrent_index(postgres):
    """
    Where the session that holds the lock is ended, a second run may begin beside the first; it
    waits for what that is building, and one more leaves the database as if nothing had happened.
    """
    calm, url = postgres(), postgres()
    begin(calm, "0002", None)
    begin(url, "0002", None)
    migrate.upgrade(calm)
    command = [sys.executable, "-c", UPGRADE, url, ""]
    with migrate.connect(url) as reader:
        reader.execution_options(isolation_level="REPEATABLE READ")
        reader.exec_driver_sql("SELECT * FROM messages")
        first = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        building(url)
        holders = (
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory'"
            " AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
        )
        ended = fetch(url, holders)
        second = subprocess.Popen(command, stderr=subprocess.DEVNULL)
        time.sleep(1)
        reader.rollback()
    first.wait()
    second.wait()
    migrate.upgrade(url)

    assert [(True,)] == ended
    assert "0005" == migrate.current_revision(url)
    assert shape(calm) == shape(url)
    assert contents(calm) == contents(url)


def test_killed_inside_the_repair(postgres, killer):
    """
    The repair of an invalid index may be killed as well, at every point, and leaves no other.
    """
    calm = postgres()
    begin(calm, "0002", None)
    migrate.upgrade(calm)
    for point in range(1, 10):
        url = postgres()
        begin(url, "0002", None)
        name = "ix_messages_conversation_id_created_at"
        execute(url, f"CREATE INDEX {name} ON messages (conversation_id, created_at)")
        execute(
            url, f"UPDATE pg_index SET indisvalid = false WHERE indexrelid = '{name}'::regclass"
        )
        killer("chatdata.migrate:upgrade", url, kill_at=point, to="0003")
        migrate.upgrade(url)

        assert indexes(calm) == indexes(url)

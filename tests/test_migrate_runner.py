"""Upgrade and downgrade."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import execute, fetch, tables

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import history, locate, lock, runner
from chatdata.notebook.charts.fleet import fleet

HEAD = runner.chain().get_current_head()


@pytest.fixture
def url(new_database):
    """
    An empty database of either kind.
    """
    return new_database()


def test_an_empty_database_gets_every_table(url):
    """
    An empty database is brought to head.
    """
    run = migrate.upgrade(url)

    assert (None, HEAD) == (run.before, run.after)
    assert {"users", "tasks", "conversations", "messages"} <= set(tables(url))
    assert HEAD == migrate.current_revision(url)


def test_history_tells_what_was_done(url):
    """
    Every step is recorded with its script, its author and the version that took it.
    """
    migrate.upgrade(url)
    rows = fetch(
        url,
        "SELECT action, revision, length(script_sha256), chatdata_version FROM chatdata_history"
        " ORDER BY id",
    )

    assert [("upgrade", step, 64, "0.1.0") for step in ("0001", "0002")] == rows[:2]


@pytest.mark.parametrize("wal", [False, True])
def test_at_head_nothing_is_written(tmp_path, wal):
    """
    An upgrade of a database that is at head leaves its file alone, byte for byte, and makes no
    other beside it; so do the verbs that only look.
    """
    file = tmp_path / "app.db"
    url = f"sqlite:///{file}"
    migrate.upgrade(url)
    with closing(sqlite3.connect(file)) as raw:
        raw.execute(f"PRAGMA journal_mode={'WAL' if wal else 'DELETE'}")

    def state():
        return {
            path.name: (hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns)
            for path in tmp_path.iterdir()
            if not path.name.endswith(("-wal", "-shm"))
        }

    before = state()
    runs = [migrate.upgrade(url), migrate.guard.upgrade(url).run]
    found = fleet_of([url])
    migrate.status(url)
    migrate.drift(url)
    migrate.plan(url)

    assert [()] * 2 == [run.steps for run in runs]
    assert ["nothing to do"] == [outcome.outcome for outcome in found]
    assert before == state()


def fleet_of(urls):
    return migrate.fleet.run("upgrade", migrate.fleet.targets(urls))


def test_a_connection_of_the_caller(url):
    """
    A program may hold the connection itself; on SQLite it also decides about the transaction.
    """
    with migrate.connect(url) as connection:
        run = migrate.upgrade(connection)
        connection.commit()

    assert HEAD == run.after == migrate.current_revision(url)


def test_a_connection_that_commits_by_itself_is_refused(tmp_path):
    """
    A plain SQLite connection would commit half a revision, so it is refused.
    """
    engine = sa.create_engine(f"sqlite:///{tmp_path / 'app.db'}")

    with engine.connect() as connection, pytest.raises(MigrationError, match="half a revision"):
        migrate.upgrade(connection)
    engine.dispose()


def test_pending(url):
    """
    What an upgrade would apply is known without writing.
    """
    before = migrate.pending(url)
    migrate.upgrade(url, to="0001")

    assert ("0001", "0002") == before[:2]
    assert before[1:] == migrate.pending(url)


def test_downgrade_asks_before_it_loses_rows(url):
    """
    A step that loses rows is refused by name unless the loss is accepted.
    """
    migrate.upgrade(url)

    with pytest.raises(MigrationError, match="every row of conversations and messages") as refused:
        migrate.downgrade(url, "0001")
    assert 3 == refused.value.exit_code
    assert HEAD == migrate.current_revision(url)

    run = migrate.downgrade(url, "0001", accept_data_loss=True)

    assert "0001" == run.after == migrate.current_revision(url)
    assert "messages" not in tables(url)


def test_a_downgrade_goes_down(url):
    """
    What lies above, or at the bottom already, is no way down; nothing is made or changed.
    """
    migrate.upgrade(url, to="0002")

    with pytest.raises(MigrationError, match="is at 0002, which is not above 0004") as refused:
        migrate.downgrade(url, "0004", accept_data_loss=True)
    assert (2, "0002") == (refused.value.exit_code, migrate.current_revision(url))


def test_a_downgrade_makes_no_database(tmp_path):
    """
    A file that is not there is at base, and is still not there afterwards.
    """
    path = tmp_path / "missing.db"
    migrate.downgrade(f"sqlite:///{path}", "base", accept_data_loss=True)

    assert not path.exists()


def test_what_a_killed_program_left_is_undone(tmp_path):
    """
    A journal that a killed writer left does not keep anybody from reading and upgrading.
    """
    path = tmp_path / "app.db"
    migrate.upgrade(f"sqlite:///{path}", to="0002")
    writer = """
import os, sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA cache_size = 1")
connection.execute("BEGIN")
connection.execute("CREATE TABLE half (t TEXT)")
connection.executemany("INSERT INTO half VALUES (?)", (("x" * 900,) for _ in range(500)))
os.kill(os.getpid(), 9)
"""
    subprocess.run([sys.executable, "-c", writer, str(path)], check=False)
    assert path.with_name("app.db-journal").stat().st_size

    assert "0002" == migrate.current_revision(f"sqlite:///{path}")
    assert HEAD == migrate.upgrade(f"sqlite:///{path}").after
    assert "half" not in tables(f"sqlite:///{path}")


@pytest.mark.parametrize(
    ("url", "match", "code"),
    [
        ("not a url", "not a database URL", 2),
        ("postgresql://u:p@s/secret@h/d", "more than one @", 2),
        ("mysql://u:secret@h/d", "kind 'mysql'", 2),
        ("sqlite:////no/such/folder/app.db", "check that the folder exists", 1),
        ("postgresql://u:secret@127.0.0.1:1/d", "refused", 1),
    ],
)
def test_targets_that_cannot_be(url, match, code):
    """
    A target that cannot be opened is named with the reason, and a password never is.
    """
    with pytest.raises(MigrationError, match=match) as error:
        migrate.upgrade(url)

    assert code == error.value.exit_code
    assert "secret" not in str(error.value)


def test_an_unknown_revision_is_refused(url):
    """
    A database that a newer chatdata made is refused, and the version to install is named.
    """
    migrate.upgrade(url)
    execute(
        url,
        "UPDATE chatdata_version SET version_num = '9999'",
        "UPDATE chatdata_history SET chatdata_version = '7.1.0'",
    )

    with pytest.raises(MigrationError, match=r"9999.*install 'chatdata>=7\.1\.0'") as refused:
        migrate.upgrade(url)
    assert 3 == refused.value.exit_code


def test_an_edited_revision_is_refused(url, tmp_path):
    """
    A revision whose script is not the one that was applied stops the run.
    """
    scripts = shutil.copytree(locate.scripts(), tmp_path / "chain")
    migrate.upgrade(url, to="0001", scripts=scripts)
    script = next((scripts / "versions").glob("0001_*.py"))
    script.write_text(script.read_text() + "\n")

    with pytest.raises(MigrationError, match="0001 was applied here with another script"):
        migrate.upgrade(url, scripts=scripts)
    assert "0001" == migrate.current_revision(url)


def test_two_heads_are_refused(url, tmp_path):
    """
    A chain that forks is refused before anything is written.
    """
    scripts = shutil.copytree(locate.scripts(), tmp_path / "chain")
    script = next((scripts / "versions").glob("0002_*.py"))
    fork = script.read_text().replace('revision = "0002"', 'revision = "0002b"')
    (scripts / "versions" / "0002b_fork.py").write_text(fork)

    with pytest.raises(MigrationError, match="2 heads"):
        migrate.upgrade(url, scripts=scripts)
    assert [] == tables(url)


def test_tables_of_an_application_are_refused(url):
    """
    A database that already holds tables is not ours to fill; adopting it is the next step.
    """
    execute(url, "CREATE TABLE users (id INTEGER PRIMARY KEY)")

    with pytest.raises(MigrationError, match="chatdata db adopt") as refused:
        migrate.upgrade(url)
    assert 3 == refused.value.exit_code
    assert ["users"] == tables(url)


def test_a_failing_revision_leaves_nothing_behind(tmp_path):
    """
    On SQLite a run that fails in its last revision leaves the file as it was.
    """
    scripts = shutil.copytree(locate.scripts(), tmp_path / "chain")
    (scripts / "versions" / "9999_fail.py").write_text(
        "from alembic import op\n"
        f"revision, down_revision = '9999', {HEAD!r}\n"
        "def upgrade():\n    op.execute('CREATE TABLE half (id INTEGER)')\n    op.execute('no')\n"
    )
    url = f"sqlite:///{tmp_path / 'app.db'}"

    with pytest.raises(MigrationError, match="syntax error"):
        migrate.upgrade(url, scripts=scripts)
    assert [] == tables(url)


def test_a_held_lock_is_reported(tmp_path, monkeypatch):
    """
    Where another program is writing, the run gives up with exit code 4 and changes nothing.
    """
    monkeypatch.setattr(migrate.engine, "BUSY_MS", 50)
    file = tmp_path / "app.db"
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(MigrationError, match="another program holds it") as busy:
            migrate.upgrade(f"sqlite:///{file}")
        assert 4 == busy.value.exit_code


def test_a_writer_that_gets_on_is_waited_for(tmp_path, monkeypatch):
    """
    Where another program commits again and again, it is waited for longer than one that does not.
    """
    monkeypatch.setattr(migrate.engine, "BUSY_MS", 150)
    file = tmp_path / "app.db"
    begun = threading.Event()

    def write():
        with closing(sqlite3.connect(file, isolation_level=None)) as other:
            for turn in range(1, 7):
                other.execute("BEGIN IMMEDIATE")
                other.execute(f"PRAGMA user_version = {turn}")
                begun.set()
                time.sleep(0.1)
                other.execute("COMMIT")

    writer = threading.Thread(target=write)
    writer.start()
    begun.wait()
    migrate.upgrade(f"sqlite:///{file}")
    writer.join()

    assert HEAD == migrate.current_revision(f"sqlite:///{file}")


@pytest.mark.parametrize(("n", "trials"), [(3, 1), pytest.param(8, 20, marks=pytest.mark.slow)])
def test_many_at_once(n, trials, new_database):
    """
    However many upgraders start together, each succeeds and the steps are taken once.
    """
    code = "import sys; from chatdata import migrate; migrate.upgrade(sys.argv[1])"
    for url in [new_database() for _ in range(trials)]:
        runs = [
            subprocess.Popen([sys.executable, "-c", code, url], stderr=subprocess.PIPE)
            for _ in range(n)
        ]
        errors = [run.communicate()[1].decode() for run in runs]
        steps = fetch(url, "SELECT revision FROM chatdata_history ORDER BY id")

        assert [""] * n == errors
        assert [0] * n == [run.returncode for run in runs]
        assert sorted(set(steps)) == steps


def test_alembics_own_command(tmp_path):
    """
    In a checkout `alembic` works too, through the same engine.
    """
    checkout = Path(__file__).parents[1]
    url = f"sqlite:///{tmp_path / '100% new.db'}"
    subprocess.run(
        [sys.executable, "-m", "alembic", "-x", f"url={url}", "upgrade", "head"],
        cwd=checkout,
        check=True,
        capture_output=True,
        env=os.environ | {"PYTHONWARNINGS": "error"},
    )

    assert HEAD == migrate.current_revision(url)
    assert 2 <= fetch(url, "SELECT count(*) FROM chatdata_history")[0][0]


def test_scripts_are_never_looked_up_in_the_current_folder(tmp_path, monkeypatch):
    """
    A folder `migrations` where the program happens to run is not touched.
    """
    (tmp_path / "migrations").mkdir()
    (tmp_path / "migrations" / "env.py").write_text("raise SystemExit('poisoned')")
    monkeypatch.chdir(tmp_path)
    migrate.upgrade("sqlite:///app.db")

    assert HEAD == migrate.current_revision("sqlite:///app.db")


def test_owned_tables(url):
    """
    In a database that we created all five tables are ours, in an adopted one a single one.
    """
    migrate.upgrade(url)
    with migrate.connect(url) as connection:
        standalone = history.owned(connection)
        history.record(connection, "adopt", "0002")
        adopted = history.owned(connection)
        connection.rollback()

    assert {"tool_calls", "users", "tasks", "conversations", "messages"} == standalone
    assert {"tool_calls"} == adopted


@pytest.mark.parametrize("server", ["postgres", "postgres_16"])
def test_a_long_run_keeps_its_lock(request, server):
    """
    A limit of the server for idle sessions ends neither the session that holds the lock nor the
    one that works.
    """
    url = request.getfixturevalue(server)()
    hasty = f"{url}&options=-cidle_session_timeout%3D200"
    with lock.exclusive(hasty) as connection:
        time.sleep(0.6)
        held = fetch(url, "SELECT count(*) FROM pg_locks WHERE locktype = 'advisory'")
        migrate.upgrade(connection, to="0001")

    assert [(1,)] == held
    assert "0001" == migrate.current_revision(url)


def test_another_schema_of_the_search_path(postgres):
    """
    Whatever is ours further down a search path is not taken for what is ours in its first schema.
    """
    url = postgres()
    name = url.partition("@/")[2].partition("?")[0]
    first, second = "CREATE SCHEMA first", "CREATE SCHEMA second"
    execute(url, first, second, f"ALTER DATABASE {name} SET search_path = none, first, second")
    migrate.upgrade(url, schema="second")
    before = [migrate.current_revision(url), *migrate.status(url)["state"]]
    steps = [migrate.upgrade(url, to="0002").steps, migrate.upgrade(url).steps]
    places = fetch(
        url,
        "SELECT relname, nspname FROM pg_class c JOIN pg_namespace n ON n.oid = relnamespace"
        " WHERE relkind IN ('r', 'i') AND nspname IN ('first', 'second')",
    )
    own = [sorted(name for name, place in places if place == one) for one in ("first", "second")]
    migrate.downgrade(url, "0002", accept_data_loss=True)

    assert [None, "not ours"] == before
    assert [("0001", "0002"), ("0003", "0004", "0005")] == steps
    assert own[0] == own[1]
    assert ["0002", HEAD] == [
        migrate.current_revision(url, schema=schema) for schema in (None, "second")
    ]
    assert [] == migrate.drift(url) + migrate.drift(url, schema="second")


def test_what_a_server_says_is_not_repeated_word_for_word(postgres):
    """
    A value that the server quotes in its error stays out of ours.
    """
    with pytest.raises(MigrationError, match=r"integer: \(a value\)") as error:
        execute(postgres(), "SELECT 'dear diary'::integer")
    assert "diary" not in str(error.value)


def test_status_of_a_fleet(tmp_path):
    """
    One row per database says what state it is in, whatever that is; the chart counts them.
    """
    found = migrate.status(migrate.example(tmp_path))
    states = dict(found.select("source", "state").iter_rows())

    assert {
        "at_head": "at head",
        "at_0003": "behind",
        "at_0002": "behind",
        "altered": "at head",
        "newer": "unknown revision",
        "strange": "not ours",
        "damaged": "damaged",
    } == {Path(source).stem: state for source, state in states.items()}
    assert [0, 2, 3, 0, None, None, None] == found["n_pending"].to_list()
    assert 1 == found.filter(found["source"].str.contains("altered"))["n_drift"].item()
    assert "at head 2" in repr(fleet(found))
    assert "no databases" in repr(fleet(found.clear()))


def test_databases_of_a_source(tmp_path):
    """
    A source of databases gives them; a log holds none and shows the example, a wrong list does not.
    """
    (tmp_path / "log.jsonl").write_text("{}")
    (tmp_path / "list.txt").write_text("none.db")
    migrate.upgrade(f"sqlite:///{tmp_path / 'app.db'}")
    ours = migrate.databases_of(str(tmp_path / "*.db"), tmp_path / "unused")
    (tmp_path / "made").mkdir()
    made = migrate.databases_of(str(tmp_path / "log.jsonl"), tmp_path / "made")

    assert ["app.db"] == [Path(target.name).name for target in ours]
    assert 7 == len(made)
    with pytest.raises(MigrationError, match="no database"):
        migrate.databases_of(f"@{tmp_path / 'list.txt'}", tmp_path / "unused")

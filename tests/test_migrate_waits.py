"""What an application on PostgreSQL waits for while its database is migrated."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from pathlib import Path

import pytest
from databases import execute, fetch
from test_migrate_large import measured, million

from chatdata import migrate
from chatdata.migrate import engine

PROBE = Path(__file__).with_name("probe.py")
ADDED = {
    "0006": """op.add_check("ck_messages_role", "messages", "role", "role <> 'nobody'")""",
    "0007": """op.naive_to_utc("messages", "created_at", dropping=[
        "ix_messages_created_at", "ix_messages_conversation_id_created_at"])""",
    "0008": """op.add_index("ix_messages_created_at", "messages", ["created_at"])""",
}
"""What a team adds to our chain, revision by revision."""
REVISION = '''"""Change messages."""
from alembic import op

revision, down_revision, branch_labels, depends_on = "{revision}", "{before}", None, None
phase, loses = "expand", None


def upgrade():
    {step}


def downgrade():
    raise NotImplementedError
'''


TYPE = (
    "SELECT data_type FROM information_schema.columns"
    " WHERE table_name = 'messages' AND column_name = 'created_at'"
)


@contextmanager
def probe(url, n):
    """
    The clients of an application, for as long as the block runs.

    Gives a function that names the phase which begins, and the dictionary that is filled at the
    end; see `probe.py`.
    """
    found = {}
    process = subprocess.Popen(
        [sys.executable, PROBE, url, str(n)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def begin(phase):
        process.stdin.write(f"{phase}\n")
        process.stdin.flush()

    try:
        yield begin, found
        found.update(json.loads(process.communicate()[0]))
    finally:
        process.kill()
        process.communicate()


@pytest.fixture
def longer_chain(tmp_path):
    """
    A copy of our scripts, with more revisions after the last one.
    """
    folder = tmp_path / "migrations"
    shutil.copytree(Path(__file__).parents[1] / "migrations", folder)
    for revision, step in ADDED.items():
        written = REVISION.format(revision=revision, before=f"{int(revision) - 1:04}", step=step)
        (folder / "versions" / f"{revision}_more.py").write_text(written)
    return folder


@pytest.mark.parametrize(
    ("server", "n", "quiet_s"),
    [
        pytest.param("postgres", 20_000, 0.5, id="short"),
        pytest.param("postgres_16", 1_000_000, 10, id="16", marks=pytest.mark.slow),
        pytest.param("postgres", 1_000_000, 10, id="18", marks=pytest.mark.slow),
    ],
)
def test_nobody_waits_for_us(request, server, n, quiet_s, longer_chain):
    """
    Beside 8 clients, 200 writes a second and transactions of 4 s, the chain, the backfill and a
    CHECK, a change to times with a zone and an index of a team's own hold no reader up for more
    than 0.3 s and no writer for more than 0.1 s.
    """
    url = request.getfixturevalue(server)()
    million(url, n)
    execute(url, f"SELECT setval('messages_id_seq', {n})")
    ours = f"{url}&application_name=chatdata"
    with probe(url, n) as (begin, waits):
        time.sleep(1)
        begin("quiet before")
        time.sleep(quiet_s)
        begin("upgrade")
        migrate.upgrade(ours)
        # The wait for the key alone, with the long transaction in its way.
        for again in range(3 if quiet_s > 1 else 0):
            begin("downgrade")
            migrate.downgrade(ours, "0004")
            time.sleep(1 + again / 2)
            begin("upgrade")
            migrate.upgrade(ours)
        begin("backfill")
        measured(ours, "backfill")
        drifted = migrate.drift(url)
        begin("operations")
        migrate.upgrade(ours, scripts=longer_chain)
        begin("quiet after")
        time.sleep(quiet_s)
    with_calls = "SELECT count(*) FROM messages WHERE tool_calls IS NOT NULL"
    for phase, seen in waits.items():
        print(phase, seen)  # noqa: T201 - the figures of docs/migrations.md

    assert [] == drifted
    assert [("timestamp with time zone",)] == fetch(url, TYPE)
    assert fetch(url, with_calls) == fetch(url, "SELECT count(*) FROM tool_calls")
    for phase in ("upgrade", "backfill", "operations"):
        assert min(waits[phase]["n"].values()) > 0
        assert waits[phase]["read_lock"] <= 0.3
        assert waits[phase]["write_lock"] <= 0.1


def test_patience_begins_where_a_step_has_to_wait(postgres, longer_chain, monkeypatch):
    """
    However long the revisions before it took, a statement that needs a lock is tried again.
    """
    monkeypatch.setattr(engine, "PATIENCE_S", 2.0)
    for revision, step in {
        "0006": "op.execute('SELECT pg_sleep(2.5)')",
        "0007": "op.execute('ALTER TABLE users ADD COLUMN more TEXT')",
    }.items():
        written = REVISION.format(revision=revision, before=f"{int(revision) - 1:04}", step=step)
        (longer_chain / "versions" / f"{revision}_more.py").write_text(written)
    url = postgres()
    migrate.upgrade(url, to="0005", scripts=longer_chain)

    def hold():
        with migrate.connect(url) as holder, holder.begin():
            holder.exec_driver_sql("LOCK TABLE users")
            held.set()
            while migrate.current_revision(url) != "0006":
                time.sleep(0.05)
            time.sleep(0.5)

    held = threading.Event()
    holding = threading.Thread(target=hold)
    holding.start()
    held.wait()
    run = migrate.upgrade(url, to="0007", scripts=longer_chain)
    holding.join()

    assert ("0006", "0007") == run.steps


def test_ctrl_c_while_an_index_is_built(postgres):
    """
    The program says that it was stopped, in one line; the same command repairs what it left.
    """
    url = postgres()
    migrate.upgrade(url, to="0002")
    program = [Path(sys.executable).with_name("chatdata"), "db", "upgrade", url, "--yes"]
    with migrate.connect(url) as reader:
        # What the index has to wait for.
        reader.execution_options(isolation_level="REPEATABLE READ")
        reader.exec_driver_sql("SELECT * FROM messages")
        running = subprocess.Popen(program, stderr=subprocess.PIPE, text=True)
        while not fetch(url, "SELECT 1 FROM pg_stat_progress_create_index"):
            assert running.poll() is None
            time.sleep(0.05)
        running.send_signal(signal.SIGINT)
        said = running.communicate()[1]
        reader.rollback()
    again = subprocess.run(program, check=False)

    assert 130 == running.returncode
    assert "chatdata: stopped; " in said
    assert 1 == len(said.splitlines())
    assert 0 == again.returncode
    assert [] == migrate.drift(url)

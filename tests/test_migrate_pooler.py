"""Behind a PgBouncer in transaction mode, and past it."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest
from databases import execute, fetch
from test_migrate_backfill import add

from chatdata import migrate

PROGRAM = Path(sys.executable).with_name("chatdata")


@pytest.fixture
def pooler(postgres):
    """
    A PgBouncer in transaction mode before a database, with a role whose statements may take 1 s;
    gives its URL and the direct one.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer on this machine")
    direct = postgres()
    name = direct.partition("@/")[2].partition("?")[0]
    host = fetch(direct, "SHOW unix_socket_directories")[0][0]
    if not fetch(direct, "SELECT FROM pg_roles WHERE rolname = 'hasty'"):
        role = "CREATE ROLE hasty SUPERUSER LOGIN"
        execute(direct, role, "ALTER ROLE hasty SET statement_timeout = '1s'")
    folder = Path(tempfile.mkdtemp(prefix="chatdata-pooler-"))
    folder.chmod(0o777)
    (folder / "users.txt").write_text('"hasty" ""\n')
    settings = folder / "pgbouncer.ini"
    settings.write_text(
        f"[databases]\n{name} = host={host} dbname={name}\n[pgbouncer]\npool_mode = transaction\n"
        f"listen_addr =\nunix_socket_dir = {folder}\nlisten_port = 6543\nauth_type = trust\n"
        f"auth_file = {folder / 'users.txt'}\n"
    )
    # The server's folder, with its socket, is open to the server's own user only.
    user = {"user": Path(host).owner()} if os.geteuid() == 0 else {}
    process = subprocess.Popen([program, settings], stderr=subprocess.DEVNULL, **user)
    socket = folder / ".s.PGSQL.6543"
    while not socket.exists() and process.poll() is None:
        time.sleep(0.05)
    yield (
        f"postgresql://hasty@/{name}?host={folder}&port=6543",
        f"postgresql://hasty@/{name}?host={host}",
    )
    process.terminate()
    process.wait()
    shutil.rmtree(folder)


def run(*words):
    return subprocess.run([PROGRAM, "db", *words], capture_output=True, text=True, check=False)


@pytest.mark.slow
def test_a_pooler_is_refused(pooler):
    """
    Through a transaction pooler every verb that takes a lock is refused by name, and nothing is
    begun; on the direct address all of it completes, also a statement that takes longer than the
    role's own limit.
    """
    pooled, direct = pooler
    assert [(True,)] == fetch(pooled, "SELECT pg_backend_pid() > 0")
    refused = [
        run("upgrade", pooled, "--yes"),
        run("fleet", "upgrade", pooled, "--yes", "--jobs", "1"),
    ]
    nothing = migrate.current_revision(direct)
    migrate.upgrade(direct, to="0002")
    add(direct, 1, 500)
    refused += [run("downgrade", pooled, "0001", "--yes", "--accept-data-loss")]
    with migrate.connect(direct) as reader:
        # What the index on messages has to wait for.
        reader.execution_options(isolation_level="REPEATABLE READ")
        reader.exec_driver_sql("SELECT * FROM messages")
        upgrade = [PROGRAM, "db", "upgrade", pooled, "--direct-url", direct, "--yes"]
        running = subprocess.Popen(upgrade)
        while not fetch(direct, "SELECT 1 FROM pg_stat_progress_create_index"):
            assert running.poll() is None
            time.sleep(0.05)
        time.sleep(2)
        reader.rollback()
    ended = running.wait()
    filled = run("backfill", "run", "tool_calls", direct, "--yes", "--json")

    assert [3, 1, 3] == [one.returncode for one in refused]
    for one in refused:
        assert "a connection pooler stands between us and the server" in one.stdout + one.stderr
        assert "--direct-url" in one.stdout + one.stderr
    assert nothing is None
    assert 0 == ended
    assert "0005" == migrate.current_revision(direct)
    assert "done" == json.loads(filled.stdout)["state"]
    assert [] == migrate.drift(direct)


@pytest.mark.parametrize("verb", ["run", "retry-bad"])
def test_a_backfill_through_a_pooler_is_refused(pooler, verb):
    """
    So is a backfill, before it has written anything; on the direct address it completes.
    """
    pooled, direct = pooler
    migrate.upgrade(direct)
    add(direct, 1, 50)
    refused = run("backfill", verb, "tool_calls", pooled, "--yes")
    begun = migrate.status(direct)["backfill"].to_list()
    done = run("backfill", verb, "tool_calls", pooled, "--direct-url", direct, "--yes")

    assert 3 == refused.returncode
    assert "a connection pooler stands between us and the server" in refused.stderr
    assert ["not started"] == begun
    assert 0 == done.returncode


@pytest.mark.slow
def test_a_schema_stays_ours(pooler):
    """
    Looking into one schema through a pooler does not move the application into it.
    """
    pooled, direct = pooler
    execute(direct, "CREATE SCHEMA other", "CREATE TABLE other.t (n INT)")
    application = "SELECT current_schema()"
    assert [("public",)] == fetch(pooled, application)

    run("status", pooled, "--schema", "other")
    run("drift", pooled, "--schema", "other")

    assert [("public",)] == fetch(pooled, application)
    assert run("status", direct, "--schema", "other").returncode == 0

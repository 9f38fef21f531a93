"""Migrations at size: a million messages, thousands of databases, a pooler."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import pytest
from databases import execute, fetch
from test_migrate_backfill import add

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import fleet

CHAIN = Path(__file__).parent / "chain"

MEASURED = """
import json, re, sys, time
from pathlib import Path
url, step = sys.argv[1:3]
began, ends = time.monotonic(), []
if step == "upgrade":
    from chatdata.migrate import guard
    guard.upgrade(url, backup=False)
elif step == "rebuild":
    from chatdata.migrate import guard
    guard.upgrade(url, backup=False, to="0002", scripts=Path(sys.argv[3]))
else:
    from chatdata.migrate import backfill
    backfill.run(url, on_batch=lambda _progress: ends.append(time.monotonic()))
spent = time.monotonic() - began
batches = sorted(end - start for start, end in zip(ends, ends[1:]))
median = batches[len(batches) // 2] if batches else 0
peak = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps({"s": spent, "mb": peak, "batch": median}))
"""


def measured(url, step, *rest):
    """
    Run one step in a process of its own and give its seconds and its peak memory.
    """
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, url, step, *map(str, rest)],
        capture_output=True,
        text=True,
        check=True,
    )
    found = json.loads(run.stdout)
    print(step, found)  # noqa: T201 - the figures of docs/migrations.md
    return found


def million(url, n):
    """
    Bring a database to 0002 and write `n` messages of about 300 random characters, two in five
    with a call.
    """
    migrate.upgrade(url, to="0002")
    execute(
        url,
        "INSERT INTO users (id, email, name, created_at, updated_at)"
        " VALUES ('u', 'e', 'n', '2026-01-01', '2026-01-01')",
        "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
    )
    call = """'[{"tool": "add_task", "parameters": {"title": "task ' || i || '", "user_id": "u"},'
        || ' "result": {"task_id": ' || i || ', "status": "created", "success": true}}]'"""
    if url.startswith("sqlite"):
        text, made = "hex(randomblob(150))", "SELECT value AS i FROM generate"
        series = (
            f"WITH RECURSIVE generate(value) AS (SELECT 1 UNION ALL SELECT value + 1 FROM generate"
            f" WHERE value < {n}) "
        )
    else:
        text = "(SELECT string_agg(md5(random()::text || i || k), '') FROM generate_series(1, 9) k)"
        series, made = "", f"SELECT i FROM generate_series(1, {n}) AS i"
    execute(
        url,
        "INSERT INTO messages (id, user_id, conversation_id, role, content, tool_calls, created_at)"
        f" {series}SELECT i, 'u', 1, 'user', {text},"
        f" CASE WHEN i - (i / 5) * 5 < 2 THEN {call} END, '2026-01-01 00:00:00'"
        f" FROM ({made}) AS made",
    )


@pytest.mark.slow
def test_a_million_messages_on_sqlite(tmp_path):
    """
    The chain and the backfill at a million messages stay within 200 MB.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    million(url, 1_000_000)
    chain = measured(url, "upgrade")
    filled = measured(url, "backfill")

    assert [(400_000,)] == fetch(url, "SELECT count(*) FROM tool_calls")
    assert max(chain["mb"], filled["mb"]) <= 200


@pytest.mark.slow
def test_a_rebuild_of_a_million_rows(tmp_path):
    """
    Rebuilding a table of a million rows stays within 150 MB.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0001", scripts=CHAIN)
    execute(
        url,
        "WITH RECURSIVE made(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM made WHERE i < 1000000)"
        " INSERT INTO people SELECT i, hex(randomblob(40)) FROM made",
    )
    rebuilt = measured(url, "rebuild", CHAIN)

    assert rebuilt["mb"] <= 150
    assert [(1_000_000,)] == fetch(url, "SELECT count(*) FROM people")


@pytest.mark.slow
def test_three_thousand_databases(tmp_path):
    """
    Three thousand databases are adopted, upgraded and found at head.
    """
    folder = tmp_path / "fleet"
    folder.mkdir()
    migrate.upgrade(f"sqlite:///{tmp_path / 'template'}", to="0002")
    add(f"sqlite:///{tmp_path / 'template'}", 1, 50)
    execute(
        f"sqlite:///{tmp_path / 'template'}",
        "DROP TABLE chatdata_version",
        "DROP TABLE chatdata_history",
    )
    for number in range(3_000):
        shutil.copyfile(tmp_path / "template", folder / f"{number:04}.db")
    found = fleet.targets([str(folder / "*.db")])
    spent = {}
    for verb in ("adopt", "upgrade", "upgrade"):
        began = time.monotonic()
        outcomes = Counter(outcome.outcome for outcome in fleet.run(verb, found, keep=1))
        spent[f"{verb} {dict(outcomes)}"] = time.monotonic() - began
    print(spent)  # noqa: T201 - the figures of docs/migrations.md

    assert {"nothing to do": 3_000} == outcomes


@pytest.mark.slow
def test_a_fleet_of_two_hundred(tmp_path):
    """
    Two hundred databases of 2,000 messages are upgraded with every safety on.
    """
    folder = tmp_path / "fleet"
    folder.mkdir()
    million(f"sqlite:///{tmp_path / 'template'}", 2_000)
    for number in range(200):
        shutil.copyfile(tmp_path / "template", folder / f"{number:03}.db")
    found = fleet.targets([str(folder / "*.db")])
    began = time.monotonic()
    outcomes = Counter(outcome.outcome for outcome in fleet.run("upgrade", found, jobs=2))
    upgraded = time.monotonic()
    again = Counter(outcome.outcome for outcome in fleet.run("upgrade", found, jobs=2))
    print(upgraded - began, time.monotonic() - upgraded)  # noqa: T201 - the figures

    assert ({"done": 200}, {"nothing to do": 200}) == (outcomes, again)


@pytest.fixture
def pooler(postgres):
    """
    A PgBouncer in transaction mode before a database; gives its URL and the direct one.
    """
    program = shutil.which("pgbouncer", path=f"{os.environ['PATH']}:/usr/sbin")
    if program is None:
        pytest.skip("no pgbouncer on this machine")
    direct = postgres()
    name = direct.partition("@/")[2].partition("?")[0]
    host = fetch(direct, "SHOW unix_socket_directories")[0][0]
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
    user = {"user": "pgserver"} if os.geteuid() == 0 else {}
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


@pytest.mark.slow
def test_a_pooler_is_refused(pooler):
    """
    Behind a transaction pooler nothing is begun; on the direct address all of it completes.
    """
    pooled, direct = pooler

    with pytest.raises(MigrationError, match=r"pooler.*--direct-url"):
        migrate.upgrade(pooled)
    million(direct.replace("hasty@", "postgres@"), 200_000)
    assert "0005" == migrate.upgrade(direct).after
    assert "done" == migrate.backfill.run(direct).state

"""Migrations at size: a million messages, a million rows."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from databases import execute, fetch

from chatdata import migrate

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

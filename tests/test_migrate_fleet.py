"""The same verb over many databases."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest
from databases import execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import fleet

HEAD = "0005"


@pytest.fixture
def template(tmp_path):
    """
    A tenant at 0002 with a user.
    """
    url = f"sqlite:///{tmp_path / 'template'}"
    migrate.upgrade(url, to="0002")
    execute(url, "INSERT INTO users VALUES ('u', 'e', 'n', NULL, NULL, NULL, NULL, 'a', 'b')")
    return tmp_path / "template"


def tenants(template, n):
    """
    A folder of `n` copies of the template, and the pattern that finds them.
    """
    folder = template.parent / "tenants"
    folder.mkdir(exist_ok=True)
    files = [folder / f"tenant_{number:04}.db" for number in range(n)]
    for file in files:
        shutil.copyfile(template, file)
    return files, str(folder / "*.db")


def revisions(files):
    return Counter(migrate.fleet.version(fleet.Target(f"sqlite:///{file}")) for file in files)


def test_upgrade(template, tmp_path):
    """
    Every database reaches head, each with a backup and a line in the report.
    """
    files, pattern = tenants(template, 6)
    report = tmp_path / "report.jsonl"
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=2, report=report)
    again = fleet.run("upgrade", fleet.targets([pattern]), jobs=2)
    lines = [json.loads(line) for line in report.read_text().splitlines()]

    assert Counter(done=6) == Counter(outcome.outcome for outcome in outcomes)
    assert Counter({"nothing to do": 6}) == Counter(outcome.outcome for outcome in again)
    assert Counter({HEAD: 6}) == revisions(files)
    assert sorted(str(file) for file in files) == sorted(line["name"] for line in lines)
    assert 6 == len(list(files[0].parent.glob("*.backup")))


def break_six(files):
    """
    Break six databases in six ways; gives what holds the lock, to be closed.
    """
    files[0].write_bytes(b"damaged" * 1000)
    execute(f"sqlite:///{files[1]}", "UPDATE chatdata_version SET version_num = '9999'")
    execute(f"sqlite:///{files[2]}", "CREATE TABLE tool_calls (id INTEGER)")
    execute(f"sqlite:///{files[3]}", "UPDATE chatdata_history SET script_sha256 = 'edited'")
    execute(
        f"sqlite:///{files[4]}", "CREATE INDEX ix_messages_conversation_id_created_at ON users (id)"
    )
    holder = sqlite3.connect(files[5], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    return holder


@pytest.mark.parametrize("n", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_six_faults(template, n):
    """
    Six broken databases are six failures by name; all others are upgraded.
    """
    files, pattern = tenants(template, n)
    with closing(break_six(files)):
        outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=2)
    failed = sorted(outcome.name for outcome in outcomes if outcome.outcome == "failed")

    assert [str(file) for file in files[:6]] == failed
    assert n - 6 == revisions(files[6:])[HEAD]


def test_a_killed_worker_loses_one(template, monkeypatch, tmp_path):
    """
    A worker that dies costs the database in its hands, and the rest is done.
    """
    files, pattern = tenants(template, 8)
    os.mkfifo(tmp_path / "tenants" / "tenant_0003.fifo")
    files[3].unlink()
    files[3].symlink_to(tmp_path / "tenants" / "tenant_0003.fifo")
    # A pipe that nobody writes to holds the worker for as long as we want.
    outcomes = []

    def kill_the_stuck(outcome):
        outcomes.append(outcome)
        if len(outcomes) == 6:
            for child in children():
                os.kill(child, signal.SIGKILL)

    monkeypatch.setattr(fleet, "version", lambda _target: None)
    done = fleet.run("upgrade", fleet.targets([pattern]), jobs=2, on_outcome=kill_the_stuck)
    failed = [outcome for outcome in done if outcome.outcome == "failed"]

    assert str(files[3]) in [outcome.name for outcome in failed]
    assert any("worker died (exit -9)" in outcome.detail for outcome in failed)
    assert len(failed) <= 2


def children():
    listed = Path(f"/proc/{os.getpid()}/task/{os.getpid()}/children").read_text()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed.split()}
    return [pid for pid, line in lines.items() if b"spawn_main" in line]


def test_canary(template):
    """
    When the canary fails, no other database is touched.
    """
    files, pattern = tenants(template, 4)
    execute(f"sqlite:///{files[0]}", "CREATE TABLE tool_calls (id INTEGER)")
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), canary=1)

    assert ["failed", *["not started"] * 3] == [outcome.outcome for outcome in outcomes]
    assert Counter({"0002": 4}) == revisions(files)


def test_max_failures(template):
    """
    After so many failures no more databases are begun.
    """
    files, pattern = tenants(template, 6)
    for file in files[:3]:
        execute(f"sqlite:///{file}", "CREATE TABLE tool_calls (id INTEGER)")
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=1, max_failures=2)

    assert Counter({"failed": 2, "not started": 4}) == Counter(o.outcome for o in outcomes)


def test_resume_after_the_supervisor_was_killed(template):
    """
    A run that is killed is finished by running it again.
    """
    files, pattern = tenants(template, 12)
    code = (
        "import sys; from chatdata.migrate import fleet;"
        "fleet.run('upgrade', fleet.targets([sys.argv[1]]), jobs=2)"
    )
    first = subprocess.Popen([sys.executable, "-c", f"if __name__ == '__main__': {code}", pattern])
    while revisions(files)[HEAD] < 2:
        time.sleep(0.02)
    first.kill()
    first.wait()
    time.sleep(0.5)
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=2)

    assert {"done", "nothing to do"} >= {outcome.outcome for outcome in outcomes}
    assert Counter({HEAD: 12}) == revisions(files)


def test_other_verbs(template, tmp_path):
    """
    The same lanes plan, adopt, backfill and restore.
    """
    files, pattern = tenants(template, 2)
    found = fleet.targets([pattern])
    planned = fleet.run("plan", found, jobs=1)
    fleet.run("upgrade", found, jobs=1, keep=1)
    filled = fleet.run("backfill", found, jobs=1)
    restored = fleet.run("restore", found, jobs=1)
    adopted = fleet.run("adopt", found, jobs=1)

    assert ["pending: 0003, 0004, 0005"] * 2 == [outcome.detail for outcome in planned]
    assert ["done"] * 2 == [outcome.outcome for outcome in filled]
    assert ["done"] * 2 == [outcome.outcome for outcome in restored]
    assert ["failed"] * 2 == [outcome.outcome for outcome in adopted]
    assert Counter({"0002": 2}) == revisions(files)


def test_targets(template, tmp_path):
    """
    Patterns, URLs and files of these are put together once each, and can be shared out.
    """
    files, pattern = tenants(template, 5)
    listed = tmp_path / "fleet.txt"
    listed.write_text(f"# ours\n{pattern}\n\nsqlite:///{files[0]}\n")
    found = fleet.targets([f"@{listed}", pattern])
    shards = [fleet.targets([pattern], shard=f"{part}/2") for part in (1, 2)]

    assert [str(file) for file in files] == [target.name for target in found]
    assert [3, 2] == [len(shard) for shard in shards]
    assert not {*shards[0]} & {*shards[1]}


@pytest.mark.parametrize(
    ("arguments", "match"),
    [
        ({"places": ["/no/such/*.db"]}, "no database"),
        ({"places": ["sqlite:///x"], "shard": "3/2"}, "expected i/n"),
        ({"places": ["sqlite:///x"], "shard": "x"}, "expected i/n"),
    ],
)
def test_targets_that_are_none(arguments, match):
    """
    A place where nothing is, and a share that cannot be, are refused.
    """
    with pytest.raises(MigrationError, match=match):
        fleet.targets(**arguments)


def test_schemas(postgres):
    """
    Each schema of a PostgreSQL database is a tenant of its own, and `public` stays empty.
    """
    url = postgres()
    execute(url, *(f"CREATE SCHEMA tenant_{name}" for name in ("a", "b")), "CREATE SCHEMA other")
    execute(url, "CREATE TABLE tenant_b.users (id INTEGER)")
    found = fleet.targets([url], schemas="tenant_%")
    outcomes = {o.name.partition("#")[2]: o.outcome for o in fleet.run("upgrade", found, jobs=2)}
    schemas = fetch(
        url, "SELECT DISTINCT schemaname FROM pg_tables WHERE tablename = 'messages' ORDER BY 1"
    )

    assert {"tenant_a": "done", "tenant_b": "failed"} == outcomes
    assert [("tenant_a",)] == schemas

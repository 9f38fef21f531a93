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
from test_migrate_operations import CHAIN, ROWS

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import fleet, plans

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


DEADLY = """
import os
import signal

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0007"


def upgrade():
    if "deadly" in sa.inspect(op.get_bind()).get_table_names():
        os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.fixture
def authored(tmp_path):
    """
    An author's chain whose last revision kills its process where a database asks for that.
    """
    chain = shutil.copytree(CHAIN, tmp_path / "chain")
    (chain / "versions" / "0008_die.py").write_text(DEADLY)
    return chain


def break_six(files):
    """
    Break six databases in six ways; gives what holds the lock, to be closed, and what is to be
    said of each.
    """
    files[0].write_bytes(b"damaged" * 1000)
    execute(f"sqlite:///{files[1]}", "INSERT INTO notes VALUES (9, 1, 'rumour', NULL)")
    execute(f"sqlite:///{files[2]}", "CREATE TABLE _alembic_tmp_people (id INTEGER)")
    execute(f"sqlite:///{files[3]}", "UPDATE chatdata_version SET version_num = '9999'")
    execute(f"sqlite:///{files[4]}", "CREATE TABLE deadly (id INTEGER)")
    holder = sqlite3.connect(files[5], isolation_level=None)
    holder.execute("BEGIN IMMEDIATE")
    said = ("is damaged", "kind", "_alembic_tmp_people", "9999", "worker died (exit -9)", "locked")
    return holder, dict(zip(map(str, files), said, strict=False))


@pytest.mark.parametrize("n", [20, pytest.param(200, marks=pytest.mark.slow)])
def test_six_faults(tmp_path, authored, n):
    """
    Six broken databases are six failures by name and cause, and all others are upgraded; after
    repairs the next run does the rest.
    """
    url = f"sqlite:///{tmp_path / 'template'}"
    migrate.upgrade(url, to="0001", scripts=CHAIN)
    execute(url, *ROWS)
    files, pattern = tenants(tmp_path / "template", n)
    holder, expected = break_six(files)
    with closing(holder):
        outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=2, scripts=authored)
    failed = {outcome.name: outcome.detail for outcome in outcomes if outcome.outcome == "failed"}
    counts = revisions(files)
    execute(f"sqlite:///{files[1]}", "DELETE FROM notes WHERE id = 9")
    execute(f"sqlite:///{files[2]}", "DROP TABLE _alembic_tmp_people")
    execute(f"sqlite:///{files[4]}", "DROP TABLE deadly")
    again = fleet.run("upgrade", fleet.targets([pattern]), jobs=2, scripts=authored)

    assert expected.keys() == failed.keys()
    assert {} == {name: said for name, said in expected.items() if said not in failed[name]}
    assert Counter({"0008": n - 6, "0001": 4, "9999": 1, None: 1}) == counts
    assert Counter({"nothing to do": n - 6, "done": 4, "failed": 2}) == Counter(
        outcome.outcome for outcome in again
    )


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
            for child in workers(os.getpid()):
                os.kill(child, signal.SIGKILL)

    monkeypatch.setattr(fleet, "version", lambda _target: None)
    done = fleet.run("upgrade", fleet.targets([pattern]), jobs=2, on_outcome=kill_the_stuck)
    failed = [outcome for outcome in done if outcome.outcome == "failed"]

    assert str(files[3]) in [outcome.name for outcome in failed]
    assert any("worker died (exit -9)" in outcome.detail for outcome in failed)
    assert len(failed) <= 2


def test_canary(template):
    """
    When the canary fails, no other database is touched.
    """
    files, pattern = tenants(template, 4)
    execute(f"sqlite:///{files[0]}", "CREATE TABLE tool_calls (id INTEGER)")
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), canary=1)

    assert ["failed", *["not started"] * 3] == [outcome.outcome for outcome in outcomes]
    assert Counter({"0002": 4}) == revisions(files)


@pytest.mark.parametrize(("jobs", "allowed"), [(1, 2), (4, 1), (4, 2), (2, 4)])
def test_max_failures(template, jobs, allowed):
    """
    So many fail and no more, however many are worked on at a time.
    """
    files, pattern = tenants(template, 10)
    for file in files[1:]:
        execute(f"sqlite:///{file}", "CREATE TABLE tool_calls (id INTEGER)")
    found = fleet.targets([pattern])
    outcomes = fleet.run("upgrade", found, jobs=jobs, max_failures=allowed)

    assert Counter({"done": 1, "failed": allowed, "not started": 9 - allowed}) == Counter(
        outcome.outcome for outcome in outcomes
    )


SUPERVISOR = (
    "import sys\n"
    "from chatdata.migrate import fleet\n"
    "if __name__ == '__main__':\n"
    "    fleet.run('upgrade', fleet.targets([sys.argv[1]]), jobs=2)\n"
)


def workers(supervisor):
    """
    The processes of a fleet that a process has started.
    """
    listed = Path(f"/proc/{supervisor}/task/{supervisor}/children").read_text()
    lines = {int(pid): Path(f"/proc/{pid}/cmdline").read_bytes() for pid in listed.split()}
    return [pid for pid, line in lines.items() if b"spawn_main" in line]


@pytest.mark.parametrize("n", [12, pytest.param(200, marks=pytest.mark.slow)])
def test_resume_after_the_supervisor_was_killed(template, n):
    """
    A run that is killed is finished by running it again.
    """
    files, pattern = tenants(template, n)
    first = subprocess.Popen([sys.executable, "-c", SUPERVISOR, pattern])
    while revisions(files)[HEAD] < n // 6:
        time.sleep(0.02)
    first.kill()
    first.wait()
    outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=2)
    print(Counter(outcome.outcome for outcome in outcomes))  # noqa: T201 - the figures

    assert {"done", "nothing to do"} >= {outcome.outcome for outcome in outcomes}
    assert Counter({HEAD: n}) == revisions(files)


def is_running(pid):
    """
    Whether a process is there, and not one that has ended and that nobody has asked about.
    """
    stat = Path(f"/proc/{pid}/stat")
    return stat.exists() and stat.read_text().rpartition(")")[2].split()[0] != "Z"


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGINT], ids=["SIGKILL", "Ctrl-C"])
def test_workers_end_with_their_supervisor(template, number):
    """
    Workers finish the database in their hands and end, in silence, when nobody listens any more;
    what was not begun stays as it was.
    """
    files, pattern = tenants(template, 40)
    command = [sys.executable, "-c", SUPERVISOR, pattern]
    with subprocess.Popen(command, stderr=subprocess.PIPE, process_group=0) as first:
        while revisions(files)[HEAD] < 2:
            time.sleep(0.02)
        started = workers(first.pid)
        # A terminal sends its Ctrl-C to the whole group.
        os.kill(first.pid, number) if number == signal.SIGKILL else os.killpg(first.pid, number)
        # The pipe is closed when the last of them has gone.
        said = first.stderr.read().decode()
    left = revisions(files)

    assert 2 == len(started)
    assert [] == [pid for pid in started if is_running(pid)]
    assert ("KeyboardInterrupt" in said) == (number == signal.SIGINT)
    assert said.count("Traceback") == (number == signal.SIGINT)
    assert {HEAD, "0002"} == {*left}
    assert left[HEAD] < 40


def test_a_worker_that_died_at_rest_costs_nothing(template, monkeypatch):
    """
    One that is killed between two databases is replaced.
    """
    _, pattern = tenants(template, 4)

    def kill_it(_outcome):
        for pid in workers(os.getpid()):
            os.kill(pid, signal.SIGKILL)
            while is_running(pid):
                time.sleep(0.01)

    outcomes = fleet.run("upgrade", fleet.targets([pattern]), jobs=1, on_outcome=kill_it)

    assert ["done"] * 4 == [outcome.outcome for outcome in outcomes]


def test_adopting_goes_on_after_an_interruption(template):
    """
    Databases that are adopted already are nothing to do, and the others are adopted.
    """
    files, pattern = tenants(template, 4)
    for file in files:
        execute(f"sqlite:///{file}", "DROP TABLE chatdata_version", "DROP TABLE chatdata_history")
    found = fleet.targets([pattern])
    fleet.run("adopt", found[:2], jobs=1)
    again = fleet.run("adopt", found, jobs=1)

    assert Counter({"nothing to do": 2, "done": 2}) == Counter(o.outcome for o in again)
    assert Counter({"0002": 4}) == revisions(files)


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
    put_back = fleet.run("restore", found, jobs=1)
    adopted = fleet.run("adopt", found, jobs=1)

    assert ["pending: 0003, 0004, 0005"] * 2 == [outcome.detail for outcome in planned]
    assert ["done"] * 2 == [outcome.outcome for outcome in filled]
    assert ["done"] * 2 == [outcome.outcome for outcome in restored]
    assert ["nothing to do"] * 2 == [outcome.outcome for outcome in put_back]
    assert ["nothing to do"] * 2 == [outcome.outcome for outcome in adopted]
    assert 2 == len(list(files[0].parent.glob("*.failed")))
    assert Counter({"0002": 2}) == revisions(files)


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


def test_plans_of_schemas(postgres):
    """
    A schema is planned from its own revision, and the plan is carried out there.
    """
    url = postgres()
    execute(url, *(f"CREATE SCHEMA tenant_{name}" for name in ("a", "b")))
    migrate.upgrade(url)
    migrate.upgrade(url, to="0002", schema="tenant_b")
    found = fleet.targets([url], schemas="tenant_%")
    planned = [outcome.detail for outcome in fleet.run("plan", found, jobs=1)]
    made = [migrate.plan(url, schema=target.schema) for target in found]
    done = [migrate.apply(each) for each in plans.load(plans.dump(made))]

    assert ["pending: 0001, 0002, 0003, 0004, 0005", "pending: 0003, 0004, 0005"] == planned
    assert ["tenant_a", "tenant_b"] == [each.schema for each in made]
    assert 'SET search_path = "tenant_a"' == made[0].sql[0]
    assert [None, "0002"] == [each.run.before for each in done]
    assert ["0005"] * 2 == [each.run.after for each in done]
    assert [] == migrate.drift(url, schema="tenant_a")
    with pytest.raises(MigrationError, match="has changed since"):
        migrate.apply(made[0])
    with pytest.raises(MigrationError, match="there is no schema tenant_c"):
        migrate.plan(url, schema="tenant_c")

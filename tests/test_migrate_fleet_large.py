"""Fleets at size: hundreds and thousands of databases, in short on every run."""

from __future__ import annotations

import shutil
import time
from collections import Counter

import pytest
from databases import execute
from test_migrate_backfill import add
from test_migrate_large import million

from chatdata import migrate
from chatdata.migrate import fleet

SIZES = pytest.mark.parametrize("n", [20, pytest.param(3_000, marks=pytest.mark.slow)])


def copies(template, n):
    """
    A fleet of `n` copies of a database.
    """
    folder = template.parent / "fleet"
    folder.mkdir()
    for number in range(n):
        shutil.copyfile(template, folder / f"{number:04}.db")
    return fleet.targets([str(folder / "*")])


def timed(what, work):
    """
    What it gives, how many seconds it takes, and how many of these on a core of ours; the last is
    what a busy machine leaves as it is.
    """
    began, cpu_began = time.monotonic(), time.process_time()
    found = work()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu_began
    print(f"{what}: {seconds:.2f} s, {cpu:.2f} s on a core")  # noqa: T201 - the figures of docs/migrations.md
    return found, seconds, cpu


def counted(verb, found, **options):
    outcomes, seconds, cpu = timed(
        f"{verb} {len(found):,}", lambda: fleet.run(verb, found, **options)
    )
    return Counter(outcome.outcome for outcome in outcomes), seconds, cpu


@pytest.mark.parametrize(
    ("n", "n_messages"), [(20, 100), pytest.param(200, 2_000, marks=pytest.mark.slow)]
)
def test_a_fleet_is_upgraded(tmp_path, n, n_messages):
    """
    Two hundred databases of 2,000 messages are upgraded by two jobs within 35 s, each with its
    backup and its proof, and are found at head within a second.
    """
    million(f"sqlite:///{tmp_path / 'template'}", n_messages)
    found = copies(tmp_path / "template", n)
    upgraded, seconds, _ = counted("upgrade", found, jobs=2)
    again, seconds_again, _ = counted("upgrade", found, jobs=2)

    assert ({"done": n}, {"nothing to do": n}) == (upgraded, again)
    assert n == len(list((tmp_path / "fleet").glob("*.backup")))
    assert seconds <= 35
    assert seconds_again <= 1


@SIZES
def test_a_first_day(tmp_path, n):
    """
    Thousands of databases that an application made are adopted in one go, which can be repeated.
    """
    url = f"sqlite:///{tmp_path / 'template'}"
    migrate.upgrade(url, to="0002")
    add(url, 1, 50)
    execute(url, "DROP TABLE chatdata_version", "DROP TABLE chatdata_history")
    found = copies(tmp_path / "template", n)
    adopted, *_ = counted("adopt", found)
    again, _, cpu = counted("adopt", found)

    assert ({"done": n}, {"nothing to do": n}) == (adopted, again)
    assert cpu <= 3
    assert {"behind"} == {*migrate.status(found)["state"]}


@SIZES
def test_looking_at_a_fleet_is_cheap(tmp_path, n):
    """
    What state thousands of databases are in, drift and backfill among it, is told in about a
    second.
    """
    url = f"sqlite:///{tmp_path / 'template'}"
    migrate.upgrade(url)
    add(url, 1, 50)
    found = copies(tmp_path / "template", n)
    again, _, cpu = counted("upgrade", found)
    status, _, cpu_of_status = timed(f"status of {n:,}", lambda: migrate.status(found))

    assert {"nothing to do": n} == again
    assert {("at head", 0, 50)} == {*status.select("state", "n_drift", "n_behind").iter_rows()}
    assert max(cpu, cpu_of_status) <= 3

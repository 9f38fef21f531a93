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


def timed(work):
    """
    What it gives, and how many seconds it takes.
    """
    began = time.monotonic()
    found = work()
    return found, time.monotonic() - began


def counted(verb, found, **options):
    outcomes, seconds = timed(lambda: fleet.run(verb, found, **options))
    counts = Counter(outcome.outcome for outcome in outcomes)
    print(f"{verb} {dict(counts)}: {seconds:.2f} s")  # noqa: T201 - the figures of docs/migrations.md
    return counts, seconds


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
    upgraded, seconds = counted("upgrade", found, jobs=2)
    again, seconds_again = counted("upgrade", found, jobs=2)

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
    adopted, _ = counted("adopt", found)
    again, seconds = counted("adopt", found)

    assert ({"done": n}, {"nothing to do": n}) == (adopted, again)
    assert seconds <= 5
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
    again, seconds = counted("upgrade", found)
    status, seconds_of_status = timed(lambda: migrate.status(found))
    print(f"status of {n:,}: {seconds_of_status:.2f} s")  # noqa: T201 - the figures

    assert {"nothing to do": n} == again
    assert {("at head", 0, 50)} == {*status.select("state", "n_drift", "n_behind").iter_rows()}
    assert max(seconds, seconds_of_status) <= 5

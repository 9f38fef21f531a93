"""A lake on each engine: only the files that may hold what is asked are opened, as plans show."""

from __future__ import annotations

import re
from datetime import datetime

import duckdb
import polars as pl
import pytest
from random_chats import random_chats

import chatdata as cd
from chatdata.engines.duckdb import connection
from chatdata.formats.lake import MARK

ENGINES = ["polars", "duckdb", pytest.param("spark", marks=pytest.mark.spark)]
SEPTEMBER = {"since": datetime(2025, 9, 1), "until": datetime(2025, 10, 1)}  # noqa: DTZ001 - UTC
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """
    A lake of two sources over several months, some of its rows without a time.
    """
    folder = tmp_path_factory.mktemp("lakes") / "lake"
    cd.write(cd.concat(a=cd.sample(60), b=random_chats(3)), folder)
    return folder


@pytest.fixture
def scanned(lake, request):
    """
    Scan the lake on an engine, Spark in the tests' own session.
    """

    def scanned(engine, **asked):
        spark = {"spark": request.getfixturevalue("spark")} if engine == "spark" else {}
        return cd.scan(lake, engine=engine, **spark, **asked)

    return scanned


def partitions(text):
    """
    The partitions whose files a text names, however a plan breaks its lines.
    """
    joined = re.sub(r"[\s│]", "", text)
    return set(re.findall(r"messages/source=(\w+)/month=([\w-]+?)/rows-", joined))


def n_opened(engine, frame):
    """
    How many files a query over a whole frame opens, as the engine's own plan tells.
    """
    if engine == "spark":
        return len(partitions("\n".join(frame.inputFiles())))
    if engine == "duckdb":
        frame.create_view("rows")
        plan = connection().execute("explain analyze from rows").fetchall()[0][1]
        return int(re.search(r"Total Files Read: (\d+)", plan)[1])
    # A few are named, and how many others there are.
    named = re.search(r"Parquet SCAN \[(.*)\]", frame.explain())[1].split(", ")
    others = re.search(r"\.\.\. (\d+) other", named[-1])
    return len(named) + (int(others[1]) - 1 if others else 0)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_window_opens_its_months(engine, lake, scanned):
    """
    With a window, files of the months within it are opened, and those of rows without a time.
    """
    log = scanned(engine, **SEPTEMBER)
    within = [*lake.glob("messages/*/month=2025-09/*"), *lake.glob(f"messages/*/month={UNKNOWN}/*")]

    assert 2 == len(within) == n_opened(engine, log.messages)
    assert 6 == n_opened(engine, scanned(engine).messages)
    assert re.search(r"\d+ Parquet files, \d+ of them in the window", log.explain()["reason"][0])


@pytest.mark.parametrize("engine", ENGINES)
def test_folders_prune_by_source_and_month(engine, lake, request):
    """
    Read without chatdata, a filter on the columns of the folders leaves files alone.
    """
    wanted = "source = 'sample' and month >= '2025-10'"
    if engine == "spark":
        frame = request.getfixturevalue("spark").read.parquet(str(lake / "messages"))
        plan = frame.where(wanted)._jdf.queryExecution().toString()
        kept = r"PartitionFilters: \[.*\(source#\d+ = sample\), \(month#\d+ >= 2025-10\)\]"

        assert re.search(kept, plan)
        return
    if engine == "polars":
        frame = pl.scan_parquet(lake / "messages", hive_partitioning=True)
        plan = frame.filter(pl.col("source") == "sample", pl.col("month") >= "2025-10").explain()
    else:
        read = f"read_parquet('{lake}/messages/**/*.parquet', hive_partitioning = true)"
        plan = duckdb.sql(f"explain analyze from {read} where {wanted}").fetchall()[0][1]

    assert {("sample", "2025-10"), ("sample", "2025-11")} == partitions(plan)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_filter_reaches_the_files(engine, scanned):
    """
    A filter of one's own on a frame is part of the scan, where it skips groups of rows.
    """
    frame = scanned(engine).conversations
    if engine == "polars":
        plan = frame.filter(pl.col("source") == "sample").explain()
        pushed = r'Parquet SCAN(.|\n)*SELECTION: .*col\("source"\) == "sample"'
    elif engine == "duckdb":
        plan = frame.filter("source = 'sample'").explain()
        pushed = r"PARQUET(.|\n)*Filters:\W*source\W*=\W*'sample'"
    else:
        plan = frame.where("source = 'sample'")._jdf.queryExecution().toString()
        pushed = r"PushedFilters: \[.*EqualTo\(source,sample\)"

    assert re.search(pushed, plan)


@pytest.mark.parametrize("engine", ENGINES)
def test_a_newer_lake_is_not_guessed_at(engine, scanned, lake, request):
    """
    What a newer chatdata wrote is refused on each engine, with what to do.
    """
    mark = (lake / MARK).read_text()
    request.addfinalizer(lambda: (lake / MARK).write_text(mark))
    (lake / MARK).write_text('{"contract": 99}')

    with pytest.raises(cd.FormatError, match=r"contract 99, this chatdata reads 1; upgrade"):
        scanned(engine)

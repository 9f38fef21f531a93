"""What is light stays light."""

from __future__ import annotations

import subprocess
import sys

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


def test_notices_what_is_heavy():
    """
    A verb that does something does load Polars: the tests above look in the right place.
    """
    assert "polars" in loaded_by(verb("scan", "sample?conversations=1"))

"""
Engines from the terminal: the same answers, or one line that says what is missing.
"""

from __future__ import annotations

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.engines import session as sessions

QUERY = "select role, count(*) as n from messages group by role order by role"
VERBS = [["tools"], ["lengths"], ["audit"], ["sql", QUERY]]


@pytest.fixture
def lake(tmp_path):
    """
    A small lake, by its path.
    """
    cd.write(cd.sample(30), tmp_path / "lake")
    return str(tmp_path / "lake")


@pytest.mark.parametrize("engine", ["duckdb", pytest.param("spark", marks=pytest.mark.spark)])
@pytest.mark.parametrize("words", VERBS, ids=lambda words: words[0])
def test_engines_answer_alike(engine, words, lake, program, request):
    """
    A verb prints on each engine what it prints on Polars, fractions to 1e-9.
    """
    if engine == "spark":
        request.getfixturevalue("spark")
    verb, *query = words
    asked = (verb, lake, *query, "--output", "csv")
    (_, expected, _), (code, found, err) = program(*asked), program(*asked, "--engine", engine)

    assert (0, "") == (code, err)
    assert_frame_equal(pl.read_csv(expected.encode()), pl.read_csv(found.encode()), rel_tol=1e-9)


def test_sources_are_put_together_on_an_engine(lake, program):
    """
    Several sources are one there, too.
    """
    expected = program("tools", lake, "sample?conversations=5", "--output", "csv")

    assert expected == program(
        "tools", lake, "sample?conversations=5", "--output", "csv", "--engine", "duckdb"
    )


@pytest.mark.usefixtures("unlimited")
def test_a_limit_is_passed_on(lake, program):
    """
    With a limit the answer is the same; what is no size is refused.
    """
    limited = ("--engine", "duckdb", "--memory-limit")

    assert program("tools", lake) == program("tools", lake, *limited, "1GB")
    code, out, err = program("tools", lake, *limited, "much")
    assert (2, "") == (code, out)
    assert "chatdata: found the memory limit 'much', expected a size like 800MB or 4GiB\n" == err


def test_a_limit_goes_with_duckdb(lake, program):
    """
    A limit that an engine would not keep to is refused before anything is read.
    """
    code, out, err = program("tools", "nowhere", "--memory-limit", "1GB")

    assert (2, "") == (code, out)
    assert err.startswith("chatdata: --memory-limit needs --engine duckdb, found polars.")
    assert 1 == err.count("\n")


def test_an_engine_that_is_none(lake, program):
    """
    An unknown engine is refused with those there are.
    """
    code, _, err = program("tools", lake, "--engine", "pandas")

    assert 2 == code
    assert "'polars', 'duckdb', 'spark'" in err


@pytest.mark.parametrize(
    ("java", "line"),
    [
        pytest.param(None, "Spark needs Java 17 or 21; found none in JAVA_HOME={home}", id="none"),
        pytest.param(
            'openjdk version "11.0.2"', "Spark needs Java 17 or 21; found 11 at {home}", id="11"
        ),
        pytest.param(
            'openjdk version "25"', "Spark needs Java 17 or 21; found 25 at {home}", id="25"
        ),
    ],
)
def test_spark_without_its_java(java, line, program, tmp_path, monkeypatch):
    """
    A missing or wrong Java is one line that names the versions that work.
    """
    pytest.importorskip("pyspark")
    monkeypatch.setenv("JAVA_HOME", str(tmp_path))
    monkeypatch.delenv("SPARK_REMOTE", raising=False)
    monkeypatch.setattr(sessions, "_active", lambda: None)
    if java is not None:
        program_of_java = tmp_path / "bin" / "java"
        program_of_java.parent.mkdir()
        program_of_java.write_text(f"#!/bin/sh\necho '{java}' >&2\n")
        program_of_java.chmod(0o755)
    code, out, err = program("tools", "sample", "--engine", "spark")

    assert (2, "") == (code, out)
    assert err.startswith(f"chatdata: {line.format(home=tmp_path)}")
    assert 1 == err.count("\n")


def test_spark_without_the_extra(lake, program, monkeypatch):
    """
    Without pyspark the line names the extra that brings it.
    """
    monkeypatch.setattr(sessions, "find_spec", lambda _name: None)

    assert (2, "", "chatdata: Spark needs pyspark; install 'chatdata[spark]'\n") == program(
        "tools", lake, "--engine", "spark"
    )

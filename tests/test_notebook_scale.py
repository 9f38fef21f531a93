"""What a notebook on large logs is told: engines, files, arithmetic."""

from __future__ import annotations

import re
from pathlib import Path

import polars as pl
import pytest
from chat_logs import EDGES

import chatdata as cd
from chatdata import spool
from chatdata.notebook import scale

pytestmark = pytest.mark.usefixtures("unlimited")

PAGE = (Path(__file__).parents[1] / "docs" / "sizing.md").read_text(encoding="utf-8")


@pytest.fixture
def lake(tmp_path):
    """
    The sample at rest, in a folder with a quote in its name.
    """
    cd.write(cd.sample(40), tmp_path / "it's a lake")
    return tmp_path / "it's a lake"


def test_engines_agree_and_the_others_say_why_not(lake):
    """
    DuckDB gives what Polars gives; an engine that there is not is told of, not raised.
    """
    told = scale.same_answers(lake, ["polars", "duckdb", "abacus"])

    assert ["question", "n_rows", "duckdb", "abacus"] == told.columns
    assert ["the same"] * len(told) == told["duckdb"].to_list()
    assert told["abacus"].str.starts_with("not run: found 'abacus'").all()


@pytest.mark.slow
def test_spark_agrees(lake, spark):
    """
    So does Spark, where there is a Java.
    """
    told = scale.same_answers(lake, ["spark"])

    assert ["the same"] * len(told) == told["spark"].to_list()


def test_a_difference_is_told(lake, monkeypatch):
    """
    What differs is not called the same: the comparison can fail.
    """
    questions = {"n": lambda chats: pl.DataFrame({"n": [chats.engine]})}
    monkeypatch.setattr(scale, "_ASKED", questions)

    assert ["differs"] == scale.same_answers(lake)["duckdb"].to_list()


def test_files_of_other_months_stay_closed(lake):
    """
    A question about one month opens its files alone, and all messages with a time are in a month.
    """
    opened = scale.files_opened(lake)
    n_timed = cd.scan(lake).messages.collect()["created_at"].count()

    assert ["2025-09", "2025-10", "2025-11"] == opened["month"].to_list()
    assert [1, 1, 1] == opened["n_opened"].to_list()
    assert n_timed == opened["n_messages"].sum()
    assert len([*lake.glob("messages/*/*/*.parquet")]) == opened["n_files"][0]


@pytest.mark.parametrize("log", ["empty", "no times"])
def test_a_lake_without_months(log, tmp_path):
    """
    Where no message has a time, a sentence says that no file can be spared.
    """
    cd.write(EDGES[log](), tmp_path / "lake")
    opened = scale.files_opened(tmp_path / "lake")
    told = scale.verdict(scale.same_answers(tmp_path / "lake"), opened)

    assert opened.is_empty()
    assert "no file can be spared" in str(told)
    assert "duckdb gives the same answer as polars to 5 of 5 questions." in str(told)


def test_a_lake_is_taken_as_it_is(lake, tmp_path):
    """
    A source that is a lake is not copied; any other is written to one that goes with the process.
    """
    assert lake == scale.lake(str(lake))
    made = scale.lake("sample?conversations=3")

    assert 3 == cd.scan(made).conversations.collect().height
    assert made.is_relative_to(spool.folder())


def test_the_arithmetic_is_that_of_the_page():
    """
    A billion messages take what docs/sizing.md says they take.
    """
    row = scale.sizing([10**9]).row(0, named=True)
    words = re.sub(r"\s+", " ", PAGE)

    assert f"is {row['disk_gb']:.0f} GB for a billion" in words
    assert f"about {round(row['n_files'], -3):,} files" in words
    assert f"each: {row['n_row_groups']:,} row groups" in words
    assert f"has {row['n_conversations'] // 10**6} million rows" in words
    assert f"takes {row['cpu_s']:.0f} CPU seconds" in words

"""The page about lakes does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import duckdb
import pytest

import chatdata as cd
from chatdata.cli.main import chatdata

PAGE = (Path(__file__).parents[1] / "docs" / "lake.md").read_text(encoding="utf-8")


def blocks(language):
    """
    The code blocks of the page in a language.
    """
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


@pytest.fixture
def lake(tmp_path, monkeypatch):
    """
    A lake with the sample, in the working folder.
    """
    monkeypatch.chdir(tmp_path)
    chats = cd.sample()
    cd.write(chats, "lake")
    return chats


@pytest.mark.parametrize("line", "".join(blocks("sh")).splitlines())
def test_commands_exist(lake, line):
    """
    Every line shown for the terminal is one that the program understands.
    """
    program, verb, *words = shlex.split(line, comments=True)
    context = chatdata.make_context("chatdata", [verb], resilient_parsing=True)

    assert "chatdata" == program
    assert chatdata.get_command(context, verb).make_context(verb, words)


def test_duckdb_needs_no_chatdata(lake):
    """
    The query runs over the files as they lie, and counts what chatdata counts.
    """
    (query,) = blocks("sql")
    found = {name: (n, errors) for name, n, errors in duckdb.sql(query).fetchall()}
    usage = cd.analysis.tool_usage(lake).to_dicts()

    assert {row["name"]: (row["n_tool_calls"], row["n_errors"]) for row in usage} == found


def test_polars_needs_no_chatdata(lake, capsys):
    """
    The lines run over the files as they lie.
    """
    (lines,) = blocks("python")
    exec(compile(lines, "lake.md", "exec"), {})  # noqa: S102 - our own words
    printed = capsys.readouterr().out

    assert [] == [r for r in lake.messages.collect()["role"].unique() if f"│ {r} " not in printed]


def test_the_tree_is_complete(lake):
    """
    Everything that lies in a lake is in the tree on the page.
    """
    tree = PAGE.split("```")[1]

    assert [] == [path.name for path in Path("lake").iterdir() if path.name not in tree]

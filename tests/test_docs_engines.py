"""The page about engines does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.cli.main import chatdata
from chatdata.engines import NAMES, engine_of
from chatdata.engines import session as sessions

PAGE = (Path(__file__).parents[1] / "docs" / "engines.md").read_text(encoding="utf-8")


def blocks(language):
    """
    The code blocks of the page in a language.
    """
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


def ran(text):
    """
    What a block leaves behind, by name.
    """
    names = {"cd": cd}
    exec(compile(text, "engines.md", "exec"), names)  # noqa: S102 - our own words
    return names


@pytest.fixture
def log(tmp_path, monkeypatch):
    """
    The sample, and a lake of it in the working folder.
    """
    monkeypatch.chdir(tmp_path)
    chats = cd.sample(50)
    cd.write(chats, "lake")
    return chats


@pytest.mark.parametrize("line", "".join(blocks("sh")).splitlines())
def test_commands_exist(line):
    """
    Every line shown for the terminal is one that the program understands.
    """
    program, verb, *words = shlex.split(line, comments=True)
    context = chatdata.make_context("chatdata", [verb], resilient_parsing=True)

    assert "chatdata" == program
    assert chatdata.get_command(context, verb).make_context(verb, words)


@pytest.mark.parametrize("verb", ["tools", "lengths", "audit", "sql", "report", "scan", "export"])
def test_verbs_that_take_an_engine(verb):
    """
    The verbs that the page names take an engine, and no other.
    """
    context = chatdata.make_context("chatdata", [verb], resilient_parsing=True)
    options = {each.name for each in chatdata.get_command(context, verb).params}
    sentence = re.search(r"^(.*) take `--engine`", PAGE, flags=re.MULTILINE)[1]

    assert (f"`{verb}`" in sentence) == ("engine" in options)


@pytest.mark.usefixtures("unlimited")
def test_duckdb_in_place(log):
    """
    The first lines run; a summary comes back, a row per conversation stays.
    """
    found = ran(blocks("python")[0])
    lengths = cd.analysis.conversation_length(log).collect()

    assert_frame_equal(cd.analysis.tool_usage(log), found["usage"])
    assert "duckdb" == engine_of(found["lengths"]).NAME
    assert lengths["n_messages"].top_k(3).equals(found["longest"]["n_messages"])


def test_moving(log, capsys):
    """
    Frames move and come back.
    """
    found = ran(blocks("python")[1])

    assert "duckdb 50\n" == capsys.readouterr().out
    assert "polars" == found["back"].engine


@pytest.mark.spark
def test_spark_lines(log, spark, capsys):
    """
    The lines about Spark run in the active session, whatever folder its Java was started in.
    """
    found = ran(blocks("python")[2])
    lengths = cd.analysis.conversation_length(log).collect()

    assert "add_task" in capsys.readouterr().out
    assert "spark" == engine_of(found["per_conversation"]).NAME
    assert lengths["n_messages"].top_k(3).to_list() == found["longest"]["n_messages"].to_pylist()


def test_names_are_those_of_the_code():
    """
    Engines, versions of Java and settings on the page are the code's.
    """
    table = re.findall(r"^\| `(\w+)`", PAGE, flags=re.MULTILINE)

    assert [*NAMES] == table
    assert f"Java {' or '.join(map(str, sessions.JAVAS))}" in PAGE
    for name, value in sessions._EQUALITY.items():
        assert f"`{name}={value}`" in PAGE or "arrow" in name

"""Charts and tables: what every reader of a notebook is shown."""

from __future__ import annotations

import inspect
import json
import re
from functools import cache

import polars as pl
import pytest
from chat_logs import EDGES

import chatdata as cd
from chatdata import analysis
from chatdata.notebook import charts, table

ANSWERS = {
    "activity": lambda log: (analysis.activity_over_time(log),),
    "week": lambda log: (analysis.hour_of_week(log),),
    "calls_by_tool": lambda log: (analysis.tool_usage(log),),
    "error_rates": lambda log: (analysis.tool_usage(log),),
    "calls_over_time": lambda log: (analysis.tool_usage_over_time(log),),
    "lengths": lambda log: (analysis.length_histogram(log), "n_messages"),
    "endings": lambda log: (analysis.ending_shares(log),),
    "survival": lambda log: (analysis.prompt_survival(log),),
    "transitions": lambda log: (analysis.tool_transitions(log),),
}
OPTIONS = {"lengths": {"unit": "messages"}}


@cache
def edge(name):
    """
    One log of the edges, made once.
    """
    return EDGES[name]()


def drawn(name, log):
    """
    One chart of one log.
    """
    return getattr(charts, name)(*ANSWERS[name](log), **OPTIONS.get(name, {}))


def test_every_chart_is_tried():
    """
    A chart that is added is tried by the tests below.
    """
    assert sorted(charts.__all__) == sorted(ANSWERS)


@pytest.mark.parametrize("log", EDGES)
@pytest.mark.parametrize("name", ANSWERS)
def test_charts_work_on_any_log(name, log):
    """
    Whatever the log, there is a picture and a sentence, without "None", "NaN" or "null".
    """
    chart = drawn(name, edge(log))
    shown = " ".join(re.findall(r">([^<>]+)<", chart.svg()))

    assert chart.svg().startswith("<svg")
    assert [] == re.findall(r"\b(None|NaN|nan|null|undefined|inf)\b", f"{shown} {chart.text}")
    assert "<script" not in chart.svg()


@pytest.mark.parametrize("name", ANSWERS)
def test_charts_show_three_forms_of_one_thing(name):
    """
    JupyterLab gets a version that it can draw, pages a picture, everything else a sentence.
    """
    bundle = drawn(name, cd.sample(40))._repr_mimebundle_()
    interactive = bundle["application/vnd.vegalite.v5+json"]

    assert ["application/vnd.vegalite.v5+json", "image/svg+xml", "text/plain"] == list(bundle)
    assert interactive["$schema"].endswith("v5.20.1.json")
    assert interactive["title"]["text"] in bundle["text/plain"]
    assert "n = " in json.dumps(interactive)


@pytest.mark.parametrize("name", ANSWERS)
def test_charts_are_the_same_every_time(name):
    """
    Drawn twice, a chart is the same to the byte, so that a stored one is a test.
    """
    first, second = (drawn(name, cd.sample(40))._repr_mimebundle_() for _ in range(2))

    assert first == second


def test_no_chart_draws_thousands_of_tools():
    """
    Tools beyond the busiest are one bar together, and lose no call.
    """
    chart = drawn("calls_by_tool", edge("many tools"))

    assert "9,985 other tools 9985" in chart.text
    assert "n = 10,000 calls of 10,000 tools" in chart.text


def test_what_cannot_be_said_is_said():
    """
    A chart of what the log does not record says why it is empty.
    """
    log = edge("only failures")

    assert "only failures recorded (tools: 1)" in drawn("error_rates", log).text
    assert "No message has a time" in drawn("activity", edge("no times")).text


def test_charts_do_not_name_their_frames():
    """
    Every chart takes an answer first, and says what it draws.
    """
    signatures = {name: inspect.signature(getattr(charts, name)) for name in charts.__all__}

    assert {"Chart"} == {signature.return_annotation for signature in signatures.values()}
    assert all(getattr(charts, name).__doc__ for name in charts.__all__)


FRAME = pl.DataFrame(
    {
        "name": ["<b>a</b>", None],
        "n_calls": [12345, None],
        "error_rate": [0.0416, None],
        "duration_wall_s": [1.26, None],
    }
)


@pytest.mark.parametrize(
    "expected",
    [
        pytest.param("&lt;b&gt;a&lt;/b&gt;", id="names are escaped"),
        pytest.param("12,345", id="counts have separators"),
        pytest.param("4.2%", id="rates are percent"),
        pytest.param(">1.3<", id="seconds are rounded"),
        pytest.param(">duration wall (s)<", id="headings are words with units"),
        pytest.param(">calls<", id="headings leave out n_"),
        pytest.param('id="t-some-tools"', id="the id is the title's"),
    ],
)
def test_table(expected):
    """
    A table is labelled, rounded and escaped.
    """
    assert expected in table(FRAME, "Some tools").html


def test_table_shows_no_nulls():
    """
    What is unknown is a dash.
    """
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table(FRAME, "Some tools").html)

    assert ["\N{EN DASH}"] * 4 == cells[-4:]
    assert "None" not in cells


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        pytest.param(0, "Rows: 0 rows; no rows", id="empty"),
        pytest.param(3, "Rows: 3 rows", id="all shown"),
        pytest.param(5, "Rows: 5 rows; and 2 more rows", id="cut"),
    ],
)
def test_table_says_what_it_leaves_out(n_rows, expected):
    """
    Its text is a line, and names the rows that are not shown.
    """
    shown = table(pl.DataFrame({"n": range(n_rows)}, schema={"n": pl.Int64}), "Rows", most=3)

    assert expected == repr(shown) == shown._repr_mimebundle_()["text/plain"]

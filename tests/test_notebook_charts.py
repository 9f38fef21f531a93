"""Charts and tables: what every reader of a notebook is shown."""

from __future__ import annotations

import inspect
import itertools
import json
import re
from datetime import date, datetime
from functools import cache

import polars as pl
import pytest
from chat_logs import EDGES
from chat_rows import at, called, chats, said

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
    "flow": lambda log: (analysis.tool_transitions(log),),
    "latencies": lambda log: (analysis.tool_latency(log),),
    "ecdf": lambda log: (analysis.length_ecdf(log), "n_messages"),
    "retention": lambda log: (analysis.weekly_retention(log),),
    "completeness": lambda log: (analysis.completeness(log),),
    "timeline": lambda log: (log, longest(log)),
}
OPTIONS = {"lengths": {"unit": "messages"}, "ecdf": {"unit": "messages"}}


def longest(log):
    """
    The conversation with most messages.
    """
    ids = log.messages.group_by("conversation_id").len().sort("len", "conversation_id").collect()
    return ids["conversation_id"].last() or "none"


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


@pytest.mark.parametrize("name", ["activity", "lengths", "calls_by_tool"])
def test_counts_have_whole_ticks(name):
    """
    Where a log is so small that there is one of everything, no axis counts halves.
    """
    ticks = re.findall(r">([0-9.,]+)<", drawn(name, cd.sample(1, seed=3)).svg())

    assert ticks
    assert not [tick for tick in ticks if "." in tick]


def test_names_of_rare_tools_do_not_meet():
    """
    Tools that are hardly ever called have a line each beside the ribbons.
    """
    names = ["often", *(f"rare_{n}" for n in range(6))]
    pairs = pl.DataFrame({"name": names, "next_name": names, "n_transitions": [5000] + [1] * 6})
    lines = re.findall(r"translate\(-12,([0-9.]+)\)", charts.flow(pairs).svg())
    heights = sorted(map(float, lines))

    assert len(heights) == 7
    assert min(b - a for a, b in itertools.pairwise(heights)) > 12


def test_retention_says_what_it_leaves_out():
    """
    Weeks beyond half a year are not drawn, and a note says so.
    """
    cohorts = pl.DataFrame(
        {
            "cohort": [date(2025, 1, 6)] * 40,
            "weeks_later": range(40),
            "n_cohort": [3] * 40,
            "n_users": [3] * 40,
            "share": [1.0] * 40,
        }
    )

    assert "weeks after the first 26 are not shown" in charts.retention(cohorts).text
    assert "not shown" not in charts.retention(cohorts.head(20)).text


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
        pytest.param("#t-some-tools td { background-color: #ffffff; color: #333333", id="ground"),
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
    ("value", "expected"),
    [
        pytest.param(0.0, "0.0%", id="none"),
        pytest.param(0.0001, "&lt;0.1%", id="hardly any"),
        pytest.param(0.042, "4.2%", id="some"),
        pytest.param(datetime(2025, 3, 1, 9, 5, 7, 12), "2025-03-01 09:05", id="a moment"),  # noqa: DTZ001 - as in the frames
        pytest.param(date(2025, 3, 1), "2025-03-01", id="a day"),
    ],
)
def test_table_rounds_but_not_to_nothing(value, expected):
    """
    Shares are percent, what is hardly any is not rounded to none, times are to the minute.
    """
    cells = re.findall(r"<td[^>]*>([^<]*)</td>", table(pl.DataFrame({"share": [value]}), "T").html)

    assert expected == cells[-1]


def test_table_without_rows_is_a_sentence():
    """
    Where there is nothing to show, words say so, whatever is in them.
    """
    shown = table(pl.DataFrame({"n": []}), "<Rows>", empty="None & nothing.")

    assert "<p><b>&lt;Rows&gt;.</b> None &amp; nothing.</p>" == shown.html


@pytest.mark.parametrize(
    ("n_rows", "expected"),
    [
        pytest.param(0, "Rows. There are no rows.", id="empty"),
        pytest.param(3, "Rows: 3 rows", id="all shown"),
        pytest.param(5, "Rows: 5 rows; and 2 more rows", id="cut"),
    ],
)
def test_table_says_what_it_leaves_out(n_rows, expected):
    """
    Its text is a line, and names the rows that are not shown.
    """
    shown = table(
        pl.DataFrame({"n": range(n_rows)}, schema={"n": pl.Int64}),
        "Rows",
        most=3,
        empty="There are no rows.",
    )

    assert expected == repr(shown) == shown._repr_mimebundle_()["text/plain"]


@pytest.mark.parametrize(
    ("n_days", "expected"),
    [
        pytest.param(1, "per day", id="a day"),
        pytest.param(31, "per day", id="a month"),
        pytest.param(60, "per week", id="two months"),
        pytest.param(1500, "per month", id="four years"),
        pytest.param(9000, "per year", id="24 years"),
    ],
)
@pytest.mark.parametrize("name", ["activity", "calls_over_time"])
def test_days_go_together_until_they_can_be_drawn(name, n_days, expected):
    """
    However long a log is, there are no more bars than a picture can show, and no count is lost.
    """
    days = pl.date_range(pl.date(2001, 1, 1), pl.date(2001, 1, 1) + pl.duration(days=n_days - 1))
    counts = {"n_messages": 2, "n_prompts": 1, "n_tool_calls": 3, "n_errors": 1}
    frame = pl.select(period=days, name=pl.lit("t")).with_columns(
        **{column: pl.lit(n, pl.Int64) for column, n in counts.items()}
    )
    chart = getattr(charts, name)(frame, every="day")
    bars = next(iter(chart.spec["datasets"].values()))

    assert expected in chart.text
    assert 210 >= len(bars)
    assert n_days * (3 if name == "activity" else 4) == sum(bar["n"] for bar in bars)


def test_a_timeline_shortens_pauses_alone():
    """
    A night without a word takes no more room than five minutes; calls last as long as they did.
    """
    turns = [{"role": role, "at": at} for role, at in (("user", 0), ("assistant", 60))]
    later = {"role": "user", "at": 40_000}
    ran = {"name": "run", "started_at": at(60), "ended_at": at(100), "message_id": "c.1"}
    log = chats(messages=said(*turns, later), tool_calls=called(ran))
    marks = next(iter(charts.timeline(log, "c").spec["datasets"].values()))
    places = {mark["lane"]: (mark["at"], mark["until"]) for mark in marks if mark["at"]}

    assert {"assistant": (60, 60), "run()": (60, 100), "user": (400, 400)} == places


def test_a_timeline_without_times_keeps_the_order():
    """
    Messages without a time stand where they stood, and the axis says so.
    """
    log = chats(messages=said("user", "assistant", "user"), tool_calls=called(message_id="c.1"))
    chart = charts.timeline(log, "c")
    marks = next(iter(chart.spec["datasets"].values()))

    assert {("user", 0), ("assistant", 1), ("user", 2)} == {(m["lane"], m["at"]) for m in marks}
    assert "no message has a time" in json.dumps(chart.spec)


@pytest.mark.parametrize(
    ("value", "said"), [(0.00001, "&lt;0.001"), (0.0006, "0.001"), (0.0, "0.000"), (0.5, "0.500")]
)
def test_a_small_number_is_not_shown_as_none(value, said):
    """
    What a column's decimals cannot show is not nothing.
    """
    shown = table(pl.DataFrame({"p_value": [value]}), "T", decimals={"p_value": 3})

    assert f">{said}<" in shown.html

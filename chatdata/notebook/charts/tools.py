"""Which tools are called, and how calls end."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from chatdata.notebook.chart import (
    BLUE,
    GREY,
    ORANGE,
    ROW,
    SKY,
    VERMILLION,
    WIDTH,
    Chart,
    finished,
    fitting,
    layers,
    listed,
    nothing,
    powers,
    when,
    whole,
)

if TYPE_CHECKING:
    from chatdata.analysis.periods import Every

_MOST_TOOLS = 15
_MOST_PANELS = 6
_TIMES = ("n_timed", "p50_s", "p95_s")
_OUTCOMES = {
    "ok": (BLUE, ["n_ok"]),
    "failed": (VERMILLION, ["n_error", "n_timeout"]),
    "stopped by a person": (ORANGE, ["n_denied", "n_cancelled"]),
    "not known": (GREY, ["n_no_result", "n_unknown"]),
}


def calls_by_tool(usage: pl.DataFrame) -> Chart:
    """Draw `tool_usage` as bars of calls, parted by how they ended."""
    title = "Calls by tool"
    if usage.is_empty():
        return nothing(title, "No tool was called")
    tools = _busiest(usage)
    ended = tools.select(
        "tool", **{name: pl.sum_horizontal(columns) for name, (_, columns) in _OUTCOMES.items()}
    )
    long = ended.unpivot(index="tool", variable_name="ended", value_name="n").with_columns(
        rank=pl.col("ended").replace_strict(list(_OUTCOMES), range(len(_OUTCOMES)))
    )
    tall = alt.Y("tool:N", title=None, sort=tools["tool"].to_list())
    colours = [colour for colour, _ in _OUTCOMES.values()]
    bars = (
        alt.Chart(long)
        .mark_bar()
        .encode(
            tall,
            alt.X("n:Q", title="calls", axis=whole(tools["n_tool_calls"])),
            alt.Color("ended:N", title=None).scale(domain=list(_OUTCOMES), range=colours),
            alt.Order("rank:Q"),
        )
    )
    totals = (
        alt.Chart(tools)
        .mark_text(align="left", dx=5)
        .encode(tall, alt.X("n_tool_calls:Q"), alt.Text("n_tool_calls:Q", format=","))
    )
    return finished(
        (bars + totals).properties(width=WIDTH, height=ROW * len(tools)),
        title,
        f"n = {usage['n_tool_calls'].sum():,} calls of {len(usage):,} tools",
        text=listed(tools.select("tool", "n_tool_calls")),
    )


def error_rates(usage: pl.DataFrame) -> Chart:
    """Draw the error rates of `tool_usage` with their intervals; tools without one are counted."""
    title = "Error rate by tool"
    rated = _busiest(usage.filter(pl.col("error_rate").is_not_null())).head(_MOST_TOOLS)
    why = _without_rate(usage)
    if rated.is_empty():
        return nothing(title, f"No rate can be given: {why or 'no tool was called'}")
    labelled = rated.with_columns(
        tool=pl.format("{} (n = {})", "tool", "n_known"),
    )
    tall = alt.Y("tool:N", title=None, sort=labelled["tool"].to_list())
    across = alt.X("error_rate_low:Q", title="errors ÷ known outcomes").axis(format=".0%")
    base = alt.Chart(labelled).encode(tall)
    interval = base.mark_rule(color=BLUE, strokeWidth=2).encode(across, alt.X2("error_rate_high:Q"))
    points = base.mark_circle(color=BLUE, size=90, opacity=1).encode(alt.X("error_rate:Q"))
    return finished(
        (interval + points).properties(width=WIDTH, height=ROW * len(rated)),
        title,
        "with Wilson 95 % intervals",
        f"not shown: {why}" if why else "",
        text=listed(labelled.select("tool", (pl.col("error_rate") * 100).round(1)), " %"),
    )


def latencies(latency: pl.DataFrame) -> Chart:
    """Draw `tool_latency`: from half of a tool's calls to 95 in 100, on a scale of powers."""
    title = "How long calls take"
    timed = _busiest(latency.filter(pl.col("n_timed") > 0).select("name", "n_tool_calls", *_TIMES))
    if timed.is_empty():
        return nothing(title, "No call has a start and an end of its own")
    tools = timed.head(_MOST_TOOLS).with_columns(tool=pl.format("{} (n = {})", "tool", "n_timed"))
    tall = alt.Y("tool:N", title=None, sort=tools["tool"].to_list())
    base = alt.Chart(tools).encode(tall)
    longest = float(tools.select(pl.col("p95_s").max()).item())
    across = powers(
        "p50_s:Q",
        "seconds: half of the calls take less than the dot, 95 in 100 than the tick",
        longest,
        least=0.1,
    )
    span = base.mark_rule(color=BLUE, strokeWidth=2).encode(across, alt.X2("p95_s:Q"))
    half = base.mark_circle(color=BLUE, size=90, opacity=1).encode(across)
    most = base.mark_tick(color=BLUE, thickness=2, size=12).encode(alt.X("p95_s:Q"))
    return finished(
        (span + half + most).properties(width=WIDTH, height=ROW * len(tools)),
        title,
        f"n = {latency['n_timed'].sum():,} calls with both ends recorded",
        text=listed(tools.select("tool", pl.col("p50_s").round(2)), " s"),
    )


def calls_over_time(periods: pl.DataFrame, *, every: Every = "week") -> Chart:
    """Draw `tool_usage_over_time`: one panel for each of the busiest tools, errors in front."""
    title = "Calls over time"
    named = periods.drop_nulls("period").with_columns(tool=pl.col("name").fill_null("(no name)"))
    timed, unit = fitting(named, every, "tool")
    if timed.is_empty():
        return nothing(title, "No call has a time")
    shown = (
        timed.group_by("tool")
        .agg(pl.col("n_tool_calls").sum())
        .sort("n_tool_calls", "tool", descending=[True, False])["tool"]
        .head(_MOST_PANELS)
        .to_list()
    )
    names = {"n_tool_calls": "calls", "n_errors": "failed"}
    long = layers(timed.filter(pl.col("tool").is_in(shown)), unit, names, "tool")
    bars = (
        alt.Chart(long)
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            when(long),
            alt.X2("ends:T"),
            alt.Y2(datum=0),
            alt.Description("words:N"),
            alt.Tooltip("words:N", title=None),
            alt.Y("n:Q", title=None, stack=None, axis=whole(long["n"], 3)),
            alt.Color("what:N", title=None).scale(
                domain=list(names.values()), range=[SKY, VERMILLION]
            ),
            alt.Row("tool:N", title=None, sort=shown).header(
                labelOrient="top", labelAnchor="start", labelPadding=3
            ),
        )
        .properties(width=WIDTH, height=46)
    )
    left_out = timed["tool"].n_unique() - len(shown)
    return finished(
        bars,
        title,
        f"per {unit}, n = {timed['n_tool_calls'].sum():,} calls",
        f"rarer tools that are not shown: {left_out:,}" if left_out else "",
    )


def _busiest(usage: pl.DataFrame) -> pl.DataFrame:
    """Give the tools with the most calls a label, and the rest one row together."""
    tools = usage.sort("n_tool_calls", "name", descending=[True, False], nulls_last=True)
    named = tools.with_columns(tool=pl.col("name").fill_null("(no name)"))
    rest = named.slice(_MOST_TOOLS)
    if rest.is_empty():
        return named
    others = rest.sum().with_columns(tool=pl.lit(f"{len(rest):,} other tools"))
    return pl.concat([named.head(_MOST_TOOLS), others], how="vertical_relaxed")


def _without_rate(usage: pl.DataFrame) -> str:
    reasons = usage.filter(pl.col("error_rate").is_null()).group_by("reason").len()
    counts = reasons.sort("len", "reason", descending=[True, False])
    words = counts.select(pl.format("{} (tools: {})", "reason", "len"))
    return "; ".join(words.to_series())

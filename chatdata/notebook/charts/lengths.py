"""How long conversations are, and how they end."""

from __future__ import annotations

import altair as alt
import polars as pl

from chatdata.notebook.chart import (
    BLUE,
    INK,
    ROW,
    SKY,
    WIDTH,
    Chart,
    finished,
    listed,
    nothing,
    powers,
    thinned,
    whole,
)

_MOST_POINTS = 400
_ENDINGS = {
    "assistant": "on an answer",
    "user": "on a prompt without answer",
    "pending_tool": "on a call without result",
    "tool_result": "on a result without answer",
    "cut_by_length": "on an answer cut by its limit",
    "other": "on something else",
    "nothing": "nothing was said",
}


def lengths(histogram: pl.DataFrame, metric: str, *, unit: str) -> Chart:
    """Draw one metric of `length_histogram`."""
    title = f"Conversations by {unit}"
    bins = histogram.filter(pl.col("metric") == metric)
    if bins.is_empty():
        return nothing(title, f"No conversation has a known number of {unit}")
    named = bins.with_columns(label=_edge())
    bars = alt.Chart(named).encode(
        alt.X("label:O", title=f"{unit}, from this number to below the next", sort=None).axis(
            labelAngle=0
        ),
        alt.Y("n_conversations:Q", title="conversations", axis=whole(named["n_conversations"])),
    )
    counts = bars.mark_text(dy=-7).encode(alt.Text("n_conversations:Q", format=","))
    return finished(
        (bars.mark_bar(color=BLUE) + counts).properties(width=WIDTH, height=220),
        title,
        f"bins double in width, n = {bins['n_conversations'].sum():,} conversations",
        text=listed(named.select("label", "n_conversations")),
    )


def ecdf(distribution: pl.DataFrame, metric: str, *, unit: str) -> Chart:
    """Draw one metric of `length_ecdf` as a curve with its band."""
    title = f"Conversations up to so many {unit}"
    points = distribution.filter(pl.col("metric") == metric)
    if points.is_empty():
        return nothing(title, f"No conversation has a known number of {unit}")
    base = alt.Chart(thinned(points, _MOST_POINTS).drop("metric", "n_up_to")).encode(
        powers("value:Q", unit, points["value"][-1])
    )
    band = base.mark_area(interpolate="step-after", opacity=0.22, color=BLUE).encode(
        alt.Y("share_low:Q", title="share of conversations").axis(format=".0%"),
        alt.Y2("share_high:Q"),
    )
    line = base.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2).encode(
        alt.Y("share:Q")
    )
    half = points.filter(pl.col("share") >= 1 / 2)["value"][0]
    return finished(
        (band + line).properties(width=WIDTH, height=220),
        title,
        f"with 95 % band, n = {points['n_up_to'][-1]:,} conversations",
        text=f"Half of them have {half:,.0f} or fewer.",
    )


def endings(shares: pl.DataFrame) -> Chart:
    """Draw `ending_shares` as bars with their intervals."""
    title = "How conversations end"
    if shares.is_empty():
        return nothing(title, "There are no conversations")
    named = shares.with_columns(pl.col("ending").replace_strict(_ENDINGS, return_dtype=pl.String))
    tall = alt.Y("ending:N", title=None, sort=named["ending"].to_list())
    base = alt.Chart(named).encode(tall)
    bars = base.mark_bar(color=SKY).encode(
        alt.X("share:Q", title="share of conversations").axis(format=".0%")
    )
    interval = base.mark_rule(color=INK).encode(alt.X("share_low:Q"), alt.X2("share_high:Q"))
    return finished(
        (bars + interval).properties(width=WIDTH, height=ROW * len(named)),
        title,
        f"with Wilson 95 % intervals, n = {shares['n_conversations'].sum():,} conversations",
        text=listed(named.select("ending", "n_conversations")),
    )


def _edge() -> pl.Expr:
    """Write the lower edge of a bin shortly: 512, 1k, 2k, 1M."""
    low = pl.col("low")
    short = [
        pl.when(low >= 2.0**power).then(pl.format("{}" + letter, (low / 2.0**power).cast(pl.Int64)))
        for power, letter in ((30, "G"), (20, "M"), (10, "k"))
    ]
    return pl.coalesce(*short, low.cast(pl.Int64).cast(pl.String))

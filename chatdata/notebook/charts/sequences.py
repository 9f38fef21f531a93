"""What follows what, and how far conversations get."""

from __future__ import annotations

import altair as alt
import polars as pl

from chatdata.notebook.chart import BLUE, INK, WIDTH, Chart, finished, nothing, thinned

_MOST_TOOLS = 12
_MOST_STEPS = 1000
_DARK = 0.5
_REST = "(other tools)"


def transitions(pairs: pl.DataFrame) -> Chart:
    """Draw `tool_transitions` as a heat map; a row adds up to all that follows one tool."""
    title = "Which tool follows which"
    if pairs.is_empty():
        return nothing(title, "No call follows another")
    n = pl.col("n_transitions")
    named = _busiest(pairs)
    cells = (
        named.group_by("name", "next_name")
        .agg(n.sum())
        .with_columns(share=n / n.sum().over("name"))
    )
    order = (
        cells.group_by("name").agg(n.sum()).sort("n_transitions", "name", descending=[True, False])
    )["name"].to_list()
    others = cells.filter(~pl.col("next_name").is_in(order))["next_name"].unique().sort().to_list()
    side = max(34, WIDTH // max(len(order) + len(others), 8))
    cells = cells.with_columns(
        words=pl.format("{} → {}: {} of {}", "name", "next_name", n, n.sum().over("name"))
    ).sort("name", "next_name")
    base = alt.Chart(cells).encode(
        alt.X("next_name:N", title="next", sort=[*order, *others]).axis(
            orient="top", labelAngle=-40
        ),
        alt.Y("name:N", title=None, sort=order),
    )
    heat = base.mark_rect(stroke="white").encode(
        alt.Color("share:Q", legend=None).scale(range=["#f1f5f9", BLUE], domain=[0, 1]),
        alt.Description("words:N"),
        alt.Tooltip("words:N", title=None),
    )
    labels = base.mark_text(fontSize=11).encode(
        alt.Text("share:Q", format=".0%"),
        color=alt.condition(f"datum.share > {_DARK}", alt.value("white"), alt.value(INK)),
    )
    most = pairs.sort("n_transitions", "name", "next_name", descending=[True, False, False])
    first, then, times = most.select("name", "next_name", "n_transitions").row(0)
    return finished(
        (heat + labels).properties(
            width=side * (len(order) + len(others)), height=max(26, side // 2) * len(order)
        ),
        title,
        f"share of what follows each tool, n = {pairs['n_transitions'].sum():,} pairs of calls",
        text=f"Most often {then} after {first}: {times:,}.",
    )


def survival(curve: pl.DataFrame) -> Chart:
    """Draw `prompt_survival` as a step curve with its band."""
    title = "How far conversations get"
    if curve.is_empty():
        return nothing(title, "No conversation has a prompt")
    if len(curve) == 1:
        return nothing(title, f"Not one of {curve['n_at_risk'][0]:,} goes beyond its first prompt")
    steps = (
        alt.X("prompt:Q", title="prompt")
        .scale(zero=False)
        .axis(tickMinStep=1, format="d", grid=False)
    )
    base = alt.Chart(_steps(curve)).encode(steps)
    share = alt.Y("survival:Q", title="share that reaches it").axis(format=".0%")
    band = base.mark_area(interpolate="step-after", opacity=0.22, color=BLUE).encode(
        alt.Y("survival_low:Q"), alt.Y2("survival_high:Q")
    )
    line = base.mark_line(interpolate="step-after", color=BLUE, strokeWidth=2).encode(share)
    n, censored = curve["n_at_risk"][0], curve["n_censored"].sum()
    half = curve.filter(pl.col("survival") >= 1 / 2)["prompt"][-1]
    return finished(
        (band + line).properties(width=WIDTH, height=240),
        title,
        f"Kaplan-Meier with 95 % band, n = {n:,} conversations, {censored:,} of which may go on",
        text=f"Half of them reach prompt {half}.",
    )


def _steps(curve: pl.DataFrame) -> pl.DataFrame:
    """Keep the prompts at which a long curve steps, and no more of them than a picture can show."""
    if len(curve) <= _MOST_STEPS:
        return curve
    survival = pl.col("survival")
    steps = curve.filter((survival != survival.shift(1)).fill_null(value=True))
    return pl.concat([thinned(steps, _MOST_STEPS), curve.tail(1)]).unique("prompt").sort("prompt")


def _busiest(pairs: pl.DataFrame) -> pl.DataFrame:
    """Put all but the busiest tools together."""
    n = pl.col("n_transitions")
    tools = pl.concat([pairs.select("name", n), pairs.select(pl.col("next_name").alias("name"), n)])
    kept = (
        tools.group_by("name")
        .agg(n.sum())
        .sort("n_transitions", "name", descending=[True, False])["name"]
        .head(_MOST_TOOLS)
    )
    return pairs.with_columns(
        pl.when(pl.col(name).is_in(kept.implode())).then(name).otherwise(pl.lit(_REST)).alias(name)
        for name in ("name", "next_name")
    )

"""When things happened."""

from __future__ import annotations

from typing import TYPE_CHECKING

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
    fitting,
    layers,
    nothing,
    when,
    whole,
)

if TYPE_CHECKING:
    from chatdata.analysis.periods import Every

_MOST_COHORTS = _MOST_WEEKS = 26
_DARK = 0.5
_WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def activity(periods: pl.DataFrame, *, every: Every = "week") -> Chart:
    """Draw `activity_over_time` as bars, prompts in front; many days go together."""
    title = "Messages over time"
    timed, unit = fitting(periods.drop_nulls("period"), every)
    if timed.is_empty():
        return nothing(title, "No message has a time")
    names = {"n_messages": "all messages", "n_prompts": "prompts"}
    long = layers(timed, unit, names)
    bars = (
        alt.Chart(long)
        .mark_bar(stroke="white", strokeWidth=1)
        .encode(
            when(long),
            alt.X2("ends:T"),
            alt.Y2(datum=0),
            alt.Description("words:N"),
            alt.Tooltip("words:N", title=None),
            alt.Y("n:Q", title="messages", stack=None, axis=whole(long["n"])),
            alt.Color("what:N", title=None).scale(domain=list(names.values()), range=[SKY, BLUE]),
        )
        .properties(width=WIDTH, height=220)
    )
    n = int(timed["n_messages"].sum())
    n_untimed = int(periods["n_messages"].sum()) - n
    busiest = timed.sort("n_messages", "period", descending=[True, False]).row(0, named=True)
    return finished(
        bars,
        title,
        f"per {unit}, n = {n:,} messages"
        + (f", {n_untimed:,} more without a time" if n_untimed else ""),
        text=f"Most in the {unit} of {busiest['period']}: {busiest['n_messages']:,}.",
    )


def week(hours: pl.DataFrame, *, time_zone: str = "UTC") -> Chart:
    """Draw `hour_of_week` as a heat map."""
    title = "When people write"
    if hours.is_empty():
        return nothing(title, "No prompt has a time")
    named = hours.with_columns(
        day=pl.col("weekday").replace_strict(range(1, 8), _WEEKDAYS, return_dtype=pl.String)
    )
    cells = (
        alt.Chart(named)
        .mark_rect(stroke="white", strokeWidth=1)
        .encode(
            alt.X("hour:O", title=f"hour of the day ({time_zone})").axis(labelAngle=0),
            alt.Y("day:O", title=None, sort=_WEEKDAYS),
            alt.Color("n_prompts:Q", title="prompts").scale(range=["#f1f5f9", BLUE], domainMin=0),
        )
        .properties(width=WIDTH, height=180)
    )
    most = named.sort("n_prompts", "weekday", "hour", descending=[True, False, False])
    day, hour, n = most.select("day", "hour", "n_prompts").row(0)
    return finished(
        cells,
        title,
        f"prompts by weekday and hour, n = {hours['n_prompts'].sum():,}",
        text=f"Most on {day} at {hour}:00: {n:,}.",
    )


def retention(cohorts: pl.DataFrame) -> Chart:
    """Draw `weekly_retention` as a heat map, a row for the users who began in one week."""
    title = "Who writes again"
    if cohorts.is_empty():
        return nothing(title, "No prompt has both a time and a known user")
    begun = cohorts["cohort"].unique().sort()
    latest = cohorts.filter(pl.col("cohort").is_in(begun.tail(_MOST_COHORTS).to_list()))
    shown = latest.filter(pl.col("weeks_later").is_between(1, _MOST_WEEKS))
    if shown.is_empty():
        return nothing(title, "The log ends in the week in which it begins")
    named = shown.with_columns(
        begun=pl.format("{} (n = {})", pl.col("cohort").dt.strftime("%d %b %y"), "n_cohort"),
        words=pl.format(
            "{} of {} who began in the week of {} write {} weeks later",
            "n_users",
            "n_cohort",
            "cohort",
            "weeks_later",
        ),
        percent=100 * pl.col("share"),
    ).drop("cohort")
    base = alt.Chart(named).encode(
        alt.X("weeks_later:O", title="weeks after the first prompt").axis(
            orient="top", labelAngle=0, grid=False
        ),
        alt.Y("begun:N", title=None, sort=named["begun"].unique(maintain_order=True).to_list()),
        alt.Description("words:N"),
        alt.Tooltip("words:N", title=None),
    )
    heat = base.mark_rect(stroke="white", strokeWidth=1).encode(
        alt.Color("share:Q", legend=None).scale(range=["#f1f5f9", BLUE], domain=[0, 1])
    )
    labels = base.mark_text(fontSize=11).encode(
        alt.Text("percent:Q", format=".0f"),
        color=alt.when(f"datum.share > {_DARK}").then(alt.value("white")).otherwise(alt.value(INK)),
    )
    later = cohorts.filter(pl.col("weeks_later") == 1)
    is_cut = (latest["weeks_later"] > _MOST_WEEKS).any()
    n_rows, left_out = named["begun"].n_unique(), len(begun) - _MOST_COHORTS
    return finished(
        (heat + labels).properties(width=WIDTH, height=ROW * n_rows),
        title,
        f"percent of those who began in a week, n = {later['n_cohort'].sum():,} users",
        f"earlier weeks that are not shown: {left_out:,}" if left_out > 0 else "",
        f"weeks after the first {_MOST_WEEKS} are not shown" if is_cut else "",
        text=f"In the week after their first {later['n_users'].sum():,} write again.",
    )

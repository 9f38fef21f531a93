"""The sections on people: when they write, how long they talk, how long they wait, who returns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis
from chatdata.notebook import charts
from chatdata.notebook.table import known, table
from chatdata.report import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table

_QUANTILES = {f"p{q}_share": f"p{q}" for q in (10, 25, 50, 75, 90)}


def activity(chats: Chats[pl.LazyFrame], time_zone: str, min_cell: int) -> Iterator[Chart | str]:
    """Show when messages are written."""
    if said := answers.office_hours(chats, time_zone):
        yield said
    if min_cell:
        yield "Days and hours are left out, since nobody counts the users behind them."
        return
    days = analysis.activity_over_time(chats, every="day", time_zone=time_zone)
    yield charts.activity(days, every="day")
    yield charts.week(analysis.hour_of_week(chats, time_zone=time_zone), time_zone=time_zone)


def length(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    """Show how long conversations are, how they end and how far they get."""
    distribution = analysis.length_distribution(chats)
    if distribution.is_empty():
        yield "There is no finished conversation to measure."
    else:
        bins = analysis.length_histogram(chats)
        yield from answers.durations(chats)
        yield table(
            distribution.drop("n_running"),
            "Lengths of finished conversations",
            note=f"left out because they are still running: {distribution['n_running'][0]:,}",
            labels={"n_conversations": "conversations", "n_unknown": "unknown"},
        )
        yield charts.lengths(bins, "n_messages", unit="messages")
        yield charts.lengths(bins, "duration_active_s", unit="active seconds")
    yield charts.endings(analysis.ending_shares(chats))
    yield answers.reach(chats)
    yield answers.cohorts(chats)
    yield charts.survival(analysis.prompt_survival(chats))


def waiting(chats: Chats[pl.LazyFrame]) -> Iterator[Table | str]:
    """Show how long people wait, where time goes and who writes how much."""
    times = analysis.response_times(chats)
    gaps = analysis.message_gaps(chats)
    yield answers.waiting(chats)
    if times["n"].sum():
        yield table(times, "Seconds until an answer", note="turn: until its last answer")
    if not gaps.is_empty():
        yield table(gaps, "Seconds from one message to the next")
    shares = analysis.talk_share_distribution(chats)
    yield answers.writing(chats)
    if shares["share"].count():
        yield table(
            shares,
            "Who writes how much",
            note="share: of all characters; p10 to p90: over conversations",
            labels=_QUANTILES,
        )


def users(
    chats: Chats[pl.LazyFrame], time_zone: str, min_cell: int
) -> Iterator[Chart | Table | str]:
    """Show in how many sessions people write, and who comes back."""
    retention = analysis.weekly_retention(chats, time_zone=time_zone)
    if retention.is_empty():
        yield "No prompt has both a time and a known user, so nothing is said about who comes back."
        return
    if not min_cell:
        yield answers.returning(chats, time_zone)
    later = retention.group_by("weeks_later").agg(pl.col("n_users", "n_cohort").sum())
    yield table(
        known(analysis.session_thresholds(chats)),
        "Sessions by threshold",
        note="fragility: the share of pauses within 20 % of the threshold",
    )
    weeks = later.with_columns(share=pl.col("n_users") / pl.col("n_cohort")).sort("weeks_later")
    shown = weeks.filter(pl.col("n_users") >= min_cell)
    yield table(
        shown,
        "Users who write again, by weeks since their first prompt",
        note=f"weeks left out for fewer than {min_cell} users: {len(weeks) - len(shown):,}"
        if min_cell
        else "",
        labels={"n_cohort": "users who could"},
        empty=f"No week has {min_cell} users.",
    )

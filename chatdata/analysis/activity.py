"""When people talk: by day or week, and by hour of the week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.periods import Every, local_time, period, quarter_hour
from chatdata.analysis.rows import is_counted, is_day, is_prompt, tally, total, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["activity_over_time", "hour_of_week"]

_COUNTS = ("n_conversations", "n_messages", "n_prompts")


def activity_over_time(
    chats: Chats[Frame], *, every: Every = "week", time_zone: str = "UTC"
) -> pl.DataFrame:
    """Count what happened on each day or in each week of a time zone.

    Args:
        chats: what to count.
        every: "day" or "week"; weeks begin on Monday.
        time_zone: whose days, as a name of the time zone database.

    Returns:
        One row per period in which something happened, oldest first, what has no time last:
        `period` (date of its first day, null without a time), `n_conversations` (i64, begun
        then, by their first counted message), `n_messages`, `n_prompts` (i64, written then).
    """
    messages = _quarters(chats).with_columns(
        n_conversations=tally(
            nw.col("position") == nw.col("position").min().over("conversation_id")
        ),
        n_prompts=tally(is_prompt()),
    )
    quarters = (
        messages.group_by("quarter", "of_day")
        .agg(
            total("n_conversations"),
            nw.len().cast(nw.Int64).alias("n_messages"),
            total("n_prompts"),
        )
        .collect("polars")
        .to_polars()
    )
    return (
        quarters.with_columns(period=period(every, time_zone))
        .group_by("period")
        .agg(pl.col(_COUNTS).sum())
        .sort("period", nulls_last=True)
    )


def hour_of_week(chats: Chats[Frame], *, time_zone: str = "UTC") -> pl.DataFrame:
    """Count prompts by weekday and hour of a time zone; a time that is only a day has no hour.

    Returns:
        168 rows, Monday's first hour first, or none where no prompt has a time of day: `weekday`
        (i64, 1 is Monday), `hour` (i64, 0 to 23), `n_prompts` (i64), `share` (f64, of all prompts
        with a time of day).
    """
    quarters = (
        _quarters(chats)
        .filter(is_prompt(), ~nw.col("quarter").is_null(), ~nw.col("of_day"))
        .group_by("quarter")
        .agg(n_prompts=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    hours = (
        quarters.with_columns(
            weekday=local_time(time_zone).dt.weekday().cast(pl.Int64),
            hour=local_time(time_zone).dt.hour().cast(pl.Int64),
        )
        .group_by("weekday", "hour")
        .agg(pl.col("n_prompts").sum())
    )
    week = pl.select(slot=pl.int_range(168 if len(hours) else 0)).select(
        weekday=pl.col("slot") // 24 + 1, hour=pl.col("slot") % 24
    )
    n = pl.col("n_prompts").fill_null(0)
    return week.join(hours, on=["weekday", "hour"], how="left", maintain_order="left").with_columns(
        n, share=n / n.sum()
    )


def _quarters(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the counted messages with the quarter-hour in which each was written, or its day's."""
    written = with_us(chats.messages, "created_at").filter(is_counted())
    return written.with_columns(quarter=quarter_hour("created_us"), of_day=is_day())

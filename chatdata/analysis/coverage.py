"""What time a log covers, and what became of the records it was read from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import tally, total, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["coverage", "records_by_cause"]

_DAY_US = 86_400_000_000


def coverage(chats: Chats[Frame]) -> pl.DataFrame:
    """Say what time each origin covers, and where it is silent.

    Returns:
        One row per origin, by name, messages of unknown conversations last: `origin` (str),
        `n_conversations` (i64, with messages), `n_messages` (i64, rows of any kind), `n_untimed`
        (i64, of them without a time), `first_at`, `last_at` (time, null where no row has one),
        `n_days` (i64, days in UTC from the first to the last, both included), `n_active_days` (i64,
        of them with a message), `share` (f64, active of all days, null without a time),
        `longest_silence_days` (i64, most days in a row without a message between two with one).
    """
    owners = nw.from_native(chats.conversations).select("conversation_id", "origin")
    rows = (
        with_us(chats.messages, "created_at")
        .select("conversation_id", "created_us", day=nw.col("created_us") // _DAY_US)
        .join(owners, on="conversation_id", how="left")
    )
    counts = (
        rows.with_columns(n_untimed=tally(nw.col("created_us").is_null()))
        .group_by("origin")
        .agg(
            nw.col("conversation_id").n_unique().cast(nw.Int64).alias("n_conversations"),
            nw.len().cast(nw.Int64).alias("n_messages"),
            total("n_untimed"),
            first_us=nw.col("created_us").min(),
            last_us=nw.col("created_us").max(),
        )
        .collect("polars")
        .to_polars()
    )
    days = rows.filter(~nw.col("day").is_null()).select("origin", "day").unique()
    active = days.collect("polars").to_polars().sort("origin", "day")
    silent = active.group_by("origin").agg(
        n_active_days=pl.len().cast(pl.Int64),
        longest_silence_days=(pl.col("day").diff() - 1).max().fill_null(0),
        n_days=pl.col("day").max() - pl.col("day").min() + 1,
    )
    known = pl.col("n_active_days", "n_days", "longest_silence_days")
    return (
        counts.join(silent, on="origin", how="left", nulls_equal=True)
        .with_columns(known.fill_null(0))
        .select(
            *("origin", "n_conversations", "n_messages", "n_untimed"),
            pl.from_epoch("first_us", time_unit="us").alias("first_at"),
            pl.from_epoch("last_us", time_unit="us").alias("last_at"),
            *("n_days", "n_active_days"),
            share(pl.col("n_active_days"), pl.col("n_days")).alias("share"),
            "longest_silence_days",
        )
        .sort("origin", nulls_last=True)
    )


def records_by_cause(chats: Chats[Frame]) -> pl.DataFrame:
    """Say what became of the records of each origin: what was kept, and why others count nowhere.

    Returns:
        One row per origin and cause, by origin, then most records first: `origin`, `cause` (str:
        kept, part of another record, mirrored, replayed by a fork, cumulative, event, empty,
        rejected), `n_records`, `n_messages`, `n_tool_calls`, `output_tokens` (i64, what they would
        add if they were counted, the last null where none is known), `share` (f64, of the origin's
        records).
    """
    counts = ("n_records", "n_messages", "n_tool_calls")
    causes = (
        nw.from_native(chats.accounting)
        .with_columns(told=tally(~nw.col("output_tokens").is_null()))
        .group_by("origin", "cause")
        .agg(*(total(name) for name in counts), total("output_tokens"), total("told"))
        .collect("polars")
        .to_polars()
    )
    n = pl.col("n_records")
    return causes.sort("origin", "n_records", "cause", descending=[False, True, False]).select(
        *("origin", "cause", *counts),
        pl.when(pl.col("told") > 0).then("output_tokens").alias("output_tokens"),
        share(n, n.sum().over("origin")).alias("share"),
    )

"""What comes before a call and after it, beside what chance would put there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.order import with_shifted
from chatdata.analysis.rates import share
from chatdata.analysis.sequence import ORDER, sequenced

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_neighbours"]

START, END = "(start)", "(end)"


def tool_neighbours(chats: Chats[Frame]) -> pl.DataFrame:
    """Say which tools are called right before and right after each tool, within a conversation.

    Returns:
        One row per tool, side and neighbour that occurs, by tool, `before` first, then most
        frequent first: `name`, `side` (str: before, after), `neighbour` (str, a tool, or `(start)`
        and `(end)` of the conversation's calls), `n_times` (i64), `share` (f64, of the tool's calls
        on the main path), `lift` (f64, that share over the neighbour's share of all calls: 1 is
        what chance would give; null for start and end).
    """
    pairs = (
        with_shifted(
            sequenced(chats),
            {"next_name": ("name", -1)},
            by=["conversation_id"],
            order=ORDER,
        )
        .group_by("name", "next_name")
        .agg(n_times=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    calls = pairs.group_by("name").agg(n_calls=pl.col("n_times").sum())
    after = pairs.select("name", pl.lit("after").alias("side"), neighbour="next_name", n="n_times")
    before = pairs.drop_nulls().select(
        pl.col("next_name").alias("name"),
        pl.lit("before").alias("side"),
        neighbour="name",
        n="n_times",
    )
    # What has no call before it begins a conversation's calls.
    met = before.group_by("name").agg(n_met=pl.col("n").sum())
    first = calls.join(met, on="name", how="left").select(
        "name",
        pl.lit("before").alias("side"),
        pl.lit(START).alias("neighbour"),
        n=pl.col("n_calls") - pl.col("n_met").fill_null(0),
    )
    sides = pl.concat([before, first.filter(pl.col("n") > 0), after.fill_null(END)])
    usual = calls.select(neighbour="name", usual=share(pl.col("n_calls"), pl.col("n_calls").sum()))
    found = share(pl.col("n"), pl.col("n_calls"))
    return (
        sides.join(calls, on="name")
        .join(usual, on="neighbour", how="left")
        .sort("name", "side", "n", "neighbour", descending=[False, True, True, False])
        .select(
            "name",
            "side",
            "neighbour",
            n_times="n",
            share=found,
            lift=found / pl.col("usual"),
        )
    )

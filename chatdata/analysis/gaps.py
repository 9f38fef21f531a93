"""The time between messages: who waits for whom, and how long."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.quantiles import LATE, quantile
from chatdata.analysis.rates import share
from chatdata.analysis.rows import gaps, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["message_gaps"]


def message_gaps(chats: Chats[Frame]) -> pl.DataFrame:
    """Summarise the time between consecutive counted messages with a time, by who follows whom.

    Returns:
        One row per pair of roles that occurs, most gaps first: `role`, `next_role` (str), `n_gaps`
        (i64), `n_zero` (i64, of one instant), `n_backwards` (i64, the next is older; in none of the
        columns that follow), `total_s` (f64, seconds), `share` (f64, of the time of all pairs, null
        where that is 0), `p50_s`, `p90_s`, `p95_s`, `p99_s`, `max_s` (f64, seconds, exact, linear
        between neighbours, null without any).
    """
    gap = nw.col("gap_us")
    pairs = (
        gaps(chats)
        .select(role=nw.col("previous_role"), next_role=nw.col("role"), gap_us=gap)
        .with_columns(
            n_zero=tally(gap == 0),
            n_backwards=tally(gap < 0),
            forward_us=nw.when(gap >= 0).then(gap),
            gap_s=nw.when(gap >= 0).then(gap / 1e6),
        )
        .group_by("role", "next_role")
        .agg(
            nw.len().cast(nw.Int64).alias("n_gaps"),
            total("n_zero"),
            total("n_backwards"),
            total("forward_us").alias("total_us"),
            *(quantile("gap_s", q).alias(f"{name}_s") for name, q in LATE.items()),
            nw.col("gap_s").max().alias("max_s"),
        )
        .collect("polars")
        .to_polars()
    )
    spent = pl.col("total_us").fill_null(0)
    return pairs.select(
        *("role", "next_role", "n_gaps", "n_zero", "n_backwards"),
        (spent / 1e6).alias("total_s"),
        share(spent, spent.sum()).alias("share"),
        *(f"{name}_s" for name in LATE),
        "max_s",
    ).sort("n_gaps", "role", "next_role", descending=[True, False, False])

"""How lengths are distributed over the conversations that are finished."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import polars as pl

from chatdata.analysis.endings import ended
from chatdata.analysis.length import ACTIVE_CAP_S, measured
from chatdata.analysis.quantiles import ALL
from chatdata.analysis.shared import once

if TYPE_CHECKING:
    from collections.abc import Callable

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["length_distribution", "length_ecdf", "length_histogram"]

MOST_POINTS = 200


def length_distribution(chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S) -> pl.DataFrame:
    """Summarise each length over all finished conversations, with exact quantiles.

    Conversations that the end of the log cut in the middle of a turn are left out and counted.

    Args:
        chats: what to measure.
        active_cap_s: as in `conversation_length`.

    Returns:
        One row per length, in the order of `conversation_length`: `metric` (str),
        `n_conversations` (i64, with a value), `n_unknown` (i64, finished, without one),
        `n_running` (i64, left out), `mean`, `min`, `p10`, `p25`, `p50`, `p75`, `p90`, `p95`,
        `p99`, `max` (f64, linear between neighbours, null without conversations).
    """
    lengths, n_running = _finished(chats, active_cap_s)
    value = pl.col("value")
    summary = (
        value.count().cast(pl.Int64).alias("n_conversations"),
        value.null_count().cast(pl.Int64).alias("n_unknown"),
        pl.lit(n_running, pl.Int64).alias("n_running"),
        # The last digit of a sum depends on the order of its terms.
        value.sort().mean().alias("mean"),
        value.min().alias("min"),
        *(value.quantile(q, "linear").alias(name) for name, q in ALL.items()),
        value.max().alias("max"),
    )
    # Without conversations there is a row too: of none.
    return pl.concat(
        lengths.select(value=pl.col(name)).select(pl.lit(name).alias("metric"), *summary)
        for name in lengths.columns
    )


def length_histogram(chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S) -> pl.DataFrame:
    """Count finished conversations in bins of each length that double in width.

    Returns:
        One row per length and bin, bins without conversations between others included:
        `metric` (str), `low` and `high` (f64, low <= length < high; the first bin is 0 to 1),
        `n_conversations` (i64), `share` (f64, of those with a value), `share_up_to` (f64, shorter
        than `high`: the cumulative share).
    """
    lengths, _ = _finished(chats, active_cap_s)
    edges = pl.Series("high", [2.0**power for power in range(63)])

    def binned(values: pl.DataFrame) -> pl.DataFrame:
        known = values.drop_nulls()
        place = edges.search_sorted(known["value"], side="right").cast(pl.Int64)
        counts = known.with_columns(bin=place).group_by("metric", "bin")
        return counts.agg(pl.len().cast(pl.Int64).alias("n_conversations"))

    bins = _of_each(lengths, binned)
    spans = bins.group_by("metric").agg(
        pl.int_ranges(pl.col("bin").min(), pl.col("bin").max() + 1).first().alias("bin")
    )
    n = pl.col("n_conversations")
    return (
        pl.DataFrame({"metric": lengths.columns})
        .join(spans.explode("bin"), on="metric", maintain_order="left_right")
        .join(bins, on=["metric", "bin"], how="left", maintain_order="left")
        .sort(pl.col("metric").cast(pl.Enum(lengths.columns)), "bin")
        .select(
            "metric",
            low=pl.when(pl.col("bin") == 0).then(0.0).otherwise(2.0 ** (pl.col("bin") - 1)),
            high=2.0 ** pl.col("bin").cast(pl.Float64),
            n_conversations=n.fill_null(0),
            share=n.fill_null(0) / n.sum().over("metric"),
            share_up_to=n.fill_null(0).cum_sum().over("metric") / n.sum().over("metric"),
        )
    )


def length_ecdf(
    chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S, most: int = MOST_POINTS
) -> pl.DataFrame:
    """Give the empirical distribution of each length over finished conversations, exact per point.

    Args:
        chats: what to measure.
        active_cap_s: as in `conversation_length`.
        most: most points per length; of more values, those at evenly spaced ranks are shown, the
            smallest and the largest among them.

    Returns:
        One row per length and value, in the order of `conversation_length`, then smallest first:
        `metric` (str), `value` (f64), `n_up_to` (i64, conversations with that or less), `share`
        (f64, of those with a value), `share_low`, `share_high` (f64, the 95 % band of Dvoretzky,
        Kiefer and Wolfowitz, which holds for the whole curve at once).
    """
    lengths, _ = _finished(chats, active_cap_s)
    values = _of_each(
        lengths,
        lambda values: (
            values.drop_nulls()
            .group_by("metric", "value")
            .agg(n=pl.len().cast(pl.Int64))
            .sort("value")
        ),
    )
    n, up_to = pl.col("n").sum().over("metric"), pl.col("n").cum_sum().over("metric")
    rank = pl.int_range(pl.len()).over("metric")
    last = pl.len().over("metric") - 1
    # A value is shown where the number of steps taken up to it grows.
    step = rank * (most - 1) // pl.max_horizontal(last, 1)
    shown = (last < most) | (rank == 0) | (step > step.shift(1).over("metric"))
    band = (math.log(2 / 0.05) / (2 * n)).sqrt()
    share = up_to / n
    return (
        values.select(
            "metric",
            "value",
            n_up_to=up_to,
            share=share,
            share_low=(share - band).clip(0.0, 1.0),
            share_high=(share + band).clip(0.0, 1.0),
            shown=shown,
        )
        .filter("shown")
        .drop("shown")
    )


@once
def _finished(chats: Chats[Frame], active_cap_s: float) -> tuple[pl.DataFrame, int]:
    """Give the lengths of finished conversations as floats, and how many are not finished."""
    running = ended(chats).filter("running").select("conversation_id")
    rows = measured(chats, active_cap_s).collect("polars").to_polars()
    finished = rows.lazy().join(running.lazy(), on="conversation_id", how="anti")
    floats = finished.drop("conversation_id").cast(pl.Float64).collect()
    return floats, len(rows) - len(floats)


def _of_each(lengths: pl.DataFrame, answer: Callable[[pl.DataFrame], pl.DataFrame]) -> pl.DataFrame:
    """Answer for one length after the other, as rows of `metric` and `value`.

    All of them in one column would take twelve times the memory.
    """
    return pl.concat(
        answer(lengths.select(metric=pl.lit(name), value=pl.col(name))) for name in lengths.columns
    )

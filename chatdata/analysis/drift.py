"""How the arguments of tools change from one period to the next."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.arguments import CHARS, argument_values
from chatdata.analysis.differences import newcombe_high, newcombe_low
from chatdata.analysis.quantiles import quantile, quantile_of_counts
from chatdata.analysis.rates import share
from chatdata.analysis.rows import tally, timed_calls, total

if TYPE_CHECKING:
    from datetime import datetime

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["argument_drift"]

MIN_N = 20
_SIDES = ("before", "after")
_COUNTS = ("n_before", "n_after")


def argument_drift(
    chats: Chats[Frame], *, at: datetime | None = None, min_n: int = MIN_N
) -> pl.DataFrame:
    """Compare what arguments each tool is called with before and after a moment.

    A call's time is its start where that is recorded, else its message's; calls without one are
    left out. No value is shown.

    Args:
        chats: what to compare.
        at: the moment, UTC without a zone, as in the frames; None is the time of the
            call in the middle, so that both sides have as many.
        min_n: fewest calls on each side from which drift is spoken of.

    Returns:
        One row per tool and argument, by tool and argument: `name`, `argument` (str), `n_before`,
        `n_after` (i64, calls of the tool with arguments that are a JSON object), `share_before`,
        `share_after` (f64, of them with this argument), `difference`, `difference_low`,
        `difference_high` (f64, after minus before with Newcombe's 95 % interval), `types_before`,
        `types_after` (str, JSON types, joined by ", ", null where it is absent),
        `p50_chars_before`, `p50_chars_after` (f64, code points), `drift` (str: `appeared`,
        `vanished`, `other types`, `other share` where the interval leaves out 0, `none`; null with
        fewer than `min_n` calls on either side, where the difference is null too).
    """
    calls = (
        timed_calls(chats)
        .filter(~nw.col("called_us").is_null(), ~nw.col("arguments").is_null())
        .select("name", "arguments", "called_us")
    )
    moment = _middle(calls) if at is None else pl.select(pl.lit(at).dt.epoch("us")).item()
    sided = calls.with_columns(
        n_before=tally(nw.col("called_us") < moment), n_after=tally(nw.col("called_us") >= moment)
    )
    tools = sided.group_by("name").agg(total("n_before"), total("n_after"))
    values = argument_values(sided, {name: pl.col(name).sum() for name in _COUNTS}, CHARS)
    present = values.group_by("name", "key").agg(
        *(pl.col(f"n_{side}").sum().alias(f"present_{side}") for side in _SIDES),
        *(
            pl.col("type").filter(pl.col(f"n_{side}") > 0).unique().sort().alias(f"types_{side}")
            for side in _SIDES
        ),
    )
    halves = (
        values.sort("name", "key", "chars")
        .group_by("name", "key")
        .agg(
            quantile_of_counts("chars", f"n_{side}", 0.5).alias(f"p50_chars_{side}")
            for side in _SIDES
        )
    )
    together = present.join(halves, on=["name", "key"], nulls_equal=True).join(
        tools.collect("polars").to_polars(), on="name", nulls_equal=True
    )
    return _compared(together, min_n).sort("name", "argument", nulls_last=True)


def _middle(calls: nw.LazyFrame[Frame]) -> int:
    half = calls.select(called_us=nw.col("called_us").cast(nw.Float64))
    found = half.select(quantile("called_us", 0.5)).collect("polars").item()
    return 0 if found is None else math.ceil(found)


def _compared(found: pl.DataFrame, min_n: int) -> pl.DataFrame:
    hits, hits_2 = pl.col("present_before"), pl.col("present_after")
    n, n_2 = pl.col("n_before"), pl.col("n_after")
    enough = (n >= max(min_n, 1)) & (n_2 >= max(min_n, 1))
    low, high = pl.col("difference_low"), pl.col("difference_high")
    drift = (
        pl.when(~enough)
        .then(None)
        .when(hits == 0)
        .then(pl.lit("appeared"))
        .when(hits_2 == 0)
        .then(pl.lit("vanished"))
        .when(pl.col("types_before") != pl.col("types_after"))
        .then(pl.lit("other types"))
        .when((low > 0) | (high < 0))
        .then(pl.lit("other share"))
        .otherwise(pl.lit("none"))
    )
    shares = found.with_columns(
        share_before=share(hits, n),
        share_after=share(hits_2, n_2),
        difference=pl.when(enough).then(share(hits_2, n_2) - share(hits, n)),
        difference_low=pl.when(enough).then(newcombe_low(hits, n, hits_2, n_2)),
        difference_high=pl.when(enough).then(newcombe_high(hits, n, hits_2, n_2)),
    )
    types = [
        pl.when(pl.col(f"types_{side}").list.len() > 0)
        .then(pl.col(f"types_{side}").list.join(", "))
        .alias(f"types_{side}")
        for side in _SIDES
    ]
    return shares.with_columns(drift=drift).select(
        "name",
        pl.col("key").alias("argument"),
        "n_before",
        "n_after",
        "share_before",
        "share_after",
        "difference",
        "difference_low",
        "difference_high",
        *types,
        "p50_chars_before",
        "p50_chars_after",
        "drift",
    )

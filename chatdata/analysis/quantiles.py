"""Exact quantiles, linear between neighbours, on the engine and over counts of values."""

from __future__ import annotations

import narwhals as nw
import polars as pl

LATE = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}
ALL = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def quantile(name: str, q: float) -> nw.Expr:
    """Give a quantile of a column of floats, on any engine."""
    return nw.col(name).quantile(q, interpolation="linear")


def quantile_of_counts(value: str, n: str, q: float) -> pl.Expr:
    """Give a quantile of a column each of whose values was met `n` times.

    To be used over rows that are sorted by the value; null where there are none.
    """
    place = (pl.col(n).sum() - 1) * q
    up_to = pl.col(n).cum_sum()
    low = pl.col(value).filter(up_to > place.floor()).first().cast(pl.Float64)
    high = pl.col(value).filter(up_to > place.ceil()).first().cast(pl.Float64)
    between = low + (high - low) * (place - place.floor())
    return pl.when(pl.col(n).sum() > 0).then(between)

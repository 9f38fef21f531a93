"""Shares with their intervals, as Polars expressions."""

from __future__ import annotations

import polars as pl

# Two-sided 95 % of the normal distribution, to all the digits a float has.
Z_95 = 1.959963984540054


def wilson_low(hits: pl.Expr, n: pl.Expr) -> pl.Expr:
    """Give the lower end of the Wilson 95 % interval of a share; null where n is 0."""
    return _wilson(hits, n, -1)


def wilson_high(hits: pl.Expr, n: pl.Expr) -> pl.Expr:
    """Give the upper end of the Wilson 95 % interval of a share; null where n is 0."""
    return _wilson(hits, n, +1)


def share(hits: pl.Expr, n: pl.Expr) -> pl.Expr:
    """Divide, null where n is 0."""
    return hits / positive(n)


def enough(n: pl.Expr, min_n: int, rate: pl.Expr) -> pl.Expr:
    """Show a rate only where n is enough."""
    return pl.when(n >= min_n).then(rate)


def positive(n: pl.Expr) -> pl.Expr:
    """Give n as a float, null where it is 0."""
    return n.cast(pl.Float64).replace(0.0, None)


def _wilson(hits: pl.Expr, n: pl.Expr, side: int) -> pl.Expr:
    whole = positive(n)
    p, z2 = hits / whole, Z_95**2
    middle = p + z2 / (2 * whole)
    half = Z_95 * (p * (1 - p) / whole + z2 / (4 * whole**2)).sqrt()
    # Nothing and all are ends themselves, which rounding would miss.
    end = pl.when(hits == 0 if side < 0 else hits == n).then(p)
    return end.otherwise(((middle + side * half) / (1 + z2 / whole)).clip(0.0, 1.0))

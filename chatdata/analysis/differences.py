"""The difference of two shares with its interval, as Polars expressions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.analysis.rates import share, wilson_high, wilson_low

if TYPE_CHECKING:
    import polars as pl


def newcombe_low(hits: pl.Expr, n: pl.Expr, hits_2: pl.Expr, n_2: pl.Expr) -> pl.Expr:
    """Give the lower end of the 95 % interval of the second share minus the first.

    Newcombe's hybrid score interval (Statistics in Medicine 17, 1998, method 10); null where
    either n is 0.
    """
    p, p_2 = share(hits, n), share(hits_2, n_2)
    return p_2 - p - ((p_2 - wilson_low(hits_2, n_2)) ** 2 + (wilson_high(hits, n) - p) ** 2).sqrt()


def newcombe_high(hits: pl.Expr, n: pl.Expr, hits_2: pl.Expr, n_2: pl.Expr) -> pl.Expr:
    """Give the upper end of the same interval."""
    p, p_2 = share(hits, n), share(hits_2, n_2)
    return p_2 - p + ((wilson_high(hits_2, n_2) - p_2) ** 2 + (p - wilson_low(hits, n)) ** 2).sqrt()

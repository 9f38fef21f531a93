"""Random draws as expressions: a draw is a function of the seed, its purpose and the row.

Polars' own sampling promises nothing between versions, and a Python generator means a loop over
rows. SplitMix64 (Steele, Lea and Flood, 2014) is four lines of wrapping 64-bit arithmetic, the
same on every machine, and needs no order of evaluation.
"""

from __future__ import annotations

import math
import zlib
from dataclasses import dataclass
from statistics import NormalDist
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

_ROWS = pl.col("row")


@dataclass(frozen=True)
class Dice:
    """A seed. Every draw names its purpose, and is made for each value of the column `row`."""

    seed: int

    def bits(self, purpose: str, row: pl.Expr = _ROWS) -> pl.Expr:
        """Draw 64 random bits as u64."""
        start = (self.seed << 32 ^ zlib.crc32(purpose.encode())) % 2**64
        return _mix(_mix(_u64(start)) + row.cast(pl.UInt64))

    def uniform(self, purpose: str, row: pl.Expr = _ROWS) -> pl.Expr:
        """Draw from [0, 1), in steps of 2^-53, so that no rounding depends on the machine."""
        return (self.bits(purpose, row) // 2**11).cast(pl.Float64) * 2.0**-53

    def chance(self, purpose: str, probability: float, row: pl.Expr = _ROWS) -> pl.Expr:
        """Draw true with a probability."""
        return self.uniform(purpose, row) < probability

    def whole(self, purpose: str, low: int, high: pl.Expr | int, row: pl.Expr = _ROWS) -> pl.Expr:
        """Draw a whole number from low to high, both included, as i64."""
        span = (pl.lit(high) if isinstance(high, int) else high).cast(pl.Int64) - low + 1
        return (self.bits(purpose, row) % span.cast(pl.UInt64)).cast(pl.Int64) + low

    def pick(self, purpose: str, values: pl.Series, row: pl.Expr = _ROWS) -> pl.Expr:
        """Draw one of the values, each as likely as it is frequent among them."""
        return pl.lit(values).gather(self.bits(purpose, row) % len(values))


def weighted(weights: Mapping[str, int]) -> pl.Series:
    """Repeat each value as often as its weight says, for `Dice.pick`."""
    return pl.Series([value for value, weight in weights.items() for _ in range(weight)])


def log_normal(median: float, sigma: float, size: int = 4096) -> pl.Series:
    """Tabulate the quantiles of a log-normal distribution as whole numbers, for `Dice.pick`."""
    normal = NormalDist(math.log(median), sigma)
    return pl.Series(
        [round(math.exp(normal.inv_cdf((step + 0.5) / size))) for step in range(size)],
        dtype=pl.Int64,
    )


def fill_in(template: pl.Expr, blanks: Iterable[str]) -> pl.Expr:
    """Put the columns into the places of a template that bear their names, as in `{title}`."""
    for name in blanks:
        template = template.str.replace(f"{{{name}}}", pl.col(name), literal=True)
    return template


def _mix(state: pl.Expr) -> pl.Expr:
    state = state + _u64(0x9E3779B97F4A7C15)
    state = (state ^ (state // _u64(2**30))) * _u64(0xBF58476D1CE4E5B9)
    state = (state ^ (state // _u64(2**27))) * _u64(0x94D049BB133111EB)
    return state ^ (state // _u64(2**31))


def _u64(value: int) -> pl.Expr:
    return pl.lit(value, dtype=pl.UInt64)

"""Ratios of sums over clusters, and the difference of two with its 95 % interval.

Calls of one conversation, and conversations of one user, are alike: counted as if each were on its
own, intervals would be too narrow. So the users are what varies, and the variance is that of a
ratio linearised over them (Cochran, Sampling Techniques, 1977, 6.4).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from chatdata.analysis.rates import Z_95


@dataclass(frozen=True)
class Ratio:
    """A sum over a sum: the value, n below the line, clusters, and the variance of the value."""

    value: float
    n: float
    clusters: int
    variance: float


@dataclass(frozen=True)
class Difference:
    """Second minus first, and the ends of its interval."""

    value: float
    low: float
    high: float


def ratio(clusters: pl.DataFrame, above: str, below: str) -> Ratio | None:
    """Divide two sums over clusters; None where the lower one is 0."""
    known = clusters.filter(pl.col(below) > 0).select(
        y=pl.col(above).cast(pl.Float64), x=pl.col(below).cast(pl.Float64)
    )
    n = float(known["x"].sum())
    if n == 0:
        return None
    value, count = float(known["y"].sum()) / n, len(known)
    squares = float(((known["y"] - value * known["x"]) ** 2).sum())
    variance = squares / n**2 * count / (count - 1) if count > 1 else math.nan
    return Ratio(value, n, count, variance)


def of_means(first: Ratio, second: Ratio) -> Difference:
    """Compare two means: Welch's interval, its degrees of freedom those of the clusters."""
    value = second.value - first.value
    spread = first.variance + second.variance
    if spread == 0:
        return Difference(value, value, value)
    parts = sum(side.variance**2 / (side.clusters - 1) for side in (first, second))
    half = student_97_5(spread**2 / parts) * math.sqrt(spread)
    return Difference(value, value - half, value + half)


def of_shares(first: Ratio, second: Ratio) -> Difference:
    """Compare two shares: Newcombe's interval over the number of independent cases they are worth.

    That number is n, less where clusters differ by more than chance (Korn and Graubard, Survey
    Methodology 24, 1998), so that a share of 0 or 1 has an interval too.
    """
    ends = [wilson(side.value, _worth(side)) for side in (first, second)]
    (low, high), (low_2, high_2) = ends
    value = second.value - first.value
    below = math.hypot(second.value - low_2, high - first.value)
    above = math.hypot(high_2 - second.value, first.value - low)
    return Difference(value, value - below, value + above)


def wilson(p: float, n: float) -> tuple[float, float]:
    """Give the ends of the Wilson 95 % interval of a share of n cases."""
    middle = p + Z_95**2 / (2 * n)
    half = Z_95 * math.sqrt(p * (1 - p) / n + Z_95**2 / (4 * n**2))
    size = 1 + Z_95**2 / n
    return max(0.0, (middle - half) / size), min(1.0, (middle + half) / size)


def student_97_5(degrees: float) -> float:
    """Give the 97.5 % quantile of Student's t, by halving; a few steps of Simpson's rule each."""
    low, high = 0.0, 13.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if _student(middle, degrees) < 0.475 else (low, middle)  # noqa: PLR2004 - of the upper half
    return (low + high) / 2


def _student(x: float, degrees: float) -> float:
    """Give the chance that Student's t lies between 0 and x."""
    scale = math.lgamma((degrees + 1) / 2) - math.lgamma(degrees / 2)
    top = math.exp(scale) / math.sqrt(degrees * math.pi)
    # Over the angle whose tangent t is, the density is a power of a cosine: smooth, and bounded.
    angle, steps = math.atan(x / math.sqrt(degrees)), 200
    heights = [math.pow(math.cos(angle * k / steps), degrees - 1) for k in range(steps + 1)]
    area = heights[0] + heights[-1] + 4 * sum(heights[1:-1:2]) + 2 * sum(heights[2:-1:2])
    return top * math.sqrt(degrees) * area * angle / (3 * steps)


def _worth(side: Ratio) -> float:
    """Say how many independent cases a share over clusters is worth."""
    alone = side.value * (1 - side.value) / side.n
    effect = max(1.0, side.variance / alone) if alone > 0 else 1.0
    few = (Z_95 / student_97_5(side.clusters - 1)) ** 2
    return side.n / effect * (few if side.clusters < side.n else 1.0)

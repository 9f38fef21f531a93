"""Where gaps within a session end and gaps between sessions begin."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import polars as pl

_BINS_PER_DOUBLING = 8
_ROUNDS = 300
_FEWEST = 50
_SEPARATION = 2.0
_NARROWEST = 0.25


@dataclass(frozen=True)
class _Normal:
    weight: float
    mean: float
    deviation: float

    def density(self, x: float) -> float:
        scaled = (x - self.mean) / self.deviation
        return self.weight * math.exp(-(scaled**2) / 2) / self.deviation


def threshold(gaps_s: pl.Series) -> float | None:
    """Fit two log-normal distributions to gaps; give the gap that both explain equally well.

    Works on a histogram of at most a few hundred bins, whatever the number of gaps.

    Returns:
        Seconds; None with fewer than 50 gaps, or where the two do not part: their means are less
        than two standard deviations from each other.
    """
    positive = gaps_s.filter(gaps_s > 0)
    if len(positive) < _FEWEST or positive.n_unique() == 1:
        return None
    bins = (positive.log(2) * _BINS_PER_DOUBLING).floor().value_counts().sort(positive.name)
    points = [(low + 0.5) / _BINS_PER_DOUBLING for low in bins.to_series(0)]
    counts = bins.to_series(1).to_list()
    short, long = _fit(points, counts)
    if long.mean - short.mean < _SEPARATION * max(short.deviation, long.deviation):
        return None
    return float(2 ** _crossing(short, long))


def _fit(points: list[float], counts: list[int]) -> tuple[_Normal, _Normal]:
    """Maximise the likelihood, step by step, from the lower and the upper half."""
    half = sum(counts) / 2
    below = [sum(counts[: place + 1]) <= half for place in range(len(counts))]
    shares = [1.0 if lower else 0.0 for lower in below]
    shares[0], shares[-1] = 1.0, 0.0
    short = long = _Normal(0.5, points[0], 1.0)
    for _ in range(_ROUNDS):
        short = _moments(points, [n * p for n, p in zip(counts, shares, strict=True)])
        long = _moments(points, [n * (1 - p) for n, p in zip(counts, shares, strict=True)])
        densities = [(short.density(x), long.density(x)) for x in points]
        shares = [
            a / (a + b) if a + b > 0 else float(x < short.mean)
            for x, (a, b) in zip(points, densities, strict=True)
        ]
    return (short, long) if short.mean <= long.mean else (long, short)


def _moments(points: list[float], weights: list[float]) -> _Normal:
    weight = sum(weights) or 1e-12
    mean = sum(w * x for w, x in zip(weights, points, strict=True)) / weight
    spread = sum(w * (x - mean) ** 2 for w, x in zip(weights, points, strict=True)) / weight
    return _Normal(weight, mean, max(math.sqrt(spread), _NARROWEST))


def _crossing(short: _Normal, long: _Normal) -> float:
    """Halve the way between the means to where both densities are equal."""
    low, high = short.mean, long.mean
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (
            (middle, high) if short.density(middle) > long.density(middle) else (low, middle)
        )
    return (low + high) / 2

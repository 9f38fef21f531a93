"""Two periods, or two models, side by side: the same measures, and what lies between them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal

import narwhals as nw
import polars as pl

from chatdata.analysis import measures, ratios

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["compare_cohorts", "compare_periods"]

MIN_N = 20
MIN_USERS = 5
MOST_WEEKS = 4
_DAY = timedelta(days=1)
_SIDE = {
    "from": pl.Datetime("us"),
    "to": pl.Datetime("us"),
    "n": pl.Int64(),
    "clusters": pl.Int64(),
    "value": pl.Float64(),
}
_SCHEMA = pl.Schema(
    {
        "measure": pl.String(),
        "unit": pl.String(),
        "a": pl.String(),
        "b": pl.String(),
        "clustered_by": pl.String(),
        **{f"{name}_{side}": dtype for side in "ab" for name, dtype in _SIDE.items()},
        "difference": pl.Float64(),
        "difference_low": pl.Float64(),
        "difference_high": pl.Float64(),
        "reason": pl.String(),
    }
)


@dataclass(frozen=True)
class _Side:
    """One side of a comparison: what it is called, when it was, and its conversations."""

    name: str
    start: datetime | None
    end: datetime | None
    conversations: pl.DataFrame


def compare_periods(
    chats: Chats[Frame],
    *,
    split: datetime | None = None,
    days: int | None = None,
    min_n: int = MIN_N,
) -> pl.DataFrame:
    """Compare the period after a moment with one of the same length before it.

    A conversation belongs to the period in which it begins, and one that is still running at the
    end of the log to none. Whole weeks are compared where they fit, so that weekdays match.

    Args:
        chats: what to compare.
        split: the moment, UTC without a zone, as in the frames; None lets the second period end
            with the log.
        days: how long each period is; None is the most whole weeks that fit, four at most, or the
            most whole days where no week fits.
        min_n: fewest cases on each side from which a difference is shown.

    Returns:
        One row per measure, in a fixed order, or none where no two periods fit: `measure`, `unit`
        (str), `a`, `b` (str: before, after), `clustered_by` (str: user; conversation, where fewer
        than 5 users are known on a side), for each side its `from_a`, `to_a`, `from_b`, `to_b`
        (time, the end not included), `n_a`, `n_b` (i64, cases: conversations, calls, prompts …),
        `clusters_a`, `clusters_b` (i64, clusters with cases), `value_a`, `value_b` (f64), then
        `difference`, `difference_low`, `difference_high` (f64, b minus a, with a 95 % interval
        over clusters), `reason` (str, why there is no difference, else null).
    """
    found = measures.of_conversations(chats)
    span = _span(found)
    windows = None if span is None else _windows(*span, split, days)
    if windows is None:
        return pl.DataFrame(schema=_SCHEMA)
    start, middle, end = windows
    began = pl.col("began_at")
    return _compared(
        _Side("before", start, middle, found.filter(began >= start, began < middle)),
        _Side("after", middle, end, found.filter(began >= middle, began < end)),
        min_n,
    )


def compare_cohorts(
    chats: Chats[Frame],
    *,
    by: Literal["source", "origin", "model", "agent", "project"] = "model",
    cohorts: tuple[str, str] | None = None,
    min_n: int = MIN_N,
) -> pl.DataFrame:
    """Compare the conversations of two models, or other cohorts, begun while both were in use.

    Args:
        chats: what to compare.
        by: the column of conversations that tells them apart.
        cohorts: its two values; None is those with most conversations.
        min_n: fewest cases on each side from which a difference is shown.

    Returns:
        As `compare_periods`: one row per measure, in a fixed order, or none without two cohorts in
        use at one time: `measure`, `unit`, `a`, `b` (str, the cohorts), `clustered_by`, `from_a`,
        `to_a`, `from_b`, `to_b` (the same for both; null where no conversation has a time), `n_a`,
        `n_b`, `clusters_a`, `clusters_b`, `value_a`, `value_b`, `difference`, `difference_low`,
        `difference_high`, `reason`.
    """
    found = measures.of_conversations(chats)
    named = (
        nw.from_native(chats.conversations)
        .select("conversation_id", cohort=nw.col(by))
        .collect("polars")
        .to_polars()
    )
    rows = found.join(named, on="conversation_id", how="inner").drop_nulls("cohort")
    pair = _largest(rows) if cohorts is None else cohorts
    sides = [rows.filter(pl.col("cohort") == name) for name in pair]
    if len(sides) < 2 or any(side.is_empty() for side in sides):  # noqa: PLR2004 - two sides
        return pl.DataFrame(schema=_SCHEMA)
    start, end = _overlap(sides)
    if start is not None and end is not None:
        during = pl.col("began_at").is_between(start, end, closed="left")
        sides = [side.filter(during) for side in sides]
    first, second = (_Side(name, start, end, side) for name, side in zip(pair, sides, strict=True))
    return _compared(first, second, min_n)


def _span(found: pl.DataFrame) -> tuple[datetime, datetime] | None:
    first: Any = found["began_at"].min()
    last: Any = found["last_at"].max()
    return None if first is None or last is None else (first, last)


def _windows(
    first: datetime, last: datetime, split: datetime | None, days: int | None
) -> tuple[datetime, datetime, datetime] | None:
    """Find two periods of one length side by side; None where not even a day fits twice."""
    # The end is not included, and the last message is.
    end = last + timedelta(microseconds=1)
    room = (end - first) / 2 if split is None else min(split - first, end - split)
    fits = room // _DAY
    weeks = min(fits // 7, MOST_WEEKS) * 7
    length = timedelta(days=days if days is not None else weeks or fits)
    if length < _DAY:
        return None
    middle = end - length if split is None else split
    return middle - length, middle, middle + length


def _overlap(sides: list[pl.DataFrame]) -> tuple[datetime | None, datetime | None]:
    """Give the time in which conversations of all sides begin."""
    spans: list[tuple[Any, Any]] = [
        (side["began_at"].min(), side["began_at"].max()) for side in sides
    ]
    if any(first is None for first, _ in spans):
        return None, None
    start, end = max(first for first, _ in spans), min(last for _, last in spans)
    return start, end + timedelta(microseconds=1)


def _largest(rows: pl.DataFrame) -> tuple[str, ...]:
    counts = rows.group_by("cohort").len().sort("len", "cohort", descending=[True, False])
    return tuple(counts["cohort"].head(2))


def _compared(first: _Side, second: _Side, min_n: int) -> pl.DataFrame:
    sides = (first, second)
    cluster = _cluster(sides)
    clusters = [_clusters(side, cluster) for side in sides]
    rows = [
        {
            "measure": measure.name,
            "unit": measure.unit,
            "a": first.name,
            "b": second.name,
            "clustered_by": cluster,
            **{f"from_{letter}": side.start for letter, side in zip("ab", sides, strict=True)},
            **{f"to_{letter}": side.end for letter, side in zip("ab", sides, strict=True)},
            **_row(measure, clusters, min_n),
        }
        for measure in measures.MEASURES
    ]
    return pl.DataFrame(rows, schema=_SCHEMA)


def _cluster(sides: tuple[_Side, _Side]) -> str:
    """Say what varies: users, where enough of them are known on both sides."""
    known = min(side.conversations["user_id"].drop_nulls().n_unique() for side in sides)
    return "user" if known >= MIN_USERS else "conversation"


def _clusters(side: _Side, by: str) -> pl.DataFrame:
    """Sum the measures of each cluster; who is not known is somebody each time."""
    rows = side.conversations.filter(~pl.col("running"))
    own = pl.format("conversation {}", "conversation_id")
    cluster = pl.coalesce("user_id", own) if by == "user" else own
    return rows.group_by(cluster.alias("cluster")).agg(pl.col(measures.COLUMNS).sum())


def _row(measure: measures.Measure, clusters: list[pl.DataFrame], min_n: int) -> dict[str, Any]:
    """Compare two sides by one measure."""
    found = [ratios.ratio(side, measure.above, measure.below) for side in clusters]
    row: dict[str, Any] = {}
    for letter, side in zip("ab", found, strict=True):
        row[f"n_{letter}"] = 0 if side is None else round(side.n)
        row[f"clusters_{letter}"] = 0 if side is None else side.clusters
        row[f"value_{letter}"] = None if side is None else side.value
    first, second = found
    row["reason"] = _reason(measure, first, second, min_n)
    if first is None or second is None or row["reason"] is not None:
        return row
    difference = (ratios.of_shares if measure.is_share else ratios.of_means)(first, second)
    return row | {
        "difference": difference.value,
        "difference_low": difference.low,
        "difference_high": difference.high,
    }


def _reason(
    measure: measures.Measure, first: ratios.Ratio | None, second: ratios.Ratio | None, min_n: int
) -> str | None:
    """Say why two sides cannot be compared."""
    if first is None or second is None:
        return f"no {measure.cases} on one side" if first or second else f"no {measure.cases}"
    if min(first.n, second.n) < min_n:
        return f"fewer than {min_n} {measure.cases} on one side"
    if min(first.clusters, second.clusters) < MIN_USERS:
        return f"{measure.cases} of fewer than {MIN_USERS} users or conversations on one side"
    return None

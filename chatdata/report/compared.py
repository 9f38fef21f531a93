"""The section that compares two periods, models, agents or formats."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Literal, TypeAlias

import polars as pl

from chatdata import analysis
from chatdata.notebook.table import known, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.table import Table

Compare: TypeAlias = datetime | Literal["periods", "model", "agent", "source"]

_SHARE = "0 to 1"
_NO_PERIODS = "No two periods of at least a day lie side by side in the log."
_DRIFT = ("appeared", "vanished", "other types", "other share")


def compared(chats: Chats[pl.LazyFrame], what: Compare, min_cell: int) -> Iterator[Table | str]:
    """Set the same measures of two sides beside each other, with the interval of the difference.

    Args:
        chats: what to compare.
        what: a moment, before and after which periods of one length are compared; "periods" for
            the last one and the one before it; or the column of conversations whose two most
            frequent values are compared.
        min_cell: fewest users of a group that stands alone; 0 shows arguments, too.
    """
    if isinstance(what, datetime):
        found, missing = analysis.compare_periods(chats, split=what), _NO_PERIODS
    elif what == "periods":
        found, missing = analysis.compare_periods(chats), _NO_PERIODS
    else:
        found = analysis.compare_cohorts(chats, by=what)
        missing = f"No two values of {what} are in use at one time."
    if found.is_empty():
        yield missing
        return
    yield _about(found)
    yield _verdict(found)
    yield table(
        _told(found),
        "The same measures of both",
        note="of shares the difference is in points; from and to: its 95 % interval",
        labels=_sides(found),
        decimals=dict.fromkeys(("value_a", "value_b", "difference", "low", "high"), 2),
    )
    if missing == _NO_PERIODS and not min_cell:
        yield from _drift(chats, found["from_b"][0])


def _about(found: pl.DataFrame) -> str:
    """Say what is compared, and over whom the intervals are."""
    row = found.row(0, named=True)
    if row["from_a"] is None:
        when = "over all conversations"
    elif row["from_a"] == row["from_b"]:
        when = f"begun from {row['from_a']:%Y-%m-%d} to {row['to_a']:%Y-%m-%d}"
    else:
        first, second = (
            f"{row[f'from_{side}']:%Y-%m-%d %H:%M} to {row[f'to_{side}']:%Y-%m-%d %H:%M}"
            for side in "ab"
        )
        when = f"begun from {first} and from {second} (UTC)"
    return (
        f"Compared are conversations of {row['a']} and {row['b']}, {when}; intervals are over "
        f"{row['clustered_by']}s, since what one of them does is alike."
    )


def _verdict(found: pl.DataFrame) -> str:
    """Name the measures that differ by more than chance would explain."""
    apart = found.filter((pl.col("difference_low") > 0) | (pl.col("difference_high") < 0))
    n = found["difference"].count()
    if not n:
        return "There are too few cases to tell a difference from chance."
    if apart.is_empty():
        return f"Not one of {n} measures differs by more than chance may explain."
    way = pl.when(pl.col("difference") > 0).then(pl.lit("higher")).otherwise(pl.lit("lower"))
    names = apart.select(pl.format("{} ({} in {})", "measure", way, "b")).to_series()
    return f"Of {n} measures, more than chance would explain: {', '.join(names)}."


def _told(found: pl.DataFrame) -> pl.DataFrame:
    """Write each measure in its unit: shares as percent, their differences as points."""
    is_share = pl.col("unit") == _SHARE
    value = {
        name: pl.when(is_share).then(pl.col(name) * 100).otherwise(name)
        for name in ("value_a", "value_b", "difference", "difference_low", "difference_high")
    }
    shown = found.with_columns(**value)
    return known(
        shown.select(
            "measure",
            pl.when(is_share).then(pl.lit("%")).otherwise("unit").alias("unit"),
            "n_a",
            "value_a",
            "n_b",
            "value_b",
            "difference",
            pl.col("difference_low").alias("low"),
            pl.col("difference_high").alias("high"),
            "reason",
        )
    )


def _sides(found: pl.DataFrame) -> dict[str, str]:
    first, second = found["a"][0], found["b"][0]
    return {
        "n_a": f"n {first}",
        "value_a": first,
        "n_b": f"n {second}",
        "value_b": second,
        "low": "from",
        "high": "to",
        "reason": "why no difference",
    }


def _drift(chats: Chats[pl.LazyFrame], at: datetime) -> Iterator[Table | str]:
    """Show the arguments that tools are called with otherwise since a moment."""
    drift = analysis.argument_drift(chats, at=at).filter(pl.col("drift").is_in(_DRIFT))
    if drift.is_empty():
        yield "Tools are called with the same arguments before and after, as far as can be told."
        return
    columns = ("name", "argument", "drift", "n_before", "share_before", "n_after", "share_after")
    yield table(drift.select(columns), "Arguments that changed")

"""Days, weeks and hours in a time zone.

Engines count by UTC quarter-hours, which every zone in use can be cut from; zones are Polars' work.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

import narwhals as nw
import polars as pl

from chatdata.errors import QueryError
from chatdata.moments import zone

Every: TypeAlias = Literal["day", "week"]

_LENGTHS: dict[Every, str] = {"day": "1d", "week": "1w"}
_QUARTER_HOUR_US = 900_000_000


def quarter_hour(microseconds: str) -> nw.Expr:
    """Number the UTC quarter-hour, counted from 1970, of a column of microseconds."""
    return nw.col(microseconds) // _QUARTER_HOUR_US


def local_time(time_zone: str) -> pl.Expr:
    """Make the column `quarter` the time that a clock in a zone shows."""
    return (
        pl.from_epoch(pl.col("quarter") * _QUARTER_HOUR_US, time_unit="us")
        .dt.replace_time_zone("UTC")
        .dt.convert_time_zone(zone(time_zone))
    )


def period(every: Every, time_zone: str) -> pl.Expr:
    """Make the column `quarter` the first day of its period; weeks begin on Monday.

    Where `of_day` says that it is only a day, that is the same day in every zone.

    Raises:
        QueryError: `every` is no period, or there is no such zone.
    """
    if every not in _LENGTHS:
        raise QueryError(f"found every={every!r}, expected {' or '.join(map(repr, _LENGTHS))}")
    day = pl.when("of_day").then(local_time("UTC").dt.date())
    return day.otherwise(local_time(time_zone).dt.date()).dt.truncate(_LENGTHS[every])

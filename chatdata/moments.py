"""Moments and time zones as people name them."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from typing import TypeAlias, overload
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from chatdata.errors import QueryError

Moment: TypeAlias = datetime | date | str
"""A time, a day (its midnight), or either as ISO text; without a zone it means UTC."""


@overload
def moment(given: Moment) -> datetime: ...
@overload
def moment(given: Moment | None) -> datetime | None: ...
def moment(given: Moment | None) -> datetime | None:
    """Give a moment, where there is one, as the frames hold times: naive, in UTC.

    Raises:
        QueryError: it is none.
    """
    if given is None:
        return None
    if isinstance(given, str):
        try:
            given = datetime.fromisoformat(given)
        except ValueError:
            raise QueryError(
                f"found the time {given!r}, expected 2025-09-01 or 2025-09-01T12:00+05:00"
            ) from None
    if not isinstance(given, datetime):
        if not isinstance(given, date):
            raise QueryError(f"found {type(given).__name__} for a time, expected a date or text")
        given = datetime.combine(given, time())
    return given if given.tzinfo is None else given.astimezone(UTC).replace(tzinfo=None)


def zone(name: str) -> str:
    """Check the name of a time zone.

    Raises:
        QueryError: there is none of that name.
    """
    try:
        ZoneInfo(name)
    except (ValueError, OSError, TypeError, ZoneInfoNotFoundError):
        raise QueryError(
            f"no time zone named {name!r}; expected one like Europe/Berlin or UTC"
        ) from None
    return name

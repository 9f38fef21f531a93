"""Moments as logs write them: ISO text, seconds, milliseconds, nanoseconds, or only a day.

Nothing is invented: what is no time, or lies before 1990 or beyond 2100, is None, and the reader
keeps the source value in `extra`.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

from chatdata.formats.rows import At

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_EARLIEST_S = 631_152_000
_LATEST_S = 4_102_444_800
# A count since 1970 says by its size what it counts: above so much, a part of so many microseconds.
_UNITS = ((10**17, 1000, "us"), (10**14, 1, "us"), (10_000_000_000, 0.001, "ms"))
_DIGITS = (10, 13, 16, 19)
_DAY = re.compile(r"\d{4}-\d\d-\d\d$")
_FRACTION = re.compile(r"[T ]\d\d:\d\d:\d\d[.,](\d+)")


def at(value: Any, time_zone: str = "UTC") -> At | None:  # noqa: ANN401 - whatever the log holds
    """Read a time in any of the spellings that logs use.

    Args:
        value: ISO text (naive means `time_zone`); seconds, milliseconds, microseconds or
            nanoseconds since 1970 as a number, or as text of so many digits.
        time_zone: the zone of naive text.
    """
    if isinstance(value, str):
        if len(value) not in _DIGITS or not value.isdecimal():
            return iso(value, time_zone)
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if value != value or abs(value) > _LATEST_S * 1_000_000_000:  # noqa: PLR0124 - NaN is not itself
        return None
    for beyond, per_microsecond, precision in _UNITS:
        if value > beyond:
            return _within(round(value / per_microsecond), precision)
    precision = "s" if isinstance(value, int) else "us"
    return _within(round(value * 1_000_000), precision)


def iso(text: str, time_zone: str = "UTC") -> At | None:
    """Read ISO text; the digits of its fraction tell its precision."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        zone = UTC if time_zone == "UTC" else ZoneInfo(time_zone)
        moment = moment.replace(tzinfo=zone)
    # Most logs write "2025-01-01T00:00:00.000Z": 24 characters, milliseconds.
    precision = "ms" if len(text) == 24 and text[-1] == "Z" else _precision(text)  # noqa: PLR2004
    try:
        return _within((moment - _EPOCH) // _MICROSECOND, precision)
    except OverflowError:
        return None


def spelled(moment: At | None, like: Any, zone: str = "Z") -> Any:  # noqa: ANN401 - text or a number
    """Write a moment as the most usual log does; a source that wrote it otherwise is kept.

    Args:
        moment: what was read.
        like: the source's value; its type decides between text and a number.
        zone: how the format writes UTC after ISO text.
    """
    if moment is None or isinstance(like, bool):
        return None
    if isinstance(like, str):
        return _iso_text(moment) + (zone if moment.precision != "day" else "")
    if moment.precision == "ms":
        return moment.us // 1000
    return moment.us // 1_000_000 if moment.precision == "s" else moment.us / 1_000_000


def note(
    extra: dict[str, Any], source: dict[str, Any], key: str, moment: At | None, zone: str = "Z"
) -> None:
    """Keep a value that was there and that the moment read from it does not spell."""
    value = source.get(key)
    if moment is not None and type(value) is str and _usual(value) and zone == "Z":
        return
    if key in source and (value is None or spelled(moment, value, zone) != value):
        extra[key] = value


def nanoseconds(value: Any) -> At | None:  # noqa: ANN401 - whatever the log holds
    """Read a decimal count of nanoseconds since 1970, cut to microseconds."""
    text = str(value)
    return _within(int(text) // 1000, "us") if text.isdecimal() else None


def _usual(text: str) -> bool:
    """Whether text that is a time is "2025-01-01T00:00:00.000Z", as most logs write it."""
    return len(text) == 24 and text[10] == "T" and text[19] == "." and text[-1] == "Z"  # noqa: PLR2004 - places in it


def _iso_text(moment: At) -> str:
    if moment.precision == "day":
        return (_EPOCH + moment.us * _MICROSECOND).strftime("%Y-%m-%d")
    digits = {"s": "seconds", "ms": "milliseconds", "us": "microseconds"}[moment.precision]
    return (_EPOCH + moment.us * _MICROSECOND).replace(tzinfo=None).isoformat(timespec=digits)


def _precision(text: str) -> str:
    if _DAY.match(text):
        return "day"
    fraction = _FRACTION.search(text)
    if fraction is None:
        return "s"
    return "ms" if len(fraction.group(1)) <= 3 else "us"  # noqa: PLR2004 - milliseconds


def _within(us: int, precision: str) -> At | None:
    if _EARLIEST_S * 1_000_000 <= us < _LATEST_S * 1_000_000:
        return At(us, precision)
    return None

"""Stored times, in whatever form, to UTC microseconds without a zone."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl
import pyarrow as pa

from chatdata.database.values import only
from chatdata.schema import TIME

# Date, time, fraction, zone, as SQL and ISO 8601 write them.
_PARTS = (
    r"^\s*(?<date>\d{4}-\d{2}-\d{2})(?:[T ](?<time>\d{2}:\d{2}(?::\d{2})?)"
    r"(?:[.,](?<fraction>\d{1,9}))?)?\s*(?<zone>Z|z|UTC|[+-]\d{2}(?::?\d{2})?(?: [A-Z]{3,5})?)?\s*$"
)
_EPOCH = r"^\s*-?\d{9,19}(?:\.\d+)?\s*$"
# Larger numbers than these are milli-, micro- and nanoseconds: the years 5138 and 1973 part them.
_MILLISECONDS, _MICROSECONDS, _NANOSECONDS = 1e11, 1e14, 1e17
# A date and a time without signs; as milliseconds fourteen digits would lie beyond the year 2286.
_COMPACT = r"^\s*((?:19|20)\d{2})(\d{2})(\d{2})[T ]?(\d{2})(\d{2})(\d{2})(Z?)\s*$"
_WRITTEN_OUT = "${1}-${2}-${3}T${4}:${5}:${6}${7}"
# What is as clear, and rarer: slashes after the year, numbers of one digit, months by their names
# as JavaScript's Date and mail write them, and an offset with a Z behind it.
_LOOSE = r"^\s*(?<year>\d{4})[-/](?<month>\d{1,2})[-/](?<day>\d{1,2})(?:[T ]+(?<rest>.*))?$"
_SPELLED = (
    r"(?i)^\s*(?:[a-z]{3},?\s+)?(?:(?<before>\d{1,2})\s+)?(?<month>[a-z]{3})\s+"
    r"(?:(?<after>\d{1,2})\s+)?(?<year>\d{4})\s+(?<clock>\d{2}:\d{2}(?::\d{2})?)"
    r"\s*(?<zone>(?:GMT|UTC|Z)?(?:[+-]\d{4})?)(?:\s*\(.*\))?\s*$"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_NUMBER_OF = {name: f"{number:02}" for number, name in enumerate(_MONTHS, 1)}
_DAY = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}$"
_CLOCK = r"^\d{1,2}:\d{2}"
_DATED = r"^\d{4}[-/]\d{1,2}[-/]\d{1,2}[T ]"
_TWICE_ZONED = r"([+-]\d{2}:?\d{2})\s*[Zz]\s*$"


@dataclass(frozen=True)
class Times:
    """Parsed times, how precise each is, and whether a text was there that is no time."""

    values: pl.Series
    precision: pl.Series
    unread: pl.Series


def parse(stored: pl.Series, time_zone: str) -> Times:
    """Read a column of times.

    Args:
        stored: a time column without zone, or text: `YYYY-MM-DD` with or without a time, a
            fraction, `T`, `Z` or an offset, without its signs too, with slashes, with the month's
            name as JavaScript and mail write it, or seconds, milli-, micro- or nanoseconds since
            1970. What may mean two days (`1/2/2026`) is no time.
        time_zone: of values that name none; a local time that a clock skipped is no time, one that
            it showed twice is taken as the first.
    """
    if isinstance(stored.dtype, pl.Datetime) and stored.dtype.time_zone is not None:
        values = stored.dt.convert_time_zone("UTC").dt.replace_time_zone(None)
        return _times(stored, values.cast(TIME), pl.lit("us"))
    if stored.dtype == TIME:
        values = _localised(stored, time_zone)
        return _times(stored, values, pl.lit("us"))
    text = stored.cast(pl.String)
    plain = _plain(text, time_zone)
    if plain is not None:
        return plain
    read = _mixed(text, time_zone)
    if not read.unread.any():
        return read
    rest = _mixed(_rewritten(only(text, read.unread)), time_zone)
    both = pl.select(
        values=pl.coalesce(pl.lit(read.values), pl.lit(rest.values)),
        precision=pl.coalesce(pl.lit(read.precision), pl.lit(rest.precision)),
    )
    return _times(stored, both["values"], pl.lit(both["precision"]))


def _rewritten(text: pl.Series) -> pl.Series:
    """Write rarer forms as the usual one; null what has none of them."""
    once = pl.lit(text).str.replace(_TWICE_ZONED, "$1")
    loose = pl.select(once.str.extract_groups(_LOOSE).struct.unnest()).select(
        _day("year", "month", "day")
        + pl.coalesce(" " + pl.col("rest").str.replace(r"^(\d):", "0${1}:"), pl.lit(""))
    )
    spelled = pl.select(once.str.extract_groups(_SPELLED).struct.unnest()).with_columns(
        pl.col("month").str.to_lowercase().replace_strict(_NUMBER_OF, default=None),
        day=pl.coalesce("before", "after"),
        zone=pl.col("zone").str.replace("(?i)^(?:GMT|UTC|Z)([+-])", "$1"),
    )
    named = spelled.select(
        _day("year", "month", "day")
        + " "
        + pl.col("clock")
        + pl.col("zone").str.replace("(?i)^(?:GMT|UTC|Z)$", "Z")
    )
    return pl.select(pl.coalesce(loose.to_series(), named.to_series())).to_series()


def _day(year: str, month: str, day: str) -> pl.Expr:
    return pl.concat_str(
        pl.col(year), pl.col(month).str.zfill(2), pl.col(day).str.zfill(2), separator="-"
    )


def joined(at: pl.Series, beside: pl.Series) -> pl.Series:
    """Put a day and the clock in the column beside it together; what is whole stays as it is."""
    one, other = (pl.lit(each.cast(pl.String).str.strip_chars()) for each in (at, beside))
    is_clock, is_day = one.str.contains(_CLOCK), one.str.contains(_DAY)
    return pl.select(
        pl.when(is_clock & other.str.contains(_DAY))
        .then(pl.concat_str(other, one, separator=" "))
        .when(is_day & other.str.contains(_CLOCK))
        .then(pl.concat_str(one, other, separator=" "))
        .when((is_clock | is_day | one.is_null()) & other.str.contains(_DATED))
        .then(other)
        .when(one.is_null() & other.str.contains(_DAY))
        .then(other)
        .otherwise(one)
    ).to_series()


def _plain(stored: pl.Series, time_zone: str) -> Times | None:
    """Read times that all have the usual form, which Arrow parses at a fifth of the cost."""
    try:
        naive = stored.to_arrow().cast(pa.timestamp("us"))
    except pa.ArrowInvalid:
        return None
    size = pl.lit(stored).str.len_bytes()
    precision = (
        pl.when(size > len("2025-01-01 10:00:00"))
        .then(pl.lit("us"))
        .when(size > len("2025-01-01"))
        .then(pl.lit("s"))
        .otherwise(pl.lit("day"))
    )
    return _times(stored, _localised(pl.Series(naive), time_zone), precision)


def _mixed(stored: pl.Series, time_zone: str) -> Times:
    """Read times of several forms, value by value."""
    written = stored.str.replace(_COMPACT, _WRITTEN_OUT)
    parts = (
        pl.select(pl.lit(written).str.extract_groups(_PARTS).struct.unnest())
        .with_columns(
            epoch=pl.when(pl.lit(written).str.contains(_EPOCH)).then(
                pl.lit(written).str.strip_chars().cast(pl.Float64, strict=False)
            ),
            offset=_offset_us(pl.col("zone")),
        )
        .with_columns(clock=_clock())
    )
    local = _localised(parts["clock"], time_zone)
    values = parts.select(
        pl.when(pl.col("offset").is_not_null())
        .then((pl.col("clock").cast(pl.Int64) - pl.col("offset")).cast(TIME))
        .when(pl.col("clock").is_not_null())
        .then(pl.lit(local))
        .otherwise((pl.col("epoch") * _epoch_unit()).cast(pl.Int64).cast(TIME))
    ).to_series()
    precision = parts.select(
        pl.when(pl.col("epoch").abs() >= _MICROSECONDS)
        .then(pl.lit("us"))
        .when(pl.col("epoch").abs() >= _MILLISECONDS)
        .then(pl.lit("ms"))
        .when(pl.col("fraction").is_not_null())
        .then(pl.lit("us"))
        .when(pl.col("time").is_not_null() | pl.col("epoch").is_not_null())
        .then(pl.lit("s"))
        .otherwise(pl.lit("day"))
    ).to_series()
    return _times(stored, values, pl.lit(precision))


def _times(stored: pl.Series, values: pl.Series, precision: pl.Expr) -> Times:
    known = pl.lit(values).is_not_null()
    frame = pl.select(
        pl.when(known).then(precision).alias("precision"),
        (pl.lit(stored).is_not_null() & ~known).alias("unread"),
    )
    return Times(values, frame["precision"], frame["unread"])


def _localised(naive: pl.Series, time_zone: str) -> pl.Series:
    if time_zone == "UTC":
        return naive
    return (
        naive.dt.replace_time_zone(time_zone, ambiguous="earliest", non_existent="null")
        .dt.convert_time_zone("UTC")
        .dt.replace_time_zone(None)
    )


def _clock() -> pl.Expr:
    time = pl.col("time").fill_null("00:00")
    seconds = pl.when(time.str.len_bytes() > len("10:00")).then(time).otherwise(time + ":00")
    whole = (pl.col("date") + " " + seconds).str.to_datetime(
        "%Y-%m-%d %H:%M:%S", strict=False, time_unit="us"
    )
    fraction = pl.col("fraction").str.pad_end(6, "0").str.slice(0, 6).cast(pl.Int64)
    return (whole.cast(pl.Int64) + fraction.fill_null(0)).cast(TIME)


def _offset_us(zone: pl.Expr) -> pl.Expr:
    hours = zone.str.slice(1, 2).cast(pl.Int64, strict=False)
    # A Go program writes the zone's name after its offset.
    minutes = (
        zone.str.slice(3)
        .str.strip_prefix(":")
        .str.head(2)
        .cast(pl.Int64, strict=False)
        .fill_null(0)
    )
    ahead = (hours * 60 + minutes) * 60_000_000
    return (
        pl.when(zone.str.contains("^[+-]"))
        .then(pl.when(zone.str.starts_with("-")).then(-ahead).otherwise(ahead))
        .when(zone.is_not_null())
        .then(0)
    )


def _epoch_unit() -> pl.Expr:
    size = pl.col("epoch").abs()
    return (
        pl.when(size >= _NANOSECONDS)
        .then(1e-3)
        .when(size >= _MICROSECONDS)
        .then(1.0)
        .when(size >= _MILLISECONDS)
        .then(1e3)
        .otherwise(1e6)
    )

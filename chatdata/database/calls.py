"""Where an application keeps its tool calls, and the calls it keeps there.

Calls go through the kernel chunk by chunk; what needs the whole database, whether it stores
arguments, results and outcomes at all, is settled at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from chatdata.database import names
from chatdata.tool_calls import NOTHING, OUTPUT, extract_tool_calls, extract_tool_rows

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatdata.database.extract import Raw

_NAME = r"[A-Za-z_][\w.:/-]*"
_NAMES = rf"^\s*{_NAME}\s*(,\s*{_NAME}\s*)*$"
_NAME_LIST = rf"""^\s*\[\s*["']{_NAME}["']\s*(,\s*["']{_NAME}["']\s*)*\]\s*$"""
_NO_NAMES = ("none", "null", "nan", "n/a", "na", "undefined", "-")
_FLAGS = ("success", "status", "error")
_WORDS = (*_NO_NAMES, "true", "false", "yes", "no")


@dataclass(frozen=True)
class CallSource:
    """The columns of a message table that hold its calls, by their names in the raw rows.

    Either `text` (with `results` beside it), or `flat`: a column for each part of one call. Where
    `may_list`, the text or the name may be names with commas between them.
    """

    text: str | None = None
    inside: str | None = None
    results: str | None = None
    flat: Mapping[str, str] | None = None
    may_list: bool = False

    @property
    def columns(self) -> frozenset[str]:
        """The raw columns it reads whole, so that nothing of them is left over."""
        flat = {name for part, name in (self.flat or {}).items() if part not in _FLAGS}
        held = {self.results, *flat}
        return frozenset(name for name in {*held, None if self.inside else self.text} if name)


def find_sources(raw: Raw) -> tuple[CallSource, ...]:
    """Take the places of a message table that hold calls, in the order of the rules.

    An application may have begun with one and gone on with another. Where none holds any, the
    first column of calls that holds something malformed is the place, so that it is not passed
    over in silence.
    """
    found, malformed = [], []
    for source in _places(raw):
        outcomes = _outcomes(raw, source)
        if "call" in outcomes:
            found.append(source)
        elif "malformed" in outcomes and source.text and not source.inside:
            malformed.append(source)
    return tuple(found or malformed[:1])


def read_each(stored: pl.DataFrame, sources: Sequence[CallSource]) -> tuple[pl.DataFrame, ...]:
    """Read the calls of a chunk of messages, each message's from the first place that has any.

    Returns:
        For each of the places what `read_calls` gives.
    """
    found: list[pl.DataFrame] = []
    for source in sources:
        rows = read_calls(stored, source)
        for before in found:
            called = before.filter(outcome="call")["_row"]
            rows = rows.filter(~pl.col("_row").is_in(called.implode()))
        found.append(rows)
    return tuple(found)


def together(found: Sequence[pl.DataFrame]) -> pl.DataFrame | None:
    """Put calls of several places together, in the order of their messages; None for no place."""
    if len(found) < 2:  # noqa: PLR2004 - one is in order already
        return found[0] if found else None
    return pl.concat(found).sort("_row", maintain_order=True)


def _places(raw: Raw) -> Iterator[CallSource]:
    """Give the places where calls may be, in the order of the rules."""
    companion = raw.named(raw.binding.companion)
    for candidate in raw.binding.call_columns:
        text = raw.named(candidate.column)
        if text is not None:
            yield CallSource(
                text,
                candidate.inside,
                None if candidate.inside else companion,
                may_list=candidate.column.plain in names.CALL_NAMES,
            )
            if candidate.inside:
                yield CallSource(text, "toolCalls")
    flat = {
        part: name
        for part, column in raw.binding.flat.items()
        if (name := raw.named(column)) is not None
    }
    if "name" in flat:
        yield CallSource(flat=flat, may_list=True)


def _outcomes(raw: Raw, source: CallSource) -> set[str]:
    """Say what a place holds; it is gone through only as far as its first call."""
    name = (source.flat or {}).get("name") or source.text or ""
    found: set[str] = set()
    for chunk in raw.rows:
        for part in chunk.filter(pl.col(name).is_not_null()).iter_slices(1024):
            found.update(read_calls(part, source)["outcome"].unique())
            if "call" in found:
                return found
    return found


def read_calls(stored: pl.DataFrame, source: CallSource) -> pl.DataFrame:
    """Read the calls of a chunk of messages.

    Returns:
        The kernel's columns, with `message_id` replaced by `_row` (u32), the place in the chunk,
        and `_is_flat`, whether they were columns of their own.
    """
    row = pl.int_range(stored.height, dtype=pl.UInt32, eager=True)
    if source.flat is not None:
        asked = {part: stored[name].cast(pl.String) for part, name in source.flat.items()}
        chosen = asked["name"].is_not_null() & ~asked["name"].is_in(NOTHING)
        if source.may_list:
            chosen &= ~_is_no_name(asked["name"])
        table = {"message_id": row.cast(pl.String), **asked}
        calls = pl.DataFrame(table).filter(chosen)
        batches = _batches(_one_each(calls) if source.may_list else calls)
        found = [extract_tool_rows(batch) for batch in batches]
    else:
        text = stored[source.text or ""].cast(pl.String)
        if source.may_list:
            text = pl.select(_as_json(pl.lit(text.set(_is_no_name(text), None)))).to_series()
        table = {"message_id": row.cast(pl.String), "text": text}
        if source.results:
            table["results"] = stored[source.results].cast(pl.String)
        has_text = text.is_not_null()
        if source.inside:
            has_text = text.str.contains(source.inside, literal=True)
        batches = _batches(pl.DataFrame(table).filter(has_text))
        found = [extract_tool_calls(batch, inside=source.inside) for batch in batches]
    rows = _rows(found).with_columns(_is_flat=pl.lit(source.flat is not None))
    if source.flat is None or not source.may_list:
        return rows
    return rows.with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32).over("_row"))


def _one_each(calls: pl.DataFrame) -> pl.DataFrame:
    """Take several names in one column for as many calls, where nothing else is said of them."""
    others = pl.exclude("message_id", "name", *_FLAGS)
    said = pl.any_horizontal(others.is_not_null() & ~others.is_in(NOTHING), pl.lit(value=False))
    names = _name_list(pl.col("name"))
    is_one = said & (names.list.len() > 1)
    return calls.with_columns(
        pl.when(is_one).then(pl.concat_list("name")).otherwise(names).alias("name")
    ).explode("name")


def _name_list(text: pl.Expr) -> pl.Expr:
    """Take names with commas between them, or a list of names, apart."""
    listed = text.str.replace_all(r"""[\s\["'\]]""", "").str.split(",")
    is_list = text.str.contains(_NAMES) | text.str.contains(_NAME_LIST)
    return pl.when(is_list).then(listed).otherwise(pl.concat_list(text))


def _is_no_name(text: pl.Series) -> pl.Series:
    """Tell words that stand in the place of a name where nothing was called."""
    return text.str.strip_chars().str.to_lowercase().is_in(_NO_NAMES).fill_null(value=False)


def _as_json(text: pl.Expr) -> pl.Expr:
    """Write names with commas between them as the list that they are."""
    listed = pl.concat_str(pl.lit('["'), _name_list(text).list.join('","'), pl.lit('"]'))
    is_list = text.str.contains(_NAMES) & ~text.str.to_lowercase().is_in(_WORDS)
    return pl.when(is_list).then(listed).otherwise(text)


def _batches(frame: pl.DataFrame) -> list[pa.RecordBatch]:
    strings = pa.schema([(name, pa.string()) for name in frame.columns])
    return frame.to_arrow().cast(strings).to_batches()


def _rows(found: list[pa.RecordBatch]) -> pl.DataFrame:
    table = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(found, OUTPUT)))
    return table.with_columns(pl.col("message_id").cast(pl.UInt32)).rename({"message_id": "_row"})

"""Where an application keeps its tool calls, and the calls it keeps there.

Calls go through the kernel chunk by chunk; what needs the whole database, whether it stores
arguments, results and outcomes at all, is settled at the end.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from chatdata.tool_calls import NOTHING, OUTPUT, extract_tool_calls, extract_tool_rows

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.database.extract import Raw
    from chatdata.database.layout import CallColumn


@dataclass(frozen=True)
class CallSource:
    """The columns of a message table that hold its calls, by their names in the raw rows.

    Either `text` (with `results` beside it), or `flat`: a column for each part of one call.
    """

    text: str | None = None
    inside: str | None = None
    results: str | None = None
    flat: Mapping[str, str] | None = None

    @property
    def columns(self) -> frozenset[str]:
        """The raw columns it reads whole, so that nothing of them is left over."""
        names = {self.results, *(self.flat or {}).values()}
        return frozenset(name for name in {*names, None if self.inside else self.text} if name)


def find_source(raw: Raw) -> CallSource | None:
    """Take the first place of a message table that holds calls, or something malformed."""
    companion = raw.named(raw.binding.companion)
    for candidate in raw.binding.call_columns:
        source = _text_source(raw, candidate, companion)
        if source is not None and _has_calls(raw, source):
            return source
    flat = {
        part: name
        for part, column in raw.binding.flat.items()
        if (name := raw.named(column)) is not None
    }
    if "name" in flat:
        source = CallSource(flat=flat)
        if _has_calls(raw, source):
            return source
    return None


def _text_source(raw: Raw, candidate: CallColumn, companion: str | None) -> CallSource | None:
    text = raw.named(candidate.column)
    if text is None:
        return None
    return CallSource(text, candidate.inside, None if candidate.inside else companion)


def _has_calls(raw: Raw, source: CallSource) -> bool:
    name = (source.flat or {}).get("name") or source.text or ""
    return any(
        read_calls(part, source)["outcome"].ne("kept").any()
        for chunk in raw.rows
        for part in chunk.filter(pl.col(name).is_not_null()).iter_slices(1024)
    )


def read_calls(stored: pl.DataFrame, source: CallSource) -> pl.DataFrame:
    """Read the calls of a chunk of messages.

    Returns:
        The kernel's columns, with `message_id` replaced by `_row` (u32), the place in the chunk.
    """
    row = pl.int_range(stored.height, dtype=pl.UInt32, eager=True)
    if source.flat is not None:
        asked = {part: stored[name].cast(pl.String) for part, name in source.flat.items()}
        chosen = asked["name"].is_not_null() & ~asked["name"].is_in(NOTHING)
        table = {"message_id": row.cast(pl.String), **asked}
        batches = _batches(pl.DataFrame(table).filter(chosen))
        found = [extract_tool_rows(batch) for batch in batches]
    else:
        text = stored[source.text or ""].cast(pl.String)
        table = {"message_id": row.cast(pl.String), "text": text}
        if source.results:
            table["results"] = stored[source.results].cast(pl.String)
        batches = _batches(pl.DataFrame(table).filter(text.is_not_null()))
        found = [extract_tool_calls(batch, inside=source.inside) for batch in batches]
    return _rows(found)


def _batches(frame: pl.DataFrame) -> list[pa.RecordBatch]:
    strings = pa.schema([(name, pa.string()) for name in frame.columns])
    return frame.to_arrow().cast(strings).to_batches()


def _rows(found: list[pa.RecordBatch]) -> pl.DataFrame:
    table = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(found, OUTPUT)))
    return table.with_columns(pl.col("message_id").cast(pl.UInt32)).rename({"message_id": "_row"})

"""Columns that hold what decodes as calls, and that no rule takes for a place of calls."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl

from chatdata.database import names
from chatdata.database.calls import CallSource, read_calls
from chatdata.database.extract import call_names

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.database.extract import Raw

_KEYS = tuple(name for name in names.CALL_COLUMNS if name != "tool_calls")
_SPEAKS_OF_CALLS = re.compile(r"tool|function|mcp|action|call")
_MANY, _FEW = 1024, 64


def passed_over(
    stored: pl.DataFrame, raw: Raw, calls: pl.DataFrame | None
) -> Iterator[tuple[str, str | None]]:
    """Name the columns, or keys of what they hold, with calls of messages that have none else.

    The first rows of each chunk tell. A list of names, as of files, is one of calls only where the
    column is named so; a list of names and arguments is wherever it stands.

    Args:
        stored: part of a message table.
        raw: the table.
        calls: what the kernel found in the part.
    """
    if calls is not None:
        row = pl.int_range(pl.len(), dtype=pl.UInt32)
        stored = stored.filter(~row.is_in(calls.filter(outcome="call")["_row"].implode()))
    binding = raw.binding
    taken = {column.name for column in (*binding.columns.values(), *binding.answers.values())}
    for column in binding.table.columns:
        name = raw.named(column)
        if name is None or column.name in taken or column.kind not in ("json", "text"):
            continue
        text = (
            stored.select(pl.col(name).cast(pl.String))
            .filter(pl.col(name).str.contains(r"^\s*[\[{]").fill_null(value=False))
            .head(_MANY)
        )
        if text.is_empty():
            continue
        speaks = _SPEAKS_OF_CALLS.search(column.plain) is not None
        if column.name not in call_names(binding) and _holds(text, CallSource(name), speaks=speaks):
            yield column.name, None
        for key in _KEYS:
            asked = text.filter(pl.col(name).str.contains(f'"{key}"', literal=True))
            if asked.height and _holds(asked, CallSource(name, key), speaks=True):
                yield column.name, key


def _holds(text: pl.DataFrame, source: CallSource, *, speaks: bool) -> bool:
    found = read_calls(text.head(_FEW), source).filter(outcome="call")
    return found.height > 0 if speaks else bool(found["arguments"].is_not_null().any())

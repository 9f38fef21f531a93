"""Rows of a message table to the messages frame: chunk by chunk, then in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database import answers, names, times, values
from chatdata.database.extract import call_names, is_free
from chatdata.tool_calls import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdata.database.calls import CallSource
    from chatdata.database.extract import Raw

_TOKENS = tuple(c.name for c in schema.MESSAGES.columns if c.name.endswith("_tokens"))
_TEXTS = ("reasoning", "model", "finish_reason")


@dataclass(frozen=True)
class Context:
    """What the rows of one message table are read against."""

    calls: tuple[CallSource, ...]
    prefix: str  # before the ids of a table that is not the only one
    time_zone: str
    text: bool


def read_chunk(
    stored: pl.DataFrame, raw: Raw, context: Context, calls: Sequence[pl.DataFrame]
) -> pl.DataFrame:
    """Read part of a message table.

    Args:
        stored: the part.
        raw: the table it is of.
        context: what it is read against.
        calls: what the kernel found in it, place by place.

    Returns:
        The columns of the contract less those that need an order, and `_user`, `_sequence`,
        `_number` (an integer id), `_tool_call_id`, `_answer` (what a row that has one says),
        `_ended` (how the call ended) and `_tool` (of what tool) besides; `message_id` is null
        where the table has no id.
    """
    native, content = raw.part(stored, "id"), raw.part(stored, "content")
    at = times.parse(_times(stored, raw), context.time_zone)
    sizes = stored["n_chars"] if "n_chars" in stored.columns else content.str.len_chars()
    unlinked = f"{raw.binding.table.name}#none"
    frame = pl.DataFrame(
        {
            "message_id": context.prefix + values.key(native),
            "conversation_id": values.key(raw.part(stored, "conversation_id")).fill_null(unlinked),
            "native_id": native.cast(pl.String),
            "content": content,
            "n_chars": sizes.cast(pl.UInt32, strict=False),
            **{name: raw.part(stored, name).cast(pl.String) for name in _TEXTS},
            "created_at": at.values,
            "created_at_precision": at.precision,
            **{name: _number(stored, raw, name) for name in _TOKENS},
            "_user": values.key(raw.part(stored, "user_id")),
            "_sequence": _number(stored, raw, "sequence"),
            "_number": raw.numbers(stored),
            "_tool_call_id": raw.part(stored, "tool_call_id").cast(pl.String),
            "_answer": answers.words(stored, raw),
            "_ended": answers.ended(stored, raw),
            "_tool": answers.names_tool(stored, raw),
        }
    )
    left = _leftovers(stored, raw, context, calls)
    for name in (*_TOKENS, "sequence"):
        left |= _unread_number(stored, raw, name, frame)
    if context.text:
        left |= values.filled(raw.unread(stored, "created_at", at))
    role = raw.part(stored, "role")
    column = raw.binding.columns.get("role")
    is_user = names.IS_USER.get(column.plain) if column else None
    spoken = values.roles(
        role,
        raw.binding.role,
        is_user=is_user,
        are_types=raw.binding.is_of_steps,
        named=raw.binding.roles,
    )
    return pl.concat([frame, spoken], how="horizontal").with_columns(extra=values.json_object(left))


def _times(stored: pl.DataFrame, raw: Raw) -> pl.Series:
    """Give the times of messages, put together where a day and a clock are two columns."""
    at = raw.part(stored, "created_at")
    if "time_beside" not in raw.binding.columns:
        return at
    return times.joined(at, raw.part(stored, "time_beside"))


def _number(stored: pl.DataFrame, raw: Raw, what: str) -> pl.Series:
    return raw.part(stored, what).cast(pl.Int64, strict=False)


def _unread_number(
    stored: pl.DataFrame, raw: Raw, what: str, frame: pl.DataFrame
) -> dict[str, pl.Series]:
    """Give the stored values of a column of numbers that are no whole numbers, under its name."""
    column = raw.binding.columns.get(what)
    if column is None or raw.named(column) is None:
        return {}
    value = raw.part(stored, what)
    read = frame["_sequence" if what == "sequence" else what]
    if value.null_count() == read.null_count():
        return {}
    return values.filled({column.name: values.only(value.cast(pl.String), read.is_null())})


def _leftovers(
    stored: pl.DataFrame, raw: Raw, context: Context, calls: Sequence[pl.DataFrame]
) -> dict[str, pl.Series]:
    """What no column of the frames took; stored calls only where something in them is left."""
    kept = ("tool_call_id", "parts")
    taken = {one.name for what, one in raw.binding.columns.items() if what not in kept}
    holders = {call.column.name for call in raw.binding.call_columns}
    words = {column.name for column in raw.binding.answers.values() if not is_free(column)}
    hidden = call_names(raw.binding) | words
    unsaid = _unsaid(stored, context.calls, calls)
    left: dict[str, pl.Series] = {}
    for column in raw.binding.table.columns:
        name = raw.named(column)
        if name is None or column.name in taken:
            continue
        if not context.text and column.name in hidden:
            continue
        value = stored[name]
        if name in unsaid:
            left[column.name] = values.only(value, unsaid[name])
        elif column.name in holders and value.dtype == pl.String:
            left[column.name] = values.only(value, ~value.is_in(NOTHING))
        else:
            left[column.name] = values.leftover(value, column.kind)
    return values.filled(left)


def _unsaid(
    stored: pl.DataFrame, places: Sequence[CallSource], calls: Sequence[pl.DataFrame]
) -> dict[str, pl.Series]:
    """Say of each column of calls in which rows no place took what it holds."""
    rows = pl.int_range(stored.height, dtype=pl.UInt32, eager=True)
    before = pl.repeat(value=False, n=stored.height, eager=True)
    unsaid: dict[str, pl.Series] = {}
    for place, found in zip(places, calls, strict=True):
        is_call = found["outcome"] == "call"
        has_call = rows.is_in(found.filter(is_call)["_row"].implode())
        wrong = rows.is_in(found.filter(~is_call)["_row"].implode())
        for name in place.columns:
            # A row with a call has taken what stands beside it, unless something found no call.
            left = wrong | ~has_call
            if name == place.text:
                left = wrong | (before & ~stored[name].cast(pl.String).is_in(NOTHING))
            unsaid[name] = unsaid[name] & left if name in unsaid else left
        before |= has_call
    return unsaid

"""The tables beside the messages: conversations, and calls with a table of their own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database import times, values
from chatdata.database.calls import CallSource, read_calls
from chatdata.database.scope import within
from chatdata.tool_calls import NOT_A_CALL
from chatdata.tool_calls.outcome import is_told

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.database.extract import Raw
    from chatdata.database.scope import Scope

_PARTS = ("name", "arguments", "result", "success", "is_error", "status", "error")
MOMENTS = ("created_at", "updated_at")
"""The times of a conversation; `_odd_…` says of each where something is stored that is none."""
_FLAGS = ("success", "is_error", "status")
_TAKEN = ("id", "native_id", "message_id", "conversation_id", "position", *_PARTS[:-1])


def leftovers(stored: pl.DataFrame, raw: Raw, taken: Iterable[str]) -> dict[str, pl.Series]:
    """Give the columns that are none of `taken`, by their own names."""
    used = {raw.binding.columns[what].name for what in taken if what in raw.binding.columns}
    return values.filled(
        {
            column.name: values.leftover(stored[name], column.kind)
            for column in raw.binding.table.columns
            if column.name not in used and (name := raw.named(column)) is not None
        }
    )


def conversations(raw: Raw, scope: Scope) -> pl.DataFrame:
    """Read the conversation table, in its own order.

    Returns:
        The conversations frame's columns that the table can fill, and `extra`.
    """
    taken = tuple(raw.binding.columns)
    read = [_conversations(stored, raw, scope, taken) for stored in raw.rows.drain()]
    whole = pl.concat(read)
    ids = whole["conversation_id"]
    if ids.null_count():
        place = pl.format("{}#{}", pl.lit(raw.binding.table.name), pl.int_range(pl.len()) + 1)
        ids = whole.select(pl.coalesce("conversation_id", place)).to_series()
    return whole.with_columns(ids if raw.has_unique_ids else values.unique(ids))


def _conversations(
    stored: pl.DataFrame, raw: Raw, scope: Scope, taken: tuple[str, ...]
) -> pl.DataFrame:
    left = leftovers(stored, raw, taken)
    moments, odd = {}, {}
    for what in MOMENTS:
        at = times.parse(raw.part(stored, what), scope.time_zone)
        moments[what] = at.values
        odd[f"_odd_{what}"] = raw.is_unread(stored, what, at.values)
        if scope.text:
            left |= values.filled(raw.unread(stored, what, at))
    if scope.time_zone != "UTC":
        left.setdefault("time_zone", pl.repeat(scope.time_zone, stored.height, eager=True))
    native = raw.part(stored, "id")
    return pl.DataFrame(
        {
            "conversation_id": values.key(native),
            "native_id": native.cast(pl.String),
            "user_id": values.key(raw.part(stored, "user_id")),
            **{
                name: raw.part(stored, name).cast(pl.String)
                for name in ("title", "model", "agent", "project")
            },
            **moments,
            **odd,
        }
    ).with_columns(extra=values.json_object(left), _table=pl.lit(raw.binding.table.name))


def rows_of_calls(raw: Raw, time_zone: str, prefix: str) -> Iterator[pl.DataFrame]:
    """Read a table of calls, chunk by chunk, for `tool_calls` to link them to their messages.

    Args:
        raw: the table.
        time_zone: of times that are stored without one.
        prefix: before the ids of the messages that the table refers to.
    """
    n_before = 0
    for stored in raw.rows.drain():
        read = _tool_calls(stored, raw, time_zone, n_before)
        n_before += stored.height
        yield read.with_columns(
            message_id=prefix + pl.col("message_id"),
            _of=pl.coalesce("_own_conversation", pl.lit(f"{raw.binding.table.name}#log")),
        )


def tool_calls(
    raw: Raw, read: pl.DataFrame, keys: pl.DataFrame, scope: Scope, outside: pl.Series
) -> pl.DataFrame:
    """Link rows of a table of calls to their messages.

    Args:
        raw: the table.
        read: its rows, or some of them.
        keys: `message_id` and `conversation_id` of the messages that they may belong to.
        scope: what is wanted.
        outside: ids of messages that were read and lie outside of the window.

    Returns:
        The kernel's columns with the ids, position and times of the contract, `_table` and
        `_record`. A call whose message is missing is marked an orphan; one that names neither
        message nor conversation belongs to `<table>#log`.
    """
    name = raw.binding.table.name
    known = keys.select("message_id", "conversation_id").filter(pl.col("message_id").is_not_null())
    linked = read.join(known, on="message_id", how="left", maintain_order="left")
    is_linked = pl.col("conversation_id").is_not_null()
    if scope.has_window:
        is_outside = pl.col("message_id").is_in(outside.implode()).fill_null(value=False)
        linked = linked.filter(is_linked | (~is_outside & within(scope, pl.col("_at"))))
    orphan = pl.when(pl.col("message_id").is_not_null() & ~is_linked).then(pl.lit(value=True))
    placed = (
        linked.with_columns(
            extra=values.joined(pl.col("_left"), values.json_object({"orphan": orphan})),
            conversation_id=pl.coalesce("conversation_id", "_of"),
            native_id=pl.coalesce("_own_native", "_key"),
            _record=pl.coalesce("_number", pl.col("_row") + 1),
            _table=pl.lit(name),
        )
        .with_columns(_holder=pl.coalesce("message_id", "conversation_id"))
        .sort("_holder", "_sequence", "_number", "_at", "_row", nulls_last=True)
        .with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32).over("_holder"))
        .with_columns(tool_call_id=_key(name), result_message_id=pl.lit(None, pl.String))
        .sort("_row")
    )
    if raw.has_unique_ids:
        return placed
    return placed.with_columns(values.unique(placed["tool_call_id"]))


def is_ours(raw: Raw | None) -> bool:
    """Whether this is the table that our own migrations make, filled from the messages."""
    if raw is None:
        return False
    return {"tool_name", "arguments_status", "error_source"} <= {
        column.name for column in raw.binding.table.columns
    }


def sampled(raw: Raw) -> list[pl.DataFrame]:
    """Read a sample of a table of calls, as the kernel gives it."""
    return [read_calls(part, _source(raw)) for part in raw.rows]


def _unsaid(stored: pl.DataFrame, raw: Raw) -> dict[str, pl.Series]:
    """Give the flags in words that no status says."""
    left = {}
    for what in _FLAGS:
        if what in raw.binding.columns:
            words = raw.part(stored, what).cast(pl.String)
            told = [word for word in words.unique() if word is None or is_told(what, word)]
            column = raw.binding.columns[what]
            left[column.name] = values.only(words, ~words.is_in(told, nulls_equal=True))
    return values.filled(left)


def _source(raw: Raw) -> CallSource:
    columns = raw.binding.columns
    flat = {what: raw.named(columns.get(what)) for what in _PARTS}
    return CallSource(flat={what: name for what, name in flat.items() if name is not None})


def _key(table: str) -> pl.Expr:
    """The row's own id; without one its place in its message or conversation."""
    by_place = (
        pl.when(pl.col("message_id").is_not_null())
        .then(pl.format("{}:{}", "message_id", "position"))
        .otherwise(pl.format("{}:call:{}", "conversation_id", pl.col("position") + 1))
    )
    return pl.coalesce(pl.concat_str(pl.lit(f"{table}:"), "_key"), by_place)


def _tool_calls(stored: pl.DataFrame, raw: Raw, time_zone: str, n_before: int) -> pl.DataFrame:
    native = raw.part(stored, "id")
    own = pl.DataFrame(
        {
            "_key": values.key(native),
            "_own_native": raw.part(stored, "native_id").cast(pl.String),
            "message_id": values.key(raw.part(stored, "message_id")),
            "_own_conversation": values.key(raw.part(stored, "conversation_id")),
            "_at": times.parse(raw.part(stored, "created_at"), time_zone).values,
            "_sequence": raw.part(stored, "position").cast(pl.Int64, strict=False),
            "_number": raw.numbers(stored),
        }
    )
    left = leftovers(stored, raw, _TAKEN) | _unsaid(stored, raw)
    found = read_calls(stored, _source(raw))
    return (
        own.with_row_index("_row")
        .join(
            found.drop("extra", "native_id", "position"),
            on="_row",
            how="left",
            maintain_order="left",
        )
        .with_columns(
            pl.col("_row") + n_before,
            # The kernel passes over a row without any name, which is no call either.
            pl.col("outcome").fill_null("malformed"),
            pl.when(pl.col("outcome").is_null())
            .then(pl.lit(NOT_A_CALL))
            .otherwise("reason")
            .alias("reason"),
            values.json_object(left).alias("_left"),
            *_span(stored, raw, time_zone),
        )
    )


def _span(stored: pl.DataFrame, raw: Raw, time_zone: str) -> list[pl.Expr]:
    """Start and end of each call, where both are stored or follow from end and duration."""
    started, ended = (
        pl.lit(times.parse(raw.part(stored, what), time_zone).values)
        for what in ("started_at", "ended_at")
    )
    took_ms = pl.lit(raw.part(stored, "duration_ms").cast(pl.Float64, strict=False))
    computed = (ended.cast(pl.Int64) - (took_ms * 1000).round().cast(pl.Int64)).cast(schema.TIME)
    begun = pl.coalesce(started, computed)
    both = begun.is_not_null() & ended.is_not_null()
    return [
        pl.when(both).then(begun).alias("started_at"),
        pl.when(both).then(ended).alias("ended_at"),
    ]

"""From what readers yield to frames: ids, roles, order and calls, the same way for every format.

Frames come in batches with a few private columns that `identity.py` needs and removes: `_row` (the
order of reading), `_document`, `_bundle` (the conversation as one reader gave it), `_n_records`,
for conversations `_hint`, `_of_message`, `_rank`, `_joins` and `_part` (see `rows.Conversation`),
for messages `_follows` (its parent is the row before it), `_stamped`, `_twin` and `_aliases`.
Batches that outgrow memory are spooled to temporary Parquet.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import accumulate, chain
from typing import TYPE_CHECKING, Any, cast

import msgspec
import polars as pl

from chatdata import schema
from chatdata.formats.pairing import arguments, pair
from chatdata.formats.records import encode
from chatdata.formats.rows import (
    KINDS,
    ROLES,
    SAME_MESSAGE,
    At,
    Call,
    Conversation,
    Message,
    Usage,
    tokens,
)
from chatdata.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatdata.formats.base import Reading

_PRIVATE = {
    "_row": pl.UInt64(),
    "_document": pl.UInt64(),
    "_bundle": pl.UInt64(),
    "_n_records": pl.UInt32(),
}
_OF_CONVERSATIONS = {
    "_hint": pl.Boolean(),
    "_of_message": pl.String(),
    "_rank": pl.UInt8(),
    "_joins": pl.Boolean(),
    "_part": pl.String(),
}
_OF_MESSAGES = {
    "_follows": pl.Boolean(),
    "_stamped": pl.Boolean(),
    "_twin": pl.String(),
    "_aliases": pl.List(pl.String()),
}
_OF_CALLS = {"_stamped": pl.Boolean(), "_twin": pl.String()}
_NAMES = ("conversations", "messages", "tool_calls")
_OWN = {
    "conversations": _OF_CONVERSATIONS,
    "messages": _OF_MESSAGES,
    "tool_calls": _OF_CALLS,
}
_COLUMNS: dict[str, dict[str, pl.DataType]] = {
    table.name: {
        **dict(table.schema),
        **_PRIVATE,
        **_OWN.get(table.name, {}),
    }
    for table in schema.TABLES[:3]
}
_DERIVED = {"n_chars", "_row"}
_BATCH_ROWS = 20_000
_BATCH_CHARS = 8 << 20
_HELD_BYTES = 16 << 20
_NO_TOKENS = (None,) * len(Usage.__struct_fields__)


@dataclass(frozen=True)
class Batch:
    """Some rows of the three frames that hold chats, private columns included."""

    conversations: pl.DataFrame
    messages: pl.DataFrame
    tool_calls: pl.DataFrame


class Builder:
    """Collects conversations as columns and hands them over as lazy frames.

    Args:
        hold: takes each batch, instead of `frames`, the last one at `flush`.
    """

    def __init__(self, hold: Callable[[Batch], None] | None = None) -> None:
        self._rows: dict[str, list[tuple[Any, ...]]] = {name: [] for name in _NAMES}
        self._counts = dict.fromkeys(_NAMES, 0)
        self._chars = 0
        self._bundle = 0
        self._calls_so_far: dict[str, int] = {}
        self._spools = {name: Spool(limit=_HELD_BYTES) for name in _NAMES}
        self._hold = hold or self._spool

    def add(self, item: Conversation | Batch, reading: Reading, document: int) -> None:
        """Take one conversation, or a ready batch of a columnar reader."""
        if isinstance(item, Batch):
            self.flush()
            self._hold(
                Batch(*(self._numbered(name, getattr(item, name), document) for name in _NAMES))
            )
            self._bundle += item.conversations.height
            return
        self._add_conversation(item, reading, document)
        n_rows = len(self._rows["messages"]) + len(self._rows["conversations"])
        if n_rows > _BATCH_ROWS or self._chars > _BATCH_CHARS:
            self.flush()

    def frames(self) -> dict[str, pl.LazyFrame]:
        """Give everything that was added, in the order of reading."""
        self.flush()
        return {
            name: spool.frame() if len(spool) else pl.LazyFrame(schema=_COLUMNS[name])
            for name, spool in self._spools.items()
        }

    def _add_conversation(
        self, conversation: Conversation, reading: Reading, document: int
    ) -> None:
        id_ = conversation.id or f"{reading.name}#{conversation.ordinal}"
        self._bundle += 1
        self._calls_so_far.clear()
        place = (document, self._bundle)
        ids = _message_ids(id_, conversation.messages)
        pair(conversation, ids)
        self._rows["conversations"].append(_conversation_row(conversation, id_, reading, place))
        references = _references(conversation.messages, ids)
        before: str | None = None
        for message, message_id in zip(conversation.messages, ids, strict=True):
            parent = before if message.parent is msgspec.UNSET else message.parent
            parent = references.get(parent, parent) if parent else None
            self._rows["messages"].append(_message_row(message, message_id, id_, parent, place))
            self._chars += len(message.content or "") + len(message.reasoning or "")
            self._add_calls(message.calls, conversation, (id_, message_id), place)
            before = message_id
        self._add_calls(conversation.calls, conversation, (id_, None), place)

    def _add_calls(
        self,
        calls: list[Call],
        conversation: Conversation,
        ids: tuple[str, str | None],
        place: tuple[int, int],
    ) -> None:
        conversation_id, message_id = ids
        for position, call in enumerate(calls):
            key = call.key
            if key is None and call.native_id and not conversation.calls_by_place:
                key = f"{conversation_id}:{call.native_id}"
            elif key is None and message_id:
                key = f"{message_id}:{position}"
            key = _free(key or f"{conversation_id}:call:{position + 1}", self._calls_so_far)
            self._rows["tool_calls"].append(
                _call_row(call, key, conversation_id, message_id, position, place)
            )
            self._chars += len(call.result or "")

    def flush(self) -> None:
        """Hand over what was added so far."""
        if self._rows["conversations"]:
            self._hold(Batch(*(self._frame(name) for name in _NAMES)))
        self._rows = {name: [] for name in _NAMES}
        self._chars = 0

    def _frame(self, name: str) -> pl.DataFrame:
        columns = {n: t for n, t in _COLUMNS[name].items() if n not in _DERIVED}
        values = zip(*self._rows[name], strict=True) if self._rows[name] else ((),) * len(columns)
        frame = pl.DataFrame(
            [_series(n, v, t) for (n, t), v in zip(columns.items(), values, strict=True)]
        )
        return self._numbered(name, frame, None)

    def _numbered(self, name: str, frame: pl.DataFrame, document: int | None) -> pl.DataFrame:
        start = self._counts[name]
        self._counts[name] += frame.height
        row = pl.int_range(start, start + frame.height, dtype=pl.UInt64, eager=True)
        frame = frame.with_columns(row.alias("_row"))
        if document is not None:
            frame = frame.with_columns(
                pl.lit(document, pl.UInt64).alias("_document"),
                (pl.col("_bundle") + self._bundle).cast(pl.UInt64),
            )
        if name == "messages":
            frame = frame.with_columns(n_chars=pl.col("content").str.len_chars().cast(pl.UInt32))
        missing = [n for n in _COLUMNS[name] if n not in frame.columns]
        frame = frame.with_columns(pl.lit(None).alias(n) for n in missing)
        return frame.select(list(_COLUMNS[name])).cast(_COLUMNS[name])  # type: ignore[arg-type]

    def _spool(self, batch: Batch) -> None:
        for name, spool in self._spools.items():
            spool.add(getattr(batch, name))


def columns_of(name: str) -> dict[str, pl.DataType]:
    """Give the columns of a frame in a batch, private ones included."""
    return _COLUMNS[name]


def _message_ids(conversation_id: str, messages: list[Message]) -> list[str]:
    """Name the messages; different ones that share a name get ~2, ~3 in source order."""
    taken: dict[str, int] = {}
    return [
        _free(message.key or f"{conversation_id}:{message.native_id or ordinal}", taken)
        for ordinal, message in enumerate(messages, 1)
    ]


def _free(name: str, taken: dict[str, int]) -> str:
    """Give a name, or the first of `name~2`, `name~3` … that is not taken, and take it."""
    nth = taken.get(name, 0) + 1
    while nth > 1 and f"{name}~{nth}" in taken:
        nth += 1
    taken[name] = nth
    if nth == 1:
        return name
    taken[f"{name}~{nth}"] = 1
    return f"{name}~{nth}"


def _references(messages: list[Message], ids: list[str]) -> dict[str, str]:
    """Say whom a parent link means; keys come before other names that look like them."""
    named = list(zip(messages, ids, strict=True))
    references: dict[str, str] = {}
    for message, id_ in named:
        if message.key is not None:
            references.setdefault(message.key, id_)
    for message, id_ in named:
        for name in (message.native_id, *message.aliases):
            if name is not None:
                references.setdefault(name, id_)
    return references


def _conversation_row(
    conversation: Conversation, id_: str, reading: Reading, place: tuple[int, int]
) -> tuple[Any, ...]:
    c = conversation
    return (
        id_,
        reading.source,
        reading.origin,
        c.native_id,
        c.user_id,
        c.title,
        c.model,
        c.agent,
        c.project,
        _us(c.created_at),
        _us(c.updated_at),
        c.parent_id,
        c.relation,
        c.parent_call,
        None if c.declared_tools is None else encode(c.declared_tools),
        _extra(c.extra),
        *place,
        c.n_records,
        c.hint,
        c.of_message,
        c.title_rank,
        c.joins,
        c.part,
    )


def _message_row(
    message: Message, id_: str, conversation_id: str, parent: str | None, place: tuple[int, int]
) -> tuple[Any, ...]:
    m = message
    known = m.role or ROLES.get(str(m.role_raw).lower())
    role = known or "system"
    return (
        id_,
        conversation_id,
        0,
        m.native_id,
        parent,
        m.is_main_path,
        role,
        m.role_raw,
        m.kind or (KINDS[role] if known else "event"),
        m.content,
        m.reasoning,
        m.model,
        m.generation_id or (id_ if role == "assistant" and m.kind != "event" else None),
        _us(m.at),
        m.at.precision if m.at else None,
        m.finish_reason,
        *(map(tokens, msgspec.structs.astuple(m.usage)) if m.usage else _NO_TOKENS),
        _extra(m.extra),
        *place,
        m.n_records,
        m.parent is msgspec.UNSET,
        m.stamped,
        m.twin,
        m.aliases,
    )


def _call_row(  # noqa: PLR0913, PLR0917 - a row of that many independent parts
    call: Call,
    id_: str,
    conversation_id: str,
    message_id: str | None,
    position: int,
    place: tuple[int, int],
) -> tuple[Any, ...]:
    raw, object_, status = arguments(call.arguments)
    if call.arguments_status is not None:
        object_, status = None, call.arguments_status
    timed = call.started_at is not None and call.ended_at is not None
    return (
        id_,
        conversation_id,
        message_id,
        position,
        call.native_id,
        call.name,
        call.server,
        raw,
        object_,
        status,
        call.result,
        message_id if call.result_key == SAME_MESSAGE else call.result_key,
        call.status or ("unknown" if call.has_result else "no_result"),
        call.error_source,
        call.error_class,
        _us(call.started_at) if timed else None,
        _us(call.ended_at) if timed else None,
        _extra(call.extra),
        *place,
        call.n_records,
        call.stamped,
        call.twin,
    )


def _series(name: str, values: Iterable[Any], dtype: pl.DataType) -> pl.Series:
    if isinstance(dtype, pl.Datetime):
        return pl.Series(name, values, pl.Int64()).cast(dtype)
    if isinstance(dtype, pl.List):
        import pyarrow as pa

        # Polars makes a series of each list before it makes one of them all, and `pa.array` of
        # Python's own objects imports pandas wherever it is installed.
        lists = list(values)
        ends = pl.Series(values=accumulate(map(len, lists), initial=0), dtype=pl.Int64())
        items = pl.Series(values=chain.from_iterable(lists), dtype=pl.String())
        offsets = cast("pa.Int64Array", ends.to_arrow())
        return pl.Series(name, pa.LargeListArray.from_arrays(offsets, items.to_arrow()))
    try:
        return pl.Series(name, values, dtype)
    except (TypeError, pl.exceptions.PolarsError):
        # A log that puts an object where text belongs keeps it, as JSON.
        texts = [v if v is None or isinstance(v, str) else encode(v) for v in values]
        return pl.Series(name, texts, dtype)


def _us(at: At | None) -> int | None:
    return None if at is None else at.us


def _extra(extra: dict[str, Any]) -> str | None:
    return encode(extra) if extra else None

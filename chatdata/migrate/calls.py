"""Rows of `tool_calls`: decoded from messages by the kernel, and written once."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc
import sqlalchemy as sa

from chatdata.tool_calls import extract_tool_calls

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdata.migrate.texts import Message

COLUMNS = (
    "user_id",
    "conversation_id",
    "message_id",
    "position",
    "native_id",
    "tool_name",
    "arguments",
    "arguments_status",
    "result",
    "status",
    "error_source",
)
AT_ONCE = 5_000
_LISTED = ", ".join(COLUMNS)
_FAILED = pa.array(["error", "denied", "cancelled", "timeout"])
_TOLD = pa.array(["flag", "result"])
_ESCAPES = (("\\", "\\\\"), ("\t", "\\t"), ("\n", "\\n"), ("\r", "\\r"))


@dataclass(frozen=True)
class Batch:
    """What the messages above the id `after`, up to the id `last`, come to.

    `calls` has the `COLUMNS`, in the order of messages; `bad` the messages set aside, and why.
    """

    after: int
    last: int
    calls: pa.RecordBatch
    bad: tuple[tuple[int, str], ...] = ()


def decode(messages: Sequence[Message], after: int, last: int) -> Batch:
    """Decode messages, in the order of their ids, with the kernel."""
    columns = zip(*messages, strict=True) if messages else [()] * 4
    ids, users, conversations, texts = ([*column] for column in columns)
    keys = pa.array(ids, pa.int64()).cast(pa.string())
    stored = {"message_id": keys, "text": pa.array(texts, pa.string())}
    found = _extract(pa.RecordBatch.from_pydict(stored))
    calls = found.filter(pc.equal(found["outcome"], pa.scalar("call")))
    owners = pc.index_in(calls["message_id"], value_set=keys)
    told = pc.is_in(calls["status_evidence"], value_set=_TOLD)
    failed = pc.is_in(calls["status"], value_set=_FAILED)
    fields: list[Any] = [
        pa.array(users, pa.string()).take(owners),
        pa.array(conversations, pa.int64()).take(owners),
        pa.array(ids, pa.int64()).take(owners),
        *(calls[name] for name in ("position", "native_id", "name", "arguments")),
        *(calls[name] for name in ("arguments_status", "result")),
        pc.fill_null(calls["status"], pa.scalar("unknown")),
        pc.if_else(pc.and_(told, failed), pa.scalar("explicit"), pa.scalar(None, pa.string())),
    ]
    return Batch(after, last, pa.RecordBatch.from_arrays(fields, [*COLUMNS]), _bad(found))


def _extract(stored: pa.RecordBatch) -> pa.RecordBatch:
    # The kernel holds a Python tuple for each call of what it is given.
    places = range(0, max(stored.num_rows, 1), AT_ONCE)
    parts = [extract_tool_calls(stored.slice(at, AT_ONCE)) for at in places]
    found: pa.RecordBatch = pa.concat_batches(parts)  # type: ignore[attr-defined]  # stubs lag
    return found


def split(batch: Batch, n_calls: int) -> list[Batch]:
    """Cut a batch between messages, into parts of about so many calls."""
    owners, places = _owners(batch), list[int]()
    while len(owners) - (start := places[-1] if places else 0) > n_calls:
        places.append(bisect_right(owners, owners[start + n_calls - 1]))
    return _cut(batch, owners, places)


def halve(batch: Batch) -> list[Batch]:
    """Cut a batch in two, between messages; none where only one of them has calls."""
    owners = _owners(batch)
    if not owners or owners[0] == owners[-1]:
        return []
    middle = owners[len(owners) // 2]
    return _cut(batch, owners, [bisect_left(owners, middle) or bisect_right(owners, middle)])


def _owners(batch: Batch) -> list[int]:
    owners: list[Any] = batch.calls["message_id"].to_pylist()
    return owners


def _cut(batch: Batch, owners: list[int], places: list[int]) -> list[Batch]:
    parts, start, passed, after = [], 0, 0, batch.after
    for place in places:
        if place == len(owners):
            break
        last = owners[place - 1]
        n_bad = bisect_right(batch.bad, last, key=lambda each: each[0])
        calls = batch.calls.slice(start, place - start)
        parts.append(Batch(after, last, calls, batch.bad[passed:n_bad]))
        start, passed, after = place, n_bad, last
    rest = Batch(after, batch.last, batch.calls.slice(start), batch.bad[passed:])
    return [*parts, rest]


def without_calls(batch: Batch, reason: str) -> Batch:
    """Set the messages of a batch aside with all their calls."""
    bad = dict(batch.bad) | dict.fromkeys(_owners(batch), reason)
    return replace(batch, calls=batch.calls.slice(0, 0), bad=tuple(sorted(bad.items())))


def insert(connection: sa.Connection, calls: pa.RecordBatch) -> int:
    """Write calls whose message is still there, and say how many were new."""
    if not calls.num_rows:
        return 0
    if connection.dialect.name == "sqlite":
        marks = ", ".join(f"?{place}" for place in range(1, len(COLUMNS) + 1))
        message = f"?{COLUMNS.index('message_id') + 1}"
        return connection.exec_driver_sql(
            f"INSERT INTO tool_calls ({_LISTED}) SELECT {marks}"
            f" WHERE EXISTS (SELECT 1 FROM messages WHERE id = {message})"
            " ON CONFLICT (message_id, position) DO NOTHING",
            [*zip(*(column.to_pylist() for column in calls.columns), strict=True)],
        ).rowcount
    connection.exec_driver_sql(
        "CREATE TEMP TABLE IF NOT EXISTS chatdata_batch ON COMMIT DELETE ROWS AS"
        f" SELECT {_LISTED} FROM tool_calls WITH NO DATA"
    )
    _copy(connection, f"COPY chatdata_batch ({_LISTED}) FROM STDIN", _lines(calls))
    return connection.exec_driver_sql(
        f"INSERT INTO tool_calls ({_LISTED}) SELECT {_LISTED} FROM chatdata_batch b"
        " WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = b.message_id)"
        " ON CONFLICT (message_id, position) DO NOTHING"
    ).rowcount


def _copy(connection: sa.Connection, statement: str, lines: str) -> None:
    driver: Any = connection.connection.driver_connection
    errors: Any = connection.dialect.loaded_dbapi
    try:
        with driver.cursor() as cursor, cursor.copy(statement) as copy:
            copy.write(lines)
    except errors.Error as error:
        raise sa.exc.DBAPIError.instance(statement, None, error, errors.Error) from error


def _lines(calls: pa.RecordBatch) -> str:
    """Write calls in the text format of COPY: tabs between, a backslash before what means more."""
    fields = []
    for column in calls.columns:
        text: Any = column.cast(pa.string())
        if pa.types.is_string(column.type):
            for found, escaped in _ESCAPES:
                text = pc.replace_substring(text, found, escaped)
        fields.append(text)
    lines = pc.binary_join_element_wise(
        *fields, "\t", null_handling="replace", null_replacement="\\N"
    )
    return "\n".join(lines.to_pylist()) + "\n"


def _bad(found: pa.RecordBatch) -> tuple[tuple[int, str], ...]:
    wrong = found.filter(pc.equal(found["outcome"], pa.scalar("malformed")))
    keys, reasons = wrong["message_id"].to_pylist(), wrong["reason"].to_pylist()
    # Last first, so that a message's first reason is the one that stays.
    first = dict(zip(reversed(keys), reversed(reasons), strict=True))
    return tuple(sorted((int(str(key)), str(reason)) for key, reason in first.items()))

"""Rows of `tool_calls`: decoded from messages by the kernel, and written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa
import pyarrow.compute as pc

from chatdata.tool_calls import extract_tool_calls

if TYPE_CHECKING:
    import sqlalchemy as sa

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
_FAILED = pa.array(["error", "denied", "cancelled", "timeout"])
_TOLD = pa.array(["flag", "result"])


@dataclass(frozen=True)
class Batch:
    """What one batch of messages comes to: rows of `tool_calls`, and messages set aside."""

    last: int
    scanned: int
    rows: list[tuple[object, ...]]
    bad: list[tuple[int, str]]


def decode(rows: list[tuple[Any, ...]]) -> Batch:
    """Decode messages, given as (id, user_id, conversation_id, text), with the kernel."""
    ids, users, conversations, texts = ([*column] for column in zip(*rows, strict=True))
    keys = pa.array(ids, pa.int64()).cast(pa.string())
    batch = {"message_id": keys, "text": pa.array(texts, pa.string())}
    found = extract_tool_calls(pa.RecordBatch.from_pydict(batch))
    calls = found.filter(pc.equal(found["outcome"], pa.scalar("call")))
    owners = pc.index_in(calls["message_id"], value_set=keys)
    told = pc.is_in(calls["status_evidence"], value_set=_TOLD)
    failed = pc.is_in(calls["status"], value_set=_FAILED)
    columns: list[Any] = [
        pa.array(users, pa.string()).take(owners),
        pa.array(conversations, pa.int64()).take(owners),
        pa.array(ids, pa.int64()).take(owners),
        *(calls[name] for name in ("position", "native_id", "name", "arguments")),
        *(calls[name] for name in ("arguments_status", "result")),
        pc.fill_null(calls["status"], pa.scalar("unknown")),
        pc.if_else(pc.and_(told, failed), pa.scalar("explicit"), pa.scalar(None, pa.string())),
    ]
    return Batch(
        last=ids[-1],
        scanned=len(ids),
        rows=[*zip(*(column.to_pylist() for column in columns), strict=True)],
        bad=_bad(found),
    )


def insert(connection: sa.Connection, rows: list[tuple[object, ...]]) -> int:
    """Write rows whose message is still there, and say how many were new."""
    if not rows:
        return 0
    listed = ", ".join(COLUMNS)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join(f"?{place}" for place in range(1, len(COLUMNS) + 1))
        message = f"?{COLUMNS.index('message_id') + 1}"
        before = driver.total_changes
        driver.executemany(
            f"INSERT INTO tool_calls ({listed}) SELECT {marks}"
            f" WHERE EXISTS (SELECT 1 FROM messages WHERE id = {message})"
            " ON CONFLICT (message_id, position) DO NOTHING",
            rows,
        )
        return int(driver.total_changes - before)
    cursor = driver.cursor()
    cursor.execute(
        "CREATE TEMP TABLE IF NOT EXISTS chatdata_batch ON COMMIT DELETE ROWS AS"
        f" SELECT {listed} FROM tool_calls WITH NO DATA"
    )
    with cursor.copy(f"COPY chatdata_batch ({listed}) FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    cursor.execute(
        f"INSERT INTO tool_calls ({listed}) SELECT {listed} FROM chatdata_batch b"
        " WHERE EXISTS (SELECT 1 FROM messages m WHERE m.id = b.message_id)"
        " ON CONFLICT (message_id, position) DO NOTHING"
    )
    return int(cursor.rowcount)


def _bad(found: pa.RecordBatch) -> list[tuple[int, str]]:
    wrong = found.filter(pc.equal(found["outcome"], pa.scalar("malformed")))
    keys, reasons = wrong["message_id"].to_pylist(), wrong["reason"].to_pylist()
    # Last first, so that a message's first reason is the one that stays.
    first = dict(zip(reversed(keys), reversed(reasons), strict=True))
    return sorted((int(str(key)), str(reason)) for key, reason in first.items())

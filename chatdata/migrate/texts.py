"""Messages that say something of tool calls, read in batches of bounded size.

They are read on a connection of its own that cannot write: on SQLite ours for writing begins every
transaction by locking the application's writers out. Ids go into the SQL as they are, for they are
numbers; a batch ends early where its texts grow too long to be held in memory.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata.tool_calls import NOTHING

if TYPE_CHECKING:
    from collections.abc import Sequence

LARGEST_BYTES = 8 * 2**20
CHUNK = 1_000
_QUOTED = ", ".join(f"'{text}'" for text in NOTHING)
_SAYS_SOMETHING = f"tool_calls IS NOT NULL AND tool_calls NOT IN ({_QUOTED})"
_WRITERS = """
    SELECT virtualtransaction FROM pg_locks
    WHERE relation = to_regclass('messages') AND granted AND mode = 'RowExclusiveLock'
      AND database = (SELECT oid FROM pg_database WHERE datname = current_database())
"""

Message = tuple[int, str | None, int | None, str | None]
"""The id of a message, its user, its conversation and the text of its calls."""


@dataclass(frozen=True)
class Read:
    """What one batch holds: all that says something among the messages up to the id `last`."""

    last: int
    messages: Sequence[Message]


def read(reader: sa.Connection, cursor: int, upper: int, size: int) -> Read:
    """Read what follows `cursor`: of `size` messages, none of them above `upper`."""
    batch = f"SELECT id FROM messages WHERE {_between(cursor, upper)} ORDER BY id LIMIT {size}"
    last, n = _rows(reader, f"SELECT max(id), count(*) FROM ({batch}) AS batch")[0]
    if n < size:
        last = upper
    found = _texts(
        reader,
        f"SELECT {_columns(reader)} FROM messages m"
        f" WHERE {_between(cursor, last)} AND {_SAYS_SOMETHING} ORDER BY id",
    )
    return Read(last if found.is_whole else found.messages[-1][0], found.messages)


def late(reader: sa.Connection, cursor: int | None, upper: int, size: int) -> Sequence[Message]:
    """Read messages up to `upper` that were passed by: neither calls nor a reason why not.

    Args:
        reader: the connection to read on.
        cursor: go on after this id; None begins with the lowest there is.
        upper: the last id that the backfill has come to.
        size: how many at the most.
    """
    after = "" if cursor is None else f"id > {cursor} AND "
    query = (
        f"SELECT {_columns(reader)} FROM messages m WHERE {after}id <= {upper}"
        f" AND {_SAYS_SOMETHING}"
        " AND NOT EXISTS (SELECT 1 FROM tool_calls c WHERE c.message_id = m.id)"
        " AND NOT EXISTS (SELECT 1 FROM chatdata_backfill_error e"
        f"  WHERE e.message_id = m.id) ORDER BY id LIMIT {size}"
    )
    return _texts(reader, query).messages


def set_aside(reader: sa.Connection, cursor: int | None, size: int) -> Sequence[Message]:
    """Read messages that were set aside, in the order of their ids; without a text if deleted."""
    after = "" if cursor is None else f"WHERE e.message_id > {cursor} "
    query = (
        f"SELECT {_columns(reader, 'e.message_id')} FROM chatdata_backfill_error e"
        f" LEFT JOIN messages m ON m.id = e.message_id {after}"
        f"ORDER BY e.message_id LIMIT {size}"
    )
    return _texts(reader, query).messages


def newest(reader: sa.Connection, least: int) -> int:
    """Give the highest id of a message, and `least` where none is higher."""
    found = _rows(reader, "SELECT max(id) FROM messages")[0][0]
    return max(least, found or least)


def writers(reader: sa.Connection) -> frozenset[str]:
    """Name the transactions that have written messages and are still open.

    Ids commit out of order on PostgreSQL: what these have written may have any id up to now.
    SQLite has one writer at a time, so nothing is ever on its way there.
    """
    if reader.dialect.name == "sqlite":
        return frozenset()
    return frozenset(row[0] for row in _rows(reader, _WRITERS))


@dataclass(frozen=True)
class _Found:
    messages: Sequence[Message]
    is_whole: bool


def _between(cursor: int, upper: int) -> str:
    return f"id > {cursor} AND id <= {upper}"


def _columns(reader: sa.Connection, key: str = "m.id") -> str:
    # A blob in the column is taken for the text that it holds.
    text = "CAST(tool_calls AS TEXT)" if reader.dialect.name == "sqlite" else "tool_calls"
    return f"{key}, m.user_id, m.conversation_id, {text}"


def _texts(reader: sa.Connection, query: str) -> _Found:
    try:
        return _stream(reader, query)
    except sa.exc.OperationalError as error:
        if "decode to UTF-8" not in str(error.orig):
            raise
    driver: Any = reader.connection.driver_connection
    driver.text_factory = lambda raw: raw.decode("utf-8", "backslashreplace")
    return _stream(reader, query)


def _stream(reader: sa.Connection, query: str) -> _Found:
    messages: list[Message] = []
    n_bytes, is_whole = 0, True
    try:
        with reader.exec_driver_sql(query, execution_options={"yield_per": CHUNK}) as result:
            for chunk in result.partitions(CHUNK):
                if n_bytes >= LARGEST_BYTES:
                    is_whole = False
                    break
                messages += map(tuple, chunk)
                n_bytes += sum(len(row[3] or "") for row in chunk)
    finally:
        reader.rollback()
    return _Found(messages, is_whole)


def _rows(reader: sa.Connection, query: str) -> Sequence[Any]:
    try:
        return reader.exec_driver_sql(query).all()
    finally:
        reader.rollback()

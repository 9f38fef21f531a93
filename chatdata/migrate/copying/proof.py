"""What arrived, set beside what was read: every row and every value, a batch at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from chatdata.migrate.copying import scratch
from chatdata.migrate.copying.placing import CONVERSATIONS, MESSAGES, PLACES, stored, with_calls

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb

_CALLS = (
    "id AS message_id",
    "position",
    "native_id",
    "tool_name",
    "result",
    "started_at",
    "ended_at",
)


def wrong(db: duckdb.DuckDBPyConnection, connection: sa.Connection) -> dict[str, int]:
    """Count, table by table, the rows that are missing in the target or have other values."""
    found = {
        "users": sum(_missing(connection, "users", rows) for rows in scratch.batches(db, "users"))
    }
    for place in PLACES:
        found[place.table] = 0
        for rows in scratch.batches(db, place.placed):
            ours = rows.drop("old_id", "fresh")
            if place is MESSAGES:
                ours = with_calls(db, ours)
                found["tool_calls of messages"] = found.get("tool_calls of messages", 0) + (
                    _missing_calls(db, connection, ours["id"])
                )
            found[place.table] += _missing(connection, place.table, ours)
    return {table: n for table, n in found.items() if n}


def set_call_times(db: duckdb.DuckDBPyConnection, connection: sa.Connection) -> None:
    """Write when calls began and ended, which the text of a message does not say."""
    statement = sa.text(
        "UPDATE tool_calls SET started_at = :started_at, ended_at = :ended_at"
        " WHERE message_id = :id AND position = :position AND started_at IS NULL"
    )
    columns = ("id", "position", "started_at", "ended_at")
    _update(
        connection,
        statement,
        scratch.batches(db, "placed_calls", "started_at IS NOT NULL"),
        columns,
    )


def set_last_times(db: duckdb.DuckDBPyConnection, connection: sa.Connection) -> None:
    """Move on `updated_at` of conversations that went on since they were copied."""
    statement = sa.text(
        "UPDATE conversations SET updated_at = :updated_at"
        " WHERE id = :id AND updated_at < :updated_at"
    )
    _update(
        connection,
        statement,
        scratch.batches(db, CONVERSATIONS.placed, "NOT fresh"),
        ("id", "updated_at"),
    )


def _update(
    connection: sa.Connection,
    statement: sa.TextClause,
    batches: Iterator[pl.DataFrame],
    columns: tuple[str, ...],
) -> None:
    for batch in batches:
        rows = stored(batch.select(columns))
        with connection.begin():
            connection.execute(statement, rows.to_dicts())


def _missing(connection: sa.Connection, table: str, ours: pl.DataFrame) -> int:
    ids = ours["id"]
    if ids.dtype == pl.String():
        chosen = sa.column("id").in_(ids.to_list())
    else:
        chosen = sa.column("id").between(ids.min(), ids.max())
    return _unlike(connection, table, ours, chosen)


def _missing_calls(
    db: duckdb.DuckDBPyConnection, connection: sa.Connection, messages: pl.Series
) -> int:
    low, high = messages.min(), messages.max()
    ours = db.execute(
        f"SELECT {', '.join(_CALLS)} FROM placed_calls WHERE id BETWEEN ? AND ?",
        [low, high],
    ).pl()
    return _unlike(connection, "tool_calls", ours, sa.column("message_id").between(low, high))


def _unlike(
    connection: sa.Connection, table: str, ours: pl.DataFrame, chosen: sa.ColumnElement[bool]
) -> int:
    """Count the rows that the target has not, or not like this."""
    selected = [_comparable(connection, name, kind) for name, kind in ours.schema.items()]
    rows = connection.execute(sa.select(*selected).select_from(sa.table(table)).where(chosen))
    expected = stored(ours).with_columns(pl.col(pl.Boolean).cast(pl.Int64))
    theirs = pl.DataFrame([tuple(row) for row in rows], schema=expected.schema, orient="row")
    connection.rollback()
    return expected.join(theirs, on=expected.columns, how="anti", nulls_equal=True).height


def _comparable(
    connection: sa.Connection, name: str, kind: pl.DataType
) -> sa.ColumnElement[object]:
    column: sa.ColumnElement[object] = sa.column(name)
    if kind == pl.Boolean():
        return sa.case((column, 1), else_=0)
    if isinstance(kind, pl.Datetime) and connection.dialect.name != "sqlite":
        return sa.func.to_char(column, "YYYY-MM-DD HH24:MI:SS.US")
    return column

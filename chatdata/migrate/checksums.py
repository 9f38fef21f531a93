"""Proof that a migration changed no value: counts and an order-free checksum per table."""

from __future__ import annotations

import hashlib
import marshal
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chatdata.migrate import engine
from chatdata.migrate.engine import quoted

_BITS = 2**64


@dataclass(frozen=True)
class Sum:
    """One table: the columns that were read, its rows and their checksum."""

    columns: tuple[str, ...]
    rows: int
    checksum: int


def verify(url: str | sa.URL, against: str | sa.URL) -> list[str]:
    """Compare every table of an older copy with the same columns of a database.

    Returns:
        One sentence for each difference; none where every row is as it was.
    """
    with engine.read(against) as connection:
        before = sums(connection)
    with engine.read(url) as connection:
        return differences(connection, before)


def differences(connection: sa.Connection, before: dict[str, Sum]) -> list[str]:
    """Compare a database with sums that were taken before."""
    return gone(connection, before) + changed(connection, before)


def gone(connection: sa.Connection, before: dict[str, Sum]) -> list[str]:
    """Name the tables and columns that are not there any more."""
    present = _present(connection)
    return [
        f"{name}: the table is gone"
        if name not in present
        else f"{name}: the columns {', '.join(missing)} are gone"
        for name, table in before.items()
        if (missing := [each for each in table.columns if each not in present.get(name, ())])
        or name not in present
    ]


def changed(connection: sa.Connection, before: dict[str, Sum]) -> list[str]:
    """Name the tables that are there as they were, but hold other rows or values."""
    present = _present(connection)
    whole = {
        name: table.columns
        for name, table in before.items()
        if name in present and set(table.columns) <= set(present[name])
    }
    after = sums(connection, whole)
    return [
        f"{name}: {_difference(before[name], found)}"
        for name, found in after.items()
        if found != before[name]
    ]


def sums(
    connection: sa.Connection, columns: dict[str, tuple[str, ...]] | None = None
) -> dict[str, Sum]:
    """Count and sum up every table but our own records.

    Args:
        connection: the database.
        columns: read only these columns of these tables.
    """
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.create_aggregate("chatdata_sum", -1, _Sum)
    asked = _present(connection) if columns is None else columns
    return {name: _sum(connection, name, found) for name, found in asked.items()}


def sums_by_column(connection: sa.Connection) -> list[dict[str, Sum]]:
    """Sum up every column with its table's key, so that what stays can be compared without it."""
    keys = sa.inspect(connection)
    present = _present(connection)
    widest = max(map(len, present.values()), default=0)
    return [
        sums(
            connection,
            {
                name: (*keys.get_pk_constraint(name)["constrained_columns"], columns[place])
                for name, columns in present.items()
                if place < len(columns)
            },
        )
        for place in range(widest)
    ]


def _present(connection: sa.Connection) -> dict[str, tuple[str, ...]]:
    inspector = sa.inspect(connection)
    return {
        name: tuple(column["name"] for column in inspector.get_columns(name))
        for name in sorted(inspector.get_table_names())
        if not name.startswith("chatdata_")
    }


class _Sum:
    """An SQLite aggregate: the sum of one 64-bit hash per row, which no order changes."""

    def __init__(self) -> None:
        self.total = 0

    def step(self, *values: float | str | bytes | None) -> None:
        # The format that writes equal values alike, whatever else refers to them.
        written = marshal.dumps(values, 2)
        digest = hashlib.blake2b(written, digest_size=8).digest()
        self.total = (self.total + int.from_bytes(digest)) % _BITS

    def finalize(self) -> str:
        return str(self.total)


def _sum(connection: sa.Connection, table: str, columns: tuple[str, ...]) -> Sum:
    listed = ", ".join(map(quoted, columns))
    if connection.dialect.name == "sqlite":
        value = f"chatdata_sum({', '.join(map(_bytes, columns))})"
    else:
        value = f"coalesce(sum(hashtextextended(ROW({listed})::text, 0)::numeric), 0)"
    row = connection.exec_driver_sql(f"SELECT count(*), {value} FROM {quoted(table)}").one()
    return Sum(columns, row[0], int(row[1] or 0) % _BITS)


def _bytes(column: str) -> str:
    """Give a text as its bytes, which need not be UTF-8, and a blob as text, never the same."""
    name = quoted(column)
    return (
        f"CASE typeof({name}) WHEN 'text' THEN CAST({name} AS BLOB)"
        f" WHEN 'blob' THEN hex({name}) ELSE {name} END"
    )


def _difference(before: Sum, after: Sum) -> str:
    if before.rows != after.rows:
        return f"{before.rows} rows before, {after.rows} now"
    return f"{before.rows} rows, some with other values"

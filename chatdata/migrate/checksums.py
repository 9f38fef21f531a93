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
    after = sums(connection, {name: table.columns for name, table in before.items()})
    return [
        f"{name}: {_difference(table, after.get(name))}"
        for name, table in before.items()
        if after.get(name) != table
    ]


def sums(
    connection: sa.Connection, columns: dict[str, tuple[str, ...]] | None = None
) -> dict[str, Sum]:
    """Count and sum up every table but our own records.

    Args:
        connection: the database.
        columns: read only these columns of these tables, where they still exist.
    """
    inspector = sa.inspect(connection)
    present = {
        name: tuple(column["name"] for column in inspector.get_columns(name))
        for name in sorted(inspector.get_table_names())
        if not name.startswith("chatdata_")
    }
    if columns is not None:
        present = {
            name: tuple(column for column in columns[name] if column in found)
            for name, found in present.items()
            if name in columns
        }
    if connection.dialect.name == "sqlite":
        driver: Any = connection.connection.driver_connection
        driver.create_aggregate("chatdata_sum", -1, _Sum)
    return {name: _sum(connection, name, found) for name, found in present.items()}


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


def _difference(before: Sum, after: Sum | None) -> str:
    if after is None:
        return "the table is gone"
    gone = [column for column in before.columns if column not in after.columns]
    if gone:
        return f"the columns {', '.join(gone)} are gone"
    if before.rows != after.rows:
        return f"{before.rows} rows before, {after.rows} now"
    return f"{before.rows} rows, some with other values"

"""SQLite files that tools keep their logs in, opened for reading only."""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.formats.base import Reading

# What reading a damaged file raises, besides what a broken record does.
BROKEN_FILE = (sqlite3.Error, OverflowError, UnicodeDecodeError)
DAMAGED = "the SQLite file is damaged"


@contextmanager
def opened(reading: Reading) -> Iterator[sqlite3.Connection]:
    """Open the document's database; rows come as dictionaries, text as it can be decoded."""
    where = f"{reading.document.local().absolute().as_uri()}?mode=ro"
    with closing(sqlite3.connect(where, uri=True)) as connection:
        connection.row_factory = _as_dict
        connection.text_factory = lambda data: data.decode("utf-8", "backslashreplace")
        yield connection


def tables(connection: sqlite3.Connection) -> set[str]:
    """Name the tables."""
    rows = connection.execute("select name from sqlite_master where type = 'table'")
    return {row["name"] for row in rows}


def rows(
    connection: sqlite3.Connection, table: str, order: str = "rowid"
) -> Iterator[dict[str, Any]]:
    """Read a table whole, or nothing where this version has none of that name."""
    if table in tables(connection):
        yield from connection.execute(f'select * from "{table}" order by {order}')


def grouped(rows_: Iterable[dict[str, Any]], key: str) -> dict[Any, list[dict[str, Any]]]:
    """Group rows by a column, in order."""
    groups: dict[Any, list[dict[str, Any]]] = {}
    for row in rows_:
        groups.setdefault(row.get(key), []).append(row)
    return groups


def _as_dict(cursor: sqlite3.Cursor, row: tuple[Any, ...]) -> dict[str, Any]:
    return {column[0]: value for column, value in zip(cursor.description, row, strict=True)}

"""The first rows of every table, to see what its columns hold."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.database import catalog
from chatdata.database.connect import open_snapshot, target
from chatdata.database.sql import quoted
from chatdata.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path


def first_rows(
    source: str | Path, n_rows: int, *, schema: str | None = None
) -> dict[str, dict[str, list[Any]]]:
    """Read the first rows of each table, column by column; a table without rows is left out.

    Raises:
        SourceError: the database does not exist or cannot be read.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    with open_snapshot(target(source), schema) as snapshot:
        for table in catalog.tables(snapshot, schema):
            names = [column.name for column in table.columns]
            # As text, since SQLite lets any value into any column.
            listed = ", ".join(f"CAST({quoted(n)} AS TEXT) AS {quoted(n)}" for n in names)
            try:
                rows = snapshot.rows(f"SELECT {listed} FROM {quoted(table.name)} LIMIT {n_rows}")
            except SourceError:
                continue
            if rows:
                found[table.name] = {name: [row[name] for row in rows] for name in names}
    return found

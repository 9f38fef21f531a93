"""A database of our own for the time of a copy: on disk, bounded in memory, then gone.

What is read is put here batch by batch; numbering, joining and sorting are its work, and what it
cannot hold in memory it puts aside by itself.
"""

from __future__ import annotations

import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatdata.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

    import duckdb
    import polars as pl

BATCH = 20_000
MEMORY = "512MB"
_LOST = "CREATE TABLE lost (name VARCHAR)"
# Applications store a uuid as 32 hex digits and write it with dashes elsewhere.
_AS_KEY = """
    CREATE MACRO as_key(id) AS CASE WHEN regexp_full_match(id, '[0-9a-fA-F]{32}') THEN
    lower(concat_ws('-', id[1:8], id[9:12], id[13:16], id[17:20], id[21:32])) ELSE id END
"""


@contextmanager
def opened() -> Iterator[duckdb.DuckDBPyConnection]:
    """Open one for as long as the block runs; its table `lost` names what has no place with us.

    Raises:
        MigrationError: there is no room for it.
    """
    import duckdb

    try:
        with _opened() as connection:
            yield connection
    except duckdb.Error as error:
        raise MigrationError(
            f"the scratch database failed ({type(error).__name__})",
            state="whole batches that were copied are kept",
            then="free some space in the temporary folder, or set TMPDIR to a larger one, and run "
            "the same command again",
            source=tempfile.gettempdir(),
        ) from error


@contextmanager
def _opened() -> Iterator[duckdb.DuckDBPyConnection]:
    import duckdb

    with tempfile.TemporaryDirectory(prefix="chatdata-copy-") as folder:
        settings: dict[str, Any] = {"memory_limit": MEMORY, "temp_directory": folder, "threads": 2}
        with duckdb.connect(Path(folder) / "copy.duckdb", config=settings) as connection:
            # A progress bar would go to standard output, where the answer goes.
            connection.execute("SET TimeZone = 'UTC'; SET enable_progress_bar = false")
            connection.execute(_AS_KEY)
            connection.execute(_LOST)
            yield connection


def load(
    connection: duckdb.DuckDBPyConnection, table: str, frame: pl.DataFrame, selected: str = "*"
) -> None:
    """Add rows to a table by the names of its columns; `selected` is SQL over the frame's."""
    connection.register("batch", frame.to_arrow())
    connection.execute(f"INSERT INTO {table} BY NAME SELECT {selected} FROM batch")
    connection.unregister("batch")


def batches(
    connection: duckdb.DuckDBPyConnection, table: str, where: str = "true"
) -> Iterator[pl.DataFrame]:
    """Give the rows of a table, as they lie, so many at a time that they fit in memory."""
    for start in range(0, count(connection, table), BATCH):
        rows = f"rowid BETWEEN {start} AND {start + BATCH - 1}"
        frame = connection.execute(f"SELECT * FROM {table} WHERE {rows} AND {where}").pl()
        if frame.height:
            yield frame


def count(connection: duckdb.DuckDBPyConnection, rows: str) -> int:
    """Count the rows of a table or of what follows FROM."""
    found = connection.execute(f"SELECT count(*) FROM {rows}").fetchone()
    return int(found[0]) if found else 0

"""Frames on DuckDB: relations of one connection for each thread, so that they can be joined."""

from __future__ import annotations

import hashlib
import mmap
import os
import re
import threading
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import narwhals as nw
import polars as pl

from chatdata.engines import UNSAID
from chatdata.engines.scanned import Scanned
from chatdata.errors import EngineError, QueryError
from chatdata.spool import folder

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping
    from datetime import datetime

    from pyarrow.dataset import Dataset

    from chatdata import schema
    from chatdata.engines import Name

NAME: Name = "duckdb"

_DIGITS = 32
_BLOCK_BYTES = 64
_BATCH_ROWS = 65_536
# What DuckDB says of a query before it has seen a row; its other errors quote what they met.
_QUOTE_NOTHING = (
    "BinderException",
    "CatalogException",
    "InterruptException",
    "IOException",
    "OutOfMemoryException",
    "ParserException",
    "SyntaxException",
)
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([KMGT])(i?)B", re.IGNORECASE)
_ROOM = 0.4
"""Of a limit, what is left for answers on their way to Polars and for what no engine counts."""
_HELD_BYTES = 250_000_000
"""What a process with Polars and pyarrow holds, where the system does not tell."""
_THREAD_BYTES = 500_000_000
"""What a thread of DuckDB's should have, so that each can hold the part on which it works."""
_ALWAYS = "SET TimeZone = 'UTC'; SET enable_progress_bar = false"
"""A progress bar would go to standard output, or into a notebook, where the answer goes."""
_own = threading.local()
_naming = threading.Lock()


def connection() -> duckdb.DuckDBPyConnection:
    """Give this thread's connection to the one database in memory that holds our relations.

    What outgrows memory goes to this process's temporary folder.
    """
    if not hasattr(_own, "connection"):
        _own.connection = _database().cursor()
        _own.connection.execute(_ALWAYS)
    found: duckdb.DuckDBPyConnection = _own.connection
    return found


def limit(memory: str) -> None:
    """Say what this process may hold in memory, as nearly as that can be.

    DuckDB gets what the process does not hold already, less room for answers on their way to
    Polars, and at least a quarter; sorts, joins and groups go to disk beyond it.

    Raises:
        EngineError: not a size as DuckDB writes one.
    """
    found = _SIZE.fullmatch(memory)
    if not found:
        raise EngineError(f"found the memory limit {memory!r}, expected a size like 800MB or 4GiB")
    asked = float(found[1]) * (1024 if found[3] else 1000) ** " KMGT".index(found[2].upper())
    own = max(asked - _held_bytes() - asked * _ROOM, asked / 4)
    connection().execute("SET memory_limit = ?", [f"{own:.0f}B"])
    n_threads = min(max(int(own / _THREAD_BYTES), 1), os.cpu_count() or 1)
    connection().execute("SET threads = ?", [n_threads])
    # What a query lets go of serves whoever comes next in this process, not only DuckDB.
    connection().execute("SET allocator_bulk_deallocation_flush_threshold = '1MB'")
    # Rows that wait to be put back in the order of their files would take memory for nothing.
    connection().execute("SET preserve_insertion_order = false")


def _held_bytes() -> int:
    """Say what this process holds beside what DuckDB counts."""
    own = connection().sql("SELECT sum(memory_usage_bytes) FROM duckdb_memory()").fetchall()[0][0]
    try:
        n_pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1])
    except OSError:
        return _HELD_BYTES
    return n_pages * mmap.PAGESIZE - int(own)


def hold(frames: Mapping[str, pl.DataFrame]) -> dict[str, duckdb.DuckDBPyRelation]:
    """Make relations of frames in memory: numbers and times stay where they are.

    Texts are laid out anew, because pyarrow, through which DuckDB filters, knows no string views.
    """
    return {name: connection().from_arrow(frame.to_arrow()) for name, frame in frames.items()}


def scan_files(files: list[Path], table: schema.Table) -> duckdb.DuckDBPyRelation:
    """Give the rows of some Parquet files of a frame, to be read when they are asked for."""
    if not files:
        return connection().from_arrow(pl.DataFrame(schema=table.schema).to_arrow())
    return connection().read_parquet([str(path) for path in files], hive_partitioning=False)


def scan_dataset(dataset: Dataset) -> duckdb.DuckDBPyRelation:
    """Give the rows of an Arrow dataset, to be read when they are asked for."""
    return connection().from_arrow(dataset)


def collect(frames: Mapping[str, duckdb.DuckDBPyRelation]) -> dict[str, pl.DataFrame]:
    """Read relations into memory."""
    return {name: frame.pl() for name, frame in frames.items()}


def query(frames: Mapping[str, duckdb.DuckDBPyRelation], sql: str) -> pl.DataFrame:
    """Run a query over relations of one connection."""
    # The names are the connection's, so two queries at once would see each other's tables.
    with _naming:
        for name, frame in frames.items():
            frame.create_view(name)
        try:
            return _answer(partial(frame.query, name), sql)
        finally:
            for name, frame in frames.items():
                frame.query(name, f"DROP VIEW {name}")


def query_lazily(frames: Mapping[str, pl.LazyFrame], sql: str) -> pl.DataFrame:
    """Run a query over Polars frames; only those that it names are read."""
    with duckdb.connect(config=_settings()) as alone:
        alone.execute(_ALWAYS)
        for name, frame in frames.items():
            alone.register(name, Scanned(frame))
        return _answer(alone.sql, sql)


def check_joinable(frames: Iterable[duckdb.DuckDBPyRelation]) -> None:
    """Make sure that all relations are of one connection, which DuckDB tells when they meet."""
    first, *others = frames
    try:
        for other in others:
            first.union(other)
    except duckdb.InvalidInputException:
        raise EngineError(
            "relations of two DuckDB connections cannot meet; read both in one thread, or move "
            'them with chats.to("polars")'
        ) from None


def types(table: schema.Table) -> dict[str, pl.DataType]:
    """Give the types of the contract, all of which DuckDB has."""
    return dict(table.schema)


def with_microseconds(
    frame: duckdb.DuckDBPyRelation, columns: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    """Add integer microseconds since 1970."""
    added = ", ".join(f"epoch_us({time}) AS {name}" for name, time in columns.items())
    return frame.select(f"*, {added}")


def with_bytes(
    frame: duckdb.DuckDBPyRelation, columns: Mapping[str, str]
) -> duckdb.DuckDBPyRelation:
    """Add numbers of bytes."""
    added = ", ".join(f"strlen({text}) AS {name}" for name, text in columns.items())
    return frame.select(f"*, {added}")


def moment(at: datetime) -> nw.Expr:
    """Give a naive moment in UTC as a literal."""
    return nw.lit(at)


def pseudonymised(
    frame: duckdb.DuckDBPyRelation, namespaces: Mapping[str, str], key: bytes
) -> duckdb.DuckDBPyRelation:
    """Put keyed pseudonyms in place of ids, by HMAC-SHA-256 as RFC 2104 defines it."""
    short = key if len(key) <= _BLOCK_BYTES else hashlib.sha256(key).digest()
    block = short.ljust(_BLOCK_BYTES, b"\0")
    inner, outer = (_blob(bytes(byte ^ pad for byte in block)) for pad in (0x36, 0x5C))

    def pseudonym(column: str, namespace: str) -> str:
        space = _blob(namespace.encode() + b"\0")
        hashed = f"unhex(sha256({inner} || {space} || encode({column})))"
        return f"sha256({outer} || {hashed})[:{_DIGITS}] AS {column}"

    return frame.select(
        ", ".join(
            pseudonym(column, namespaces[column]) if column in namespaces else column
            for column in frame.columns
        )
    )


def batches(frame: duckdb.DuckDBPyRelation) -> Iterator[pl.DataFrame]:
    """Give the rows in batches, in no order, never all of them at once."""
    for batch in frame.to_arrow_reader(_BATCH_ROWS):
        yield pl.DataFrame(batch)


def _answer(ask: Callable[[str], duckdb.DuckDBPyRelation | None], sql: str) -> pl.DataFrame:
    """Ask a query, and put what is wrong with it on one line in which no value is quoted."""
    try:
        relation = ask(sql)
        if relation is None:
            raise QueryError("found nothing to answer, expected a query that selects rows")
        answer: pl.DataFrame = relation.pl()
    except duckdb.Error as error:
        lines = [line.strip() for line in str(error).splitlines()]
        if type(error).__name__ in _QUOTE_NOTHING:
            told = (line for line in lines if line and not line.startswith(("LINE ", "^")))
            raise QueryError(" ".join(told)) from None
        kind, _, _ = lines[0].partition(": ")
        instead = "try_cast(x as type) and try(expression) give null instead"
        raise QueryError(f"{kind}: {UNSAID}; {instead}") from None
    return answer


@cache
def _database() -> duckdb.DuckDBPyConnection:
    return duckdb.connect(config=_settings())


def _settings() -> dict[str, Any]:
    return {"temp_directory": str(folder())}


def _blob(content: bytes) -> str:
    return "'" + "".join(f"\\x{byte:02X}" for byte in content) + "'::BLOB"

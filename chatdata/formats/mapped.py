"""A table of the analyst's own: JSONL, CSV or Parquet with one message a row, read by a mapping.

Asked for by `format="mapped"` or by a mapping: `scan("log.csv", mapping={"conversation_id":
"thread", "role": "author"})`. The vocabulary, the rules for what is not mapped and the shapes of
tool calls are those of application databases: the rows become a table of a temporary SQLite file,
which is read like any other. Objects and lists become JSON text. `chatdata scan FILE --suggest-map`
proposes a mapping.

Gives: whatever the columns hold; a column that no mapping or rule takes stays in `extra`.
"""

from __future__ import annotations

import csv
import io
import sqlite3
import uuid
from contextlib import closing
from itertools import islice
from typing import TYPE_CHECKING, Any

from chatdata.errors import FormatError, SourceError
from chatdata.formats.base import Evidence, Format, Reading
from chatdata.formats.records import Bad, encode

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from pathlib import Path

    import polars as pl

    from chatdata.chats import Chats
    from chatdata.formats.frames import Batch
    from chatdata.formats.sources import Document

_TABLE = "messages"
_BATCH = 10_000
_DELIMITERS = ",;\t|"
_LARGEST = 2**63
_LONGEST_FIELD = 2**31 - 1
_SPARE = "more_fields"


def _parse(reading: Reading) -> Iterator[Batch]:
    from chatdata.database import read

    chats = read(
        _as_database(reading),
        name=reading.name,
        time_zone=reading.time_zone,
        mapping={"messages": _TABLE, **(reading.mapping or {})},
    )
    for record, reason in chats.rejects.select("record", "reason").collect().rows():
        reading.rejects.append(Bad(record, 0, reason))
    yield _batch(chats, reading)


def sample(document: Document, n_rows: int) -> dict[str, list[Any]]:
    """Read the first rows of a document, column by column.

    Raises:
        FormatError: it holds no rows with named columns.
        SourceError: it is damaged.
    """
    columns: dict[str, list[Any]] = {}
    n_read = 0
    for names, rows in _tables(Reading(document, "mapped", document.name)):
        for row in islice(rows, n_rows - n_read):
            for name, value in zip(names, row, strict=True):
                values = columns.setdefault(name, [])
                values.extend([None] * (n_read - len(values)))
                values.append(value)
            n_read += 1
        if n_read >= n_rows:
            break
    if not columns:
        raise FormatError("no rows with named columns in it", source=document.path)
    return {name: values + [None] * (n_read - len(values)) for name, values in columns.items()}


def _batch(chats: Chats[pl.LazyFrame], reading: Reading) -> Batch:
    import polars as pl

    from chatdata.formats.frames import Batch

    named = {"source": pl.lit(reading.source), "origin": pl.lit(reading.origin)}
    own = {"_n_records": pl.lit(0), "_hint": pl.lit(value=False)}
    conversations = chats.conversations.with_columns(**named, **own).collect()
    conversations = conversations.with_row_index("_bundle", 1)
    numbers = conversations.lazy().select("conversation_id", "_bundle")
    messages = (
        chats.messages.join(numbers, on="conversation_id", how="left")
        .with_columns(
            pl.col("_bundle").fill_null(0),
            _n_records=pl.lit(1),
            _follows=pl.lit(value=False),
            _stamped=pl.lit(value=False),
        )
        .sort("_bundle", "conversation_id", "position")
    )
    calls = chats.tool_calls.join(numbers, on="conversation_id", how="left").with_columns(
        pl.col("_bundle").fill_null(0), _n_records=pl.lit(0)
    )
    return Batch(conversations, messages.collect(), calls.collect())


def _as_database(reading: Reading) -> Path:
    """Put a document's rows into a table of a temporary SQLite file.

    Raises:
        FormatError: it holds no rows with named columns.
    """
    from chatdata.spool import folder

    path = folder() / f"{uuid.uuid4().hex}.sqlite"
    columns: list[str] = []
    with closing(sqlite3.connect(path)) as connection, connection:
        for names, rows in _tables(reading):
            _widen(connection, columns, names)
            listed = ", ".join(_quoted(name) for name in names)
            marks = ", ".join("?" * len(names))
            connection.executemany(f"insert into {_TABLE} ({listed}) values ({marks})", rows)
    if not columns:
        raise FormatError("no rows with named columns in it", source=reading.document.path)
    return path


def _tables(reading: Reading) -> Iterator[tuple[Sequence[str], Any]]:
    """Yield column names and rows, batch by batch."""
    document = reading.document
    if document.kind == "parquet":
        yield from _parquet_tables(document)
        return
    head = document.head(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    rows = _json_rows(reading) if head[:1] in {b"{", b"["} else _csv_rows(document, head)
    while batch := list(islice(rows, _BATCH)):
        names = list(dict.fromkeys(name for row in batch for name in row))
        yield names, ([_plain(row.get(name)) for name in names] for row in batch)


def _json_rows(reading: Reading) -> Iterator[dict[str, Any]]:
    for record in reading.records():
        if isinstance(record.value, dict):
            yield record.value
        else:
            reading.reject(record, "not a row with named columns")


def _csv_rows(document: Document, head: bytes) -> Iterator[dict[str, Any]]:
    titles = head.decode("utf-8", "replace").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=titles.count)
    csv.field_size_limit(_LONGEST_FIELD)
    with document.open() as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="backslashreplace", newline="")
        rows = csv.reader((line.replace("\0", "") for line in text), delimiter=delimiter)
        names = _distinct(next(rows, []))
        for row in filter(None, rows):
            values = {name: value or None for name, value in zip(names, row, strict=False)}
            # A row longer than the titles, as unquoted commas make it, keeps what is left over.
            yield values if len(row) <= len(names) else {**values, _SPARE: row[len(names) :]}


def _distinct(titles: list[str]) -> list[str]:
    """Name columns apart that share a title."""
    seen: dict[str, int] = {}
    names = []
    for title in titles:
        nth = seen[title] = seen.get(title, 0) + 1
        names.append(title if nth == 1 else f"{title}_{nth}")
    return names


def _parquet_tables(document: Document) -> Iterator[tuple[Sequence[str], Any]]:
    import polars as pl

    from chatdata.formats.columnar import BROKEN_PARQUET

    try:
        source = pl.scan_parquet(document.local())
        schema = source.collect_schema()
        nested = [name for name, dtype in schema.items() if dtype.is_nested()]
        times = [name for name, dtype in schema.items() if dtype.is_temporal()]
        # json_encode writes objects only: `{"v":…}`, of which the value is wanted.
        as_json = (
            pl.struct(v=name).struct.json_encode().str.slice(5).str.head(-1) for name in nested
        )
        flat = source.with_columns(
            *(text.alias(name) for text, name in zip(as_json, nested, strict=True)),
            *(pl.col(name).cast(pl.String) for name in times),
        )
        place = 0
        while (batch := flat.slice(place, _BATCH).collect()).height:
            yield batch.columns, batch.rows()
            place += _BATCH
    except BROKEN_PARQUET as error:
        raise SourceError("damaged Parquet file; copy it again", source=document.path) from error


def _widen(connection: sqlite3.Connection, columns: list[str], names: Sequence[str]) -> None:
    """Add the columns that rows bring along."""
    for name in names:
        if not columns:
            connection.execute(f"create table {_TABLE} ({_quoted(name)})")
        elif name not in columns:
            connection.execute(f"alter table {_TABLE} add column {_quoted(name)}")
        if name not in columns:
            columns.append(name)


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, dict | list):
        return encode(value)
    if isinstance(value, int) and abs(value) >= _LARGEST:
        return str(value)
    return value


def _sniff(evidence: Evidence) -> float:  # noqa: ARG001 - it is asked for, never guessed
    return 0.0


FORMAT = Format("mapped", "A table of your own, by a mapping", _sniff, _parse, __doc__)

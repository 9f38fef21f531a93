"""A table of the analyst's own: JSONL, CSV or Parquet with one message a row, read by a mapping.

Asked for by `format="mapped"` or by a mapping: `scan("log.csv", mapping={"conversation_id":
"thread", "role": "author"})`. The vocabulary, the rules for what is not mapped and the shapes of
tool calls are those of application databases: the rows are read like the one table of a database.
Objects and lists become JSON text. `chatdata scan FILE --suggest-map` proposes a mapping. Of a file
that outgrows memory conversations come in another order, each of them in its own.

Gives: whatever the columns hold; a column that no mapping or rule takes stays in `extra`.
"""

from __future__ import annotations

import csv
import io
from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.errors import FormatError, SourceError
from chatdata.formats.base import Evidence, Format, Reading
from chatdata.formats.records import TRUNCATED, Bad, encode

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from chatdata.formats.frames import Batch
    from chatdata.formats.sources import Document

HELD_BYTES = 64 << 20
"""How much of a file's rows waits in memory."""
_BATCH_ROWS = 50_000
_BATCH_BYTES = 16 << 20
_DELIMITERS = ",;\t|"
_LONGEST_FIELD = 2**31 - 1
_SPARE = "more_fields"
_IDS = (
    *("conversation_id", "message_id", "parent_message_id", "generation_id"),
    *("tool_call_id", "result_message_id"),
)


def _parse(reading: Reading) -> Iterator[Batch]:
    from chatdata.database.rows import read_rows

    parts = read_rows(
        _nonempty(_tables(reading), reading.document),
        name=reading.name,
        mapping=reading.mapping,
        time_zone=reading.time_zone,
        held_bytes=HELD_BYTES,
    )
    for part in parts:
        for record, reason in part["rejects"].select("record", "reason").rows():
            reading.rejects.append(Bad(record, None, reason))
        yield _batch(part, reading)


def sample(document: Document, n_rows: int) -> dict[str, list[Any]]:
    """Read the first rows of a document, column by column, as texts.

    Raises:
        FormatError: it holds no rows with named columns.
        SourceError: it is damaged.
    """
    import polars as pl

    found: list[pl.DataFrame] = []
    for rows in _nonempty(_tables(Reading(document, "mapped", document.name)), document):
        found.append(rows.head(n_rows - sum(len(each) for each in found)))
        if sum(len(each) for each in found) >= n_rows:
            break
    return pl.concat(found, how="diagonal").to_dict(as_series=False)


def _nonempty(tables: Iterator[pl.DataFrame], document: Document) -> Iterator[pl.DataFrame]:
    """Refuse a document without any rows.

    Raises:
        FormatError: it holds no rows with named columns.
    """
    first = next(tables, None)
    if first is None:
        raise FormatError("no rows with named columns in it", source=document.path)
    yield from chain([first], tables)


def _batch(part: dict[str, pl.DataFrame], reading: Reading) -> Batch:
    import polars as pl

    from chatdata.formats.frames import Batch

    messages, calls = (_with_own_names(part[name], reading) for name in ("messages", "tool_calls"))
    # Messages of no conversation are those of one that is no row, and of this file alone.
    known = part["conversations"].with_columns(_hint=pl.lit(value=False))
    others = messages.select(pl.col("conversation_id").unique(maintain_order=True)).join(
        known, on="conversation_id", how="anti", maintain_order="left"
    )
    conversations = (
        pl.concat([known, others.with_columns(_hint=pl.lit(value=True))], how="diagonal")
        .with_columns(source=pl.lit(reading.source), origin=pl.lit(reading.origin))
        .with_columns(_n_records=pl.lit(0))
        .with_row_index("_bundle", 1)
    )
    numbers = conversations.select("conversation_id", "_bundle")
    messages, calls = (
        frame.join(numbers, on="conversation_id", how="left", maintain_order="left")
        for frame in (messages, calls)
    )
    messages = messages.with_columns(
        _n_records=pl.lit(1), _follows=pl.lit(value=False), _stamped=pl.lit(value=False)
    ).sort("_bundle", "position")
    return Batch(conversations, messages, calls.with_columns(_n_records=pl.lit(0)))


def _with_own_names(frame: pl.DataFrame, reading: Reading) -> pl.DataFrame:
    """Name what belongs to no conversation after its file."""
    import polars as pl

    from chatdata.database.rows import UNLINKED

    own = pl.lit(f"{reading.name}#none")

    def named(column: str) -> pl.Expr:
        of_none = pl.col(column).str.starts_with(f"{UNLINKED}:") | (pl.col(column) == UNLINKED)
        rest = pl.col(column).str.slice(len(UNLINKED))
        return pl.when(of_none).then(pl.concat_str(own, rest)).otherwise(column).alias(column)

    return frame.with_columns(named(column) for column in _IDS if column in frame.columns)


def _tables(reading: Reading) -> Iterator[pl.DataFrame]:
    """Yield the rows batch by batch, every column as text."""
    document = reading.document
    if document.kind == "parquet":
        yield from _parquet_tables(document)
        return
    head = document.head(1 << 16).removeprefix(b"\xef\xbb\xbf").lstrip()
    rows = _json_rows(reading) if head[:1] in {b"{", b"["} else _csv_rows(reading, head)
    batch: list[dict[str, Any]] = []
    start = 0
    for row, place in rows:
        batch.append(row)
        if len(batch) == _BATCH_ROWS or place - start > _BATCH_BYTES:
            yield _as_texts(batch)
            batch, start = [], place
    if batch:
        yield _as_texts(batch)


def _as_texts(rows: list[dict[str, Any]]) -> pl.DataFrame:
    import polars as pl

    columns = {name: [row.get(name) for row in rows] for name in dict.fromkeys(chain(*rows))}
    return pl.DataFrame([_text_column(name, values) for name, values in columns.items()])


def _text_column(name: str, values: list[Any]) -> pl.Series:
    import polars as pl

    try:
        return pl.Series(name, values, pl.String())
    except TypeError:
        texts = [v if v is None or isinstance(v, str) else encode(v) for v in values]
        return pl.Series(name, texts, pl.String())


def _json_rows(reading: Reading) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield rows, each with where it begins."""
    for record in reading.records():
        if record.value and isinstance(record.value, dict):
            yield record.value, record.offset
        else:
            reading.reject(record, "not a row with named columns")


def _csv_rows(reading: Reading, head: bytes) -> Iterator[tuple[dict[str, Any], int]]:
    """Yield rows, each with about where it ends; one that is cut off inside quotes is a reject."""
    place = 0
    is_over = False
    titles = head.decode("utf-8", "replace").split("\n", 1)[0]
    delimiter = max(_DELIMITERS, key=titles.count)
    csv.field_size_limit(_LONGEST_FIELD)

    def lines(text: io.TextIOWrapper) -> Iterator[str]:
        nonlocal is_over
        for line in text:
            yield line.replace("\0", "")
        is_over = True

    with reading.document.open() as stream:
        text = io.TextIOWrapper(stream, "utf-8-sig", errors="backslashreplace", newline="")
        rows = csv.reader(lines(text), delimiter=delimiter)
        names = _distinct(next(rows, []))
        for n_rows, row in enumerate(filter(None, rows), 1):
            if is_over:
                # Only a row that is not closed asks for lines beyond the last.
                reading.reject(Bad(n_rows, None, TRUNCATED), TRUNCATED)
                return
            values = {name: value or None for name, value in zip(names, row, strict=False)}
            if len(row) > len(names):
                # As unquoted commas make it; it keeps what is left over.
                values[_SPARE] = encode(row[len(names) :])
            place += sum(map(len, row))
            yield values, place


def _distinct(titles: list[str]) -> list[str]:
    """Name columns apart that share a title."""
    seen: dict[str, int] = {}
    names = []
    for title in titles:
        nth = seen[title] = seen.get(title, 0) + 1
        names.append(title if nth == 1 else f"{title}_{nth}")
    return names


def _parquet_tables(document: Document) -> Iterator[pl.DataFrame]:
    import polars as pl

    from chatdata.formats.columnar import BROKEN_PARQUET

    try:
        source = pl.scan_parquet(document.local())
        schema = source.collect_schema()
        texts = source.select(_spelled(name, dtype) for name, dtype in schema.items())
        yield from texts.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True)
    except BROKEN_PARQUET as error:
        raise SourceError("damaged Parquet file; copy it again", source=document.path) from error


def _spelled(name: str, dtype: pl.DataType) -> pl.Expr:
    """Give a column as text."""
    import polars as pl

    column = pl.col(name)
    if dtype.is_nested():
        # json_encode writes objects only: `{"v":…}`, of which the value is wanted.
        told = pl.struct(v=column).struct.json_encode().str.slice(5).str.head(-1)
        return pl.when(column.is_not_null()).then(told).alias(name)
    if dtype == pl.Binary():
        return column.map_batches(_text_of_bytes, pl.String())
    return column.cast(pl.String)


def _text_of_bytes(stored: pl.Series) -> pl.Series:
    """Read bytes as text, those that are none as hexadecimal."""
    import polars as pl

    def text(value: bytes) -> str:
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.hex()

    texts = [None if value is None else text(value) for value in stored]
    return pl.Series(stored.name, texts, pl.String())


def _sniff(evidence: Evidence) -> float:  # noqa: ARG001 - it is asked for, never guessed
    return 0.0


FORMAT = Format("mapped", "A table of your own, by a mapping", _sniff, _parse, __doc__)

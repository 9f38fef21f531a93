"""What is read from each table, and only that: one SELECT a table, filters included.

Every column is read as one type whatever the rows hold. SQLite's driver takes types from the first
rows, so each of its queries begins with a typed row, which is dropped again.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

import polars as pl
import pyarrow as pa

from chatdata.database.connect import with_valid_text
from chatdata.database.ranges import side_by_side
from chatdata.database.sql import literal, quoted
from chatdata.database.unfold import LIKE, LIKE_LIST, LIKE_MESSAGE, LIKE_TEXT
from chatdata.database.values import TOOL_WORDS, only
from chatdata.spool import Inflow
from chatdata.tool_calls import NOTHING

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Sequence

    from chatdata.chats import Finding
    from chatdata.database.binding import Binding
    from chatdata.database.catalog import Column
    from chatdata.database.connect import Dialect, Snapshot
    from chatdata.database.scope import Scope
    from chatdata.database.times import Times

_SAMPLE_ROWS = 1024
_CHUNK_ROWS = 65_536

_SENTINELS = {"integer": "0", "boolean": "0", "real": "0.0"}
_TYPES = {
    "integer": "int8",
    "boolean": "bool",
    "real": "float8",
    "time": "timestamp",
    "instant": "timestamptz",
}


class Rows(Protocol):
    """The rows of a table, chunk by chunk."""

    def __iter__(self) -> Iterator[pl.DataFrame]:
        """Give the chunks, as often as that is asked."""

    def drain(self) -> Iterator[pl.DataFrame]:
        """Give the chunks for the last time."""


@dataclass(frozen=True)
class Raw:
    """The rows of one table as stored; `columns` says which column of the frames holds what.

    A table read without its texts has the sizes of its `content` under "n_chars".
    """

    binding: Binding
    columns: dict[str, str]
    rows: Rows = field(repr=False)

    @property
    def number(self) -> Column | None:
        """The integers that come in order: its ids, or beside other ids its primary key."""
        table, key = self.binding.table, self.binding.columns.get("id")
        primary = table.column(table.primary_key[0]) if len(table.primary_key) == 1 else None
        return next((one for one in (key, primary) if one and one.kind == "integer"), None)

    @property
    def has_unique_ids(self) -> bool:
        """Whether the database sees to it that no id comes twice."""
        key = self.binding.columns.get("id")
        table = self.binding.table
        return key is None or table.primary_key == (key.name,) or key.name in table.unique

    def named(self, column: Column | None) -> str | None:
        """The frames' name for a table's column, None where it was not read."""
        return None if column is None else self.columns.get(column.name)

    def unread(self, stored: pl.DataFrame, what: str, at: Times) -> dict[str, pl.Series]:
        """Give the stored values of a time column that are no times, under the column's name."""
        column = self.binding.columns.get(what)
        name = self.named(column)
        if column is None or name is None:
            return {}
        if _odd(name) in stored.columns:
            return {column.name: stored[_odd(name)]}
        if not at.unread.any():
            return {}
        return {column.name: only(stored[name].cast(pl.String), at.unread)}

    def is_unread(self, stored: pl.DataFrame, what: str, read: pl.Series) -> pl.Series:
        """Say where the value stored in a time column is no time; an empty text is nothing."""
        name = self.named(self.binding.columns.get(what))
        if name is None:
            return pl.repeat(value=False, n=stored.height, eager=True)
        value = stored[_odd(name) if _odd(name) in stored.columns else name].cast(pl.String)
        return read.is_null() & (value.str.strip_chars() != "").fill_null(value=False)

    def numbers(self, stored: pl.DataFrame) -> pl.Series:
        """Give the integers that order the rows of a chunk, nulls where it has none."""
        name = self.named(self.number)
        if name is None:
            return pl.repeat(None, stored.height, dtype=pl.Int64(), eager=True)
        return stored[name].cast(pl.Int64, strict=False)

    def part(self, stored: pl.DataFrame, what: str) -> pl.Series:
        """Give the column of a chunk that is `what`; nulls where the table has none."""
        name = self.named(self.binding.columns.get(what))
        if name is None:
            return pl.repeat(None, stored.height, dtype=pl.String(), eager=True)
        return stored[name]


@dataclass(frozen=True)
class Source:
    """All that was read of a database.

    Attributes:
        n_bytes: about how much there is of the messages, as they are stored.
        samples: of a narrow read some calls of each table, whosever they are.
    """

    name: str
    messages: tuple[Raw, ...]
    n_bytes: int
    conversations: Raw | None = None
    tool_calls: Raw | None = None
    findings: tuple[Finding, ...] = ()
    samples: tuple[Raw, ...] = ()

    @property
    def has_unique_ids(self) -> bool:
        """Whether no id of a message or call comes twice."""
        raws = (*self.messages, *([self.tool_calls] if self.tool_calls else []))
        return all(raw.has_unique_ids for raw in raws)

    def sample_of(self, raw: Raw) -> Raw | None:
        """The sample of a table."""
        return next((one for one in self.samples if one.binding is raw.binding), None)


@dataclass(frozen=True)
class Plan:
    """A table to be read: where its rows go, and the queries that give them, one after another."""

    raw: Raw
    inflow: Inflow
    queries: tuple[str, ...]


@dataclass(frozen=True)
class _Field:
    name: str
    sql: str
    sentinel: str


def plan(
    binding: Binding, wheres: Sequence[str], dialect: Dialect, scope: Scope, *, loose: bool
) -> Plan:
    """Say how to read one table, by a query for each condition; `loose` reads all as text."""
    text = scope.text
    columns = [column for column in binding.table.columns if text or _is_telling(column, binding)]
    fields = _fields(binding, columns, dialect)
    content = binding.columns.get("content")
    if not text and content is not None:
        words = f"CAST({quoted(content.name)} AS TEXT)"
        fields.append(_Field("n_chars", _size(words, dialect), "0"))
        # A list of parts tells of calls and sizes; its words go no further.
        is_told = f"{_may_be_list(words)} OR {words} LIKE {literal(LIKE_MESSAGE)}"
        if content.kind == "json":
            is_told = f"{is_told} OR {words} LIKE {literal(LIKE_TEXT)}"
        fields.append(_Field("parts", f"CASE WHEN {is_told} THEN {words} END", "''"))
        if listed := binding.columns.get("parts"):
            parts = f"CAST({quoted(listed.name)} AS TEXT)"
            beside = f"CASE WHEN {_may_be_list(parts)} THEN {parts} END"
            fields.append(_Field("beside", beside, "''"))
        if is_one := _may_answer(binding):
            # A result in a message of its own tells how its call ended; it goes no further.
            answer = f"CASE WHEN {' OR '.join(is_one)} THEN {words} END"
            fields.append(_Field("answer", answer, "''"))
    table = quoted(binding.table.name)
    queries = (_select(fields, [f"{table}{where}"], dialect, loose=loose) for where in wheres)
    inflow = Inflow(scope.held_bytes)
    return Plan(Raw(binding, names_of(binding, columns), inflow), inflow, tuple(queries))


def _may_answer(binding: Binding) -> list[str]:
    """Say of which rows the text may be the result of a call."""
    told = [f"{quoted(column.name)} IS NOT NULL" for column in binding.answer_columns]
    named, role = binding.named_result, binding.columns.get("role")
    if named is not None and role is not None:
        words = ", ".join(literal(word) for word in TOOL_WORDS)
        spoken = f"lower(CAST({quoted(role.name)} AS TEXT)) IN ({words})"
        told.append(f"({quoted(named.name)} IS NOT NULL AND {spoken})")
    return told


def sample(binding: Binding, dialect: Dialect, *, loose: bool) -> Plan | None:
    """Say how to read a few calls of a table, whoever's and whenever they were.

    Where a database keeps its calls and what it stores of them does not depend on what is wanted of
    it. None for a table that holds no calls.
    """
    names = call_names(binding)
    columns = [column for column in binding.table.columns if not names or column.name in names]
    fields = _fields(binding, columns, dialect)
    conditions = [f" WHERE {binding.rows}" if binding.rows else ""]
    if names:
        texts = [(call.column, call.inside) for call in binding.call_columns]
        texts += [(column, None) for what, column in binding.flat.items() if what == "name"]
        conditions = [_holds_calls(column, inside) for column, inside in texts]
    elif "name" not in binding.columns:
        return None
    table = quoted(binding.table.name)
    sources = [
        f"(SELECT * FROM {table}{condition} LIMIT {_SAMPLE_ROWS}) AS sampled"
        for condition in conditions
    ]
    sql = _select(fields, sources, dialect, loose=loose)
    inflow = Inflow()
    return Plan(Raw(binding, names_of(binding, columns), inflow), inflow, (sql,))


def _size(text: str, dialect: Dialect) -> str:
    """Count characters; SQLite counts only to the first NUL, and then the size is unknown."""
    if dialect == "postgresql":
        return f"length({text})"
    stored = f"CAST({text} AS BLOB)"
    whole = f"length({text}) = length({stored}) OR instr({stored}, x'00') = 0"
    return f"CASE WHEN {whole} THEN length({text}) END"


def _holds_calls(column: Column, inside: str | None) -> str:
    text = f"CAST({quoted(column.name)} AS TEXT)"
    if inside is not None:
        return f" WHERE {text} LIKE {literal(f'%{inside}%')}"
    return f" WHERE {text} NOT IN ({', '.join(literal(nothing) for nothing in NOTHING)})"


def _fields(binding: Binding, columns: list[Column], dialect: Dialect) -> list[_Field]:
    names = names_of(binding, columns)
    fields = [
        _Field(
            names[column.name],
            _read_as(column, binding, dialect),
            _SENTINELS.get(column.kind, "''"),
        )
        for column in columns
    ]
    if dialect == "postgresql":
        fields += [
            _Field(
                _odd(names[column.name]),
                f"CASE WHEN NOT {_is_placeable(column)} THEN {quoted(column.name)}::text END",
                "''",
            )
            for column in columns
            if _is_moment(column, binding)
        ]
    return fields


def _odd(name: str) -> str:
    return f"{name}_odd"


def _is_moment(column: Column, binding: Binding) -> bool:
    is_bound = any(one.name == column.name for one in binding.columns.values())
    is_list = column.declared.endswith("[]")
    return is_bound and not is_list and column.kind in ("time", "instant")


def _is_placeable(column: Column) -> str:
    """Say whether a time of Postgres is one of Python's too: neither infinite nor before Christ."""
    zoned = "TIMESTAMPTZ" if column.kind == "instant" else "TIMESTAMP"
    name = quoted(column.name)
    return f"{name} BETWEEN {zoned} '0001-01-02' AND {zoned} '9999-12-30'"


def names_of(binding: Binding, columns: Collection[Column]) -> dict[str, str]:
    """Name columns by their place in the table, so that every query of it names them alike."""
    return {
        column.name: f"c{place}"
        for place, column in enumerate(binding.table.columns)
        if column in columns
    }


def _select(fields: list[_Field], sources: list[str], dialect: Dialect, *, loose: bool) -> str:
    if loose:
        fields = [_Field(one.name, f"CAST({one.sql} AS TEXT)", "''") for one in fields]
    selected = ", ".join(f"{one.sql} AS {one.name}" for one in fields)
    parts = [f"SELECT {selected} FROM {source}" for source in sources]
    if dialect == "sqlite":
        typed = ", ".join(f"{one.sentinel} AS {one.name}" for one in fields)
        parts.insert(0, f"SELECT {typed}")
    return " UNION ALL ".join(parts)


def fill(snapshots: Sequence[Snapshot], planned: Plan) -> None:
    """Read one table into the rows of its plan; several queries by all the readers there are."""
    if len(planned.queries) == 1:
        chunks = _chunks(snapshots[0], planned.queries[0])
    else:
        chunks = side_by_side(snapshots, planned.queries, _chunks)
    for chunk in chunks:
        planned.inflow.add(chunk)
    planned.inflow.end()


def _chunks(snapshot: Snapshot, sql: str) -> Iterator[pl.DataFrame]:
    n_typed = 1 if snapshot.dialect == "sqlite" else 0
    for batches in _grouped(snapshot.batches(sql)):
        chunk = pl.DataFrame(pl.from_arrow(pa.Table.from_batches(batches)))
        yield chunk.slice(n_typed)
        n_typed = 0


def _grouped(batches: Iterable[pa.RecordBatch]) -> Iterator[list[pa.RecordBatch]]:
    held: list[pa.RecordBatch] = []
    for batch in batches:
        held.append(with_valid_text(batch))
        if sum(len(one) for one in held) >= _CHUNK_ROWS:
            yield held
            held = []
    if held:
        yield held


def _may_be_list(words: str) -> str:
    """Ask of a text whether it may be a list of parts; most are none by their first letter."""
    told = " OR ".join(f"{words} LIKE {literal(pattern)}" for pattern in LIKE)
    return f"({words} LIKE {literal(LIKE_LIST)} AND ({told}))"


def _is_telling(column: Column, binding: Binding) -> bool:
    """Say whether a column can be read without reading what people wrote."""
    what = next((what for what, one in binding.columns.items() if one.name == column.name), None)
    if what is not None:
        return what not in ("content", "parts", "reasoning", "title")
    return (
        column.name in call_names(binding) or column in binding.answers.values() or is_free(column)
    )


def is_free(column: Column) -> bool:
    """Say whether nobody writes words into a column."""
    return column.kind not in ("json", "text")


def call_names(binding: Binding) -> frozenset[str]:
    """Give the columns of a message table that may hold calls or results, by their own names."""
    beside = (binding.companion, *binding.flat.values())
    return frozenset(
        (
            *(call.column.name for call in binding.call_columns),
            *(column.name for column in beside if column is not None),
        )
    )


def _read_as(column: Column, binding: Binding, dialect: Dialect) -> str:
    if dialect == "sqlite":
        return _read_sqlite(column)
    name = quoted(column.name)
    if column.declared.endswith("[]"):
        # Only as JSON does an array of calls say what it holds.
        return f"to_jsonb({name})::text" if column.name in call_names(binding) else f"{name}::text"
    if _is_moment(column, binding):
        return f"CASE WHEN {_is_placeable(column)} THEN {name}::{_TYPES[column.kind]} END"
    if column.kind in ("time", "instant"):
        return f"{name}::text"
    return f"{name}::{_TYPES.get(column.kind, 'text')}"


def _read_sqlite(column: Column) -> str:
    name = quoted(column.name)
    if "blob" in column.declared.lower():
        # A uuid may be stored as its 16 bytes.
        text = f"CAST({name} AS TEXT)"
        return f"CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE {text} END"
    return name if column.kind in _SENTINELS else f"CAST({name} AS TEXT)"

"""Propose a mapping for tables that nobody has described: by their columns' names and values.

A column is judged by both: a role has few different values and they are words like "user" or
"bot", a text is long, a time can be read, a conversation's id repeats where the message's does not.
What a proposal says of values are counts, never the values themselves.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatdata.errors import LayoutError
from chatdata.formats.rows import ROLES
from chatdata.formats.times import at
from chatdata.load.read import names_database, refuse_schema

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

_ROWS = 2_000
_CALLS = re.compile(r'"(name|tool|tool_name|function|tool_call_id)"\s*:')
_NUMBER = re.compile(r"-?\d+(\.\d+)?\Z")
# Words with a space between, or letters that are written without: kana, han, hangul, thai, khmer.
_PROSE = re.compile(
    "\\S \\S|[\u3041-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e01-\u0eff\u1780-\u17ff]{4}"
)
_TEXTS = ("content", "message", "text", "body")
_FEW = 12
_MOST = 0.8
# What a column may be called, where it has none of the names that are known anyway.
_HINTS = {
    "conversation_id": r"conv|thread|session|chat|dialog|ticket|room|case|topic|channel",
    "role": r"role|author|sender|speaker|from|who|direction|side|actor|origin",
    "content": r"content|text|message|body|said|utter|prompt|words|line|msg",
    "created_at": r"at$|time|date|when|ts$|stamp|posted|sent",
    "id": r"(^|_)(id|key|uuid|no|nr|num|number)$",
    "user_id": r"user|account|customer|owner|member|client",
    "tool_calls": r"tool|call|function|action",
    "model": r"model|engine|llm",
    "sequence": r"seq|pos|index|idx|order|turn|ordinal|nr$|no$",
    "reasoning": r"reason|think|thought",
    "finish_reason": r"finish|stop",
    "input_tokens": r"(in|prompt|input).*tok|tok.*(in|prompt|input)",
    "output_tokens": r"(out|completion|output).*tok|tok.*(out|completion|output)",
}


@dataclass(frozen=True)
class Suggestion:
    """A proposed mapping, and why each column was taken.

    Attributes:
        mapping: as `scan(mapping=)` takes it.
        reasons: by the mapping's keys.
        rows: how many rows were looked at.
    """

    mapping: Mapping[str, str]
    reasons: Mapping[str, str]
    rows: int


@dataclass(frozen=True)
class _Column:
    name: str
    values: Sequence[Any]

    @property
    def plain(self) -> str:
        return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", self.name).lower().replace("-", "_")

    @property
    def present(self) -> list[str]:
        return [str(value) for value in self.values if value is not None]

    def share(self, fits: Callable[[str], object]) -> float:
        """The share of the values that are there which fit."""
        present = self.present
        return sum(bool(fits(value)) for value in present) / len(present) if present else 0.0

    @property
    def n_distinct(self) -> int:
        return len(set(self.present))


def suggest_map(source: str | Path, *, schema: str | None = None) -> Suggestion:
    """Propose a mapping for a JSONL, CSV or Parquet file, or for a database.

    Raises:
        LayoutError: no table has a column of texts and one that says who speaks or when.
        FormatError: the file holds no rows with named columns.
        SourceError: the source does not exist or cannot be read.
    """
    refuse_schema(schema, [source])
    tables = _tables(str(source), schema)
    proposals = {table: _propose(_columns(columns)) for table, columns in tables.items()}
    best = max(proposals, key=lambda table: sum(fit for fit, _ in proposals[table].values()))
    found = proposals[best]
    if "content" not in found or not found.keys() & {"role", "created_at"}:
        raise LayoutError(
            "no table looks like messages: one column of texts and one that says who speaks or"
            f" when are needed; found {', '.join(tables[best]) or 'nothing'}",
            source=str(source).rsplit("/", 1)[-1].partition("?")[0],
            tables=tuple(tables),
        )
    mapping = {what: column.name for what, (_, column) in found.items()}
    reasons = {what: _reason(what, column) for what, (_, column) in found.items()}
    if best:
        mapping, reasons = (
            {"messages": best, **mapping},
            {"messages": "the table that fits best", **reasons},
        )
    return Suggestion(mapping, reasons, max(map(len, tables[best].values()), default=0))


def _tables(source: str, schema: str | None) -> dict[str, dict[str, list[Any]]]:
    """Give the first rows of every table; a file is one table without a name."""
    from chatdata.database.probe import first_rows
    from chatdata.formats.mapped import sample
    from chatdata.formats.sources import documents

    if names_database(source):
        return first_rows(source, _ROWS, schema=schema) or {"": {}}
    document = documents(source)[0]
    if document.kind == "sqlite":
        return first_rows(document.local(), _ROWS) or {"": {}}
    return {"": sample(document, _ROWS)}


def _columns(columns: Mapping[str, list[Any]]) -> list[_Column]:
    return [_Column(name, values) for name, values in columns.items()]


def _propose(columns: list[_Column]) -> dict[str, tuple[float, _Column]]:
    """Give each column of messages the column that fits it best; none is two things."""
    fits = [
        (_name_fit(what, column) * value_fit(column), what, column)
        for what, value_fit in _VALUES.items()
        for column in columns
    ]
    found: dict[str, tuple[float, _Column]] = {}
    taken: set[str] = set()
    order = list(_VALUES)
    for fit, what, column in sorted(fits, key=lambda f: (-f[0], order.index(f[1]), f[2].name)):
        if fit > 0 and what not in found and column.name not in taken:
            found[what] = (fit, column)
            taken.add(column.name)
    return {what: found[what] for what in order if what in found}


def _name_fit(what: str, column: _Column) -> float:
    from chatdata.database import names

    known = names.MESSAGES.get(what, names.CALL_COLUMNS)
    if column.plain in known:
        return 3.0
    if re.search(_HINTS[what], column.plain):
        return 2.0
    # Who speaks, what is said and when shows in the values too.
    return 1.0 if what in {"role", "content", "created_at"} else 0.0


def _is_key(column: _Column) -> float:
    present = column.present
    most = len(present) >= _MOST * len(column.values)
    return float(bool(present) and most and column.n_distinct == len(present))


def _repeats(column: _Column) -> float:
    """An id that several rows share, though not all of them; a few may lack it."""
    present = column.present
    named = len(present) / max(1, len(column.values))
    if not present or named < _MOST:
        return 0.0
    words = sum(" " in value for value in present) / len(present)
    return named * (1.0 - words) * (1.0 if column.n_distinct < len(present) else 0.5)


def _is_role(column: _Column) -> float:
    if not column.present or column.n_distinct > _FEW:
        return 0.0
    return column.share(lambda value: value.lower() in ROLES)


def _is_text(column: _Column) -> float:
    """Prose: several words, or letters of a script that writes them without spaces between.

    Short texts of one word are no sign, unless the column is called after what it holds.
    """
    if column.n_distinct <= 1 < len(column.values):
        return 0.0
    prose = column.share(lambda value: value[:1] not in "[{" and _PROSE.search(value))
    if prose or column.plain not in _TEXTS:
        return prose
    return 0.1 * column.share(lambda value: value[:1] not in "[{" and not _NUMBER.match(value))


def _is_time(column: _Column) -> float:
    return column.share(lambda value: at(_number(value)) is not None)


def _number(value: str) -> Any:  # noqa: ANN401 - a number, or the text
    if not _NUMBER.match(value):
        return value
    return float(value) if "." in value else int(value)


def _is_calls(column: _Column) -> float:
    return column.share(lambda value: value[:1] in "[{" and _CALLS.search(value))


def _is_count(column: _Column) -> float:
    return column.share(str.isdecimal)


def _is_name(column: _Column) -> float:
    return column.share(lambda value: 0 < len(value) < 80 and value[:1] not in "[{")  # noqa: PLR2004 - a name


_VALUES: dict[str, Callable[[_Column], float]] = {
    "conversation_id": _repeats,
    "role": _is_role,
    "content": _is_text,
    "created_at": _is_time,
    "id": _is_key,
    "user_id": _is_name,
    "tool_calls": _is_calls,
    "model": _is_name,
    "sequence": _is_count,
    "reasoning": _is_text,
    "finish_reason": _is_name,
    "input_tokens": _is_count,
    "output_tokens": _is_count,
}


def _reason(what: str, column: _Column) -> str:
    present = len(column.present)
    counted = f"{column.n_distinct:,} different values in {present:,} rows"
    shares: dict[str, tuple[Callable[[_Column], float], str]] = {
        "role": (_is_role, "are words for who speaks"),
        "content": (_is_text, "are prose"),
        "created_at": (_is_time, "are times"),
        "tool_calls": (_is_calls, "look like calls"),
    }
    if what not in shares:
        return counted
    fit, said = shares[what]
    return f"{fit(column):.0%} of {present:,} values {said}"

"""What a format is, which ones there are, and telling them apart by content.

A format is one module with a `FORMAT`: how sure it is of a piece of evidence, and how it reads a
document. Third parties add one through the entry point group `chatdata.formats`.
"""

from __future__ import annotations

import codecs
import pkgutil
from collections import Counter
from contextlib import ExitStack
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module
from importlib.metadata import entry_points
from typing import TYPE_CHECKING, Any

from chatdata.errors import SourceError, UnknownFormatError
from chatdata.formats.records import HEAD_BYTES, WHOLE, Bad, Record, Stretch, read, sample
from chatdata.formats.records import shape as shape_of
from chatdata.formats.rows import Conversation
from chatdata.formats.sources import head

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

    from chatdata.formats.frames import Batch
    from chatdata.formats.rows import Message
    from chatdata.formats.sources import Document

# How sure a sniffer can be: keys that only this format has, a shape that few share, a shape that
# many share, and what is left when nobody else wants it.
SURE, LIKELY, POSSIBLE, FALLBACK = 1.0, 0.7, 0.4, 0.2
_MAJORITY = 0.5
_BLANK = codecs.BOM_UTF8 + b" \t\r\n\0"
_OPENING = (b"[", b"{")
_ENOUGH = 8
# What code that trusts a record's structure raises when the record breaks it.
UNEXPECTED = (TypeError, ValueError, KeyError, AttributeError, IndexError, RecursionError)


@dataclass(frozen=True)
class Evidence:
    """One thing that a document shows about itself.

    Attributes:
        kind: record (a decoded value), prefix (raw text of a value that does not close), text,
            columns (of a Parquet file), tables (of an SQLite file, with their columns) or members
            (of an archive).
        path: how the document is called; it may break a tie, never decide.
        value: the decoded record.
        text: the raw text.
        names: columns, tables or members.
        shape: lines, array or values, for records.
    """

    kind: str
    path: str
    value: Any = None
    text: str = ""
    names: frozenset[str] = frozenset()
    shape: str = ""


@dataclass(frozen=True)
class Format:
    """One log format.

    Attributes:
        name: as users write it.
        title: what people call it.
        sniff: how sure it is that a piece of evidence is its own, from 0 to 1.
        parse: yields the conversations of a document.
        notes: the module's docstring, for the documentation.
        by_line: whether, in a document of lines that begins with this value, what a line gives
            depends on that line alone; a file that grew is then read on from where it ended.
        tables: of a SQLite file, where it keeps what was said: tables by name, or as
            `table.column` where another program may have a table of that name too.
    """

    name: str
    title: str
    sniff: Callable[[Evidence], float]
    parse: Callable[[Reading], Iterable[Conversation | Batch]]
    notes: str = ""
    by_line: Callable[[Any], bool] = lambda _: False
    tables: frozenset[str] = frozenset()

    def own(self, names: frozenset[str]) -> frozenset[str]:
        """Name its tables among those of a SQLite file, as `tables` names these."""
        return frozenset(name.partition(".")[0] for name in self.tables & names)


@dataclass(frozen=True)
class Detection:
    """What a document was taken for: no format, one, or (ambiguous) none but with candidates.

    Attributes:
        shape: lines, array or values, where its records were looked at.
    """

    format: Format | None
    confidence: float
    reason: str
    others: tuple[tuple[str, float], ...] = ()
    shape: str = ""


@dataclass
class Tally:
    """Records of one cause, and what they would have added if they had been counted."""

    n_records: int = 0
    n_messages: int = 0
    n_tool_calls: int = 0
    output_tokens: int | None = None


@dataclass
class Reading:
    """One document being read: its records, and what became of those that made no row."""

    document: Document
    source: str
    origin: str
    time_zone: str = "UTC"
    mapping: Mapping[str, str] | None = None
    stretch: Stretch = WHOLE
    n_records: int = 0
    shape: str = ""
    rejects: list[Bad] = field(default_factory=list)
    tallies: dict[str, Tally] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The document's name below what was scanned; ids of formats without ids begin with it."""
        return self.document.name

    def records(self) -> Iterator[Record]:
        """Yield each record that can be decoded; the others become rejects."""
        self.shape = self.shape or shape(self.document)
        with self.document.open() as stream:
            for record in read(stream, self.shape, self.stretch):
                self.n_records += 1
                if isinstance(record, Bad):
                    self.reject(record, record.reason)
                else:
                    yield record

    def text(self) -> str:
        """Give the whole document, which is one record, as text."""
        self.n_records += 1
        with self.document.open() as stream:
            return stream.read().decode("utf-8-sig", "backslashreplace").strip("\0")

    def each(
        self,
        convert: Callable[[Record], Iterable[Conversation]],
        records: Iterable[Record] | None = None,
    ) -> Iterator[Conversation]:
        """Convert record by record; one that is not built as the format promises is a reject.

        A record that gives nothing, and may, is counted as empty. `records` are all there are,
        unless some are given.
        """
        for record in self.records() if records is None else records:
            try:
                converted = tuple(convert(record))
            except UNEXPECTED:
                self.reject(record, f"not a {self.source} record")
                continue
            if not converted:
                self.count("empty")
            yield from converted

    def one(
        self,
        records: Iterable[Record],
        message: Callable[[Any], Message],
        reason: str,
        *,
        calls_by_place: bool = False,
    ) -> Conversation:
        """Read a document whose records are the messages of one conversation."""
        conversation = Conversation(
            n_records=0, calls_by_place=calls_by_place, extra={"records": "messages"}
        )
        for record in records:
            try:
                row = message(record.value)
            except UNEXPECTED:
                self.reject(record, reason)
            else:
                row.n_records = 1
                conversation.messages.append(row)
        return conversation

    def reject(self, record: Record | Bad, reason: str) -> None:
        """Put a record aside that is not what the format promises; never quotes it."""
        self.rejects.append(Bad(record.number, record.offset, reason))
        self.count("rejected")

    def count(self, cause: str, n_records: int = 1, **added: int) -> None:
        """Note what became of records that make no row of their own."""
        tally = self.tallies.setdefault(cause, Tally())
        tally.n_records += n_records
        for name, value in added.items():
            setattr(tally, name, (getattr(tally, name) or 0) + value)


@cache
def formats() -> tuple[Format, ...]:
    """List every format that can be read, ours and those of installed packages, by name."""
    package = import_module("chatdata.formats")
    found = []
    for module in pkgutil.iter_modules(package.__path__):
        loaded = import_module(f"chatdata.formats.{module.name}")
        if hasattr(loaded, "FORMAT"):
            found.append(loaded.FORMAT)
    found += [point.load() for point in entry_points(group="chatdata.formats")]
    return tuple(sorted(found, key=lambda format_: format_.name))


def named(name: str) -> Format:
    """Find a format by its name.

    Raises:
        UnknownFormatError: there is none of that name.
    """
    for format_ in formats():
        if format_.name == name:
            return format_
    known = ", ".join(format_.name for format_ in formats())
    raise UnknownFormatError(f"no format is called {name!r}; known are {known}")


def shape(document: Document) -> str:
    """Tell whether a document is lines, one array, or values, by how it begins."""
    first = document.head(HEAD_BYTES)
    return shape_of(first, whole=len(first) < HEAD_BYTES)


def always(_: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Say that every line of a format stands alone, whatever a document begins with."""
    return True


def reads_by_line(format_: Format, document: Document) -> bool:
    """Whether a document is lines that stand alone."""
    if shape(document) != "lines":
        return False
    with document.open() as stream:
        first = next(iter(sample(stream, "lines")), None)
    return first is not None and format_.by_line(first)


def sniff(document: Document) -> Detection:
    """Tell a document's format by its content.

    Every sampled record votes for the format that is surest of it; the share of votes is the
    confidence. With less than half of them, or a tie, nothing is guessed. Where the first few agree
    and could not be surer, the others are not asked.
    """
    votes: Counter[str | None] = Counter()
    kind = form = ""
    last: Format | None = None
    for evidence in _evidence(document):
        kind, form = evidence.kind, evidence.shape
        # As a rule all records are of one format, so the last winner is asked first.
        sureness = 0.0 if last is None else _sureness(last, evidence)
        if sureness < SURE:
            last = surest(evidence)
        votes[None if last is None else last.name] += 1
        if sureness >= SURE and votes.total() == _ENOUGH and len(votes) == 1:
            break
    n_votes = votes.total()
    if not n_votes:
        return Detection(None, 0.0, "empty")
    shares = [(name, count / n_votes) for name, count in votes.most_common() if name]
    what = f"{n_votes} {kind}{'s' if n_votes > 1 else ''}"
    if not shares:
        return Detection(None, 0.0, f"no known format fits {what}")
    name, share = shares[0]
    others = tuple(shares[1:])
    if share < _MAJORITY or (others and others[0][1] == share):
        return Detection(None, share, f"ambiguous: several formats fit {what}", tuple(shares))
    return Detection(named(name), share, f"{votes[name]} of {what} fit", others, form)


def surest(evidence: Evidence) -> Format | None:
    """Give the format that is surest of a piece of evidence, if any is."""
    found = max(formats(), key=lambda format_: (_sureness(format_, evidence), format_.name))
    return found if _sureness(found, evidence) > 0 else None


def _sureness(format_: Format, evidence: Evidence) -> float:
    try:
        return format_.sniff(evidence)
    except UNEXPECTED:
        # Evidence that trips a sniffer up is not built as its format promises.
        return 0.0


def _evidence(document: Document) -> Iterator[Evidence]:
    kind = document.kind
    path = document.path.removesuffix(".gz").removesuffix(".zst")
    if kind == "parquet":
        yield Evidence("columns", path, names=_columns(document))
    elif kind == "sqlite":
        yield Evidence("tables", path, names=tables(document))
    elif kind == "zip":
        from chatdata.formats.sources import members

        names = frozenset(
            member.name.removeprefix(f"{document.name}/") for member in members(document)
        )
        yield Evidence("members", path, names=names)
    else:
        yield from _text_evidence(document, path)


def _columns(document: Document) -> frozenset[str]:
    import pyarrow as pa
    from pyarrow import parquet

    try:
        return frozenset(parquet.read_schema(document.local()).names)
    except (pa.ArrowException, OSError, UnicodeDecodeError) as error:
        raise SourceError("damaged Parquet file; copy it again", source=document.path) from error


def _text_evidence(document: Document, path: str) -> Iterator[Evidence]:
    with ExitStack() as stack:
        stream = stack.enter_context(document.open())
        first = head(stream, HEAD_BYTES)
        if first.lstrip(_BLANK)[:1] not in _OPENING:
            text = _as_text(first)
            if not text:
                return
            if not _goes_on_in_records(text):
                yield Evidence("text", path, text=text)
                return
        form = shape_of(first, whole=len(first) < HEAD_BYTES)
        if stream.seekable():
            stream.seek(0)
        else:
            stream = stack.enter_context(document.open())
        decoded = False
        for value in sample(stream, form):
            decoded = True
            yield Evidence("record", path, value=value, shape=form)
        if not decoded:
            yield Evidence("prefix", path, text=_as_text(first), shape=form)


def _as_text(data: bytes) -> str:
    return data.decode("utf-8", "replace").lstrip("\ufeff \t\r\n\0")


def _goes_on_in_records(text: str) -> bool:
    """Whether only the first line is none: cut off at its start, or a word of the program."""
    if text.startswith(("#", "---")):
        return False  # Markdown
    after = [line for line in text.split("\n", 3)[1:3] if line.strip()]
    return bool(after) and after[0][0] == "{"


def tables(document: Document) -> frozenset[str]:
    """Name the tables of an SQLite file, and their columns as `table.column`."""
    import sqlite3
    from contextlib import closing

    try:
        with closing(sqlite3.connect(f"file:{document.local()}?mode=ro", uri=True)) as connection:
            rows = connection.execute(
                "select t.name, c.name from sqlite_master t, pragma_table_info(t.name) c "
                "where t.type = 'table'"
            ).fetchall()
    except (sqlite3.Error, UnicodeDecodeError):
        return frozenset()
    return frozenset(name for table, column in rows for name in (table, f"{table}.{column}"))

"""What a Spark worker does: reads some files as this process would, and packs what they gave."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata.errors import SourceError
from chatdata.formats.sources import Document, document
from chatdata.identity import resolve
from chatdata.identity.kin import base
from chatdata.load.collect import (
    Found,
    accounting,
    places,
    rejects,
    take,
    tallies,
)
from chatdata.load.combine import prefixed
from chatdata.load.lineage import MEMBER_BITS, lineages, links, number_of_file
from chatdata.load.packed import FRAMES, pack
from chatdata.spool import scratch

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import pyarrow as pa

    from chatdata.chats import Finding
    from chatdata.load.scope import Scope

MISSING = "missing"
_BATCH_ROWS = 20_000


@dataclass(frozen=True)
class Listed:
    """A file to read.

    Attributes:
        number: its place in the list of all files.
        file: where it lies, whoever asks.
        name: below what is scanned.
        path: as it is shown.
        n_bytes: its size.
    """

    number: int
    file: str
    name: str
    path: str
    n_bytes: int

    def document(self) -> Document:
        """Give the document that it is."""
        return document(Path(self.file), self.name, self.path)


@dataclass(frozen=True)
class Work:
    """Some files, and how to read them."""

    files: tuple[Listed, ...]
    scope: Scope
    format: str | None
    alone: bool


@dataclass
class _Notes:
    """What is known of each file beside its rows.

    Attributes:
        n_read: by number, how many documents in it were read.
        databases: by name, the number of the file that is one.
        findings: rows of `findings`.
    """

    n_read: dict[int, int] = field(default_factory=dict)
    databases: dict[str, int] = field(default_factory=dict)
    findings: list[tuple[int | str, ...]] = field(default_factory=list)

    def find(self, stage: int, number: int, findings: Iterable[Finding]) -> None:
        """Note findings of a file; those of databases come after those of all files."""
        for place, each in enumerate(findings):
            told = (each.origin, each.subject, each.became, each.reason)
            self.findings.append((stage, number, place, *told))


def run(work: Work) -> Iterator[pa.RecordBatch]:
    """Read files together; every row says of which lineage among them it is."""
    with scratch():
        yield from _batches(work)


def _batches(work: Work) -> Iterator[pa.RecordBatch]:
    found, notes = Found(), _Notes()
    for listed in work.files:
        if not Path(listed.file).exists():
            yield from _error(MISSING, SourceError("", source=listed.path))
            return
        try:
            _read(listed, work, found, notes)
        except SourceError as error:
            yield from _error(type(error).__name__, error)
            return
    raw = found.builder.frames()
    linked = links(raw)
    of_file = lineages(linked, notes.n_read)
    tied = linked.join(of_file, on="number").group_by("name", "lineage").agg(pl.col("has").any())
    yield from pack("links", tied)
    yield from pack("documents", of_file.with_columns(n_read=pl.Series(notes.n_read.values())))
    yield from _rows(found, raw, of_file)
    yield from _rows_of_databases(found, notes, of_file)
    findings = pl.DataFrame(notes.findings, schema=FRAMES["findings"], orient="row")
    yield from pack("findings", findings.join(of_file, on="number"))


def _read(listed: Listed, work: Work, found: Found, notes: _Notes) -> None:
    n_readings, n_findings = len(found.readings), len(found.findings)
    found.next_number = listed.number << MEMBER_BITS
    take(found, listed.document(), work.format, work.scope, alone=work.alone)
    new = found.databases.keys() - notes.databases.keys()
    notes.databases |= dict.fromkeys(new, listed.number)
    notes.n_read[listed.number] = len(found.readings) - n_readings + len(new)
    notes.find(0, listed.number, found.findings[n_findings:])


def _rows(
    found: Found, raw: Mapping[str, pl.LazyFrame], of_file: pl.DataFrame
) -> Iterator[pa.RecordBatch]:
    of_conversation = (
        raw["conversations"]
        .select(_base=base("conversation_id"), number=number_of_file())
        .join(of_file.lazy(), on="number")
        .select("_base", "lineage")
        .unique()
    )
    resolved = resolve(raw)
    for name, frame in resolved.frames.items():
        based = frame.with_columns(_base=base("conversation_id"))
        yield from _packed(name, based.join(of_conversation, on="_base"))
    counted = accounting(resolved.accounting, tallies(found), places(found))
    for name, rows in (("accounting", counted), ("rejects", rejects(found))):
        yield from pack(name, rows.with_columns(number=number_of_file()).join(of_file, on="number"))


def _rows_of_databases(
    found: Found, notes: _Notes, of_file: pl.DataFrame
) -> Iterator[pa.RecordBatch]:
    lineage = dict(of_file.rows())
    for key, chats in found.databases.items():
        number = notes.databases[key]
        named = prefixed(chats, key)
        notes.find(1, number, named.findings)
        for name, frame in named.frames.items():
            yield from _packed(name, frame.with_columns(lineage=pl.lit(lineage[number])))


def _packed(name: str, frame: pl.LazyFrame) -> Iterator[pa.RecordBatch]:
    for batch in frame.collect_batches(chunk_size=_BATCH_ROWS):
        yield from pack(name, batch)


def _error(kind: str, error: SourceError) -> Iterator[pa.RecordBatch]:
    rows = [(kind, error.message, error.source, error.line)]
    told = pl.DataFrame(rows, schema=FRAMES["errors"], orient="row")
    yield from pack("errors", told.with_columns(lineage=pl.lit(0)))

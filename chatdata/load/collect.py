"""Reading documents one by one: what each was taken for, gave, or could not give."""

from __future__ import annotations

import gc
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding
from chatdata.errors import LayoutError, SourceError, UnknownFormatError
from chatdata.formats.base import Detection, Reading, named, sniff
from chatdata.formats.frames import Builder
from chatdata.formats.lake import MARK, is_ours
from chatdata.formats.sources import Document, members
from chatdata.identity import sum_or_null

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chatdata.formats.base import Format
    from chatdata.load.scope import Scope

COUNTED = {
    name: schema.ACCOUNTING.schema[name]
    for name in ("cause", "n_records", "n_messages", "n_tool_calls", "output_tokens")
}

_OBJECTS = 50_000
_DATABASES = (".db", ".sqlite", ".sqlite3")


@dataclass
class Found:
    """What the documents of a source have given so far.

    Attributes:
        numbers: the number of each reading, by which rows name their document.
        next_number: the number of the next one; an import sets it file by file.
    """

    builder: Builder = field(default_factory=Builder)
    readings: list[Reading] = field(default_factory=list)
    numbers: list[int] = field(default_factory=list)
    next_number: int = 0
    findings: list[Finding] = field(default_factory=list)
    unreadable: list[dict[str, Any]] = field(default_factory=list)
    databases: dict[str, Chats[pl.LazyFrame]] = field(default_factory=dict)


def take(
    found: Found, document: Document, format_name: str | None, scope: Scope, *, alone: bool
) -> None:
    """Read one document; what cannot be read is noted, and raises only where it is alone."""
    try:
        with _seldom_collected():
            _read(found, document, format_name, scope)
    except SourceError as error:
        if alone:
            raise
        found.findings.append(Finding(document.name, document.path, "nothing", error.message))
        if not isinstance(error, LayoutError):
            number = found.next_number
            found.next_number += 1
            found.unreadable.append(
                {
                    "_document": number,
                    "source": "unknown",
                    "origin": scope.name or document.name,
                    "path": document.path,
                    "reason": error.message,
                }
            )


def _read(found: Found, document: Document, format_name: str | None, scope: Scope) -> None:
    """Read a document as what it is; an archive that no format wants whole, member by member."""
    kind = document.kind
    detection = detected(document, format_name, scope.mapping)
    wanted = detection.format is not None and detection.format.name == (
        format_name or detection.format.name
    )
    if kind == "zip" and not wanted:
        for member in members(document):
            take(found, member, format_name, scope, alone=False)
        return
    if kind == "sqlite" and detection.format is None:
        path = str(document.local())
        found.databases[document.name] = read_database(path, replace(scope, name=document.name))
        return
    found.findings.append(found_out(document, detection))
    if detection.format is None:
        return
    origin = scope.name or document.name
    reading = Reading(
        document,
        detection.format.name,
        origin,
        scope.time_zone,
        scope.mapping,
        shape=detection.shape,
    )
    parse(found, reading, detection.format)
    if kind == "sqlite":
        from chatdata.database.known import not_read, own_messages

        own = own_messages(document.local(), detection.format)
        found.findings.extend(not_read(own, origin, detection.format))


def parse(found: Found, reading: Reading, format_: Format) -> None:
    """Take what a document, or some lines of it, hold."""
    number = found.next_number
    found.next_number += 1
    found.readings.append(reading)
    found.numbers.append(number)
    for item in format_.parse(reading):
        found.builder.add(item, reading, number)


@contextmanager
def _seldom_collected() -> Iterator[None]:
    """Let the garbage collector look less often: records are many objects, in no circles."""
    often, *rest = gc.get_threshold()
    if often:
        gc.set_threshold(max(often, _OBJECTS), *rest)
    try:
        yield
    finally:
        gc.set_threshold(often, *rest)


def detected(
    document: Document, format_name: str | None, mapping: Mapping[str, str] | None
) -> Detection:
    """Say what a document is: as was asked, a table where a mapping was, or by its content.

    An application's own tables of a SQLite file are no format, and go before what a known program
    keeps beside them.
    """
    kind = document.kind
    if mapping is not None and format_name is None and kind == "sqlite":
        return Detection(None, 1.0, "tables of an application, by a mapping")
    if mapping is not None and format_name is None:
        format_name = "mapped"
    if format_name and kind != "zip":
        return Detection(named(format_name), 1.0, "asked for")
    detection = sniff(document)
    if kind != "sqlite" or detection.format is None:
        return detection
    # Most sources are of files alone, and the drivers take a while.
    from chatdata.database.known import own_messages, say_who_speaks

    if say_who_speaks(own_messages(document.local(), detection.format)):
        return replace(detection, format=None, reason="an application's own messages")
    return detection


def is_application(document: Document, mapping: Mapping[str, str] | None = None) -> bool:
    """Whether a document is a database of an application."""
    return document.kind == "sqlite" and detected(document, None, mapping).format is None


def found_out(document: Document, detection: Detection) -> Finding:
    """Say what a document was taken for, and why."""
    if document.file.name == MARK and is_ours(document.file.parent):
        reason = "a lake: it holds copies of logs, and is read when it is named itself"
        return Finding(document.name, str(Path(document.path).parent), "left aside", reason)
    others = ", ".join(f"{name} {share:.0%}" for name, share in detection.others)
    reason = f"{detection.reason}, confidence {detection.confidence:.0%}"
    if detection.reason.startswith("no known") and document.name.lower().endswith(_DATABASES):
        reason += "; it may be an encrypted or damaged database"
    became = detection.format.name if detection.format else "nothing"
    return Finding(
        document.name, document.path, became, f"{reason}; also fits: {others}" if others else reason
    )


def read_database(where: str, scope: Scope) -> Chats[pl.LazyFrame]:
    """Read an application's database, what was asked for pushed down into it."""
    from chatdata.database import read

    return read(where, **vars(scope))


def refuse(found: Found, where: str) -> None:
    """Raise when something was there and no format fits it; an empty file is an empty log."""
    unknown = [finding for finding in found.findings if not finding.reason.startswith("empty")]
    if not unknown:
        return
    if len(found.findings) > 1:
        raise UnknownFormatError(
            f"none of {len(found.findings)} files is a chat log of a known format; "
            "`chatdata formats` lists them",
            source=where,
        )
    raise UnknownFormatError(
        f"{unknown[0].reason}; name it with format=, `chatdata formats` lists them, or describe"
        " a table of your own: `chatdata scan SOURCE --suggest-map` proposes how",
        source=where,
    )


def tallies(found: Found) -> pl.DataFrame:
    """List what became of records that made no row, per document and cause."""
    rows = [
        {"_document": number, "cause": cause, **vars(tally)}
        for number, reading in zip(found.numbers, found.readings, strict=True)
        for cause, tally in reading.tallies.items()
    ]
    return pl.DataFrame(rows, schema={"_document": pl.UInt64(), **COUNTED})


def places(found: Found) -> pl.DataFrame:
    """List the origin and path of each document, those that could not be read too."""
    rows = [
        {"_document": number, "origin": reading.origin, "path": reading.document.path}
        for number, reading in zip(found.numbers, found.readings, strict=True)
    ] + [{name: row[name] for name in ("_document", "origin", "path")} for row in found.unreadable]
    return pl.DataFrame(
        rows, schema={"_document": pl.UInt64(), "origin": pl.String(), "path": pl.String()}
    )


def accounting(resolved: pl.DataFrame, tallied: pl.DataFrame, placed: pl.DataFrame) -> pl.DataFrame:
    """Add up what rows and tallies say, per document, by its number, and cause."""
    counts = ("n_records", "n_messages", "n_tool_calls")
    return (
        pl.concat([resolved, tallied], how="diagonal")
        .group_by("_document", "cause")
        .agg(*(pl.col(name).sum() for name in counts), sum_or_null("output_tokens"))
        .join(placed, on="_document", how="left")
        .sort("_document", "cause")
        .select("_document", *schema.ACCOUNTING.schema)
    )


def rejects(found: Found) -> pl.DataFrame:
    """List the records that could not be read, and the files, with the number of the document."""
    rows = [
        {
            "_document": number,
            "source": reading.source,
            "origin": reading.origin,
            "path": reading.document.path,
            "record": bad.number,
            "byte_offset": bad.offset,
            "reason": bad.reason,
        }
        for number, reading in zip(found.numbers, found.readings, strict=True)
        for bad in reading.rejects
    ]
    return pl.DataFrame(
        rows + found.unreadable, schema={"_document": pl.UInt64(), **schema.REJECTS.schema}
    )

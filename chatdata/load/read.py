"""From a source to `Chats`: a file, folder, glob, archive, database or the sample.

What a source is, is decided by its content, file by file; every decision is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.errors import LayoutError, SourceError, UnknownFormatError
from chatdata.formats.base import Detection, Reading, named, sniff
from chatdata.formats.frames import Builder
from chatdata.formats.lake import is_lake, open_lake
from chatdata.formats.sources import Document, documents, members
from chatdata.identity import resolve, sum_or_null
from chatdata.load.combine import prefixed, stacked
from chatdata.load.scope import Scope, scoped

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

_DATABASES = ("sqlite", "postgresql", "postgres")


@dataclass
class _Found:
    """What the documents of a source have given so far."""

    builder: Builder = field(default_factory=Builder)
    readings: list[Reading] = field(default_factory=list)
    findings: list[Finding] = field(default_factory=list)
    unreadable: list[dict[str, Any]] = field(default_factory=list)
    databases: dict[str, Chats[pl.LazyFrame]] = field(default_factory=dict)


def scan(  # noqa: PLR0913 - each is a question of its own, all but the first by keyword
    source: str | Path,
    *,
    format: str | None = None,  # noqa: A002 - the field's own word
    since: datetime | None = None,
    until: datetime | None = None,
    user_id: str | None = None,
    text: bool = True,
    schema: str | None = None,
    time_zone: str = "UTC",
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Chats[pl.LazyFrame]:
    """Read any chat log.

    Args:
        source: a file, folder, glob or archive; a database URL (`sqlite:///…`, `postgresql://…`) or
            SQLite file; or "sample", also "sample?conversations=500&seed=3".
        format: the format's name, instead of detecting it.
        since: keep messages from this moment on; naive means UTC.
        until: keep messages before this moment.
        user_id: keep one user's conversations.
        text: False leaves out every text of a person or model and keeps sizes, names and statuses.
        schema: of a Postgres database.
        time_zone: the zone of times that the source writes without one.
        mapping: which column of a database means what, where inference would be wrong.
        name: the origin's name, instead of the file's or database's.

    Raises:
        SourceError: the source does not exist or cannot be read.
        UnknownFormatError: nothing in it is a chat log of a known format.
    """
    scope = Scope(name, since, until, user_id, text, schema, time_zone, mapping)
    where = str(source)
    scheme = where.split("://", 1)[0] if "://" in where else ""
    if where.split("?", 1)[0] == "sample":
        return scoped(_sample(where), scope)
    if scheme in _DATABASES:
        return _database(where, scope)
    if scheme:
        raise SourceError(
            f"no reader for {scheme}:// URLs; use a path, sqlite:/// or postgresql://",
            source=f"{scheme}://…",
        )
    if is_lake(Path(where).expanduser()):
        return scoped(open_lake(Path(where).expanduser()), scope)
    listed = documents(where)
    if len(listed) == 1 and format is None and _is_database(listed[0]):
        return _database(str(listed[0].local()), scope)
    found = _Found()
    for document in listed:
        _take(found, document, format, scope, alone=len(listed) == 1)
    return scoped(_chats(found, where), scope)


def _sample(where: str) -> Chats[pl.LazyFrame]:
    from chatdata.sample import sample

    asked = dict(parse_qsl(urlsplit(where).query))
    unknown = sorted(asked.keys() - {"conversations", "seed"})
    if unknown or not all(value.isdecimal() for value in asked.values()):
        raise SourceError(
            "the sample takes conversations= and seed=, both whole numbers", source=where
        )
    return sample(**{key: int(value) for key, value in asked.items()})


def _database(where: str, scope: Scope) -> Chats[pl.LazyFrame]:
    from chatdata.database import read

    return read(where, **vars(scope))


def _is_database(document: Document) -> bool:
    return document.kind() == "sqlite" and sniff(document).format is None


def _take(
    found: _Found, document: Document, format_name: str | None, scope: Scope, *, alone: bool
) -> None:
    """Read one document; what cannot be read is noted, and raises only where it is alone."""
    try:
        _read(found, document, format_name, scope)
    except SourceError as error:
        if alone:
            raise
        found.findings.append(Finding(document.name, document.path, "nothing", error.message))
        if not isinstance(error, LayoutError):
            found.unreadable.append(
                {
                    "source": "unknown",
                    "origin": scope.name or document.name,
                    "path": document.path,
                    "reason": error.message,
                }
            )


def _read(found: _Found, document: Document, format_name: str | None, scope: Scope) -> None:
    """Read a document as what it is; an archive that no format wants whole, member by member."""
    kind = document.kind()
    detection = _asked(format_name) if format_name else sniff(document)
    if kind == "zip" and (format_name or detection.format is None):
        for member in members(document):
            _take(found, member, format_name, scope, alone=False)
        return
    if kind == "sqlite" and detection.format is None:
        path = str(document.local())
        found.databases[document.name] = _database(path, replace(scope, name=document.name))
        return
    found.findings.append(_finding(document, detection))
    if detection.format is None:
        return
    origin = scope.name or document.name
    reading = Reading(document, detection.format.name, origin, scope.time_zone)
    found.readings.append(reading)
    for item in detection.format.parse(reading):
        found.builder.add(item, reading, len(found.readings) - 1)


def _asked(name: str) -> Detection:
    return Detection(named(name), 1.0, "asked for")


def _finding(document: Document, detection: Detection) -> Finding:
    others = ", ".join(f"{name} {share:.0%}" for name, share in detection.others)
    reason = f"{detection.reason}, confidence {detection.confidence:.0%}"
    became = detection.format.name if detection.format else "nothing"
    return Finding(
        document.name, document.path, became, f"{reason}; also fits: {others}" if others else reason
    )


def _chats(found: _Found, where: str) -> Chats[pl.LazyFrame]:
    if not found.readings and not found.databases:
        _refuse(found, where)
    resolved = resolve(found.builder.frames())
    rejects = [
        {
            "source": reading.source,
            "origin": reading.origin,
            "path": reading.document.path,
            "record": bad.number,
            "byte_offset": bad.offset,
            "reason": bad.reason,
        }
        for reading in found.readings
        for bad in reading.rejects
    ]
    rejects += found.unreadable
    frames = {
        **resolved.frames,
        "rejects": pl.LazyFrame(rejects, schema=schema.REJECTS.schema),
        "accounting": _accounting(found.readings, resolved.accounting),
    }
    chats = from_frames(frames, found.findings)
    if not found.databases:
        return chats
    return stacked([chats, *(prefixed(value, key) for key, value in found.databases.items())])


def _refuse(found: _Found, where: str) -> None:
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
        f"{unknown[0].reason}; name it with format=, `chatdata formats` lists them", source=where
    )


def _accounting(readings: list[Reading], resolved: pl.DataFrame) -> pl.LazyFrame:
    rows = [
        {"_document": place, "cause": cause, **vars(tally)}
        for place, reading in enumerate(readings)
        for cause, tally in reading.tallies.items()
    ]
    places = pl.DataFrame(
        {
            "_document": range(len(readings)),
            "origin": [reading.origin for reading in readings],
            "path": [reading.document.path for reading in readings],
        },
        schema={"_document": pl.UInt32, "origin": pl.String, "path": pl.String},
    )
    counts = ("n_records", "n_messages", "n_tool_calls")
    return (
        pl.concat([resolved, pl.DataFrame(rows, schema=resolved.schema)])
        .group_by("_document", "cause")
        .agg(
            *(pl.col(name).sum() for name in counts),
            sum_or_null("output_tokens"),
        )
        .join(places, on="_document", how="left")
        .sort("_document", "cause")
        .select(schema.ACCOUNTING.schema.names())
        .lazy()
    )

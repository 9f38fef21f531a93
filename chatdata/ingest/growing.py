"""Files that grow: read on from where they ended, where every line stands alone.

What stands is the rows of whole lines. The end of a file that is no whole line is a part of its
own, since it may go on: the next reading replaces it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chatdata.formats.base import Reading, reads_by_line
from chatdata.formats.records import CHUNK, Stretch
from chatdata.formats.sources import beginning
from chatdata.ingest.archive import digest
from chatdata.ingest.manifest import Lines
from chatdata.load.collect import detected, found_out, parse

if TYPE_CHECKING:
    from chatdata.formats.sources import Document
    from chatdata.ingest.manifest import Manifest, Seen
    from chatdata.load.collect import Found
    from chatdata.load.scope import Scope


@dataclass(frozen=True)
class Grown:
    """What of a file's lines was read before and still stands, and what stands now."""

    before: Lines
    now: Lines


def read_on(  # noqa: PLR0913, PLR0917 - all that a reading of a file needs
    found: Found,
    manifest: Manifest,
    document: Document,
    n_bytes: int,
    scope: Scope,
    format_name: str | None,
    before: Seen | None,
) -> Grown | None:
    """Read the lines of a file that were not read before; None where they do not stand alone.

    Args:
        found: takes what is read.
        manifest: what was read before.
        document: the file, which may go on growing.
        n_bytes: how much of it is wanted.
        scope: how it is to be understood.
        format_name: what it is said to be, if that is said.
        before: the file when it was read last.
    """
    if not document.is_plain_text():
        return None
    document = beginning(document, n_bytes)
    detection = detected(document, format_name, scope.mapping)
    format_ = detection.format
    if format_ is None or not reads_by_line(format_, document):
        return None
    found.findings.append(found_out(document, detection))
    none = Lines(format_.name, scope.name or document.name, scope.time_zone)
    known = none if before is None else _standing(manifest, document, before, none)
    now = _whole_lines(document, known)
    for stretch in (
        Stretch(known.n_bytes, known.n_lines, now.n_bytes),
        Stretch(now.n_bytes, now.n_lines),
    ):
        now = replace(now, stands=found.next_number)
        parse(found, Reading(document, *none.how, stretch=stretch), format_)
    return Grown(known, now)


def _standing(manifest: Manifest, document: Document, before: Seen, none: Lines) -> Lines:
    """Give the lines that stand: none, where a file is not what it was and more."""
    known = manifest.lines(before.number)
    if known is None or known.how != none.how:
        return none
    return known if digest(document.file, before.n_bytes) == before.sha256 else none


def _whole_lines(document: Document, known: Lines) -> Lines:
    """Find where the last whole line of a document ends, and how many there are."""
    n_bytes, n_lines, at = known.n_bytes, known.n_lines, known.n_bytes
    with document.open() as stream:
        stream.seek(at)
        while data := stream.read(CHUNK):
            if new := data.count(b"\n"):
                n_bytes, n_lines = at + data.rindex(b"\n") + 1, n_lines + new
            at += len(data)
    return replace(known, n_bytes=n_bytes, n_lines=n_lines)

"""The import itself: what is new or changed is read, archived and settled; the rest is skipped."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata.errors import SourceError
from chatdata.formats.base import sniff
from chatdata.formats.sources import Document, documents
from chatdata.ingest.archive import digest, keep
from chatdata.ingest.manifest import Manifest, Seen
from chatdata.ingest.raw import MEMBER_BITS, put_batch, settle
from chatdata.load.collect import Found, read_database, take
from chatdata.load.combine import prefixed
from chatdata.load.scope import Scope
from chatdata.store.commit import Change, changing
from chatdata.store.write import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatdata.chats import Chats, Finding

_DATABASES = ("sqlite://", "postgresql://", "postgres://")
_OVERLAP = timedelta(hours=1)


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        n_read: files and databases that were read.
        n_skipped: files that had not changed.
        n_bytes: bytes of the files that were read.
        findings: what each file was taken for.
    """

    n_read: int
    n_skipped: int
    n_bytes: int
    findings: tuple[Finding, ...] = ()


def ingest(
    sources: Iterable[str | Path],
    lake: Path,
    *,
    origin: str | None = None,
    time_zone: str = "UTC",
    progress: Callable[[str, int], None] | None = None,
) -> Imported:
    """Import logs into a lake, new or existing.

    A file whose size and time are as before is not opened; one that changed is read again as a
    whole and takes the place of what it held. Databases are read from their newest message on,
    with an hour's overlap. Importing twice changes nothing; interrupted, the lake is as before.

    Args:
        sources: files, folders, globs, archives, or database URLs.
        lake: the lake's folder.
        origin: the name of a database in ids, instead of its own.
        time_zone: the zone of times that the source writes without one.
        progress: called with each path and its size before it is read.

    Raises:
        SourceError: a source does not exist, or the lake's folder holds something else.
    """
    with changing(lake) as change:
        manifest = Manifest(change.manifest)
        scope = Scope(time_zone=time_zone)
        found = Found()
        done = Imported(0, 0, 0)
        wanted = []
        for source in map(str, sources):
            if source.startswith(_DATABASES):
                _import_database(change, manifest, source, replace(scope, name=origin))
                done = replace(done, n_read=done.n_read + 1)
            else:
                wanted += documents(source)
        done = _import_files(change, manifest, found, wanted, scope, progress, done)
        return replace(done, findings=tuple(found.findings))


def _import_files(  # noqa: PLR0913, PLR0917 - the parts of one import, handed down once
    change: Change,
    manifest: Manifest,
    found: Found,
    wanted: list[Document],
    scope: Scope,
    progress: Callable[[str, int], None] | None,
    done: Imported,
) -> Imported:
    known = manifest.files()
    batch = uuid.uuid4().hex
    changed = False
    for document in wanted:
        stat = document.file.stat()
        path = str(document.file.resolve())
        before = known.get(path)
        if before and (before.n_bytes, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
            done = replace(done, n_skipped=done.n_skipped + 1)
            continue
        if progress:
            progress(document.path, stat.st_size)
        seen = Seen(path, document.name, stat.st_size, stat.st_mtime_ns, digest(document.file))
        twin = manifest.same_content(seen.sha256)
        if twin is not None:
            manifest.note(seen, twin_of=None if twin.path == path else twin.number)
            done = replace(done, n_skipped=done.n_skipped + 1)
            continue
        seen = replace(seen, name=before.name if before else document.name)
        if _is_application(document):
            _import_database(change, manifest, str(document.file), replace(scope, name=seen.name))
        else:
            number = manifest.note(seen)
            keep(document.file, change.lake, seen.sha256)
            found.next_number = number << MEMBER_BITS
            take(found, replace(document, name=seen.name), None, scope, alone=False)
            manifest.read_in(number, batch)
            changed = True
        done = replace(done, n_read=done.n_read + 1, n_bytes=done.n_bytes + stat.st_size)
    if changed:
        settle(change, manifest.live(), batch, put_batch(change, batch, found))
    return done


def _is_application(document: Document) -> bool:
    return document.kind() == "sqlite" and sniff(document).format is None


def _import_database(change: Change, manifest: Manifest, source: str, scope: Scope) -> None:
    """Read a database from its watermark on; its ids are prefixed by its origin."""
    name = scope.name or _name_of(source)
    mark = manifest.watermark(name)
    since = None if mark is None else datetime.fromisoformat(mark) - _OVERLAP
    chats = read_database(source, replace(scope, name=name, since=since))
    newest = chats.messages.select(pl.col("created_at").max()).collect().item()
    put(change, _with_totals(change, prefixed(chats, name), name, again=mark is not None))
    manifest.set_watermark(name, newest.isoformat() if newest else mark)


def _name_of(source: str) -> str:
    tail = source.rsplit("/", 1)[-1].split("?", 1)[0]
    if not tail:
        raise SourceError("the database has no name; give one with origin=", source="database")
    return Path(tail).stem


def _with_totals(
    change: Change, chats: Chats[pl.LazyFrame], name: str, *, again: bool
) -> Chats[pl.LazyFrame]:
    """Let a part of a database, read from its watermark, add to the accounting it has."""
    if not again:
        return chats
    from chatdata import schema
    from chatdata.formats.lake import frame_of

    def fresh(table: schema.Table) -> int:
        before = frame_of(change.lake, table).select(table.key or "")
        rows = getattr(chats, table.name).join(before, on=table.key, how="anti")
        return int(rows.select(pl.len()).collect().item())

    n_messages, n_calls = fresh(schema.MESSAGES), fresh(schema.TOOL_CALLS)
    n_records = n_messages + fresh(schema.CONVERSATIONS)
    kept = pl.col("cause") == "kept"
    added = {"n_records": n_records, "n_messages": n_messages, "n_tool_calls": n_calls}
    before = frame_of(change.lake, schema.ACCOUNTING).filter(pl.col("origin") == name)
    first = pl.int_range(pl.len()).over("cause") == 0
    return chats.with_frames(
        accounting=before.with_columns(
            pl.when(kept & first)
            .then(pl.col(column) + n)
            .otherwise(column)
            .cast(pl.UInt64)
            .alias(column)
            for column, n in added.items()
        ),
        rejects=frame_of(change.lake, schema.REJECTS).filter(pl.col("origin") == name),
    )

"""The import itself: what is new or changed is read, archived and settled; the rest is skipped."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata.chats import Finding
from chatdata.errors import SourceError
from chatdata.formats.base import sniff
from chatdata.formats.sources import Document, documents
from chatdata.ingest.archive import digest, keep
from chatdata.ingest.manifest import Manifest, Seen
from chatdata.ingest.raw import MEMBER_BITS, put_batch, settle
from chatdata.load.collect import Found, read_database, refuse, take
from chatdata.load.combine import prefixed
from chatdata.load.scope import Scope
from chatdata.store.commit import Change, changing
from chatdata.store.write import put

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatdata.chats import Chats

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
        n_databases: how many of those read were application databases.
    """

    n_read: int
    n_skipped: int
    n_bytes: int
    findings: tuple[Finding, ...] = ()
    n_databases: int = 0


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
        sources: files, folders, globs, archives, or database URLs; the lake's own files are left
            out.
        lake: the lake's folder.
        origin: the name in ids of the one database or file to import, instead of its own.
        time_zone: the zone of times that the source writes without one.
        progress: called with each path and its size before it is read.

    Raises:
        SourceError: a source does not exist, or the lake's folder holds something else.
        UnknownFormatError: nothing in the sources is a chat log of a known format.
    """
    named = [str(source) for source in sources]
    databases = [source for source in named if source.startswith(_DATABASES)]
    wanted = [
        document
        for source in named
        if not source.startswith(_DATABASES)
        for document in documents(source)
        if not document.file.resolve().is_relative_to(lake.resolve())
    ]
    if origin is not None and len(databases) + len(wanted) != 1:
        raise SourceError(
            "one name for several databases or files would mix their ids; import them one by one",
            source=origin,
        )
    with changing(lake) as change:
        run = _Run(change, Manifest(change.manifest), Scope(origin, time_zone=time_zone), progress)
        for source in databases:
            _import_database(change, run.manifest, source, run.scope)
        done = _import_files(run, wanted)
        if not (run.found.readings or done.n_skipped or done.n_databases or databases):
            refuse(run.found, ", ".join(named))
        n_databases = len(databases) + done.n_databases
        return replace(done, n_read=done.n_read + len(databases), n_databases=n_databases)


@dataclass(frozen=True)
class _Run:
    """The parts of one import."""

    change: Change
    manifest: Manifest
    scope: Scope
    progress: Callable[[str, int], None] | None
    found: Found = field(default_factory=Found)
    batch: str = field(default_factory=lambda: uuid.uuid4().hex)


def _import_files(run: _Run, wanted: list[Document]) -> Imported:
    """Read what is new or changed; what cannot be read is noted, and raises only alone."""
    known = run.manifest.files()
    done = []
    for document in wanted:
        try:
            done.append(_import_file(run, document, known.get(str(document.file.resolve()))))
        except SourceError as error:
            if len(wanted) == 1:
                raise
            run.found.findings.append(
                Finding(document.name, document.path, "nothing", error.message)
            )
    n_read, n_databases = (
        sum(getattr(d, name) for d in done) for name in ("n_read", "n_databases")
    )
    if n_read > n_databases:
        batch = put_batch(run.change, run.batch, run.found)
        settle(run.change, run.manifest.live(), run.batch, batch)
    return Imported(
        n_read,
        sum(each.n_skipped for each in done),
        sum(each.n_bytes for each in done),
        tuple(run.found.findings),
        n_databases,
    )


def _import_file(run: _Run, document: Document, before: Seen | None) -> Imported:
    stat = document.file.stat()
    if before and (before.n_bytes, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns):
        return Imported(0, 1, 0)
    if run.progress:
        run.progress(document.path, stat.st_size)
    path = str(document.file.resolve())
    name = before.name if before else run.scope.name or document.name
    seen = Seen(path, name, stat.st_size, stat.st_mtime_ns, digest(document.file))
    twin = run.manifest.same_content(seen.sha256)
    if twin is not None:
        run.manifest.note(seen, twin_of=None if twin.path == path else twin.number)
        return Imported(0, 1, 0)
    if _is_application(document):
        scope = replace(run.scope, name=name)
        _import_database(run.change, run.manifest, str(document.file), scope)
        return Imported(1, 0, stat.st_size, n_databases=1)
    number = run.manifest.note(seen)
    keep(document.file, run.change.lake, seen.sha256)
    run.found.next_number = number << MEMBER_BITS
    take(run.found, replace(document, name=name), None, run.scope, alone=False)
    run.manifest.read_in(number, run.batch)
    return Imported(1, 0, stat.st_size)


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

"""Importing files: each content once, archived, its rows settled with those they belong to."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatdata.chats import Finding
from chatdata.errors import SourceError
from chatdata.formats.frames import Builder
from chatdata.formats.sources import Document, documents
from chatdata.ingest.archive import digest, keep, restore
from chatdata.ingest.databases import import_database, import_member, not_read
from chatdata.ingest.growing import read_on
from chatdata.ingest.manifest import Manifest, Seen
from chatdata.ingest.raw import RawBatch, clear
from chatdata.ingest.settle import settle
from chatdata.load.collect import Found, is_application, take
from chatdata.spool import folder

if TYPE_CHECKING:
    from collections.abc import Callable

    from chatdata.ingest.asked import Asked
    from chatdata.load.scope import Scope
    from chatdata.store.commit import Change


@dataclass
class Run:
    """One import while it goes on.

    Attributes:
        asked: how files are to be read, where that is said.
        batch: takes the rows that are read.
        found: what the files were taken for, and gave beside rows.
        dead: parts whose rows counted before and do not any more.
        n_read: files that were read, application databases (`n_databases`) among them.
            n_bytes: bytes that were read of them.
        n_rows: rows of databases that were read.
        n_skipped: files that had not changed.
    """

    change: Change
    manifest: Manifest
    scope: Scope
    asked: Asked
    progress: Callable[[str, int], None] | None
    batch: RawBatch
    found: Found
    dead: list[int] = field(default_factory=list)
    n_read: int = 0
    n_databases: int = 0
    n_rows: int = 0
    n_skipped: int = 0
    n_bytes: int = 0

    @classmethod
    def of(
        cls,
        change: Change,
        scope: Scope,
        asked: Asked,
        progress: Callable[[str, int], None] | None,
    ) -> Run:
        """Begin an import."""
        manifest = Manifest(change.manifest)
        batch = RawBatch(change, manifest)
        return cls(change, manifest, scope, asked, progress, batch, Found(Builder(batch.hold)))


def import_files(run: Run, wanted: list[Document]) -> None:
    """Read what is new or changed; what cannot be read is noted, and raises where nothing can."""
    known = run.manifest.files()
    errors = []
    for document in wanted:
        try:
            with run.manifest.all_or_nothing():
                _import_file(run, document, known.get(document.place))
        except SourceError as error:
            errors.append(error)
            run.found.findings.append(
                Finding(document.name, document.path, "nothing", error.message)
            )
    if errors and len(errors) == len(wanted):
        raise errors[0]
    run.batch.close(run.found)
    if run.batch.parts or run.dead:
        live = run.manifest.live()
        settle(run.change, live, run.batch.parts, run.dead)
        clear(run.change, live)


def _import_file(run: Run, document: Document, before: Seen | None) -> None:
    stat = document.file.stat()
    is_as_before = before and (before.n_bytes, before.mtime_ns) == (stat.st_size, stat.st_mtime_ns)
    earlier = run.manifest.asked(document.place)
    if is_as_before and run.asked.over(earlier) == earlier:
        run.n_skipped += 1
        return
    if run.progress:
        run.progress(document.path, stat.st_size)
    if run.asked.format is None and is_application(document):
        name = run.manifest.free_name(document.name)
        taken = import_database(
            run.change, run.manifest, str(document.file), run.scope, run.asked, name=name
        )
        run.n_rows += taken.n_rows
        run.found.findings.extend(taken.not_read)
        run.n_databases += 1
        run.n_bytes += stat.st_size
    elif not _import_log(run, document, before, stat.st_size, stat.st_mtime_ns):
        run.n_skipped += 1
        return
    run.n_read += 1


def _import_log(
    run: Run, document: Document, before: Seen | None, n_bytes: int, mtime_ns: int
) -> bool:
    """Read a log, unless its content is in the lake already; says whether it was read."""
    path = document.place
    name = before.name if before else run.manifest.free_name(run.scope.name or document.name)
    seen = Seen(path, name, n_bytes, mtime_ns, digest(document.file, n_bytes))
    twin = run.manifest.same_content(seen.sha256)
    earlier = run.manifest.asked(path if twin is None else twin.path)
    how = run.asked.over(earlier)
    if twin is not None and twin.path == path and how == earlier:
        run.manifest.note(seen)
        return False
    keep(document.file, n_bytes, run.change.lake, seen.sha256)
    if before and before.sha256 != seen.sha256:
        _part_from_twins(run, before)
    run.manifest.note_asked(path, how)
    if twin is not None and twin.path != path:
        number = run.manifest.note(seen, twin_of=twin.number)
        run.manifest.note_lines(number, None)
        run.dead.extend(run.manifest.replace_parts(number, ()))
        if how == earlier:
            return False
        # A content counts once: read otherwise, it is so for the file that stands for it.
        run.manifest.note_asked(twin.path, how)
        document, before, number = replace(document, name=twin.name), None, twin.number
    else:
        document, number = replace(document, name=name), run.manifest.note(seen)
    run.n_bytes += _read(run, number, document, n_bytes, before, how)
    return True


def _part_from_twins(run: Run, changed: Seen) -> None:
    """Read a file that had the content of one that changes: from now on it stands for itself."""
    heir = run.manifest.heir(changed.number)
    if heir is None:
        return
    how = run.manifest.asked(changed.path)
    run.manifest.note_asked(heir.path, how)
    copy = folder() / changed.sha256
    restore(run.change.lake, changed.sha256, copy)
    (document,) = documents(copy)
    document = replace(document, path=heir.path, name=heir.name)
    _read(run, heir.number, document, changed.n_bytes, None, how)


def _read(  # noqa: PLR0913, PLR0917 - all that a reading of a file needs
    run: Run, number: int, document: Document, n_bytes: int, before: Seen | None, how: Asked
) -> int:
    """Read a file; its rows take the place of those that it had, less what stands of them.

    Returns:
        How many bytes were read.
    """
    first = run.found.next_number = run.manifest.take_numbers("part", 0)
    scope = how.of(run.scope)
    grown = read_on(run.found, run.manifest, document, n_bytes, scope, how.format, before)
    if grown is None:
        # With a wrong mapping nothing can be read; what was read before stays.
        take(run.found, document, how.format, scope, alone=how.mapping is not None)
    for name, chats in run.found.databases.items():
        import_member(run.change, chats, name)
        run.found.findings.extend(not_read(chats))
    run.found.databases.clear()
    parts = range(first, run.found.next_number)
    run.manifest.take_numbers("part", len(parts))
    run.batch.parts.extend(parts)
    stands = grown.before.stands if grown else 0
    run.dead.extend(run.manifest.replace_parts(number, parts, since=stands))
    run.manifest.note_lines(number, grown.now if grown else None)
    return n_bytes - (grown.before.n_bytes if grown else 0)

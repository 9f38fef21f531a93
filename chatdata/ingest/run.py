"""The import itself: what is new or changed is read, archived and settled; the rest is skipped."""

from __future__ import annotations

import os
from dataclasses import dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import SourceError
from chatdata.formats.base import named
from chatdata.formats.sources import documents
from chatdata.ingest.asked import Asked
from chatdata.ingest.databases import import_database
from chatdata.ingest.files import Run, import_files
from chatdata.load import names_database
from chatdata.load.collect import refuse
from chatdata.load.read import has_schemas, refuse_schema
from chatdata.load.scope import Scope
from chatdata.store.commit import changing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from chatdata.chats import Finding


@dataclass(frozen=True)
class Imported:
    """What an import did.

    Attributes:
        n_read: files and databases that were read.
        n_skipped: files that had not changed.
        n_bytes: bytes that were read of files; of one that grew line by line, its end.
        findings: what each file was taken for, and what was not read of it, or of a database.
        n_databases: how many of those read were application databases.
        n_rows: how many rows of theirs were read.
    """

    n_read: int
    n_skipped: int
    n_bytes: int
    findings: tuple[Finding, ...] = ()
    n_databases: int = 0
    n_rows: int = 0


def ingest(  # noqa: PLR0913 - each is a question of its own, all but two by keyword
    sources: str | Path | Iterable[str | Path],
    lake: str | Path,
    *,
    origin: str | None = None,
    format: str | None = None,  # noqa: A002 - as `scan` takes it
    mapping: Mapping[str, str] | None = None,
    schema: str | None = None,
    time_zone: str | None = None,
    progress: Callable[[str, int], None] | None = None,
) -> Imported:
    """Import logs into a lake, new or existing.

    A file whose size and time are as before is not opened; one that only grew is read on from where
    it ended, if its lines stand alone; any other that changed is read again as a whole and takes
    the place of what it held. Databases are read from their newest message on,
    with an hour's overlap. Importing twice changes nothing; interrupted, the lake is as before.

    How a source is to be read (`format`, `mapping`, `schema`, `time_zone`) is kept with the lake,
    and need not be said again; said otherwise, the source is read anew as a whole.

    Args:
        sources: files, folders, globs, archives, or database URLs, one or several; the lake's own
            files are left out.
        lake: the lake's folder.
        origin: the name in ids of the one database or file to import, instead of its own.
        format: what the files are, instead of detecting it.
        mapping: which column of a table means what, as `scan` takes it.
        schema: of a Postgres database.
        time_zone: the zone of times that the source writes without one, UTC where nothing is said.
        progress: called with each path and its size before it is read.

    Raises:
        SourceError: a source does not exist, or the lake's folder holds something else.
        UnknownFormatError: nothing in the sources is a chat log of a known format, or there is no
            format of that name.
    """
    if format is not None:
        named(format)
    lake = Path(lake).expanduser()
    several = [sources] if isinstance(sources, str | Path) else sources
    given = [str(source) for source in several]
    databases = [source for source in given if names_database(source)]
    inside = f"{lake.resolve()}{os.sep}"
    wanted = [
        document
        for source in given
        if not names_database(source)
        for document in documents(source)
        if not document.place.startswith(inside)
    ]
    for document in wanted:
        if not document.is_here:
            raise SourceError(
                "an import reads files of this machine and databases; copy the logs here first, or "
                "scan them where they are",
                source=document.path,
            )
    if origin is not None and len(databases) + len(wanted) != 1:
        raise SourceError(
            "one name for several databases or files would mix their ids; import them one by one",
            source=origin,
        )
    refuse_schema(schema, given)
    with changing(lake) as change:
        asked = Asked(format, mapping, None, time_zone)
        run = Run.of(change, Scope(origin), asked, progress)
        of_schema = replace(asked, schema=schema)
        taken = [
            import_database(
                *(change, run.manifest, source, run.scope),
                of_schema if has_schemas(source) else asked,
            )
            for source in databases
        ]
        import_files(run, wanted)
        done = Imported(
            n_read=run.n_read + len(databases),
            n_skipped=run.n_skipped,
            n_bytes=run.n_bytes,
            findings=(*chain.from_iterable(one.not_read for one in taken), *run.found.findings),
            n_databases=run.n_databases + len(databases),
            n_rows=run.n_rows + sum(one.n_rows for one in taken),
        )
        if not (run.found.readings or done.n_skipped or done.n_databases):
            refuse(run.found, ", ".join(given))
        return done

"""Importing application databases: under their own name, and again what went on since.

The second time whole conversations are read: those in which something is newer than the newest
message of the time before, less an overlap for what was being written. So order, parents, calls and
their results are those of a database that is read at once. What the lake has of these conversations
is replaced, whatever else it has stays.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

import polars as pl

from chatdata import schema
from chatdata.errors import SourceError
from chatdata.formats.lake import scan_files
from chatdata.ingest.manifest import Database
from chatdata.ingest.totals import with_totals
from chatdata.load.combine import prefixed
from chatdata.store.write import put

if TYPE_CHECKING:
    from chatdata.chats import Chats, Finding
    from chatdata.ingest.asked import Asked
    from chatdata.ingest.manifest import Manifest
    from chatdata.load.scope import Scope
    from chatdata.store.commit import Change

STEM = "database"
"""How the names of files begin whose rows were read from databases."""
HELD_BYTES = 24 << 20
"""What of a database's rows waits in memory while it is read."""
_OVERLAP = timedelta(hours=1)
_COUNTS = ("n_records", "n_messages", "n_tool_calls")


@dataclass(frozen=True)
class Taken:
    """What was taken from a database: how many rows, and what beside the chat was not read."""

    n_rows: int
    not_read: tuple[Finding, ...]


def import_database(  # noqa: PLR0913 - what changes, what is read, and how
    change: Change,
    manifest: Manifest,
    source: str,
    scope: Scope,
    asked: Asked,
    *,
    name: str | None = None,
) -> Taken:
    """Read a database, or what went on in it since it was read.

    Args:
        change: the change of the lake.
        manifest: what was imported before.
        source: a URL, or the path of a SQLite file.
        scope: with the name that was asked for, if one was.
        asked: how to read it, where that is said.
        name: what to call it where nobody asked; None takes the database's own name.

    Raises:
        SourceError: the lake has another database of that name, or it has none.
    """
    place = _place(source)
    before = manifest.database(scope.name or manifest.database_at(place) or name or _stem(place))
    if scope.name is None and before.place not in (None, place):
        raise SourceError(
            f"the lake has another database called {before.origin!r}, from {before.place}; "
            "import this one with a name of its own (--origin), or that one's if it has moved",
            source=place,
        )
    earlier = manifest.asked(before.origin)
    how = asked.over(earlier)
    manifest.note_asked(before.origin, how)
    since, again = None, how != earlier
    if before.watermark is not None and not again:
        since = datetime.fromisoformat(before.watermark) - _OVERLAP
    # Most imports are of files alone, and the drivers take a while.
    from chatdata.database import read

    chats = read(
        source,
        name=before.origin,
        schema=how.schema,
        mapping=how.mapping,
        time_zone=how.time_zone or "UTC",
        active_since=since,
        held_bytes=HELD_BYTES,
    )
    n_rows = int(chats.accounting.select(pl.col("n_records").sum()).collect().item())
    newest = chats.messages.select(pl.col("created_at").max()).collect().item()
    chats = prefixed(chats, before.origin)
    if since is not None:
        chats = with_totals(change, chats, before.origin, STEM)
    whole = chats.messages.select("conversation_id")
    if again and before.place is not None:
        # Read otherwise, its rows may have other names, so nothing of the old ones stays.
        whole = pl.concat([whole, _conversations(change, before.origin)])
    put(change, chats, stem=STEM, whole=whole.unique())
    known = None if again else before.watermark
    watermark = max(filter(None, (newest and newest.isoformat(), known)), default=None)
    manifest.note_database(Database(before.origin, place, watermark))
    return Taken(n_rows, not_read(chats))


def not_read(chats: Chats[pl.LazyFrame]) -> tuple[Finding, ...]:
    """Give what reading a database left unread."""
    return tuple(finding for finding in chats.findings if finding.became == "not read")


def _conversations(change: Change, origin: str) -> pl.LazyFrame:
    """Name the conversations that the lake has of a database."""
    files = change.files(schema.CONVERSATIONS.name, f"{STEM}-*.parquet")
    known = scan_files(files, schema.CONVERSATIONS).filter(pl.col("origin") == origin)
    return known.select("conversation_id")


def import_member(change: Change, chats: Chats[pl.LazyFrame], name: str) -> None:
    """Import a database that lay in an archive, under its name there."""
    put(change, prefixed(chats, name), stem=STEM)


def _place(source: str) -> str:
    """Say where a database is, without who reads it."""
    from chatdata.database.connect import target

    found = target(source)
    if found.dialect != "sqlite":
        parts = urlsplit(found.uri)
        named = {key: values[-1] for key, values in parse_qs(parts.query).items()}
        host, port = parts.hostname or named.get("host", ""), parts.port or named.get("port", "")
        return f"{host}:{port}{parts.path}"
    path = source.partition("://")[2].removeprefix("/") if "://" in source else source
    return str(Path(path).expanduser().resolve())


def _stem(place: str) -> str:
    stem = Path(place).stem
    if not stem:
        raise SourceError("the database has no name; give one with origin=", source="database")
    return stem

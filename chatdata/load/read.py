"""From a source to `Chats`: a file, folder, glob, archive, database or the sample.

What a source is, is decided by its content, file by file; every decision is a finding.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import parse_qsl, urlsplit

from chatdata.chats import Chats, from_frames
from chatdata.errors import SourceError
from chatdata.formats.base import sniff
from chatdata.formats.lake import is_lake, open_lake
from chatdata.formats.sources import Document, documents
from chatdata.identity import resolve
from chatdata.load.collect import (
    Found,
    accounting,
    places,
    read_database,
    refuse,
    rejects,
    take,
    tallies,
)
from chatdata.load.combine import prefixed, stacked
from chatdata.load.scope import Scope, scoped, window

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    import polars as pl

_DATABASES = ("sqlite", "postgresql", "postgres")


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
    if scheme.partition("+")[0] in _DATABASES:
        return read_database(where, scope)
    if where and is_lake(Path(where).expanduser()):
        return scoped(open_lake(Path(where).expanduser(), *window(scope)), scope)
    listed = documents(where)
    if len(listed) == 1 and format is None and _is_database(listed[0]):
        return read_database(str(listed[0].local()), scope)
    found = Found()
    for document in listed:
        take(found, document, format, scope, alone=len(listed) == 1)
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


def _is_database(document: Document) -> bool:
    return document.kind() == "sqlite" and sniff(document).format is None


def _chats(found: Found, where: str) -> Chats[pl.LazyFrame]:
    if not found.readings and not found.databases:
        refuse(found, where)
    resolved = resolve(found.builder.frames())
    counted = accounting(resolved.accounting, tallies(found), places(found))
    frames = {
        **resolved.frames,
        "rejects": rejects(found).lazy().drop("_document"),
        "accounting": counted.lazy(),
    }
    chats = from_frames(frames, found.findings)
    if not found.databases:
        return chats
    return stacked([chats, *(prefixed(value, key) for key, value in found.databases.items())])

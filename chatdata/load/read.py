"""From a source to `Chats`: a file, folder, glob, archive, database or the sample.

What a source is, is decided by its content, file by file; every decision is a finding.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, TypeAlias, TypedDict, overload
from urllib.parse import parse_qsl, urlsplit

from chatdata import engines
from chatdata.chats import Chats, Finding, from_frames
from chatdata.errors import EngineError, QueryError, SourceError
from chatdata.formats import remote
from chatdata.formats.base import named
from chatdata.formats.lake import MARK, is_lake, open_lake, scan_files, stored
from chatdata.formats.sources import Document, documents, together, without_copies
from chatdata.identity import resolve
from chatdata.load.collect import (
    Found,
    accounting,
    is_application,
    places,
    read_database,
    refuse,
    rejects,
    take,
    tallies,
)
from chatdata.load.combine import prefixed, stacked
from chatdata.load.scope import Scope, scoped
from chatdata.moments import moment, zone

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Unpack

    import duckdb
    import polars as pl
    from pyspark.sql import DataFrame as SparkFrame
    from pyspark.sql import SparkSession

    from chatdata.moments import Moment
    from chatdata.schema import Table

_DATABASES = ("sqlite", "postgresql", "postgres")
Sources: TypeAlias = "str | Path | Sequence[str | Path]"


class Questions(TypedDict, total=False):
    """What `scan` may be asked, whatever the engine."""

    format: str | None
    since: Moment | None
    until: Moment | None
    user_id: str | int | None
    text: bool
    schema: str | None
    time_zone: str
    mapping: Mapping[str, str] | None
    name: str | None


@overload
def scan(
    source: Sources, *, engine: Literal["polars"] = "polars", **questions: Unpack[Questions]
) -> Chats[pl.LazyFrame]: ...
@overload
def scan(
    source: Sources,
    *,
    engine: Literal["duckdb"],
    memory_limit: str | None = None,
    **questions: Unpack[Questions],
) -> Chats[duckdb.DuckDBPyRelation]: ...
@overload
def scan(
    source: Sources,
    *,
    engine: Literal["spark"],
    spark: SparkSession | None = None,
    **questions: Unpack[Questions],
) -> Chats[SparkFrame]: ...
def scan(  # noqa: PLR0913 - each is a question of its own, all but the first by keyword
    source: Sources,
    *,
    engine: engines.Name = "polars",
    memory_limit: str | None = None,
    spark: SparkSession | None = None,
    format: str | None = None,  # noqa: A002 - the field's own word
    since: Moment | None = None,
    until: Moment | None = None,
    user_id: str | int | None = None,
    text: bool = True,
    schema: str | None = None,
    time_zone: str = "UTC",
    mapping: Mapping[str, str] | None = None,
    name: str | None = None,
) -> Chats[Any]:
    """Read any chat log.

    Args:
        source: a file, folder, glob or archive, also behind `s3://`, or several of them, which are
            one log: what one repeats of another counts once; a database URL (`sqlite:///…`,
            `postgresql://…`) or SQLite file; or "sample", also "sample?conversations=500&seed=3".
        engine: where the frames live, "polars", "duckdb" or "spark" (`docs/engines.md`).
        memory_limit: what DuckDB may hold in memory, like "800MB", in this process from now on;
            what outgrows it goes to temporary files.
        spark: the Spark session to use, instead of the active one or a new one.
        format: the format's name, instead of detecting it.
        since: keep messages from this moment on: a time, a day or ISO text; naive means UTC.
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
        QueryError: a time or a time zone is none, or `until` lies before `since`.
        EngineError: there is no such engine, it cannot be started, or cannot read this source.
    """
    if format is not None:
        named(format)
    begin, end = moment(since), moment(until)
    if begin is not None and end is not None and begin > end:
        raise QueryError(f"a window from {begin} until {end}; expected until after since")
    scope = Scope(
        name,
        begin,
        end,
        None if user_id is None else str(user_id),
        text,
        schema,
        zone(time_zone),
        mapping,
    )
    refuse_schema(schema, [source] if isinstance(source, str | Path) else source)
    if spark is not None and engine != "spark":
        raise EngineError(f"a Spark session for {engine}; expected engine='spark' beside spark=")
    if memory_limit is not None and engine != "duckdb":
        raise EngineError(f"a memory limit for {engine}; only engine='duckdb' keeps to one")
    if engine == "polars":
        return read(recognised(source, format, mapping), scope)
    engines.engine(engine)
    if engine == "spark":
        from chatdata.engines.session import session
        from chatdata.load.spark import lake_there, read_there

        if "://" in str(source) and not names_database(str(source)):
            return scoped(lake_there(str(source), session(spark)), scope)
        return read_there(recognised(source, format, mapping), scope, session(spark))
    found = recognised(source, format, mapping)
    if memory_limit is not None:
        from chatdata.engines.duckdb import limit

        limit(memory_limit)
    if found.kind == "lake":
        return scoped(_lake_on_duckdb(found, scope), scope)
    return read(found, scope).to(engine)


@dataclass(frozen=True)
class Source:
    """What a source was recognised as.

    Attributes:
        kind: what reads it.
        where: its name, path, folder or URL.
        place: of a lake in a bucket, where that is.
        documents: of files, each content once.
        format: the format that they are said to have.
        copies: what was found of files that hold the bytes of another.
    """

    kind: Literal["sample", "database", "lake", "files"]
    where: str
    documents: tuple[Document, ...] = ()
    format: str | None = None
    place: remote.Place | None = None
    copies: tuple[Finding, ...] = ()


def recognised(
    source: Sources, format_name: str | None = None, mapping: Mapping[str, str] | None = None
) -> Source:
    """Tell what a source is, by its name and by what lies there.

    Raises:
        SourceError: nothing lies there, or several sources are not all files.
    """
    if not isinstance(source, str | Path):
        return _several([str(each) for each in source], format_name, mapping)
    where = str(source)
    if names_database(where) or where.split("?", 1)[0] == "sample":
        return Source("database" if "://" in where else "sample", where)
    if remote.is_remote(where) and (place := remote.place(where)).is_file(MARK):
        return Source("lake", place.shown, place=place)
    if where and is_lake(Path(where).expanduser()):
        return Source("lake", str(Path(where).expanduser()))
    listed = documents(where)
    if len(listed) == 1 and format_name is None and is_application(listed[0], mapping):
        return Source("database", str(listed[0].local()))
    return _files(where, listed, format_name)


def _several(
    sources: list[str], format_name: str | None, mapping: Mapping[str, str] | None
) -> Source:
    if len(sources) == 1:
        return recognised(sources[0], format_name, mapping)
    others = [each for each in sources if recognised(each, format_name, mapping).kind != "files"]
    if others or not sources:
        raise SourceError(
            "only files and folders are read as one log; put databases, lakes and the sample "
            "beside them with concat",
            source=others[0] if others else "no source",
        )
    return _files(", ".join(sources[:3]), together(sources), format_name)


def _files(where: str, listed: list[Document], format_name: str | None) -> Source:
    """Take each content once, as an import does."""
    kept, copies = without_copies(listed)
    left = (
        Finding(copy.name, copy.path, "left aside", f"it holds the bytes of {name}, read once")
        for copy, name in copies
    )
    return Source("files", where, tuple(kept), format_name, copies=tuple(left))


def read(source: Source, scope: Scope) -> Chats[pl.LazyFrame]:
    """Read a source in this process."""
    if source.kind == "sample":
        return scoped(_sample(source.where), scope)
    if source.kind == "database":
        return read_database(source.where, scope)
    if source.kind == "lake":
        return scoped(_lake(source, scope), scope)
    found = Found(findings=list(source.copies))
    for document in source.documents:
        take(found, document, source.format, scope, alone=len(source.documents) == 1)
    if not found.readings and not found.databases:
        refuse(found, source.where)
    return scoped(chats_of(found), scope)


def _lake(source: Source, scope: Scope) -> Chats[pl.LazyFrame]:
    if source.place is None:
        return open_lake(stored(Path(source.where)), scan_files, scope.since, scope.until)
    scan_there = partial(remote.scan_files, source.place)
    return open_lake(remote.stored(source.place), scan_there, scope.since, scope.until)


def _lake_on_duckdb(source: Source, scope: Scope) -> Chats[duckdb.DuckDBPyRelation]:
    from chatdata.engines import duckdb as there

    place = source.place
    if place is None:
        return open_lake(stored(Path(source.where)), there.scan_files, scope.since, scope.until)

    def scan_there(files: list[str], table: Table) -> duckdb.DuckDBPyRelation:
        return there.scan_dataset(remote.dataset(place, files, table))

    return open_lake(remote.stored(place), scan_there, scope.since, scope.until)


def names_database(source: str) -> bool:
    """Whether a source is the URL of a database, with or without the driver's name."""
    scheme, found, _ = source.partition("://")
    return bool(found) and scheme.partition("+")[0] in _DATABASES


def has_schemas(source: str | Path) -> bool:
    """Whether a source is a Postgres database."""
    return names_database(str(source)) and str(source).startswith("postgres")


def refuse_schema(schema: str | None, sources: Sequence[str | Path]) -> None:
    """Refuse a schema where no source has any.

    Raises:
        SourceError: so it is.
    """
    if schema is not None and not any(map(has_schemas, sources)):
        scheme, found, _ = str(next(iter(sources), "no source")).partition("://")
        where = f"{scheme}://…" if found else scheme
        raise SourceError("only a Postgres database has schemas; leave schema out", source=where)


def _sample(where: str) -> Chats[pl.LazyFrame]:
    from chatdata.sample import sample

    asked = dict(parse_qsl(urlsplit(where).query))
    unknown = sorted(asked.keys() - {"conversations", "seed"})
    if unknown or not all(value.isdecimal() for value in asked.values()):
        raise SourceError(
            "the sample takes conversations= and seed=, both whole numbers", source=where
        )
    return sample(**{key: int(value) for key, value in asked.items()})


def chats_of(found: Found) -> Chats[pl.LazyFrame]:
    """Count each thing once of all that documents gave."""
    resolved = resolve(found.builder.frames())
    counted = accounting(resolved.accounting, tallies(found), places(found))
    frames = {
        **resolved.frames,
        "rejects": rejects(found).lazy().drop("_document"),
        "accounting": counted.lazy().drop("_document"),
    }
    chats = from_frames(frames, found.findings)
    if not found.databases:
        return chats
    return stacked([chats, *(prefixed(value, key) for key, value in found.databases.items())])

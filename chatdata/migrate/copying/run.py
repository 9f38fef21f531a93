"""One copy, from the first refusal to the proof.

The reader does the understanding; its frames are put into a scratch database, where they are
numbered by (time, id), and go from there to the target in batches. Each batch and the old ids of
its rows, in `chatdata_id_map`, are written in one transaction, so that a copy can be killed
anywhere, repeated, and continued later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata.errors import MigrationError, SourceError
from chatdata.load import scan
from chatdata.migrate import backfill, engine, history, lock, runner
from chatdata.migrate.copying import filling, people, placing, proof, scratch, staging

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import duckdb

_OURS = ("users", "tasks", "conversations", "messages")


@dataclass(frozen=True)
class Copied:
    """What a copy brought over: rows of the source, and what our tables have no place for."""

    source: str
    target: str
    n_users: int
    n_tasks: int
    n_conversations: int
    n_messages: int
    n_tool_calls: int
    n_malformed: int
    not_carried: tuple[str, ...]

    def __str__(self) -> str:
        left = f"; not carried over: {', '.join(self.not_carried)}" if self.not_carried else ""
        return (
            f"{self.source} -> {self.target}: {self.n_users:,} users, {self.n_tasks:,} tasks, "
            f"{self.n_conversations:,} conversations, {self.n_messages:,} messages, "
            f"{self.n_tool_calls:,} tool calls "
            f"({self.n_malformed:,} messages with malformed ones, kept as they are){left}"
        )


def copy(  # noqa: PLR0913 - keywords, each with a default
    source: str,
    target: str,
    *,
    schema: str | None = None,
    time_zone: str = "UTC",
    fill: Mapping[str, str] | None = None,
    on_rows: Callable[[str, int], None] = lambda _table, _rows: None,
) -> Copied:
    """Copy an application's chats, users and tasks into a database of ours; twice is as once.

    What the source has got since an earlier copy is added, and conversations that went on since get
    their new `updated_at`; nothing else that is there is changed.

    Args:
        source: the application's database, read only.
        target: a database that our chain made, or that does not exist yet.
        schema: of a PostgreSQL source.
        time_zone: the zone of the source's naive times.
        fill: what to take for columns that the source lacks, as `{"users.name": "email"}`: a
            column of that table, or `first_seen` and `last_seen`, from the times of chats.
        on_rows: told a table and how many new rows of it are there, after each batch.

    Raises:
        MigrationError: the source cannot be read (exit code 2); the target is an application's, or
            holds something else, or a column that may not be null has no source (exit code 3); or
            what arrived is not what was read (exit code 5).
    """
    told = dict(fill or {})
    columns = filling.columns_of_source(told)
    name = _identity(source, schema)
    _refuse_target(target, name)
    with scratch.opened() as db:
        _stage(db, source, schema=schema, time_zone=time_zone, fill=columns)
        filling.fill_in(db, told)
        filling.refuse(db, engine.label(source), told)
        if engine.file_of(target) is None:
            filling.refuse_for_postgres(db, engine.label(source))
        runner.upgrade(target)
        with engine.connect(target) as connection:
            _take_any_bytes(connection)
            if connection.dialect.name != "sqlite":
                lock.refuse_pooler(connection, engine.label(target))
            _place(db, connection, name, on_rows)
            progress = backfill.run(target)
            proof.set_call_times(db, connection)
            _prove(db, connection, engine.label(target))
        lost = db.execute("SELECT DISTINCT name FROM lost ORDER BY 1").fetchall()
        rows = {table: scratch.count(db, table) for table in ("users", "tasks", "conversations")}
        return Copied(
            source=engine.label(source),
            target=engine.label(target),
            n_users=rows["users"],
            n_tasks=rows["tasks"],
            n_conversations=rows["conversations"],
            n_messages=scratch.count(db, placing.MESSAGES.placed),
            n_tool_calls=scratch.count(db, "calls"),
            n_malformed=progress.bad,
            not_carried=tuple(name for (name,) in lost),
        )


def _identity(source: str, schema: str | None) -> str:
    """Name a source in the map, so that it is known again from wherever it is copied."""
    file = engine.file_of(source)
    if file is not None:
        return str(file.resolve())[-255:]
    url = engine.parse(source)
    return f"{engine.label(url)}:{url.port or 5432}#{schema or ''}"[-255:]


def _refuse_target(target: str, name: str) -> None:
    """Refuse a target that is an application's, or holds rows of another source."""
    file = engine.file_of(target)
    if file is not None and (not file.is_file() or str(file.resolve()) == name):
        if file.is_file():
            raise MigrationError(
                "is the source itself",
                state="nothing was copied",
                then="copy into another one: chatdata db copy SOURCE URL",
                source=engine.label(target),
                exit_code=2,
            )
        return
    with engine.read(target) as connection:
        said = "is an application's own database" if history.adopted(connection) else None
        inspector = sa.inspect(connection)
        there = inspector.get_table_names()
        if said is None and history.revision(connection) is not None:
            query = sa.select(placing.ID_MAP.c.source).distinct()
            known = connection.scalars(query).all() if placing.ID_MAP.name in there else []
            others = [each for each in known if each != name]
            held = next((each for each in _OURS if each in there and _rows(connection, each)), None)
            if others:
                said = f"already holds a copy of {others[0]}"
            elif held and not known:
                said = f"already holds {held} of its own"
    if said is not None:
        raise MigrationError(
            said,
            state="nothing was copied",
            then="copy into a new one: chatdata db copy SOURCE URL",
            source=engine.label(target),
            exit_code=3,
        )


def _rows(connection: sa.Connection, table: str) -> bool:
    return connection.scalar(sa.text(f"SELECT 1 FROM {table} LIMIT 1")) is not None


def _stage(
    db: duckdb.DuckDBPyConnection,
    source: str,
    *,
    schema: str | None,
    time_zone: str,
    fill: Mapping[str, str],
) -> None:
    try:
        chats = scan(source, schema=schema, time_zone=time_zone)
        layout = people.stage(db, source, schema=schema, time_zone=time_zone, fill=fill)
    except SourceError as error:
        raise MigrationError(
            error.message,
            state="nothing was copied",
            then="see what it holds: chatdata scan SOURCE --explain",
            source=error.source,
            exit_code=2,
        ) from error
    staging.stage(db, chats, layout)


def _place(
    db: duckdb.DuckDBPyConnection,
    connection: sa.Connection,
    name: str,
    on_rows: Callable[[str, int], None],
) -> None:
    with connection.begin():
        placing.ID_MAP.create(connection, checkfirst=True)
        placing.mark(connection, name)
    with connection.begin():
        placing.number(db, connection, name)
    proof.set_last_times(db, connection)
    placing.insert(db, connection, name, on_rows)
    with connection.begin():
        placing.advance(connection)


def _take_any_bytes(connection: sa.Connection) -> None:
    """Let what is no UTF-8 in an SQLite target be read, as something that we never wrote."""
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        driver.text_factory = lambda raw: raw.decode("utf-8", "replace")


def _prove(db: duckdb.DuckDBPyConnection, connection: sa.Connection, target: str) -> None:
    wrong = proof.wrong(db, connection)
    if wrong:
        found = ", ".join(f"{n:,} rows of {table}" for table, n in wrong.items())
        raise MigrationError(
            f"{found} are not what the source holds; they are missing, or were changed since they "
            "were copied, here or there",
            state="what was copied stays as it is",
            then="for what the source holds now, copy into a new one: chatdata db copy SOURCE URL",
            source=target,
            exit_code=5,
        )

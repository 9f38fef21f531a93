"""Connections that are safe to migrate on.

SQLite: the driver's own transaction handling is off, so that DDL is part of our BEGIN IMMEDIATE,
and foreign keys are off from the first moment, because switching them off inside a transaction
does nothing and a rebuilt parent table would then delete its children. PostgreSQL: every
transaction waits for locks only briefly, so that nobody queues behind us.
"""

from __future__ import annotations

import re
import sqlite3
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy import event

from chatdata.errors import MigrationError

if TYPE_CHECKING:
    from collections.abc import Iterator

BUSY_MS = 5_000
LOCK_MS = 200
LOCK_MS_MOST = 2_000


def parse(url: str | sa.URL) -> sa.URL:
    """Read a database URL and choose its driver.

    Raises:
        MigrationError: neither SQLite nor PostgreSQL (exit code 2).
    """
    try:
        found = sa.make_url(url)
    except sa.exc.ArgumentError:
        raise MigrationError(
            "not a database URL; expected sqlite:///path/to.db or postgresql://user@host/name",
            exit_code=2,
        ) from None
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
    backend = found.drivername.partition("+")[0]
    backend = "postgresql" if backend == "postgres" else backend
    if backend not in drivers:
        raise MigrationError(
            f"databases of kind {backend!r} cannot be migrated; expected sqlite or postgresql",
            exit_code=2,
        )
    return found.set(drivername=drivers[backend])


def label(url: str | sa.URL) -> str:
    """Name a database for people: its file, or its host and name, never a user or a password."""
    found = parse(url)
    if found.get_backend_name() == "sqlite":
        return found.database or ":memory:"
    host = found.host or found.query.get("host") or "localhost"
    return f"{host}/{found.database}"


def quoted(name: str) -> str:
    """Quote an identifier, for both databases."""
    return '"' + name.replace('"', '""') + '"'


def file_of(url: str | sa.URL) -> Path | None:
    """The file of an SQLite database, or None for anything else."""
    found = parse(url)
    memory = found.database in (None, "", ":memory:")
    return Path(found.database) if found.get_backend_name() == "sqlite" and not memory else None  # type: ignore[arg-type]  # memory covers None


def make(url: str | sa.URL, *, schema: str | None = None) -> sa.Engine:
    """Make an engine whose transactions behave as this module promises.

    Args:
        url: the database.
        schema: PostgreSQL only: the schema in which everything happens.
    """
    parsed = parse(url)
    if parsed.get_backend_name() == "sqlite":
        return _sqlite(parsed)
    return _postgres(parsed, schema)


@contextmanager
def connect(url: str | sa.URL, *, schema: str | None = None) -> Iterator[sa.Connection]:
    """Open one connection; what the server or the file system says becomes a `MigrationError`.

    Raises:
        MigrationError: it cannot be opened, or another program holds it (exit code 4).
    """
    with _opened(make(url, schema=schema), url) as connection:
        yield connection


@contextmanager
def read(url: str | sa.URL, *, schema: str | None = None) -> Iterator[sa.Connection]:
    """Open one connection that cannot write and holds nobody up.

    Raises:
        MigrationError: it cannot be opened or read.
    """
    file = file_of(url)
    if file is None:
        engine = make(url, schema=schema)
        event.listen(engine, "begin", _read_only)
    else:
        place = f"{file.absolute().as_uri()}?mode=ro"
        engine = sa.create_engine(
            "sqlite://",
            creator=lambda: sqlite3.connect(place, uri=True),
            poolclass=sa.pool.NullPool,
        )
    with _opened(engine, url) as connection:
        yield connection


@contextmanager
def _opened(engine: sa.Engine, url: str | sa.URL) -> Iterator[sa.Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except sa.exc.DBAPIError as error:
        raise explain(error, label(url)) from error
    finally:
        engine.dispose()


def explain(error: sa.exc.DBAPIError, source: str) -> MigrationError:
    """Say what a driver's error means, without the statement and its values."""
    said = str(error.orig).strip().splitlines()[0] if error.orig else type(error).__name__
    # 'invalid input syntax for type integer: "..."' quotes what somebody wrote.
    said = re.sub(r': ".*"$', ": (a value)", said)
    if "locked" in said or getattr(error.orig, "sqlstate", None) == "55P03":
        return MigrationError(
            f"another program holds it ({said}); nothing was changed; try again when it is done",
            source=source,
            exit_code=4,
        )
    hints = {
        "unable to open": "the folder does not exist or cannot be written",
        "readonly": "the file cannot be written; check its permissions",
        "not a database": "the file is encrypted or no SQLite database",
        "malformed": "the file is damaged; restore a backup: chatdata db restore URL BACKUP",
        "full": "free some space on the disk and run the same command again",
        "No space left": "free some space on the server's disk and run the same command again",
    }
    hint = next((hint for words, hint in hints.items() if words in said), "the change was undone")
    return MigrationError(f"{said}: {hint}", source=source)


def _read_only(connection: sa.Connection) -> None:
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("SET TRANSACTION READ ONLY")


def _sqlite(url: sa.URL) -> sa.Engine:
    engine = sa.create_engine(url, poolclass=sa.pool.NullPool)

    @event.listens_for(engine, "connect")
    def _connect(dbapi: Any, _record: object) -> None:  # noqa: ANN401 - sqlite3.Connection, unproxied
        dbapi.isolation_level = None
        dbapi.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        dbapi.execute("PRAGMA foreign_keys=OFF")

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        connection.exec_driver_sql("BEGIN IMMEDIATE")

    return engine


def _postgres(url: sa.URL, schema: str | None) -> sa.Engine:
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool)
    except ModuleNotFoundError:
        raise MigrationError(
            "the PostgreSQL driver is not installed: pip install 'chatdata[postgres]'",
            source=label(url),
            exit_code=2,
        ) from None

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        timeout = connection.info.get("lock_ms", LOCK_MS)
        connection.exec_driver_sql(f"SET LOCAL lock_timeout = {timeout}")
        # What waits for nobody may take its time, whatever the role's own limit is.
        connection.exec_driver_sql("SET LOCAL statement_timeout = 0")

    if schema is not None:
        name = engine.dialect.identifier_preparer.quote_identifier(schema)

        @event.listens_for(engine, "connect")
        def _connect(dbapi: Any, _record: object) -> None:  # noqa: ANN401 - psycopg's, unproxied
            dbapi.execute(f"SET search_path = {name}")
            dbapi.commit()

    return engine

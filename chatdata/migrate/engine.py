"""Connections that are safe to migrate on.

SQLite: the driver's own transaction handling is off, so that DDL is part of our BEGIN IMMEDIATE,
and foreign keys are off from the first moment, because switching them off inside a transaction
does nothing and a rebuilt parent table would then delete its children. PostgreSQL: every
transaction waits for locks only briefly, so that nobody queues behind us.
"""

from __future__ import annotations

import itertools
import re
import sqlite3
import time
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa
from sqlalchemy import event

from chatdata.errors import MigrationError
from chatdata.migrate import uris

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

T = TypeVar("T")

SECRETS = ("password", "sslpassword")
"""What a URL of PostgreSQL may say after its question mark, and nobody is shown."""
BUSY_MS = 5_000
LOCK_MS = 50
"""How long a statement of ours may stand in line for a lock on PostgreSQL.

Whoever comes after it stands in line behind it, so this, and what it then does under the lock, is
how long we can make an application wait.
"""
PATIENCE_S = 60.0
_MOMENTARY = ("55P03", "40P01", "40001", "23503")
"""A lock not to be had, a deadlock, a conflict, a message deleted meanwhile."""
_ROW_CLASSES = ("22", "54")
_ROW_CODES = ("23502", "23514")
"""Values that cannot be, or are too long for an index; a null or value that a rule forbids."""


def parse(url: str | sa.URL) -> sa.URL:
    """Read a database URL and choose its driver.

    Raises:
        MigrationError: neither SQLite nor PostgreSQL (exit code 2).
    """
    try:
        found = sa.make_url(url)
    except (sa.exc.ArgumentError, ValueError):
        # A port that is no number may be the rest of a password.
        raise MigrationError(
            "not a database URL; expected sqlite:///path/to.db or postgresql://user@host/name",
            then="run the same command with such a URL",
            exit_code=2,
        ) from None
    # What follows a / in a password is taken for the name.
    if "@" in (found.host or "") or (found.password and "@" in (found.database or "")):
        raise MigrationError(
            "more than one @ in a database URL; in a user or password it is %40, and / is %2F",
            then="run the same command with such a URL",
            exit_code=2,
        )
    drivers = {"sqlite": "sqlite", "postgresql": "postgresql+psycopg"}
    backend = found.drivername.partition("+")[0]
    backend = "postgresql" if backend == "postgres" else backend
    if backend not in drivers:
        raise MigrationError(
            f"databases of kind {backend!r} cannot be migrated; expected sqlite or postgresql",
            then="run the same command with such a URL",
            exit_code=2,
        )
    found = found.set(drivername=drivers[backend])
    return uris.named_by_path(found) if backend == "sqlite" else found


def label(url: str | sa.URL) -> str:
    """Name a database for people: its file, or its host and name, never a user or a password."""
    found = parse(url)
    if found.get_backend_name() == "sqlite":
        return found.database or ":memory:"
    host = found.host or found.query.get("host") or "localhost"
    return f"{host}/{found.database}"


def public(url: str | sa.URL) -> str:
    """Write a URL without its passwords, wherever in it they are, so that it can still be used."""
    found = parse(url).difference_update_query(SECRETS)
    parts = {key: getattr(found, key) for key in found._fields if key != "password"}
    return sa.URL.create(**parts).render_as_string()


def quoted(name: str) -> str:
    """Quote an identifier, for both databases."""
    return '"' + name.replace('"', '""') + '"'


def file_of(url: str | sa.URL) -> Path | None:
    """The file of an SQLite database, or None for anything else."""
    found = parse(url)
    memory = found.database in (None, "", ":memory:")
    return Path(found.database) if found.get_backend_name() == "sqlite" and not memory else None  # type: ignore[arg-type]  # memory covers None


def in_schema(name: str) -> str:
    """The statement after which PostgreSQL finds and makes everything in one schema."""
    return f"SET search_path = {quoted(name)}"


def url_of(file: Path) -> str:
    """The URL of an SQLite file, whatever characters its name holds."""
    return sa.URL.create("sqlite", database=str(file.absolute())).render_as_string()


def peek(file: Path, *, still: bool = False) -> sqlite3.Connection:
    """Open an SQLite file that is there, for reading alone.

    What a killed program left half written is undone first, as by any reader that may write: a
    file that may only be read keeps it, and cannot be read at all.

    Args:
        file: the database, or a link to it.
        still: nobody writes it and it has no log, so that none need be made beside it.
    """
    place = file.resolve()
    journal = place.with_name(f"{place.name}-journal")
    with suppress(OSError, sqlite3.Error):
        if journal.stat().st_size:
            uri = f"{place.as_uri()}?mode=rw"
            with closing(sqlite3.connect(uri, uri=True, timeout=0)) as undoing:
                undoing.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchall()
    mode = "ro&immutable=1" if still else "ro"
    return sqlite3.connect(f"{place.as_uri()}?mode={mode}", uri=True)


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
        engine = sa.create_engine(
            parse(url), creator=lambda: peek(file), poolclass=sa.pool.NullPool
        )
    with _opened(engine, url) as connection:
        yield connection


def freeze(connection: sa.Connection) -> None:
    """Let a fresh connection that only reads see one moment, whatever others commit."""
    if connection.dialect.name != "sqlite":
        connection.execution_options(isolation_level="REPEATABLE READ")
        return
    connection.begin()
    driver: Any = connection.connection.driver_connection
    if not driver.in_transaction:
        driver.execute("BEGIN")


@contextmanager
def _opened(engine: sa.Engine, url: str | sa.URL) -> Iterator[sa.Connection]:
    try:
        with engine.connect() as connection:
            yield connection
    except (*FAILURES, sqlite3.Error) as error:
        raise explain(error, label(url)) from error
    except Exception as error:
        # Rows are written through the driver itself; psycopg is imported where it is used.
        if type(error).__module__.startswith("psycopg"):
            raise explain(error, label(url)) from error
        raise
    finally:
        engine.dispose()


def transact(connection: sa.Connection, step: Callable[[], T], *, again: tuple[str, ...] = ()) -> T:
    """Run a step in a transaction of its own, again where only the moment was wrong.

    Args:
        connection: in no transaction.
        step: what to do; it is undone before it is repeated.
        again: more of PostgreSQL's error codes that are worth another try.

    Raises:
        DBAPIError: anything else, or the moment has been wrong for `PATIENCE_S`.
    """
    until = time.monotonic() + PATIENCE_S
    for attempt in itertools.count(1):
        try:
            with connection.begin():
                return step()
        except sa.exc.DBAPIError as error:
            state = getattr(error.orig, "sqlstate", None)
            passes = "locked" in str(error.orig) or state in (*_MOMENTARY, *again)
            if not passes or time.monotonic() > until:
                raise
        time.sleep(min(0.05 * attempt, 0.5))
    raise AssertionError  # pragma: no cover - the loop returns or raises


def refuses(error: sa.exc.DBAPIError) -> bool:
    """Whether it is a row that the database does not take, whenever it is asked to."""
    state = getattr(error.orig, "sqlstate", None)
    if state is None:
        return isinstance(error, (sa.exc.IntegrityError, sa.exc.DataError))
    return state[:2] in _ROW_CLASSES or state in _ROW_CODES


FAILURES = (sa.exc.DBAPIError, sa.exc.PendingRollbackError)
"""What the driver says, and what follows where a connection is used on after it was lost."""
UNDONE = "what was complete is kept, and what was not is undone"
_NO_TEXT = re.compile(r"Could not decode to UTF-8 column '(.*?)' with text '.*")
_DAMAGE = ("not a database", "malformed")
_AGAIN = "run the same command again"
_HINTS = {
    "unable to open": f"check that the folder exists and may be written, and {_AGAIN}",
    "readonly": f"check the permissions of the file and of its folder, and {_AGAIN}",
    "full": f"free some space on the disk, and {_AGAIN}",
    "No space left": f"free some space on the server's disk, and {_AGAIN}",
    "terminating connection": _AGAIN,
    "connection is": _AGAIN,
    "server closed": _AGAIN,
    "I/O error": f"check the disk, its space and its limits, and {_AGAIN}",
}


def explain(error: BaseException, source: str, state: str = UNDONE) -> MigrationError:
    """Say what a driver's error means, without the statement and its values.

    Args:
        error: what was raised, one of `FAILURES`.
        source: the database's name.
        state: what the database is like now.

    Raises:
        KeyboardInterrupt: that is what it follows from.
    """
    while isinstance(error, sa.exc.PendingRollbackError) and error.__context__ is not None:
        error = error.__context__
    if isinstance(error, KeyboardInterrupt):
        raise error
    original = getattr(error, "orig", None) or error
    said = next(iter(str(original).strip().splitlines()), type(original).__name__)
    # 'invalid input syntax for type integer: "..."' quotes what somebody wrote.
    said = re.sub(r'(:| near) ".*"$', r"\1 (a value)", said)
    said = _NO_TEXT.sub(r"a text in column \1 is no UTF-8", said)
    if "locked" in said or getattr(original, "sqlstate", None) == "55P03":
        return MigrationError(
            f"another program holds it ({said})",
            state=state,
            then=f"when it is done, {_AGAIN}",
            source=source,
            exit_code=4,
        )
    if damages(error):
        return MigrationError(
            f"is damaged, or encrypted, or no SQLite database ({said})",
            state=state,
            then="put a copy in its place, such as the newest *.backup beside it: "
            "chatdata db restore URL BACKUP",
            source=source,
        )
    hint = next((hint for words, hint in _HINTS.items() if words in said), None)
    then = hint or "see where it stands: chatdata db status URL"
    return MigrationError(said, state=state, then=then, source=source)


def damages(error: BaseException | None) -> bool:
    """Whether it is SQLite that finds a file damaged, which another try does not change."""
    original = getattr(error, "orig", None) or error
    return isinstance(original, sqlite3.DatabaseError) and any(
        words in str(original) for words in _DAMAGE
    )


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

    event.listen(engine, "begin", _begin_immediate)
    return engine


def _begin_immediate(connection: sa.Connection) -> None:
    """Take the write lock; who holds it is waited for while what is committed shows progress."""
    until, seen = time.monotonic() + PATIENCE_S, _version(connection)
    while True:
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sa.exc.OperationalError:
            before, seen = seen, _version(connection)
            if seen == before or time.monotonic() > until:
                raise
        else:
            return


def _version(connection: sa.Connection) -> object:
    """What changes with every commit of another connection; None where a writer hides it."""
    driver: Any = connection.connection.driver_connection
    try:
        return driver.execute("PRAGMA data_version").fetchone()
    except sqlite3.OperationalError:
        return None


def _options(url: sa.URL, schema: str) -> str:
    """Ask for a schema when the session begins.

    Said later it would stay with a session that a pooler then gives to the application.
    """
    path = quoted(schema).replace("\\", "\\\\").replace(" ", "\\ ")
    before = url.query.get("options", ())
    told = [before] if isinstance(before, str) else before
    return " ".join([*told, f"-csearch_path={path}"])


def _postgres(url: sa.URL, schema: str | None) -> sa.Engine:
    asked = {} if schema is None else {"options": _options(url, schema)}
    try:
        engine = sa.create_engine(url, poolclass=sa.pool.NullPool, connect_args=asked)
    except ModuleNotFoundError:
        raise MigrationError(
            "the PostgreSQL driver is not installed",
            then="run: pip install 'chatdata[postgres]'",
            source=label(url),
            exit_code=2,
        ) from None

    @event.listens_for(engine, "begin")
    def _begin(connection: sa.Connection) -> None:
        # What waits for nobody may take its time, whatever the role's own limit is.
        connection.exec_driver_sql(
            f"SET LOCAL lock_timeout = {LOCK_MS}; SET LOCAL statement_timeout = 0"
        )

    @event.listens_for(engine, "do_connect")
    def _connect(dialect: Any, _record: object, said: Any, named: dict[str, Any]) -> Any:  # noqa: ANN401 - psycopg's, unproxied
        dbapi = dialect.connect(*said, **named)
        (found,) = dbapi.execute("SELECT current_schemas(false)").fetchone()
        dbapi.commit()
        if schema is not None and not found:
            dbapi.close()
            raise MigrationError(
                f"there is no schema {schema}",
                then="create it, or run the same command with one that is there",
                source=label(url),
                exit_code=2,
            )
        if len(found) > 1:
            # What is ours in another schema of the search path is another database of ours.
            dbapi.close()
            return dialect.connect(*said, **named | {"options": _options(url, found[0])})
        return dbapi

    return engine

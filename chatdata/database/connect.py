"""A read-only snapshot of somebody else's database, as Arrow.

SQLite is opened `mode=ro` and read in one transaction; Postgres in one READ ONLY, REPEATABLE READ
transaction without row-level security, which would hide rows in silence. Low-level ADBC is used
throughout: no row ever becomes a Python object.
"""

from __future__ import annotations

import os
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal
from urllib.parse import quote, unquote, urlsplit

import pyarrow as pa
from adbc_driver_manager import AdbcConnection, AdbcDatabase, AdbcStatement, Error

from chatdata.database.sql import literal, quoted
from chatdata.errors import AccessError, SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

Dialect = Literal["sqlite", "postgresql"]

_BATCH_ROWS = "4096"  # of 1,024 to 262,144 the least CPU on a million messages
_LOCK_TIMEOUT_MS = 5000


@dataclass(frozen=True)
class Target:
    """A database to read: its dialect, the name it goes by, and where it is."""

    dialect: Dialect
    name: str
    uri: str = field(repr=False)  # may hold a password


@dataclass(frozen=True)
class Snapshot:
    """An open read transaction."""

    dialect: Dialect
    name: str
    _connection: AdbcConnection = field(repr=False)

    def batches(self, sql: str) -> Iterator[pa.RecordBatch]:
        """Run a query and give its batches, the first of them empty.

        Raises:
            AccessError: rows or tables are withheld, or locked.
            TypeMismatchError: a column holds values of several types.
            SourceError: any other refusal of the database.
        """
        with AdbcStatement(self._connection) as statement, _explained(self.name):
            if self.dialect == "sqlite":
                statement.set_options(**{"adbc.sqlite.query.batch_rows": _BATCH_ROWS})
            statement.set_sql_query(sql)
            handle, _ = statement.execute_query()
            with pa.RecordBatchReader.from_stream(handle) as reader:
                empty = [pa.nulls(0, field.type) for field in reader.schema]
                yield pa.RecordBatch.from_arrays(empty, schema=reader.schema)
                yield from reader

    def n_bytes(self, table: str) -> int:
        """Say about how large a table is: a SQLite file as a whole, whatever else lies in it."""
        if self.dialect == "sqlite":
            sql = "SELECT page_count * page_size AS n FROM pragma_page_count, pragma_page_size"
        else:
            sql = f"SELECT pg_table_size(to_regclass({literal(quoted(table))}))::int8 AS n"
        return int(self.rows(sql)[0]["n"] or 0)

    def rows(self, sql: str) -> list[dict[str, Any]]:
        """Run a query of the catalogue's kind: its whole answer is small."""
        return [row for batch in self.batches(sql) for row in with_valid_text(batch).to_pylist()]


def with_valid_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Write bytes that are no UTF-8 as escapes; SQLite stores whatever it is given."""
    try:
        batch.validate(full=True)
    except pa.ArrowInvalid:
        arrays = [
            pa.array(
                [
                    None if value is None else value.decode("utf-8", "backslashreplace")
                    for value in column.cast(pa.binary()).to_pylist()
                ],
                pa.string(),
            )
            if pa.types.is_string(column.type)
            else column
            for column in batch.columns
        ]
        return pa.RecordBatch.from_arrays(arrays, names=batch.schema.names)
    return batch


def target(source: str | Path, name: str | None = None) -> Target:
    """Say which database a URL or a path means.

    The name is the one given, else the file's name, or host/database without credentials.

    Raises:
        SourceError: no such file, or a URL of another kind.
    """
    text = str(source)
    scheme = text.partition("://")[0].partition("+")[0] if "://" in text else ""
    if scheme in ("postgresql", "postgres"):
        return _postgres_target(text, name)
    if scheme not in ("", "sqlite"):
        raise SourceError(
            f"{scheme}:// is no database that chatdata reads; use sqlite:/// or postgresql://",
            source=f"{scheme}://…",
        )
    path = _sqlite_path(text) if scheme else Path(text).expanduser()
    _check_file(path)
    uri = f"file:{quote(os.fsencode(path.resolve()))}?mode=ro"
    return Target("sqlite", name or path.name, uri)


@contextmanager
def open_snapshot(
    where: Target, schema: str | None = None, *, exported: str | None = None
) -> Iterator[Snapshot]:
    """Open a database for reading, in one transaction that nothing can write through.

    Args:
        where: the database.
        schema: of a Postgres database, to read instead of the role's own.
        exported: the name of a Postgres snapshot to see, instead of one of this moment.

    Raises:
        AccessError: it refuses us, is locked or encrypted.
        SourceError: it cannot be reached, or has no schemas and one was named.
    """
    if schema is not None and where.dialect == "sqlite":
        raise SourceError(
            "only a Postgres database has schemas; leave schema out", source=where.name
        )
    with _explained(where.name):
        database = AdbcDatabase(driver=_driver(where.dialect), uri=where.uri)
        try:
            connection = AdbcConnection(database)
        except Error:
            database.close()
            raise
    try:
        with _explained(where.name):
            _begin(connection, where.dialect, schema, exported)
        yield Snapshot(where.dialect, where.name, connection)
    finally:
        connection.close()
        database.close()


def _begin(
    connection: AdbcConnection, dialect: Dialect, schema: str | None, exported: str | None
) -> None:
    def run(statements: Sequence[str]) -> None:
        for sql in statements:
            with AdbcStatement(connection) as statement:
                statement.set_sql_query(sql)
                statement.execute_update()

    if dialect == "sqlite":
        run([f"PRAGMA busy_timeout = {_LOCK_TIMEOUT_MS}", "PRAGMA query_only = ON"])
        connection.set_autocommit(False)
        return
    connection.set_autocommit(False)
    run(
        [
            "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ, READ ONLY",
            *([f"SET TRANSACTION SNAPSHOT {literal(exported)}"] if exported is not None else []),
            "SET LOCAL row_security = off",
            f"SET LOCAL lock_timeout = {_LOCK_TIMEOUT_MS}",
            "SET LOCAL statement_timeout = 0",
            "SET LOCAL TimeZone = 'UTC'",
            "SET LOCAL DateStyle = 'ISO, YMD'",
            "SET LOCAL standard_conforming_strings = on",
            # Rows come in the order they lie in, every time.
            "SET LOCAL synchronize_seqscans = off",
            "SET LOCAL max_parallel_workers_per_gather = 0",
            *([f"SET LOCAL search_path = {quoted(schema)}"] if schema is not None else []),
        ]
    )


def _driver(dialect: Dialect) -> str:
    if dialect == "sqlite":
        import adbc_driver_sqlite

        return str(adbc_driver_sqlite._driver_path())  # noqa: SLF001 - the documented way to the low-level driver
    try:
        import adbc_driver_postgresql
    except ModuleNotFoundError:
        raise SourceError(
            "reading Postgres needs the extra: install `chatdata[postgres]`"
        ) from None
    return str(adbc_driver_postgresql._driver_path())  # noqa: SLF001 - as above


def _check_file(path: Path) -> None:
    try:
        if not path.exists():
            raise SourceError("no such file; check the path", source=str(path))
        if path.is_dir():
            raise SourceError("a folder, expected a SQLite file", source=str(path))
    except PermissionError:
        raise SourceError(_UNREADABLE, source=str(path)) from None


def _sqlite_path(url: str) -> Path:
    """Read sqlite:///relative.db and sqlite:////absolute.db, as SQLAlchemy writes them.

    SQLAlchemy takes a path as it stands; a URL may escape what else would end it.
    """
    stored = url.partition("://")[2].partition("?")[0].removeprefix("/")
    literal = Path(stored).expanduser()
    return literal if literal.exists() else Path(unquote(stored)).expanduser()


def _postgres_target(url: str, name: str | None) -> Target:
    _, _, rest = url.partition("://")
    uri = f"postgresql://{rest}"
    try:
        parts = urlsplit(uri)
        host, database = parts.hostname or "local", parts.path.removeprefix("/")
    except ValueError:
        raise SourceError(_BAD_URL, source="postgresql://…") from None
    if "@" in database or parts.fragment:
        # A password with / or # in it would end up in the name.
        raise SourceError(_BAD_URL, source="postgresql://…")
    return Target("postgresql", name or f"{host}/{database}".rstrip("/"), uri)


_UNREADABLE = "cannot be opened; check that you may read the file and its folder"
_BAD_URL = (
    "not a usable URL; expected postgresql://user:password@host:5432/database, with characters"
    " like / # @ % in user and password percent-encoded"
)
_EXPLANATIONS: tuple[tuple[str, type[SourceError], str], ...] = (
    (
        r"row-level security",
        AccessError,
        (
            "row-level security would hide rows from this role; read as a role that bypasses it"
            " (ALTER ROLE … BYPASSRLS) or as the tables' owner"
        ),
    ),
    (
        r"database is locked|database table is locked|lock timeout|SQLSTATE 55P03",
        AccessError,
        "locked by another program for more than 5 s; try again, or read a copy",
    ),
    (
        r"file is not a database|file is encrypted",
        AccessError,
        "not a SQLite database, or an encrypted one; expected a plain SQLite file",
    ),
    (
        r"database disk image is malformed",
        SourceError,
        "a damaged SQLite file; run `sqlite3 FILE .recover` or restore a backup",
    ),
    (
        r"password authentication failed|no password supplied|fe_sendauth|SCRAM",
        AccessError,
        "the password was refused or is missing; set PGPASSWORD or use ~/.pgpass",
    ),
    (
        r"permission denied for|must be owner|SQLSTATE 42501",
        AccessError,
        "this role may not read the chat tables; GRANT SELECT on them to it",
    ),
    (
        r"role \"[^\"]*\" does not exist|database \"[^\"]*\" does not exist|pg_hba",
        AccessError,
        "the server refused the connection; check user, database and access rules",
    ),
    (r"invalid (percent-encoded|URI|integer value|port|connection option)", SourceError, _BAD_URL),
    (
        (
            r"could not translate host|Connection refused|could not connect|connection to server"
            r"|timeout expired|No such file or directory"
        ),
        SourceError,
        "no server answered there; check host, port and that it is running",
    ),
    (
        r"readonly database",
        SourceError,
        (
            "a SQLite file in WAL mode, in a folder where its log may not be written; copy it to a"
            " folder of your own and read the copy"
        ),
    ),
    (r"failed to open|unable to open", SourceError, _UNREADABLE),
)


class TypeMismatchError(SourceError):
    """A column holds values of several types; read it as text."""


@contextmanager
def _explained(name: str) -> Iterator[None]:
    """Turn a driver's error into one line that says what to do, without what it quotes."""
    try:
        yield
    except (Error, pa.ArrowException, OSError) as error:
        state = getattr(error, "sqlstate", None)
        # What follows is the query, with values in it that say anything.
        text = f"{str(error).partition('Query was:')[0]} SQLSTATE {state}"
        if "Type mismatch in column" in text:
            raise TypeMismatchError("a column holds values of several types", source=name) from None
        for pattern, kind, message in _EXPLANATIONS:
            if re.search(pattern, text, re.IGNORECASE):
                raise kind(message, source=name) from None
        code = f" (SQLSTATE {state})" if state else ""
        raise SourceError(
            f"the database refused the read{code}; check that it is healthy and not being changed",
            source=name,
        ) from None

"""One upgrade at a time, and never in anybody's way.

SQLite needs nothing here: BEGIN IMMEDIATE lets one writer in. On PostgreSQL an advisory lock is
polled from a connection that is in no transaction: a session that waits inside
`pg_advisory_lock` holds a snapshot, and CREATE INDEX CONCURRENTLY waits for snapshots, so the two
would deadlock and leave an invalid index.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import engine

if TYPE_CHECKING:
    from collections.abc import Iterator

WAIT_S = 60.0
_TRY = (
    "SELECT pg_try_advisory_lock(7741,"
    " hashtext(concat_ws('/', current_database(), current_schema())))"
)
# Servers before 14 have no such limit.
_STAY = (
    "SELECT set_config('idle_session_timeout', '0', false) FROM pg_settings"
    " WHERE name = 'idle_session_timeout'"
)
_OLDEST = sa.text(
    """
    SELECT a.pid, coalesce(a.usename, a.backend_type) AS who, a.application_name,
           round(extract(epoch FROM clock_timestamp() - a.xact_start))::int AS seconds
    FROM pg_locks l
    JOIN pg_stat_activity a USING (pid)
    JOIN pg_class c ON c.oid = l.relation
    WHERE l.granted AND a.pid <> pg_backend_pid() AND a.datname = current_database()
      AND c.relnamespace = to_regnamespace(current_schema())
    ORDER BY l.mode = 'AccessShareLock', a.xact_start LIMIT 1
    """
)


@contextmanager
def exclusive(
    url: str | sa.URL, *, schema: str | None = None, wait: float = WAIT_S
) -> Iterator[sa.Connection]:
    """Open a connection that only one upgrade at a time gets.

    On SQLite it is inside the one transaction of the run, which commits when the block ends well.

    Raises:
        MigrationError: another upgrade or program holds the database (exit code 4), or a
            connection pooler stands in between (exit code 3).
    """
    if engine.parse(url).get_backend_name() == "sqlite":
        with engine.connect(url) as connection, connection.begin():
            yield connection
        return
    with engine.connect(url, schema=schema) as holder:
        refuse_pooler(holder, engine.label(url))
        # Who holds the lock is idle for as long as the run takes, and must not be ended for it.
        _stay(holder)
        holder.execution_options(isolation_level="AUTOCOMMIT")
        _poll(holder, engine.label(url), wait)
        with engine.connect(url, schema=schema) as connection:
            _stay(connection)
            yield connection


def refuse_pooler(connection: sa.Connection, source: str) -> None:
    """Refuse a connection whose server process changes from one transaction to the next.

    A session lock taken through such a pooler stays behind on a server connection that somebody
    else gets. The pooler hands out a process id of its own, which betrays it.

    Raises:
        MigrationError: with exit code 3.
    """
    driver = connection.connection.driver_connection
    told = driver.info.backend_pid if driver is not None else None
    actual = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    connection.rollback()
    if told != actual:
        raise MigrationError(
            "a connection pooler stands between us and the server, and locks do not survive it",
            then="give the server's own address: run the same command with it as URL, or with "
            "--direct-url",
            source=source,
            exit_code=3,
        )


def blocker(connection: sa.Connection) -> str:
    """Name the session with the oldest transaction on the tables of this schema.

    One that only reads is named where no other is there: most locks that we ask for let it be.
    """
    found = connection.execute(_OLDEST).one_or_none()
    connection.rollback()
    if found is None:
        return "a session that is gone by now"
    program = f", {found.application_name}" if found.application_name else ""
    # The server tells only a superuser how long others have been at it.
    since = "" if found.seconds is None else f", {found.seconds} s in a transaction"
    return f"session {found.pid} ({found.who}{program}{since})"


def _stay(connection: sa.Connection) -> None:
    connection.exec_driver_sql(_STAY)
    connection.commit()


def _poll(holder: sa.Connection, source: str, wait: float) -> None:
    until = time.monotonic() + wait
    while not holder.exec_driver_sql(_TRY).scalar_one():
        if time.monotonic() > until:
            raise MigrationError(
                "another upgrade is running",
                then="watch it with chatdata db status URL; when it is done, run the same command "
                "again",
                source=source,
                exit_code=4,
            )
        time.sleep(0.05)

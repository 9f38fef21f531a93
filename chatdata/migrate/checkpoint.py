"""How far a backfill has come, in the database itself.

The checkpoint moves in the transaction that writes the rows, so a backfill that is killed anywhere
goes on where it was, and every row is written once. One worker at a time holds the lease; who
finds it expired takes over.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import engine

LEASE_S = 60.0
METADATA = sa.MetaData()
BACKFILL = sa.Table(
    "chatdata_backfill",
    METADATA,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("state", sa.String(20), nullable=False),
    sa.Column("cursor", sa.BigInteger, nullable=False),
    sa.Column("upper", sa.BigInteger, nullable=False),
    sa.Column("scanned", sa.BigInteger, nullable=False),
    sa.Column("written", sa.BigInteger, nullable=False),
    sa.Column("bad", sa.BigInteger, nullable=False),
    sa.Column("lease_owner", sa.String(255)),
    sa.Column("lease_until", sa.Float),
)
ERRORS = sa.Table(
    "chatdata_backfill_error",
    METADATA,
    sa.Column("name", sa.String(50), primary_key=True),
    sa.Column("message_id", sa.BigInteger, primary_key=True, autoincrement=False),
    sa.Column("reason", sa.String(255), nullable=False),
)


@dataclass(frozen=True)
class Progress:
    """A backfill as it stands.

    `state` is "not started", "running", "paused" or "done"; `cursor` the last message that was
    read, `upper` the last one to be read; `scanned` counts the messages up to there, `written` the
    calls and `bad` the messages set aside; `lag` is how many the application has added since.
    """

    name: str
    state: str
    cursor: int = 0
    upper: int = 0
    scanned: int = 0
    written: int = 0
    bad: int = 0
    lag: int = 0

    def __str__(self) -> str:
        return (
            f"{self.name}: {self.state}, {self.scanned:,} messages read, {self.written:,} calls "
            f"written, {self.bad:,} messages set aside, {self.lag:,} messages behind"
        )


def prepare(connection: sa.Connection, name: str) -> None:
    """Create the records and fix both bounds, once: no message is below one or above the other."""
    METADATA.create_all(connection, checkfirst=True)
    if load(connection, name) is None:
        bounds = "SELECT coalesce(min(id), 1) - 1, coalesce(max(id), 0) FROM messages"
        cursor, upper = connection.exec_driver_sql(bounds).one()
        first = Progress(name, "running", cursor=cursor, upper=upper)
        connection.execute(BACKFILL.insert().values(_values(first)))


def load(connection: sa.Connection, name: str) -> Progress | None:
    """Read the checkpoint."""
    row = connection.execute(_query(name)).one_or_none()
    return None if row is None else Progress(*row)


def hold(connection: sa.Connection, name: str, owner: str | None) -> Progress:
    """Read the checkpoint so that until the commit nobody else moves it.

    Args:
        connection: in a transaction that writes.
        name: of the backfill.
        owner: who must hold the lease; None where it does not matter.

    Raises:
        MigrationError: another worker holds the lease.
    """
    query = _query(name) if owner is None else _query(name).where(BACKFILL.c.lease_owner == owner)
    row = connection.execute(query.with_for_update()).one_or_none()
    if row is None:
        raise MigrationError(
            "another worker has taken over",
            state="what was written stays, and its run goes on",
            then="watch it with: chatdata db backfill status tool_calls URL",
            source=engine.label(connection.engine.url),
            exit_code=4,
        )
    return Progress(*row)


def save(connection: sa.Connection, progress: Progress) -> None:
    """Move the checkpoint, and extend the lease of whoever has it."""
    values = _values(progress) | {"lease_until": time.time() + LEASE_S}
    connection.execute(BACKFILL.update().where(BACKFILL.c.name == progress.name).values(values))


def lease(connection: sa.Connection, name: str) -> str | None:
    """Take the lease if it is free or has expired; the owner's name, or None."""
    owner = f"{socket.gethostname()}:{os.getpid()}:{time.monotonic_ns()}"
    columns = BACKFILL.c
    taken = connection.execute(
        BACKFILL.update()
        .where(
            columns.name == name,
            columns.lease_owner.is_(None) | (columns.lease_until < time.time()),
        )
        .values(lease_owner=owner, lease_until=time.time() + LEASE_S)
    )
    return owner if taken.rowcount else None


def release(connection: sa.Connection, name: str, owner: str) -> None:
    """End the lease, if it is still ours; what has not come to its end is paused."""
    columns = BACKFILL.c
    paused = sa.case((columns.state == "running", "paused"), else_=columns.state)
    connection.execute(
        BACKFILL.update()
        .where(columns.name == name, columns.lease_owner == owner)
        .values(lease_owner=None, lease_until=None, state=paused)
    )


def status(url: str | sa.URL, name: str, *, schema: str | None = None) -> Progress:
    """Read how far a backfill has come, and how far the application is ahead."""
    with engine.read(url, schema=schema) as connection:
        if not sa.inspect(connection).has_table("messages"):
            raise MigrationError(
                "has no messages",
                then="to see what it is, run: chatdata db status URL",
                source=engine.label(url),
                exit_code=3,
            )
        if not sa.inspect(connection).has_table(BACKFILL.name):
            found = None
        else:
            found = load(connection, name)
        behind = connection.scalar(
            sa.text("SELECT count(*) FROM messages WHERE id > :cursor"),
            {"cursor": found.cursor if found else 0},
        )
    shown = found or Progress(name, "not started")
    return Progress(**{**vars(shown), "lag": int(behind or 0)})


def _query(name: str) -> sa.Select[Any]:
    columns = [BACKFILL.c[key] for key in Progress.__dataclass_fields__ if key != "lag"]
    return sa.select(*columns).where(BACKFILL.c.name == name)


def _values(progress: Progress) -> dict[str, Any]:
    return {key: value for key, value in vars(progress).items() if key != "lag"}

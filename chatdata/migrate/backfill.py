"""From the text of `messages.tool_calls` to rows of `tool_calls`, while the application writes.

Batches are read and decoded outside any transaction; rows, set-aside messages and checkpoint are
then written in one short one. The upper bound is fixed at the start and followed by a tail pass.
On PostgreSQL ids commit out of order, so afterwards it waits until every transaction that was open
then has ended and looks for messages that came late.

The column stays the truth: what the application writes after a run is behind, not wrong, and the
next run goes on from there.
"""

from __future__ import annotations

import time
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import checkpoint, engine
from chatdata.migrate.calls import Batch, decode, insert
from chatdata.migrate.checkpoint import Progress, status

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Progress", "pause", "retry_bad", "run", "status"]

T = TypeVar("T")

NAME = "tool_calls"
TARGET_S = 0.5
SMALLEST, LARGEST, FIRST = 100, 50_000, 2_000
ATTEMPTS = 12
STRAGGLERS_S = 300.0
_AGAIN = ("55P03", "40P01", "40001", "23503")
"""A lock not to be had, a deadlock, a conflict, a message deleted meanwhile: worth another try."""


def run(  # noqa: PLR0913 - keywords, each with a default
    url: str | sa.URL,
    *,
    schema: str | None = None,
    max_bad: int | None = None,
    rest: float = 0.0,
    on_batch: Callable[[Progress], None] = lambda _progress: None,
    should_stop: Callable[[], bool] = lambda: False,
) -> Progress:
    """Fill `tool_calls` from where it stands; run it twice and nothing is added.

    Another worker's run is waited for, and taken over if it has died.

    Args:
        url: a database at a revision that has `tool_calls`.
        schema: PostgreSQL only: the schema to work in.
        max_bad: stop when more messages than this had to be set aside.
        rest: seconds to pause after each batch.
        on_batch: told after every batch.
        should_stop: asked after every batch; true ends the run, which can be resumed.

    Raises:
        MigrationError: the table is missing, or too many messages are malformed.
    """
    with engine.connect(url, schema=schema) as connection:
        _refuse_unready(connection, engine.label(url))
        owner = _start(connection)
        if owner is None:
            return status(url, NAME, schema=schema)
        try:
            size = FIRST
            while (progress := _load(connection)).state == "running":
                began = time.monotonic()
                progress = _step(connection, progress, size, owner)
                on_batch(progress)
                if max_bad is not None and progress.bad > max_bad:
                    raise MigrationError(
                        f"{progress.bad} messages are malformed, more than {max_bad}; their ids "
                        "are in chatdata_backfill_error",
                        state="what was written stays",
                        then="to go on, run the same command with a higher --max-bad",
                        source=engine.label(url),
                    )
                if should_stop():
                    break
                spent = max(time.monotonic() - began, 0.001)
                size = min(max(int(size * min(max(TARGET_S / spent, 0.5), 2)), SMALLEST), LARGEST)
                time.sleep(rest)
        finally:
            _again(connection, lambda: _release(connection, owner))
    return status(url, NAME, schema=schema)


def pause(url: str | sa.URL, *, schema: str | None = None) -> Progress:
    """Ask the worker that is running to stop after its batch."""
    with engine.connect(url, schema=schema) as connection:
        _again(connection, lambda: _set_state(connection, "running", "paused"))
    return status(url, NAME, schema=schema)


def retry_bad(url: str | sa.URL, *, schema: str | None = None) -> Progress:
    """Read the messages that were set aside again; those that are well now lose their entry."""
    with engine.connect(url, schema=schema) as connection:
        _refuse_unready(connection, engine.label(url))
        if sa.inspect(connection).has_table(checkpoint.ERRORS.name):
            connection.rollback()
            _again(connection, lambda: _retry_bad(connection))
    return status(url, NAME, schema=schema)


def _refuse_unready(connection: sa.Connection, source: str) -> None:
    ready = sa.inspect(connection).has_table("tool_calls")
    connection.rollback()
    if not ready:
        raise MigrationError(
            "has no table tool_calls yet",
            then="run: chatdata db upgrade URL",
            source=source,
            exit_code=3,
        )


def _start(connection: sa.Connection) -> str | None:
    """Take the lease, waiting for who holds it; None when the work is done meanwhile."""
    _again(connection, lambda: checkpoint.prepare(connection, NAME))
    while (owner := _again(connection, lambda: checkpoint.lease(connection, NAME))) is None:
        time.sleep(0.2)
        if _load(connection).state != "running":
            return None
    _again(connection, lambda: _reopen(connection))
    return owner


def _reopen(connection: sa.Connection) -> None:
    """Go on after a pause, or with what was added since the last run."""
    if connection.dialect.name == "sqlite":
        # Applications that leave foreign keys off delete messages without their calls.
        connection.exec_driver_sql(
            "DELETE FROM tool_calls WHERE message_id IS NOT NULL"
            " AND message_id NOT IN (SELECT id FROM messages)"
        )
    _set_state(connection, "paused", "running")
    _set_state(connection, "done", "running")


def _step(connection: sa.Connection, progress: Progress, size: int, owner: str) -> Progress:
    """Do one batch, or decide what comes after the last one."""
    if progress.cursor < progress.upper:
        found = _read(connection, progress.cursor, progress.upper, size)
        batch = decode(found) if found else Batch(progress.upper, 0, [], [])
        if len(found) < size:
            batch = replace(batch, last=progress.upper)
        return _again(connection, lambda: _write(connection, progress, batch, owner))
    newest = _max_id(connection)
    if newest > progress.upper:
        moved = replace(progress, upper=newest)
        return _again(connection, lambda: _save(connection, moved, owner))
    late = _stragglers(connection, progress, owner) if connection.dialect.name != "sqlite" else []
    if late:
        batch = replace(decode(late), last=progress.cursor)
        progress = _again(connection, lambda: _write(connection, progress, batch, owner))
    done = replace(progress, state="done")
    return _again(connection, lambda: _save(connection, done, owner))


def _read(connection: sa.Connection, cursor: int, upper: int, size: int) -> list[tuple[Any, ...]]:
    query = sa.text(
        "SELECT id, user_id, conversation_id, tool_calls FROM messages"
        " WHERE id > :cursor AND id <= :upper ORDER BY id LIMIT :size"
    )
    return _rows(connection, query, cursor=cursor, upper=upper, size=size)


def _rows(
    connection: sa.Connection, query: sa.TextClause, **values: object
) -> list[tuple[Any, ...]]:
    # A reading transaction of our own would be BEGIN IMMEDIATE on SQLite and stop the writers.
    if connection.dialect.name != "sqlite":
        found = [tuple(row) for row in connection.execute(query, values)]
        connection.rollback()
        return found
    driver: Any = connection.connection.driver_connection
    rows: list[tuple[Any, ...]] = driver.execute(query.text, values).fetchall()
    return rows


def _write(connection: sa.Connection, progress: Progress, batch: Batch, owner: str) -> Progress:
    current = checkpoint.load(connection, NAME, lock=connection.dialect.name != "sqlite")
    if current is None or not checkpoint.holds(connection, NAME, owner):
        raise MigrationError(
            "another worker has taken over",
            state="what was written stays, and its run goes on",
            then="watch it with: chatdata db backfill status tool_calls URL",
            source=engine.label(connection.engine.url),
            exit_code=4,
        )
    written = insert(connection, batch.rows)
    bad = _set_aside(connection, batch.bad)
    moved = Progress(
        name=NAME,
        state=current.state,
        cursor=max(batch.last, current.cursor),
        upper=progress.upper,
        scanned=current.scanned + batch.scanned,
        written=current.written + written,
        bad=current.bad + bad,
    )
    checkpoint.save(connection, moved, owner)
    return moved


def _set_aside(connection: sa.Connection, bad: list[tuple[int, str]]) -> int:
    """Record messages that cannot be decoded, and say how many are new."""
    if not bad:
        return 0
    statement = sa.text(
        "INSERT INTO chatdata_backfill_error (name, message_id, reason)"
        " VALUES (:name, :message_id, :reason) ON CONFLICT DO NOTHING"
    )
    values = [{"name": NAME, "message_id": key, "reason": reason} for key, reason in bad]
    return connection.execute(statement, values).rowcount


def _retry_bad(connection: sa.Connection) -> None:
    found = connection.execute(
        sa.text(
            "SELECT m.id, m.user_id, m.conversation_id, m.tool_calls FROM messages m"
            " JOIN chatdata_backfill_error e ON e.message_id = m.id"
            " WHERE e.name = :name ORDER BY m.id"
        ),
        {"name": NAME},
    ).all()
    progress = checkpoint.load(connection, NAME, lock=connection.dialect.name != "sqlite")
    if progress is None:
        return
    connection.execute(checkpoint.ERRORS.delete().where(checkpoint.ERRORS.c.name == NAME))
    batch = decode([tuple(row) for row in found]) if found else Batch(0, 0, [], [])
    written = insert(connection, batch.rows)
    _set_aside(connection, batch.bad)
    now = replace(progress, written=progress.written + written, bad=len(batch.bad))
    checkpoint.save(connection, now, None)


def _stragglers(connection: sa.Connection, progress: Progress, owner: str) -> list[tuple[Any, ...]]:
    """Wait until nobody is left who began before the tail pass ended; find what they committed."""
    ended = "SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint"
    oldest = "SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint"
    limit = _rows(connection, sa.text(ended))[0][0]
    until = time.monotonic() + STRAGGLERS_S
    while _rows(connection, sa.text(oldest))[0][0] < limit:
        if time.monotonic() > until:
            raise MigrationError(
                f"a transaction has been open for {STRAGGLERS_S:.0f} s, and may hold messages",
                state="what was written stays",
                then="when it has ended, run the same command again",
                source=engine.label(connection.engine.url),
                exit_code=4,
            )
        _again(connection, lambda: _save(connection, progress, owner))
        time.sleep(0.1)
    return _rows(
        connection,
        sa.text(
            "SELECT id, user_id, conversation_id, tool_calls FROM messages m"
            " WHERE id <= :upper AND tool_calls IS NOT NULL"
            " AND tool_calls NOT IN ('', 'null', '[]', '{}')"
            " AND NOT EXISTS (SELECT 1 FROM tool_calls c WHERE c.message_id = m.id)"
            " AND NOT EXISTS (SELECT 1 FROM chatdata_backfill_error e"
            "  WHERE e.name = :name AND e.message_id = m.id) ORDER BY id"
        ),
        upper=progress.upper,
        name=NAME,
    )


def _again(connection: sa.Connection, step: Callable[[], T]) -> T:
    """Run a step in a transaction of its own, again where only the moment was wrong."""
    for attempt in range(1, ATTEMPTS + 1):
        try:
            with connection.begin():
                return step()
        except sa.exc.DBAPIError as error:
            busy = "locked" in str(error.orig) or getattr(error.orig, "sqlstate", "") in _AGAIN
            if not busy or attempt == ATTEMPTS:
                raise
            time.sleep(min(0.05 * 1.6**attempt, 1.5))
    raise AssertionError  # pragma: no cover - the loop returns or raises


def _save(connection: sa.Connection, progress: Progress, owner: str) -> Progress:
    current = checkpoint.load(connection, NAME)
    paused = current is not None and current.state == "paused" and progress.state == "running"
    kept = replace(progress, state="paused") if paused else progress
    checkpoint.save(connection, kept, owner)
    return kept


def _release(connection: sa.Connection, owner: str) -> None:
    current = checkpoint.load(connection, NAME)
    if current is not None and checkpoint.holds(connection, NAME, owner):
        state = "paused" if current.state == "running" else current.state
        checkpoint.save(connection, replace(current, state=state), None)


def _set_state(connection: sa.Connection, old: str, new: str) -> None:
    table = checkpoint.BACKFILL
    where = (table.c.name == NAME, table.c.state == old)
    connection.execute(table.update().where(*where).values(state=new))


def _load(connection: sa.Connection) -> Progress:
    columns = [key for key in Progress.__dataclass_fields__ if key != "lag"]
    query = f"SELECT {', '.join(columns)} FROM chatdata_backfill WHERE name = :name"
    return Progress(*_rows(connection, sa.text(query), name=NAME)[0])


def _max_id(connection: sa.Connection) -> int:
    return int(_rows(connection, sa.text("SELECT coalesce(max(id), 0) FROM messages"))[0][0])

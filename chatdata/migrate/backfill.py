"""From the text of `messages.tool_calls` to rows of `tool_calls`, while the application writes.

Batches are read and decoded outside any transaction; rows, set-aside messages and checkpoint are
then written in short ones, in which nobody is made to wait for long. The upper bound is fixed at
the start and followed by a tail pass. Ids commit out of order, so afterwards it waits until every
transaction that had written messages by then has ended, and looks for what was passed by.

The column stays the truth: what the application writes after a run is behind, not wrong, and the
next run goes on from there.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import calls, checkpoint, engine, lock, texts
from chatdata.migrate.checkpoint import Progress, status
from chatdata.migrate.engine import transact

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatdata.migrate.calls import Batch

__all__ = ["Progress", "pause", "retry_bad", "run", "status"]

NAME = "tool_calls"
TARGET_S = 0.5
SMALLEST, LARGEST, FIRST = 100, 50_000, 2_000
PART = {"sqlite": 20_000, "postgresql": 1_000}
"""Calls to a transaction: who deletes one of their messages on PostgreSQL waits for its end."""
PATIENCE_S = 300.0


@dataclass(frozen=True)
class Worker:
    """Who holds the lease: a connection to write on, one to read on, and its name."""

    connection: sa.Connection
    reader: sa.Connection
    owner: str

    @property
    def source(self) -> str:
        """The name of the database, for people."""
        return engine.label(self.connection.engine.url)


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
        MigrationError: the table is missing, a connection pooler stands in between, or too many
            messages are malformed.
    """
    with engine.connect(url, schema=schema) as connection, engine.read(url, schema=schema) as read:
        _refuse_pooler(connection, engine.label(url))
        _refuse_unready(connection, engine.label(url))
        owner = _start(connection)
        if owner is None:
            return status(url, NAME, schema=schema)
        worker = Worker(connection, read, owner)
        try:
            for progress in _steps(worker):
                on_batch(progress)
                if max_bad is not None and progress.bad > max_bad:
                    raise MigrationError(
                        f"{progress.bad} messages are malformed, more than {max_bad}; their ids "
                        "are in chatdata_backfill_error",
                        state="what was written stays",
                        then="to go on, run the same command with a higher --max-bad",
                        source=worker.source,
                    )
                if should_stop():
                    break
                time.sleep(rest)
        finally:
            transact(connection, lambda: checkpoint.release(connection, NAME, owner))
    return status(url, NAME, schema=schema)


def pause(url: str | sa.URL, *, schema: str | None = None) -> Progress:
    """Ask the worker that is running to stop after its batch."""
    with engine.connect(url, schema=schema) as connection:
        transact(connection, lambda: _set_state(connection, "running", "paused"))
    return status(url, NAME, schema=schema)


def retry_bad(url: str | sa.URL, *, schema: str | None = None) -> Progress:
    """Read the messages that were set aside again; those that are well now lose their entry."""
    with engine.connect(url, schema=schema) as connection, engine.read(url, schema=schema) as read:
        _refuse_pooler(connection, engine.label(url))
        _refuse_unready(connection, engine.label(url))
        begun = sa.inspect(connection).has_table(checkpoint.ERRORS.name)
        connection.rollback()
        cursor = None
        while begun and (found := texts.set_aside(read, cursor, LARGEST)):
            after = found[0][0] - 1 if cursor is None else cursor
            cursor = found[-1][0]
            batch = calls.decode(found, after, cursor)
            for part in calls.split(batch, PART[connection.dialect.name]):
                _store(connection, part, lambda part: _write_again(connection, part))
    return status(url, NAME, schema=schema)


def _refuse_pooler(connection: sa.Connection, source: str) -> None:
    if connection.dialect.name != "sqlite":
        lock.refuse_pooler(connection, source)


def _refuse_unready(connection: sa.Connection, source: str) -> None:
    inspector = sa.inspect(connection)
    ready = inspector.has_table("tool_calls") and inspector.get_foreign_keys("tool_calls")
    connection.rollback()
    if not ready:
        raise MigrationError(
            "has no table tool_calls with its key yet",
            then="run: chatdata db upgrade URL",
            source=source,
            exit_code=3,
        )


def _start(connection: sa.Connection) -> str | None:
    """Take the lease, waiting for who holds it; None when the work is done meanwhile."""
    # Of several that begin at once only one can create the records.
    racing = ("23505", "42P07")
    transact(connection, lambda: checkpoint.prepare(connection, NAME), again=racing)
    while (owner := transact(connection, lambda: checkpoint.lease(connection, NAME))) is None:
        time.sleep(0.2)
        if _load(connection).state != "running":
            return None
    transact(connection, lambda: _reopen(connection))
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


def _steps(worker: Worker) -> Iterator[Progress]:
    """Work batch by batch until it is done or somebody pauses it."""
    size, writing, until = FIRST, None, 0.0
    while (progress := _load(worker.reader)).state == "running":
        if progress.cursor < progress.upper:
            began = time.monotonic()
            progress = _fill(worker, progress, size)
            spent = max(time.monotonic() - began, 0.001)
            size = min(max(int(size * min(max(TARGET_S / spent, 0.5), 2)), SMALLEST), LARGEST)
            yield progress
        elif writing is None:
            upper = texts.newest(worker.reader, progress.upper)
            writing, until = texts.writers(worker.reader), time.monotonic() + PATIENCE_S
            yield _move(worker, upper=upper)
        elif writing := writing & texts.writers(worker.reader):
            yield _wait(worker, until)
        else:
            yield from _fill_late(worker, progress)
            yield _move(worker, state="done")


def _fill(worker: Worker, progress: Progress, size: int) -> Progress:
    found = texts.read(worker.reader, progress.cursor, progress.upper, size)
    batch = calls.decode(found.messages, progress.cursor, found.last)
    for part in calls.split(batch, PART[worker.connection.dialect.name]):
        progress = _store(worker.connection, part, lambda part: _write(worker, part))
    return progress


def _fill_late(worker: Worker, progress: Progress) -> Iterator[Progress]:
    """Write what was passed by: its transaction was open then, or its id is one used before."""
    cursor = None
    while found := texts.late(worker.reader, cursor, progress.upper, LARGEST):
        cursor = found[-1][0]
        batch = calls.decode(found, progress.cursor, progress.cursor)
        for part in calls.split(batch, PART[worker.connection.dialect.name]):
            yield _store(worker.connection, part, lambda part: _write(worker, part))


def _wait(worker: Worker, until: float) -> Progress:
    """Let those who were writing come to their end."""
    if time.monotonic() > until:
        raise MigrationError(
            f"a transaction has been open for {PATIENCE_S:.0f} s, and may hold messages",
            state="what was written stays",
            then="when it has ended, run the same command again",
            source=worker.source,
            exit_code=4,
        )
    time.sleep(0.2)
    return _move(worker)


def _store(connection: sa.Connection, batch: Batch, write: Callable[[Batch], Progress]) -> Progress:
    """Write a batch in one transaction; what the database does not take is set aside."""
    try:
        return transact(connection, lambda: write(batch))
    except sa.exc.DBAPIError as error:
        if not engine.refuses(error):
            raise
        reason = f"its calls cannot be stored: {type(error.orig).__name__}"
    parts = calls.halve(batch)
    if not parts:
        aside = calls.without_calls(batch, reason)
        return transact(connection, lambda: write(aside))
    for part in parts:
        progress = _store(connection, part, write)
    return progress


def _write(worker: Worker, batch: Batch) -> Progress:
    connection = worker.connection
    if connection.dialect.name != "sqlite":
        # A crash of the server may cost the last moments, which the next run does again.
        connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
    now = checkpoint.hold(connection, NAME, worker.owner)
    scanned = f"SELECT count(*) FROM messages WHERE id > {now.cursor} AND id <= {batch.last}"
    moved = replace(
        now,
        cursor=max(batch.last, now.cursor),
        scanned=now.scanned + connection.exec_driver_sql(scanned).scalar_one(),
        written=now.written + calls.insert(connection, batch.calls),
        bad=now.bad + _set_aside(connection, batch.bad),
    )
    checkpoint.save(connection, moved)
    return moved


def _write_again(connection: sa.Connection, batch: Batch) -> Progress:
    now = checkpoint.hold(connection, NAME, None)
    columns = checkpoint.ERRORS.c
    entries = checkpoint.ERRORS.delete().where(
        columns.name == NAME, columns.message_id > batch.after, columns.message_id <= batch.last
    )
    n_entries = connection.execute(entries).rowcount
    moved = replace(
        now,
        written=now.written + calls.insert(connection, batch.calls),
        bad=now.bad - n_entries + _set_aside(connection, batch.bad),
    )
    checkpoint.save(connection, moved)
    return moved


def _set_aside(connection: sa.Connection, bad: tuple[tuple[int, str], ...]) -> int:
    """Record messages that cannot be decoded, and say how many are new."""
    if not bad:
        return 0
    statement = sa.text(
        "INSERT INTO chatdata_backfill_error (name, message_id, reason)"
        " VALUES (:name, :message_id, :reason) ON CONFLICT DO NOTHING"
    )
    values = [{"name": NAME, "message_id": key, "reason": reason} for key, reason in bad]
    return connection.execute(statement, values).rowcount


def _move(worker: Worker, **changes: Any) -> Progress:  # noqa: ANN401 - fields of Progress
    """Change the checkpoint, or only extend the lease."""

    def step() -> Progress:
        now = checkpoint.hold(worker.connection, NAME, worker.owner)
        moved = replace(now, **changes)
        checkpoint.save(worker.connection, moved)
        return moved

    return transact(worker.connection, step)


def _set_state(connection: sa.Connection, old: str, new: str) -> None:
    table = checkpoint.BACKFILL
    where = (table.c.name == NAME, table.c.state == old)
    connection.execute(table.update().where(*where).values(state=new))


def _load(connection: sa.Connection) -> Progress:
    found = checkpoint.load(connection, NAME)
    connection.rollback()
    return found or Progress(NAME, "not started")

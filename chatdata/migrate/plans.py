"""What an upgrade will do, before it does: its SQL, its risks and the state it was made for."""

from __future__ import annotations

import hashlib
import io
import json
from contextlib import closing
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import sqlalchemy as sa
from alembic import command
from sqlalchemy import event

from chatdata.errors import MigrationError
from chatdata.migrate import backups, checkpoint, engine, guard, history, rules, runner, snapshot

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from chatdata.migrate.guard import Guarded

RECORDS = (history.VERSION_TABLE, history.HISTORY.name, checkpoint.BACKFILL.name)
READS = ("SELECT", "PRAGMA", "BEGIN", "WITH")


@dataclass(frozen=True)
class Plan:
    """What an upgrade of one database will do.

    `url` is without its password; `schema` PostgreSQL's, where one was named; `sql` what will be
    executed; `findings` what the lint says about the pending revisions; `size_bytes` and
    `needs_bytes` concern SQLite; `fingerprint` is the state that the plan was made for.
    """

    url: str
    schema: str | None
    source: str
    revision: str | None
    to: str
    pending: tuple[str, ...]
    sql: tuple[str, ...]
    findings: tuple[str, ...]
    size_bytes: int | None
    needs_bytes: int | None
    fingerprint: str


def plan(
    url: str | sa.URL, *, to: str = "head", schema: str | None = None, scripts: Path | None = None
) -> Plan:
    """Say what an upgrade would do; reads only.

    Raises:
        MigrationError: the upgrade would be refused.
    """
    pending = runner.pending(url, to=to, schema=schema, scripts=scripts)
    file = engine.file_of(url)
    size = file.stat().st_size if file is not None and file.is_file() else None
    folder = runner.chain(scripts)
    paths = [folder.dir and folder.get_revision(name).path for name in pending]
    return Plan(
        url=engine.public(url),
        schema=schema,
        source=engine.label(url),
        revision=runner.current_revision(url, schema=schema),
        to=to,
        pending=pending,
        sql=tuple(dry_run(url, to=to, schema=schema, scripts=scripts)) if pending else (),
        findings=tuple(str(found) for path in paths for found in rules.lint(path)),
        size_bytes=size,
        needs_bytes=None if size is None else round(size * (backups.ROOM + 1)),
        fingerprint=fingerprint(url, schema=schema),
    )


def fingerprint(url: str | sa.URL, *, schema: str | None = None) -> str:
    """Sum up the revision and every definition of a database, or of one schema of it."""
    file = engine.file_of(url)
    if file is not None and not file.is_file():
        return "absent"
    with engine.read(url, schema=schema) as connection:
        seen = [history.revision(connection), sorted(snapshot.definitions(connection).items())]
    return hashlib.sha256(json.dumps(seen).encode()).hexdigest()


def dump(plans: Iterable[Plan]) -> str:
    """Write plans as the JSON that `load` reads."""
    return json.dumps([asdict(made) for made in plans], indent=1, ensure_ascii=False) + "\n"


def load(text: str | bytes) -> list[Plan]:
    """Read plans that `dump` wrote.

    Raises:
        MigrationError: the text is something else.
    """
    try:
        return [Plan(**made) for made in json.loads(text)]
    except (ValueError, TypeError):
        raise MigrationError(
            "not a plan; expected what `plan -o` writes",
            then="make one with: chatdata db plan URL -o plan.json",
            exit_code=2,
        ) from None


def apply(made: Plan, *, backup: bool = True, scripts: Path | None = None) -> Guarded:
    """Carry out exactly a plan, unless the database or its revisions changed since it was made.

    Revisions that came after those of the plan are left for another one.

    Raises:
        MigrationError: either has changed (exit code 3), or as for an upgrade.
    """
    if fingerprint(made.url, schema=made.schema) != made.fingerprint:
        raise MigrationError(
            "has changed since the plan was made",
            then="make a new one with: chatdata db plan URL -o plan.json",
            source=made.source,
            exit_code=3,
        )
    to = made.pending[-1] if made.pending else made.revision or made.to
    if changed := _changed(made, to, scripts):
        raise MigrationError(
            f"{changed} since the plan was made",
            then="make a new one with: chatdata db plan URL -o plan.json",
            source=made.source,
            exit_code=3,
        )
    return guard.upgrade(made.url, to=to, schema=made.schema, backup=backup, scripts=scripts)


def _changed(made: Plan, to: str, scripts: Path | None) -> str | None:
    """Say how the revisions of a plan are others now, or do something else; None if they do not."""
    known = {step.revision for step in runner.chain(scripts).walk_revisions()}
    if gone := [name for name in made.pending if name not in known]:
        return f"revision {', '.join(gone)} is gone"
    pending = runner.pending(made.url, to=to, schema=made.schema, scripts=scripts)
    if list(pending) != list(made.pending):
        planned, now = (", ".join(names) or "none" for names in (made.pending, pending))
        return f"the revisions up to {to} were {planned} and became {now}"
    sql = dry_run(made.url, to=to, schema=made.schema, scripts=scripts) if pending else []
    if sql != list(made.sql):
        return f"the SQL of revision {', '.join(pending)} became another"
    return None


def dry_run(
    url: str | sa.URL, *, to: str = "head", schema: str | None = None, scripts: Path | None = None
) -> list[str]:
    """List the statements that an upgrade would execute, in order, without touching any data.

    SQLite: they are executed on an empty copy in memory, for what a rebuild does depends on what
    is there. PostgreSQL: Alembic writes them.
    """
    current = runner.current_revision(url, schema=schema)
    if engine.parse(url).get_backend_name() != "sqlite":
        out = io.StringIO()
        config = runner.config(scripts, dialect="postgresql")
        config.output_buffer = out
        command.upgrade(config, f"{current or 'base'}:{to}", sql=True)
        first = [] if schema is None else [engine.in_schema(schema)]
        return first + [part.strip() for part in out.getvalue().split(";\n") if part.strip()]
    done: list[str] = []
    with engine.connect("sqlite://") as connection:
        _clone(engine.file_of(url), connection)

        @event.listens_for(connection, "before_cursor_execute")
        def _note(*arguments: object) -> None:
            statement = str(arguments[2]).strip()
            if not statement.upper().startswith(READS):
                done.append(statement)

        runner.upgrade(connection, to=to, scripts=scripts)
        connection.rollback()
    return done


def _clone(file: Path | None, connection: sa.Connection) -> None:
    """Copy every definition and our own records, but no row of the application's."""
    if file is None or not file.is_file():
        return
    driver = connection.connection.driver_connection
    if driver is None:
        return
    with closing(engine.peek(file)) as source:
        rows = source.execute(
            "SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL AND name NOT LIKE 'sqlite_%'"
            " ORDER BY sql NOT LIKE 'CREATE VIRTUAL TABLE%',"
            " CASE type WHEN 'table' THEN 0 WHEN 'index' THEN 1 WHEN 'view' THEN 2 ELSE 3 END,"
            " rowid"
        ).fetchall()
        ours = [name for name, _ in rows if name in RECORDS]
        for name, sql in rows:
            # A virtual table brings the tables along that it is kept in.
            if driver.execute("SELECT 1 FROM sqlite_master WHERE name = ?", (name,)).fetchone():
                continue
            driver.execute(sql)
        for name in ours:
            for row in source.execute(f"SELECT * FROM {name}"):
                driver.execute(f"INSERT INTO {name} VALUES ({', '.join('?' * len(row))})", row)

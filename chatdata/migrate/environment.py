"""What `migrations/env.py` does, for our own commands and for Alembic's alike.

Everything that keeps a run safe is here and not in the commands, so that `alembic upgrade head` in
a checkout is as safe as `chatdata db upgrade`: SQLite in one transaction for the whole run,
PostgreSQL in one per revision with short waits for locks and retries, refusals before the first
write, and the history.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlmodel.sql.sqltypes import AutoString

import chatdata.migrate.operations  # noqa: F401 - registers what revisions call as op.*
from chatdata.errors import MigrationError
from chatdata.migrate import engine, history, lock
from chatdata.models import Base, UTCDateTime

if TYPE_CHECKING:
    from collections.abc import Callable

    from alembic.autogenerate.api import AutogenContext
    from alembic.runtime.environment import EnvironmentContext

LONGEST_PAUSE_S = 0.5


def run(context: EnvironmentContext) -> None:
    """Run the command that Alembic was asked for.

    The database is the connection in `config.attributes`, else `alembic -x url=URL`, else the
    environment variable CHATDATA_URL.

    Raises:
        MigrationError: refused or failed; says what state the database is in.
    """
    if context.is_offline_mode():
        _write_sql(context)
        return
    given = context.config.attributes.get("connection")
    if given is not None:
        _run_on(context, given)
        return
    with lock.exclusive(_url(context)) as connection:
        _run_on(context, connection)


def _run_on(context: EnvironmentContext, connection: sa.Connection) -> None:
    _check(connection)
    history.refuse(connection, context.script)
    settings = _settings(connection)
    if connection.dialect.name != "sqlite":
        connection.rollback()
    context.configure(
        connection=connection,
        transaction_per_migration=connection.dialect.name != "sqlite",
        on_version_apply=history.recorder(context.script),
        **settings,
    )
    if connection.dialect.name == "sqlite":
        context.run_migrations()
    else:
        _retry(connection, lambda: _migrate(context))


def _migrate(context: EnvironmentContext) -> None:
    with context.begin_transaction():
        context.run_migrations()


def _retry(connection: sa.Connection, step: Callable[[], None]) -> None:
    # Whoever wants the table stands in line behind a statement of ours that waits for its lock. So
    # it waits briefly, and leaves the line to them before it tries again: behind a transaction of
    # 4 s nobody waits for longer than with none.
    # Each statement has its own patience, from when it first had to wait: a run may take hours.
    waited: dict[str | None, list[float]] = {}
    while True:
        try:
            return step()
        except sa.exc.OperationalError as error:
            connection.rollback()
            if getattr(error.orig, "sqlstate", None) != "55P03":
                raise
            failures = waited.setdefault(error.statement, [])
            failures.append(time.monotonic())
            if failures[-1] - failures[0] > engine.PATIENCE_S:
                raise MigrationError(
                    f"a lock was not to be had in {len(failures)} attempts; held by "
                    f"{lock.blocker(connection)}",
                    state="it is at its last complete revision",
                    then="when that session is done, run the same command again",
                    source=engine.label(connection.engine.url),
                    exit_code=4,
                ) from error
        time.sleep(min(0.1 * len(failures), LONGEST_PAUSE_S))


def _check(connection: sa.Connection) -> None:
    source = engine.label(connection.engine.url)
    if connection.dialect.name == "sqlite":
        driver = connection.connection.driver_connection
        if driver is None or driver.isolation_level is not None:
            raise MigrationError(
                "this SQLite connection commits by itself around DDL, so a failure would leave half"
                " a revision",
                then="use chatdata.migrate.connect(url), or run: chatdata db upgrade URL",
                source=source,
                exit_code=3,
            )
        if not connection.in_transaction():
            connection.begin()
        if connection.exec_driver_sql("PRAGMA foreign_keys").scalar():
            raise MigrationError(
                "foreign keys are on for this connection, so rebuilding a table would delete the "
                "rows that refer to it",
                then="switch them off before the transaction begins, or run: chatdata db upgrade "
                "URL",
                source=source,
                exit_code=3,
            )
    elif connection.in_transaction():
        raise MigrationError(
            "this PostgreSQL connection is in a transaction, and every revision has its own",
            then="commit or roll back first, or run: chatdata db upgrade URL",
            source=source,
            exit_code=3,
        )


def _settings(connection: sa.Connection) -> dict[str, Any]:
    owned = history.owned(connection)

    def include(name: str | None, kind: str, _parents: object) -> bool:
        return kind != "table" or name in owned

    def include_object(
        item: object, name: str | None, kind: str, _reflected: object, _other: object
    ) -> bool:
        return include(name, kind, item)

    return _common() | {"include_name": include, "include_object": include_object}


def _common() -> dict[str, Any]:
    return {
        "target_metadata": Base.metadata,
        "version_table": history.VERSION_TABLE,
        "transactional_ddl": True,
        "render_as_batch": True,
        "compare_type": True,
        "compare_server_default": True,
        "render_item": _render,
    }


def _render(kind: str, item: object, _context: AutogenContext) -> str | bool:
    """Write plain SQLAlchemy types, so that no revision needs our classes or SQLModel's."""
    if kind == "type" and isinstance(item, UTCDateTime):
        return "sa.DateTime()"
    if kind == "type" and isinstance(item, AutoString):
        return f"sa.String(length={item.length})" if item.length else "sa.String()"
    return False


def _write_sql(context: EnvironmentContext) -> None:
    dialect = context.config.attributes.get("dialect", "postgresql")
    context.configure(
        dialect_name=dialect,
        literal_binds=True,
        dialect_opts={"paramstyle": "named"},
        transaction_per_migration=True,
        **_common(),
    )
    _migrate(context)


def _url(context: EnvironmentContext) -> str:
    url = context.get_x_argument(as_dictionary=True).get("url") or os.environ.get("CHATDATA_URL")
    if not url:
        raise MigrationError(
            "no database was named",
            then="run the same command as alembic -x url=URL, or set CHATDATA_URL",
            source=str(Path(context.script.dir).name),
            exit_code=2,
        )
    return url

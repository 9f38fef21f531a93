"""Operations for the authors of revisions: `op.add_index(...)` and the like.

One call does the right thing on each database. Revisions import nothing of ours: `env.py` loads
this module, which registers the operations with Alembic. An operation that a released revision
uses keeps its meaning.

On PostgreSQL `add_index`, `add_check`, `add_fk` and `set_not_null` work in steps of their own, so
that nobody waits while rows are read. Each such step is repeated safely after an interruption, and
each such operation stands alone in its revision.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from alembic.operations import MigrateOperation, Operations

from chatdata.errors import MigrationError
from chatdata.migrate import engine, history
from chatdata.migrate.engine import quoted
from chatdata.migrate.rebuild import rebuilding

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from contextlib import AbstractContextManager

    from alembic.operations.base import BatchOperations

SHOWN = 10
LONGEST = 40
_BUILDING = "SELECT 1 FROM pg_stat_progress_create_index WHERE index_relid = to_regclass(:name)"
_VALID = "SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass(:name)"


class Safe(MigrateOperation):
    """The operations; each is a class method, as Alembic registers them."""

    @classmethod
    def safe_batch(
        cls, operations: Operations, table: str, copy_from: sa.Table | None = None
    ) -> AbstractContextManager[BatchOperations]:
        """Change columns and constraints; on SQLite in one copy of the table that keeps all."""
        if _is_sqlite(operations):
            return rebuilding(operations, table, copy_from)
        return operations.batch_alter_table(table, recreate="never")

    @classmethod
    def add_index(  # noqa: PLR0913 - one argument per part of CREATE INDEX
        cls,
        operations: Operations,
        name: str,
        table: str,
        columns: Sequence[str],
        *,
        unique: bool = False,
        where: str | None = None,
    ) -> None:
        """Create an index while the application goes on writing; an invalid one is rebuilt."""
        kind = "UNIQUE INDEX" if unique else "INDEX"
        target = f"{quoted(table)} ({', '.join(map(quoted, columns))})"
        target += f" WHERE {where}" if where else ""
        if _is_sqlite(operations):
            operations.execute(f"CREATE {kind} {quoted(name)} ON {target}")
            return
        with operations.get_context().autocommit_block(), _patient(operations):
            # A client that was killed leaves a session that goes on building.
            while _ask(operations, _BUILDING, name=quoted(name)):
                time.sleep(0.2)
            valid = _ask(operations, _VALID, name=quoted(name))
            if valid is False:
                # REINDEX, when it is killed, would leave another invalid one behind.
                operations.execute(f"DROP INDEX CONCURRENTLY {quoted(name)}")
            if not valid:
                operations.execute(f"CREATE {kind} CONCURRENTLY {quoted(name)} ON {target}")

    @classmethod
    def add_check(
        cls, operations: Operations, name: str, table: str, column: str, condition: str
    ) -> None:
        """Add a CHECK on a column; refused with the values that break it, and how often."""
        if not operations.get_context().as_sql:
            _refuse_offenders(operations, table, column, condition)
        if _is_sqlite(operations):
            with rebuilding(operations, table) as batch:
                batch.create_check_constraint(operations.f(name), sa.text(condition))
            return
        with operations.get_context().autocommit_block():
            _constrain(operations, table, name, f"CHECK ({condition})")

    @classmethod
    def add_fk(  # noqa: PLR0913, PLR0917 - one argument per part of FOREIGN KEY
        cls,
        operations: Operations,
        name: str,
        table: str,
        column: str,
        referent: str,
        referred: str = "id",
        *,
        ondelete: str | None = None,
    ) -> None:
        """Add a foreign key; refused with the number of rows that refer to nothing."""
        if not operations.get_context().as_sql:
            _refuse_rows(
                operations,
                table,
                f"{quoted(column)} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {quoted(referent)} r"
                f" WHERE r.{quoted(referred)} = t.{quoted(column)})",
                f"whose {column} is not in {referent}",
            )
        if _is_sqlite(operations):
            with rebuilding(operations, table) as batch:
                batch.create_foreign_key(
                    operations.f(name), referent, [column], [referred], ondelete=ondelete
                )
            return
        rule = f"FOREIGN KEY ({quoted(column)}) REFERENCES {quoted(referent)}"
        rule += f" ({quoted(referred)})" + (f" ON DELETE {ondelete}" if ondelete else "")
        with operations.get_context().autocommit_block():
            _constrain(operations, table, name, rule)

    @classmethod
    def set_not_null(cls, operations: Operations, table: str, column: str) -> None:
        """Forbid nulls; refused with the number of rows that have one.

        PostgreSQL proves it by a CHECK first, so that SET NOT NULL need not read the table.
        """
        if not operations.get_context().as_sql:
            _refuse_rows(operations, table, f"{quoted(column)} IS NULL", f"without a {column}")
        if _is_sqlite(operations):
            with rebuilding(operations, table) as batch:
                batch.alter_column(column, nullable=False)
            return
        proof = f"chatdata_{table}_{column}_not_null"[:63]
        alter = f"ALTER TABLE {quoted(table)}"
        with operations.get_context().autocommit_block():
            _constrain(operations, table, proof, f"CHECK ({quoted(column)} IS NOT NULL)")
            with _brief(operations):
                operations.execute(f"{alter} ALTER COLUMN {quoted(column)} SET NOT NULL")
                operations.execute(f"{alter} DROP CONSTRAINT {quoted(proof)}")

    @classmethod
    def naive_to_utc(
        cls,
        operations: Operations,
        table: str,
        column: str,
        *,
        zone: str = "UTC",
        dropping: Sequence[str] = (),
    ) -> None:
        """Make a naive time column one with a zone; SQLite stores both alike and is left alone.

        With `zone` UTC no row is rewritten. Indexes on the column would be, under a lock that
        stops readers, so they are dropped here and made again by `op.add_index` in the revision
        that follows; `dropping` names them, so that none is forgotten.
        """
        if _is_sqlite(operations):
            return
        if not operations.get_context().as_sql:
            _refuse_unsafe_zone(operations)
            _refuse_other_indexes(operations, table, column, dropping)
        for name in dropping:
            operations.execute(f"DROP INDEX {quoted(name)}")
        operations.execute("SET LOCAL TimeZone = 'UTC'")
        using = "" if zone == "UTC" else f" USING {quoted(column)} AT TIME ZONE '{zone}'"
        operations.execute(
            f"ALTER TABLE {quoted(table)} ALTER COLUMN {quoted(column)} TYPE timestamptz{using}"
        )

    @classmethod
    def requires_backfill(cls, operations: Operations, name: str) -> None:
        """Refuse to go on before a backfill has been run to its end, calls written since too."""
        if operations.get_context().as_sql:
            return
        connection = operations.get_bind()
        done = sa.inspect(connection).has_table("chatdata_backfill") and connection.scalar(
            sa.text("SELECT state FROM chatdata_backfill WHERE name = :name"), {"name": name}
        )
        if done != "done":
            raise MigrationError(
                f"this revision needs the backfill {name}, which is {done or 'not started'}",
                state="this revision was not applied",
                then=f"run: chatdata db backfill run {name} URL",
                source=engine.label(connection.engine.url),
                exit_code=3,
            )
        if n_behind := _behind(connection, name):
            raise MigrationError(
                f"this revision needs the backfill {name}, and {n_behind:,} messages with calls "
                "have been written since it was done",
                state="this revision was not applied",
                then="stop what writes them there, run: chatdata db backfill run "
                f"{name} URL, and then the same command again",
                source=engine.label(connection.engine.url),
                exit_code=3,
            )


def _behind(connection: sa.Connection, name: str) -> int:
    """Count the messages with calls that came after a backfill had been run to its end."""
    inspector = sa.inspect(connection)
    named = inspector.get_columns("messages") if inspector.has_table("messages") else ()
    if "tool_calls" not in {column["name"] for column in named}:
        return 0
    found = connection.scalar(
        sa.text(
            "SELECT count(*) FROM messages WHERE id > (SELECT cursor FROM chatdata_backfill"
            " WHERE name = :name) AND CAST(tool_calls AS TEXT) NOT IN ('', '[]', '{}', 'null')"
        ),
        {"name": name},
    )
    return int(found or 0)


NAMES = (
    "safe_batch",
    "add_index",
    "add_check",
    "add_fk",
    "set_not_null",
    "naive_to_utc",
    "requires_backfill",
)
for _name in NAMES:
    Operations.register_operation(_name)(Safe)


def _is_sqlite(operations: Operations) -> bool:
    return operations.get_context().dialect.name == "sqlite"


def _ask(operations: Operations, query: str, **values: object) -> Any:  # noqa: ANN401 - a scalar
    """Ask the database; None where SQL is only written."""
    if operations.get_context().as_sql:
        return None
    return operations.get_bind().execute(sa.text(query), values).scalar()


@contextmanager
def _patient(operations: Operations) -> Iterator[None]:
    """Let a statement run for as long as it needs; it blocks nobody while it does."""
    with _set(operations, statement_timeout=0, lock_timeout=0):
        yield


@contextmanager
def _brief(operations: Operations) -> Iterator[None]:
    """Wait for locks only briefly; the run repeats the revision when that was not enough."""
    with _set(operations, lock_timeout=engine.LOCK_MS):
        yield


@contextmanager
def _set(operations: Operations, **values: int) -> Iterator[None]:
    """Change settings of the session for as long as the block runs."""
    for name, value in values.items():
        operations.execute(f"SET {name} = {value}")
    try:
        yield
    finally:
        # A session that has ended takes its settings along, and its error is the one to report.
        if operations.get_context().as_sql or not operations.get_bind().invalidated:
            for name in values:
                operations.execute(f"RESET {name}")


def _constrain(operations: Operations, table: str, name: str, rule: str) -> None:
    """Add a constraint in two steps: for new rows at once, then for the old ones, unhurried."""
    valid = _ask(
        operations,
        "SELECT convalidated FROM pg_constraint"
        " WHERE conname = :name AND conrelid = to_regclass(:table)",
        name=name,
        table=quoted(table),
    )
    alter = f"ALTER TABLE {quoted(table)}"
    if valid is None:
        with _brief(operations):
            operations.execute(f"{alter} ADD CONSTRAINT {quoted(name)} {rule} NOT VALID")
    if not valid:
        with _patient(operations):
            operations.execute(f"{alter} VALIDATE CONSTRAINT {quoted(name)}")


def _refuse_offenders(operations: Operations, table: str, column: str, condition: str) -> None:
    shown = f"CASE WHEN length(v) > {LONGEST} THEN '(' || length(v) || ' characters)' ELSE v END"
    query = (
        f"SELECT {shown}, n FROM (SELECT CAST({quoted(column)} AS TEXT) AS v, count(*) AS n"
        f" FROM {quoted(table)} WHERE NOT ({condition}) GROUP BY 1) AS found ORDER BY n DESC, 1"
    )
    rows = operations.get_bind().execute(sa.text(query)).fetchmany(SHOWN + 1)
    if rows:
        found = ", ".join(f"{value} ({count} rows)" for value, count in rows[:SHOWN])
        more = ", and others" if len(rows) > SHOWN else ""
        raise MigrationError(
            f"{table}.{column} holds values that {condition} forbids: {found}{more}",
            state="this revision was not applied",
            then="map them to allowed ones, and run the same command again",
            exit_code=3,
        )


def _refuse_rows(operations: Operations, table: str, condition: str, what: str) -> None:
    query = f"SELECT count(*) FROM {quoted(table)} t WHERE {condition}"
    count = operations.get_bind().execute(sa.text(query)).scalar_one()
    if count:
        raise MigrationError(
            f"{table} has {count} rows {what}",
            state="this revision was not applied",
            then="repair them, and run the same command again",
            exit_code=3,
        )


def _refuse_unsafe_zone(operations: Operations) -> None:
    connection = operations.get_bind()
    zone = connection.scalar(sa.text("SELECT reset_val FROM pg_settings WHERE name = 'TimeZone'"))
    if history.adopted(connection) and zone not in ("UTC", "Etc/UTC", "GMT"):
        raise MigrationError(
            f"sessions of this adopted database run in the zone {zone}, so naive times that its "
            "application writes from now on would be shifted",
            state="this revision was not applied",
            then="run: ALTER DATABASE ... SET timezone TO 'UTC', and then the same command again",
            source=engine.label(connection.engine.url),
            exit_code=3,
        )


def _refuse_other_indexes(
    operations: Operations, table: str, column: str, named: Sequence[str]
) -> None:
    inspector = sa.inspect(operations.get_bind())
    found = {
        str(index["name"])
        for index in inspector.get_indexes(table)
        if column in index["column_names"]
    }
    if found != set(named):
        raise MigrationError(
            f"{table}.{column} has the indexes {', '.join(sorted(found)) or '(none)'}",
            state="this revision was not applied",
            then="name exactly these in dropping=[...], make them again by op.add_index in the "
            "next revision, and run the same command again",
            exit_code=3,
        )

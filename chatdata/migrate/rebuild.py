"""Rebuilding a SQLite table without losing anything.

Alembic's batch mode copies a table, drops it and renames the copy. Left to itself it also drops the
table's triggers and expression indexes, fails where a view reads the table, and loses clauses that
SQLAlchemy does not reflect. Here triggers and views step aside and come back, and what cannot be
carried over is refused by name before anything happens.
"""

from __future__ import annotations

import re
import warnings
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa
from sqlalchemy.schema import ColumnCollectionConstraint

from chatdata.errors import MigrationError
from chatdata.migrate.engine import quoted

if TYPE_CHECKING:
    from collections.abc import Iterator

    from alembic.operations import Operations
    from alembic.operations.base import BatchOperations

# What a table's own SQL may say that its copy would not.
_LOST = {
    "AUTOINCREMENT": r"\bAUTOINCREMENT\b",
    "COLLATE": r"\bCOLLATE\b",
    "DEFERRABLE": r"\bDEFERRABLE\b",
    "a generated column": r"\bGENERATED\s+ALWAYS\b|\bAS\s*\(",
    "an unnamed CHECK": r"\bCHECK\s*\(",
    "ON CONFLICT": r"\bON\s+CONFLICT\b",
    "WITHOUT ROWID": r"\bWITHOUT\s+ROWID\b",
    "STRICT": r"\)\s*STRICT\b",
    "MATCH": r"\bMATCH\s+\w",
    "a descending PRIMARY KEY": r"\bPRIMARY\s+KEY\s*\([^)]*\bDESC\b",
}
_NAMED_CHECK = re.compile(r"\bCONSTRAINT\s+(\"[^\"]*\"|\w+)\s+CHECK\s*\(", re.IGNORECASE)
_STRINGS = re.compile(r"'(?:[^']|'')*'|--[^\n]*|/\*.*?\*/", re.DOTALL)


@dataclass(frozen=True)
class _Object:
    kind: str
    name: str
    table: str
    sql: str


@contextmanager
def rebuilding(
    operations: Operations, table: str, copy_from: sa.Table | None = None
) -> Iterator[BatchOperations]:
    """Change columns and constraints of a SQLite table in one copy of it.

    Args:
        operations: Alembic's `op`.
        table: the table to rebuild.
        copy_from: the table as it is, for a table that says something reflection does not see.

    Raises:
        MigrationError: the copy would lose something, or has lost rows, objects or references; the
            transaction of the run is rolled back.
    """
    connection = operations.get_bind()
    if copy_from is None:
        refuse_losses(connection, table)
    orphans = _orphans(connection)
    actions = _actions(connection, table)
    before = _inventory(connection, table)
    objects = _objects(connection)
    aside = [o for o in objects if o.kind in ("view", "trigger")]
    working = {o.name for o in aside if o.kind == "view" and _reads(connection, o.name)}
    for kind in ("trigger", "view"):
        for thing in (o for o in aside if o.kind == kind):
            connection.exec_driver_sql(f"DROP {kind} {quoted(thing.name)}")
    with warnings.catch_warnings():
        # Expression indexes are not reflected; they are brought back below.
        warnings.filterwarnings("ignore", message="Skipped unsupported reflection")
        with operations.batch_alter_table(
            table,
            recreate="always",
            copy_from=copy_from,
            reflect_kwargs={"listeners": [("after_parent_attach", _in_order)]},
        ) as batch:
            yield batch
    _bring_back(connection, [o for o in objects if o.kind == "index" and o.table == table])
    _bring_back(connection, [o for o in aside if o.kind == "view"])
    _bring_back(connection, [o for o in aside if o.kind == "trigger"])
    broken = [name for name in sorted(working) if not _reads(connection, name)]
    after = _actions(connection, table)
    broken += [
        f"ON UPDATE or ON DELETE of the key of {', '.join(key[0])}"
        for key, told in sorted(actions.items())
        if after.get(key, told) != told
    ]
    if broken or _inventory(connection, table) != before or _orphans(connection) - orphans:
        harmed = ", ".join(broken) or "rows, objects or references"
        raise MigrationError(
            f"{table}: the rebuild would break {harmed}",
            state="everything was rolled back",
            then="change what depends on the table in the same revision, and run the same command "
            "again",
        )


def _in_order(table: sa.Table, _metadata: sa.MetaData) -> None:
    """Have the copy list what the table has always in the same order, so that it can be compared.

    SQLAlchemy keeps both as sets, whose order is another one every time.
    """
    table.constraints = sa.util.OrderedSet(sorted(table.constraints, key=_place))
    table.indexes = sa.util.OrderedSet(sorted(table.indexes, key=lambda index: str(index.name)))


def _place(rule: sa.Constraint) -> tuple[str, str, tuple[str, ...]]:
    columns = rule.columns.keys() if isinstance(rule, ColumnCollectionConstraint) else ()
    return str(rule.name), type(rule).__name__, tuple(columns)


def refuse_losses(connection: sa.Connection, table: str) -> None:
    """Refuse a table whose own SQL says something that a copy would lose.

    Raises:
        MigrationError: with the clause's name.
    """
    found = connection.exec_driver_sql(
        "SELECT sql FROM sqlite_master WHERE type = 'table' AND name = ?", (table,)
    ).scalar()
    bare = _NAMED_CHECK.sub("(", _STRINGS.sub("''", found or ""))
    lost = [name for name, pattern in _LOST.items() if re.search(pattern, bare, re.IGNORECASE)]
    if lost:
        raise MigrationError(
            f"{table}: a rebuild would lose {', '.join(lost)}",
            state="everything was rolled back",
            then="describe the table as it is with op.safe_batch(table, copy_from=sa.Table(...)), "
            "and run the same command again",
        )


def _bring_back(connection: sa.Connection, things: list[_Object]) -> None:
    present = {o.name for o in _objects(connection)}
    for thing in things:
        if thing.name not in present:
            connection.exec_driver_sql(thing.sql)


def _objects(connection: sa.Connection) -> list[_Object]:
    rows = connection.exec_driver_sql(
        "SELECT type, name, tbl_name, sql FROM sqlite_master WHERE sql IS NOT NULL ORDER BY rowid"
    )
    return [_Object(*row) for row in rows]


def _inventory(connection: sa.Connection, table: str) -> tuple[int, frozenset[tuple[str, str]]]:
    rows = connection.exec_driver_sql(f"SELECT count(*) FROM {quoted(table)}").scalar_one()
    return rows, frozenset((o.kind, o.name) for o in _objects(connection))


def _actions(
    connection: sa.Connection, table: str
) -> dict[tuple[tuple[str, ...], str], tuple[str, str]]:
    """Give what each foreign key does on update and on delete, by its columns and its table."""
    rows = connection.exec_driver_sql(f"PRAGMA foreign_key_list({quoted(table)})").mappings().all()
    return {
        (tuple(each["from"] for each in rows if each["id"] == row["id"]), row["table"]): (
            row["on_update"],
            row["on_delete"],
        )
        for row in rows
    }


def _orphans(connection: sa.Connection) -> set[Any]:
    return set(connection.exec_driver_sql("PRAGMA foreign_key_check").all())


def _reads(connection: sa.Connection, view: str) -> bool:
    try:
        connection.exec_driver_sql(f"SELECT * FROM {quoted(view)} LIMIT 0")
    except sa.exc.OperationalError:
        return False
    return True

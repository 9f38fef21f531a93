"""Users and tasks of a database that is copied: found by name, in our columns, nothing invented."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl
import pyarrow as pa

from chatdata.database import catalog, times, values
from chatdata.database.columns import bind, same
from chatdata.database.connect import open_snapshot, target, with_valid_text
from chatdata.database.layout import infer
from chatdata.database.links import linked
from chatdata.database.names import USERS as OWNERS
from chatdata.database.probe import look_into
from chatdata.database.sql import quoted
from chatdata.migrate.copying import scratch

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import duckdb

    from chatdata.database.binding import Layout
    from chatdata.database.catalog import Column, Table
    from chatdata.database.connect import Dialect, Snapshot

_CREATED = ("created_at", "registered_at", "date_joined", "joined_at")
_UPDATED = ("updated_at", "modified_at", "last_modified")
USERS = {
    "id": ("id", "user_id", "uuid"),
    "email": ("email", "email_address"),
    "name": ("name", "full_name", "display_name", "username", "user_name"),
    "password_hash": ("password_hash", "hashed_password"),
    "oauth_provider": ("oauth_provider",),
    "oauth_id": ("oauth_id",),
    "profile_picture": ("profile_picture", "avatar_url", "avatar", "image", "picture"),
    "created_at": _CREATED,
    "updated_at": _UPDATED,
}
TASKS = {
    "id": ("id", "task_id", "uuid"),
    "user_id": OWNERS,
    "title": ("title", "name"),
    "description": ("description", "details", "notes"),
    "completed": ("completed", "is_completed", "complete", "is_complete", "done", "is_done"),
    "created_at": _CREATED,
    "updated_at": _UPDATED,
}
_USER_TABLES = re.compile(r"(app_?)?users?|accounts?")
_TASK_TABLES = re.compile(r"(todo_?)?(tasks?|items?)|todos?")
_IS_TASK = ("id", "user_id", "title", "completed", "created_at")
_TRUTH = {"1": True, "true": True, "t": True, "0": False, "false": False, "f": False}
_TABLES = """
    CREATE TABLE users (
        id VARCHAR, email VARCHAR, name VARCHAR, password_hash VARCHAR, oauth_provider VARCHAR,
        oauth_id VARCHAR, profile_picture VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP);
    CREATE TABLE tasks (
        old_id VARCHAR, user_id VARCHAR, title VARCHAR, description VARCHAR, completed BOOLEAN,
        created_at TIMESTAMP, updated_at TIMESTAMP);
"""


def stage(
    db: duckdb.DuckDBPyConnection,
    source: str,
    *,
    schema: str | None,
    time_zone: str,
    fill: Mapping[str, str],
) -> Layout:
    """Put the source's users and tasks into the scratch database as `users` and `tasks`.

    The user table is the one that conversations refer to, else one of that name. A task table has
    an owner, a title, a time and whether it is done. What of both has no place with us is added to
    `lost`.

    Args:
        db: the scratch database.
        source: the database's URL.
        schema: of a PostgreSQL source.
        time_zone: the zone of naive times.
        fill: which of the source's columns to take for one of ours, as `users.name`.

    Returns:
        Where the source's chats are.
    """
    db.execute(_TABLES)
    with open_snapshot(target(source), schema) as snapshot:
        tables = look_into(snapshot, catalog.tables(snapshot, schema))
        layout = linked(snapshot, infer(tables, source=snapshot.name), {})
        users, key = _users(tables, layout)
        bound = bind(users, USERS, key | dict(fill), "users.", snapshot.name) if users else {}
        if users is not None and "id" in bound:
            for rows in _read(snapshot, users, bound, time_zone):
                scratch.load(db, "users", rows)
            _note_lost(db, users, bound)
        for table in tables:
            if not _TASK_TABLES.fullmatch(table.name.lower()):
                continue
            bound = bind(table, TASKS, fill, "tasks.", snapshot.name)
            missing = [name for name in _IS_TASK if name not in bound]
            if missing:
                lost = f"{table.name}, which has no {' and no '.join(missing)}"
                db.execute("INSERT INTO lost VALUES (?)", [lost])
                continue
            for rows in _read(snapshot, table, bound, time_zone):
                scratch.load(db, "tasks", rows.rename({"id": "old_id"}))
            _note_lost(db, table, bound)
            break
    return layout


def _users(tables: tuple[Table, ...], layout: Layout) -> tuple[Table | None, dict[str, str]]:
    """Find the user table, and as a mapping which of its columns owners are named by."""
    for binding in [layout.conversations] if layout.conversations else layout.messages:
        owner = binding.columns.get("user_id")
        for key in binding.table.foreign_keys:
            table = same(tables, key.table)
            if table and owner and key.column.lower() == owner.name.lower():
                return table, {"users.id": key.target} if key.target else {}
    named = (table for table in tables if _USER_TABLES.fullmatch(table.name.lower()))
    # Logins and profiles have such names too; a person has an address or a name.
    return next((t for t in named if t.find(*USERS["email"], *USERS["name"])), None), {}


def _read(
    snapshot: Snapshot, table: Table, bound: Mapping[str, Column], time_zone: str
) -> Iterator[pl.DataFrame]:
    """Read what was found of a table, in our types; every column as text, whatever it holds."""
    texts = ", ".join(_as_text(quoted(one.name), snapshot.dialect) for one in bound.values())
    # SQLite's driver takes types from the first rows, so the first one has them.
    typed = ", ".join(f"'' AS {name}" for name in bound)
    batches = snapshot.batches(f"SELECT {typed} UNION ALL SELECT {texts} FROM {quoted(table.name)}")
    skipped = 1
    for batch in batches:
        found = pa.Table.from_batches([with_valid_text(batch)])
        rows = pl.DataFrame(pl.from_arrow(found)).slice(skipped)
        skipped = max(skipped - batch.num_rows, 0)
        yield rows.with_columns(_ours(rows[name], time_zone) for name in bound)


def _as_text(column: str, dialect: Dialect) -> str:
    text = f"CAST({column} AS TEXT)"
    if dialect == "postgresql":
        return text
    # A uuid may be stored as its 16 bytes.
    return f"CASE typeof({column}) WHEN 'blob' THEN lower(hex({column})) ELSE {text} END"


def _ours(stored: pl.Series, time_zone: str) -> pl.Series:
    if stored.name.endswith("_at"):
        return times.parse(stored, time_zone).values.alias(stored.name)
    if stored.name == "completed":
        return stored.str.to_lowercase().replace_strict(
            _TRUTH, default=None, return_dtype=pl.Boolean()
        )
    if stored.name in ("id", "user_id"):
        return values.key(stored).alias(stored.name)
    return stored


def _note_lost(db: duckdb.DuckDBPyConnection, table: Table, bound: Mapping[str, Column]) -> None:
    taken = {column.name for column in bound.values()}
    for column in table.columns:
        if column.name not in taken:
            db.execute("INSERT INTO lost VALUES (?)", [f"{table.name}.{column.name}"])

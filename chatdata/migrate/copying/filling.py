"""What our columns need and the source lacks: taken from where its owner says, or refused.

Nothing is invented. A column that may not be null and has no value is named, with the command that
says what to take, or the one that shows the rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.errors import MigrationError
from chatdata.migrate.copying import scratch
from chatdata.models import Base

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    import duckdb

_SEEN = ("first_seen", "last_seen")
FILLABLE = {
    "conversations": ("created_at", "updated_at"),
    "users": ("email", "name", "created_at", "updated_at"),
    "tasks": ("created_at", "updated_at"),
}
"""Columns that may not be null and that `fill` may name; users are seen in their conversations."""

_OWNERS = """
    INSERT INTO users BY NAME SELECT DISTINCT user_id AS id FROM (
        SELECT user_id FROM conversations UNION ALL SELECT user_id FROM messages
        UNION ALL SELECT user_id FROM tasks)
    WHERE user_id IS NOT NULL AND user_id NOT IN (SELECT id FROM users WHERE id IS NOT NULL)
"""
_OWN_NOTHING = """
    id NOT IN (SELECT user_id FROM conversations WHERE user_id IS NOT NULL
        UNION ALL SELECT user_id FROM messages WHERE user_id IS NOT NULL
        UNION ALL SELECT user_id FROM tasks WHERE user_id IS NOT NULL)
"""
_SEEN_OF = {
    "conversations": """
        SELECT conversation AS key, created_at AS t FROM messages
        UNION ALL SELECT old_id, created_at FROM conversations
        UNION ALL SELECT old_id, updated_at FROM conversations
    """,
    "users": """
        SELECT user_id AS key, created_at AS t FROM conversations
        UNION ALL SELECT user_id, updated_at FROM conversations
        UNION ALL SELECT user_id, created_at FROM messages
    """,
    "tasks": "SELECT NULL::VARCHAR AS key, NULL::TIMESTAMP AS t",
}
_ROWS = {
    "conversations.created_at": (
        "SELECT conversation_id FROM conversations WHERE created_at IS NULL"
    ),
    "conversations.updated_at": (
        "SELECT conversation_id FROM conversations WHERE updated_at IS NULL"
    ),
    "conversations.user_id": "SELECT conversation_id FROM conversations WHERE user_id IS NULL",
    "messages.conversation_id": (
        "SELECT message_id FROM messages ANTI JOIN conversations USING (conversation_id)"
    ),
    "messages.created_at": "SELECT message_id FROM messages WHERE created_at IS NULL",
    "messages.role": "SELECT message_id FROM messages WHERE role_raw IS NULL",
    "tool_calls.user_id": "SELECT tool_call_id FROM tool_calls WHERE message_id IS NULL",
}
"""What shows the rows that a column has no value in, as `chatdata sql` has them."""

_MISSING = {
    "conversations.user_id": "conversations WHERE user_id IS NULL",
    "messages.conversation_id": (
        "messages WHERE conversation NOT IN (SELECT old_id FROM conversations)"
    ),
    "messages.created_at": "messages WHERE created_at IS NULL",
    "messages.role": "messages WHERE role IS NULL",
    "tool_calls.user_id": """
        calls c LEFT JOIN conversations p ON p.old_id = c.conversation
        WHERE c.message IS NULL AND coalesce(c.user_id, p.user_id) IS NULL
    """,
    **{
        f"tasks.{column}": f"tasks WHERE {column} IS NULL"
        for column in ("user_id", "title", "completed")
    },
    **{
        f"{table}.{column}": f"{table} WHERE {column} IS NULL"
        for table, columns in FILLABLE.items()
        for column in columns
    },
}


def columns_of_source(fill: Mapping[str, str]) -> dict[str, str]:
    """Of what is to be filled, give what names a column that only the source has.

    Raises:
        MigrationError: it names a column that is not ours to fill (exit code 2).
    """
    for key in fill:
        if not _is_fillable(key):
            known = ", ".join(f"{table}.{one}" for table in FILLABLE for one in FILLABLE[table])
            raise MigrationError(
                f"--fill names {key!r}, which is none of {known}",
                state="nothing was copied",
                then="run the same command with one of these",
                exit_code=2,
            )
    return {key: value for key, value in fill.items() if value not in _ours(key.partition(".")[0])}


def fill_in(db: duckdb.DuckDBPyConnection, fill: Mapping[str, str]) -> None:
    """Give every owner a row, and empty columns what their owner says to take.

    Users who own nothing and lack what a row needs are left out, and noted in `lost`.
    """
    db.execute(_OWNERS)
    for table, required in FILLABLE.items():
        key = "id" if table == "users" else "old_id"
        kinds = dict(db.execute(f"SELECT name, type FROM pragma_table_info('{table}')").fetchall())
        taken = {
            column: ", ".join(
                f"TRY_CAST({name} AS {kinds[column]})" for name in _chain(table, column, fill)
            )
            for column in required
        }
        listed = ", ".join(f"coalesce({what}) AS {column}" for column, what in taken.items())
        db.execute(
            f"CREATE OR REPLACE TABLE {table} AS SELECT t.* REPLACE ({listed})"
            f" FROM {table} t LEFT JOIN (SELECT key, min(t) AS first_seen, max(t) AS last_seen"
            f" FROM ({_SEEN_OF[table]}) GROUP BY key) s ON s.key = t.{key}"
        )
    bare = " OR ".join(f"{column} IS NULL" for column in FILLABLE["users"])
    left = scratch.count(db, f"users WHERE ({bare}) AND {_OWN_NOTHING}")
    if left:
        lacking = [
            column
            for column in FILLABLE["users"]
            if scratch.count(db, f"users WHERE {column} IS NULL AND {_OWN_NOTHING}")
        ]
        said = f"{left:,} users who own nothing and have no {' or no '.join(lacking)}"
        db.execute("INSERT INTO lost VALUES (?)", [said])
        db.execute(f"DELETE FROM users WHERE ({bare}) AND {_OWN_NOTHING}")


def refuse(db: duckdb.DuckDBPyConnection, source: str, fill: Mapping[str, str]) -> None:
    """Refuse what cannot become rows of ours.

    Raises:
        MigrationError: a column that may not be null has no value, or two users have one address
            (exit code 3); every such column is named.
    """
    counts = {column: scratch.count(db, rows) for column, rows in _MISSING.items()}
    missing = {column: n for column, n in counts.items() if n}
    if missing:
        found = ", ".join(f"{column} ({n:,} rows)" for column, n in missing.items())
        raise MigrationError(
            f"may not be null and have no value: {found}",
            state="nothing was copied",
            then=_next(db, missing, fill),
            source=source,
            exit_code=3,
        )
    shared = scratch.count(db, "users") - scratch.count(db, "(SELECT DISTINCT email FROM users)")
    if shared:
        raise MigrationError(
            f"users.email must be unique, and {shared:,} users have the address of another",
            state="nothing was copied",
            then="give each its own in the source, and run the same command again",
            source=source,
            exit_code=3,
        )


def refuse_for_postgres(db: duckdb.DuckDBPyConnection, source: str) -> None:
    """Refuse what SQLite holds and PostgreSQL cannot: NUL characters, and texts that are too long.

    Raises:
        MigrationError: every such column is named (exit code 3).
    """
    found = []
    for table, column, length in _texts():
        n_nul = scratch.count(db, f"{table} WHERE contains({column}, chr(0))")
        n_long = scratch.count(db, f"{table} WHERE length({column}) > {length}") if length else 0
        found += [f"{table}.{column} (a NUL character in {n_nul:,} rows)"] if n_nul else []
        found += [f"{table}.{column} (over {length} characters in {n_long:,})"] if n_long else []
    if found:
        raise MigrationError(
            f"PostgreSQL cannot hold what is in: {', '.join(found)}",
            state="nothing was copied",
            then="shorten it in the source, or copy into SQLite: "
            "chatdata db copy SOURCE sqlite:///new.db",
            source=source,
            exit_code=3,
        )


def _texts() -> Iterator[tuple[str, str, int | None]]:
    for table in ("users", "tasks", "messages"):
        for column in Base.metadata.tables[table].columns:
            length = getattr(column.type, "length", None)
            if length is not None or column.name in ("content", "tool_calls"):
                yield table, column.name, length
    for name in ("native_id", "tool_name", "arguments", "result"):
        yield "calls", name, None


def _is_fillable(key: str) -> bool:
    table, _, column = key.partition(".")
    return column in FILLABLE.get(table, ())


def _ours(table: str) -> tuple[str, ...]:
    return ("id", *_SEEN, *FILLABLE[table])


def _chain(table: str, column: str, fill: Mapping[str, str]) -> list[str]:
    """The column, then what is taken for it, then what is taken for that, as SQL."""
    chain = [column]
    while (other := fill.get(f"{table}.{chain[-1]}")) in _ours(table) and other not in chain:
        chain.append(str(other))
    key = "t.id" if table == "users" else "t.old_id"
    return [key if name == "id" else name if name in _SEEN else f"t.{name}" for name in chain]


def _next(db: duckdb.DuckDBPyConnection, missing: Iterable[str], fill: Mapping[str, str]) -> str:
    """Say how to fill the columns, or how to see the rows where nothing can be taken."""
    first = next((key for key in missing if not _is_fillable(key) or key in fill), None)
    if first is not None:
        shown = f"see them with chatdata sql SOURCE '{_ROWS[first]}', " if first in _ROWS else ""
        return f"{shown}repair them in the source, and run the same command again"
    options = [f"--fill {key}={value}" for key, value in fill.items()]
    options += [f"--fill {column}={_proposed(db, column)}" for column in missing]
    return f"say what to take: chatdata db copy SOURCE URL {' '.join(options)}"


def _proposed(db: duckdb.DuckDBPyConnection, key: str) -> str:
    table, _, column = key.partition(".")
    if column == "created_at":
        return "updated_at" if table == "tasks" else "first_seen"
    if table == "conversations":
        return "last_seen"
    other = {"name": "email", "updated_at": "created_at"}.get(column)
    if other and not scratch.count(db, f"{table} WHERE {other} IS NULL"):
        return other
    return {"updated_at": "created_at" if table == "tasks" else "last_seen"}.get(column, "id")

"""The first rows of every table, to see what its columns hold."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from chatdata.chats import Finding
from chatdata.database import catalog, names
from chatdata.database.connect import open_snapshot, target
from chatdata.database.looks import conversation_key, looks_like_tool_calls
from chatdata.database.sql import literal, quoted
from chatdata.errors import LayoutError, SourceError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator
    from pathlib import Path

    from chatdata.database.binding import Binding, Layout
    from chatdata.database.catalog import Table
    from chatdata.database.connect import Snapshot

FEW = 20
"""How many texts tell what a column holds."""
MANY = 200
"""How many rows tell whether a column says who speaks."""


def look_into(
    snapshot: Snapshot, tables: Collection[Table], role: str | None = None
) -> tuple[Table, ...]:
    """Say of tables that may hold messages or calls whether they are empty, and what roles are.

    No text is read; `role` is the column that a mapping takes for it. What may not be read here, or
    somebody has locked, is left as it is.
    """
    asked = [one for one in tables if conversation_key(one) or looks_like_tool_calls(one)]
    open_ = open_tables(snapshot, asked)
    return tuple(
        _looked_into(snapshot, table, role) if table.name in open_ else table for table in tables
    )


_OPEN = """
SELECT c.relname::text AS name FROM pg_class c
WHERE c.oid = to_regclass({name}) AND c.relkind IN ('r', 'p', 'v', 'm')
AND has_table_privilege(c.oid, 'SELECT') AND NOT row_security_active(c.oid)
AND NOT EXISTS (
    SELECT FROM pg_locks l
    WHERE l.relation = c.oid AND l.mode = 'AccessExclusiveLock' AND l.granted
    AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
)
"""


def open_tables(snapshot: Snapshot, tables: Collection[Table]) -> frozenset[str]:
    """Give the tables that can be read; on Postgres a query that fails ends the transaction."""
    if snapshot.dialect == "sqlite":
        return frozenset(table.name for table in tables)
    return frozenset(
        row["name"]
        for table in tables
        for row in snapshot.rows(_OPEN.format(name=literal(quoted(table.name))))
    )


def _looked_into(snapshot: Snapshot, table: Table, role: str | None) -> Table:
    asked = [one for one in table.columns if one.plain in names.MAY_SPEAK or one.name == role]
    listed = [f"CAST({quoted(one.name)} AS TEXT) AS {quoted(one.name)}" for one in asked]
    query = f"SELECT {', '.join(['1 AS chatdata_one', *listed])} FROM {quoted(table.name)}"
    rows = snapshot.rows(f"{query} LIMIT {MANY}")
    seen = {
        column.name: frozenset(word for row in rows if (word := row[column.name]) is not None)
        for column in asked
    }
    columns = tuple(replace(column, seen=seen.get(column.name)) for column in table.columns)
    return replace(table, columns=columns, is_empty=not rows)


def first_rows(
    source: str | Path, n_rows: int, *, schema: str | None = None
) -> dict[str, dict[str, list[Any]]]:
    """Read the first rows of each table, column by column; a table without rows is left out.

    Raises:
        SourceError: the database does not exist or cannot be read.
    """
    found: dict[str, dict[str, list[Any]]] = {}
    with open_snapshot(target(source), schema) as snapshot:
        for table in catalog.tables(snapshot, schema):
            columns = [column.name for column in table.columns]
            # As text, since SQLite lets any value into any column.
            listed = ", ".join(f"CAST({quoted(n)} AS TEXT) AS {quoted(n)}" for n in columns)
            try:
                rows = snapshot.rows(f"SELECT {listed} FROM {quoted(table.name)} LIMIT {n_rows}")
            except SourceError:
                continue
            if rows:
                found[table.name] = {name: [row[name] for row in rows] for name in columns}
    return found


def first_texts(snapshot: Snapshot, binding: Binding) -> list[str]:
    """Read the first texts of a table of messages."""
    text = quoted(binding.columns["content"].name)
    rows = snapshot.rows(
        f"SELECT CAST({text} AS TEXT) AS said FROM {quoted(binding.table.name)}"
        f" WHERE {text} IS NOT NULL LIMIT {FEW}"
    )
    return [row["said"] for row in rows]


def refuse_documents(
    layout: Layout, source: str, first_texts: Callable[[Binding], Collection[str]]
) -> None:
    """Refuse a table that does not say who speaks because its texts are whole messages as JSON.

    Raises:
        LayoutError: so it is; taken for texts, all of them would be somebody's words.
    """
    for binding in layout.messages:
        if "role" in binding.columns or binding.half is not None:
            continue
        said = first_texts(binding)
        if said and all(map(_is_document, said)):
            text, table = binding.columns["content"].name, binding.table.name
            raise LayoutError(
                f"table {table!r} keeps whole messages as JSON in {text!r}, and nothing beside it"
                " says who speaks; write that column to a JSONL file, a message a line, and scan"
                " the file",
                source=source,
            )


def refuse_shared_ids(layout: Layout, snapshot: Snapshot) -> None:
    """Refuse ids that name a row only together with another column, as one id for each tenant.

    Raises:
        LayoutError: so they are; rows of one tenant, or user, would be taken for another's.
    """
    bound = [*layout.messages, *filter(None, (layout.conversations, layout.tool_calls))]
    for named in bound:
        key = named.columns.get("id")
        shared = [
            link.column
            for binding in bound
            for link in binding.table.foreign_keys
            if link.table == named.table.name and link.n_columns > 1
        ]
        if key is None or not shared:
            continue
        again = (
            f"SELECT 1 AS n FROM {quoted(named.table.name)} WHERE {quoted(key.name)} IS NOT NULL"
            f" GROUP BY {quoted(key.name)} HAVING count(*) > 1 LIMIT 1"
        )
        if snapshot.rows(again):
            raise LayoutError(
                f"{key.name!r} of table {named.table.name!r} names a row only together with other"
                f" columns ({', '.join(named.table.primary_key)}), and ids of several columns"
                " cannot be read; copy the rows to a database in which one column names them",
                source=snapshot.name,
                tables=(named.table.name,),
            )


_SCHEMAS = """
SELECT DISTINCT n.nspname::text AS name FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind IN ('r', 'p') AND n.nspname NOT IN ('pg_catalog', 'information_schema')
AND n.nspname NOT LIKE 'pg\\_%' AND n.nspname IS DISTINCT FROM current_schema() ORDER BY 1
"""


def elsewhere(snapshot: Snapshot, error: LayoutError, schema: str | None) -> LayoutError:
    """Add to an error which other schemas of a Postgres database have tables."""
    if snapshot.dialect == "sqlite" or schema is not None:
        return error
    found = [row["name"] for row in snapshot.rows(_SCHEMAS)]
    if not found:
        return error
    message = f"{error.message}; tables are in schema {', '.join(found)} too: name one as schema"
    return LayoutError(message, source=snapshot.name, tables=error.tables)


def unread(snapshot: Snapshot, layout: Layout) -> Iterator[Finding]:
    """Name the tables beside the chat that look as if they belonged to it, and are not empty.

    A table that cannot be looked into is named too.
    """
    for table in layout.unread:
        if has_rows(snapshot, table.name):
            reason = (
                "a table that looks as if it held messages, calls or results of this chat too;"
                " a mapping can name it in place of another"
            )
            yield Finding(snapshot.name, table.name, "not read", reason)


def has_rows(snapshot: Snapshot, table: str) -> bool:
    """Whether a table has rows, or may have: one that cannot be looked into."""
    try:
        return bool(snapshot.rows(f"SELECT 1 AS one FROM {quoted(table)} LIMIT 1"))
    except SourceError:
        return True


_DOCUMENTS = ({"type", "data"}, {"role", "content"}, {"type", "content"}, {"role", "parts"})


def _is_document(said: str) -> bool:
    try:
        found = json.loads(said)
    except (ValueError, RecursionError):
        return False
    keys = found.keys() if isinstance(found, dict) else set()
    return any(shape <= keys for shape in _DOCUMENTS)

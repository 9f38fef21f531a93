"""What a database says of itself: tables, columns, keys."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from chatdata.database.sql import literal
from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Collection

    from chatdata.database.connect import Snapshot

Kind = Literal["integer", "real", "boolean", "time", "instant", "json", "text"]
"""How a column is read; an instant is a time with a zone."""

_KINDS: tuple[tuple[str, Kind], ...] = (
    (r"^timestamp.* with time zone|^timestamptz", "instant"),
    (r"^(timestamp|datetime)", "time"),
    (r"^jsonb?$", "json"),
    (r"^bool", "boolean"),
    (r"\b(tiny|small|medium|big)?int(eger|\d)?\b|^(small|big)?serial", "integer"),
    (r"^(real|double|float)", "real"),
)


@dataclass(frozen=True)
class Column:
    """A column as declared; `plain` is its name in lower snake case.

    `seen` are the different values among the first rows, where somebody has looked.
    """

    name: str
    declared: str
    seen: frozenset[str] | None = field(default=None, compare=False, repr=False)

    @property
    def plain(self) -> str:
        """The name to compare: camelCase to snake_case, lower case."""
        snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.name)
        return snake.lower().strip("_").replace("-", "_").replace(" ", "_")

    @property
    def kind(self) -> Kind:
        """How to read it, by its declared type."""
        declared = self.declared.strip().lower()
        return next((kind for pattern, kind in _KINDS if re.search(pattern, declared)), "text")


@dataclass(frozen=True)
class ForeignKey:
    """One column that refers to a column of another table.

    Attributes:
        n_columns: how many there are in the key that it is part of.
    """

    column: str
    table: str
    target: str | None
    n_columns: int = 1


@dataclass(frozen=True)
class Table:
    """A table with its columns in order and its keys; `is_empty` where somebody has looked.

    `unique` are the columns of which no value comes twice, each by itself.
    """

    name: str
    columns: tuple[Column, ...]
    primary_key: tuple[str, ...] = ()
    foreign_keys: tuple[ForeignKey, ...] = ()
    is_empty: bool = False
    unique: frozenset[str] = frozenset()

    def column(self, name: str) -> Column | None:
        """The column of that very name."""
        return next((column for column in self.columns if column.name == name), None)

    def find(self, *plain_names: str) -> Column | None:
        """The first of these names, compared in lower snake case, that the table has."""
        by_plain = {column.plain: column for column in reversed(self.columns)}
        return next((by_plain[name] for name in plain_names if name in by_plain), None)


def tables(
    snapshot: Snapshot, schema: str | None, *, views: Collection[str] = ()
) -> tuple[Table, ...]:
    """Read the catalogue: ordinary tables in the order of their names, and views of these names.

    Raises:
        SourceError: the schema does not exist.
    """
    if snapshot.dialect == "sqlite":
        return _sqlite_tables(snapshot, views)
    return _postgres_tables(snapshot, schema, views)


def _sqlite_tables(snapshot: Snapshot, views: Collection[str]) -> tuple[Table, ...]:
    names = snapshot.rows(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%'"
        " ESCAPE '\\' AND sql NOT LIKE 'create virtual%'"
        f" OR type = 'view' AND name IN ({_listed(views)}) ORDER BY name"
    )
    return tuple(_sqlite_table(snapshot, row["name"]) for row in names)


def _listed(names: Collection[str]) -> str:
    return ", ".join(map(literal, sorted(names))) or "NULL"


def _sqlite_table(snapshot: Snapshot, name: str) -> Table:
    columns = snapshot.rows(
        # Columns that are computed are hidden from `table_info`; those of a virtual table are 1.
        f"SELECT name, type, pk FROM pragma_table_xinfo({literal(name)})"
        " WHERE hidden != 1 ORDER BY cid"
    )
    keys = snapshot.rows(
        'SELECT "from" AS "column", "table", CAST("to" AS TEXT) AS target,'
        " count(*) OVER (PARTITION BY id) AS n_columns"
        f" FROM pragma_foreign_key_list({literal(name)}) ORDER BY id, seq"
    )
    alone = snapshot.rows(
        f"SELECT max(c.name) AS name FROM pragma_index_list({literal(name)}) AS i,"
        ' pragma_index_info(i.name) AS c WHERE i."unique" AND NOT i.partial'
        " GROUP BY i.name HAVING count(*) = 1 AND count(c.name) = 1"
    )
    ordered = sorted((row for row in columns if row["pk"]), key=lambda row: int(row["pk"]))
    return Table(
        name,
        tuple(Column(row["name"], row["type"]) for row in columns),
        tuple(row["name"] for row in ordered),
        tuple(
            ForeignKey(row["column"], row["table"], row["target"], int(row["n_columns"]))
            for row in keys
        ),
        unique=frozenset(row["name"] for row in alone),
    )


_POSTGRES_COLUMNS = """
SELECT c.oid::int8 AS oid, c.relname::text AS "table", a.attname::text AS name,
       format_type(a.atttypid, NULL)::text AS type,
       COALESCE(array_position(i.indkey::int2[], a.attnum), -1)::int4 AS pk
FROM pg_class c
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped
LEFT JOIN pg_index i ON i.indrelid = c.oid AND i.indisprimary
WHERE (c.relkind IN ('r', 'p', 'f') OR c.relkind IN ('v', 'm') AND c.relname IN ({views}))
AND NOT c.relispartition AND n.nspname = {schema}
ORDER BY c.relname, a.attnum
"""
_POSTGRES_UNIQUE = """
SELECT i.indrelid::int8 AS oid, a.attname::text AS name
FROM pg_index i
JOIN pg_class c ON c.oid = i.indrelid
JOIN pg_namespace n ON n.oid = c.relnamespace
JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]
WHERE i.indisunique AND i.indisvalid AND i.indnkeyatts = 1 AND i.indpred IS NULL
AND n.nspname = {schema}
"""
_POSTGRES_KEYS = """
SELECT c.conrelid::int8 AS oid, a.attname::text AS "column", r.relname::text AS "table",
       b.attname::text AS target, cardinality(c.conkey)::int4 AS n_columns
FROM pg_constraint c
JOIN pg_class r ON r.oid = c.confrelid
JOIN pg_class t ON t.oid = c.conrelid
JOIN pg_namespace n ON n.oid = t.relnamespace
JOIN LATERAL unnest(c.conkey, c.confkey) AS k(attnum, target) ON true
JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = k.attnum
JOIN pg_attribute b ON b.attrelid = c.confrelid AND b.attnum = k.target
WHERE c.contype = 'f' AND n.nspname = {schema}
ORDER BY c.oid, k.attnum
"""


def _postgres_tables(
    snapshot: Snapshot, schema: str | None, views: Collection[str]
) -> tuple[Table, ...]:
    chosen = "current_schema()" if schema is None else literal(schema)
    if schema is not None and not snapshot.rows(
        f"SELECT nspname::text AS name FROM pg_namespace WHERE nspname = {chosen}"
    ):
        raise SourceError(f"no schema named {schema!r}; check `schema=`", source=snapshot.name)
    columns = snapshot.rows(_POSTGRES_COLUMNS.format(schema=chosen, views=_listed(views)))
    keys = snapshot.rows(_POSTGRES_KEYS.format(schema=chosen))
    alone = snapshot.rows(_POSTGRES_UNIQUE.format(schema=chosen))
    found = []
    for oid, name in dict.fromkeys((row["oid"], row["table"]) for row in columns):
        own = [row for row in columns if row["oid"] == oid]
        primary = sorted((row for row in own if row["pk"] >= 0), key=lambda row: int(row["pk"]))
        found.append(
            Table(
                name,
                tuple(Column(row["name"], row["type"]) for row in own),
                tuple(row["name"] for row in primary),
                tuple(
                    ForeignKey(row["column"], row["table"], row["target"], row["n_columns"])
                    for row in keys
                    if row["oid"] == oid
                ),
                unique=frozenset(row["name"] for row in alone if row["oid"] == oid),
            )
        )
    return tuple(found)

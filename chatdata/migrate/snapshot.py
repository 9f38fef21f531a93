"""What a database looks like at a revision, so that it can be recognised and compared.

`snapshots/<revision>.json` holds three things that the chain makes: its *structure*, reflected and
reduced to what both databases have in common (for `adopt`), and the exact *definitions* of every
object on SQLite and on PostgreSQL (for `drift`). Definitions come from the catalogue and not from
reflection, which does not see triggers, views, collations or the predicates of indexes.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import engine, locate, runner

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from pathlib import Path

Structure = dict[str, Any]
"""Per table: `columns` (type, nullable), `primary_key`, `foreign_keys`, `indexes`, `unique`."""

FAMILIES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.JSON, "json"),
    (sa.Boolean, "boolean"),
    (sa.Integer, "integer"),
    (sa.Uuid, "uuid"),
    (sa.Enum, "enum"),
    (sa.String, "text"),
    (sa.DateTime, "time"),
    (sa.Numeric, "number"),
)

_POSTGRES = """
    WITH tables AS (
      SELECT oid, relname FROM pg_class
      WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('r', 'p'))
    SELECT t.relname, 'column ' || t.relname || '.' || a.attname,
      format_type(a.atttypid, a.atttypmod) || CASE WHEN a.attnotnull THEN ' NOT NULL' ELSE '' END
      || coalesce(' DEFAULT ' || pg_get_expr(d.adbin, d.adrelid), '')
      || coalesce(' COLLATE ' || nullif(c.collname, 'default'), '')
    FROM pg_attribute a JOIN tables t ON t.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
    LEFT JOIN pg_collation c ON c.oid = a.attcollation
    WHERE a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT t.relname, 'constraint ' || t.relname || '.' || c.conname, pg_get_constraintdef(c.oid)
    FROM pg_constraint c JOIN tables t ON t.oid = c.conrelid WHERE c.contype <> 'n'
    UNION ALL
    SELECT t.relname, 'index ' || i.relname,
      pg_get_indexdef(x.indexrelid) || CASE WHEN x.indisvalid THEN '' ELSE ' INVALID' END
    FROM pg_index x JOIN tables t ON t.oid = x.indrelid JOIN pg_class i ON i.oid = x.indexrelid
    UNION ALL
    SELECT t.relname, 'trigger ' || t.relname || '.' || g.tgname, pg_get_triggerdef(g.oid)
    FROM pg_trigger g JOIN tables t ON t.oid = g.tgrelid WHERE NOT g.tgisinternal
    UNION ALL
    SELECT NULL, 'view ' || relname, pg_get_viewdef(oid) FROM pg_class
    WHERE relnamespace = to_regnamespace(current_schema()) AND relkind IN ('v', 'm')
"""
# Where the virtual tables of full-text search and R-trees are kept is their own affair.
_SQLITE = """
    WITH kept (part) AS (VALUES ('data'), ('idx'), ('content'), ('docsize'), ('config'),
      ('segments'), ('segdir'), ('stat'), ('node'), ('rowid'), ('parent'))
    SELECT CASE WHEN type = 'view' THEN NULL ELSE tbl_name END, type || ' ' || name, sql
    FROM sqlite_master m WHERE sql IS NOT NULL AND NOT EXISTS (
      SELECT 1 FROM sqlite_master v JOIN kept ON m.tbl_name = v.name || '_' || kept.part
      WHERE v.sql LIKE 'CREATE VIRTUAL TABLE%')
"""


def structure(connection: sa.Connection) -> Structure:
    """Reflect every table but our own records, reduced to what both databases share."""
    inspector = sa.inspect(connection)
    return {
        name: _table(inspector, name)
        for name in sorted(inspector.get_table_names())
        if not name.startswith("chatdata_")
    }


def definitions(connection: sa.Connection, tables: frozenset[str] | None = None) -> dict[str, str]:
    """Read how every object is defined, by "kind name".

    Args:
        connection: the database.
        tables: only objects of these tables, and those named as "kind name"; None means all, and
            all views.
    """
    return described(
        lambda query: connection.exec_driver_sql(query).all(), connection.dialect.name, tables
    )


def described(
    ask: Callable[[str], Iterable[Any]], kind: str, tables: frozenset[str] | None = None
) -> dict[str, str]:
    """Do the same through a function that answers queries, for databases of a kind."""
    schema, rows = None, ask(_SQLITE if kind == "sqlite" else _POSTGRES)
    if kind != "sqlite":
        ((schema,),) = ask("SELECT quote_ident(current_schema())")
    return {
        key: " ".join(sql.replace(f"{schema}.", "").split())
        for table, key, sql in rows
        if not (table or "").startswith(("chatdata_", "sqlite_"))
        and (tables is None or table in tables or key in tables)
    }


def load(revision: str, scripts: Path | None = None) -> dict[str, Any]:
    """Read the snapshot of a revision.

    Raises:
        MigrationError: there is none.
    """
    file = (scripts or locate.scripts()) / "snapshots" / f"{revision}.json"
    if not file.is_file():
        raise MigrationError(
            f"revision {revision} has no snapshot; expected {file.name}",
            then="install chatdata again, or, for a revision of your own, write it anew with its "
            "snapshot: chatdata db new -m MESSAGE",
            source=str(file.parent),
        )
    found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return found


def make(revision: str, url: str, scripts: Path | None = None) -> dict[str, Any]:
    """Bring an empty database to a revision and describe it."""
    with engine.connect(url) as connection:
        runner.upgrade(connection, to=revision, scripts=scripts)
        found = {
            "structure": structure(connection),
            connection.dialect.name: definitions(connection),
        }
        connection.rollback()
    return found


def write(scripts: Path | None = None, *, postgres_url: str | None = None) -> list[Path]:
    """Write the snapshots of all revisions, for a chain's author.

    Args:
        scripts: the folder of the chain.
        postgres_url: an empty PostgreSQL database; without one what was there is kept.
    """
    folder = scripts or locate.scripts()
    (folder / "snapshots").mkdir(exist_ok=True)
    written = []
    for step in reversed(list(runner.chain(scripts).walk_revisions())):
        file = folder / "snapshots" / f"{step.revision}.json"
        found = make(step.revision, "sqlite://", scripts)
        old = json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
        found["postgresql"] = old.get("postgresql", {})
        if postgres_url is not None:
            found["postgresql"] = make(step.revision, postgres_url, scripts)["postgresql"]
        text = json.dumps(found, indent=1, sort_keys=True, ensure_ascii=False)
        file.write_text(text + "\n", encoding="utf-8")
        written.append(file)
    return written


def _table(inspector: sa.Inspector, name: str) -> Structure:
    return {
        "columns": {
            column["name"]: {"type": _family(column["type"]), "nullable": column["nullable"]}
            for column in inspector.get_columns(name)
        },
        "primary_key": inspector.get_pk_constraint(name)["constrained_columns"],
        "foreign_keys": sorted(
            [key["constrained_columns"], key["referred_table"], key["referred_columns"]]
            for key in inspector.get_foreign_keys(name)
        ),
        "indexes": sorted(
            [*map(str, index["column_names"])]
            for index in inspector.get_indexes(name)
            if "duplicates_constraint" not in index
        ),
        "unique": _unique(inspector, name),
    }


def _unique(inspector: sa.Inspector, name: str) -> list[list[str]]:
    by_constraint = [c["column_names"] for c in inspector.get_unique_constraints(name)]
    by_index = [
        [*map(str, index["column_names"])]
        for index in inspector.get_indexes(name)
        if index["unique"]
    ]
    return sorted({tuple(columns): columns for columns in by_constraint + by_index}.values())


def _family(kind: sa.types.TypeEngine[Any]) -> str:
    zone = " with time zone" if getattr(kind, "timezone", False) else ""
    found = (family for base, family in FAMILIES if isinstance(kind, base))
    return next(found, str(kind).lower()) + zone

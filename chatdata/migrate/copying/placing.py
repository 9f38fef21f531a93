"""Rows from the scratch database to the target: numbered, inserted once, and looked at again."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from chatdata.migrate.copying import scratch

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import duckdb

ID_MAP = sa.Table(
    "chatdata_id_map",
    sa.MetaData(),
    sa.Column("source", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("old_id", sa.String(255), primary_key=True),
    sa.Column("new_id", sa.BigInteger, nullable=False),
)


@dataclass(frozen=True)
class Place:
    """One of our tables: what the map calls its rows, and where these come from.

    `rows` is the scratch table of what was read, numbered in `order`; with `keeps` an integer id
    stays what it is. `links` selects, beside the numbers, what comes from other rows; `columns` are
    taken as they are.
    """

    table: str
    kind: str
    rows: str
    columns: tuple[str, ...]
    order: str = "created_at"
    links: str = ""
    joined: str = ""
    keeps: bool = False

    @property
    def placed(self) -> str:
        """The scratch table of the finished rows, in the order of their ids."""
        return f"placed_{self.table}"


_OWNED = ", coalesce(r.user_id, c.user_id) AS user_id, p.new_id AS conversation_id"
TASKS = Place(
    table="tasks",
    kind="task",
    rows="tasks",
    columns=("user_id", "title", "description", "completed", "created_at", "updated_at"),
    # Arguments of tool calls name tasks by their ids.
    keeps=True,
)
CONVERSATIONS = Place(
    table="conversations",
    kind="conversation",
    rows="conversations",
    columns=("user_id", "created_at", "updated_at"),
)
MESSAGES = Place(
    table="messages",
    kind="message",
    rows="messages",
    columns=("role", "content", "tool_calls", "created_at"),
    order="created_at, conversation, position",
    links=_OWNED,
    joined="""
        JOIN ids p ON p.kind = 'conversation' AND p.old_id = r.conversation
        JOIN conversations c ON c.old_id = r.conversation
    """,
)
LOG = Place(
    table="tool_calls",
    kind="tool_call",
    rows="log",
    columns=(
        *("position", "native_id", "tool_name", "arguments", "arguments_status", "result"),
        *("status", "error_source", "started_at", "ended_at"),
    ),
    order="conversation, position",
    links=_OWNED,
    joined="""
        LEFT JOIN ids p ON p.kind = 'conversation' AND p.old_id = r.conversation
        LEFT JOIN conversations c ON c.old_id = r.conversation
    """,
)
PLACES = (TASKS, CONVERSATIONS, MESSAGES, LOG)
_USERS = sa.table("users")
_CALLS = ("native_id", "tool_name", "result", "started_at", "ended_at", "item", "elsewhere")


def number(db: duckdb.DuckDBPyConnection, connection: sa.Connection, source: str) -> None:
    """Give every row its integer id, the one it was given before or the next, and put it in order.

    Ids go by time and then by their own order, on from the highest there is.
    """
    db.execute("CREATE OR REPLACE TABLE log AS FROM calls WHERE message IS NULL")
    db.execute(
        "CREATE OR REPLACE TABLE ids (kind VARCHAR, old_id VARCHAR, new_id BIGINT, fresh BOOLEAN)"
    )
    columns = (ID_MAP.c.kind, ID_MAP.c.old_id, ID_MAP.c.new_id)
    for known in _read(connection, sa.select(*columns).where(ID_MAP.c.source == source)):
        scratch.load(db, "ids", known, "*, false AS fresh")
    for place in PLACES:
        highest = connection.scalar(sa.text(f"SELECT coalesce(max(id), 0) FROM {place.table}"))
        mapped = db.execute("SELECT max(new_id) FROM ids WHERE kind = ?", [place.kind]).fetchone()
        _number(db, place, max(highest or 0, (mapped and mapped[0]) or 0))
        keys = f"""
            SELECT i.new_id AS id, i.old_id, i.fresh, r.rowid AS place {place.links}
            FROM {place.rows} r JOIN ids i ON i.kind = '{place.kind}' AND i.old_id = r.old_id
            {place.joined}
        """
        _put_in_order(db, place.placed, keys, place.rows, place.columns)
    keys = """
        SELECT i.new_id AS id, r.position, r.rowid AS place
        FROM calls r JOIN ids i ON i.kind = 'message' AND i.old_id = r.message
    """
    _put_in_order(db, "placed_calls", keys, "calls", _CALLS)


def _put_in_order(
    db: duckdb.DuckDBPyConnection, table: str, keys: str, rows: str, columns: tuple[str, ...]
) -> None:
    """Join what is short first: a sort can be larger than memory, a join with texts can not."""
    db.execute(f"CREATE OR REPLACE TABLE keys AS {keys}")
    taken = ", ".join(f"r.{column}" for column in columns)
    db.execute(
        f"CREATE OR REPLACE TABLE {table} AS SELECT keys.* EXCLUDE (place), {taken}"
        f" FROM {rows} r JOIN keys ON r.rowid = keys.place ORDER BY id"
    )


def _read(connection: sa.Connection, query: sa.Select[Any]) -> Iterator[pl.DataFrame]:
    schema = {
        column.name: pl.String() if isinstance(column.type, sa.String) else pl.Int64()
        for column in query.selected_columns
    }
    in_parts = {"yield_per": scratch.BATCH}
    with connection.execute(query, execution_options=in_parts) as rows:
        for part in rows.partitions():
            yield pl.DataFrame([tuple(row) for row in part], schema=schema, orient="row")


def _number(db: duckdb.DuckDBPyConnection, place: Place, start: int) -> None:
    fresh = f"""
        {place.rows} WHERE old_id NOT IN (SELECT old_id FROM ids WHERE kind = '{place.kind}')
    """
    new_id = f"{start} + row_number() OVER (ORDER BY {place.order}, old_id)"
    if place.keeps and not scratch.count(
        db,
        f"{fresh} AND (coalesce(try_cast(old_id AS INTEGER), 0) <= {start}"
        " OR old_id <> try_cast(old_id AS INTEGER)::VARCHAR)",
    ):
        new_id = "old_id::INTEGER"
    db.execute(f"INSERT INTO ids SELECT '{place.kind}', old_id, {new_id}, true FROM {fresh}")


def insert(
    db: duckdb.DuckDBPyConnection,
    connection: sa.Connection,
    source: str,
    on_rows: Callable[[str, int], None],
) -> None:
    """Insert the rows that are not there, each batch and its part of the map in one transaction.

    `on_rows` is told the table and how many rows of it are done after each batch.
    """
    db.execute("CREATE OR REPLACE TABLE there (id VARCHAR)")
    for there in _read(connection, sa.select(sa.column("id", sa.String)).select_from(_USERS)):
        scratch.load(db, "there", there)
    connection.rollback()
    for users in scratch.batches(db, "users", "id NOT IN (SELECT id FROM there)"):
        with connection.begin():
            write(connection, "users", users)
    for place in PLACES:
        done = 0
        for batch in scratch.batches(db, place.placed, "fresh"):
            shown = with_calls(db, batch) if place is MESSAGES else batch
            mapped = batch.select(
                pl.lit(source).alias("source"),
                pl.lit(place.kind).alias("kind"),
                "old_id",
                new_id="id",
            )
            with connection.begin():
                write(connection, ID_MAP.name, mapped)
                write(connection, place.table, shown.drop("old_id", "fresh"))
            done += batch.height
            on_rows(place.table, done)


def with_calls(db: duckdb.DuckDBPyConnection, messages: pl.DataFrame) -> pl.DataFrame:
    """Write the calls of each message as one JSON list.

    A text that could not be read whole is carried as it is; where it does not say all of the calls,
    or of their results, it is an item of the list, and no call.
    """
    calls = db.execute(
        "SELECT id, string_agg(item, ', ' ORDER BY position) AS items,"
        " bool_or(elsewhere) AS elsewhere FROM placed_calls WHERE id BETWEEN ? AND ? GROUP BY 1",
        [messages["id"].min(), messages["id"].max()],
    ).pl()
    text, items = pl.col("tool_calls"), pl.col("items")
    whole = pl.concat_str(pl.lit("["), items, pl.lit("]"))
    beside = pl.concat_str(
        pl.lit("["),
        items,
        pl.lit(", "),
        pl.struct(malformed=text).struct.json_encode(),
        pl.lit("]"),
    )
    listed = pl.when(text.is_null()).then(whole).when("elsewhere").then(beside).otherwise(text)
    return (
        messages.join(calls, on="id", how="left", maintain_order="left")
        .with_columns(tool_calls=listed)
        .drop("items", "elsewhere")
    )


def write(connection: sa.Connection, table: str, rows: pl.DataFrame) -> None:
    """Insert rows by the names of their columns."""
    listed = ", ".join(rows.columns)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        marks = ", ".join("?" * rows.width)
        driver.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks})", stored(rows).rows())
        return
    text = io.BytesIO()
    rows.write_csv(text, include_header=False, datetime_format="%Y-%m-%d %H:%M:%S%.6f")
    with driver.cursor().copy(f"COPY {table} ({listed}) FROM STDIN (FORMAT csv)") as stream:
        stream.write(text.getvalue())


def stored(rows: pl.DataFrame) -> pl.DataFrame:
    """Write times as SQLAlchemy stores them on SQLite."""
    return rows.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))


def mark(connection: sa.Connection, source: str) -> None:
    """Say whose copy the target is, before the first row."""
    row = {"source": source, "kind": "source", "old_id": "", "new_id": 0}
    known = sa.select(ID_MAP.c.new_id).where(*(ID_MAP.c[key] == row[key] for key in list(row)[:3]))
    if connection.scalar(known) is None:
        connection.execute(ID_MAP.insert().values(row))


def advance(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    if connection.dialect.name == "sqlite":
        return
    for place in PLACES:
        connection.exec_driver_sql(
            "SELECT setval(s, greatest(top, last, 1), top + last > 0) FROM"
            f" (SELECT coalesce(max(id), 0) AS top FROM {place.table}) AS there,"
            f" (SELECT pg_get_serial_sequence('{place.table}', 'id')::regclass AS s) AS own,"
            " LATERAL (SELECT coalesce(pg_sequence_last_value(s), 0) AS last) AS used"
        )

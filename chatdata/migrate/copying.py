"""From any readable application layout into a database at head.

The reader does the understanding; here its frames become rows. Every old id gets a new integer by
(time, id), kept in `chatdata_id_map`, which is written first: from then on the copy is a matter of
filling in what is missing, so that it can be killed anywhere, repeated, and continued later.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl
import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.load import scan
from chatdata.migrate import backfill, engine, history, people, runner

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.chats import Chats

BATCH = 20_000
ID_MAP = sa.Table(
    "chatdata_id_map",
    sa.MetaData(),
    sa.Column("source", sa.String(255), primary_key=True),
    sa.Column("kind", sa.String(20), primary_key=True),
    sa.Column("old_id", sa.String(255), primary_key=True),
    sa.Column("new_id", sa.BigInteger, nullable=False),
)
_FLAGGED = ("ok", "error", "denied", "cancelled", "timeout")


@dataclass(frozen=True)
class Copied:
    """What a copy brought over: rows now in the target, and what our tables have no place for."""

    source: str
    target: str
    n_users: int
    n_conversations: int
    n_messages: int
    n_tool_calls: int
    n_malformed: int
    not_carried: tuple[str, ...]

    def __str__(self) -> str:
        left = f"; not carried over: {', '.join(self.not_carried)}" if self.not_carried else ""
        return (
            f"{self.source} -> {self.target}: {self.n_users:,} users, {self.n_conversations:,} "
            f"conversations, {self.n_messages:,} messages, {self.n_tool_calls:,} tool calls "
            f"({self.n_malformed:,} messages with malformed ones, kept as they are){left}"
        )


def copy(
    source: str,
    target: str,
    *,
    schema: str | None = None,
    time_zone: str = "UTC",
    fill: Mapping[str, str] | None = None,
) -> Copied:
    """Copy an application's chats into a database of ours; twice is the same as once.

    Args:
        source: the application's database, read only.
        target: a database that our chain made, or that does not exist yet.
        schema: of a PostgreSQL source.
        time_zone: the zone of the source's naive times.
        fill: see `people.people`.

    Raises:
        MigrationError: the target is an application's, or a column that may not be null has no
            source (exit code 3); or what arrived is not what was read (exit code 5).
    """
    chats = scan(source, schema=schema, time_zone=time_zone)
    _refuse_nulls(chats, engine.label(source))
    users = people.people(source, chats, fill or {})
    runner.upgrade(target)
    name = engine.label(source)
    with engine.connect(target) as connection:
        _refuse_adopted(connection, target)
        with connection.begin():
            ID_MAP.create(connection, checkfirst=True)
            _number(connection, name, "conversation", chats.conversations)
            _number(connection, name, "message", _ordered_messages(chats))
            _number(connection, name, "tool_call", _unlinked_calls(chats))
        with connection.begin():
            conversations = _map(connection, name, "conversation")
            messages = _map(connection, name, "message")
            calls = _map(connection, name, "tool_call")
            _insert(connection, "users", _absent(connection, "users", users))
            rows = _conversations(chats, conversations).collect()
            _insert(connection, "conversations", _absent(connection, "conversations", rows))
        _copy_messages(connection, _messages(chats, conversations, messages))
        with connection.begin():
            _copy_unlinked(connection, _unlinked(chats, conversations, calls))
            _advance(connection)
    progress = backfill.run(target)
    return _verify(source, target, chats, users.height, progress.bad)


def _refuse_nulls(chats: Chats[pl.LazyFrame], source: str) -> None:
    owned = _owned(chats)
    orphan = owned.join(chats.conversations, on="conversation_id", how="anti")
    checks = {
        "conversations.user_id": chats.conversations.filter(pl.col("user_id").is_null()),
        "conversations.created_at": chats.conversations.filter(pl.col("created_at").is_null()),
        "conversations.updated_at": chats.conversations.filter(pl.col("updated_at").is_null()),
        "messages.user_id": owned.filter(pl.col("user_id").is_null()),
        "messages.created_at": owned.filter(pl.col("created_at").is_null()),
        "messages.conversation_id": orphan,
        "tool_calls.user_id": _unlinked_calls(chats).filter(pl.col("user_id").is_null()),
    }
    counts = pl.collect_all([rows.select(pl.len()) for rows in checks.values()])
    for column, count in zip(checks, counts, strict=True):
        if count.item():
            raise MigrationError(
                f"{column} may not be null and has no value in {count.item():,} rows",
                state="nothing was copied",
                then="repair them in the source, and run the same command again",
                source=source,
                exit_code=3,
            )


def _owned(chats: Chats[pl.LazyFrame]) -> pl.LazyFrame:
    """Messages with their owner: their own user where it differs, else the conversation's."""
    owner = chats.conversations.select("conversation_id", owner="user_id")
    own = pl.col("extra").str.json_path_match("$.user_id")
    return chats.messages.join(owner, on="conversation_id", how="left").with_columns(
        user_id=pl.coalesce(own, "owner")
    )


def _ordered_messages(chats: Chats[pl.LazyFrame]) -> pl.LazyFrame:
    return chats.messages.select("message_id", "created_at", "conversation_id", "position")


def _number(connection: sa.Connection, source: str, kind: str, rows: pl.LazyFrame) -> None:
    """Give every id that has none yet the next integer, by time and then by its own order."""
    key = f"{kind}_id"
    known = _map(connection, source, kind)
    order = [
        name
        for name in ("created_at", "conversation_id", "position")
        if name in rows.collect_schema()
    ]
    fresh = rows.join(known.lazy(), left_on=key, right_on="old_id", how="anti")
    ids = fresh.sort(*order, key).select(key).collect()[key]
    highest = sa.select(sa.func.coalesce(sa.func.max(ID_MAP.c.new_id), 0))
    start = connection.scalar(highest.where(ID_MAP.c.kind == kind)) or 0
    numbered = pl.DataFrame({"old_id": ids, "new_id": pl.int_range(1, len(ids) + 1, eager=True)})
    frame = numbered.select(
        pl.lit(source).alias("source"),
        pl.lit(kind).alias("kind"),
        "old_id",
        pl.col("new_id") + start,
    )
    _insert(connection, ID_MAP.name, frame)


def _map(connection: sa.Connection, source: str, kind: str) -> pl.DataFrame:
    query = sa.select(ID_MAP.c.old_id, ID_MAP.c.new_id).where(
        ID_MAP.c.source == source, ID_MAP.c.kind == kind
    )
    rows = [tuple(row) for row in connection.execute(query)]
    return pl.DataFrame(rows, schema={"old_id": pl.String(), "new_id": pl.Int64()}, orient="row")


def _conversations(chats: Chats[pl.LazyFrame], ids: pl.DataFrame) -> pl.LazyFrame:
    return (
        chats.conversations.join(ids.lazy(), left_on="conversation_id", right_on="old_id")
        .select("user_id", "created_at", "updated_at", id="new_id")
        .sort("id")
    )


def _messages(
    chats: Chats[pl.LazyFrame], conversations: pl.DataFrame, ids: pl.DataFrame
) -> pl.LazyFrame:
    parents = conversations.lazy().rename({"new_id": "parent"})
    malformed = pl.col("extra").str.json_path_match("$.tool_calls")
    return (
        _owned(chats)
        .join(ids.lazy(), left_on="message_id", right_on="old_id")
        .join(parents, left_on="conversation_id", right_on="old_id")
        .join(_encoded_calls(chats), on="message_id", how="left")
        .select(
            "user_id",
            "role",
            "content",
            "created_at",
            id="new_id",
            conversation_id="parent",
            tool_calls=pl.coalesce("calls", malformed),
        )
        .sort("id")
    )


def _encoded_calls(chats: Chats[pl.LazyFrame]) -> pl.LazyFrame:
    """Write the calls of each message as one JSON list of {tool, parameters, result}."""
    raw = pl.col("arguments_raw")
    is_object = pl.col("arguments").eq_missing(raw)
    told = pl.col("status").is_in(_FLAGGED) & (
        pl.col("error_source").is_not_null() | (pl.col("status") == "ok")
    )
    parts = [
        _member("id", _json_text(pl.col("native_id")), pl.col("native_id").is_not_null()),
        _member("tool", _json_text(pl.col("name")), pl.col("name").is_not_null()),
        _member(
            "parameters",
            pl.when(is_object).then(raw).otherwise(_json_text(raw)),
            raw.is_not_null(),
        ),
        _member("result", _json_text(pl.col("result")), pl.col("result").is_not_null()),
        _member("status", _json_text(pl.col("status")), told),
    ]
    item = pl.concat_str(
        pl.lit("{"), pl.concat_list(parts).list.drop_nulls().list.join(", "), pl.lit("}")
    )
    return (
        chats.tool_calls.filter(pl.col("message_id").is_not_null())
        .sort("message_id", "position")
        .group_by("message_id", maintain_order=True)
        .agg(calls=pl.concat_str(pl.lit("["), item.str.join(", "), pl.lit("]")))
    )


def _member(key: str, value: pl.Expr, when: pl.Expr) -> pl.Expr:
    return pl.when(when).then(pl.concat_str(pl.lit(f'"{key}": '), value)).otherwise(None)


def _json_text(text: pl.Expr) -> pl.Expr:
    encoded = pl.struct(v=text).struct.json_encode()
    return encoded.str.strip_prefix('{"v":').str.strip_suffix("}")


def _copy_messages(connection: sa.Connection, rows: pl.LazyFrame) -> None:
    """Insert messages in the order of their new ids, from where the last run came to."""
    with connection.begin():
        last = connection.scalar(sa.text("SELECT coalesce(max(id), 0) FROM messages"))
    pending = rows.filter(pl.col("id") > last)
    for batch in pending.collect_batches(chunk_size=BATCH, maintain_order=True):
        with connection.begin():
            _insert(connection, "messages", batch)


def _unlinked_calls(chats: Chats[pl.LazyFrame]) -> pl.LazyFrame:
    """Calls that no message is known for, with their own user, or else the conversation's."""
    owner = chats.conversations.select("conversation_id", owner="user_id")
    told = pl.col("extra").str.json_path_match("$.user_id")
    return (
        chats.tool_calls.filter(pl.col("message_id").is_null())
        .join(owner, on="conversation_id", how="left")
        .with_columns(user_id=pl.coalesce(told, "owner"))
    )


def _unlinked(
    chats: Chats[pl.LazyFrame], conversations: pl.DataFrame, ids: pl.DataFrame
) -> pl.LazyFrame:
    return (
        _unlinked_calls(chats)
        .join(ids.lazy().rename({"new_id": "ordinal"}), left_on="tool_call_id", right_on="old_id")
        .join(conversations.lazy(), left_on="conversation_id", right_on="old_id", how="left")
        .sort("ordinal")
        .select(
            "user_id",
            "position",
            "native_id",
            "arguments",
            "arguments_status",
            "result",
            "status",
            "error_source",
            "started_at",
            "ended_at",
            tool_name="name",
            conversation_id="new_id",
        )
    )


def _copy_unlinked(connection: sa.Connection, rows: pl.LazyFrame) -> None:
    """Insert the calls without a message by their numbers, after those that are there."""
    there = connection.scalar(sa.text("SELECT count(*) FROM tool_calls WHERE message_id IS NULL"))
    _insert(connection, "tool_calls", rows.slice(there or 0).collect())


def _insert(connection: sa.Connection, table: str, rows: pl.DataFrame) -> None:
    if rows.is_empty():
        return
    listed = ", ".join(rows.columns)
    driver: Any = connection.connection.driver_connection
    if connection.dialect.name == "sqlite":
        stored = rows.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))
        marks = ", ".join("?" * rows.width)
        driver.executemany(f"INSERT INTO {table} ({listed}) VALUES ({marks})", stored.rows())
        return
    with driver.cursor().copy(f"COPY {table} ({listed}) FROM STDIN") as stream:
        for row in rows.rows():
            stream.write_row(row)


def _absent(connection: sa.Connection, table: str, rows: pl.DataFrame) -> pl.DataFrame:
    there = [row[0] for row in connection.execute(sa.text(f"SELECT id FROM {table}"))]
    return rows.filter(~pl.col("id").is_in(there)) if there else rows


def _advance(connection: sa.Connection) -> None:
    """Let PostgreSQL number new rows after the copied ones."""
    if connection.dialect.name == "sqlite":
        return
    for table in ("conversations", "messages"):
        connection.exec_driver_sql(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'),"
            f" (SELECT coalesce(max(id), 1) FROM {table}))"
        )


def _refuse_adopted(connection: sa.Connection, target: str) -> None:
    floor = history.adopted(connection)
    connection.rollback()
    if floor is not None:
        raise MigrationError(
            "is an application's own database",
            state="nothing was copied",
            then="copy into a new one: chatdata db copy SOURCE URL",
            source=engine.label(target),
            exit_code=3,
        )


def _verify(
    source: str, target: str, chats: Chats[pl.LazyFrame], n_users: int, n_malformed: int
) -> Copied:
    arrived = scan(target)
    linked = pl.col("message_id").is_not_null()
    for name, rows in {
        "conversations": (chats.conversations, arrived.conversations),
        "messages by role": (
            chats.messages.group_by("role").len().sort("role"),
            arrived.messages.group_by("role").len().sort("role"),
        ),
        "calls by tool": tuple(
            each.tool_calls.filter(linked).group_by("name", "status").len().sort("name", "status")
            for each in (chats, arrived)
        ),
    }.items():
        read, there = (frame.collect() for frame in rows)
        same = read.height == there.height if name == "conversations" else read.equals(there)
        if not same:
            raise MigrationError(
                f"{name} are not what was read",
                state="the source is untouched",
                then="copy into a new database: chatdata db copy SOURCE URL",
                source=engine.label(target),
                exit_code=5,
            )
    return Copied(
        source=engine.label(source),
        target=engine.label(target),
        n_users=n_users,
        n_conversations=_count(chats.conversations),
        n_messages=_count(chats.messages),
        n_tool_calls=_count(chats.tool_calls),
        n_malformed=n_malformed,
        not_carried=_not_carried(chats),
    )


def _count(frame: pl.LazyFrame) -> int:
    return int(frame.select(pl.len()).collect().item())


def _not_carried(chats: Chats[pl.LazyFrame]) -> tuple[str, ...]:
    """Name what the source has and our tables have no column for."""
    titled = chats.conversations.select(pl.col("title").is_not_null().any()).collect().item()
    keys = [
        f"{table}.{key}"
        for table, frame in (("conversations", chats.conversations), ("messages", chats.messages))
        for key in _keys(frame)
        if key not in ("user_id", "tool_calls", "orphan")
    ]
    return tuple((["conversations.title"] if titled else []) + keys)


def _keys(frame: pl.LazyFrame) -> list[str]:
    keys = pl.col("extra").str.extract_all(r'(?:^\{|,)"([^"\\]+)":').list.explode()
    found = frame.select(keys.str.extract(r'"([^"]+)"').unique().drop_nulls().sort()).collect()
    return found.to_series().to_list()

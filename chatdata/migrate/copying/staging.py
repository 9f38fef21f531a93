"""What the reader found, put into the scratch database in the words of our own tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata.database.sql import literal
from chatdata.migrate.copying import scratch

if TYPE_CHECKING:
    import duckdb

    from chatdata.chats import Chats
    from chatdata.database.binding import Layout

_TOLD = ("ok", "denied", "cancelled")
_TABLES = """
    CREATE TABLE conversations (
        old_id VARCHAR, user_id VARCHAR, created_at TIMESTAMP, updated_at TIMESTAMP);
    CREATE TABLE messages (
        old_id VARCHAR, conversation VARCHAR, position INTEGER, user_id VARCHAR, role VARCHAR,
        content VARCHAR, tool_calls VARCHAR, created_at TIMESTAMP);
    CREATE TABLE calls (
        old_id VARCHAR, message VARCHAR, conversation VARCHAR, position INTEGER, user_id VARCHAR,
        native_id VARCHAR, tool_name VARCHAR, arguments VARCHAR, arguments_status VARCHAR,
        result VARCHAR, status VARCHAR, error_source VARCHAR, started_at TIMESTAMP,
        ended_at TIMESTAMP, item VARCHAR, elsewhere BOOLEAN);
"""
_CONVERSATION = "conversation_id AS old_id, user_id, created_at, updated_at"
_MESSAGE = """
    message_id AS old_id, conversation_id AS conversation, position,
    extra ->> '/user_id' AS user_id, CASE kind WHEN 'event' THEN role_raw ELSE role END AS role,
    content, created_at
"""
_CALL = """
    tool_call_id AS old_id, message_id AS message, conversation_id AS conversation, position,
    as_key(extra ->> '/user_id') AS user_id, native_id, name AS tool_name, arguments,
    arguments_status, result, status, error_source, started_at, ended_at, item,
    result_message_id IS NOT NULL OR tool_call_id <> concat(message_id, ':', position) AS elsewhere
"""
_UNKNOWN = {
    "conversations": ("title", "model", "agent", "project"),
    "messages": (
        "reasoning",
        "model",
        "finish_reason",
        "input_tokens",
        "output_tokens",
        "cache_read_tokens",
        "cache_write_tokens",
        "reasoning_tokens",
    ),
}
"""Columns of the frames that our tables have no place for."""


def stage(db: duckdb.DuckDBPyConnection, chats: Chats[pl.LazyFrame], layout: Layout) -> None:
    """Take over all of the frames, a batch at a time; the table `lost` names what has no place.

    A call that no message is there for keeps its place in the log: its `message` is null.
    """
    db.execute(_TABLES)
    _take(db, "conversations", chats.conversations, _CONVERSATION)
    holder, companion = _holder(chats, layout)
    # What could not be read of a text is carried as it stands, with all that stands beside it.
    malformed = "NULL" if holder is None else f"extra ->> {literal(_pointer(holder))}"
    _take(db, "messages", chats.messages, f"{_MESSAGE}, {malformed} AS tool_calls")
    _take(db, "calls", chats.tool_calls.with_columns(item=_item()), _CALL)
    if companion:
        db.execute("UPDATE calls SET elsewhere = true")
    _part_orphans(db)
    taken = {"messages.user_id", "messages.orphan", f"messages.{holder}"}
    db.execute(f"DELETE FROM lost WHERE name IN ({', '.join(map(literal, sorted(taken)))})")


def _part_orphans(db: duckdb.DuckDBPyConnection) -> None:
    """Keep a call whose message is not there as one without a message."""
    orphans = "message NOT IN (SELECT old_id FROM messages)"
    n_orphans = scratch.count(db, f"calls WHERE {orphans}")
    if n_orphans:
        said = f"the message of {n_orphans:,} tool calls, which is not there"
        db.execute("INSERT INTO lost VALUES (?)", [said])
        db.execute(f"UPDATE calls SET message = NULL WHERE {orphans}")


def _take(db: duckdb.DuckDBPyConnection, table: str, frame: pl.LazyFrame, selected: str) -> None:
    for batch in frame.collect_batches(chunk_size=scratch.BATCH, maintain_order=True):
        scratch.load(db, table, batch, selected)
        if table in _UNKNOWN:
            _note_lost(db, table, batch)


def _note_lost(db: duckdb.DuckDBPyConnection, table: str, batch: pl.DataFrame) -> None:
    keys = batch.select(pl.col("extra").drop_nulls())
    db.register("extras", keys.to_arrow())
    found = db.execute("SELECT DISTINCT unnest(json_keys(extra)) FROM extras").fetchall()
    db.unregister("extras")
    names = [key for (key,) in found]
    names += [key for key in _UNKNOWN[table] if batch[key].null_count() < batch.height]
    lost = pl.DataFrame({"name": [f"{table}.{key}" for key in names]}, schema={"name": pl.String()})
    scratch.load(db, "lost", lost)


def _holder(chats: Chats[pl.LazyFrame], layout: Layout) -> tuple[str | None, bool]:
    """Name the column whose text was read as calls; did results stand in another beside it?"""
    read = {
        finding.subject: "results in" in finding.reason
        for finding in chats.findings
        if finding.became == "tool_calls"
    }
    for binding in layout.messages:
        for call in binding.call_columns:
            place = f"{binding.table.name}.{call.column.name}"
            if call.inside is None and place in read:
                return call.column.name, read[place]
    return None, False


def _pointer(key: str) -> str:
    return "/" + key.replace("~", "~0").replace("/", "~1")


def _item() -> pl.Expr:
    """Write a call as the JSON object of {tool, parameters, result} that the application writes."""
    raw = pl.col("arguments_raw")
    is_object = pl.col("arguments").eq_missing(raw)
    # What the words of a result say of a failure they say again.
    told = pl.col("status").is_in(_TOLD) | pl.col("error_source").is_not_null()
    parts = [
        _member("id", _text("native_id"), pl.col("native_id").is_not_null()),
        _member("tool", _text("name"), pl.col("name").is_not_null()),
        _member(
            "parameters",
            pl.when(is_object).then(raw).otherwise(_text("arguments_raw")),
            raw.is_not_null(),
        ),
        _member("result", _text("result"), pl.col("result").is_not_null()),
        _member("status", _text("status"), told),
        _member("server", _text("server"), pl.col("server").is_not_null()),
    ]
    members = pl.concat_list(parts).list.drop_nulls().list.join(", ")
    return pl.concat_str(pl.lit("{"), members, pl.lit("}"))


def _member(key: str, value: pl.Expr, when: pl.Expr) -> pl.Expr:
    return pl.when(when).then(pl.concat_str(pl.lit(f'"{key}": '), value)).otherwise(None)


def _text(column: str) -> pl.Expr:
    encoded = pl.struct(v=column).struct.json_encode()
    return encoded.str.strip_prefix('{"v":').str.strip_suffix("}")

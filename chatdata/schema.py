"""The contract, version 1: the five frames, their columns, types and allowed values.

Times are UTC with microsecond resolution and carry no zone, so that they mean the same in Polars,
DuckDB, Parquet and Spark whatever the session's zone. Absent is null, never "" or 0. The key of a
frame is unique and never null. `docs/schema.md` is generated from this file.
"""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

VERSION = 1

TIME = pl.Datetime("us")

ROLES = ("system", "user", "assistant", "tool")
KINDS = ("chat", "tool_result", "injected", "summary", "command", "event")
PRECISIONS = ("us", "ms", "s", "day")
RELATIONS = ("subagent", "fork", "resume", "trial", "continuation")
ARGUMENT_STATUSES = ("ok", "empty", "not_object", "invalid")
STATUSES = ("ok", "error", "denied", "cancelled", "timeout", "no_result", "unknown")
ERROR_SOURCES = ("explicit", "protocol")
CAUSES = (
    "kept",
    "part of another record",
    "mirrored",
    "replayed by a fork",
    "cumulative",
    "event",
    "empty",
    "rejected",
)


@dataclass(frozen=True)
class Column:
    """One column of a frame: its type, whether it may be null, and what it means."""

    name: str
    type: pl.DataType
    meaning: str
    nullable: bool = True
    values: tuple[str, ...] | None = None


@dataclass(frozen=True)
class Table:
    """One frame of the contract."""

    name: str
    meaning: str
    key: str | None
    columns: tuple[Column, ...]

    @property
    def schema(self) -> pl.Schema:
        """Column names and Polars types, in order."""
        return pl.Schema({column.name: column.type for column in self.columns})


def _text(
    name: str, meaning: str, *, nullable: bool = True, values: tuple[str, ...] | None = None
) -> Column:
    return Column(name, pl.String(), meaning, nullable, values)


def _time(name: str, meaning: str) -> Column:
    return Column(name, TIME, meaning)


def _tokens(name: str, meaning: str) -> Column:
    return Column(name, pl.Int64(), meaning)


CONVERSATIONS = Table(
    "conversations",
    "One row per conversation, with or without messages.",
    "conversation_id",
    (
        _text(
            "conversation_id", "the source's own id as text, or `<name>#<ordinal>`", nullable=False
        ),
        _text("source", "the format, `app-db` for an application's tables", nullable=False),
        _text("origin", "which one of that format: database, account or file", nullable=False),
        _text("native_id", "the source's own id, unchanged"),
        _text("user_id", "account or end user"),
        _text("title", "as stored; never made from the first prompt"),
        _text("model", "the conversation's model, or the only one its messages name"),
        _text("agent", "agent program, agent name or sub-agent type"),
        _text("project", "working directory, workspace or channel"),
        _time("created_at", "the source's own field; else the first message's time"),
        _time("updated_at", "the source's own field as stored; else the last message's time"),
        _text("parent_conversation_id", "the conversation this one came from"),
        _text("relation", "how it came from its parent", values=RELATIONS),
        _text("parent_tool_call_id", "the call that started a sub-agent's conversation"),
        _text("declared_tools", "JSON array of the tool names offered to the model"),
        _text("extra", "JSON object: what no column took"),
    ),
)

MESSAGES = Table(
    "messages",
    "One row per logical message, whatever the log repeats.",
    "message_id",
    (
        _text("message_id", "native id where unique everywhere, else prefixed", nullable=False),
        _text(
            "conversation_id",
            "its conversation; may dangle where the source has no such row",
            nullable=False,
        ),
        Column(
            "position",
            pl.UInt32(),
            "0-based order within the conversation, parents before children",
            nullable=False,
        ),
        _text("native_id", "the provider's or log's own id"),
        _text("parent_message_id", "the message before it in its tree"),
        Column("is_main_path", pl.Boolean(), "whether a reader saw it", nullable=False),
        _text("role", "who spoke", nullable=False, values=ROLES),
        _text("role_raw", "the source's own word"),
        _text("kind", "what sort of row it is", nullable=False, values=KINDS),
        _text("content", "visible text only"),
        Column("n_chars", pl.UInt32(), "Unicode code points of `content`"),
        _text("reasoning", "thinking text"),
        _text("model", "model of this generation"),
        _text("generation_id", "groups the rows of one model API response"),
        _time("created_at", "when the message was written"),
        _text("created_at_precision", "resolution of `created_at`", values=PRECISIONS),
        _text("finish_reason", "the last stop reason, unchanged"),
        _tokens("input_tokens", "uncached input tokens"),
        _tokens("output_tokens", "output tokens, reasoning included"),
        _tokens("cache_read_tokens", "input tokens read from the cache"),
        _tokens("cache_write_tokens", "input tokens written to the cache"),
        _tokens("reasoning_tokens", "the reasoning part of the output tokens"),
        _text("extra", "JSON object: what no column took"),
    ),
)

TOOL_CALLS = Table(
    "tool_calls",
    "One row per tool invocation.",
    "tool_call_id",
    (
        _text("tool_call_id", "native id where unique everywhere, else prefixed", nullable=False),
        _text("conversation_id", "its conversation", nullable=False),
        _text("message_id", "the message that issued it; null where the log does not tell"),
        Column(
            "position",
            pl.UInt32(),
            "0-based within its message, or within the conversation without one",
            nullable=False,
        ),
        _text("native_id", "the provider's call id"),
        _text("name", "tool name"),
        _text("server", "MCP server or tool namespace"),
        _text("arguments_raw", "the arguments exactly as found; an object as compact JSON"),
        _text("arguments", "compact JSON object, only when `arguments_status` is ok"),
        _text("arguments_status", "what the arguments are", values=ARGUMENT_STATUSES),
        _text("result", "result text; structured results as compact JSON"),
        _text("result_message_id", "the message that carries the result"),
        _text("status", "how the call ended", nullable=False, values=STATUSES),
        _text("error_source", "who says that it failed", values=ERROR_SOURCES),
        _text("error_class", "kind of failure, in the words of `docs/metrics.md`"),
        _time("started_at", "only where both ends are recorded"),
        _time("ended_at", "only where both ends are recorded"),
        _text("extra", "JSON object: what no column took"),
    ),
)

REJECTS = Table(
    "rejects",
    "One row per record, or part of one, that could not be read: its place, never its text.",
    None,
    (
        _text("source", "the format it was read as", nullable=False),
        _text("origin", "which one of that format", nullable=False),
        _text("path", "file, archive member or database table"),
        Column("record", pl.UInt64(), "1-based line, array element or row"),
        Column("byte_offset", pl.UInt64(), "where the record starts in its file"),
        _text("reason", "a fixed phrase", nullable=False),
    ),
)

ACCOUNTING = Table(
    "accounting",
    "What became of every record read, by cause; the records add up to the records read.",
    None,
    (
        _text("origin", "which source", nullable=False),
        _text("path", "file, archive member or database table"),
        _text("cause", "what became of the records", nullable=False, values=CAUSES),
        Column("n_records", pl.UInt64(), "records of that cause", nullable=False),
        Column("n_messages", pl.UInt64(), "messages they would add if counted", nullable=False),
        Column("n_tool_calls", pl.UInt64(), "tool calls they would add if counted", nullable=False),
        Column("output_tokens", pl.Int64(), "output tokens they would add if counted"),
    ),
)

TABLES = (CONVERSATIONS, MESSAGES, TOOL_CALLS, REJECTS, ACCOUNTING)

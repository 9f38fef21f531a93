"""Sets the frames of a copy beside those of its source."""

from __future__ import annotations

import polars as pl
from databases import fetch

import chatdata as cd

# Left out is what our tables have no column for, what a new id changes, and how precise a time was.
COMPARED = {
    "conversations": (
        *("conversation_id", "user_id", "created_at", "updated_at"),
        *("parent_conversation_id", "relation", "parent_tool_call_id"),
    ),
    "messages": (
        *("message_id", "conversation_id", "position", "parent_message_id", "is_main_path"),
        *("role", "kind", "content", "n_chars", "created_at", "owner"),
    ),
    "tool_calls": (
        *("conversation_id", "message_id", "position", "native_id", "name", "server"),
        *("arguments_raw", "arguments", "arguments_status", "result", "status"),
        *("error_source", "error_class", "started_at", "ended_at"),
    ),
    "rejects": ("source",),
}
FILL = {
    "users.email": "id",
    "users.name": "id",
    "users.created_at": "first_seen",
    "users.updated_at": "last_seen",
    "conversations.created_at": "first_seen",
    "conversations.updated_at": "last_seen",
}


def differences(source, target, **options):
    """
    The columns in which the frames of a copy differ from its source's, ids translated.

    What was filled in for the source's nulls is no difference.
    """
    read = frames(cd.scan(source, **options), translation(target))
    copied = frames(cd.scan(target), {"conversation": {}, "message": {}})
    found = []
    for name, one in read.items():
        other = copied[name]
        if one.height != other.height:
            found.append((name, f"{one.height} rows, {other.height} copied"))
            continue
        found += [(name, column) for column in one.columns if not agree(one[column], other[column])]
    return found


def agree(read, copied):
    known = read.is_not_null() if read.name in ("created_at", "updated_at") else None
    return read.equals(copied) if known is None else read.filter(known).equals(copied.filter(known))


def frames(chats, ids):
    owner = pl.col("extra").str.json_path_match("$.user_id").alias("owner")
    is_orphan = pl.col("extra").str.json_path_match("$.orphan").is_not_null()
    linked = pl.when(~is_orphan).then("message_id")
    whole = {
        "conversations": chats.conversations,
        "messages": chats.messages.with_columns(owner),
        # A call without a message has a row of its own, without its place among those of a message
        # that is not there, and without a column for arguments as they stood.
        "tool_calls": chats.tool_calls.with_columns(
            message_id=linked,
            position=pl.when(linked.is_not_null()).then("position"),
            arguments_raw=pl.when(linked.is_not_null()).then("arguments_raw"),
            conversation_id=pl.col("conversation_id").str.replace(".*#log$", "#log"),
        ),
        "rejects": chats.rejects,
    }
    translated = {
        "conversation_id": ids["conversation"],
        "message_id": ids["message"],
        "parent_message_id": ids["message"],
    }
    return {
        name: frame.with_columns(
            pl.col(column).replace(translated[column])
            for column in translated
            if column in frame.collect_schema()
        )
        .select(COMPARED[name])
        .sort(pl.all(), nulls_last=True)
        .collect()
        for name, frame in whole.items()
    }


def translation(target):
    rows = fetch(target, "SELECT kind, old_id, new_id FROM chatdata_id_map")
    return {
        kind: {old: str(new) for found, old, new in rows if found == kind}
        for kind in ("conversation", "message")
    }


ADA, BOB = "0a0b0c0d0e0f40418283848586878889", "1a0b0c0d0e0f40418283848586878889"
SOURCE = (
    (
        "CREATE TABLE user (id CHAR(32) PRIMARY KEY, email TEXT, name TEXT, createdAt DATETIME,"
        " updatedAt DATETIME)"
    ),
    (
        f"INSERT INTO user VALUES ('{ADA}', 'a@x', 'Ada', '2026-01-01 10:00:00', '2026-01-02'),"
        f" ('{BOB}', 'b@x', 'Bob', '2026-01-01T10:00:00+05:00', '2026-01-02')"
    ),
    (
        "CREATE TABLE conversation (id CHAR(32) PRIMARY KEY, user_id CHAR(32), title TEXT,"
        " created_at DATETIME, updated_at DATETIME)"
    ),
    (
        f"INSERT INTO conversation VALUES ('c2', '{BOB}', 't', '2026-01-02', '2026-01-03'),"
        f" ('c1', '{ADA}', NULL, '2026-01-01', '2026-01-03')"
    ),
    (
        "CREATE TABLE message (id CHAR(32) PRIMARY KEY, conversation_id CHAR(32), role VARCHAR,"
        " content TEXT, tool_calls JSON, created_at DATETIME)"
    ),
    (
        "INSERT INTO message VALUES ('m3', 'c2', 'USER', 'x', 'null', '2026-01-02 00:00:03'),"
        " ('m1', 'c1', 'SYSTEM', 'be kind', NULL, '2026-01-01 00:00:01'),"
        ' (\'m2\', \'c1\', \'ASSISTANT\', NULL, \'{"calls": [{"tool_name": "a", "args": {"q": "ü"},'
        ' "result": {"success": "False"}}, {"tool_name": "b"}]}\', \'2026-01-01 00:00:02.5\'),'
        " ('m4', 'c2', 'ASSISTANT', 'y', '{broken', '2026-01-02 00:00:04')"
    ),
)

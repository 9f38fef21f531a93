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

"""Make `threads.db`: threads as `SqliteSaver` stores them, with what states may hold."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import msgspec

TABLES = """
create table checkpoints (thread_id text not null, checkpoint_ns text not null default '',
  checkpoint_id text not null, parent_checkpoint_id text, type text, checkpoint blob,
  metadata blob, primary key (thread_id, checkpoint_ns, checkpoint_id));
create table writes (thread_id text not null, checkpoint_ns text not null default '',
  checkpoint_id text not null, task_id text not null, task_path text not null default '',
  idx integer not null, channel text not null, type text, value blob,
  primary key (thread_id, checkpoint_ns, checkpoint_id, task_id, idx));
"""
KINDS = {"human": "HumanMessage", "ai": "AIMessage", "tool": "ToolMessage"}


def extension(code, *parts):
    return msgspec.msgpack.Ext(code, msgspec.msgpack.encode(parts))


def dumped(kind, content, id_, **more):
    fields = {"content": content, "additional_kwargs": {}, "type": kind, "id": id_, **more}
    module = f"langchain_core.messages.{kind}"
    return extension(5, module, KINDS[kind], fields, "model_validate_json")


def row(thread, number, parent, channels, *, space="", kind="msgpack", **about):
    state = {"v": 4, "ts": f"2026-04-01T08:00:{number:02}.500000+00:00", "channel_values": channels}
    encoded = json.dumps(state).encode() if kind == "json" else msgspec.msgpack.encode(state)
    metadata = json.dumps({"source": "loop", "step": number, **about}).encode()
    before = None if parent is None else f"c{parent:02}"
    return (thread, space, f"c{number:02}", before, kind, encoded, metadata)


ASKED = dumped("human", "How warm is Oslo?", "h1")
CALLED = dumped(
    "ai",
    "",
    "a1",
    tool_calls=[{"name": "get_weather", "args": {"city": "Oslo"}, "id": "x1", "type": "tool_call"}],
    usage_metadata={"input_tokens": 10, "output_tokens": 5, "total_tokens": 15},
    response_metadata={"model_name": "m", "finish_reason": "tool_calls"},
)
RESULT = dumped("tool", '{"t": 9}', "t1", tool_call_id="x1", status="success")
DRAFT, SAID = dumped("ai", "Nine degrees", "a2"), dumped("ai", "9 degrees", "a2")
LEFT, AGAIN = dumped("human", "Thanks", "h2"), dumped("human", "And tomorrow?", "h3")
STUFF = [extension(0, "uuid", "UUID", "05"), b"bytes", {1: extension(2, "app", "Point", {"x": 1})}]
OWN = [dumped("human", "Look it up", "s1"), dumped("ai", "Looked up", "s2")]
FAILED = dumped("tool", "timed out", "t0", tool_call_id="x1", status="error")
NOTED = {"content": "Noted", "type": "human", "id": "n1"}
NOTE = extension(5, "app.notes", "Note", NOTED, "model_validate_json")
SHARED = [ASKED, CALLED, RESULT, SAID]
OLD = [
    {
        "lc": 1,
        "type": "constructor",
        "id": ["langchain", "schema", "messages", "HumanMessage"],
        "kwargs": {"content": "Hello", "type": "human", "id": "o1"},
    }
]
PLAIN = [
    {"role": "user", "content": "Hi"},
    {"role": "user", "content": "Hi"},
    {"role": "assistant", "content": "Hello"},
]

ROWS = [
    # A fork from the third checkpoint is the newest: what came after it is off the path.
    row("forked", 1, None, {"messages": [ASKED]}, user_id="ann"),
    row("forked", 2, 1, {"messages": [ASKED, CALLED]}, user_id="ann"),
    row("forked", 3, 2, {"messages": [ASKED, CALLED, RESULT, DRAFT]}, user_id="ann"),
    row("forked", 4, 3, {"messages": [ASKED, CALLED, RESULT, DRAFT, LEFT]}, user_id="ann"),
    row("forked", 5, 3, {"messages": [*SHARED, AGAIN], "stuff": STUFF}, user_id="ann"),
    row("forked", 3, 2, {"messages": [ASKED, CALLED, RESULT, SAID]}, space="shares:1"),
    row("forked", 4, None, {"notes": OWN}, space="own:2"),
    # What is trimmed was said all the same.
    row("trimmed", 1, None, {"messages": [dumped("human", "One", "r1")]}),
    row("trimmed", 2, 1, {"messages": []}),
    row("trimmed", 3, 2, {"messages": [dumped("human", "Two", "r2")]}),
    row("old", 1, None, {"messages": OLD}, kind="json"),
    row("plain", 1, None, {"history": PLAIN[:2]}),
    row("plain", 2, 1, {"history": PLAIN}),
    # Of a window each message counts once; a pair and a text are messages, too.
    row("window", 1, None, {"messages": [*PLAIN[1:], ("user", "More")]}),
    row("window", 2, 1, {"messages": [PLAIN[2], ("user", "More"), "And more"]}),
    # Subgraphs that say the same are two; a class of one's own is told by its fields.
    row("subs", 1, None, {"messages": [dumped("human", "Go", "g1")]}),
    row("subs", 2, None, {"messages": PLAIN[:1]}, space="twin:1"),
    row("subs", 3, None, {"messages": PLAIN[:1]}, space="twin:2"),
    row("subs", 4, None, {"messages": [NOTE]}, space="twin:1|deep:3"),
    row("saved", 1, None, {"__end__": {"messages": PLAIN[1:]}}),
    row("roles", 1, None, {"team": [{"name": "Bob", "role": "admin"}]}),
    # A retry of a failed call, forked from before its result.
    row("retried", 1, None, {"messages": [CALLED]}),
    row("retried", 2, 1, {"messages": [CALLED, FAILED]}),
    row("retried", 3, 1, {"messages": [CALLED, RESULT]}),
    row("delta", 1, None, {}, counters_since_delta_snapshot={"messages": [0, 1]}),
    row("silent", 1, None, {"count": 3}),
    row("unread", 1, None, {"messages": [ASKED]}, kind="pickle"),
]

if __name__ == "__main__":
    target = Path(__file__).with_name("threads.db")
    target.unlink(missing_ok=True)
    with closing(sqlite3.connect(target)) as connection, connection:
        connection.executescript(TABLES)
        connection.executemany("insert into checkpoints values (?, ?, ?, ?, ?, ?, ?)", ROWS)

"""Logs at the edges: little in them, much of one thing, or something not recorded."""

from __future__ import annotations

import polars as pl
from chat_rows import called, chats, conversation, said

import chatdata as cd

FAILED = {"status": "error", "error_source": "explicit"}


def two_sources():
    """
    A source that records outcomes and one that records only failures.
    """
    return chats(
        conversations=[conversation("a"), conversation("b", origin="other", user_id=None)],
        messages=[
            *said("user", "assistant", conversation_id="a"),
            *said("user", {"role": "assistant", "is_main_path": False}, conversation_id="b"),
        ],
        tool_calls=[
            *called(*[{}] * 30, *[FAILED] * 3, conversation_id="a", message_id="a.1"),
            *called(*[FAILED] * 9, conversation_id="b"),
            *called("x", conversation_id="gone"),
        ],
    )


def many_tools(n=10_000):
    """
    A conversation in which every call is of another tool.
    """
    return chats(
        messages=said("user", {"role": "assistant", "at": 1}),
        tool_calls=called(*(f"tool {place:05}" for place in range(n)), message_id="c.1"),
    )


def long_conversation(n=100_000):
    """
    One conversation of that many messages, a second apart, every second of them a prompt.
    """
    turns = ({"role": ("user", "assistant")[place % 2], "at": place} for place in range(n))
    calls = called({"message_id": "c.1"}, {"message_id": f"c.{n - 1}", **FAILED})
    return chats(messages=said(*turns), tool_calls=calls)


def untimed():
    """
    The sample without a single time.
    """
    log = cd.sample(60)
    times = pl.selectors.datetime()
    return log.with_frames(
        **{
            name: frame.with_columns(pl.when(False).then(times).name.keep())  # noqa: FBT003 - a condition that never holds
            for name, frame in log.frames.items()
        }
    )


def many_times(log, n):
    """
    A log so many times over: every copy has conversations, messages, calls and users of its own.
    """
    copies = pl.LazyFrame({"copy": pl.int_range(n, eager=True).cast(pl.String)})
    ids = pl.selectors.by_name(
        *("conversation_id", "message_id", "tool_call_id", "user_id", "generation_id"),
        *("parent_conversation_id", "parent_message_id", "result_message_id"),
        require_all=False,
    )
    frames = {
        name: frame.join(copies, how="cross").with_columns(ids + "~" + pl.col("copy")).drop("copy")
        for name, frame in log.frames.items()
    }
    return log.with_frames(**frames)


EDGES = {
    "sample": lambda: cd.sample(60),
    "empty": chats,
    "one message": lambda: chats(messages=said({"role": "user", "at": 0})),
    "one user": lambda: chats(
        messages=said(*({"role": role, "at": n} for n, role in enumerate(["user", "assistant"])))
    ),
    "no times": untimed,
    "silent": lambda: chats(conversations=[conversation()]),
    "no calls": lambda: chats(messages=said({"role": "user", "at": 0}, "assistant")),
    "only failures": lambda: chats(
        messages=said("user", {"role": "assistant", "at": 1}),
        tool_calls=called(*[FAILED] * 30, message_id="c.1"),
    ),
    "no outcomes": lambda: chats(tool_calls=called({"status": "unknown"}, {"status": "no_result"})),
    "few outcomes": lambda: chats(tool_calls=called("a", "b", FAILED)),
    "two sources": two_sources,
    "many tools": many_tools,
    "long conversation": long_conversation,
    "strange names": lambda: chats(tool_calls=called("<script>alert(1)</script>", "سلام", "日本")),
}

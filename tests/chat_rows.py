"""Rows of the contract for tests: say what matters, the rest is filled in."""

from __future__ import annotations

from datetime import datetime, timedelta

from chatdata.chats import from_rows

START = datetime(2025, 3, 3, 9, 0)  # noqa: DTZ001 - times of the contract carry no zone; a Monday


def at(seconds):
    """
    A time so many seconds after the start, or none.
    """
    return None if seconds is None else START + timedelta(seconds=seconds)


def conversation(conversation_id="c", **columns):
    """
    A row of conversations.
    """
    return {
        "conversation_id": conversation_id,
        "source": "test",
        "origin": "test",
        "user_id": "u",
        **columns,
    }


def said(*turns, conversation_id="c"):
    """
    Rows of messages, one per turn: a role, or a mapping of columns.
    """
    rows = []
    for position, turn in enumerate(turns):
        columns = {"role": turn} if isinstance(turn, str) else dict(turn)
        content = columns.get("content", "text")
        kind = "tool_result" if columns["role"] == "tool" else "chat"
        rows.append(
            {
                "message_id": f"{conversation_id}.{position}",
                "conversation_id": conversation_id,
                "position": position,
                "is_main_path": True,
                "kind": kind,
                "content": content,
                "n_chars": None if content is None else len(content),
                "created_at": at(columns.pop("at", None)),
                **columns,
            }
        )
    return rows


def called(*calls, conversation_id="c", message_id=None):
    """
    Rows of tool calls, one per call: a name, or a mapping of columns.
    """
    rows = []
    for position, call in enumerate(calls):
        columns = {"name": call} if isinstance(call, str) or call is None else dict(call)
        rows.append(
            {
                "tool_call_id": f"{conversation_id}/{message_id}/{position}",
                "conversation_id": conversation_id,
                "message_id": message_id,
                "position": position,
                "name": "tool",
                "status": "ok",
                **columns,
            }
        )
    return rows


def chats(*, conversations=None, messages=(), tool_calls=()):
    """
    A checked `Chats`; without conversations, those that the messages and calls name.
    """
    if conversations is None:
        ids = dict.fromkeys(row["conversation_id"] for row in [*messages, *tool_calls])
        conversations = [conversation(each) for each in ids]
    return from_rows(conversations=conversations, messages=messages, tool_calls=tool_calls).check()

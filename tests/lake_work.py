"""Calls for `killer.py` that change a lake."""

from __future__ import annotations

from pathlib import Path

from chatdata.chats import from_rows
from chatdata.ingest import ingest
from chatdata.store import write


def world(*numbers, content="Hi"):
    """
    A conversation of one message for each number.
    """
    return from_rows(
        conversations=[
            {"conversation_id": str(n), "source": "app-db", "origin": "db"} for n in numbers
        ],
        messages=[
            {
                "message_id": f"{n}:1",
                "conversation_id": str(n),
                "position": 0,
                "is_main_path": True,
                "role": "user",
                "role_raw": "user",
                "kind": "chat",
                "content": content,
            }
            for n in numbers
        ],
        accounting=[
            {
                "origin": "db",
                "path": None,
                "cause": "kept",
                "n_records": len(numbers),
                "n_messages": len(numbers),
                "n_tool_calls": 0,
            }
        ],
    )


def write_world(lake, numbers, content):
    """
    Write such conversations.
    """
    write(world(*numbers, content=content), lake)


def import_logs(logs, lake, few):
    """
    Import a folder, or first a few of its files.
    """
    folder = Path(logs)
    ingest([folder / "0.jsonl", folder / "parent.jsonl"] if few else [folder], Path(lake))

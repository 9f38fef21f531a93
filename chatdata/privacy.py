"""What leaves the house: frames without text, and with pseudonyms for whatever names somebody.

Functions from frames by name to frames by name; `Chats` offers them as methods.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from chatdata import engines, schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.typing import IntoLazyFrameT as Frame

_FEWEST_KEY_BYTES = 16

TEXTS = {
    "conversations": ("title", "extra"),
    "messages": ("content", "reasoning", "extra"),
    "tool_calls": ("arguments_raw", "arguments", "result", "extra"),
}
# Columns of one namespace refer to each other, so equal ids keep equal pseudonyms.
_NAMESPACES = {
    "conversation_id": "conversation",
    "parent_conversation_id": "conversation",
    "message_id": "message",
    "parent_message_id": "message",
    "result_message_id": "message",
    "generation_id": "generation",
    "tool_call_id": "tool call",
    "parent_tool_call_id": "tool call",
    "native_id": "native",
    "user_id": "user",
    "origin": "origin",
    "project": "project",
    "path": "path",
}


def without_text(frames: Mapping[str, Frame]) -> dict[str, Frame]:
    """Leave out every text of a person or model; sizes, names and statuses stay."""
    return {
        name: nw.from_native(frame)
        .with_columns(nw.lit(None, nw.String).alias(column) for column in TEXTS.get(name, ()))
        .to_native()
        for name, frame in frames.items()
    }


def pseudonymised(frames: Mapping[str, Frame], key: bytes) -> dict[str, Frame]:
    """Leave out text, and put pseudonyms in place of ids, users, origins, projects and paths.

    A pseudonym is 128 bits of HMAC-SHA-256(key, namespace, zero byte, id), as hex.

    Raises:
        ValueError: the key has fewer than 16 bytes.
    """
    if len(key) < _FEWEST_KEY_BYTES:
        raise ValueError(
            f"found a key of {len(key)} bytes, expected {_FEWEST_KEY_BYTES} or more; "
            "`secrets.token_bytes(32)` makes one"
        )
    tables = {table.name: table for table in schema.TABLES}
    hidden: dict[str, Frame] = {}
    for name, frame in without_text(frames).items():
        named = {c: space for c, space in _NAMESPACES.items() if c in tables[name].schema}
        hidden[name] = engines.engine_of(frame).pseudonymised(frame, named, key)
    return hidden

"""What leaves the house: frames without text, and with pseudonyms for whatever names somebody.

Functions from frames by name to frames by name; `Chats` offers them as methods.
"""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

_FEWEST_KEY_BYTES = 16
_DIGITS = 32

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


def without_text(frames: Mapping[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
    """Leave out every text of a person or model; sizes, names and statuses stay."""
    return {
        name: frame.with_columns(
            pl.lit(None, pl.String).alias(column) for column in TEXTS.get(name, ())
        )
        for name, frame in frames.items()
    }


def pseudonymised(frames: Mapping[str, pl.LazyFrame], key: bytes) -> dict[str, pl.LazyFrame]:
    """Leave out text, and put pseudonyms in place of ids, users, origins, projects and paths.

    Raises:
        ValueError: the key has fewer than 16 bytes.
    """
    if len(key) < _FEWEST_KEY_BYTES:
        raise ValueError(
            f"found a key of {len(key)} bytes, expected {_FEWEST_KEY_BYTES} or more; "
            "`secrets.token_bytes(32)` makes one"
        )
    return {
        name: frame.with_columns(
            pl.col(column).map_batches(
                partial(_pseudonyms, key, namespace), pl.String, is_elementwise=True
            )
            for column, namespace in _NAMESPACES.items()
            if column in frame.collect_schema()
        )
        for name, frame in without_text(frames).items()
    }


def _pseudonyms(key: bytes, namespace: str, ids: pl.Series) -> pl.Series:
    """Replace each id by HMAC-SHA-256(key, namespace, id), 128 bits of it; nulls stay."""
    known = ids.drop_nulls().unique()
    names = [
        # A zero byte between the two, which no namespace holds, keeps the parts apart.
        hmac.digest(key, f"{namespace}\0{each}".encode(), "sha256").hex()[:_DIGITS]
        for each in known
    ]
    return ids.replace_strict(known, pl.Series(names, dtype=pl.String), return_dtype=pl.String)

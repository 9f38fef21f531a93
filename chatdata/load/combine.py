"""Several `Chats` as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, empty, from_frames

if TYPE_CHECKING:
    from collections.abc import Iterable

_REFERENCES = (
    "conversation_id",
    "parent_conversation_id",
    "message_id",
    "parent_message_id",
    "result_message_id",
    "generation_id",
    "tool_call_id",
    "parent_tool_call_id",
)


def names(sources: Iterable[str]) -> list[str]:
    """Name sources after their files or databases; a name that is taken gets a number."""
    found: list[str] = []
    for source in sources:
        path = urlsplit(source).path if "://" in source else source.partition("?")[0]
        stem = PurePosixPath(path).stem or "source"
        numbered = (f"{stem}-{number}" for number in count(2))
        free = stem if stem not in found else next(name for name in numbered if name not in found)
        found.append(free)
    return found


def concat(**chats: Chats[pl.LazyFrame]) -> Chats[pl.LazyFrame]:
    """Put several `Chats` together; the names become origins and prefix every id ("work:42")."""
    return stacked(prefixed(value, name) for name, value in chats.items())


def prefixed(chats: Chats[pl.LazyFrame], name: str) -> Chats[pl.LazyFrame]:
    """Make a name the origin of everything and the beginning of every id and reference."""
    frames = {
        key: frame.with_columns(
            pl.lit(name).alias(column)
            if column == "origin"
            else pl.concat_str(pl.lit(f"{name}:"), column).alias(column)
            for column in frame.collect_schema()
            if column == "origin" or column in _REFERENCES
        )
        for key, frame in chats.frames.items()
    }
    return from_frames(frames, (replace(finding, origin=name) for finding in chats.findings))


def stacked(parts: Iterable[Chats[pl.LazyFrame]]) -> Chats[pl.LazyFrame]:
    """Put frames under each other as they are; their ids must differ."""
    parts = list(parts)
    if not parts:
        return empty()
    frames = {
        table.name: pl.concat([getattr(part, table.name) for part in parts], how="vertical")
        for table in schema.TABLES
    }
    return from_frames(frames, [finding for part in parts for finding in part.findings])

"""Several `Chats` as one."""

from __future__ import annotations

from dataclasses import replace
from itertools import count
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, cast
from urllib.parse import urlsplit

import narwhals as nw

from chatdata import engines, schema
from chatdata.chats import Chats, empty, from_frames

if TYPE_CHECKING:
    from collections.abc import Iterable

    from narwhals.typing import IntoLazyFrameT as Frame

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


def concat(**chats: Chats[Frame]) -> Chats[Frame]:
    """Put several `Chats` of one engine together.

    The names become origins and prefix every id ("work:42").

    Raises:
        EngineError: the frames live on several engines, or on DuckDB in several connections.
    """
    if not chats:
        return cast("Chats[Frame]", empty())
    frames = [value.messages for value in chats.values()]
    engines.common(frames).check_joinable(frames)
    return stacked(prefixed(value, name) for name, value in chats.items())


def prefixed(chats: Chats[Frame], name: str) -> Chats[Frame]:
    """Make a name the origin of everything and the beginning of every id and reference."""
    frames = {
        table.name: nw.from_native(chats.frames[table.name])
        .with_columns(
            nw.lit(name).alias(column)
            if column == "origin"
            else nw.concat_str(nw.lit(f"{name}:"), nw.col(column)).alias(column)
            for column in table.schema
            if column == "origin" or column in _REFERENCES
        )
        .to_native()
        for table in schema.TABLES
    }
    return from_frames(frames, (replace(finding, origin=name) for finding in chats.findings))


def stacked(parts: Iterable[Chats[Frame]]) -> Chats[Frame]:
    """Put frames under each other as they are; their ids must differ."""
    parts = list(parts)
    frames = {
        table.name: nw.concat(
            [nw.from_native(part.frames[table.name]) for part in parts], how="vertical"
        ).to_native()
        for table in schema.TABLES
    }
    return from_frames(frames, [finding for part in parts for finding in part.findings])

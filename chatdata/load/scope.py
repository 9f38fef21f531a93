"""Of all that was read, what was asked for: a window of time, one user, no text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC
from typing import TYPE_CHECKING

import polars as pl

from chatdata.chats import Chats, Finding

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime


@dataclass(frozen=True)
class Scope:
    """What of a source is wanted and how it is to be understood, in the words of `scan`."""

    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    user_id: str | None = None
    text: bool = True
    schema: str | None = None
    time_zone: str = "UTC"
    mapping: Mapping[str, str] | None = None


def scoped(chats: Chats[pl.LazyFrame], scope: Scope) -> Chats[pl.LazyFrame]:
    """Keep what was asked for."""
    if scope.user_id is not None:
        chats = _of_user(chats, scope.user_id)
    if scope.since is not None or scope.until is not None:
        chats = _in_window(chats, scope.since, scope.until)
    return chats if scope.text else chats.without_text()


def window(scope: Scope) -> tuple[datetime | None, datetime | None]:
    """Give `since` and `until` as the frames hold times: naive, in UTC."""
    since, until = (
        None if moment is None else _naive_utc(moment) for moment in (scope.since, scope.until)
    )
    return since, until


def _of_user(chats: Chats[pl.LazyFrame], user_id: str) -> Chats[pl.LazyFrame]:
    conversations = chats.conversations.filter(pl.col("user_id") == user_id)
    own = conversations.select("conversation_id")
    return chats.with_frames(
        conversations=conversations,
        messages=_semi(chats.messages, own, "conversation_id"),
        tool_calls=_semi(chats.tool_calls, own, "conversation_id"),
    )


def _in_window(
    chats: Chats[pl.LazyFrame], since: datetime | None, until: datetime | None
) -> Chats[pl.LazyFrame]:
    inside = pl.lit(value=True)
    if since is not None:
        inside &= pl.col("created_at") >= _naive_utc(since)
    if until is not None:
        inside &= pl.col("created_at") < _naive_utc(until)
    messages = chats.messages.filter(inside)
    conversations = chats.conversations.filter(
        inside.fill_null(value=False)
        | pl.col("conversation_id").is_in(
            messages.select("conversation_id").unique().collect().to_series().implode()
        )
    )
    calls = pl.concat(
        [
            _semi(chats.tool_calls, messages.select("message_id"), "message_id"),
            _semi(
                chats.tool_calls.filter(pl.col("message_id").is_null()),
                conversations.select("conversation_id"),
                "conversation_id",
            ),
        ]
    )
    untimed = int(chats.messages.select(pl.col("created_at").null_count()).collect().item())
    finding = Finding(
        "window", "messages", f"{untimed} left out", "messages without a time lie in no window"
    )
    kept = chats.with_frames(conversations=conversations, messages=messages, tool_calls=calls)
    return replace(kept, findings=(*chats.findings, finding)) if untimed else kept


def _semi(frame: pl.LazyFrame, wanted: pl.LazyFrame, key: str) -> pl.LazyFrame:
    return frame.join(wanted, on=key, how="semi", maintain_order="left")


def _naive_utc(moment: datetime) -> datetime:
    return moment if moment.tzinfo is None else moment.astimezone(UTC).replace(tzinfo=None)

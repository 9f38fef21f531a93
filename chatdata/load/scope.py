"""Of all that was read, what was asked for: a window of time, one user, no text."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import narwhals as nw

from chatdata.chats import Chats, Finding
from chatdata.engines import engine_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from narwhals.typing import IntoLazyFrameT as Frame


@dataclass(frozen=True)
class Scope:
    """What of a source is wanted and how it is to be understood, in the words of `scan`.

    Times are as the frames hold them: naive, in UTC.
    """

    name: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    user_id: str | None = None
    text: bool = True
    schema: str | None = None
    time_zone: str = "UTC"
    mapping: Mapping[str, str] | None = None


def scoped(chats: Chats[Frame], scope: Scope) -> Chats[Frame]:
    """Keep what was asked for, on the engine of the frames."""
    if scope.user_id is not None:
        chats = _of_user(chats, scope.user_id)
    if scope.since is not None or scope.until is not None:
        chats = _in_window(chats, scope.since, scope.until)
    return chats if scope.text else chats.without_text()


def _of_user(chats: Chats[Frame], user_id: str) -> Chats[Frame]:
    conversations = nw.from_native(chats.conversations).filter(nw.col("user_id") == user_id)
    own = conversations.select("conversation_id")
    messages, calls = (
        nw.from_native(frame).join(own, on="conversation_id", how="semi")
        for frame in (chats.messages, chats.tool_calls)
    )
    return chats.with_frames(
        conversations=conversations.to_native(),
        messages=messages.to_native(),
        tool_calls=calls.to_native(),
    )


def _in_window(chats: Chats[Frame], since: datetime | None, until: datetime | None) -> Chats[Frame]:
    conversations, messages, calls = (
        nw.from_native(frame) for frame in (chats.conversations, chats.messages, chats.tool_calls)
    )
    moment = engine_of(chats.messages).moment
    inside = ~nw.col("created_at").is_null()
    if since is not None:
        inside &= nw.col("created_at") >= moment(since)
    if until is not None:
        inside &= nw.col("created_at") < moment(until)
    kept = messages.filter(inside)
    # Of a conversation that began before the window, what was said within it is kept.
    spoken = kept.select("conversation_id").unique().with_columns(_spoken=nw.lit(value=True))
    begun = (
        conversations.join(spoken, on="conversation_id", how="left")
        .filter(inside | ~nw.col("_spoken").is_null())
        .drop("_spoken")
    )
    linked = calls.join(kept.select("message_id"), on="message_id", how="semi")
    loose = calls.filter(nw.col("message_id").is_null()).join(
        begun.select("conversation_id"), on="conversation_id", how="semi"
    )
    scoped = chats.with_frames(
        conversations=begun.to_native(),
        messages=kept.to_native(),
        tool_calls=nw.concat([linked, loose]).to_native(),
    )
    untimed = messages.select(nw.len() - nw.col("created_at").count()).collect("polars").item()
    finding = Finding(
        "window", "messages", f"{untimed} left out", "messages without a time lie in no window"
    )
    return replace(scoped, findings=(*chats.findings, finding)) if untimed else scoped

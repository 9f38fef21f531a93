"""Discord channels as DiscordChatExporter writes them: `{guild, channel, messages, …}`.

One file is one channel, that is one conversation. A reply follows the message it refers to, any
other message the one before it. Bots are assistants; pins, joins and calls are events.

Gives: times, replies. Does not give: models, calls, tokens. Who spoke, reactions, embeds and
attachments are in `extra`; a conversation of many people has no `user_id`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import UNSET

from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.content import listed, text, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

# Types under which people and bots speak; older exports number them.
_SPOKEN = frozenset({"Default", "Reply", "ChatInputCommand", "ContextMenuCommand", "0", "19", "20"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversations)


def _conversations(record: Record) -> list[Conversation]:
    source = record.value
    channel, guild = source["channel"], source.get("guild") or {}
    native = text(channel.get("id"))
    messages = [_message(item) for item in listed(source["messages"])]
    here = {message.native_id for message in messages}
    for message in messages:
        if message.parent not in here:
            message.parent = UNSET
    conversation = Conversation(
        ordinal=record.number,
        id=native,
        native_id=native,
        joins=native is not None,
        title=text(channel.get("name")),
        project=text(guild.get("name")),
        messages=messages,
    )
    conversation.extra = untold(source, {"messages": source["messages"]})
    if record.lenient:
        conversation.extra["decode"] = "lenient"
    return [conversation]


def _message(source: dict[str, Any]) -> Message:
    author, reference, said = source["author"], source.get("reference"), source.get("content")
    if not isinstance(said, str | None):
        raise TypeError("content that is no text")
    kind = str(source.get("type"))
    spoken = kind in _SPOKEN
    moment = at(source.get("timestamp"))
    message = Message(
        role_raw=kind,
        role="assistant" if author.get("isBot") else "user" if spoken else "system",
        kind="chat" if spoken else "event",
        content=said,
        native_id=text(source.get("id")),
        at=moment,
    )
    if isinstance(reference, dict) and text(reference.get("messageId")):
        message.parent = reference["messageId"]
    told = {"type": kind, "content": said, "id": message.native_id}
    message.extra = without_bytes(untold(source, {**told, "timestamp": source.get("timestamp")}))
    note(message.extra, source, "timestamp", moment, "+00:00")
    return message


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        keys = ('"guild"', '"channel"', '"messages"', '"timestampEdited"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    value = evidence.value
    fits = isinstance(value, dict) and {"guild", "channel", "messages"} <= value.keys()
    return (
        SURE
        if fits and isinstance(value["channel"], dict) and isinstance(value["guild"], dict)
        else 0.0
    )


FORMAT = Format("discord", "Discord channels (DiscordChatExporter)", _sniff, _parse, __doc__)

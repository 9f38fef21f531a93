"""Slack workspace export: `<channel>/<day>.json` in a zip or a folder, arrays of messages.

A conversation is a thread, `<channel>/<thread_ts>`, or what was said in a channel outside threads,
`<channel>`; the channel is the folder's name. It goes on over the days. `ts` is a message's id and
its time. Bots are assistants; joins, topics and other notes of the program are events.

Gives: times, threads. Does not give: models, calls, tokens. Who spoke, reactions, files and rich
text are in `extra`; a conversation of many people has no `user_id`. `users.json` and
`channels.json` hold no messages.
"""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import text, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterator


_TS = re.compile(r"\d{9,10}\.\d{6}\Z")
# Subtypes under which people and bots still speak.
_SPOKEN = frozenset({None, "bot_message", "thread_broadcast", "me_message", "file_share"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    channel = PurePosixPath(reading.document.path).parent.name
    talks: dict[str | None, Conversation] = {}
    for record in reading.records():
        try:
            thread = text(record.value.get("thread_ts"))
            row = _message(record.value)
        except UNEXPECTED:
            reading.reject(record, "not a Slack message")
            continue
        if record.lenient:
            row.extra["decode"] = "lenient"
        if thread not in talks:
            id_ = f"{channel}/{thread}" if thread else channel
            talks[thread] = Conversation(
                id=id_, native_id=thread, project=channel, n_records=0, joins=True
            )
        talks[thread].messages.append(row)
    yield from talks.values()


def _message(source: dict[str, Any]) -> Message:
    ts, said = source["ts"], source.get("text")
    if not isinstance(ts, str) or not isinstance(said, str | None):
        raise TypeError("a message without a time or with text that is none")
    subtype = source.get("subtype")
    bot = subtype == "bot_message" or text(source.get("bot_id")) is not None
    spoken = isinstance(subtype, str | None) and subtype in _SPOKEN
    message = Message(
        role_raw=text(subtype) or "message",
        role="assistant" if bot else "user" if spoken else "system",
        kind="chat" if spoken else "event",
        content=said,
        native_id=ts,
        at=nanoseconds(ts.replace(".", "") + "000") if _TS.match(ts) else None,
        n_records=1,
    )
    told = {"ts": ts, "text": said, "type": "message", "subtype": text(subtype)}
    told["thread_ts"] = source.get("thread_ts")
    message.extra = without_bytes(untold(source, told))
    return message


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict) or value.get("type") != "message":
        return 0.0
    ts = value.get("ts")
    return SURE if isinstance(ts, str) and _TS.match(ts) and "text" in value else 0.0


FORMAT = Format("slack", "Slack workspace export", _sniff, _parse, __doc__)

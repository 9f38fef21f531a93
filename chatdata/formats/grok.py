"""Grok data export: `prod-grok-backend.json`, one object with all conversations.

`{conversations: [{conversation: {id, title, …}, responses: [{response: {_id, sender, message,
create_time, model, …}}]}]}`. A time is ISO text or `{"$date": {"$numberLong": "<ms>"}}`.

Gives: users, titles, times, models. Does not give: calls, tokens, trees (rows follow each other).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import listed, text, untold
from chatdata.formats.records import Bad
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.rows import At

_NO_TALK = "not a grok conversation"


def _parse(reading: Reading) -> Iterator[Conversation]:
    ordinal = 0
    for record in reading.records():
        try:
            talks = listed(record.value["conversations"])
        except UNEXPECTED:
            reading.reject(record, "not a grok export")
            continue
        # Each conversation is a record of its own.
        reading.n_records += len(talks) - 1
        others = untold(record.value, {"conversations": talks})
        for talk in talks:
            ordinal += 1
            try:
                conversation = _conversation(talk, ordinal)
            except UNEXPECTED:
                reading.reject(Bad(ordinal, record.offset, ""), _NO_TALK)
                continue
            # What the export says beside its conversations goes with the first of them.
            conversation.extra |= {"export": others} if others else {}
            others = {}
            yield conversation


def _conversation(talk: dict[str, Any], ordinal: int) -> Conversation:
    about = talk["conversation"]
    native = text(about.get("id"))
    conversation = Conversation(
        ordinal=ordinal,
        id=native,
        native_id=native,
        joins=native is not None,
        user_id=text(about.get("user_id")),
        title=text(about.get("title")),
        created_at=_moment(about.get("create_time")),
        updated_at=_moment(about.get("modify_time")),
        messages=[_message(answer["response"]) for answer in listed(talk["responses"])],
    )
    told = {"id": native, "user_id": conversation.user_id, "title": conversation.title}
    conversation.extra = untold(about, told)
    if more := untold(talk, {"conversation": about, "responses": talk["responses"]}):
        conversation.extra["talk"] = more
    return conversation


def _message(source: dict[str, Any]) -> Message:
    if not isinstance(source["sender"], str):
        raise TypeError("no text says who speaks")
    said = source.get("message")
    message = Message(
        role_raw=source["sender"],
        content=said if isinstance(said, str) else None,
        native_id=text(source.get("_id")),
        model=text(source.get("model")),
        at=_moment(source.get("create_time")),
    )
    told = {"_id": message.native_id, "model": message.model, "message": message.content}
    message.extra = untold(source, {**told, "sender": message.role_raw})
    return message


def _moment(value: Any) -> At | None:  # noqa: ANN401 - whatever the log holds
    """Read a time: as other logs write it, or as its database exports it."""
    date = value.get("$date") if isinstance(value, dict) else value
    if isinstance(date, dict):
        number = text(date.get("$numberLong"))
        return at(int(number)) if number and number.isdecimal() else None
    return at(date)


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        keys = ('"conversations"', '"responses"', '"response"', '"sender"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    value = evidence.value
    talks = value.get("conversations") if isinstance(value, dict) else None
    first = talks[0] if isinstance(talks, list) and talks else None
    return (
        SURE if isinstance(first, dict) and {"conversation", "responses"} <= first.keys() else 0.0
    )


FORMAT = Format("grok", "Grok data export", _sniff, _parse, __doc__)

"""Claude.ai data export: `conversations.json` in `data-….zip`, or alone.

An array of `{uuid, name, account, chat_messages}`. Content is the text blocks where there are any,
else `text` (old exports have empty content, new ones can have empty text). A call and its result
stand in the same message: by id, or where ids are null (the rule) by order and name.

Gives: times, trees where the export has parents, calls with results, outcomes and times. Does not
give: models, tokens, projects. The list includes abandoned edits: `parent_message_uuid` decides
where it is present, else the order of the list. Attachments' text stays in `extra`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import blocks
from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.content import Content, absent, is_claimed, listed, split, text, untold
from chatdata.formats.pairing import answer
from chatdata.formats.rows import SAME_MESSAGE, At, Call, Conversation, Message, Result
from chatdata.formats.times import at, spelled
from chatdata.formats.tree import newest_leaf, path

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_EXPECTED = ("text", "content", "parent_message_uuid")


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(lambda record: [_conversation(record, reading.time_zone)])


def _conversation(record: Record, time_zone: str) -> Conversation:
    source = record.value
    account = source.get("account")
    messages = [_message(item, time_zone) for item in listed(source["chat_messages"])]
    _mark_main_path(messages)
    conversation = Conversation(
        ordinal=record.number,
        id=text(source.get("uuid")),
        native_id=text(source.get("uuid")),
        joins=True,
        user_id=text(account.get("uuid")) if isinstance(account, dict) else text(account),
        title=text(source.get("name")),
        created_at=at(source.get("created_at"), time_zone),
        updated_at=at(source.get("updated_at"), time_zone),
        messages=messages,
    )
    told = {
        "uuid": conversation.id,
        "name": conversation.title,
        "chat_messages": source["chat_messages"],
        "account": {"uuid": conversation.user_id} if conversation.user_id else None,
        "created_at": _spelled(conversation.created_at),
        "updated_at": _spelled(conversation.updated_at),
    }
    conversation.extra = untold(source, told) | absent(source, ("created_at", "updated_at"))
    return conversation


def _spelled(moment: At | None) -> str | None:
    return spelled(moment, "") if moment and moment.precision == "us" else None


def _message(source: dict[str, Any], time_zone: str) -> Message:
    if not isinstance(source["sender"], str):
        raise TypeError("no text says who speaks")
    content = split(source.get("content"), blocks.claims)
    flat = source.get("text")
    visible = content.text if content.text is not None else flat
    message = Message(
        role_raw=source["sender"],
        content=visible if isinstance(visible, str) else None,
        reasoning=content.reasoning,
        key=text(source.get("uuid")),
        native_id=text(source.get("uuid")),
        at=at(source.get("created_at"), time_zone),
    )
    parent = text(source.get("parent_message_uuid"))
    told = {
        "uuid": message.key,
        "sender": source["sender"],
        "text": message.content,
        "content": source.get("content") if content.is_plain else None,
        "parent_message_uuid": parent,
        "created_at": spelled(message.at, source.get("created_at")),
    }
    message.extra = untold(source, told) | absent(source, _EXPECTED)
    if content.parts is not None and not content.is_plain:
        message.extra["content"] = content.parts
    if parent:
        message.parent = parent
    _pair(message, content, time_zone)
    return message


def _pair(message: Message, content: Content, time_zone: str) -> None:
    """Answer calls within their message: by id, else the first unanswered one of that name."""
    shapes = [part for part in content.parts or () if is_claimed(part)]
    claimed = [block for block in content.others if blocks.claims(str(block.get("type")))]
    for block, shape in zip(claimed, shapes, strict=True):
        if block.get("type") in blocks.CALLS:
            call = blocks.call(block)
            call.key = call.native_id
            call.started_at = at(block.get("start_timestamp"), time_zone)
            message.calls.append(call)
            continue
        result = blocks.result(block)
        result.ended_at = at(block.get("stop_timestamp"), time_zone)
        asked = _asked(message.calls, result, text(block.get("name")))
        if asked is not None and not asked.has_result:
            answer(asked, result, SAME_MESSAGE)
            shape["call"] = next(n for n, call in enumerate(message.calls) if call is asked)
        else:
            message.results.append(result)


def _asked(calls: list[Call], result: Result, name: str | None) -> Call | None:
    if result.native_id is not None:
        return next((call for call in calls if call.native_id == result.native_id), None)
    waiting = [call for call in calls if not call.has_result]
    return next((call for call in waiting if call.name == name), None)


def _mark_main_path(messages: list[Message]) -> None:
    parents: dict[str, str | None] = {}
    before: str | None = None
    for message in messages:
        if message.key is not None:
            parents[message.key] = message.parent if isinstance(message.parent, str) else before
            before = message.key
    times = {m.key: m.at.us if m.at else None for m in messages if m.key}
    seen = path(parents, newest_leaf(parents, times))
    for message in messages:
        message.is_main_path = message.key is None or message.key in seen


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        return SURE if '"chat_messages"' in evidence.text else 0.0
    value = evidence.value
    return SURE if isinstance(value, dict) and "chat_messages" in value else 0.0


FORMAT = Format("claude-ai-export", "Claude.ai data export", _sniff, _parse, __doc__)

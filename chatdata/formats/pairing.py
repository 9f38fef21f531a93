"""Which result answers which call, and what a call's arguments are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from chatdata.formats.content import keep
from chatdata.formats.records import encode

if TYPE_CHECKING:
    from chatdata.formats.rows import Call, Conversation, Message, Result


class Arguments(NamedTuple):
    """The three argument columns of a call."""

    raw: str | None = None
    object: str | None = None
    status: str | None = None


class _Open(NamedTuple):
    message: int
    call: Call


def arguments(value: Any) -> Arguments:  # noqa: ANN401 - any JSON value, or text
    """Classify arguments: text as found, or a decoded value.

    JSON text is never repaired, and "" is not an empty object.
    """
    if value is msgspec.UNSET or value is None:
        return Arguments()
    if not isinstance(value, str):
        raw = encode(value)
        return (
            Arguments(raw, raw, "ok")
            if isinstance(value, dict)
            else Arguments(raw, None, "not_object")
        )
    if not value.strip():
        return Arguments(value, None, "empty")
    try:
        decoded = msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        return Arguments(value, None, "invalid")
    if not isinstance(decoded, dict):
        return Arguments(value, None, "not_object")
    return Arguments(value, encode(decoded), "ok")


def pair(conversation: Conversation, message_ids: list[str]) -> None:
    """Give every call of a conversation its result.

    By native id, the latest unanswered call that has it (ids repeat across turns); by order within
    the last calling message where a result has no id, which its message's `extra` notes as
    `paired_by`. The first result of a call counts, further ones leave their messages' ids in its
    `extra`. What these say, and a result that nobody asked for, stays with its own message, in
    `extra.results`.
    """
    named: dict[str, list[_Open]] = {}
    unnamed: list[_Open] = []
    for place, message in enumerate(conversation.messages):
        for call in message.calls:
            if call.native_id is not None:
                named.setdefault(call.native_id, []).append(_Open(place, call))
    for place, message in enumerate(conversation.messages):
        for result in message.results:
            asked = _asked_by_id(named, result, place) or _asked_in_order(unnamed, result)
            if asked is not None and answer(asked, result, message_ids[place]):
                if result.native_id != asked.native_id:
                    message.extra["paired_by"] = "order"
            elif spare := _spare(result, message):
                keep(message.extra, "results", spare)
        if message.calls:
            unnamed = [_Open(place, call) for call in message.calls]


def answer(call: Call, result: Result, message_id: str) -> bool:
    """Write a result into its call, and say so; a call that has one already keeps that."""
    if call.has_result:
        keep(call.extra, "other_results", message_id)
        return False
    call.has_result = True
    call.result = result.text
    call.result_key = message_id
    call.status = result.status
    call.error_source = result.error_source
    call.error_class = result.error_class
    if call.started_at is not None:
        call.ended_at = result.ended_at
    call.extra.update(result.extra)
    return True


def _spare(result: Result, message: Message) -> dict[str, Any]:
    """Give all that a result says which became part of no call."""
    said = {"for": result.native_id, "status": result.status, **result.extra}
    if result.text is not message.content:
        said["text"] = result.text
    return {key: value for key, value in said.items() if value is not None and value != "unknown"}


def _asked_by_id(named: dict[str, list[_Open]], result: Result, place: int) -> Call | None:
    if result.native_id is None or result.native_id not in named:
        return None
    asked = named[result.native_id]
    waiting = [open_ for open_ in asked if not open_.call.has_result]
    before = [open_ for open_ in waiting if open_.message <= place] or waiting
    if not before:
        return asked[-1].call
    latest = max(open_.message for open_ in before)
    return next(open_.call for open_ in before if open_.message == latest)


def _asked_in_order(unnamed: list[_Open], result: Result) -> Call | None:
    if result.native_id is not None:
        return None
    return next((open_.call for open_ in unnamed if not open_.call.has_result), None)

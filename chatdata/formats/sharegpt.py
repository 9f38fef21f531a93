"""ShareGPT and its family: rows `{id?, conversations: [{from, value}], system?, tools?}`.

One row is one conversation. A `function_call` turn holds JSON text, one call or a list; the next
`observation` is its result, by order. In Hermes rows, calls stand in `<tool_call>` tags and answers
in `<tool_response>` tags: the text is kept whole and the calls are read. Glaive rows
`{system, chat}` hold a whole conversation as text, with `<functioncall>` and `FUNCTION RESPONSE`.

Gives: calls with results, declared tools. Does not give: times, models, tokens, outcomes. Ids
repeat in published sets: the later rows become `~2`, `~3`. An observation that answers nothing is a
row of its own; JSON inside the tags that is not JSON leaves a call whose arguments are `invalid`.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats.base import LIKELY, SURE, Evidence, Format, Reading, always
from chatdata.formats.content import listed, rest, text, tool_names, untold
from chatdata.formats.rows import Call, Conversation, Message, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_LISTS = ("conversations", "conversation", "messages", "items")
_CALL = re.compile(r"<tool_call>\s*(.*?)\s*</tool_call>", re.DOTALL)
_RESPONSE = re.compile(r"<tool_response>\s*(.*?)\s*</tool_response>", re.DOTALL)
_GLAIVE_TURN = re.compile(r"\s*^(USER|ASSISTANT|FUNCTION RESPONSE):\s?", re.MULTILINE)
_GLAIVE_CALL = re.compile(r"<functioncall>\s*(.*?)\s*(?:<\|endoftext\|>|$)", re.DOTALL)
_GLAIVE_PARTS = re.compile(
    r'"name":\s*"([^"]*)"(?:\s*,\s*"arguments":\s*\'?(.*?)\'?\s*\}\s*$)?', re.DOTALL
)
_ROLES = {"function_call": "assistant", "USER": "user", "ASSISTANT": "assistant"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    row = record.value
    native = None if row.get("id") is None else str(row["id"])
    tools = row.get("tools")
    conversation = Conversation(
        ordinal=record.number,
        calls_by_place=True,
        id=native,
        native_id=native,
        declared_tools=tool_names(_decoded(tools) if isinstance(tools, str) else tools),
    )
    key = next((key for key in _LISTS if key in row), "chat")
    if isinstance(row[key], str):
        conversation.messages = _glaive(row[key])
        told = row[key] if _glaive_text(conversation.messages) == row[key] else None
    else:
        conversation.messages = [_turn(turn) for turn in listed(row[key])]
        told = row[key]
    conversation.extra = untold(row, {"id": native, key: told})
    if key != "conversations":
        conversation.extra["messages_key"] = key
    if record.lenient:
        conversation.extra["decode"] = "lenient"
    return [conversation]


def _turn(turn: dict[str, Any]) -> Message:
    keys = ("from" if "from" in turn else "role", "value" if "value" in turn else "content")
    role, value = turn[keys[0]], turn.get(keys[1])
    if not isinstance(role, str) or not isinstance(value, str | None):
        raise TypeError("a turn without a speaker or with content that is no text")
    called = role == "function_call"
    message = Message(role_raw=role, role=_ROLES.get(role), content=None if called else value)
    message.extra = untold(turn, dict(zip(keys, (role, message.content), strict=True)))
    if keys != ("from", "value"):
        message.extra["keys"] = keys
    if called:
        message.calls = _calls(value or "")
    elif message.role is None and value is not None:
        _read_tags(message, value)
    return message


def _read_tags(message: Message, value: str) -> None:
    if message.role_raw in {"gpt", "assistant", "chatgpt"}:
        message.calls = [call for found in _CALL.findall(value) for call in _calls(found)]
    elif message.role_raw in {"observation", "tool", "tool_response", "function"}:
        answers = _RESPONSE.findall(value) or [value]
        message.results = [Result(text=answer) for answer in answers]


def _calls(value: str) -> list[Call]:
    """Read the calls of JSON text; text that is none stays whole, as invalid arguments."""
    decoded = _decoded(value)
    listed = decoded if isinstance(decoded, list) else [decoded]
    if not listed or not all(isinstance(item, dict) for item in listed):
        return [Call(arguments=value)]
    return [
        Call(
            name=text(item.get("name")),
            arguments=item.get("arguments", item.get("parameters", msgspec.UNSET)),
            extra=rest(item, frozenset({"name", "arguments", "parameters"})),
        )
        for item in listed
    ]


def _glaive(chat: str) -> list[Message]:
    pieces = _GLAIVE_TURN.split(chat)
    return [
        _glaive_turn(speaker, said.replace("<|endoftext|>", "").strip(), said)
        for speaker, said in zip(pieces[1::2], pieces[2::2], strict=True)
    ]


def _glaive_text(messages: list[Message]) -> str:
    """Write turns as most glaive rows do."""
    ends = {"ASSISTANT": " <|endoftext|>"}
    turns = (f"{m.role_raw}: {m.content}{ends.get(m.role_raw, '')}" for m in messages)
    return "\n\n\n".join(turns)


def _glaive_turn(speaker: str, said: str, whole: str) -> Message:
    if speaker == "FUNCTION RESPONSE":
        return Message(role_raw=speaker, role="tool", content=said, results=[Result(text=said)])
    message = Message(role_raw=speaker, role=_ROLES[speaker], content=said)
    for found in _GLAIVE_CALL.findall(whole):
        parts = _GLAIVE_PARTS.search(found)
        call = Call(arguments=found)
        if parts:
            call = Call(name=parts.group(1), arguments=parts.group(2) or msgspec.UNSET)
        message.calls.append(call)
    return message


def _decoded(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.decode(value)
    except (msgspec.DecodeError, UnicodeEncodeError):
        return None


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"conversations"', '"from"', '"value"')
        return LIKELY if all(key in evidence.text for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    if isinstance(value.get("chat"), str) and "USER:" in value["chat"]:
        return LIKELY
    turns = next((value[key] for key in _LISTS if isinstance(value.get(key), list)), None)
    first = turns[0] if turns else None
    return SURE if isinstance(first, dict) and {"from", "value"} <= first.keys() else 0.0


FORMAT = Format("sharegpt", "ShareGPT, Hermes and glaive rows", _sniff, _parse, __doc__, always)

"""OpenAI chat messages: fine-tuning rows, batch requests and outputs, logged completions, pairs.

One row is one conversation: `{"messages": […], "tools"?, …}`, a bare list of messages, a batch
request `{custom_id, body: {model, messages}}`, a batch output `{custom_id, response: {body}}`, a
`chat.completion` with `choices`, or a preference pair `chosen` / `rejected` (two conversations).
The same `custom_id` joins a batch's requests and outputs.

Gives: calls with their results, declared tools, tokens of completions. Does not give: times
(completions and rows with `created_at` apart), outcomes of calls (a result that is there is
`unknown`), trees (several `choices` are siblings, the first is the main path).

Also read: parts with `value` and calls among them (LLaMA-Factory), `arguments` as objects, tool
calls without `function`, `function_call` of the first generation, `reasoning_content`, `chat_id`.
System and developer messages are `injected`. A `refusal` is content. Content and calls both null
are a refusal too, and no error.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats.base import FALLBACK, POSSIBLE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text, tool_names
from chatdata.formats.rows import Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_LISTS = ("messages", "conversations", "conversation", "items")
_IDS = ("custom_id", "chat_id", "conversation_id", "id")
_PAIR = ("chosen", "rejected")
_ROW_TAKEN = frozenset({"title", "model", "user_id", *_IDS, *_PAIR})
_MESSAGE_TAKEN = frozenset(
    {"role", "content", "tool_calls", "function_call", "tool_call_id", "reasoning_content"}
)


def messages(listed: list[Any], time_zone: str = "UTC") -> list[Message]:
    """Read a list of chat messages, as this and its sister formats have them.

    Raises:
        TypeError: an element is no message.
    """
    return [message(item, time_zone) for item in listed]


def message(item: dict[str, Any], time_zone: str = "UTC") -> Message:
    """Read one chat message.

    Raises:
        TypeError: it has no role, or content that is neither text nor parts.
    """
    role = item["role"]
    if not isinstance(role, str):
        raise TypeError("the role is no text")
    content = split(item.get("content"))
    extra = rest(item, _MESSAGE_TAKEN)
    if content.parts is not None:
        extra["parts"] = content.parts
    refusal = text(item.get("refusal"))
    if content.text is None and refusal:
        content.texts.append(refusal)
        extra["refusal"] = {"n_chars": len(refusal)}
    read = Message(
        role_raw=role,
        content=content.text,
        reasoning=content.reasoning or text(item.get("reasoning_content")),
        calls=_calls(item, content.others),
        extra=extra,
    )
    for key in ("created_at", "timestamp"):
        if read.at is None and (moment := at(item.get(key), time_zone)):
            read.at = moment
    if role in {"tool", "function"}:
        read.results = [Result(native_id=text(item.get("tool_call_id")), text=content.text)]
    return read


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a completion; the cached part comes out of the input."""
    if not isinstance(counts, dict):
        return None
    details = counts.get("prompt_tokens_details") or {}
    read, written = details.get("cached_tokens"), details.get("cache_write_tokens")
    prompt = counts.get("prompt_tokens")
    cached = (read or 0) + (written or 0)
    return Usage(
        input=prompt - cached if isinstance(prompt, int) and prompt >= cached else prompt,
        output=counts.get("completion_tokens"),
        cache_read=read,
        cache_write=written,
        reasoning=(counts.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )


def _calls(item: dict[str, Any], parts: list[dict[str, Any]]) -> list[Call]:
    calls = [_call(call) for call in item.get("tool_calls") or ()]
    if isinstance(item.get("function_call"), dict):
        calls.append(_call({"function": item["function_call"]}, type="function_call"))
    return calls + [_call_of_part(part) for part in parts if part.get("type") == "tool_call"]


def _call(call: dict[str, Any], **extra: Any) -> Call:  # noqa: ANN401 - kept as it is
    function = call.get("function") or call
    arguments = function.get("arguments", msgspec.UNSET)
    if isinstance(arguments, dict | list):
        extra["arguments"] = "value"
    taken = frozenset({"id", "function", "name", "arguments"})
    if function is not call and (more := rest(function, taken)):
        extra["function"] = more
    return Call(
        name=text(function.get("name")),
        native_id=text(call.get("id")),
        arguments=arguments,
        extra={**rest(call, taken), **extra},
    )


def _call_of_part(part: dict[str, Any]) -> Call:
    value = part.get("value", part)
    try:
        decoded = msgspec.json.decode(value) if isinstance(value, str) else value
    except msgspec.DecodeError:
        decoded = None
    if not isinstance(decoded, dict):
        return Call(arguments=value, extra={"part": "value"})
    return _call(decoded)


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if _is_message(first.value):
        yield reading.one(
            chain([first], records),
            lambda value: message(value, reading.time_zone),
            "not an openai-chat message",
        )
        return
    for record in chain([first], records):
        try:
            yield from tuple(_conversations(record, reading))
        except UNEXPECTED:
            reading.reject(record, "not an openai-chat record")


def _conversations(record: Record, reading: Reading) -> Iterator[Conversation]:
    row = {"messages": record.value} if isinstance(record.value, list) else record.value
    if record.lenient:
        row = {**row, "decode": "lenient"}
    if not any(side in row for side in _PAIR):
        yield _conversation(row, record.number, reading.time_zone)
        return
    start = _prompt(row, reading.time_zone)
    for place, side in enumerate(_PAIR):
        base = _row(row, record.number)
        base.id = f"{base.id or f'{reading.name}#{record.number}'}/{side}"
        base.ordinal, base.n_records = record.number, int(place == 0)
        base.extra["pair"] = side
        answer = row.get(side) or []
        listed = [answer] if isinstance(answer, dict) else answer
        base.messages = start + messages(listed, reading.time_zone)
        yield base


def _prompt(row: dict[str, Any], time_zone: str) -> list[Message]:
    prompt: Any = row.get("prompt") or next((row[key] for key in _LISTS if row.get(key)), [])
    if isinstance(prompt, str):
        return [Message(role_raw="user", content=prompt)]
    return messages(prompt, time_zone)


def _conversation(row: dict[str, Any], ordinal: int, time_zone: str) -> Conversation:
    conversation = _row(row, ordinal)
    response = row.get("response")
    body: dict[str, Any] = row["body"] if isinstance(row.get("body"), dict) else row
    answer = response.get("body") if isinstance(response, dict) else row
    listed: Any = next((body[key] for key in _LISTS if isinstance(body.get(key), list)), None)
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if listed is None and choices is None and "custom_id" not in row:
        raise TypeError("no messages")
    conversation.messages = messages(listed or [], time_zone)
    conversation.created_at = at(row.get("created_at"), time_zone)
    if isinstance(choices, list) and isinstance(answer, dict):
        conversation.messages += _answers(answer, conversation.messages)
    return conversation


def _row(row: dict[str, Any], ordinal: int) -> Conversation:
    """Read what a row says beside its messages."""
    body = row["body"] if isinstance(row.get("body"), dict) else {}
    native = next((row[key] for key in _IDS if isinstance(row.get(key), str | int)), None)
    tools = row.get("tools", body.get("tools"))
    if isinstance(tools, str):
        tools = _decoded(tools)
    extra = rest(row, _ROW_TAKEN | frozenset(_LISTS) | {"choices", "response", "body"})
    extra |= {key: row[key] for key in _IDS if key in row and row[key] != native}
    if body:
        extra["body"] = rest(body, frozenset({"messages", "model"}))
    if isinstance(row.get("response"), dict):
        extra["response"] = rest(row["response"], frozenset({"body"}))
    return Conversation(
        ordinal=ordinal,
        id=None if native is None else str(native),
        native_id=None if native is None else str(native),
        user_id=text(row.get("user_id")),
        title=text(row.get("title")),
        model=text(row.get("model")) or text(body.get("model")),
        declared_tools=tool_names(tools),
        joins="custom_id" in row,
        extra=extra,
    )


def _answers(completion: dict[str, Any], asked: list[Message]) -> list[Message]:
    """Read the choices of a completion: siblings after the last message that was asked."""
    answers = []
    for place, choice in enumerate(completion["choices"]):
        answer = message(choice["message"])
        answer.native_id = text(completion.get("id"))
        if answer.native_id and place:
            answer.native_id += f"/{choice.get('index', place)}"
        answer.is_main_path = place == 0
        answer.model = text(completion.get("model"))
        answer.at = at(completion.get("created"))
        answer.finish_reason = text(choice.get("finish_reason"))
        answer.extra |= rest(choice, frozenset({"message", "finish_reason", "index"}))
        if place == 0:
            answer.usage = usage(completion.get("usage"))
            answer.extra["completion"] = rest(
                completion, frozenset({"id", "choices", "created", "model", "messages"})
            )
        elif asked:
            asked[-1].aliases = ("asked",)
            answer.parent = "asked"
        else:
            answer.parent = None
        answers.append(answer)
    return answers


def _decoded(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None


def _is_message(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return (
        isinstance(value, dict)
        and isinstance(value.get("role"), str)
        and ("content" in value or "tool_calls" in value)
        and not any(key in value for key in _LISTS)
    )


def _starts_with_role(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and all(
        isinstance(item, dict) and isinstance(item.get("role"), str) for item in value[:1]
    )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind != "record":
        return 0.0
    if isinstance(value, list):
        return POSSIBLE if value and _starts_with_role(value) else 0.0
    if not isinstance(value, dict):
        return 0.0
    if _is_message(value):
        return FALLBACK
    body = value.get("body")
    choices = value.get("choices")
    fits = (
        any(_starts_with_role(value[key]) for key in _LISTS if key in value)
        or (isinstance(body, dict) and "messages" in body)
        or ("custom_id" in value and "response" in value)
        or (isinstance(choices, list) and all("message" in choice for choice in choices[:1]))
        or all(isinstance(value.get(side), list | dict) for side in _PAIR)
    )
    return POSSIBLE if fits else 0.0


FORMAT = Format("openai-chat", "OpenAI chat messages", _sniff, _parse, __doc__)

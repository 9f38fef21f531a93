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
from chatdata.formats.content import absent, listed, split, text, tool_names, untold
from chatdata.formats.records import WHOLE
from chatdata.formats.rows import ROLES, Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_LISTS = ("messages", "conversations", "conversation", "items")
_IDS = ("custom_id", "chat_id", "conversation_id", "id")
_PAIR = ("chosen", "rejected")
_SAID = ("content", "tool_calls", "function_call", "tool_call_id", "audio", "refusal")
# A message beside one of these is a row of somebody's own table, with many conversations.
_OF_A_TABLE = frozenset(
    f"{what}{id_}"
    for what in ("conversation", "session", "chat", "thread", "dialog", "dialogue", "user")
    for id_ in ("", "_id", "Id", "ID", "_uuid")
)


def messages(items: Any, time_zone: str = "UTC") -> list[Message]:  # noqa: ANN401 - any JSON value
    """Read a list of chat messages, as this and its sister formats have them.

    Raises:
        TypeError: it is no list, or an element is no message.
    """
    return [message(item, time_zone) for item in listed(items)]


def message(item: dict[str, Any], time_zone: str = "UTC") -> Message:
    """Read one chat message.

    Raises:
        TypeError: it has no role, or content that is neither text nor parts.
    """
    role = item["role"]
    if not isinstance(role, str):
        raise TypeError("the role is no text")
    content = split(item.get("content"), "tool_call".__eq__)
    answers = role in {"tool", "function"}
    called, first_call = item.get("tool_calls"), item.get("function_call")
    told: dict[str, Any] = {
        "role": role,
        "content": content.text,
        "tool_calls": called or None,
        "tool_call_id": text(item.get("tool_call_id")) if answers else None,
        "reasoning_content": None if content.reasonings else text(item.get("reasoning_content")),
        "function_call": first_call if isinstance(first_call, dict) else None,
    }
    read = Message(
        role_raw=role,
        content=content.text,
        reasoning=content.reasoning or told["reasoning_content"],
        calls=_calls(called, told["function_call"], content.others),
        extra=untold(item, told),
    )
    if content.parts is not None:
        read.extra["content"] = content.parts
    refusal = text(item.get("refusal"))
    if content.text is None and refusal:
        read.content = refusal
        read.extra["refusal"] = {"n_chars": len(refusal)}
    for key in ("created_at", "timestamp"):
        if read.at is None and (moment := at(item.get(key), time_zone)):
            read.at = moment
    if answers:
        read.results = [Result(native_id=told["tool_call_id"], text=content.text)]
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


def _calls(
    called: list[Any] | None, first_call: dict[str, Any] | None, parts: list[dict[str, Any]]
) -> list[Call]:
    calls = [_call(call) for call in listed(called or [])]
    if first_call is not None:
        calls.append(_call({"function": first_call}, type="function_call"))
    return calls + [_call_of_part(part) for part in parts if part.get("type") == "tool_call"]


def _call(call: dict[str, Any], **extra: Any) -> Call:  # noqa: ANN401 - kept as it is
    nested = isinstance(call.get("function"), dict)
    function = call["function"] if nested else call
    read = Call(
        name=text(function.get("name")),
        native_id=text(call.get("id")),
        arguments=function.get("arguments", msgspec.UNSET),
    )
    told = {"name": read.name, "arguments": read.arguments}
    if nested:
        read.extra = untold(call, {"id": read.native_id, "function": function})
        if more := untold(function, told):
            read.extra["function"] = more
    else:
        read.extra = untold(call, {"id": read.native_id, **told}) | {"flat": True}
    if not isinstance(read.arguments, str | None | msgspec.UnsetType):
        read.extra["arguments"] = "value"
    read.extra |= extra
    return read


def _call_of_part(part: dict[str, Any]) -> Call:
    """Read a call among the content, of which every word is kept."""
    value = part.get("value", part)
    decoded = _decoded(value) if isinstance(value, str) else value
    read = _call(decoded) if isinstance(decoded, dict) else Call(arguments=value)
    read.extra = {"part": part}
    return read


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if reading.stretch is WHOLE and _is_message(first.value):
        yield reading.one(
            chain([first], records),
            lambda value: message(value, reading.time_zone),
            "not an openai-chat message",
            calls_by_place=True,
        )
        return
    for record in chain([first], records):
        try:
            yield from tuple(_conversations(record, reading))
        except UNEXPECTED:
            reading.reject(record, "not an openai-chat record")


def _conversations(record: Record, reading: Reading) -> Iterator[Conversation]:
    bare = isinstance(record.value, list)
    row = {"messages": record.value, "messages_key": None} if bare else record.value
    if record.lenient:
        row = {**row, "decode": "lenient"}
    if any(side in row for side in _PAIR):
        yield from _pair(row, record.number, reading)
    else:
        yield _conversation(row, record.number, reading.time_zone)


def _pair(row: dict[str, Any], ordinal: int, reading: Reading) -> Iterator[Conversation]:
    """Read a preferred and a refused answer: two conversations that begin alike."""
    key = next((key for key in ("prompt", *_LISTS) if row.get(key)), "")
    prompt = row.get(key) or []
    sides = {side: row.get(side) or None for side in _PAIR}
    for place, side in enumerate(_PAIR):
        answer = row.get(side) or None
        answers = [answer] if isinstance(answer, dict) else answer or []
        conversation = _row(row, ordinal, {key: prompt, **sides}, reading.time_zone)
        conversation.id = f"{conversation.id or f'{reading.name}#{ordinal}'}/{side}"
        conversation.n_records = int(place == 0)
        said = [{"role": "user", "content": prompt}] if isinstance(prompt, str) else prompt
        conversation.messages = messages([*said, *answers], reading.time_zone)
        conversation.extra["pair"] = side
        conversation.extra["prompt"] = {"key": key, "n_messages": len(said)}
        if isinstance(prompt, str):
            conversation.extra["prompt"]["text"] = True
        if isinstance(answer, dict):
            conversation.extra["answer"] = "object"
        yield conversation


def _conversation(row: dict[str, Any], ordinal: int, time_zone: str) -> Conversation:
    body = row["body"] if isinstance(row.get("body"), dict) else row
    response = row["response"] if isinstance(row.get("response"), dict) else None
    answer = row if response is None else response.get("body")
    key = next((key for key in _LISTS if isinstance(body.get(key), list)), "")
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not key and not isinstance(choices, list) and "custom_id" not in row:
        raise TypeError("no messages")
    asked = {key: body.get(key)}
    answered = {"choices": choices or None} if answer is row else {"response": response}
    own = {"body": body} if body is not row else asked
    conversation = _row(row, ordinal, own | answered, time_zone)
    if key not in {"", "messages"}:
        conversation.extra["messages_key"] = key
    if body is not row:
        told = {**asked, "model": conversation.model}
        conversation.extra["body"] = untold(body, told) | absent(body, ("model",))
    conversation.messages = messages(body.get(key) or [], time_zone)
    if isinstance(answer, dict) and choices:
        asked_last = conversation.messages[-1:]
        conversation.messages += _answers(answer, asked_last, told=answer is row)
    if response is not None:
        conversation.extra["response"] = untold(response, {"body": answer if choices else None})
    if "custom_id" in row:
        conversation.part = "request" if "response" not in row else "outcome"
        conversation.extra = {conversation.part: conversation.extra}
    return conversation


def _row(row: dict[str, Any], ordinal: int, told: dict[str, Any], time_zone: str) -> Conversation:
    """Read what a row says beside its messages, which are told elsewhere."""
    body = row["body"] if isinstance(row.get("body"), dict) else {}
    id_key = next((key for key in _IDS if type(row.get(key)) in {str, int}), "")
    native = str(row[id_key]) if id_key else None
    tools = row.get("tools", body.get("tools"))
    conversation = Conversation(
        ordinal=ordinal,
        calls_by_place=True,
        id=native,
        native_id=native,
        user_id=text(row.get("user_id")),
        title=text(row.get("title")),
        model=text(row.get("model")) or text(body.get("model")),
        created_at=at(row.get("created_at"), time_zone),
        declared_tools=tool_names(_decoded(tools) if isinstance(tools, str) else tools),
    )
    columns = ("user_id", "title", "model")
    conversation.extra = untold(
        row, {id_key: native, **{name: getattr(conversation, name) for name in columns}, **told}
    )
    if id_key not in {"", "id"}:
        conversation.extra["id_key"] = id_key
    return conversation


def _answers(completion: dict[str, Any], asked: list[Message], *, told: bool) -> Iterator[Message]:
    """Read the choices of a completion: siblings after the last message that was asked.

    Args:
        completion: the response's body.
        asked: the last message before it, if any.
        told: whether the conversation keeps what the completion says beside its choices.
    """
    for place, choice in enumerate(completion["choices"]):
        answer = message(choice["message"])
        answer.native_id = text(completion.get("id"))
        if answer.native_id and place:
            answer.native_id += f"/{choice.get('index', place)}"
        answer.is_main_path = place == 0
        answer.model = text(completion.get("model"))
        answer.at = at(completion.get("created"))
        answer.finish_reason = text(choice.get("finish_reason"))
        taken = {"message": choice["message"], "finish_reason": answer.finish_reason}
        answer.extra["choice"] = untold(choice, taken)
        if place == 0:
            answer.usage = usage(completion.get("usage"))
        elif asked:
            asked[0].aliases = ("asked",)
            answer.parent = "asked"
        else:
            answer.parent = None
        if place == 0 and not told:
            columns = {
                "id": answer.native_id,
                "model": answer.model,
                "created": spelled(answer.at, completion.get("created")),
                "choices": completion["choices"],
            }
            answer.extra["completion"] = untold(completion, columns)
        yield answer


def _decoded(value: str) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None


def _is_message(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a record by itself is a message; a row of a table names its conversation or user."""
    return _speaks(value) and not value.keys() & _OF_A_TABLE and not value.keys() & set(_LISTS)


def _speaks(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return (
        isinstance(value, dict)
        and isinstance(value.get("role"), str)
        and value["role"].lower() in ROLES
        and any(key in value for key in _SAID)
    )


def _begins_with_a_message(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, list) and any(_speaks(item) for item in value[:1])


def _is_side(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return _speaks(value) or _begins_with_a_message(value)


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind != "record":
        return 0.0
    if isinstance(value, list):
        return POSSIBLE if _begins_with_a_message(value) else 0.0
    if not isinstance(value, dict):
        return 0.0
    if _is_message(value):
        return FALLBACK
    body = value.get("body")
    choices = value.get("choices")
    fits = (
        any(_begins_with_a_message(value[key]) for key in _LISTS if key in value)
        or (isinstance(body, dict) and "messages" in body)
        or ("custom_id" in value and isinstance(value.get("response") or value.get("error"), dict))
        or (isinstance(choices, list) and any("message" in choice for choice in choices[:1]))
        or all(_is_side(value.get(side)) for side in _PAIR)
    )
    return POSSIBLE if fits else 0.0


FORMAT = Format(
    "openai-chat",
    "OpenAI chat messages",
    _sniff,
    _parse,
    __doc__,
    by_line=lambda first: not _is_message(first),
)

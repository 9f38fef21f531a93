"""OpenAI chat messages: fine-tuning rows, batch requests and outputs, logged completions, pairs.

One row is one conversation: `{"messages": […], "tools"?, …}`, a bare list of messages, a batch
request `{custom_id, body: {model, messages}}`, a batch output `{custom_id, response: {body}}`, a
`chat.completion` with `choices`, what a proxy logged (`request` and `response`, or `messages` and
a `response` that is a completion, a message or text), or a preference pair, `chosen` / `rejected`
or `preferred_output` / `non_preferred_output` (two conversations). The same `custom_id` joins a
batch's requests and outputs; completions may come as a list, `{object: "list", data: […]}`.

Gives: calls with their results, declared tools, tokens of completions. Does not give: times
(completions and rows with `created_at` apart), outcomes of calls (a result that is there is
`unknown`), trees (several `choices` are siblings, the first is the main path).

Also read: parts with `value` and calls among them (LLaMA-Factory), `arguments` as objects, tool
calls without `function`, `function_call` of the first generation, `reasoning_content`, `chat_id`.
System and developer messages are `injected`. A `refusal` is content. Content and calls both null
are a refusal too, and no error.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import FALLBACK, POSSIBLE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.chat_message import decoded, message, messages, usage
from chatdata.formats.content import absent, listed, text, tool_names, untold
from chatdata.formats.records import WHOLE
from chatdata.formats.rows import ROLES, Conversation, Message
from chatdata.formats.times import at, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_LISTS = ("messages", "conversations", "conversation", "items", "data")
# Where a row that ends with a question keeps the answer: a message, or only its text.
_ANSWERS = ("response", "completion", "output", "answer")
_IDS = ("custom_id", "chat_id", "conversation_id", "id")
_PAIR = ("chosen", "rejected")
_PREFERENCE = ("preferred_output", "non_preferred_output")
_SAID = ("content", "tool_calls", "function_call", "tool_call_id", "audio", "refusal")
# A message beside one of these is a row of somebody's own table, with many conversations.
_OF_A_TABLE = frozenset(
    f"{what}{id_}"
    for what in ("conversation", "session", "chat", "thread", "dialog", "dialogue", "user")
    for id_ in ("", "_id", "Id", "ID", "_uuid")
)


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
            read = tuple(_conversations(record, reading))
        except UNEXPECTED:
            reading.reject(record, "not an openai-chat record")
            continue
        if not read:
            reading.count("empty")
        yield from read


def _conversations(record: Record, reading: Reading) -> Iterator[Conversation]:
    bare = isinstance(record.value, list)
    row = {"messages": record.value, "messages_key": None} if bare else record.value
    if record.lenient:
        row = {**row, "decode": "lenient"}
    if any(side in row for side in _PAIR):
        yield from _pair(row, record.number, reading)
    elif any(side in row for side in _PREFERENCE):
        yield from _preference(row, record.number, reading)
    elif row.get("object") == "list" and not _begins_with_a_message(row.get("data")):
        for place, item in enumerate(listed(row["data"])):
            conversation = _conversation(item, record.number, reading.time_zone)
            conversation.n_records = int(place == 0)
            conversation.extra["list"] = untold(row, {"data": row["data"]})
            yield conversation
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
        # Some write whole conversations on both sides, and what they begin with beside them.
        is_whole = 0 < len(said) < len(answers) and answers[: len(said)] == said
        conversation.messages = messages([*([] if is_whole else said), *answers], reading.time_zone)
        conversation.extra["pair"] = side
        conversation.extra["prompt"] = {"key": key, "n_messages": len(said)}
        if is_whole:
            conversation.extra["prompt"]["repeated"] = True
        if isinstance(prompt, str):
            conversation.extra["prompt"]["text"] = True
        if isinstance(answer, dict):
            conversation.extra["answer"] = "object"
        yield conversation


def _preference(row: dict[str, Any], ordinal: int, reading: Reading) -> Iterator[Conversation]:
    """Read what was preferred to what: two conversations that begin alike."""
    asked = row["input"]
    for place, (side, key) in enumerate(zip(_PAIR, _PREFERENCE, strict=True)):
        told = {"input": asked, **{name: row.get(name) or None for name in _PREFERENCE}}
        conversation = _row(row, ordinal, told, reading.time_zone)
        conversation.id = f"{conversation.id or f'{reading.name}#{ordinal}'}/{side}"
        conversation.n_records = int(place == 0)
        conversation.messages = messages(asked["messages"], reading.time_zone)
        n_asked = len(conversation.messages)
        conversation.messages += messages(row.get(key) or [], reading.time_zone)
        conversation.declared_tools = tool_names(asked.get("tools"))
        conversation.extra["pair"] = side
        conversation.extra["input"] = untold(asked, {"messages": asked["messages"]})
        conversation.extra["prompt"] = {"key": "input", "n_messages": n_asked}
        yield conversation


def _conversation(row: dict[str, Any], ordinal: int, time_zone: str) -> Conversation:
    body_key = _body_key(row)
    body = row[body_key] if body_key else row
    response = row["response"] if isinstance(row.get("response"), dict) else None
    inner = response is not None and not ("choices" in response or _speaks(response))
    answer = row if response is None else response.get("body") if inner else response
    key = next((key for key in _LISTS if isinstance(body.get(key), list)), "")
    choices = answer.get("choices") if isinstance(answer, dict) else None
    if not key and not isinstance(choices, list) and "custom_id" not in row:
        raise TypeError("no messages")
    asked = {key: body.get(key)}
    answered = {"choices": choices or None} if answer is row else {"response": response}
    own = {body_key: body} if body_key else asked
    conversation = _row(row, ordinal, own | answered, time_zone)
    if key not in {"", "messages"}:
        conversation.extra["messages_key"] = key
    if body_key:
        told = {**asked, "model": conversation.model}
        kept = untold(body, told) | absent(body, ("model",))
        conversation.extra["body" if body_key == "body" else "logged"] = kept
    conversation.messages = messages(body.get(key) or [], time_zone)
    if key == "data" and _newest_first(conversation.messages):
        conversation.messages.reverse()
        conversation.extra["newest_first"] = True
    if isinstance(answer, dict) and choices:
        asked_last = conversation.messages[-1:]
        conversation.messages += _answers(answer, asked_last, told=answer is row)
    elif not inner and "custom_id" not in row:
        _add_answer(conversation, row, time_zone)
    if response is not None and inner:
        conversation.extra["response"] = untold(response, {"body": answer if choices else None})
    if "custom_id" in row:
        conversation.part = "request" if "response" not in row else "outcome"
        conversation.extra = {conversation.part: conversation.extra}
    return conversation


def _body_key(row: dict[str, Any]) -> str:
    """Say under which key the request stands, if not in the row itself."""
    if isinstance(row.get("body"), dict):
        return "body"
    request = row.get("request")
    asked = isinstance(request, dict) and any(isinstance(request.get(key), list) for key in _LISTS)
    return "request" if asked else ""


def _newest_first(listed_: list[Message]) -> bool:
    """Whether a list of messages begins with the last one, as the API gives it unless asked."""
    times = [message_.at.us for message_ in listed_ if message_.at is not None]
    return len(times) > 1 and times[0] > times[-1]


def _add_answer(conversation: Conversation, row: dict[str, Any], time_zone: str) -> None:
    """Read the answer to the last question out of a key of its own: a message, or its text."""
    if not conversation.messages or ROLES.get(conversation.messages[-1].role_raw) == "assistant":
        return
    for key in _ANSWERS:
        said = row.get(key)
        spoken = {"role": "assistant", "content": said} if isinstance(said, str) else said
        if isinstance(spoken, dict) and _speaks(spoken):
            conversation.messages.append(message(spoken, time_zone))
            conversation.extra.pop(key, None)
            conversation.extra["answer"] = {"key": key, "text": isinstance(said, str)}
            return


def _row(row: dict[str, Any], ordinal: int, told: dict[str, Any], time_zone: str) -> Conversation:
    """Read what a row says beside its messages, which are told elsewhere."""
    body: dict[str, Any] = row[key] if (key := _body_key(row)) else {}
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
        declared_tools=tool_names(decoded(tools) if isinstance(tools, str) else tools),
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
    listed_ = value.get("data") if value.get("object") == "list" else None
    if isinstance(listed_, list) and not _begins_with_a_message(listed_):
        return _sniff(replace(evidence, value=next(iter(listed_), None)))
    body = value.get("body")
    request = value.get("request")
    choices = value.get("choices")
    asked = value.get("input")
    fits = (
        any(_begins_with_a_message(value[key]) for key in _LISTS if key in value)
        or (isinstance(body, dict) and "messages" in body)
        or (isinstance(request, dict) and _begins_with_a_message(request.get("messages")))
        or (isinstance(asked, dict) and all(_is_side(value.get(side)) for side in _PREFERENCE))
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

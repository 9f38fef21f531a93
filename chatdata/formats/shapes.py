"""Messages in any of the shapes that frameworks hand to a tracer.

A tracer records what its framework used as input and output: messages of OpenAI, Anthropic, Gemini,
LangChain, the Responses API or the Vercel SDK, lists of parts, or plain text; sometimes as JSON
text. `messages` reads them all; what has none of these shapes is kept as text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import items
from chatdata.formats.content import keep, text
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import ROLES, Call, Message, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

_LISTS = ("messages", "input_messages", "output_messages", "contents", "choices", "generations")
_WRAPPERS = ("message", "content", "candidates", "output", "prompt", "input", "text")
_TEXTS = ("text", "content", "value", "refusal")
_THOUGHTS = frozenset({"reasoning", "thinking", "thought"})
_CALLS = frozenset({"tool_call", "tool-call", "tool_use", "function_call", "function"})
_RESULTS = frozenset({"tool_call_response", "tool-result", "tool_result", "function_response"})
# Parts of Gemini and of Bedrock, which have no types.
_KEYED = {
    **dict.fromkeys(("functionCall", "function_call", "toolUse"), "tool_call"),
    **dict.fromkeys(("functionResponse", "function_response", "toolResult"), "tool_call_response"),
}
_IDS = ("call_id", "tool_call_id", "toolCallId", "tool_use_id", "toolUseId", "id")
_ANSWERS = ("response", "result", "output", "content")


def messages(value: Any, role: str) -> list[Message]:  # noqa: ANN401 - whatever was traced
    """Read the messages of a traced value.

    Args:
        value: what was traced.
        role: whose words plain text is.
    """
    value = decoded(value)
    if value is None or value in ([], {}):
        return []
    if isinstance(value, list):
        if value and all(isinstance(part, dict) and _is_part(part) for part in value):
            return [_message({"role": role, "content": value}, role)]
        return [message for item in value for message in messages(item, role)]
    if not isinstance(value, dict):
        said = value if isinstance(value, str) else encode(value)
        return [Message(role_raw=role, content=said)]
    return list(_of_object(value, role))


def decoded(value: Any) -> Any:  # noqa: ANN401 - whatever was traced
    """Undo JSON text, also where it was encoded twice; any other text stays."""
    for _ in range(2):
        if not isinstance(value, str) or value[:1] not in {"[", "{", '"'}:
            return value
        try:
            value = msgspec.json.decode(value)
        except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
            return value
    return value


def _of_object(value: dict[str, Any], role: str) -> Iterator[Message]:
    kind = str(value.get("type"))
    if items.is_output(value):
        answer = items.output(value)
        yield Message(role_raw="tool", content=answer.text, results=[answer])
    elif items.is_call(value) and "id" in value:
        yield Message(role_raw="assistant", calls=[items.call(value)])
    elif kind == "reasoning" and "role" not in value:
        yield Message(role_raw="assistant", reasoning=items.reasoning(value))
    elif "lc" in value and isinstance(value.get("kwargs"), dict):
        named = str((value.get("id") or [""])[-1]).lower().removesuffix("chunk")
        yield _message({"role": named.removesuffix("message"), **value["kwargs"]}, role)
    elif _declares(value):
        return
    elif _role(value) is not None:
        yield _message(value, role)
    else:
        yield from _wrapped(value, role)


def _wrapped(value: dict[str, Any], role: str) -> Iterator[Message]:
    config = value.get("config")
    instructed = value.get("system") or value.get("instructions")
    if isinstance(config, dict):
        instructed = instructed or config.get("system_instruction")
    key = next((key for key in (*_LISTS, *_WRAPPERS) if value.get(key)), None)
    if instructed and key in _LISTS:
        yield from messages(instructed, "system")
    if key is not None:
        yield from messages(value[key], role)
    elif "parts" in value or "tool_calls" in value:
        yield _message(value, role)
    else:
        yield Message(role_raw=role, content=encode(without_bytes(value)))


def _role(value: dict[str, Any]) -> str | None:
    for key in ("role", "sender", "type"):
        found = value.get(key)
        if isinstance(found, str) and found.lower() in ROLES:
            return found
    return None


def _declares(value: dict[str, Any]) -> bool:
    """Whether this is no message: some tracers list the tools on offer among the messages."""
    content = value.get("content")
    function = content.get("function") if isinstance(content, dict) else None
    return isinstance(function, dict) and "arguments" not in function


def _message(source: dict[str, Any], role: str) -> Message:
    message = Message(role_raw=_role(source) or role)
    texts: list[str] = []
    thoughts: list[str] = []
    said = source.get("content")
    said = said if said is not None else source.get("parts", source.get("text"))
    if said is None:
        said = [part.get("message_content") for part in source.get("contents") or ()]
    for part in said if isinstance(said, list) else [said]:
        _take(part, message, texts, thoughts)
    called = source.get("tool_calls") or (source.get("additional_kwargs") or {}).get("tool_calls")
    message.calls += [_call(call) for call in called or () if isinstance(call, dict)]
    message.content = "\n".join(texts) if texts else None
    message.reasoning = "\n".join(thoughts) or text(source.get("reasoning_content"))
    message.finish_reason = text(source.get("finish_reason"))
    _settle_role(message, source)
    return message


def _settle_role(message: Message, source: dict[str, Any]) -> None:
    """Tell answers of tools from calls, whoever is said to speak."""
    by_tool = ROLES.get(message.role_raw.lower()) == "tool"
    if by_tool and message.calls:
        message.role_raw = "assistant"
    elif by_tool and not message.results:
        if message.content is None and source.get("content") is not None:
            message.extra.pop("parts", None)
            message.content = items.output_text(source["content"])
        id_ = source.get("tool_call_id", source.get("id"))
        message.results = [Result(native_id=_id(id_), text=message.content)]
    elif message.results and message.content is None:
        message.role_raw = "tool"
        message.content = message.results[0].text if len(message.results) == 1 else None


def _take(part: Any, message: Message, texts: list[str], thoughts: list[str]) -> None:  # noqa: ANN401 - any part
    if isinstance(part, str):
        texts.append(part)
        return
    if not isinstance(part, dict):
        return
    key = next((key for key in _KEYED if isinstance(part.get(key), dict)), None)
    kind = _KEYED[key] if key else str(part.get("type"))
    inner = part[key] if key else part
    if kind in _CALLS:
        message.calls.append(_call(inner))
    elif kind in _RESULTS:
        message.results.append(_result(inner))
    else:
        said = next(
            (inner[key] for key in (*_TEXTS, kind) if isinstance(inner.get(key), str)), None
        )
        if said is None:
            keep(message.extra, "parts", without_bytes(part))
        elif kind in _THOUGHTS:
            thoughts.append(said)
        else:
            texts.append(said)


def _call(source: dict[str, Any]) -> Call:
    inner = source.get("tool_call") or source
    function = inner.get("function") or inner
    keys = ("arguments", "args", "input", "parameters")
    key = next((key for key in keys if key in function), None)
    return Call(
        name=text(function.get("name")) or text(function.get("toolName")),
        native_id=_id(next((inner[name] for name in _IDS if inner.get(name)), None)),
        arguments=msgspec.UNSET if key is None else function[key],
    )


def _result(source: dict[str, Any]) -> Result:
    answer = next((source[key] for key in _ANSWERS if source.get(key) is not None), None)
    if isinstance(answer, list) and all(_is_text(part) for part in answer):
        answer = "\n".join(part["text"] for part in answer)
    return Result(
        native_id=_id(next((source[name] for name in _IDS if source.get(name)), None)),
        text=items.output_text(answer),
    )


def _id(value: Any) -> str | None:  # noqa: ANN401 - text, or a list of texts
    return text(value) if not isinstance(value, list) else encode(value)


def _is_part(part: dict[str, Any]) -> bool:
    if _role(part) is not None:
        return False
    kind = part.get("type")
    typed = kind in {"text", *_THOUGHTS, *_CALLS, *_RESULTS}
    return typed or _is_text(part) or bool(part.keys() & _KEYED.keys())


def _is_text(part: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(part, dict) and part.keys() == {"text"} and isinstance(part["text"], str)

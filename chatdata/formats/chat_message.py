"""One chat message, as OpenAI and those who follow it write it: text, calls, or a call's result.

`content` is null, text or parts. Calls are `tool_calls`, the `function_call` of the first
generation, or parts of the content; so are results, else a message of role tool is one. Logs of
several providers mix their spellings, so parts of Anthropic (`tool_use`, `tool_result`) and of the
Vercel SDK (`tool-call`, `tool-result`, `toolInvocations`) are read here, too.
"""

from __future__ import annotations

from typing import Any

import msgspec

from chatdata.formats import blocks, vercel_ai
from chatdata.formats.content import Content, listed, split, text, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import Call, Message, Result, Usage
from chatdata.formats.times import at

_THOUGHTS = ("reasoning_content", "reasoning")
_NESTED = ("function", "custom")
_ARGUMENTS = ("arguments", "input", "args", "parameters")
_CALLS = frozenset({"tool_call", "tool-call", *blocks.CALLS})


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
    if item.get("content") is None and isinstance(item.get("parts"), list):
        return vercel_ai.message(item)
    content = split(item.get("content"), _CALLS.__contains__)
    answers = role in {"tool", "function"}
    results = _results_among(content.others)
    first_call = item.get("function_call")
    keys = () if content.reasonings else _THOUGHTS
    thought = next((key for key in keys if text(item.get(key))), "")
    told: dict[str, Any] = {
        "role": role,
        "content": content.text,
        "tool_calls": item.get("tool_calls") or None,
        "tool_call_id": text(item.get("tool_call_id")) if answers else None,
        thought: text(item.get(thought)),
        "function_call": first_call if isinstance(first_call, dict) else None,
    }
    read = Message(
        role_raw=role,
        content=content.text,
        reasoning=content.reasoning or told[thought],
        calls=[
            *calls(item),
            *(_call_of_part(part) for part in content.others if part.get("type") in _CALLS),
        ],
        results=results,
        extra=untold(item, told),
    )
    for invocation in item.get("toolInvocations") or ():
        read.calls.append(vercel_ai.call(invocation))
        read.calls[-1].extra = {"part": "toolInvocations"}
    if _only_answers(content, results) and role == "user":
        read.role = "tool"
    if content.parts is not None:
        read.extra["content"] = content.parts
    _take_other_words(read, item)
    for key in ("created_at", "timestamp"):
        if read.at is None and (moment := at(item.get(key), time_zone)):
            read.at = moment
    if answers and not results:
        read.results = [Result(native_id=told["tool_call_id"], text=content.text)]
    return read


def _take_other_words(read: Message, item: dict[str, Any]) -> None:
    """Take a refusal, or what was said aloud, for the words, where none are written."""
    if not read.content and (refusal := text(item.get("refusal"))):
        _refuse(read, refusal)
    spoken = item.get("audio")
    if not isinstance(spoken, dict):
        return
    if read.content is None and (said := text(spoken.get("transcript"))):
        read.content = said
        spoken = {**spoken, "transcript": {"n_chars": len(said)}}
    read.extra["audio"] = without_bytes(spoken)


def _refuse(read: Message, refusal: str) -> None:
    """Take a refusal for what was said, where nothing else was."""
    if read.content is not None:
        read.extra.setdefault("content", read.content)
    read.content = refusal
    read.extra["refusal"] = {"n_chars": len(refusal)}


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a completion; the cached part comes out of the input."""
    if not isinstance(counts, dict):
        return None
    details = counts.get("prompt_tokens_details") or {}
    # DeepSeek counts what the cache gave beside the details.
    read = details.get("cached_tokens", counts.get("prompt_cache_hit_tokens"))
    written = details.get("cache_write_tokens")
    prompt = counts.get("prompt_tokens")
    cached = (read or 0) + (written or 0)
    return Usage(
        input=prompt - cached if isinstance(prompt, int) and prompt >= cached else prompt,
        output=counts.get("completion_tokens"),
        cache_read=read,
        cache_write=written,
        reasoning=(counts.get("completion_tokens_details") or {}).get("reasoning_tokens"),
    )


def calls(item: dict[str, Any]) -> list[Call]:
    """Read the calls of a message that stand beside its content."""
    read = [_call(call) for call in listed(item.get("tool_calls") or [])]
    if isinstance(item.get("function_call"), dict):
        read.append(_call({"function": item["function_call"]}, type="function_call"))
    return read


def _call(call: dict[str, Any], **extra: Any) -> Call:  # noqa: ANN401 - kept as it is
    key = next((key for key in _NESTED if isinstance(call.get(key), dict)), None)
    function = call[key] if key else call
    given = next((name for name in _ARGUMENTS if name in function), _ARGUMENTS[0])
    read = Call(
        name=text(function.get("name")),
        native_id=text(call.get("id")),
        arguments=function.get(given, msgspec.UNSET),
    )
    told = {"name": read.name, given: read.arguments}
    if key:
        read.extra = untold(call, {"id": read.native_id, key: function})
        if more := untold(function, told):
            read.extra[key] = more
    else:
        read.extra = untold(call, {"id": read.native_id, **told}) | {"flat": True}
    if given != _ARGUMENTS[0]:
        read.extra["arguments_key"] = given
    if not isinstance(read.arguments, str | None | msgspec.UnsetType):
        read.extra["arguments"] = "value"
    read.extra |= extra
    return read


def _call_of_part(part: dict[str, Any]) -> Call:
    """Read a call among the content, of which every word is kept."""
    if part["type"] in blocks.CALLS:
        read = blocks.call(part)
    elif part["type"] == "tool-call":
        read = vercel_ai.call(part)
    else:
        value = part.get("value", part)
        inner = decoded(value) if isinstance(value, str) else value
        read = _call(inner) if isinstance(inner, dict) else Call(arguments=value)
    read.extra = {"part": part}
    return read


def _results_among(parts: list[dict[str, Any]]) -> list[Result]:
    """Read the results among the content; what they say stays there."""
    found = [blocks.result(part) for part in parts if blocks.is_result(part.get("type"))]
    found += [vercel_ai.result(part) for part in parts if part.get("type") == "tool-result"]
    for result in found:
        result.extra = {}
    return found


def _only_answers(content: Content, results: list[Result]) -> bool:
    return bool(results) and not content.texts and len(results) == len(content.others)


def decoded(value: str) -> Any:  # noqa: ANN401 - any JSON value
    """Decode JSON text; None where it is none."""
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return None

"""Vercel AI SDK messages: `{id, role, parts: […]}` (v5), or `toolInvocations` and content (v4).

A list of messages is one conversation, bare or as `{id?, messages}`. A call and its result are one
part: its state says whether the call waits, succeeded, failed or was denied. The tool's name is the
part's type without `tool-`. What the SDK sends to a model is read, too: `{role, content: […]}` with
parts `tool-call`, and `tool-result` in a message of role tool.

Gives: calls with results and outcomes. Does not give: tokens; times and models only where the
application put them into the message.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Result
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "role", "parts", "content", "toolInvocations", "createdAt"})
_CALL_TAKEN = frozenset(
    {"type", "toolCallId", "toolName", "state", "input", "args", "output", "result", "errorText"}
)
_RESULT_TAKEN = frozenset({"toolCallId", "output", "result"})
_VALUE = frozenset({"value"})
_STATUSES = {
    "output-available": "ok",
    "result": "ok",
    "output-error": "error",
    "output-denied": "denied",
}


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if isinstance(first.value, dict) and "role" in first.value:
        yield reading.one(chain([first], records), message, "not a vercel-ai message")
        return
    for record in chain([first], records):
        try:
            yield _conversation(record)
        except UNEXPECTED:
            reading.reject(record, "not a vercel-ai record")


def _conversation(record: Record) -> Conversation:
    source = {"messages": record.value} if isinstance(record.value, list) else record.value
    native = text(source.get("id")) or text(source.get("chatId"))
    return Conversation(
        ordinal=record.number,
        id=native,
        native_id=native,
        title=text(source.get("title")),
        messages=[message(item) for item in source["messages"]],
        extra=rest(source, frozenset({"id", "chatId", "title", "messages"})),
    )


def message(source: dict[str, Any]) -> Message:
    """Read one message of any generation.

    Raises:
        TypeError: no text says who speaks.
    """
    if not isinstance(source["role"], str):
        raise TypeError("the role is no text")
    content = source.get("content")
    parts = source.get("parts") or (content if isinstance(content, list) else [])
    texts = [part["text"] for part in parts if part.get("type") == "text"]
    thoughts = [part[key] for part in parts if (key := _thought(part))]
    calls = [call(part) for part in parts if _is_call(part)]
    metadata = source.get("metadata") if isinstance(source.get("metadata"), dict) else {}
    extra = rest(source, _TAKEN)
    if parts:
        extra["parts"] = [_shape(part) for part in parts]
    flat = content if isinstance(content, str) else None
    said = "\n".join(texts) if texts else flat
    return Message(
        role_raw=source["role"],
        content=said,
        reasoning="\n".join(thoughts) or None,
        native_id=text(source.get("id")),
        model=text((metadata or {}).get("model")),
        at=at(source.get("createdAt")) or at((metadata or {}).get("createdAt")),
        calls=calls or [call(item) for item in source.get("toolInvocations") or ()],
        results=[result(part) for part in parts if part.get("type") == "tool-result"],
        extra=extra,
    )


def _thought(part: dict[str, Any]) -> str | None:
    """Say under which key a part thinks, if it does; in version 4 it is the part's own name."""
    keys = ("text", "reasoning") if part.get("type") == "reasoning" else ()
    return next((key for key in keys if isinstance(part.get(key), str)), None)


def _is_call(part: dict[str, Any]) -> bool:
    kind = str(part.get("type"))
    return (kind.startswith("tool-") and kind != "tool-result") or kind == "dynamic-tool"


def _shape(part: dict[str, Any]) -> Any:  # noqa: ANN401 - any JSON value
    if _is_call(part):
        return {"type": part["type"]}
    if part.get("type") == "tool-result":
        output = part.get("output")
        kind = {"output": rest(output, _VALUE)} if isinstance(output, dict) else {}
        return rest(part, _RESULT_TAKEN) | kind
    key = "text" if part.get("type") == "text" else _thought(part)
    if key and isinstance(part.get(key), str):
        return {**part, key: {"n_chars": len(part[key])}}
    return without_bytes(part)


def call(part: dict[str, Any]) -> Call:
    """Read a call, with its result where that is in the same part."""
    # v4 wraps the invocation: {type: "tool-invocation", toolInvocation: {…}}.
    part = part.get("toolInvocation", part)
    answer = part.get("output", part.get("result"))
    failure = text(part.get("errorText"))
    read = Call(
        name=text(part.get("toolName")) or str(part.get("type")).removeprefix("tool-"),
        native_id=text(part.get("toolCallId")),
        arguments=part.get("input", part.get("args")),
        extra=rest(part, _CALL_TAKEN),
    )
    if part.get("type") == "tool-call":
        return read
    read.status = _STATUSES.get(str(part.get("state")), "no_result")
    if answer is not None or failure:
        read.has_result, read.result_key = True, SAME_MESSAGE
        read.result = failure or (answer if isinstance(answer, str) else encode(answer))
    if read.status == "error":
        read.error_source, read.error_class = "explicit", "unknown"
    return read


def result(part: dict[str, Any]) -> Result:
    """Read a result that stands in a message of its own; its output says whether it failed."""
    output = part.get("output", part.get("result"))
    kind, said = None, output
    if isinstance(output, dict) and "value" in output:
        kind, said = output.get("type"), output["value"]
    read = Result(
        native_id=text(part.get("toolCallId")),
        text=said if said is None or isinstance(said, str) else encode(without_bytes(said)),
        status="ok",
    )
    if part.get("isError") is True or kind in {"error-text", "error-json"}:
        read.status, read.error_source, read.error_class = "error", "explicit", "unknown"
    elif kind == "execution-denied":
        read.status = "denied"
    return read


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if isinstance(value, dict) and isinstance(value.get("messages"), list):
        value = value["messages"]
    messages = value if isinstance(value, list) else [value]
    spoken = all(isinstance(m, dict) and isinstance(m.get("role"), str) for m in messages)
    return LIKELY if spoken and any(_is_ours(m) for m in messages) else 0.0


def _is_ours(source: dict[str, Any]) -> bool:
    parts, content = source.get("parts"), source.get("content")
    if isinstance(parts, list):
        return all(isinstance(part, dict) and "type" in part for part in parts[:1])
    kinds = {part.get("type") for part in content or () if isinstance(part, dict)}
    return "toolInvocations" in source or not kinds.isdisjoint({"tool-call", "tool-result"})


FORMAT = Format("vercel-ai", "Vercel AI SDK messages", _sniff, _parse, __doc__)

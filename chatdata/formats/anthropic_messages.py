"""Anthropic Messages API: requests, responses, batches, fine-tuning rows.

A request `{model, system, messages, tools}` (or the `params` of a batch request), a response
`{type: "message", content, stop_reason, usage}`, both as a proxy logs them, `{request, response}`,
a batch result `{custom_id, result: {message}}`, or a row `{system, messages}`; `custom_id` joins a
batch's requests and results. `system` is no message: it stays in the conversation's `extra`.
Results of the client's tools come in the next user message (role tool if it holds nothing else);
those of server and MCP tools in the same message.

Gives: models, tokens, calls with results and outcomes (no `is_error` is a success). Does not give:
times. A `compaction` block stays in `extra`, so that its text is not read twice.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import blocks
from chatdata.formats.base import LIKELY, SURE, Evidence, Format, Reading, always
from chatdata.formats.content import absent, listed, split, text, tool_names, untold
from chatdata.formats.rows import Conversation, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_ONLY_HERE = frozenset(
    {"tool_use", "tool_result", "thinking", "redacted_thinking", "document", "search_result"}
    | {"server_tool_use", "mcp_tool_use", "mcp_tool_result", "container_upload"}
)
_OUTCOMES = frozenset({"succeeded", "errored", "canceled", "expired"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    source = record.value
    custom = text(source.get("custom_id"))
    conversation = Conversation(ordinal=record.number)
    result = source.get("result")
    params = source.get("params")
    if source.get("type") == "message":
        _add_response(conversation, source)
    elif isinstance(result, dict) and custom:
        conversation.part = "outcome"
        told = _add_result(conversation, result)
        outer = untold(source, {"custom_id": custom, "result": result})
        conversation.extra["outcome"] = {**outer, "result": told}
    elif isinstance(params, dict) and custom:
        conversation.part = "request"
        told = _add_request(conversation, params)
        outer = untold(source, {"custom_id": custom, "params": params})
        conversation.extra["request"] = {**outer, "params": told}
    elif isinstance(source.get("request"), dict):
        _add_pair(conversation, source)
    else:
        conversation.extra = _add_request(conversation, source)
        conversation.native_id = text(source.get("id"))
    conversation.id = conversation.native_id = custom or conversation.native_id
    if record.lenient:
        conversation.extra["decode"] = "lenient"
    return [conversation]


def _add_pair(conversation: Conversation, source: dict[str, Any]) -> None:
    """Read a request and its response; one that failed has no message."""
    request, response = source["request"], source.get("response")
    told = _add_request(conversation, request)
    answered = isinstance(response, dict) and response.get("type") == "message"
    if answered:
        _add_response(conversation, source["response"])
    id_ = text(source.get("id"))
    conversation.native_id = id_ or conversation.native_id
    kept = {"id": id_, "request": request}
    kept |= {"response": response} if answered else {}
    conversation.extra = {"logged": {**untold(source, kept), "request": told}}


def _add_result(conversation: Conversation, result: dict[str, Any]) -> dict[str, Any]:
    """Read a result, and give what no column took; one that failed has no message."""
    message = result.get("message")
    answered = isinstance(message, dict) and bool(message)
    if answered:
        _add_response(conversation, result["message"])
    return untold(result, {"message": message} if answered else {})


def _add_response(conversation: Conversation, source: dict[str, Any]) -> None:
    message = _message(source)
    message.key = message.native_id = text(source.get("id"))
    message.model = text(source.get("model"))
    message.finish_reason = text(source.get("stop_reason"))
    message.usage = blocks.usage(source.get("usage"))
    told = {
        "id": message.native_id,
        "model": message.model,
        "stop_reason": message.finish_reason,
        "type": "message",
    }
    message.extra = untold(message.extra, told)
    conversation.native_id = message.native_id
    conversation.messages.append(message)


def _add_request(conversation: Conversation, source: dict[str, Any]) -> dict[str, Any]:
    """Read a request, and give what no column took; the `system` text is no message."""
    conversation.messages += [_message(item) for item in listed(source["messages"])]
    conversation.model = text(source.get("model"))
    conversation.declared_tools = tool_names(source.get("tools"))
    told = {"messages": source["messages"], "model": conversation.model}
    return untold(source, told) | absent(source, ("model",))


def _message(source: dict[str, Any]) -> Message:
    if not isinstance(source["role"], str):
        raise TypeError("no text says who speaks")
    content = split(source.get("content"), blocks.claims)
    calls = [blocks.call(part) for part in content.others if part.get("type") in blocks.CALLS]
    answers = [part for part in content.others if blocks.is_result(part.get("type"))]
    extra = untold(source, {"role": source["role"], "content": content.text})
    if content.parts is not None:
        extra["content"] = content.parts
    only_answers = bool(answers) and not content.texts and len(answers) == len(content.others)
    by_client = source["role"] == "user"
    return Message(
        role_raw=source["role"],
        role="tool" if only_answers and by_client else None,
        content=content.text,
        reasoning=content.reasoning,
        calls=calls,
        results=[blocks.result(part) for part in answers],
        extra=extra,
    )


def _has_block(messages: Any) -> bool:  # noqa: ANN401 - any JSON value
    for message in messages if isinstance(messages, list) else ():
        content = message.get("content") if isinstance(message, dict) else None
        for part in content if isinstance(content, list) else ():
            if not isinstance(part, dict):
                continue
            if part.get("type") in _ONLY_HERE or (part.get("type") == "image" and "source" in part):
                return True
    return False


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if isinstance(value, dict) and isinstance(value.get("request"), dict):
        response = value.get("response")
        answered = isinstance(response, dict) and response.get("type") == "message"
        value = response if answered else value["request"]
    if not isinstance(value, dict):
        return 0.0
    if value.get("type") == "message" and isinstance(value.get("content"), list):
        kinds = {part.get("type") for part in value["content"] if isinstance(part, dict)}
        ours = value.get("role") == "assistant" and not kinds & {"output_text", "refusal"}
        return SURE if ours and "sessionId" not in value else 0.0
    if "custom_id" in value and isinstance(value.get("result"), dict):
        return SURE if value["result"].get("type") in _OUTCOMES else 0.0
    params = value.get("params") if "custom_id" in value else value
    return LIKELY if isinstance(params, dict) and _asks(params, value) else 0.0


def _asks(params: dict[str, Any], value: dict[str, Any]) -> bool:
    """Whether these are the parameters of a request."""
    messages = params.get("messages")
    first = messages[0] if isinstance(messages, list) and messages else None
    if not isinstance(first, dict) or first.get("role") not in {"user", "assistant"}:
        return False
    return "system" in params or "params" in value or _has_block(messages)


FORMAT = Format("anthropic-messages", "Anthropic Messages API", _sniff, _parse, __doc__, always)

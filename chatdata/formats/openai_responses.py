"""OpenAI Responses API: response bodies `{id, object: "response", output: […], usage}`.

One body is one conversation, or a turn of one: `conversation` names it where there is one. Every
message item is a row; reasoning items before it go with it. A call belongs to the message item
before it, or to none. Tokens and the reason for stopping stand once, on the last message; a
response without one keeps them in `extra.usage_unattached`. `instructions` and the settings are in
the conversation's `extra`. The body of an error is no conversation.

Gives: times, models, tokens, calls with results and outcomes where the item holds them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import items
from chatdata.formats.base import LIKELY, POSSIBLE, SURE, Evidence, Format, Reading
from chatdata.formats.content import rest, text, tool_names
from chatdata.formats.rows import Call, Conversation, Message
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "output", "model", "input", "created_at"})
_KINDS = frozenset(
    {"reasoning", "mcp_list_tools", "mcp_approval_request", "mcp_approval_response", "compaction"}
)


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    source = record.value
    if isinstance(source.get("error"), dict) and "output" not in source:
        return []
    if not isinstance(source["output"], list):
        raise TypeError("no list of output items")
    named = source.get("conversation")
    named = named.get("id") if isinstance(named, dict) else named
    id_ = text(named) or text(source.get("id"))
    conversation = Conversation(
        ordinal=record.number,
        id=id_,
        native_id=id_,
        joins=text(named) is not None,
        model=text(source.get("model")),
        created_at=at(source.get("created_at")),
        declared_tools=tool_names(source.get("tools")),
        extra=rest(source, _TAKEN),
    )
    asked = source.get("input")
    if isinstance(asked, str):
        conversation.messages.append(Message(role_raw="user", content=asked))
    _add_items(conversation, [*(asked if isinstance(asked, list) else ())], source, answered=False)
    _add_items(conversation, source["output"], source, answered=True)
    return [conversation]


def _add_items(
    conversation: Conversation,
    listed: list[dict[str, Any]],
    source: dict[str, Any],
    *,
    answered: bool,
) -> None:
    thoughts: list[dict[str, Any]] = []
    answer: Message | None = None
    calls: dict[str, Call] = {}
    for item in listed:
        if item.get("type") == "message" or ("type" not in item and "role" in item):
            answer = items.message(item)
            answer.native_id = text(item.get("id"))
            answer.extra.pop("id", None)
            if answered:
                _complete(answer, source, thoughts)
                thoughts = []
            conversation.messages.append(answer)
        elif items.is_output(item):
            call = calls.get(str(item.get("call_id")))
            if call is not None and not call.has_result:
                result = items.output(item)
                call.has_result, call.result, call.status = True, result.text, "unknown"
                call.extra["output"] = result.extra
        elif items.is_call(item):
            call = items.call(item)
            calls[call.native_id or ""] = call
            (answer or conversation).calls.append(call)
        elif item.get("type") == "reasoning":
            thoughts.append(item)
        else:
            conversation.extra.setdefault("items", []).append(item)
    if thoughts:
        conversation.extra["reasoning_unattached"] = thoughts
    _settle_usage(conversation, source, answer, answered=answered)


def _complete(answer: Message, source: dict[str, Any], thoughts: list[dict[str, Any]]) -> None:
    answer.model = text(source.get("model"))
    answer.at = at(source.get("created_at"))
    answer.generation_id = text(source.get("id"))
    texts = [said for item in thoughts if (said := items.reasoning(item))]
    answer.reasoning = "\n".join(texts) or None
    if thoughts:
        answer.extra["reasoning"] = [
            rest(item, frozenset({"summary", "content"})) for item in thoughts
        ]


def _settle_usage(
    conversation: Conversation, source: dict[str, Any], answer: Message | None, *, answered: bool
) -> None:
    if not answered:
        return
    if answer is None:
        conversation.extra["usage_unattached"] = conversation.extra.pop("usage", None)
        return
    answer.usage = items.usage(source.get("usage"))
    details = source.get("incomplete_details")
    reason = details.get("reason") if isinstance(details, dict) else None
    answer.finish_reason = text(reason) or text(source.get("status"))


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    output = value.get("output")
    error = value.get("error")
    if value.keys() == {"error"} and isinstance(error, dict) and "message" in error:
        return POSSIBLE
    if value.get("object") == "response":
        return SURE
    if not isinstance(output, list) or not output:
        return 0.0
    kinds = {item.get("type") for item in output if isinstance(item, dict)}
    ours = any(items.is_call({"type": kind}) or kind in _KINDS | {"message"} for kind in kinds)
    return LIKELY if ours else 0.0


FORMAT = Format("openai-responses", "OpenAI Responses API", _sniff, _parse, __doc__)

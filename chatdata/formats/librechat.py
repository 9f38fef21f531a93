"""LibreChat exports: `{conversationId, title, messages}`, a list or a tree (`recursive`).

One file is one conversation; nodes of the tree are rows, parents first, and the main path leads to
the newest leaf. Files saved on Windows begin with a byte order mark. `exportAt` is a time of day
and stays in `extra`. Gives: times (of saved rows), trees, models. Does not give: outcomes of
calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text
from chatdata.formats.rows import Call, Conversation, Message
from chatdata.formats.times import at
from chatdata.formats.tree import newest_leaf, path, preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"conversationId", "title", "messages", "messagesTree"})
_MESSAGE_TAKEN = frozenset(
    {"messageId", "parentMessageId", "text", "content", "model", "createdAt", "children"}
)
_NO_PARENT = "00000000-0000-0000-0000-000000000000"


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    source = record.value
    nodes: dict[str, dict[str, Any]] = {}
    parents: dict[str, str | None] = {}
    waiting = list(reversed(source.get("messagesTree") or source["messages"]))
    while waiting:
        node = waiting.pop()
        parent = text(node.get("parentMessageId"))
        nodes[node["messageId"]] = node
        parents[node["messageId"]] = None if parent == _NO_PARENT else parent
        waiting.extend(reversed(node.get("children") or []))
    rows = {key: _message(nodes[key], parents[key]) for key in preorder(parents)}
    times = {key: row.at.us if row.at else None for key, row in rows.items()}
    seen = path(parents, newest_leaf(parents, times))
    for key, row in rows.items():
        row.is_main_path = key in seen
    native = text(source.get("conversationId"))
    return [
        Conversation(
            ordinal=record.number,
            id=native,
            native_id=native,
            joins=True,
            title=text(source.get("title")),
            messages=list(rows.values()),
            extra=rest(source, _TAKEN),
        )
    ]


def _message(node: dict[str, Any], parent: str | None) -> Message:
    parts = node.get("content")
    said, thought = node.get("text"), None
    calls = []
    extra = rest(node, _MESSAGE_TAKEN)
    if isinstance(parts, list):
        content = split(parts, "tool_call".__eq__)
        extra["content"] = content.parts
        calls = [_call(part) for part in content.others if part.get("type") == "tool_call"]
        said = content.text if content.text is not None else said
        thought = content.reasoning
    return Message(
        role_raw=str(
            node.get("sender") or ("user" if node.get("isCreatedByUser") else "assistant")
        ),
        role="user" if node.get("isCreatedByUser") else "assistant",
        kind="chat",
        content=said if isinstance(said, str) else None,
        reasoning=thought,
        key=node["messageId"],
        native_id=node["messageId"],
        parent=parent,
        model=text(node.get("model")),
        at=at(node.get("createdAt")),
        calls=calls,
        extra=extra,
    )


def _call(part: dict[str, Any]) -> Call:
    source = part.get("tool_call") or {}
    call = Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("args"),
        extra=rest(source, frozenset({"name", "id", "args", "output"})),
    )
    if isinstance(source.get("output"), str):
        call.has_result, call.result_key, call.result = True, "", source["output"]
        call.status = "unknown"
    return call


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict) or "conversationId" not in value:
        return 0.0
    return SURE if value.keys() & {"messages", "messagesTree"} else 0.0


FORMAT = Format("librechat", "LibreChat exports", _sniff, _parse, __doc__)

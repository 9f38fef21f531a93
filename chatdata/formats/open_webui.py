"""Open WebUI: exports `[{id, title, chat: {history: {messages, currentId}}}]`, and `webui.db`.

One element, or row of the table `chat`, is one conversation. Rows come from `chat.history`, a map
of nodes with parent links; `chat.messages` is only its main path. Newer databases keep messages in
`chat_message`, which is preferred and filled up from `chat`; copies made for sharing are mirrors.
Calls are items of `output` (as in the Responses API): one row a message, the item texts joined.
Before, they and the model's thoughts were `<details>` in the text, which are taken out of it.
Several models asked at once are siblings.

Gives: users, times, trees, models, tokens, calls with results. Does not give: outcomes of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import chat_message, items
from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text
from chatdata.formats.open_webui_parts import stored, take_details
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Usage
from chatdata.formats.times import at
from chatdata.formats.tree import newest_leaf, path, preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "user_id", "title", "chat", "created_at", "updated_at", "folder_id"})
_MESSAGE_TAKEN = frozenset(
    {"id", "parentId", "childrenIds", "role", "content", "model", "timestamp", "output", "usage"}
)


def _parse(reading: Reading) -> Iterator[Conversation]:
    if reading.document.kind == "sqlite":
        return stored(reading, _conversation)
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    source = record.value
    chat = source["chat"]
    history = chat["history"]
    nodes = history["messages"]
    parents = {key: text(node.get("parentId")) for key, node in nodes.items()}
    rows = {key: _message(nodes[key], key, parents[key]) for key in preorder(parents)}
    leaf = text(history.get("currentId"))
    if leaf not in nodes:
        times = {key: row.at.us if row.at else None for key, row in rows.items()}
        leaf = newest_leaf(parents, times)
    seen = path(parents, leaf)
    for key, row in rows.items():
        row.is_main_path = key in seen
    native = text(source.get("id"))
    models = chat.get("models")
    extra = rest(source, _TAKEN)
    extra["chat"] = rest(chat, frozenset({"history", "messages", "title"}))
    return [
        Conversation(
            ordinal=record.number,
            id=native,
            native_id=native,
            user_id=text(source.get("user_id")),
            title=text(source.get("title")),
            model=models[0] if isinstance(models, list) and len(models) == 1 else None,
            project=text(source.get("folder_id")),
            created_at=at(source.get("created_at")),
            updated_at=at(source.get("updated_at")),
            messages=list(rows.values()),
            joins=native is not None,
            extra=extra,
        )
    ]


def _message(node: dict[str, Any], key: str, parent: str | None) -> Message:
    content = split(node.get("content"))
    row = Message(
        role_raw=node["role"],
        content=content.text,
        native_id=key,
        parent=parent,
        model=text(node.get("model")),
        at=at(node.get("timestamp")),
        usage=_usage(node.get("usage") or (node.get("info") or {}).get("usage")),
        extra=rest(node, _MESSAGE_TAKEN),
    )
    if isinstance(node.get("output"), list):
        _add_output(row, node["output"])
    elif row.content and "<details" in row.content:
        take_details(row)
    return row


def _add_output(row: Message, output: list[dict[str, Any]]) -> None:
    said, thoughts, others = [], [], []
    calls: dict[str, Call] = {}
    for item in output:
        if item.get("type") == "message":
            said.append(items.message(item).content or "")
        elif item.get("type") == "reasoning":
            thoughts.append(items.reasoning(item) or "")
        elif items.is_output(item):
            call = calls.get(str(item.get("call_id")))
            if call is not None and not call.has_result:
                call.has_result, call.result_key, call.status = True, SAME_MESSAGE, "unknown"
                call.result = _output_text(item)
        elif items.is_call(item):
            call = items.call(item)
            calls[call.native_id or ""] = call
            row.calls.append(call)
        else:
            others.append(item)
    if said:
        row.extra["content"] = row.content
        row.content = "\n".join(said)
    row.reasoning = "\n".join(filter(None, thoughts)) or None
    if others:
        row.extra["output"] = others


def _output_text(item: dict[str, Any]) -> str | None:
    output = item.get("output")
    parts = split(output) if isinstance(output, list) else None
    return parts.text if parts and not parts.others else items.output_text(output)


def _usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read tokens as the provider wrote them: OpenAI's two ways, or Ollama's."""
    if not isinstance(counts, dict):
        return None
    if "input_tokens" in counts:
        return items.usage(counts)
    if "eval_count" in counts and "prompt_tokens" not in counts:
        return Usage(input=counts.get("prompt_eval_count"), output=counts["eval_count"])
    return chat_message.usage(counts)


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "tables":
        return SURE if evidence.names >= {"chat.chat", "user", "auth"} else 0.0
    value = evidence.value
    chat = value.get("chat") if isinstance(value, dict) else None
    return SURE if isinstance(chat, dict) and "history" in chat else 0.0


FORMAT = Format(
    "open-webui",
    "Open WebUI",
    _sniff,
    _parse,
    __doc__,
    tables=frozenset({"chat.chat", "chat_message.chat_id"}),
)

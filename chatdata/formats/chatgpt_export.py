"""ChatGPT data export: `conversations.json` or its shards, in the zip, a folder or alone.

An array of `{title, create_time, mapping, current_node, …}`; `mapping` holds a tree of nodes with a
message or none. Every node with a message is a row, regenerated answers and hidden nodes too; a
node without one is skipped by linking to the nearest ancestor that has a message. The mapping key
is the id that links point to, even where `node.id` or `message.id` differ.

A call is an assistant message whose `recipient` is not `all`; its results are the tool messages
that follow it under that name, the texts joined. There are no call ids and no outcomes: `unknown`.

Gives: times, trees, models, calls with results. Does not give: tokens, outcomes of calls.
Visually hidden nodes, system nodes and the user's profile (`user_editable_context`) are
`injected`. Metadata, attachments and citations are in `extra`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, SURE, Evidence, Format, Reading
from chatdata.formats.content import absent, keep, text, untold
from chatdata.formats.rows import Call, Conversation, Message
from chatdata.formats.times import at, spelled
from chatdata.formats.tree import nearest, newest_leaf, path, preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_FROM_MESSAGES = ("default_model_slug", "create_time", "update_time")
_REASONING = ("thoughts", "reasoning_recap")
_TEXT_KEYS = {
    "code": "text",
    "execution_output": "text",
    "system_error": "text",
    "sonic_webpage": "text",
    "citable_code_output": "output_str",
    "tether_quote": "text",
    "tether_browsing_display": "result",
    "reasoning_recap": "content",
}
_PARTS = ("text", "multimodal_text", *_REASONING)


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    source = record.value
    mapping = source["mapping"]
    links = {key: text(node.get("parent")) for key, node in mapping.items()}
    nodes = {key: node for key, node in mapping.items() if node.get("message")}
    parents = {key: nearest(links, links[key], nodes) for key in links if key in nodes}
    messages = {key: _message(nodes[key], parents[key]) for key in preorder(parents)}
    children: dict[str | None, list[str]] = {}
    for key, parent in links.items():
        children.setdefault(parent, []).append(key)
    for key, message in messages.items():
        linked = message.parent if message.parent in nodes else None
        told = {"id": key, "parent": linked, "children": children.get(key, [])}
        message.key = key
        if more := _of_node(nodes[key], told):
            message.extra["node"] = more
    _mark_main_path(source, links, messages)
    _find_calls(nodes, messages)
    id_key = next((key for key in ("conversation_id", "id") if text(source.get(key))), "")
    native = source.get(id_key)
    conversation = Conversation(
        ordinal=record.number,
        id=native,
        native_id=native,
        joins=True,
        calls_by_place=True,
        user_id=text(source.get("user_id")),
        title=text(source.get("title")),
        model=text(source.get("default_model_slug")),
        created_at=at(source.get("create_time")),
        updated_at=at(source.get("update_time")),
        messages=list(messages.values()),
    )
    told = {
        "title": conversation.title,
        "user_id": conversation.user_id,
        "default_model_slug": conversation.model,
        id_key: native,
        "create_time": spelled(conversation.created_at, 0.0),
        "update_time": spelled(conversation.updated_at, 0.0),
        "mapping": mapping,
    }
    conversation.extra = untold(source, told) | absent(source, _FROM_MESSAGES)
    if id_key == "id":
        conversation.extra["id_key"] = id_key
    if others := {key: node for key, node in mapping.items() if key not in nodes}:
        conversation.extra["nodes"] = others
    return [conversation]


def _of_node(node: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Give what a node says beside its message that no column tells: links and its id."""
    return untold(node, {**told, "message": node["message"]}) | absent(node, told)


def _message(node: dict[str, Any], parent: str | None) -> Message:
    source = node["message"]
    author = source.get("author") or {}
    metadata = source.get("metadata") or {}
    content = source.get("content") or {}
    if not isinstance(author["role"], str):
        raise TypeError("no text says who speaks")
    kind = content.get("content_type")
    texts, shape = _texts(content)
    joined = "\n".join(texts) if texts is not None else None
    hidden = (
        metadata.get("is_visually_hidden_from_conversation")
        or metadata.get("is_user_system_message")
        or kind == "user_editable_context"
    )
    finish = metadata.get("finish_details")
    message = Message(
        role_raw=author["role"],
        kind="injected" if hidden else None,
        content=None if kind in _REASONING else joined,
        reasoning=joined if kind in _REASONING else None,
        native_id=text(source.get("id")),
        parent=parent,
        model=text(metadata.get("model_slug")),
        at=at(source.get("create_time")),
        finish_reason=text(finish.get("type")) if isinstance(finish, dict) else None,
    )
    told = {
        "id": message.native_id,
        "create_time": spelled(message.at, source.get("create_time")),
        "author": source.get("author"),
        "content": source.get("content"),
    }
    message.extra = untold(source, told) | absent(source, ("content",))
    if more := untold(author, {"role": author["role"]}):
        message.extra["author"] = more
    if shape is not None and isinstance(source.get("content"), dict):
        message.extra["content"] = shape
    return message


def _texts(content: dict[str, Any]) -> tuple[list[str] | None, dict[str, Any] | None]:
    """Take the texts out of content, and give the shape that puts them back (None: plain text)."""
    kind = content.get("content_type")
    parts = content.get("parts")
    if kind in _PARTS and isinstance(parts, list):
        texts = [said for part in parts if (said := _said(part)) is not None]
        if kind == "text" and len(parts) == len(texts) == 1 and len(content) == 2:  # noqa: PLR2004 - content_type and parts
            return texts, None
        return texts or None, {**content, "parts": [_without_text(part) for part in parts]}
    if kind == "thoughts" and isinstance(content.get("thoughts"), list):
        return _thoughts(content)
    key = _TEXT_KEYS.get(kind) if isinstance(kind, str) else None
    if key and isinstance(content.get(key), str):
        return [content[key]], {**content, key: {"n_chars": len(content[key])}}
    return None, content


def _said(part: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Give the text of a part: written, or what was understood of speech."""
    if isinstance(part, dict) and part.get("content_type") == "audio_transcription":
        part = part.get("text")
    return part if isinstance(part, str) else None


def _without_text(part: Any) -> Any:  # noqa: ANN401 - any JSON value
    said = _said(part)
    if said is None:
        return part
    size = {"n_chars": len(said)}
    return {**part, "text": size} if isinstance(part, dict) else size


def _thoughts(content: dict[str, Any]) -> tuple[list[str] | None, dict[str, Any]]:
    texts, shape = [], []
    for thought in content["thoughts"]:
        key = next((key for key in ("content", "text", "summary") if text(thought.get(key))), None)
        if key:
            texts.append(thought[key])
        shape.append({**thought, key: {"n_chars": len(thought[key])}} if key else thought)
    return texts or None, {**content, "thoughts": shape}


def _mark_main_path(
    source: dict[str, Any], links: dict[str, str | None], messages: dict[str, Message]
) -> None:
    leaf = source.get("current_node")
    if leaf not in links:
        times = {key: m.at.us if m.at else None for key, m in messages.items()}
        leaf = newest_leaf({key: links[key] for key in messages}, times)
    seen = path(links, leaf)
    for key, message in messages.items():
        message.is_main_path = key in seen


def _find_calls(nodes: dict[str, Any], messages: dict[str, Message]) -> None:
    """Turn messages to a tool into calls, and the tool's messages below them into results."""
    asking: dict[str, Call] = {}
    for key, message in messages.items():
        source = nodes[key]["message"]
        recipient = text(source.get("recipient"))
        parent = message.parent if isinstance(message.parent, str) else None
        asked = asking.get(parent) if parent else None
        if message.role_raw == "assistant" and recipient not in {None, "all"}:
            call = Call(name=recipient, arguments=message.content or message.reasoning)
            message.calls = [call]
            asking[key] = call
        elif asked and message.role_raw == "tool" and _answers(asked, _name(source)):
            asking[key] = asked
            _answer(asked, message)


def _answers(call: Call, tool: str | None) -> bool:
    """Whether a tool is the one called; `file_search.msearch` is answered by `file_search`."""
    return tool is not None and tool in {call.name, (call.name or "").partition(".")[0]}


def _answer(call: Call, message: Message) -> None:
    if not call.has_result:
        call.has_result, call.result_key = True, message.key
        call.result = message.content
    else:
        call.result = "\n".join(part for part in (call.result, message.content) if part)
        keep(call.extra, "other_results", message.key)


def _name(source: dict[str, Any]) -> str | None:
    return text((source.get("author") or {}).get("name"))


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        keys = ('"mapping"', '"author"', '"parts"')
        return LIKELY if all(key in evidence.text for key in keys) else 0.0
    mapping = evidence.value.get("mapping") if isinstance(evidence.value, dict) else None
    if not isinstance(mapping, dict):
        return 0.0
    node = next(iter(mapping.values()), {"message": None})
    return SURE if isinstance(node, dict) and node.keys() & {"message", "parent"} else 0.0


FORMAT = Format("chatgpt-export", "ChatGPT data export", _sniff, _parse, __doc__)

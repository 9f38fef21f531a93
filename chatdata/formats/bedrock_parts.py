"""Parts of Bedrock's Converse API, as applications store them: told apart by key, not by type."""

from __future__ import annotations

from typing import Any

from chatdata.formats.content import keep, rest, text
from chatdata.formats.items import output_text
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import Call, Message, Result

KEYS = frozenset({"text", "toolUse", "toolResult", "reasoningContent", "image", "document"})
_STATUSES = {"success": "ok", "error": "error"}


def message(parts: list[dict[str, Any]]) -> Message:
    """Read the parts of a message.

    Raises:
        AttributeError, TypeError: a part is not built as its key promises.
    """
    row = Message(role_raw="")
    texts: list[str] = []
    thoughts: list[str] = []
    for part in parts:
        if isinstance(part.get("text"), str):
            texts.append(part["text"])
        elif (called := part.get("toolUse")) is not None:
            row.calls.append(_call(called))
        elif (answered := part.get("toolResult")) is not None:
            row.results.append(_result(answered))
        elif said := text(_thought(part).get("text")):
            thoughts.append(said)
        else:
            keep(row.extra, "parts", without_bytes(part))
    row.content = "\n".join(texts) if texts else None
    row.reasoning = "\n".join(thoughts) or None
    if row.results and not texts:
        row.role = "tool"
    return row


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("name")),
        native_id=text(source.get("toolUseId")),
        arguments=source.get("input"),
        extra=rest(source, frozenset({"name", "toolUseId", "input"})),
    )


def _result(source: dict[str, Any]) -> Result:
    listed = source.get("content") or []
    said = [part.get("text", part.get("json")) for part in listed]
    alone = said[0] if len(said) == 1 else None
    joined = "\n".join(said) if all(isinstance(one, str) for one in said) else listed
    result = Result(
        native_id=text(source.get("toolUseId")),
        text=output_text(joined if alone is None else alone),
        status=_STATUSES.get(str(source.get("status")), "unknown"),
    )
    if result.status == "error":
        result.error_source, result.error_class = "explicit", "unknown"
    return result


def _thought(part: dict[str, Any]) -> dict[str, Any]:
    content = part.get("reasoningContent")
    found = content.get("reasoningText") if isinstance(content, dict) else None
    return found if isinstance(found, dict) else {}

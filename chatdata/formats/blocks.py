"""Content blocks of the Messages API, which three formats share: text, thinking, calls, results."""

from __future__ import annotations

from typing import Any

from chatdata.formats.content import rest, split, text
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import Call, Result, Usage

_ERROR_CLASSES = {
    "too_many_requests": "rate_limit",
    "invalid_tool_input": "invalid_arguments",
    "invalid_input": "invalid_arguments",
    "query_too_long": "invalid_arguments",
    "url_too_long": "invalid_arguments",
    "max_uses_exceeded": "limit",
    "execution_time_exceeded": "timeout",
    "url_not_accessible": "not_found",
    "url_not_allowed": "permission",
}
CALLS = ("tool_use", "server_tool_use", "mcp_tool_use")
_CALL_TAKEN = frozenset({"type", "id", "name", "input"})
_RESULT_TAKEN = frozenset({"type", "tool_use_id", "content", "is_error"})


def is_result(kind: object) -> bool:
    """Whether a block of this type answers a call."""
    return isinstance(kind, str) and kind.endswith("tool_result")


def call(block: dict[str, Any]) -> Call:
    """Read a call; `mcp__server__tool` names its server."""
    name = text(block.get("name"))
    server = text(block.get("server_name")) or text(block.get("integration_name"))
    if server is None and name and name.startswith("mcp__"):
        server = name.split("__")[1] or None
    extra = rest(block, _CALL_TAKEN | {"server_name", "integration_name"})
    if block.get("type") != "tool_use":
        extra["type"] = block.get("type")
    return Call(
        name=name,
        native_id=text(block.get("id")),
        server=server,
        arguments=block.get("input"),
        extra=extra,
    )


def result(block: dict[str, Any]) -> Result:
    """Read a result: success unless the block says that it failed."""
    found = Result(
        native_id=text(block.get("tool_use_id")),
        text=result_text(block.get("content")),
        status="ok",
        extra=rest(block, _RESULT_TAKEN),
    )
    if block.get("is_error") is True:
        found.status, found.error_source, found.error_class = "error", "explicit", "unknown"
        if found.text and found.text.startswith("<tool_use_error>"):
            found.error_source = "protocol"
    content = block.get("content")
    if isinstance(content, dict) and str(content.get("type")).endswith("_tool_result_error"):
        found.status, found.error_source = "error", "explicit"
        found.error_class = _ERROR_CLASSES.get(str(content.get("error_code")), "unknown")
    return found


def result_text(content: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Give a result as text: text parts joined, anything else as compact JSON."""
    if content is None or isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = split(content)
        if not parts.others and parts.text is not None:
            return parts.text
    return encode(without_bytes(content))


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a response; its cached parts stand apart already."""
    if not isinstance(counts, dict):
        return None
    details = counts.get("output_tokens_details")
    return Usage(
        input=counts.get("input_tokens"),
        output=counts.get("output_tokens"),
        cache_read=counts.get("cache_read_input_tokens"),
        cache_write=counts.get("cache_creation_input_tokens"),
        reasoning=details.get("thinking_tokens") if isinstance(details, dict) else None,
    )

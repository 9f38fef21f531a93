"""Content blocks of the Messages API, which three formats share: text, thinking, calls, results."""

from __future__ import annotations

from typing import Any

from chatdata.formats.content import mcp_server, split, text, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import Call, Result, Usage, tokens

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


def is_result(kind: object) -> bool:
    """Whether a block of this type answers a call."""
    return isinstance(kind, str) and kind.endswith("tool_result")


def claims(kind: str) -> bool:
    """Whether a block of this type becomes a call or a result."""
    return kind in CALLS or kind.endswith("tool_result")


def call(block: dict[str, Any]) -> Call:
    """Read a call; `mcp__server__tool` names its server.

    Its input is a value, as a rule; text is noted as `input: "text"`, so that it can be put back.
    """
    name = text(block.get("name"))
    key = "server_name" if text(block.get("server_name")) else "integration_name"
    server = text(block.get(key))
    server = server or mcp_server(name)
    arguments = block.get("input")
    id_ = text(block.get("id"))
    told = {"type": "tool_use", "id": id_, "name": name, "input": arguments, key: server}
    extra = untold(block, told)
    if isinstance(arguments, str):
        extra["input"] = "text"
    return Call(name=name, native_id=id_, server=server, arguments=arguments, extra=extra)


def result(block: dict[str, Any]) -> Result:
    """Read a result: success unless the block says that it failed.

    What its columns do not tell goes below `result`: the call that takes it has an `extra` too.
    """
    content = block.get("content")
    found = Result(native_id=text(block.get("tool_use_id")), text=result_text(content), status="ok")
    told = {"type": block.get("type"), "tool_use_id": found.native_id, "content": content}
    if isinstance(content, dict) and str(content.get("type")).endswith("_tool_result_error"):
        found.status, found.error_source = "error", "explicit"
        found.error_class = _ERROR_CLASSES.get(str(content.get("error_code")), "unknown")
    elif block.get("is_error") is True:
        told["is_error"] = True
        found.status, found.error_source, found.error_class = "error", "explicit", "unknown"
        if found.text and found.text.startswith("<tool_use_error>"):
            found.error_source = "protocol"
    extra = untold(block, told)
    if content is not None and not isinstance(content, str):
        extra["content"] = _structure(content)
    if extra:
        found.extra["result"] = extra
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


def _structure(content: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Say how a result's text becomes its content again: in parts, or as the value it spells."""
    parts = split(content) if isinstance(content, list) else None
    return parts.parts if parts and not parts.others and parts.text is not None else "value"


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a response; its cached parts stand apart already."""
    if not isinstance(counts, dict):
        return None
    details = counts.get("output_tokens_details")
    return Usage(
        input=tokens(counts.get("input_tokens")),
        output=tokens(counts.get("output_tokens")),
        cache_read=tokens(counts.get("cache_read_input_tokens")),
        cache_write=tokens(counts.get("cache_creation_input_tokens")),
        reasoning=details.get("thinking_tokens") if isinstance(details, dict) else None,
    )

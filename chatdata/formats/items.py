"""Items of the Responses API, which three formats share: messages, reasoning, calls, outputs."""

from __future__ import annotations

from typing import Any

import msgspec

from chatdata.formats.content import rest, split, text
from chatdata.formats.media import described, without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Message, Result, Usage

_ARGUMENTS = ("arguments", "input", "action", "queries", "code", "operation", "call")
_RESULTS = ("output", "outputs", "results", "result", "tools")
# Calls that the provider runs itself: completed means that they succeeded, shown or not.
_SERVER_SIDE = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"}
)
_CALL_TAKEN = frozenset({"type", "call_id", "id", "name", "namespace", "server_label", "status"})
_OUTPUT_TAKEN = frozenset({"type", "call_id", "output", "id", "status"})


def is_call(item: dict[str, Any]) -> bool:
    """Whether an item is a call."""
    return str(item.get("type")).endswith("_call")


def is_output(item: dict[str, Any]) -> bool:
    """Whether an item answers a call."""
    return str(item.get("type")).endswith("_call_output")


def message(item: dict[str, Any]) -> Message:
    """Read a message item.

    Raises:
        KeyError: it has no role.
        TypeError: its role is no text.
    """
    if not isinstance(item["role"], str):
        raise TypeError("the role is no text")
    content = split(item.get("content"))
    extra = rest(item, frozenset({"type", "role", "content"}))
    if content.parts is not None:
        extra["content"] = content.parts
    return Message(role_raw=item["role"], content=content.text, extra=extra)


def call(item: dict[str, Any]) -> Call:
    """Read a call item, with its output where the item holds that too."""
    key = next((key for key in _ARGUMENTS if item.get(key) is not None), None)
    answer = next((key for key in _RESULTS if item.get(key) is not None), None)
    kind = str(item.get("type"))
    # Only function calls promise JSON text; an action or a list of queries is a value.
    read = Call(
        name=text(item.get("name")) or kind.removesuffix("_call"),
        native_id=text(item.get("call_id")) or text(item.get("id")),
        server=text(item.get("server_label")) or text(item.get("namespace")),
        arguments=msgspec.UNSET if key is None else item[key],
        extra=rest(item, _CALL_TAKEN | {key or "", answer or ""}),
    )
    if kind != "function_call":
        read.extra["type"] = kind
    failed = item.get("error") is not None or item.get("status") == "failed"
    if answer is not None or item.get("error") is not None:
        read.has_result, read.result_key = True, SAME_MESSAGE
        # An image is its bytes, which stay in the archive.
        hidden = kind == "image_generation_call" and isinstance(item.get("result"), str)
        value = described(item["result"]) if hidden else item.get(answer or "")
        read.result = output_text(value)
        read.status = "ok" if item.get("status") in {"completed", None} else "unknown"
    elif item.get("status") == "completed" and kind in _SERVER_SIDE:
        read.status = "ok"
    if failed:
        read.status, read.error_source, read.error_class = "error", "explicit", "unknown"
    if item.get("status") is not None:
        read.extra["status"] = item["status"]
    return read


def output(item: dict[str, Any]) -> Result:
    """Read an output item; a shell tells how its commands ended."""
    result = Result(
        native_id=text(item.get("call_id")),
        text=output_text(item.get("output")),
        extra=rest(item, _OUTPUT_TAKEN),
    )
    runs = item.get("output") if item.get("type") == "shell_call_output" else None
    ends = [run.get("outcome") for run in runs if isinstance(run, dict)] if runs else []
    outcomes = [end for end in ends if isinstance(end, dict)]
    if any(outcome.get("type") == "timeout" for outcome in outcomes):
        result.status, result.error_source, result.error_class = "timeout", "explicit", "timeout"
    elif codes := [outcome.get("exit_code") for outcome in outcomes]:
        result.extra["exit_code"] = next((code for code in codes if code), codes[-1])
        result.status = "error" if any(codes) else "ok"
        if any(codes):
            result.error_source, result.error_class = "explicit", "unknown"
    return result


def output_text(value: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Give an output as text: as it is, or as compact JSON."""
    return value if value is None or isinstance(value, str) else encode(without_bytes(value))


def reasoning(item: dict[str, Any]) -> str | None:
    """Give the thinking text of a reasoning item: its content, else its summary."""
    for key in ("content", "summary"):
        parts = item.get(key)
        if isinstance(parts, list):
            texts = [
                part["text"] for part in parts if isinstance(part, dict) and text(part.get("text"))
            ]
            if texts:
                return "\n".join(texts)
    return None


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a response; the cached part comes out of the input."""
    if not isinstance(counts, dict):
        return None
    cached = (counts.get("input_tokens_details") or {}).get("cached_tokens")
    total = counts.get("input_tokens")
    uncached = total
    if isinstance(total, int) and isinstance(cached, int) and total >= cached:
        uncached = total - cached
    return Usage(
        input=uncached,
        output=counts.get("output_tokens"),
        cache_read=cached,
        reasoning=(counts.get("output_tokens_details") or {}).get("reasoning_tokens"),
    )

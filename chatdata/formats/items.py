"""Items of the Responses API, which three formats share: messages, reasoning, calls, outputs."""

from __future__ import annotations

from typing import Any

import msgspec

from chatdata.formats.content import split, text, untold
from chatdata.formats.media import described, without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Message, Result, Usage

_ARGUMENTS = ("arguments", "input", "action", "queries", "code", "operation", "call")
_ARGUMENTS_OF = {"custom_tool_call": "input"}
_RESULTS = ("output", "outputs", "results", "result", "tools")
# Calls that the provider runs itself: completed means that they succeeded, shown or not.
_SERVER_SIDE = frozenset(
    {"web_search_call", "file_search_call", "code_interpreter_call", "image_generation_call"}
)


def is_call(item: dict[str, Any]) -> bool:
    """Whether an item is a call."""
    return str(item.get("type")).endswith("_call")


def is_output(item: dict[str, Any]) -> bool:
    """Whether an item answers a call."""
    return str(item.get("type")).endswith(("_call_output", "tool_search_output"))


def message(item: dict[str, Any]) -> Message:
    """Read a message item.

    Raises:
        KeyError: it has no role.
        TypeError: its role is no text.
    """
    if not isinstance(item["role"], str):
        raise TypeError("the role is no text")
    content = split(item.get("content"))
    told = {"type": "message", "role": item["role"], "content": content.text}
    extra = untold(item, told)
    if content.parts is not None:
        extra["content"] = content.parts
    return Message(role_raw=item["role"], content=content.text, extra=extra)


def call(item: dict[str, Any]) -> Call:
    """Read a call item, with its output where the item holds that too.

    `extra` notes which keys hold arguments and output where that is not the rule, and which of
    them are values (`"value"`): only function calls promise JSON text.
    """
    key = next((key for key in _ARGUMENTS if item.get(key) is not None), "")
    answer = next((key for key in _RESULTS if item.get(key) is not None), "")
    id_key = next((key for key in ("call_id", "id") if text(item.get(key))), "")
    server_key = next((key for key in ("server_label", "namespace") if text(item.get(key))), "")
    kind = str(item.get("type"))
    read = Call(
        name=text(item.get("name")) or kind.removesuffix("_call"),
        native_id=item.get(id_key),
        server=item.get(server_key),
        arguments=item[key] if key else msgspec.UNSET,
    )
    told = {id_key: read.native_id, server_key: read.server, key: item.get(key)}
    told |= {"type": "function_call", "name": read.name, answer: item.get(answer)}
    read.extra = untold(item, told)
    if key and key != _ARGUMENTS_OF.get(kind, "arguments"):
        read.extra["arguments_key"] = key
    if key and not isinstance(item[key], str):
        read.extra["arguments"] = "value"
    if id_key == "id":
        read.extra["id_key"] = id_key
    _take_answer(read, item, answer, kind)
    return read


def _take_answer(read: Call, item: dict[str, Any], answer: str, kind: str) -> None:
    """Read what a call item says of its outcome."""
    if answer or item.get("error") is not None:
        read.has_result, read.result_key = True, SAME_MESSAGE
        # An image is its bytes, which stay in the archive.
        hidden = kind == "image_generation_call" and isinstance(item.get("result"), str)
        value = described(item["result"]) if hidden else item.get(answer)
        read.result = output_text(value)
        read.status = "ok" if item.get("status") in {"completed", None} else "unknown"
        if answer:
            read.extra["result_key"] = answer
            if not isinstance(value, str):
                read.extra["output"] = "value"
    elif item.get("status") == "completed" and kind in _SERVER_SIDE:
        read.status = "ok"
    if item.get("error") is not None or item.get("status") == "failed":
        read.status, read.error_source, read.error_class = "error", "explicit", "unknown"


def output(item: dict[str, Any]) -> Result:
    """Read an output item; a shell tells how its commands ended.

    What its columns do not tell goes below `result`: the call that takes it has an `extra` too.
    """
    key = "output" if "output" in item else "tools"
    said = item.get(key)
    result = Result(native_id=text(item.get("call_id")), text=output_text(said))
    extra = untold(item, {"type": "function_call_output", "call_id": result.native_id, key: said})
    if said is not None and not isinstance(said, str):
        extra["output"] = "value"
    if extra:
        result.extra["result"] = extra
    runs = said if item.get("type") == "shell_call_output" else None
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
    return _thoughts(item)[0]


def without_thoughts(item: dict[str, Any]) -> dict[str, Any]:
    """Give a reasoning item in which only the length is left of what `reasoning` gave."""
    text_, key = _thoughts(item)
    if text_ is None:
        return item
    sized = [
        {**part, "text": {"n_chars": len(part["text"])}} if _is_thought(part) else part
        for part in item[key]
    ]
    return {**item, key: sized}


def _thoughts(item: dict[str, Any]) -> tuple[str | None, str]:
    for key in ("content", "summary"):
        parts = item.get(key)
        if isinstance(parts, list):
            texts = [part["text"] for part in parts if _is_thought(part)]
            if texts:
                return "\n".join(texts), key
    return None, ""


def _is_thought(part: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(part, dict) and text(part.get("text")) is not None


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

"""pydantic-ai message history: an array of `{kind: request | response, parts: […]}`.

One element is one row: a response is the assistant's; a request with a user prompt is the user's,
one that only returns results is a tool's, one that is only a system prompt is injected. The text
of a system prompt beside a user's stays in `extra`. Calls of built-in tools and their results share
a row.

Gives: times, models, tokens (the cached parts taken out of the input), calls with results and
outcomes. A `retry-prompt` is an error: of the call itself where it lists what was invalid.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.blocks import result_text
from chatdata.formats.content import rest, split, text
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"parts", "usage", "model_name", "timestamp", "finish_reason", "kind"})
_CALLS = ("tool-call", "builtin-tool-call")
_RETURNS = ("tool-return", "builtin-tool-return", "retry-prompt")
_TOLD = frozenset({"text", "user-prompt", "thinking", *_RETURNS})
_CALL_TAKEN = frozenset({"part_kind", "tool_name", "args", "tool_call_id"})
_OUTCOMES = {"success": "ok", "failed": "error", "retried": "error", "denied": "denied"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if isinstance(first.value, dict):
        yield _bare(reading, chain([first], records))
        return
    for record in chain([first], records):
        try:
            yield _conversation(
                [_message(item) for item in record.value], record.value, record.number, 1
            )
        except UNEXPECTED:
            reading.reject(record, "not a pydantic-ai record")


def _bare(reading: Reading, records: Iterator[Record]) -> Conversation:
    rows, sources = [], []
    for record in records:
        try:
            row = _message(record.value)
        except UNEXPECTED:
            reading.reject(record, "not a pydantic-ai message")
        else:
            row.n_records = 1
            rows.append(row)
            sources.append(record.value)
    return _conversation(rows, sources, 1, 0)


def _conversation(
    rows: list[Message], sources: list[dict[str, Any]], ordinal: int, n_records: int
) -> Conversation:
    ids = {text(source.get("conversation_id")) for source in sources}
    id_ = ids.pop() if len(ids) == 1 else None
    return Conversation(ordinal=ordinal, id=id_, native_id=id_, messages=rows, n_records=n_records)


def _message(source: dict[str, Any]) -> Message:
    parts = source["parts"]
    kinds = {part["part_kind"] for part in parts}
    said = [part for part in parts if _is_said(part)]
    texts = [found for part in said if (found := split(_prompt(part)).text) is not None]
    if not said and kinds == {"system-prompt"}:
        texts = [part["content"] for part in parts]
    thoughts = [part["content"] for part in parts if part["part_kind"] == "thinking"]
    extra = rest(source, _TAKEN)
    extra["parts"] = [_shape(part, kinds) for part in parts]
    return Message(
        **_speaker(source, kinds),
        content="\n".join(texts) if texts else None,
        reasoning="\n".join(filter(None, thoughts)) or None,
        model=text(source.get("model_name")),
        at=at(source.get("timestamp")) or _first_time(parts),
        finish_reason=text(source.get("finish_reason")),
        usage=_usage(source.get("usage")),
        calls=[_call(part) for part in parts if part["part_kind"] in _CALLS],
        results=[
            _result(part) for part in parts if part["part_kind"] in _RETURNS and not _is_said(part)
        ],
        extra=extra,
    )


def _is_said(part: dict[str, Any]) -> bool:
    """Whether a part is words: also what a program answers to an answer that does not fit."""
    kind = part["part_kind"]
    return kind in {"text", "user-prompt"} or (kind == "retry-prompt" and not part.get("tool_name"))


def _speaker(source: dict[str, Any], kinds: set[str]) -> dict[str, Any]:
    if source["kind"] == "response":
        return {"role_raw": "response", "role": "assistant", "kind": "chat"}
    if "user-prompt" in kinds:
        return {"role_raw": "request", "role": "user", "kind": "chat"}
    if kinds == {"system-prompt"}:
        return {"role_raw": "request", "role": "system", "kind": "injected"}
    if any(map(_is_said, source["parts"])):
        return {"role_raw": "request", "role": "user", "kind": "injected"}
    return {"role_raw": "request", "role": "tool", "kind": "tool_result"}


def _prompt(part: dict[str, Any]) -> Any:  # noqa: ANN401 - text, or a list of parts
    content = part.get("content")
    if isinstance(content, list):
        return [item if isinstance(item, str) else without_bytes(item) for item in content]
    return content


def _shape(part: dict[str, Any], kinds: set[str]) -> dict[str, Any]:
    """Keep what a part says beside what went to a column."""
    if part["part_kind"] in _CALLS:
        return rest(part, _CALL_TAKEN) | {"part_kind": part["part_kind"]}
    content, kind = part.get("content"), part["part_kind"]
    told = kind in _TOLD or _is_said(part) or (kind == "system-prompt" and kinds == {kind})
    if told and isinstance(content, str):
        return {**part, "content": {"n_chars": len(content)}}
    if kind in _RETURNS and not _is_said(part):
        return {**part, "content": None}
    if kind == "user-prompt":
        return {**part, "content": split(_prompt(part)).parts}
    kept: dict[str, Any] = without_bytes(part)
    return kept


def _first_time(parts: list[dict[str, Any]]) -> Any:  # noqa: ANN401 - an `At` or None
    return next((moment for part in parts if (moment := at(part.get("timestamp")))), None)


def _call(part: dict[str, Any]) -> Call:
    return Call(
        name=text(part.get("tool_name")),
        native_id=text(part.get("tool_call_id")),
        arguments=part.get("args"),
        extra=rest(part, _CALL_TAKEN),
    )


def _result(part: dict[str, Any]) -> Result:
    content = part.get("content")
    outcome = part.get("outcome")
    retried = part["part_kind"] == "retry-prompt"
    status = (
        "error" if retried else _OUTCOMES.get(str(outcome), "ok" if outcome is None else "unknown")
    )
    if outcome == "interrupted":
        status = "cancelled"
    listed = retried and isinstance(content, list)
    return Result(
        native_id=text(part.get("tool_call_id")),
        text=result_text(content) if isinstance(content, list | str | None) else encode(content),
        status=status,
        error_source=("protocol" if listed else "explicit") if status == "error" else None,
        error_class=("invalid_arguments" if listed else "unknown") if status == "error" else None,
    )


def _usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    if not isinstance(counts, dict):
        return None
    read, written = counts.get("cache_read_tokens"), counts.get("cache_write_tokens")
    total = counts.get("input_tokens", counts.get("request_tokens"))
    cached = (read or 0) + (written or 0)
    return Usage(
        input=total - cached if isinstance(total, int) and total >= cached else total,
        output=counts.get("output_tokens", counts.get("response_tokens")),
        cache_read=read,
        cache_write=written,
        reasoning=counts.get("output_reasoning_tokens"),
    )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if isinstance(value, list):
        value = value[0] if value else None
    ours = isinstance(value, dict) and value.get("kind") in {"request", "response"}
    parts = value.get("parts") if ours else None
    return SURE if isinstance(parts, list) and all("part_kind" in p for p in parts[:1]) else 0.0


FORMAT = Format("pydantic-ai", "pydantic-ai message history", _sniff, _parse, __doc__)

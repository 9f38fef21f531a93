"""The events that Gemini CLI prints with `--output-format stream-json`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import UNEXPECTED, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TYPES = frozenset({"init", "message", "tool_use", "tool_result", "result", "error"})


def is_stream(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a record is an event of a stream."""
    return (
        isinstance(value, dict)
        and value.get("type") in _TYPES
        and "timestamp" in value
        and not value.keys() & {"uuid", "sessionId", "id", "payload"}
    )


def streamed(records: list[Record], reading: Reading) -> Iterator[Conversation]:
    """Read the events of one or more runs, each begun by an init."""
    run: Conversation | None = None
    for record in records:
        try:
            event = record.value
            if run is None or event["type"] == "init":
                if run is not None:
                    yield run
                run = _begun(record)
            if event["type"] == "init":
                run.n_records += 1
            else:
                _take(run, event, reading)
        except UNEXPECTED:
            reading.reject(record, "not a gemini-cli event")
    if run is not None:
        yield run


def _begun(record: Record) -> Conversation:
    event = record.value
    begins = event.get("type") == "init"
    id_ = text(event.get("session_id")) if begins else None
    return Conversation(
        ordinal=record.number,
        id=id_,
        native_id=id_,
        model=text(event.get("model")) if begins else None,
        n_records=0,
        extra=rest(event, frozenset({"type", "timestamp", "session_id", "model"}))
        if begins
        else {},
    )


def _take(run: Conversation, event: dict[str, Any], reading: Reading) -> None:
    kind = event["type"]
    last = run.messages[-1] if run.messages else None
    if kind == "message":
        joined = last is not None and last.extra.get("delta") is True and event.get("delta") is True
        if joined and last is not None and last.role_raw == event["role"]:
            last.content = f"{last.content or ''}{event.get('content') or ''}"
            reading.count("part of another record")
            return
        extra = rest(event, frozenset({"type", "timestamp", "role", "content"}))
        run.messages.append(
            Message(
                role_raw=event["role"],
                content=event.get("content"),
                model=run.model if event["role"] == "assistant" else None,
                at=at(event.get("timestamp")),
                n_records=1,
                extra=extra,
            )
        )
    elif kind == "tool_use":
        holder = last.calls if last is not None and last.role_raw == "assistant" else run.calls
        holder.append(
            Call(
                name=text(event.get("tool_name")),
                native_id=text(event.get("tool_id")),
                arguments=event.get("parameters"),
                started_at=at(event.get("timestamp")),
                n_records=1,
            )
        )
    elif kind == "tool_result":
        _answer(run, event, reading)
    else:
        run.n_records += 1
        run.extra[kind] = rest(event, frozenset({"type"}))


def _answer(run: Conversation, event: dict[str, Any], reading: Reading) -> None:
    calls = [*run.calls, *(call for message in run.messages for call in message.calls)]
    asked = (c for c in calls if c.native_id == event.get("tool_id") and not c.has_result)
    call = next(asked, None)
    if call is None:
        row = Message(role_raw="tool_result", role="tool", content=text(event.get("output")))
        row.kind, row.n_records, row.extra = "tool_result", 1, rest(event, frozenset({"output"}))
        run.messages.append(row)
        return
    reading.count("part of another record")
    call.has_result, call.result_key = True, SAME_MESSAGE if call not in run.calls else None
    call.result, call.ended_at = text(event.get("output")), at(event.get("timestamp"))
    call.status = "ok" if event.get("status") == "success" else "error"
    error = event.get("error")
    if call.status == "error":
        wrong = isinstance(error, dict) and error.get("type") == "invalid_tool_params"
        call.error_source = "protocol" if wrong else "explicit"
        call.error_class = "invalid_arguments" if wrong else "unknown"
        call.extra["error"] = error

"""Inspect logs: `.eval` archives and their `.json` form.

A log is `{version, status, eval, plan, results, samples: [...]}`; an archive holds `header.json`
and one `samples/<id>_epoch_<n>.json` each, and while it is being written only
`_journal/start.json`. One sample is one record and one conversation, `<eval>/<sample>/<epoch>`, a
trial where there are several epochs. Messages are `sample.messages`; their times, tokens and finish
reasons come from the model event that wrote them, times of calls from tool events. Generations that
`messages` lacks (those of sub-agents, and retries) are counted in `extra`. `attachment://…` is
resolved.

Gives: models, times of answers and calls, tokens, calls with results and outcomes, declared tools.
Does not give: users, times of prompts. A call with a `parse_error` has `invalid` arguments.
Scores, target and metadata are in `extra`; what the log says of all its samples is in that of the
first. Events and the pools they share are only counted.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chatdata.errors import SourceError
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text, tool_names
from chatdata.formats.records import Bad, Record, read
from chatdata.formats.rows import Call, Conversation, Message, Result, Usage
from chatdata.formats.sources import members
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.sources import Document

_ATTACHED = re.compile(r"attachment://([0-9a-f]{32})")
_TAKEN = frozenset({"messages", "events", "attachments", "message_pool", "events_data", "input"})
_BRIEF = ("version", "status", "eval")
_MESSAGE_TAKEN = frozenset(
    {"id", "role", "content", "tool_calls", "tool_call_id", "model", "error"}
)
_CALL_TAKEN = frozenset({"id", "function", "arguments"})
_CLASSES = {
    "parsing": "invalid_arguments",
    "timeout": "timeout",
    "permission": "permission",
    "file_not_found": "not_found",
    "is_a_directory": "invalid_arguments",
    "limit": "limit",
    "output_limit": "limit",
    "sandbox_unavailable": "sandbox",
}
_OTHER_STATUSES = {"timeout": "timeout", "approval": "denied", "cancelled": "cancelled"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    if reading.document.kind == "zip":
        yield from _archive(reading)
        return
    for record in reading.records():
        try:
            log = rest(record.value, frozenset({"samples"}))
            brief = {key: log[key] for key in _BRIEF if key in log}
            samples = record.value.get("samples") or ()
            places = [
                Record(sample, nth, record.offset, record.lenient)
                for nth, sample in enumerate(samples, 1)
            ]
        except UNEXPECTED:
            reading.reject(record, "not an inspect-ai log")
            continue
        if not places:
            reading.count("empty")
        reading.n_records += max(len(places) - 1, 0)
        for place in places:
            yield from _sample(place, log if place.number == 1 else brief, reading)


def _archive(reading: Reading) -> Iterator[Conversation]:
    """Read an archive sample by sample, after what it says about all of them."""
    inside = {m.name.removeprefix(f"{reading.name}/"): m for m in members(reading.document)}
    named = next((name for name in ("header.json", "_journal/start.json") if name in inside), None)
    head = _only(inside[named]) if named else None
    log = head.value if isinstance(head, Record) and isinstance(head.value, dict) else {}
    for number, (name, member) in enumerate(inside.items(), 1):
        reading.n_records += 1
        if not name.startswith("samples/"):
            reading.count("part of another record")
            continue
        record = _only(member)
        record.number = number
        if isinstance(record, Bad):
            reading.reject(record, record.reason)
        else:
            yield from _sample(record, log, reading)
            log = {key: log[key] for key in _BRIEF if key in log}


def _only(member: Document) -> Record | Bad:
    try:
        with member.open() as stream:
            return next(read(stream, "values"), Bad(1, None, "empty"))
    except SourceError:
        return Bad(1, None, "damaged archive member")


def _sample(record: Record, log: dict[str, Any], reading: Reading) -> Iterator[Conversation]:
    try:
        conversation = _conversation(record.value, log)
    except UNEXPECTED:
        reading.reject(record, "not an inspect-ai sample")
        return
    conversation.ordinal = record.number
    if record.lenient:
        conversation.extra["decode"] = "lenient"
    yield conversation


def _conversation(sample: dict[str, Any], log: dict[str, Any]) -> Conversation:
    run: dict[str, Any] = log.get("eval") or {}
    epochs = (run.get("config") or {}).get("epochs")
    ids = [run.get("eval_id") or run.get("run_id"), sample["id"], sample.get("epoch")]
    events = [event for event in sample.get("events") or () if isinstance(event, dict)]
    answers = [event for event in events if event.get("event") == "model"]
    messages = [_message(m) for m in _resolved(sample["messages"], sample.get("attachments"))]
    n_elsewhere = _time_answers(messages, answers)
    _time_calls(messages, {str(e.get("id")): e for e in events if e.get("event") == "tool"})
    id_ = "/".join(str(part) for part in ids if part is not None)
    extra = rest(sample, _TAKEN)
    extra |= {"n_events": len(events)} if events else {}
    extra |= {"n_generations_elsewhere": n_elsewhere} if n_elsewhere else {}
    return Conversation(
        id=id_,
        native_id=str(sample["id"]),
        model=text(run.get("model")),
        agent=text(run.get("solver")),
        project=text(run.get("task")),
        created_at=at(sample.get("started_at")),
        updated_at=at(sample.get("completed_at")),
        relation="trial" if isinstance(epochs, int) and epochs > 1 else None,
        declared_tools=next((tool_names(e["tools"]) for e in answers if e.get("tools")), None),
        messages=messages,
        joins=ids[0] is not None,
        extra={**extra, "log": log},
    )


def _message(source: dict[str, Any]) -> Message:
    content = split(source.get("content"))
    extra = rest(source, _MESSAGE_TAKEN)
    if content.parts is not None:
        extra["content"] = content.parts
    message = Message(
        role_raw=source["role"],
        content=content.text,
        reasoning=content.reasoning,
        native_id=text(source.get("id")),
        model=text(source.get("model")),
        calls=[_call(call) for call in source.get("tool_calls") or ()],
        extra=extra,
    )
    if source["role"] == "tool":
        message.results = [_result(source, content.text)]
    return message


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("function")),
        native_id=text(source.get("id")),
        arguments=source.get("arguments"),
        arguments_status="invalid" if source.get("parse_error") else None,
        extra=rest(source, _CALL_TAKEN),
    )


def _result(source: dict[str, Any], said: str | None) -> Result:
    result = Result(native_id=text(source.get("tool_call_id")), text=said, status="ok")
    error = source.get("error")
    if error is None:
        return result
    kind = str(error.get("type"))
    result.status = _OTHER_STATUSES.get(kind, "error")
    result.extra["error"] = error
    if result.status in {"error", "timeout"}:
        result.error_source = "protocol" if kind == "parsing" else "explicit"
        result.error_class = _CLASSES.get(kind, "unknown")
    return result


def _time_answers(messages: list[Message], events: list[dict[str, Any]]) -> int:
    """Give each answer its event's time and tokens; returns how many events are nobody's."""
    waiting: dict[object, list[Message]] = {}
    for message in messages:
        if message.role_raw == "assistant":
            waiting.setdefault(message.native_id or _print(message), []).append(message)
    n_elsewhere = 0
    for event in events:
        output = event.get("output") or {}
        choice = next(iter(output.get("choices") or ()), None) or {}
        written = _message(choice["message"]) if choice.get("message") else None
        asked = waiting.get(written.native_id or _print(written)) if written else None
        if not asked:
            n_elsewhere += 1
            continue
        message = asked.pop(0)
        message.at = at(event.get("completed")) or at(event.get("timestamp"))
        message.model = message.model or text(output.get("model")) or text(event.get("model"))
        message.finish_reason = text(choice.get("stop_reason"))
        message.usage = _usage(output.get("usage"))
    return n_elsewhere


def _print(message: Message) -> object:
    """Tell messages without ids apart by what they say and call."""
    return message.content or "", tuple(call.native_id for call in message.calls)


def _time_calls(messages: list[Message], events: dict[str, dict[str, Any]]) -> None:
    for message in messages:
        for call in message.calls:
            event = events.get(str(call.native_id))
            if event is not None:
                call.started_at = at(event.get("timestamp"))
        for result in message.results:
            event = events.get(str(result.native_id))
            result.ended_at = message.at = at(event.get("completed")) if event else None


def _usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read the tokens of a generation; the cached parts stand apart already."""
    if not isinstance(counts, dict):
        return None
    return Usage(
        input=counts.get("input_tokens"),
        output=counts.get("output_tokens"),
        cache_read=counts.get("input_tokens_cache_read"),
        cache_write=counts.get("input_tokens_cache_write"),
        reasoning=counts.get("reasoning_tokens"),
    )


def _resolved(value: Any, attachments: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Put attachments back where a value names them; one that is not there keeps its name."""
    if not attachments:
        return value
    if isinstance(value, str):
        return _ATTACHED.sub(lambda found: str(attachments.get(found[1], found[0])), value)
    if isinstance(value, list):
        return [_resolved(item, attachments) for item in value]
    if isinstance(value, dict):
        return {key: _resolved(item, attachments) for key, item in value.items()}
    return value


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "members":
        journal = any(name.startswith("_journal/") for name in evidence.names)
        samples = any(name.startswith("samples/") for name in evidence.names)
        return SURE if journal or ("header.json" in evidence.names and samples) else 0.0
    if evidence.kind == "prefix":
        keys = ('"eval"', '"plan"', '"samples"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    return SURE if isinstance(value.get("eval"), dict) and "plan" in value else 0.0


FORMAT = Format("inspect-ai", "Inspect logs", _sniff, _parse, __doc__)

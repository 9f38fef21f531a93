"""Langfuse exports: `{trace, observations: [...]}`, or observations one by one.

The API gives lists of either, `{data: [...], meta}`.

A conversation is a session, else a trace. A GENERATION is one assistant message; its input is the
history, of which only what is new makes rows (a generation around another one makes none). A TOOL
observation gives a call its result, times and outcome. `input` and `output` hold whatever the
framework used, sometimes as JSON text: the known shapes of messages are read, anything else stays
text. Spans, chains, agents and events are named in the conversation's `extra`; without any
generation in a conversation, its traces' own `input` and `output` are what was said.

Gives: users, times, models, tokens, calls with results and outcomes (ended and not ERROR is ok).
Does not give: times of prompts. `usageDetails` is taken as it is: its `input` leaves out what was
cached, by convention. Several traces of one session are one conversation within a document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import shapes
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text, tool_names
from chatdata.formats.items import output_text
from chatdata.formats.rows import Call, Conversation, Usage
from chatdata.formats.spans import Span, conversations
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

_TRACE_TAKEN = frozenset({"id", "sessionId", "userId", "name", "input", "output", "observations"})
_TAKEN = frozenset(
    {"id", "traceId", "parentObservationId", "type", "name", "startTime", "endTime"}
    | {"input", "output", "model", "usageDetails", "usage"}
)
_KINDS = frozenset(
    {"GENERATION", "SPAN", "EVENT", "AGENT", "TOOL", "CHAIN", "RETRIEVER", "EVALUATOR"}
    | {"EMBEDDING", "GUARDRAIL"}
)
_USAGE = {
    "input": ("input", "promptTokens"),
    "output": ("output", "completionTokens"),
    "cache_read": (
        "input_cached_tokens",
        "input_cache_read",
        "cache_read_input_tokens",
        "prompt_details.cache_read",
        "input_cached",
    ),
    "cache_write": ("cache_creation_input_tokens", "input_cache_creation", "input_cache_write"),
    "reasoning": ("output_reasoning", "output_reasoning_tokens", "completion_details.reasoning"),
}


def _parse(reading: Reading) -> Iterator[Conversation]:
    spans: list[Span] = []
    for record in reading.records():
        try:
            read = _spans_of(record.value)
        except UNEXPECTED:
            reading.reject(record, "not a langfuse record")
            continue
        if not read:
            reading.count("empty")
        spans += read
    yield from conversations(spans, reading)


def _spans_of(value: dict[str, Any]) -> list[Span]:
    """Read a record, which may be a page of the API's list."""
    if not isinstance(value.get("data"), list):
        return _spans(value)
    listed = [span for item in value["data"] for span in _spans(item)]
    for span in listed[1:]:
        span.n_records = 0
    return listed


def _spans(value: dict[str, Any]) -> list[Span]:
    if "observations" not in value:
        return [_span(value, {})]
    trace = value["trace"] if isinstance(value.get("trace"), dict) else value
    head = Span(
        id=None,
        trace=str(trace["id"]),
        session=text(trace.get("sessionId")),
        user_id=text(trace.get("userId")),
        title=text(trace.get("name")),
        started=at(trace.get("timestamp")),
        asked=trace.get("input"),
        answered=trace.get("output"),
        extra={"trace": rest(trace, _TRACE_TAKEN)},
    )
    spans = [_span(observation, trace) for observation in value["observations"]]
    for span in spans:
        span.n_records = 0
    return [head, *spans]


def _span(source: dict[str, Any], trace: dict[str, Any]) -> Span:
    kind = source["type"]
    moments = at(source.get("startTime")), at(source.get("endTime"))
    span = Span(
        id=text(source["id"]),
        trace=str(source.get("traceId") or trace["id"]),
        parent=text(source.get("parentObservationId")),
        kind={"GENERATION": "llm", "TOOL": "tool"}.get(kind, "other"),
        name=text(source.get("name")),
        session=text(source.get("sessionId")),
        user_id=text(source.get("userId")),
        agent=text(source.get("name")) if kind == "AGENT" else None,
        started=moments[0],
        ended=moments[1],
        extra={**rest(source, _TAKEN), "type": kind},
    )
    if span.kind == "llm":
        span.model = text(source.get("model"))
        span.input = shapes.messages(source.get("input"), "user")
        span.output = shapes.messages(source.get("output"), "assistant")
        span.usage = _usage(source.get("usageDetails") or source.get("usage"))
        span.tools = tool_names(shapes.decoded(source.get("toolDefinitions")))
        span.extra["usageDetails"] = source.get("usageDetails")
    elif span.kind == "tool":
        span.call = _call(source, span)
    else:
        span.asked, span.answered = source.get("input"), source.get("output")
    return span


def _call(source: dict[str, Any], span: Span) -> Call:
    output = source.get("output")
    call = Call(name=span.name, arguments=source.get("input"), result=output_text(output))
    call.native_id = text(source.get("toolCallId"))
    call.has_result = output is not None
    if source.get("level") == "ERROR":
        call.status, call.error_source, call.error_class = "error", "explicit", "unknown"
    elif span.ended is not None:
        call.status = "ok"
    return call


def _usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever was traced
    """Read tokens under the names that integrations give them; what is left stays in `extra`."""
    if not isinstance(counts, dict) or not counts:
        return None
    found = {
        name: next((counts[key] for key in keys if counts.get(key) is not None), None)
        for name, keys in _USAGE.items()
    }
    return Usage(**found)


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        keys = ('"trace"', '"observations"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    value = evidence.value
    if isinstance(value, dict) and isinstance(value.get("data"), list) and "meta" in value:
        value = next(iter(value["data"]), None)
    if not isinstance(value, dict):
        return 0.0
    listed = value.get("observations")
    exported = isinstance(listed, list) and (
        "trace" in value or ("id" in value and any("traceId" in item for item in listed[:1]))
    )
    observed = {"traceId", "type"} <= value.keys() and value["type"] in _KINDS
    return SURE if exported or observed else 0.0


FORMAT = Format("langfuse", "Langfuse exports", _sniff, _parse, __doc__)

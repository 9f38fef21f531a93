"""OpenTelemetry traces of generative AI: OTLP as JSON, one request a line or one object.

`resourceSpans[].scopeSpans[].spans[]`, and `resourceLogs` where the content of messages is logged
beside the spans. A span is a record. A conversation is what `gen_ai.conversation.id` names, else a
trace; every generation repeats the history, and only what it adds makes rows. `gen_ai.*` is read in
its three generations (numbered attributes, events, JSON), the newest that a span has; `llm.*` of
OpenInference and `ai.*` of the Vercel AI SDK too. Spans of tools give calls their times, results
and outcomes (an ended span is a success unless its status says ERROR).

Gives: times, models, tokens, calls with results and outcomes, users where they are traced. Does not
give: times of prompts; content, where capturing it is not switched on. A span whose content was cut
off is a reject, `truncated`, and keeps its tokens. Traces without any span of a model, tool or
agent are only counted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.attributes import Raw, described, flat, is_cut
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.records import Bad
from chatdata.formats.spans import Span, conversations
from chatdata.formats.times import nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.formats.records import Record
    from chatdata.formats.rows import Conversation

_SPAN_TAKEN = frozenset(
    {"traceId", "spanId", "parentSpanId", "name", "startTimeUnixNano", "endTimeUnixNano"}
    | {"attributes", "events", "status"}
)
_DETAILS = "gen_ai.client.inference.operation.details"
# Events that carry what newer tracers write as attributes of the span itself.
_CARRIERS = frozenset({_DETAILS, "gen_ai.content.prompt", "gen_ai.content.completion"})
_FAILED = {2, "STATUS_CODE_ERROR", "ERROR"}
OURS = ("gen_ai.", "llm.", "ai.", "openinference.", "traceloop.")


def _parse(reading: Reading) -> Iterator[Conversation]:
    raws: dict[tuple[str, str | None], Raw] = {}
    for record in reading.records():
        try:
            _take(record, raws, reading)
        except UNEXPECTED:
            reading.reject(record, "not an OTLP request")
    yield from traced(raws.values(), reading, everything=False)


def traced(raws: Iterable[Raw], reading: Reading, *, everything: bool) -> Iterator[Conversation]:
    """Read spans as conversations.

    Args:
        raws: the spans of a document.
        reading: the document.
        everything: whether traces without any span of a model, tool or agent are conversations.
    """
    raws = list(raws)
    ours = {raw.trace for raw in raws if everything or _is_ours(raw)}
    spans: list[Span] = []
    for raw in raws:
        if raw.trace not in ours:
            reading.count("event")
            continue
        try:
            span = described(raw)
        except UNEXPECTED:
            reading.reject(Bad(raw.record, None, ""), f"not a {reading.source} span")
            continue
        if is_cut(raw):
            span.n_records, span.input, span.output = 0, [], []
            span.asked = span.answered = None
            reading.reject(Bad(raw.record, None, ""), "truncated")
        spans.append(span)
    yield from conversations(spans, reading)


def _take(record: Record, raws: dict[tuple[str, str | None], Raw], reading: Reading) -> None:
    """Take the spans of a request, and what its logs say of spans."""
    request = record.value
    if not {"resourceSpans", "resourceLogs"} & request.keys():
        raise TypeError("neither spans nor logs")
    for resource in request.get("resourceSpans") or ():
        about = _values((resource.get("resource") or {}).get("attributes"))
        scopes = resource.get("scopeSpans") or resource.get("instrumentationLibrarySpans")
        for source in (span for scope in scopes or () for span in scope.get("spans") or ()):
            raw = _span(source, about)
            raw.record = record.number
            before = raws.get((raw.trace, raw.id))
            if before is not None:
                raw.attributes = before.attributes | raw.attributes
                raw.events += before.events
                reading.count("part of another record")
            raws[raw.trace, raw.id] = raw
    for resource in request.get("resourceLogs") or ():
        for scope in resource.get("scopeLogs") or ():
            for source in scope.get("logRecords") or ():
                _take_log(source, raws, reading, record.number)


def _take_log(
    source: dict[str, Any],
    raws: dict[tuple[str, str | None], Raw],
    reading: Reading,
    number: int,
) -> None:
    """Add what a log record says to its span, which may come later or never."""
    own = _values(source.get("attributes"))
    key = str(source["traceId"]), text(source.get("spanId"))
    if key in raws:
        reading.count("part of another record")
    else:
        moment = nanoseconds(source.get("timeUnixNano"))
        raws[key] = Raw(id=key[1], trace=key[0], ended=moment, record=number)
    raw = raws[key]
    name = str(source.get("eventName") or own.get("event.name"))
    if name == _DETAILS:
        raw.attributes |= flat_messages(own)
    elif name.startswith("gen_ai."):
        raw.events.append((name, _value(source.get("body") or {})))


def flat_messages(own: dict[str, Any]) -> dict[str, Any]:
    """Flatten attributes, but leave messages that are structured as they are."""
    whole = {
        key: value for key, value in own.items() if key.endswith((".messages", "instructions"))
    }
    return flat({key: value for key, value in own.items() if key not in whole}) | whole


def _span(source: dict[str, Any], about: dict[str, Any]) -> Raw:
    status = source.get("status") or {}
    own = _values(source.get("attributes"))
    events = [
        (str(event.get("name")), _values(event.get("attributes")))
        for event in source.get("events") or ()
    ]
    carried = [body for name, body in events if name in _CARRIERS]
    attributes = {key: value for body in (about, own, *carried) for key, value in body.items()}
    return Raw(
        id=text(source["spanId"]),
        trace=str(source["traceId"]),
        parent=text(source.get("parentSpanId")),
        name=text(source.get("name")),
        started=nanoseconds(source.get("startTimeUnixNano")),
        ended=nanoseconds(source.get("endTimeUnixNano")),
        failed=status.get("code") in _FAILED,
        attributes=flat_messages(attributes),
        events=[
            (name, body)
            for name, body in events
            if name.startswith("gen_ai.") and name not in _CARRIERS
        ],
        extra=rest(source, _SPAN_TAKEN) | ({"status": status} if status else {}),
    )


def _values(listed: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Undo OTLP's attributes: a list of keys with typed values."""
    found = {item["key"]: _value(item.get("value")) for item in listed or ()}
    if not all(isinstance(key, str) for key in found):
        raise TypeError("the key of an attribute is no text")
    return found


def _value(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return value
    if "intValue" in value:
        return int(value["intValue"])
    if "arrayValue" in value:
        return [_value(item) for item in (value["arrayValue"] or {}).get("values") or ()]
    if "kvlistValue" in value:
        return _values((value["kvlistValue"] or {}).get("values"))
    plain = ("stringValue", "doubleValue", "boolValue", "bytesValue")
    return next((value[key] for key in plain if key in value), None)


def _is_ours(raw: Raw) -> bool:
    return bool(raw.events) or any(key.startswith(OURS) for key in raw.attributes)


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        return SURE if '"resourceSpans"' in evidence.text else 0.0
    value = evidence.value
    found = isinstance(value, dict) and {"resourceSpans", "resourceLogs"} & value.keys()
    return SURE if found else 0.0


FORMAT = Format("otel-genai", "OpenTelemetry GenAI traces", _sniff, _parse, __doc__)

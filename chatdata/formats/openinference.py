"""OpenInference spans: Phoenix exports, dumps of OpenTelemetry's JavaScript exporter, SQLite.

Spans `{name, context: {trace_id, span_id}, span_kind, parent_id, start_time, attributes}` or
`{name, spanContext, startTime, attributes}`, as an array, lines or (as OpenTelemetry's exporters
print them on a console) one after the other, with flattened or nested attributes; or Phoenix's own
database (`traces` and `spans`). A span is a record. A conversation is what `session.id` names, else
a trace; every generation repeats the history, and only what it adds makes rows. Spans of the Vercel
AI SDK carry `ai.*` instead: its outer span around a generation makes no row where both are in one
trace.

Gives: times, models, tokens, calls with results and outcomes, users where they are traced. Does not
give: times of prompts. Without any generation in a conversation, the outermost span of each
trace tells what was said; one in which nothing was said is a conversation without rows.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.attributes import Raw
from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.otel_genai import OURS, flat_messages, traced
from chatdata.formats.records import Bad
from chatdata.formats.times import at, nanoseconds

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.rows import At, Conversation

_TAKEN = frozenset(
    {"name", "context", "spanContext", "parent_id", "parentSpanId", "parentSpanContext"}
    | {"start_time", "end_time", "startTime", "endTime", "attributes"}
)
_FAILED = {2, "ERROR", "STATUS_CODE_ERROR"}
_STORED = """
    select spans.*, traces.trace_id from spans join traces on traces.id = spans.trace_rowid
    order by spans.id
"""


def _parse(reading: Reading) -> Iterator[Conversation]:
    if reading.document.kind == "sqlite":
        yield from _stored(reading)
        return
    raws = []
    for record in reading.records():
        try:
            raws.append(_span(record.value, record.number))
        except UNEXPECTED:
            reading.reject(record, "not an openinference span")
    yield from traced(raws, reading, everything=True)


def _stored(reading: Reading) -> Iterator[Conversation]:
    """Read Phoenix's database."""
    raws = []
    try:
        with sqlite.opened(reading) as connection:
            for number, row in enumerate(connection.execute(_STORED), 1):
                reading.n_records += 1
                try:
                    raws.append(_stored_span(row, number))
                except UNEXPECTED:
                    reading.reject(Bad(number, None, ""), "not an openinference span")
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)
    yield from traced(raws, reading, everything=True)


def _stored_span(row: dict[str, Any], number: int) -> Raw:
    attributes = row.get("attributes") or "{}"
    context = {"trace_id": row["trace_id"], "span_id": row["span_id"]}
    return _span({**row, "context": context, "attributes": msgspec.json.decode(attributes)}, number)


def _span(source: dict[str, Any], number: int) -> Raw:
    context = source.get("context") or source["spanContext"]
    status = source.get("status") or {}
    told = status.get("code", status.get("status_code")) if isinstance(status, dict) else status
    code = source.get("status_code", told)
    attributes = flat_messages(source.get("attributes") or {})
    if source.get("span_kind"):
        attributes.setdefault("openinference.span.kind", source["span_kind"])
    above = source.get("parentSpanContext") or {}
    parents = (source.get("parent_id"), source.get("parentSpanId"), above.get("spanId"))
    return Raw(
        id=text(context.get("span_id")) or text(context.get("spanId")),
        trace=str(context.get("trace_id") or context["traceId"]),
        parent=next((text(parent) for parent in parents if text(parent)), None),
        name=text(source.get("name")),
        started=_moment(source.get("start_time", source.get("startTime"))),
        ended=_moment(source.get("end_time", source.get("endTime"))),
        failed=code in _FAILED,
        attributes=attributes,
        extra=rest(source, _TAKEN),
        record=number,
    )


def _moment(value: Any) -> At | None:  # noqa: ANN401 - whatever was exported
    """Read a time: any spelling of logs, or the exporter's pair of seconds and nanoseconds."""
    if isinstance(value, list):
        seconds, rest_ = value
        # A list times a billion would not fail, but fill the memory.
        if not (isinstance(seconds, int) and isinstance(rest_, int)):
            return None
        return nanoseconds(seconds * 1_000_000_000 + rest_)
    return at(value)


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "tables":
        return SURE if {"spans.trace_rowid", "traces.trace_id"} <= evidence.names else 0.0
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    context = value.get("context")
    if isinstance(context, dict) and "span_id" in context:
        if "span_kind" in value:
            return SURE
        attributes = value.get("attributes")
        named = attributes if isinstance(attributes, dict) else {}
        return LIKELY if any(key.startswith(OURS) for key in named) else 0.0
    return LIKELY if isinstance(value.get("spanContext"), dict) else 0.0


FORMAT = Format(
    "openinference", "OpenInference spans", _sniff, _parse, __doc__, tables=frozenset({"spans"})
)

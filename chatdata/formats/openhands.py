"""OpenHands events: an array of actions and observations, or `output.jsonl` with `history`.

One array is one conversation. Actions of one model response (its `model_response.id`) are one row
of the assistant with its calls, and its tokens once; an observation of the same call is
the result. Messages are rows, whoever sent them; everything else is an event. Times have no zone:
UTC unless one is named.

Gives: times, models, tokens, calls with results. A result is an error only where the observation
says `error`; exit codes stay in `extra`.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.chat_message import usage
from chatdata.formats.content import rest, text
from chatdata.formats.rows import Call, Conversation, Message, Result
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"id", "timestamp", "source", "tool_call_metadata", "content"})
_SOURCES = frozenset({"user", "agent", "environment"})
_HISTORY_TAKEN = frozenset({"history", "instance_id"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if isinstance(first.value, dict) and "history" in first.value:
        yield from _histories(reading, chain([first], records))
        return
    events = _Events(reading)
    for record in chain([first], records):
        try:
            events.take(record.value, 1)
        except UNEXPECTED:
            reading.reject(record, "not an openhands event")
    yield events.conversation


def _histories(reading: Reading, records: Iterator[Record]) -> Iterator[Conversation]:
    for record in records:
        events = _Events(reading)
        try:
            source = record.value
            for item in source["history"]:
                # The first generation wrote pairs of an action and its observation.
                for event in item if isinstance(item, list) else [item]:
                    events.take(event, 0)
        except UNEXPECTED:
            reading.reject(record, "not an openhands history")
            continue
        conversation = events.conversation
        native = text(source.get("instance_id"))
        conversation.id = conversation.native_id = native
        conversation.ordinal, conversation.n_records = record.number, 1
        conversation.extra = rest(source, _HISTORY_TAKEN)
        yield conversation


class _Events:
    """A conversation while its events are read."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.conversation = Conversation(n_records=0)
        self.responses: dict[str, Message] = {}
        self.placed: set[int] = set()

    def take(self, event: dict[str, Any], n_records: int) -> None:
        """Add an event's row, or add it to the row of its response."""
        metadata = event.get("tool_call_metadata")
        if "observation" in event:
            row = self._observation(event, metadata)
        elif event.get("action") == "message":
            row = self._message(event)
        elif isinstance(metadata, dict) and event.get("source") == "agent":
            row = self._action(event, metadata)
        else:
            action = str(event["action"])
            row = Message(role_raw=action, role="system", kind="event", content=None)
        if id(row) in self.placed:
            self.reading.count("part of another record", n_records)
            return
        self.placed.add(id(row))
        row.n_records = n_records
        row.at = at(event.get("timestamp"), self.reading.time_zone)
        row.native_id = None if event.get("id") is None else str(event["id"])
        row.extra |= rest(event, _TAKEN)
        self.conversation.messages.append(row)

    def _message(self, event: dict[str, Any]) -> Message:
        said = text((event.get("args") or {}).get("content")) or text(event.get("message"))
        by_agent = event.get("source") == "agent"
        return Message(
            role_raw=str(event.get("source")),
            role="assistant" if by_agent else "user",
            content=said,
        )

    def _action(self, event: dict[str, Any], metadata: dict[str, Any]) -> Message:
        response = metadata.get("model_response") or {}
        id_ = text(response.get("id"))
        choices = response.get("choices") or [{}]
        answer = choices[0].get("message") or {}
        row = self.responses.get(id_ or "")
        if row is None:
            row = Message(
                role_raw="agent",
                content=text(answer.get("content")),
                model=text(response.get("model")),
                generation_id=id_,
                finish_reason=text(choices[0].get("finish_reason")),
                usage=usage(response.get("usage")),
            )
            if id_:
                self.responses[id_] = row
        native = text(metadata.get("tool_call_id"))
        asked = [call for call in answer.get("tool_calls") or () if call.get("id") == native]
        function = (asked[0].get("function") or {}) if asked else {}
        row.calls.append(
            Call(
                name=text(metadata.get("function_name")),
                native_id=native,
                arguments=function.get("arguments"),
                extra={"action": event.get("action")},
            )
        )
        return row

    def _observation(self, event: dict[str, Any], metadata: Any) -> Message:  # noqa: ANN401
        content = event.get("content")
        said = content if isinstance(content, str) else None
        if not isinstance(metadata, dict):
            return Message(
                role_raw=str(event["observation"]), role="system", kind="event", content=said
            )
        failed = event["observation"] == "error"
        result = Result(native_id=text(metadata.get("tool_call_id")), text=said)
        if failed:
            result.status, result.error_source, result.error_class = "error", "explicit", "unknown"
        return Message(
            role_raw=str(event["observation"]),
            role="tool",
            kind="tool_result",
            content=said,
            results=[result],
        )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    if isinstance(value.get("history"), list):
        return LIKELY if value.keys() & {"instance_id", "issue"} else 0.0
    if "kind" in value:
        # The events of the agent SDK say the same in other words; they are not read.
        return 0.0
    ours = value.keys() & {"action", "observation"} and {"source", "timestamp"} <= value.keys()
    return LIKELY if ours and value["source"] in _SOURCES else 0.0


FORMAT = Format("openhands", "OpenHands events", _sniff, _parse, __doc__)

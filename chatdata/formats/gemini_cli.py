"""Gemini CLI sessions: chat recordings (JSON, JSONL since 0.39) and stream-json output.

A recording is an object `{sessionId, projectHash, messages}`, or lines: metadata, messages,
updates `{"$set": …}` (which may repeat messages) and `{"$rewindTo": id}`. A message of a known id
is an update: the last one wins, at the place of the first. Rows that a rewind left are off the
main path. A stream is lines of init, message (pieces with `delta` are one message), tool_use,
tool_result and result; each init begins a conversation.

Gives: times, models, thoughts, tokens, calls with results and outcomes. Call and result are one
object, so there are no tool rows. `tokens.input` holds the cached part (taken out), `output`
leaves out the thoughts (added). A user text that starts `<session_context>` is injected; info,
error and warning are events.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text
from chatdata.formats.gemini_stream import is_stream, streamed
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Usage
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_META_TAKEN = frozenset({"sessionId", "startTime", "lastUpdated", "messages"})
_MESSAGE_TAKEN = frozenset({"id", "timestamp", "type", "content", "toolCalls", "thoughts", "model"})
_CALL_TAKEN = frozenset({"id", "name", "args", "result"})
_STATUSES = {"success": "ok", "error": "error", "cancelled": "cancelled"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = list(reading.records())
    if any(is_stream(record.value) for record in records):
        yield from streamed(records, reading)
        return
    recordings: dict[str | None, _Recording] = {}
    current: _Recording | None = None
    for record in records:
        try:
            current = _take(recordings, current, record)
        except UNEXPECTED:
            reading.reject(record, "not a gemini-cli record")
    for recording in recordings.values():
        yield recording.finished()


class _Recording:
    """One session while its lines are read."""

    def __init__(self, ordinal: int) -> None:
        self.conversation = Conversation(ordinal=ordinal, joins=True, n_records=0)
        self.rows: dict[str, Message] = {}
        self.after: str | None = None

    def meta(self, source: dict[str, Any]) -> None:
        """Take what the session says about itself, and messages that come with it."""
        conversation = self.conversation
        conversation.id = conversation.native_id = text(source.get("sessionId")) or conversation.id
        conversation.created_at = at(source.get("startTime")) or conversation.created_at
        conversation.updated_at = at(source.get("lastUpdated")) or conversation.updated_at
        if source.get("kind") == "subagent":
            conversation.relation = "subagent"
        conversation.extra |= rest(source, _META_TAKEN)
        for item in source.get("messages") or ():
            self.message(item, 0)

    def message(self, source: dict[str, Any], n_records: int) -> None:
        """Add a message, or update the one of its id."""
        row = _message(source)
        row.n_records = n_records
        known = self.rows.get(row.native_id or "")
        if known is not None:
            row.parent, row.n_records = known.parent, known.n_records + n_records
            for name in Message.__struct_fields__:
                setattr(known, name, getattr(row, name))
            return
        row.parent = self.after
        self.after = row.native_id
        if row.native_id:
            self.rows[row.native_id] = row
        self.conversation.messages.append(row)

    def rewind(self, to: str) -> None:
        """Leave the rows after a message behind; what follows branches off there."""
        left = False
        for row in self.conversation.messages:
            if left:
                row.is_main_path = False
            left = left or row.native_id == to
        self.after = to if to in self.rows else self.after

    def finished(self) -> Conversation:
        """Give the conversation."""
        if self.conversation.id is None:
            self.conversation.joins = False
        return self.conversation


def _take(
    recordings: dict[str | None, _Recording], current: _Recording | None, record: Record
) -> _Recording:
    source = record.value
    session = text(source.get("sessionId"))
    if current is None or (session and session != current.conversation.id):
        current = recordings.get(session) or _Recording(record.number)
        recordings[session] = current
    if "$rewindTo" in source:
        current.rewind(source["$rewindTo"])
        current.conversation.n_records += 1
    elif "type" in source and "sessionId" not in source:
        current.message(source, 1)
    else:
        current.meta(source.get("$set", source))
        current.conversation.n_records += 1
    return current


def _message(source: dict[str, Any]) -> Message:
    kind = source["type"]
    if not isinstance(kind, str):
        raise TypeError("the type is no text")
    content = _content(source.get("content"))
    thoughts = source.get("thoughts") or []
    said = [": ".join(filter(None, (t.get("subject"), t.get("description")))) for t in thoughts]
    extra = rest(source, _MESSAGE_TAKEN)
    if content.parts is not None:
        extra["content"] = content.parts
    if thoughts:
        extra["thoughts"] = [rest(t, frozenset({"subject", "description"})) for t in thoughts]
    visible = content.text
    moment = at(source.get("timestamp"))
    note(extra, source, "timestamp", moment)
    injected = kind == "user" and (visible or "").startswith("<session_context>")
    return Message(
        role_raw=kind,
        kind="injected" if injected else "event" if kind in {"info", "error", "warning"} else None,
        content=visible,
        reasoning="\n".join(said) or None,
        native_id=text(source.get("id")),
        model=text(source.get("model")),
        at=moment,
        usage=_usage(source.get("tokens")),
        calls=[_call(item) for item in source.get("toolCalls") or ()],
        extra=extra,
    )


def _content(content: Any) -> Any:  # noqa: ANN401 - a `Content`, of whatever the log holds
    if isinstance(content, list):
        content = [
            {"type": "text", **part} if isinstance(part, dict) and "text" in part else part
            for part in content
        ]
    return split(content)


def _call(source: dict[str, Any]) -> Call:
    responses = [
        part["functionResponse"].get("response")
        for part in source.get("result") or ()
        if isinstance(part, dict) and isinstance(part.get("functionResponse"), dict)
    ]
    call = Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("args"),
        status=_STATUSES.get(str(source.get("status")), "no_result"),
        extra=rest(source, _CALL_TAKEN),
    )
    if responses:
        call.has_result, call.result_key = True, SAME_MESSAGE
        call.result = encode(responses[0] if len(responses) == 1 else responses)
    if call.status == "error":
        call.error_source, call.error_class = "explicit", "unknown"
    return call


def _usage(tokens: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    if not isinstance(tokens, dict):
        return None
    total, cached = tokens.get("input"), tokens.get("cached")
    output, thoughts = tokens.get("output"), tokens.get("thoughts")
    if isinstance(total, int) and isinstance(cached, int) and total >= cached:
        total -= cached
    if isinstance(output, int) and isinstance(thoughts, int):
        output += thoughts
    return Usage(input=total, output=output, cache_read=cached, reasoning=thoughts)


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"sessionId"', '"projectHash"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    if {"projectHash", "sessionId"} <= value.keys() or "$set" in value or "$rewindTo" in value:
        return SURE
    message = value.get("type") in {"user", "gemini"} and {"id", "timestamp"} <= value.keys()
    return LIKELY if is_stream(value) or (message and "content" in value) else 0.0


FORMAT = Format("gemini-cli", "Gemini CLI sessions", _sniff, _parse, __doc__)

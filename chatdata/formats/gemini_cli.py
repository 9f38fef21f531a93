"""Gemini CLI: chat recordings (JSON, and JSONL since 0.39) and `--output-format stream-json`.

A recording is `{sessionId, projectHash, messages: [{id, type, content, toolCalls, tokens}]}` below
`chats/` in the project's temporary folder. As JSONL it is an append-only log: a line of metadata,
lines of messages (the same `id` again is an update: the last one wins, at the place of the first),
`{"$set": {…}}` with metadata or messages once more, and `{"$rewindTo": id}`, which abandons that
message and all after it; abandoned rows stay, off the main path. A call, its result and its status
are one object, so there are no tool rows. A session that stands in a file of each kind is one.

In a stream, consecutive `delta` lines of the assistant are one message, a new `init` is a new
conversation, and the statistics of the end stay in the conversation's `extra`.

Gives: times, models, tokens (`input` without its cached part, `output` with thoughts), reasoning,
calls with results and outcomes. Does not give: times of calls, the project (only its hash).
`info`, `error` and `warning` are events; a first `<session_context>` is `injected`, and what
a sub-agent is asked. The `agentId` of a call names the sub-agent's session.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.gemini_stream import Stream, is_stream
from chatdata.formats.media import without_bytes
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Usage, started
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"sessionId", "startTime", "lastUpdated", "messages"})
_MESSAGE_TAKEN = frozenset(
    {"id", "timestamp", "type", "content", "toolCalls", "thoughts", "model", "tokens"}
)
_CALL_TAKEN = frozenset({"id", "name", "args", "result"})
_THOUGHT_TAKEN = frozenset({"subject", "description"})
_COUNTED = frozenset({"input", "output", "cached", "thoughts"})
_SPOKEN = ("user", "gemini")
_TYPES = frozenset({*_SPOKEN, "info", "error", "warning"})
_SETTABLE = frozenset(
    {"messages", "lastUpdated", "summary", "sessionId", "projectHash", "startTime", "kind"}
    | {"directories", "memoryScratchpad"}
)
_STATUSES = {"success": "ok", "error": "error", "cancelled": "cancelled"}


class _Recording:
    """One conversation while its records are read."""

    def __init__(self, ordinal: int) -> None:
        self.meta: dict[str, Any] = {}
        self.rows: dict[str, Message] = {}
        self.conversation = Conversation(ordinal=ordinal, n_records=0)
        self.branch: str | None = None
        self.branched = False

    def put(self, source: dict[str, Any], reading: Reading, n_records: int) -> None:
        """Add a message, or put its newer state at its place."""
        message = _message(source)
        name = message.native_id or f"#{len(self.rows)}"
        known = self.rows.get(name)
        if known is not None:
            message.parent, message.n_records = known.parent, known.n_records
            if n_records:
                reading.count("part of another record", n_records)
        else:
            message.n_records = n_records
            if self.branched:
                message.parent, self.branched = self.branch, False
        self.rows[name] = message

    def rewind(self, target: str) -> None:
        """Abandon a message and all that follow; an unknown one abandons everything."""
        kept = [name for name, row in self.rows.items() if row.is_main_path]
        place = kept.index(target) if target in kept else 0
        for name in kept[place:]:
            self.rows[name].is_main_path = False
        self.branch = self.rows[kept[place - 1]].native_id if place else None
        self.branched = True

    def finished(self) -> Conversation:
        """Give the conversation, with what only its end tells."""
        meta, conversation = self.meta, self.conversation
        conversation.id = conversation.native_id = text(meta.get("sessionId"))
        conversation.joins = conversation.id is not None
        conversation.created_at = at(meta.get("startTime"))
        conversation.updated_at = at(meta.get("lastUpdated"))
        conversation.relation = "subagent" if meta.get("kind") == "subagent" else None
        conversation.messages = list(self.rows.values())
        if conversation.id is not None:
            for message in conversation.messages:
                message.twin = message.native_id and f"{conversation.id}:{message.native_id}"
        conversation.extra = rest(meta, _TAKEN)
        first = next((row for row in conversation.messages if row.role_raw == "user"), None)
        if first and (first.content or "").lstrip().startswith("<session_context>"):
            first.kind = "injected"
        return conversation

    def hints(self) -> Iterator[Conversation]:
        """Tell which call started each sub-agent."""
        id_ = self.conversation.id
        calls = (call for row in self.conversation.messages for call in row.calls)
        for call in calls:
            if id_ and (agent := text(call.extra.get("agentId"))):
                yield started(agent, id_, call.native_id)


def _parse(reading: Reading) -> Iterator[Conversation]:
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    records = chain([first], records)
    if is_stream(first.value):
        yield from Stream(reading).conversations(records)
    else:
        yield from _recorded(reading, records)


def _recorded(reading: Reading, records: Iterator[Record]) -> Iterator[Conversation]:
    """Read recordings: objects, or the lines of a log; another session is another recording."""
    recording: _Recording | None = None
    for record in records:
        if recording is not None and _is_other(recording, record.value):
            yield recording.finished()
            yield from recording.hints()
            recording = None
        recording = recording or _Recording(record.number)
        try:
            _take(recording, record, reading)
        except UNEXPECTED:
            reading.reject(record, "not a gemini-cli record")
    if recording is not None and (recording.meta or recording.rows):
        yield recording.finished()
        yield from recording.hints()


def _is_other(recording: _Recording, line: Any) -> bool:  # noqa: ANN401 - any JSON value
    if not isinstance(line, dict) or "type" in line:
        return False
    known, found = recording.meta.get("sessionId"), line.get("sessionId")
    return known is not None and found is not None and known != found


def _take(recording: _Recording, record: Record, reading: Reading) -> None:
    line = record.value
    if "$rewindTo" in line:
        recording.rewind(line["$rewindTo"])
        reading.count("part of another record")
    elif "$set" in line or ("sessionId" in line and "type" not in line):
        patch = line.get("$set", line)
        for item in patch.get("messages") or ():
            recording.put(item, reading, 0)
        recording.meta |= rest(patch, frozenset({"messages"}))
        if recording.conversation.n_records:
            reading.count("part of another record")
        recording.conversation.n_records = 1
    else:
        recording.put(line, reading, 1)
    if record.lenient:
        recording.meta["decode"] = "lenient"


def _message(source: dict[str, Any]) -> Message:
    kind = source["type"]
    if not isinstance(kind, str):
        raise TypeError("the type is no text")
    content, parts = _content(source.get("content"))
    moment = at(source.get("timestamp"))
    tokens = source.get("tokens")
    thoughts = source.get("thoughts") or []
    said = [": ".join(filter(None, (t.get("subject"), t.get("description")))) for t in thoughts]
    extra = rest(source, _MESSAGE_TAKEN)
    note(extra, source, "timestamp", moment)
    if parts is not None:
        extra["content"] = parts
    if isinstance(tokens, dict) and (others := rest(tokens, _COUNTED)):
        extra["tokens"] = others
    if any(notes := [rest(thought, _THOUGHT_TAKEN) for thought in thoughts]):
        extra["thoughts"] = notes
    return Message(
        role_raw=kind,
        kind=None if kind in _SPOKEN else "event",
        role=None if kind in _SPOKEN else "system",
        content=content,
        reasoning="\n".join(said) or None,
        native_id=text(source.get("id")),
        model=text(source.get("model")),
        at=moment,
        usage=_usage(tokens),
        calls=[_call(call) for call in source.get("toolCalls") or ()],
        extra=extra,
    )


def _content(content: Any) -> tuple[str | None, list[Any] | None]:  # noqa: ANN401 - as logged
    """Take the texts out of content; parts that are none stay, without their bytes."""
    if content is None or isinstance(content, str):
        return content, None
    texts, shape = [], []
    for part in content if isinstance(content, list) else [content]:
        said = part if isinstance(part, str) else part.get("text")
        if not isinstance(said, str):
            shape.append(without_bytes(part))
            continue
        texts.append(said)
        length = {"n_chars": len(said)}
        shape.append(length if isinstance(part, str) else {**part, "text": length})
    return "\n".join(texts) if texts else None, shape


def _usage(tokens: Any) -> Usage | None:  # noqa: ANN401 - as logged
    if not isinstance(tokens, dict):
        return None
    total, cached = tokens.get("input"), tokens.get("cached")
    output, thoughts = tokens.get("output"), tokens.get("thoughts")
    if isinstance(total, int) and isinstance(cached, int) and total >= cached:
        total -= cached
    if isinstance(output, int) and isinstance(thoughts, int):
        output += thoughts
    return Usage(input=total, output=output, cache_read=cached, reasoning=thoughts)


def _call(source: dict[str, Any]) -> Call:
    result = source.get("result")
    call = Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("args"),
        status=_STATUSES.get(str(source.get("status"))),
        extra=rest(source, _CALL_TAKEN),
    )
    if result is not None:
        call.has_result, call.result_key = True, SAME_MESSAGE
        call.result = result if isinstance(result, str) else _response(result)
    if call.status == "error":
        call.error_source, call.error_class = "explicit", "unknown"
    return call


def _response(result: Any) -> str:  # noqa: ANN401 - as logged
    """Give the tool's response as JSON: alone, or all parts where there are several."""
    parts = result if isinstance(result, list) else [result]
    responses = [
        part["functionResponse"].get("response")
        for part in parts
        if isinstance(part, dict) and isinstance(part.get("functionResponse"), dict)
    ]
    alone = len(responses) == len(parts) == 1
    return encode(without_bytes(responses[0] if alone else result))


def _is_line(value: dict[str, Any]) -> bool:
    spoken = str(value.get("type")) in _TYPES and "message" not in value
    return (
        (isinstance(value.get("$set"), dict) and bool(value["$set"].keys() & _SETTABLE))
        or isinstance(value.get("$rewindTo"), str)
        or (spoken and {"id", "timestamp", "content"} <= value.keys())
    )


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        keys = ('"sessionId"', '"projectHash"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    if {"sessionId", "projectHash"} <= value.keys() or "$rewindTo" in value:
        return SURE
    return LIKELY if is_stream(value) or _is_line(value) else 0.0


FORMAT = Format("gemini-cli", "Gemini CLI sessions", _sniff, _parse, __doc__)

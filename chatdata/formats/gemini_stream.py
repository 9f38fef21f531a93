"""What `gemini --output-format stream-json` prints: lines of one conversation after another."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import UNEXPECTED, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.items import output_text
from chatdata.formats.rows import Call, Conversation, Message
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.formats.records import Record

_CALL_TAKEN = frozenset({"type", "timestamp", "tool_name", "tool_id", "parameters"})
_RESULT_TAKEN = frozenset({"type", "timestamp", "tool_id", "output", "status", "error"})
_SIGNS = {
    "init": "session_id",
    "message": "role",
    "tool_use": "tool_name",
    "tool_result": "tool_id",
    "result": "stats",
    "error": "severity",
}


def is_stream(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a record is a line of such a stream."""
    if not isinstance(value, dict) or "timestamp" not in value or {"uuid", "id"} & value.keys():
        return False
    return _SIGNS.get(str(value.get("type")), "\0") in value


class Stream:
    """Conversations in the making, one at a time."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.conversation = Conversation(n_records=0)
        self.begun = False
        self.model: str | None = None
        self.answer: Message | None = None
        self.open: Message | None = None
        self.calls: dict[str, Call] = {}

    def conversations(self, records: Iterable[Record]) -> Iterator[Conversation]:
        """Yield each conversation when the next one begins."""
        for record in records:
            line = record.value
            try:
                if line["type"] == "init":
                    if self.begun:
                        yield self.conversation
                    self._begin(line, record.number)
                else:
                    self._take(line)
                self.begun = True
            except UNEXPECTED:
                self.reading.reject(record, "not a gemini-cli line")
        if self.begun:
            yield self.conversation

    def _begin(self, line: dict[str, Any], number: int) -> None:
        self.model = text(line.get("model"))
        self.answer, self.open, self.calls = None, None, {}
        id_ = text(line.get("session_id"))
        self.conversation = Conversation(
            ordinal=number,
            id=id_,
            native_id=id_,
            model=self.model,
            created_at=at(line.get("timestamp")),
            extra=rest(line, frozenset({"type", "timestamp", "session_id", "model"})),
        )

    def _take(self, line: dict[str, Any]) -> None:
        kind = line["type"]
        opened, self.open = self.open, None
        if kind == "message":
            self._message(line, opened)
        elif kind == "tool_use":
            self._call(line)
        elif kind == "tool_result":
            self._result(line)
        elif kind == "result":
            self.conversation.extra["result"] = rest(line, frozenset({"type"}))
            self.reading.count("part of another record")
        else:
            row = Message(role_raw=str(kind), role="system", kind="event", n_records=1)
            row.content, row.at = text(line.get("message")), at(line.get("timestamp"))
            row.extra = rest(line, frozenset({"type", "timestamp", "message"}))
            self.conversation.messages.append(row)

    def _message(self, line: dict[str, Any], opened: Message | None) -> None:
        role, content = line["role"], line.get("content")
        if not isinstance(role, str) or not isinstance(content, str | None):
            raise TypeError("a message without a role, or content that is no text")
        delta = line.get("delta") is True
        if opened is not None and delta and opened.role_raw == role:
            opened.content = (opened.content or "") + (content or "")
            self.reading.count("part of another record")
            self.open = opened
            return
        row = Message(role_raw=role, content=content, at=at(line.get("timestamp")), n_records=1)
        row.extra = rest(line, frozenset({"type", "timestamp", "role", "content", "delta"}))
        row.model = self.model if role == "assistant" else None
        self.open = row if delta else None
        self.answer = row if role == "assistant" else None
        self.conversation.messages.append(row)

    def _call(self, line: dict[str, Any]) -> None:
        """Add a call to the last answer of its turn, or to none."""
        call = Call(
            name=text(line.get("tool_name")),
            native_id=text(line.get("tool_id")),
            arguments=line.get("parameters"),
            started_at=at(line.get("timestamp")),
            n_records=1,
            extra=rest(line, _CALL_TAKEN),
        )
        if call.native_id:
            self.calls[call.native_id] = call
        (self.answer or self.conversation).calls.append(call)

    def _result(self, line: dict[str, Any]) -> None:
        """Answer the call of that id; an answer to no call becomes a row."""
        output, error = line.get("output"), line.get("error")
        said = output_text(error if output is None else output)
        extra = rest(line, _RESULT_TAKEN)
        call = self.calls.get(str(line.get("tool_id")))
        if call is None or call.has_result:
            row = Message(role_raw="tool_result", role="tool", kind="tool_result", content=said)
            row.at, row.n_records = at(line.get("timestamp")), 1
            row.extra = {**extra, "results_for": [line.get("tool_id")]}
            self.conversation.messages.append(row)
            return
        self.reading.count("part of another record")
        call.has_result, call.result, call.ended_at = True, said, at(line.get("timestamp"))
        call.extra |= extra
        if error is not None and output is not None:
            call.extra["error"] = error
        _judge(call, line.get("status"), error)


def _judge(call: Call, status: object, error: object) -> None:
    call.status = {"success": "ok", "error": "error"}.get(str(status), "unknown")
    if call.status == "error":
        protocol = isinstance(error, dict) and error.get("type") == "invalid_tool_params"
        call.error_source = "protocol" if protocol else "explicit"
        call.error_class = "invalid_arguments" if protocol else "unknown"

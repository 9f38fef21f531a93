"""What `codex exec --json` prints: events of a thread, its turns and their items.

`thread.started {thread_id}`, `turn.started`, `turn.completed {usage}`, `turn.failed {error}`, and
`item.started`, `item.updated`, `item.completed` with `item {id, type, …}`. Of an item, the last
event counts. Usage is a running total of the thread, so it tells turns apart where a resumed run
counts its items anew; what a thread spent before the first turn of a file goes to that turn. What
was asked is not printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from chatdata.formats.content import text, untold
from chatdata.formats.items import output_text
from chatdata.formats.records import encode
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Usage, added

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.base import Reading
    from chatdata.formats.records import Record

# What an item of a call does, by the keys that say so.
_ARGUMENTS = {
    "command_execution": ("command",),
    "file_change": ("changes",),
    "web_search": ("query",),
    "mcp_tool_call": ("arguments",),
    "collab_tool_call": ("prompt", "receiver_thread_ids"),
}
_STATUSES = {"completed": "ok", "failed": "error", "declined": "denied"}
_COUNTERS = {
    "input_tokens": "input",
    "cached_input_tokens": "cache_read",
    "output_tokens": "output",
    "reasoning_output_tokens": "reasoning",
}


def is_event(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a record is one of these events."""
    kind = value.get("type") if isinstance(value, dict) else None
    if kind == "thread.started":
        return "thread_id" in value
    if kind in {"item.started", "item.updated", "item.completed"}:
        return isinstance(value.get("item"), dict) and "type" in value["item"]
    if kind == "error":
        return {"type", "message"} == set(value)
    return kind in {"turn.started", "turn.completed", "turn.failed"}


class Threads:
    """The threads of a document, which may have been written by several runs of the program."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.by_id: dict[str | None, Thread] = {}
        self.current: str | None = None

    def take(self, record: Record) -> None:
        """Take one event into the thread that it is of."""
        if record.value["type"] == "thread.started":
            self.current = text(record.value["thread_id"])
        if self.current not in self.by_id:
            self.by_id[self.current] = Thread(self.reading)
        self.by_id[self.current].take(record)

    def finished(self) -> Iterator[Conversation]:
        """Give the conversations."""
        for thread in self.by_id.values():
            yield thread.finished()


class Thread:
    """A conversation in the making."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.conversation = Conversation(n_records=0, joins=True)
        self.calls: dict[str, Call] = {}
        self.thoughts: list[dict[str, Any]] = []
        self.answer: Message | None = None
        self.last: Message | None = None
        self.of_turn: list[Message | Call] = []
        self.total: dict[str, int] = {}
        self.unspent: Usage | None = None

    def take(self, record: Record) -> None:
        """Take one event."""
        event = record.value
        kind, item = event["type"], event.get("item")
        if kind == "thread.started" and self.conversation.id is None:
            id_ = text(event.get("thread_id"))
            self.conversation.id = self.conversation.native_id = id_
            self.conversation.n_records += 1
            self.conversation.extra["started"] = untold(event, {"type": kind, "thread_id": id_})
        elif isinstance(item, dict) and item.get("type") in _ARGUMENTS:
            self._call(event, item)
        elif kind == "item.completed" and item["type"] == "agent_message":
            self._answer(event, item)
        elif kind == "item.completed" and item["type"] == "reasoning":
            self.reading.count("part of another record")
            self.thoughts.append(event)
        else:
            self._event(event)

    def finished(self) -> Conversation:
        """Give the conversation."""
        if self.thoughts:
            self.conversation.extra["reasoning_unattached"] = self.thoughts
        if self.unspent:
            self.conversation.extra["usage_unattached"] = msgspec.structs.asdict(self.unspent)
        self.conversation.joins = self.conversation.id is not None
        return self.conversation

    def _answer(self, event: dict[str, Any], item: dict[str, Any]) -> None:
        said = item["text"]
        if not isinstance(said, str):
            raise TypeError("the answer is no text")
        row = Message(role_raw="assistant", content=said, native_id=text(item.get("id")))
        row.n_records = 1
        row.extra["event"] = _without(event, "text", said)
        texts = [thought["item"].get("text") for thought in self.thoughts]
        row.reasoning = "\n".join(t for t in texts if isinstance(t, str) and t) or None
        if self.thoughts:
            kept = zip(self.thoughts, texts, strict=True)
            row.extra["reasoning"] = [_without(thought, "text", said) for thought, said in kept]
        self.thoughts = []
        self.conversation.messages.append(row)
        self.of_turn.append(row)
        self.answer = self.last = row

    def _call(self, event: dict[str, Any], item: dict[str, Any]) -> None:
        kind, id_ = item["type"], text(item.get("id"))
        call = self.calls.get(id_) if id_ and event["type"] != "item.started" else None
        if call is None:
            call = Call(native_id=id_, n_records=1, extra={"events": []})
            if id_:
                self.calls[id_] = call
            self.of_turn.append(call)
            (self.answer or self.conversation).calls.append(call)
        else:
            self.reading.count("part of another record")
        call.name = text(item.get("tool")) or kind
        call.server = text(item.get("server"))
        named = {key: item[key] for key in _ARGUMENTS[kind] if key in item}
        call.arguments = named.get("arguments", named) if kind == "mcp_tool_call" else named
        if event["type"] == "item.completed":
            # A program that is started anew counts its items anew.
            self.calls.pop(id_ or "", None)
            self._end(call, item)
        said = item.get("aggregated_output") if call.has_result else None
        call.extra["events"].append(_without(event, "aggregated_output", said))

    def _end(self, call: Call, item: dict[str, Any]) -> None:
        call.status = _STATUSES.get(str(item.get("status")), "unknown")
        code, error = item.get("exit_code"), item.get("error")
        result = item.get("aggregated_output", item.get("result"))
        if isinstance(error, dict) and result is None:
            result = error.get("message")
        if result is not None:
            call.has_result, call.result_key = True, SAME_MESSAGE
            call.result = output_text(result)
        if isinstance(code, int):
            call.extra["exit_code"] = code
            call.status = "error" if code else "ok"
        if call.status == "error":
            call.error_source, call.error_class = "explicit", "unknown"

    def _event(self, event: dict[str, Any]) -> None:
        """Keep what is neither said nor called; a turn that ends tells the tokens so far."""
        row = Message(role_raw=str(event["type"]), role="system", kind="event", n_records=1)
        row.extra["event"] = event
        self.conversation.messages.append(row)
        if event["type"] in {"thread.started", "turn.started"}:
            self.answer, self.of_turn = None, []
        self.of_turn.append(row)
        if event["type"] == "turn.completed" and isinstance(event.get("usage"), dict):
            self._spend(event["usage"])

    def _spend(self, counts: dict[str, Any]) -> None:
        """Give a turn's tokens to its answer, else to the nearest, and name what it holds."""
        self.unspent, last = added(self.unspent, self._used(counts)), self.answer or self.last
        if last is not None:
            last.usage, self.unspent = added(last.usage, self.unspent), None
        turn = crc32(encode(self.total).encode())
        for place, item in enumerate(self.of_turn if self.conversation.id else ()):
            item.key = f"{self.conversation.id}:{turn}:{item.native_id or f'#{place}'}"

    def _used(self, counts: dict[str, Any]) -> Usage:
        """Give the tokens since the total before; one that falls began anew."""
        now = {key: counts[key] for key in _COUNTERS if isinstance(counts.get(key), int)}
        before = self.total if all(now[k] >= self.total.get(k, 0) for k in now) else {}
        self.total = now
        used = {_COUNTERS[key]: count - before.get(key, 0) for key, count in now.items()}
        if "input" in used:
            used["input"] -= min(used.get("cache_read", 0), used["input"])
        return Usage(**used)


def _without(event: dict[str, Any], key: str, said: Any) -> dict[str, Any]:  # noqa: ANN401 - any JSON value
    """Give an event in which only the length is left of what a column holds."""
    if not isinstance(said, str):
        return event
    return {**event, "item": {**event["item"], key: {"n_chars": len(said)}}}

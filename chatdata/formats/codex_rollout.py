"""One Codex conversation while its file is read: turns, running totals, calls still open."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from chatdata.formats import items
from chatdata.formats.content import rest, text, tool_names
from chatdata.formats.rows import At, Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at

if TYPE_CHECKING:
    from chatdata.formats.base import Reading

_INJECTED = (
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "<collaboration_mode>",
    "<model_switch>",
    "<user_shell_command>",
    "<turn_aborted>",
    "# AGENTS.md",
)
_META_TAKEN = frozenset({"id", "cwd"})
_EXIT_CODE = re.compile(r"^Process exited with code (-?\d+)$", re.MULTILINE)
_MIRROR_ROLES = {"user_message": "user", "agent_message": "assistant"}
_COUNTERS = (
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("cached_input_tokens", "cache_read"),
    ("reasoning_output_tokens", "reasoning"),
)


class Rollout:
    """A conversation in the making."""

    def __init__(self, reading: Reading) -> None:
        self.reading = reading
        self.conversation = Conversation(n_records=0, joins=True)
        self.begun = False
        self.known = False
        self.turn: str | None = None
        self.model: str | None = None
        self.family: str | None = None
        self.n_items = 0
        self.answer: Message | None = None
        self.mirrors: list[tuple[int, Message]] = []
        self.thoughts: list[str] = []
        self.sealed: list[Any] = []
        self.calls: dict[str, list[Call]] = {}
        self.exit_codes: dict[str, int] = {}
        self.total: dict[str, int] | None = None
        self.waiting: Usage | None = None

    def meta(self, payload: dict[str, Any], moment: At | None) -> None:
        """Take the session's own metadata; further ones are those of its ancestors, replayed."""
        id_ = text(payload.get("id"))
        if self.known:
            self.family = id_ or self.family
            self.reading.count("replayed by a fork")
            return
        self.known, self.family = True, id_
        conversation = self.conversation
        conversation.id = conversation.native_id = id_
        conversation.n_records += 1
        conversation.project = text(payload.get("cwd"))
        conversation.created_at = at(payload.get("timestamp")) or moment
        conversation.declared_tools = tool_names(payload.get("dynamic_tools"))
        conversation.extra |= rest(payload, _META_TAKEN)
        self._link(payload)

    def message(self, row: Message, moment: At | None) -> None:
        """Append a message item."""
        self.n_items += 1
        row.at, row.n_records = moment, 1
        start = (row.content or "").lstrip()
        if row.role_raw == "developer" or (row.role_raw == "user" and start.startswith(_INJECTED)):
            row.kind = "injected"
        print_ = crc32((row.content or "").encode("utf-8", "replace"))
        row.twin = (
            f"codex:{self.family}:{self.turn}:{self.n_items}:{print_}" if self.family else None
        )
        row.stamped = self.conversation.parent_id is not None
        if self.turn:
            row.extra["turn_id"] = self.turn
        if row.role_raw == "assistant":
            row.model = self.model
            row.extra |= self._taken_thoughts(row)
            self.answer = row
            if self.waiting:
                row.usage, self.waiting = self.waiting, None
        elif row.role_raw == "user" and row.kind is None:
            self.answer = None
        self.conversation.messages.append(row)

    def event(self, kind: str, payload: dict[str, Any], moment: At | None) -> None:
        """Append what is no message."""
        row = Message(role_raw=kind, role="system", kind="event", at=moment, n_records=1)
        row.extra = dict(payload)
        self.conversation.messages.append(row)

    def compacted(self, payload: dict[str, Any], moment: At | None) -> None:
        """Append the summary of a compaction; the history it replaces repeats messages."""
        history = payload.get("replacement_history")
        summary = text(payload.get("message"))
        row = Message(role_raw="compacted", role="system", at=moment, n_records=1)
        row.kind, row.content = "summary" if summary else "event", summary
        row.extra = rest(payload, frozenset({"message", "replacement_history"}))
        if isinstance(history, list):
            row.extra["replacement_history"] = {"n_items": len(history)}
        self.conversation.messages.append(row)

    def mirror(self, kind: str, payload: dict[str, Any], moment: At | None) -> None:
        """Set a repetition aside, in case the file has no other copy."""
        content = text(payload.get("message"))
        if kind not in _MIRROR_ROLES or content is None:
            self.reading.count("mirrored")
            return
        row = Message(role_raw=_MIRROR_ROLES[kind], content=content, at=moment, n_records=1)
        row.model = self.model if kind == "agent_message" else None
        self.mirrors.append((len(self.conversation.messages), row))

    def call(self, call: Call, moment: At | None) -> None:
        """Append a call to the last assistant message of its turn, or to none."""
        call.started_at, call.n_records = moment, 1
        if call.native_id:
            call.key = f"{self.conversation.id or self.reading.name}:{call.native_id}"
            self.calls.setdefault(call.native_id, []).append(call)
        (self.answer or self.conversation).calls.append(call)
        if call.name == "web_search" and call.status is None:
            status = call.extra.get("status")
            call.status = "ok" if status == "completed" else "unknown"

    def output(self, result: Result, moment: At | None) -> None:
        """Answer the first open call of that id; an output of no call becomes a row."""
        asked = self.calls.get(result.native_id or "", [])
        call = next((call for call in asked if not call.has_result), None)
        if call is None:
            row = Message(role_raw="function_call_output", role="tool", content=result.text)
            row.kind, row.at, row.n_records, row.extra = "tool_result", moment, 1, result.extra
            row.results = [result]
            self.conversation.messages.append(row)
            return
        self.reading.count("part of another record")
        call.has_result, call.result, call.ended_at = True, result.text, moment
        call.status = "unknown"
        call.extra |= result.extra

    def command_ended(self, payload: dict[str, Any]) -> None:
        """Note a command's exit code; its texts repeat the call's output."""
        self.reading.count("part of another record")
        code, id_ = payload.get("exit_code"), text(payload.get("call_id"))
        if id_ is not None and isinstance(code, int):
            self.exit_codes[id_] = code

    def abort(self) -> None:
        """End the calls that wait for a result: the turn was stopped."""
        for asked in self.calls.values():
            for call in asked:
                if not call.has_result:
                    call.status = "cancelled"

    def reasoning(self, item: dict[str, Any]) -> None:
        """Keep thinking for the next assistant message."""
        self.reading.count("part of another record")
        if thought := items.reasoning(item):
            self.thoughts.append(thought)
        if item.get("encrypted_content") is not None:
            self.sealed.append(item["encrypted_content"])

    def tokens(self, info: Any) -> None:  # noqa: ANN401 - whatever the log holds
        """Add the difference between running totals to the last assistant message."""
        total = info.get("total_token_usage") if isinstance(info, dict) else None
        self.reading.count("cumulative")
        if not isinstance(total, dict):
            return
        now = {key: total[key] for key, _ in _COUNTERS if isinstance(total.get(key), int)}
        before = self.total
        if before is None and self.conversation.parent_id is not None:
            last = info.get("last_token_usage")
            last = last if isinstance(last, dict) else {}
            before = {key: value - (last.get(key) or 0) for key, value in now.items()}
        if before and any(value < before.get(key, 0) for key, value in now.items()):
            before = None
        self.total = now
        delta = {key: value - (before or {}).get(key, 0) for key, value in now.items()}
        if any(delta.values()):
            self._use(delta)

    def finished(self) -> Conversation:
        """Give the conversation, with what only its end tells."""
        conversation = self.conversation
        if not any(m.role_raw in {"user", "assistant"} for m in conversation.messages):
            for place, row in reversed(self.mirrors):
                conversation.messages.insert(place, row)
        elif self.mirrors:
            self.reading.count("mirrored", len(self.mirrors), n_messages=len(self.mirrors))
        if self.waiting:
            conversation.extra["usage_unattached"] = msgspec.structs.asdict(self.waiting)
        if self.thoughts or self.sealed:
            conversation.extra["reasoning_unattached"] = self.thoughts + self.sealed
        for asked in self.calls.values():
            for call in asked:
                self._judge(call)
        if conversation.id is None:
            conversation.joins = False
        return conversation

    def _link(self, payload: dict[str, Any]) -> None:
        source = payload.get("source")
        spawn: Any = source.get("subagent") if isinstance(source, dict) else None
        spawn = spawn.get("thread_spawn") if isinstance(spawn, dict) else None
        spawned = spawn.get("parent_thread_id") if isinstance(spawn, dict) else None
        forked = text(payload.get("forked_from_id"))
        parent = text(payload.get("parent_thread_id")) or text(spawned)
        conversation = self.conversation
        if parent or payload.get("thread_source") == "subagent":
            conversation.relation, conversation.parent_id = "subagent", parent or forked
        elif forked:
            conversation.relation, conversation.parent_id = "fork", forked
        self.family = conversation.parent_id or self.family

    def _taken_thoughts(self, row: Message) -> dict[str, Any]:
        row.reasoning = "\n".join(self.thoughts) or None
        extra = {"encrypted_reasoning": self.sealed} if self.sealed else {}
        self.thoughts, self.sealed = [], []
        return extra

    def _use(self, delta: dict[str, int]) -> None:
        read = Usage(**{name: delta[key] for key, name in _COUNTERS if key in delta})
        if read.input is not None and read.cache_read is not None:
            read.input -= read.cache_read
        last = next(
            (m for m in reversed(self.conversation.messages) if m.role_raw == "assistant"), None
        )
        if last is None:
            self.waiting = _added(self.waiting, read)
        else:
            last.usage = _added(last.usage, read)

    def _judge(self, call: Call) -> None:
        """Set a call's status by its exit code, where one is recorded."""
        code = self.exit_codes.get(call.native_id or "", _exit_code(call.result))
        if code is None or not call.has_result:
            return
        call.extra["exit_code"] = code
        call.status = "error" if code else "ok"
        if code:
            call.error_source, call.error_class = "explicit", "unknown"


def _exit_code(result: str | None) -> int | None:
    """Find an exit code in an output: in its metadata, or on the fixed line before the output."""
    if result is None:
        return None
    if result.startswith("{"):
        try:
            code = msgspec.json.decode(result)["metadata"]["exit_code"]
        except (msgspec.DecodeError, KeyError, TypeError):
            return None
        return code if isinstance(code, int) else None
    found = _EXIT_CODE.search(result.split("\nOutput:", 1)[0])
    return int(found.group(1)) if found else None


def _added(before: Usage | None, more: Usage) -> Usage:
    if before is None:
        return more
    pairs = ((name, getattr(before, name), getattr(more, name)) for name in Usage.__struct_fields__)
    return Usage(**{n: (a or 0) + (b or 0) for n, a, b in pairs if a is not None or b is not None})

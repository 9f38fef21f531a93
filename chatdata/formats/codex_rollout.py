"""One Codex conversation while its file is read: turns, running totals, calls still open."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any
from zlib import crc32

import msgspec

from chatdata.formats import items
from chatdata.formats.codex_lines import Line, refer
from chatdata.formats.codex_outcomes import agent_id, exit_code, judge_by_server, stopped_by
from chatdata.formats.codex_tokens import Tokens
from chatdata.formats.content import absent, cut, keep, mcp_server, text, tool_names, untold
from chatdata.formats.records import encode
from chatdata.formats.rows import Call, Conversation, Message, started
from chatdata.formats.times import at, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.base import Reading

_META, _ITEM = "session_meta", "response_item"
_INJECTED = (
    "<environment_context>",
    "<user_instructions>",
    "<permissions instructions>",
    "<collaboration_mode>",
    "<model_switch>",
    "<user_shell_command>",
    "<turn_aborted>",
    "<skill>",
    "<subagent_notification>",
    "<user_action>",
    "<hook_prompt",
    "<goal_context>",
    "<recommended_plugins>",
    "# AGENTS.md",
)
_MIRROR_ROLES = {"user_message": "user", "agent_message": "assistant"}
_UUID = 32


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
        self.met: Counter[tuple[str | None, int]] = Counter()
        self.answer: Message | None = None
        self.run: str | None = None
        self.mirrors: list[tuple[int, Message, dict[str, Any]]] = []
        self.thoughts: list[dict[str, Any]] = []
        self.calls: dict[str, list[Call]] = {}
        self.of_turn: list[Call] = []
        self.outcomes: dict[str, dict[str, Any]] = {}
        self.ends: dict[str, list[Line]] = {}
        self.spent = Tokens()
        self.goes_on_from: str | None = None
        self.undone = False
        self.spawned: list[tuple[str, str]] = []

    def meta(self, line: Line) -> None:
        """Take the session's own metadata; further ones are those of its ancestors, replayed."""
        payload = line.payload
        id_ = text(payload.get("id"))
        if self.known:
            own = id_ == self.conversation.id
            self.family = id_ or self.family
            self.reading.count("mirrored" if own else "replayed by a fork")
            self._beside(line.source)
            return
        self.known, self.family = True, id_
        conversation = self.conversation
        conversation.id = conversation.native_id = id_
        conversation.n_records += 1
        conversation.project = text(payload.get("cwd"))
        conversation.created_at = at(payload.get("timestamp")) or line.at
        conversation.declared_tools = tool_names(payload.get("dynamic_tools"))
        conversation.extra |= untold(payload, {"id": id_, "cwd": conversation.project})
        conversation.extra |= line.around(_META, timed=False)
        self._link(payload)

    def message(self, line: Line) -> None:
        """Append a message item."""
        row = items.message(line.payload)
        row.extra |= absent(line.payload, ("type",))
        start = (row.content or "").lstrip()
        if row.role_raw == "developer" or (row.role_raw == "user" and start.startswith(_INJECTED)):
            row.kind = "injected"
        self._append(row, line, _ITEM, row.content or "")
        if self.turn:
            row.extra["turn"] = self.turn
        if row.role_raw == "assistant":
            row.model = self.model
            self.run = self.run or f"{self._name}:{len(self.conversation.messages)}"
            row.generation_id = self.run
            self._take_thoughts(row)
            self.answer = row
            self.spent.spend_on(row)
            return
        self.run = None
        if row.role_raw == "user" and row.kind is None:
            self.spent.spend_on(self._last_answer())
            self.answer = None
            self.of_turn.clear()

    def event(self, kind: str, line: Line, line_kind: str, payload: dict[str, Any]) -> None:
        """Append what is no message."""
        row = Message(role_raw=kind, role="system", kind="event", extra=dict(payload))
        self._append(row, line, line_kind, encode(payload))

    def compacted(self, line: Line) -> None:
        """Append the summary of a compaction; the history it replaces repeats messages."""
        payload = line.payload
        summary = text(payload.get("message"))
        row = Message(role_raw="compacted", role="system", content=summary)
        row.kind = "summary" if summary else "event"
        history = payload.get("replacement_history")
        repeated = history if isinstance(history, list) else None
        row.extra = untold(payload, {"message": summary, "replacement_history": repeated})
        self._append(row, line, "compacted", summary or "")
        if repeated is not None:
            keep(row.extra, "beside", {"replacement_history": repeated})

    def mirror(self, line: Line) -> None:
        """Set a repetition aside, in case the file has no other copy."""
        kind = str(line.payload.get("type"))
        content = text(line.payload.get("message"))
        kept = self._beside(line.source)
        if kind not in _MIRROR_ROLES or content is None:
            self.reading.count("mirrored")
            return
        row = Message(role_raw=_MIRROR_ROLES[kind], content=content, at=line.at, n_records=1)
        row.model = self.model if kind == "agent_message" else None
        self.mirrors.append((len(self.conversation.messages), row, kept))

    def call(self, line: Line) -> None:
        """Append a call to the last assistant message of its turn, or to none."""
        call = items.call(line.payload)
        call.started_at, call.n_records = line.at, 1
        call.server = call.server or mcp_server(call.name)
        call.extra |= line.around(_ITEM)
        call.stamped = self.conversation.parent_id is not None
        call.twin = self._twin("call", call.native_id or encode(line.payload))
        self.calls.setdefault(call.native_id or "", []).append(call)
        self.of_turn.append(call)
        (self.answer or self.conversation).calls.append(call)
        if call.name == "web_search" and call.status is None:
            call.status = "ok" if line.payload.get("status") == "completed" else "unknown"

    def output(self, line: Line) -> None:
        """Answer the first open call of that id; an output of no call becomes a row."""
        self.run = None
        result = items.output(line.payload)
        asked = self.calls.get(result.native_id or "", [])
        call = next((call for call in asked if not call.has_result), None)
        if call is None:
            row = Message(role_raw="function_call_output", role="tool", content=result.text)
            row.kind, row.results, row.extra = "tool_result", [result], {}
            self._append(row, line, _ITEM, f"{result.native_id} {result.text}")
            return
        self.reading.count("part of another record")
        if call.name == "spawn_agent" and (agent := agent_id(result.text)):
            self.spawned.append((agent, result.native_id or ""))
        call.has_result, call.result, call.ended_at = True, result.text, line.at
        call.status, call.error_source, call.error_class = (
            result.status,
            result.error_source,
            result.error_class,
        )
        around = line.around(_ITEM)
        call.extra |= result.extra
        if around:
            call.extra["result"] = call.extra.get("result", {}) | around

    def command_ended(self, line: Line) -> None:
        """Note how a command ended; its texts repeat the call's output, as a rule."""
        self.reading.count("part of another record")
        id_ = text(line.payload.get("call_id"))
        if id_ is None:
            self._beside(line.source)
        else:
            self.ends.setdefault(id_, []).append(line)

    def mcp_ended(self, payload: dict[str, Any]) -> None:
        """Note what a server said of a call: its answer, which may be a failure, or none."""
        id_, outcome = text(payload.get("call_id")), payload.get("result")
        if id_ is not None and isinstance(outcome, dict):
            self.outcomes[id_] = outcome

    def roll_back(self, n_turns: object) -> None:
        """Take the last turns off the main path; what follows goes on from the row before them."""
        rows = self.conversation.messages
        typed = [
            place
            for place, row in enumerate(rows)
            if row.role_raw == "user" and row.kind is None and row.is_main_path
        ]
        if not isinstance(n_turns, int) or n_turns < 1 or not typed:
            return
        begin = typed[-min(n_turns, len(typed))]
        for row in rows[begin:]:
            row.is_main_path = False
        before = next((row for row in reversed(rows[:begin]) if row.is_main_path), None)
        self.undone, self.goes_on_from = True, None
        if before is not None:
            self.goes_on_from = f"{self._name}:row {begin}"
            before.aliases = (*before.aliases, self.goes_on_from)

    def abort(self) -> None:
        """End the calls of the turn that wait for a result: it was stopped."""
        for call in self.of_turn:
            if not call.has_result and call.status is None:
                call.status = "cancelled"

    def reasoning(self, line: Line) -> None:
        """Keep thinking for the next assistant message."""
        self.reading.count("part of another record")
        self.thoughts.append({**line.payload, **line.around(_ITEM), "at": line.at})

    def tokens(self, line: Line) -> None:
        """Add the difference between running totals to the last assistant message."""
        self.reading.count("cumulative")
        self._beside(line.source)
        info, inherits = line.payload.get("info"), self.conversation.parent_id is not None
        usage = self.spent.since(info, inherits=inherits)
        if usage is not None:
            self.spent.keep(usage, len(self.mirrors))
            self.spent.spend_on(self.answer)

    def finished(self) -> Conversation:
        """Give the conversation, with what only its end tells."""
        conversation = self.conversation
        if not any(m.role_raw in {"user", "assistant"} for m in conversation.messages):
            self._read_mirrors()
        elif self.mirrors:
            self.reading.count("mirrored", len(self.mirrors), n_messages=len(self.mirrors))
        self.spent.spend_on(self._last_answer())
        if any(msgspec.structs.astuple(rest := self.spent.take())):
            conversation.extra["usage_unattached"] = msgspec.structs.asdict(rest)
        if self.thoughts:
            conversation.extra["reasoning_unattached"] = [_stamped(t) for t in self.thoughts]
        for asked in self.calls.values():
            for call in asked:
                self._judge(call)
        for line in (line for lines in self.ends.values() for line in lines):
            keep(conversation.extra, "beside", line.source)
        refer(conversation)
        if conversation.id is None:
            conversation.joins = False
        return conversation

    def hints(self) -> Iterator[Conversation]:
        """Tell which call started each sub-agent; a fork replays calls that are its parent's."""
        id_ = self.conversation.id
        if id_ and self.conversation.relation != "fork":
            for agent, call in self.spawned:
                yield started(agent, id_, call)

    @property
    def _name(self) -> str:
        return self.conversation.id or f"{self.reading.name}#1"

    def _append(self, row: Message, line: Line, kind: str, said: str) -> None:
        row.at, row.n_records = line.at, 1
        if self.undone:
            row.parent, self.undone = self.goes_on_from, False
        row.extra |= line.around(kind)
        row.twin = self._twin(row.role_raw, said)
        row.stamped = self.conversation.parent_id is not None
        self.conversation.messages.append(row)

    def _twin(self, kind: str, said: str) -> str | None:
        """Name what a replay keeps: the turn, and which one it is of all that say the same."""
        # The id of a turn says by itself where it comes from, if it is more than a number.
        everywhere = self.turn is not None and len(self.turn) >= _UUID
        if self.family is None and not everywhere:
            return None
        print_ = crc32(f"{kind} {said}".encode("utf-8", "replace"))
        self.met[self.turn, print_] += 1
        turn = self.turn if everywhere else f"{self.family}:{self.turn}"
        return f"codex:{turn}:{print_}:{self.met[self.turn, print_]}"

    def _beside(self, source: dict[str, Any]) -> dict[str, Any]:
        """Keep a line that makes no row with the row before it."""
        rows = self.conversation.messages
        extra = rows[-1].extra if rows else self.conversation.extra
        keep(extra, "beside", source)
        return source

    def _read_mirrors(self) -> None:
        """Read the texts of a file that has no other copy of them."""
        rows = self.conversation.messages
        read = {id(kept) for _, _, kept in self.mirrors}
        for extra in (self.conversation.extra, *(row.extra for row in rows)):
            kept = [line for line in extra.pop("beside", ()) if id(line) not in read]
            if kept:
                extra["beside"] = kept
        for place, row, line in reversed(self.mirrors):
            row.extra = untold(line["payload"], {"message": row.content}) | {"mirror": True}
            row.extra |= Line.of(line).around("event_msg")
            rows.insert(place, row)
        self.spent.spend_by_place([row for _, row, _ in self.mirrors])

    def _link(self, payload: dict[str, Any]) -> None:
        source = payload.get("source")
        begun: Any = source.get("subagent") if isinstance(source, dict) else None
        spawn = begun.get("thread_spawn") if isinstance(begun, dict) else None
        spawned = spawn.get("parent_thread_id") if isinstance(spawn, dict) else None
        forked = text(payload.get("forked_from_id"))
        parent = text(payload.get("parent_thread_id")) or text(spawned)
        conversation = self.conversation
        if parent or begun or payload.get("thread_source") == "subagent":
            conversation.relation, conversation.parent_id = "subagent", parent or forked
        elif forked:
            conversation.relation, conversation.parent_id = "fork", forked
        self.family = conversation.parent_id or self.family

    def _take_thoughts(self, row: Message) -> None:
        texts = [said for thought in self.thoughts if (said := items.reasoning(thought))]
        row.reasoning = "\n".join(texts) or None
        if self.thoughts:
            row.extra["reasoning"] = [items.without_thoughts(_stamped(t)) for t in self.thoughts]
        self.thoughts = []

    def _last_answer(self) -> Message | None:
        rows = reversed(self.conversation.messages)
        return next((row for row in rows if row.role_raw == "assistant"), None)

    def _judge(self, call: Call) -> None:
        """Set a call's status by its exit code, where one is recorded, and keep its times."""
        if (outcome := self.outcomes.get(call.native_id or "")) and call.has_result:
            judge_by_server(call, outcome)
        ends = self.ends.pop(call.native_id, []) if call.native_id else []
        codes = [line.payload.get("exit_code") for line in ends]
        recorded = next((code for code in codes if isinstance(code, int)), None)
        if ends:
            call.extra["ends"] = [cut(line.source, call.result or "") for line in ends]
        code = recorded if recorded is not None else exit_code(call.result)
        if call.status == "unknown":
            call.status = stopped_by(call.result) or call.status
        if code is not None and call.has_result:
            call.extra["exit_code"] = code
            call.status = "error" if code else "ok"
            call.error_source = "explicit" if code else None
            call.error_class = "unknown" if code else None
        if call.started_at is None or call.ended_at is None:
            for moment, extra in (
                (call.started_at, call.extra),
                (call.ended_at, call.extra.setdefault("result", {})),
            ):
                if moment is not None:
                    extra.setdefault("line", {})["timestamp"] = spelled(moment, "")
            if not call.extra["result"]:
                del call.extra["result"]


def _stamped(thought: dict[str, Any]) -> dict[str, Any]:
    """Write the time of a reasoning item, for which no column is left."""
    moment = thought.pop("at")
    if moment is not None and "timestamp" not in thought.get("line", {}):
        thought["line"] = {**thought.get("line", {}), "timestamp": spelled(moment, "")}
    return thought

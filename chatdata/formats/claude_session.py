"""One Claude Code conversation while its file is read: responses merged, calls still open."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import blocks
from chatdata.formats.claude_response import Response, merge, response_row
from chatdata.formats.content import cut, keep, split, text
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import At, Call, Conversation, Message
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    from chatdata.formats.base import Reading

_STEADY = ("cwd", "version", "gitBranch", "userType", "entrypoint", "isSidechain", "agentId")
_TAKEN = frozenset({"uuid", "parentUuid", "sessionId", "timestamp", "message", "type"})
_TAKEN_RESULT = _TAKEN | {"toolUseResult"}
_NUMBERED = re.compile(r"(.*?)[\W_]*\d{1,4}")
_DENIED = (
    "The user doesn't want to",
    "Claude requested permissions",
    "This command requires approval",
    "The agent proposed a plan that was rejected by the user",
    "Permission for this tool use was denied",
    "Permission to use ",
    "User rejected tool use",
)
_STOPPED = (
    "[Request interrupted by user",
    "Interrupted by user",
    "<tool_use_error>Cancelled: parallel tool call",
    "<tool_use_error>Sibling tool call errored",
)
_COMMANDS = (
    "<command-name>",
    "<command-message>",
    "<local-command-stdout>",
    "<local-command-stderr>",
    "<user-memory-input>",
    "<bash-input>",
    "<bash-stdout>",
    "<bash-stderr>",
)
_INJECTED = (
    "<system-reminder>",
    "<task-notification>",
    "<bash-notification>",
    "<agent-notification>",
    "<teammate-message",
    "<cross-session-message",
    "<user-prompt-submit-hook>",
    "<local-command-caveat>",
    "Caveat:",
)
# What the program or an editor adds stands alone, or before what a person wrote.
_ADDED = re.compile(r"<(ide_selection|ide_opened_file|system-reminder)>.*?</\1>\s*", re.DOTALL)
_CONTINUED = "This session is being continued from a previous conversation"
# Rows that hang beside the chain: parallel results, notes of the program.
_BESIDE = frozenset({"tool_result", "event", "injected"})
_INTERRUPTED = "[Request interrupted by user"


def user_kind(source: dict[str, Any], content: str | None) -> str:
    """Say what a user record without results is: typed by a person, or written by the program."""
    start = (content or "").lstrip()
    if source.get("isMeta"):
        return "injected"
    if source.get("isSynthetic") and not start.startswith(_CONTINUED):
        return "injected"
    if source.get("isCompactSummary") or source.get("isSynthetic"):
        return "summary"
    if start.startswith(_COMMANDS):
        return "command"
    typed = _ADDED.sub("", start) if start.startswith("<") else start
    if typed.startswith(_INJECTED) or (start and not typed):
        return "injected"
    return "event" if start.startswith(_INTERRUPTED) else "chat"


@dataclass
class Session:
    """A conversation in the making.

    Attributes:
        steady: what every record of the session repeats, as the first one has it.
        expected: the keys that every record has, as a rule.
        responses: API responses by `message.id`.
        uuids: the row of every record, by uuid.
        open_calls: calls without a result so far, by id.
        queue: prompts that were typed while the agent was busy.
        hints: what this session tells about others: the call that started a sub-agent.
    """

    conversation: Conversation
    id: str | None
    steady: dict[str, Any] = field(default_factory=dict)
    expected: dict[str, Any] = field(default_factory=dict)
    responses: dict[str, Response] = field(default_factory=dict)
    uuids: dict[str, Message] = field(default_factory=dict)
    open_calls: dict[str, Call] = field(default_factory=dict)
    queue: list[Message] = field(default_factory=list)
    hints: list[Conversation] = field(default_factory=list)
    sidechain: set[int] = field(default_factory=set)

    @classmethod
    def of(cls, source: dict[str, Any], session: str | None, agent: str | None) -> Session:
        """Begin a conversation with its first record."""
        id_ = f"{session}/{agent}" if agent and session else session
        conversation = Conversation(
            id=id_,
            native_id=agent or session,
            n_records=0,
            joins=True,
        )
        if agent:
            conversation.relation, conversation.parent_id = "subagent", session
            conversation.parent_call = text(source.get("parent_tool_use_id"))
        if source.get("sessionKind") == "bg":
            conversation.relation = "fork"
        return cls(conversation, session)

    def rest(self, source: dict[str, Any]) -> dict[str, Any]:
        """Give what no column took, without what every record of the session repeats."""
        taken = _TAKEN_RESULT if source.get("type") == "user" else _TAKEN
        if not text(source.get("uuid")):
            # Markers never carry what the others repeat.
            extra = {key: value for key, value in source.items() if key not in taken}
            missing = [] if "sessionId" in source else ["sessionId"]
        else:
            if not self.steady:
                self.steady = {key: source[key] for key in _STEADY if key in source}
                self.expected = {**self.steady, "sessionId": self.id, "parentUuid": None}
                self.conversation.project = text(source.get("cwd"))
            steady = self.steady
            extra = {
                key: value
                for key, value in source.items()
                if key not in taken and (key not in steady or steady[key] != value)
            }
            present = source.keys() >= self.expected.keys()
            missing = [] if present else [key for key in self.expected if key not in source]
        if missing:
            extra["absent"] = missing
        for key, told in (("sessionId", self.id), ("uuid", text(source.get("uuid")))):
            if key in source and source[key] != told:
                extra[key] = source[key]
        return extra

    def add(self, row: Message, source: dict[str, Any]) -> None:
        """Append a row; its record may be merged into one that is there already."""
        uuid = text(source.get("uuid"))
        parent = text(source.get("parentUuid")) or text(source.get("logicalParentUuid"))
        if uuid is not None:
            self.uuids[uuid] = row
        if row.n_records:
            row.aliases += (uuid,) if uuid else ()
            return
        row.n_records = 1
        row.parent = parent
        if row.key is None:
            row.key = row.native_id = uuid
        elif uuid is not None:
            row.aliases = (uuid,)
        before = self.uuids.get(parent) if parent else None
        named = source.get("parentUuid")
        if named is not None and (before is None or before.key != named):
            # The parent is a record that was merged into another row, or stands elsewhere.
            row.extra["parentUuid"] = named
        row.stamped = "forkedFrom" in source or (
            bool(source.get("isSidechain")) and self.conversation.relation == "subagent"
        )
        if source.get("isSidechain") and self.conversation.relation != "subagent":
            self.sidechain.add(len(self.conversation.messages))
        self.conversation.messages.append(row)

    def response(self, source: dict[str, Any], body: dict[str, Any], reading: Reading) -> Message:
        """Read a record of an API response into its row, new or begun by an earlier record."""
        content = split(body.get("content"), blocks.claims)
        calls = [blocks.call(b) for b in content.others if b.get("type") in blocks.CALLS]
        results = [blocks.result(b) for b in content.others if blocks.is_result(b.get("type"))]
        usage = blocks.usage(body.get("usage"))
        # What is not as it should be has raised by now; from here on things are put in place.
        id_ = text(body.get("id"))
        moment = at(source.get("timestamp"))
        response = self.responses.get(id_) if id_ else None
        extra = self.rest(source)
        uuid = text(source.get("uuid"))
        if uuid:
            extra["uuid"] = uuid
        if response is None:
            response = Response(response_row(source, body, id_, moment))
            if id_:
                self.responses[id_] = response
            note(extra, source, "timestamp", moment)
            response.row.extra = extra
        else:
            if "timestamp" in source:
                extra["timestamp"] = source["timestamp"]
            if source.get("parentUuid") != response.uuid and "parentUuid" in source:
                extra["parentUuid"] = source["parentUuid"]
            keep(response.row.extra, "records", extra)
        response.uuid = uuid
        row = response.row
        tokens = merge(response, content, body, usage, extra)
        if row.n_records:
            reading.count("part of another record", n_messages=1, output_tokens=tokens)
        for call in calls:
            self._add_call(row, call, moment)
        row.results += results
        return row

    def answer(
        self,
        row: Message,
        source: dict[str, Any],
        results: list[dict[str, Any]],
        moment: At | None,
    ) -> None:
        """Read the results of a user record.

        What the tool returned as a structure goes along, its texts as places in the result's.
        """
        structured, denial = source.get("toolUseResult"), text(source.get("toolDenialKind"))
        light = _light(structured)
        row.results = [blocks.result(block) for block in results]
        for result in row.results:
            result.ended_at = moment
            if result.status == "error" and (stopped := _stopped(result.text or "", denial)):
                result.status = stopped
                result.error_source = result.error_class = None
            if structured is not None:
                result.extra["toolUseResult"] = cut(light, result.text or "")
            self.open_calls.pop(result.native_id or "", None)
            agent = structured.get("agentId") if isinstance(structured, dict) else None
            if text(agent) and self.conversation.id:
                self.hints.append(
                    Conversation(
                        id=f"{self.conversation.id.split('/')[0]}/{agent}",
                        hint=True,
                        joins=True,
                        n_records=0,
                        parent_call=result.native_id,
                    )
                )
        if "toolUseResult" in source and (structured is None or not results):
            row.extra["toolUseResult"] = light

    def interrupt(self) -> None:
        """End the calls that wait for a result: the user stopped the agent."""
        for call in self.open_calls.values():
            call.status = "cancelled"
        self.open_calls.clear()

    def queued(self, source: dict[str, Any], prompt: str) -> Message:
        """Read a prompt that was typed while the agent was busy, or came from another agent."""
        origin = (source.get("attachment") or {}).get("origin")
        is_peer = isinstance(origin, dict) and origin.get("kind") == "peer"
        row = Message(
            role_raw="attachment",
            role="user",
            kind="injected" if is_peer or prompt.startswith("<task-notification>") else "chat",
            content=prompt,
            at=at(source.get("timestamp")),
            extra=self.rest(source),
        )
        note(row.extra, source, "timestamp", row.at)
        self.queue.append(row)
        return row

    def finished(self, reading: Reading) -> Conversation:
        """Give the conversation, with what only its end tells."""
        self._drop_queued()
        self._take_results_alone()
        if self.conversation.relation == "subagent":
            beside = _beside(reading)
            self.conversation.agent = text(beside.get("agentType"))
            self.conversation.parent_call = self.conversation.parent_call or text(
                beside.get("toolUseId")
            )
        self._mark_main_path()
        if self.steady:
            self.conversation.extra["record"] = self.steady
        return self.conversation

    def _take_results_alone(self) -> None:
        """Read answers out of the ends of runs, where the session has nothing else."""
        rows = self.conversation.messages
        for row in rows if all(row.role_raw == "result" for row in rows) else ():
            said = row.extra.get("result")
            if isinstance(said, str):
                row.role, row.kind, row.content = "assistant", "chat", said
                row.usage = blocks.usage(row.extra.get("usage"))
                row.extra["result"] = {"n_chars": len(said)}

    def _drop_queued(self) -> None:
        """Make events of queued prompts that a later record has as well, each of one record."""
        queued = {id(row) for row in self.queue}
        waiting: dict[str | None, list[Message]] = {}
        for row in self.conversation.messages if queued else ():
            if id(row) in queued:
                waiting.setdefault(row.content, []).append(row)
            elif row.role_raw == "user" and waiting.get(row.content):
                again = waiting[row.content].pop(0)
                again.role, again.kind = "system", "event"

    def _add_call(self, row: Message, call: Call, moment: At | None) -> None:
        if call.native_id and any(known.native_id == call.native_id for known in row.calls):
            return
        # Other providers behind the same program number a tool's calls anew in each session.
        numbered = _NUMBERED.fullmatch(call.native_id or "")
        if numbered is None or not numbered[1].endswith((call.name or "call", "call")):
            call.key = call.native_id
        call.started_at = moment
        row.calls.append(call)
        if call.native_id:
            self.open_calls[call.native_id] = call

    def _mark_main_path(self) -> None:
        """Walk from the last row back over parents; a chain that starts anew goes on before it."""
        rows = self.conversation.messages
        place = {id(row): number for number, row in enumerate(rows)}
        seen: set[int] = set()
        walk = [n for n, row in enumerate(rows) if n not in self.sidechain and row.parent]
        number = walk[-1] if walk else -1
        while number >= 0 and number not in seen:
            seen.add(number)
            parent = rows[number].parent
            before = self.uuids.get(parent) if isinstance(parent, str) else None
            number = place[id(before)] if before is not None else self._before(number)
        for number, row in enumerate(rows):
            if number not in seen and row.kind in _BESIDE and isinstance(row.parent, str):
                before = self.uuids.get(row.parent)
                if before is None or place[id(before)] in seen:
                    seen.add(number)
            unplaced = row.parent is None and number not in self.sidechain
            row.is_main_path = number in seen or unplaced

    def _before(self, number: int) -> int:
        """Find the row before one that, like it, belongs to the main chain."""
        rows = self.conversation.messages
        return next(
            (
                n
                for n in range(number - 1, -1, -1)
                if n not in self.sidechain and rows[n].role_raw in {"user", "assistant"}
            ),
            -1,
        )


def _stopped(said: str, denial: str | None) -> str | None:
    """Say how a call was kept from running, if it was: by the record's word, or by fixed words."""
    if denial:
        return "cancelled" if denial == "interrupted" else "denied"
    if said.startswith(_STOPPED):
        return "cancelled"
    return "denied" if said.startswith(_DENIED) else None


def _light(structured: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Keep a structured result; only images are looked through for bytes."""
    if isinstance(structured, dict) and structured.get("type") in {"image", "pdf"}:
        return without_bytes(structured)
    return structured


def _beside(reading: Reading) -> dict[str, Any]:
    """Read the small file that lies beside a sub-agent's log, if it is there."""
    try:
        beside = Path(reading.document.path).with_suffix(".meta.json").read_bytes()
        found = msgspec.json.decode(beside)
    except (OSError, msgspec.DecodeError):
        return {}
    return found if isinstance(found, dict) else {}

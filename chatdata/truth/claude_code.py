"""Claude Code sessions: the format in which most is repeated."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatdata.truth.api import block_usage, blocks, result_block
from chatdata.truth.files import lines, whole
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from chatdata.truth.script import Answer, Script, Talk


# A result that nobody asked for.
_STRAY = {"type": "tool_result", "tool_use_id": "toolu_of_nobody", "content": "a stray result"}


@dataclass
class _Session:
    """A file that is being written."""

    talk: Talk
    script: Script
    clock: Iterator[datetime]
    records: list[dict[str, Any]] = field(default_factory=list)
    last: str | None = None

    def add(self, kind: str, message: dict[str, Any], **more: object) -> None:
        uuid = self.script.uuid()
        self.records.append(
            {
                "parentUuid": self.last,
                "isSidechain": False,
                "userType": "external",
                "cwd": "/home/mona/app",
                "sessionId": self.talk.id,
                "version": "2.1.0",
                "gitBranch": "main",
                "type": kind,
                "message": message,
                "uuid": uuid,
                "timestamp": iso(next(self.clock)),
                **more,
            }
        )
        self.last = uuid

    def ask(self, prompt: str) -> None:
        self.add("user", {"role": "user", "content": prompt})

    def answer(self, answer: Answer) -> None:
        """Write a response as Claude Code does: a record per block, each with the usage so far."""
        parts = blocks(answer)
        for place, part in enumerate(parts, 1):
            whole_usage = block_usage(answer)
            so_far = {**whole_usage, "output_tokens": answer.n_output * place // len(parts)}
            message = {
                "id": answer.id,
                "type": "message",
                "role": "assistant",
                "model": self.talk.model,
                "content": [part],
                "stop_reason": "end_turn" if place == len(parts) else None,
                "stop_sequence": None,
                "usage": so_far,
            }
            self.add("assistant", message, requestId=f"req_{answer.id}")

    def results(self, answer: Answer) -> None:
        for call in answer.results:
            structured = {"stdout": call.result, "interrupted": False}
            content = [result_block(call)]
            self.add("user", {"role": "user", "content": content}, toolUseResult=structured)


def claude_code(script: Script) -> Case:
    """Sessions, a resumed one, a fork, a sub-agent in a file of its own, a damaged last line.

    What a resumed or forked session copied is counted in the session that it comes from.
    """
    tally = Tally()
    files: dict[str, bytes] = {}
    project = "-home-mona-app"

    def write(name: str, records: list[dict[str, Any]], *, tail: bytes = b"") -> None:
        files[f"{project}/{name}.jsonl"] = lines(records) + tail
        tally.records += len(records)

    talks = script.talks(4)
    sessions = [_written(talk, script, tally) for talk in talks]
    plain, resumed, forked, parent = sessions
    plain.add("user", {"role": "user", "content": [_STRAY]})
    tally.say("tool")
    write(plain.talk.id, _marked(plain), tail=b'{"parentUuid":"cut o')
    for session, stamp in ((resumed, False), (forked, True)):
        write(session.talk.id, session.records)
        copy = _continued(session, script, tally, stamp=stamp)
        write(copy.talk.id, copy.records)
    write(parent.talk.id, parent.records)
    agent, records = _sub_agent(parent, script, tally)
    write(f"{parent.talk.id}/subagents/agent-{agent}", records)
    files[f"{project}/{parent.talk.id}/subagents/agent-{agent}.meta.json"] = whole(
        {"agentType": "Explore"}
    )
    files[f"{project}/empty.jsonl"] = b""
    about = "a record per block, copied histories, sub-agents, usage that is repeated"
    return Case("claude-code", files, tally, about)


def _written(talk: Talk, script: Script, tally: Tally) -> _Session:
    session = _Session(talk, script, talk.clock())
    tally.conversations += 1
    for turn in talk.turns:
        session.ask(turn.prompt)
        tally.say("user")
        for answer in turn.answers:
            session.answer(answer)
            session.results(answer)
            tally.say("assistant")
            tally.say("tool", len(answer.results))
            tally.call(*answer.calls)
            tally.spend(answer)
    return session


def _marked(session: _Session) -> list[dict[str, Any]]:
    """Add what is no message, and a record that is there twice."""
    snapshot = {"type": "file-history-snapshot", "messageId": "m", "snapshot": {}}
    title = {"type": "summary", "summary": "Errands", "leafUuid": session.last}
    marker = {
        "type": "queue-operation",
        "operation": "enqueue",
        "sessionId": session.talk.id,
        "timestamp": iso(session.talk.start),
    }
    return [title, snapshot, *session.records, session.records[-1], marker]


def _continued(session: _Session, script: Script, tally: Tally, *, stamp: bool) -> _Session:
    """Copy a session into a new one, ids and all, and go on there."""
    talk = script.talk(calls=False)
    clock = talk.clock()
    copy = _Session(talk, script, (moment + (session.talk.start - talk.start) for moment in clock))
    for _ in range(10_000):
        next(copy.clock)
    more = {"forkedFrom": {"sessionId": session.talk.id}} if stamp else {}
    copy.records = [{**record, "sessionId": talk.id, **more} for record in session.records]
    copy.last = session.last
    for turn in talk.turns:
        copy.ask(turn.prompt)
        copy.answer(turn.answers[0])
        tally.say("user")
        tally.say("assistant")
        tally.spend(turn.answers[0])
    tally.conversations += 1
    tally.relate("fork" if stamp else "resume")
    return copy


def _sub_agent(parent: _Session, script: Script, tally: Tally) -> tuple[str, list[dict[str, Any]]]:
    """Write a sub-agent's file: it has its parent's session id, and its own agent id."""
    talk = script.talk()
    session = _Session(talk, script, parent.clock)
    agent = script.id(8)
    for turn in talk.turns:
        session.ask(turn.prompt)
        tally.say("user")
        for answer in turn.answers:
            session.answer(answer)
            session.results(answer)
            tally.say("assistant")
            tally.say("tool", len(answer.results))
            tally.call(*answer.calls)
            tally.spend(answer)
    tally.conversations += 1
    tally.relate("subagent")
    own = {"sessionId": parent.talk.id, "isSidechain": True, "agentId": agent}
    return agent, [{**record, **own} for record in session.records]

"""Claude Code sessions: JSONL below `~/.claude/projects/`, sub-agents, and stream-json output.

One API response is written as one record per content block, all with the same `message.id` and a
repeated `usage`, sometimes interleaved with other records. Records of one `message.id` become one
row: blocks in file order, exact repetitions once, the usage of the record with most output tokens,
the last stop reason, the first time. `requestId` is not needed (gateways leave it out).

The conversation is the record's `sessionId`, with `/agentId` for a sub-agent, never the file's
name: one file may hold several sessions or repeat its own records. Keys (`uuid`, `message.id`,
tool-use id) are unique in the world, so what a fork or a resumed session copied collapses.

| record | row |
|---|---|
| assistant | role assistant; `<synthetic>` and API errors are events |
| user with only results | role tool, kind tool_result |
| user | chat, or by how it starts: command, injected, event (interrupted), summary (compacted) |
| attachment `queued_command` | chat, unless a user record repeats it |
| summary, custom-title, ai-title, agent-name | the conversation's title, no row |
| everything else | role system, kind event |

Gives: times, trees, models, tokens, calls with results, outcomes and times. A refusal by the user
is `denied`, an interrupted call `cancelled`, `<tool_use_error>` a protocol error. Text that repeats
per record (`cwd`, `version`, …) is kept once in the conversation's `extra.record`. What a program
prints while it runs (`stream-json`) has the tokens of a response's beginning; those of the whole
run are in the `extra` of its end (`result`), which is the answer where nothing else was printed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias
from zlib import crc32

from chatdata.formats import blocks
from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.claude_session import Session, user_kind
from chatdata.formats.content import Content, absent, is_claimed, keep, split, text, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TITLES = {"custom-title": 3, "agent-name": 2, "ai-title": 2, "summary": 1}
_TITLE_KEYS = ("customTitle", "agentName", "aiTitle", "title", "summary")
_MARKERS = frozenset(
    {"queue-operation", "last-prompt", "permission-mode", "mode", "worktree-state", "pr-link"}
    | {"agent-setting", "agent-color", "tag", "bridge-session", "content-replacement"}
    | _TITLES.keys()
)
_BODY = {"user": "message", "assistant": "message", "attachment": "attachment"}
_MESSAGES = frozenset({"user", "assistant"})
_UNIQUE = "toolu_"
_NO_RECORD = "not a claude-code record"
_Sessions: TypeAlias = "dict[tuple[str | None, str | None], Session]"


def _parse(reading: Reading) -> Iterator[Conversation]:
    sessions: _Sessions = {}
    early: list[Record] = []
    current: str | None = None
    for record in reading.records():
        try:
            current = _session_id(record.value) or current
            title = record.value.get("type") in _TITLES
        except UNEXPECTED:
            reading.reject(record, _NO_RECORD)
            continue
        if title:
            yield _title(record.value, current)
            continue
        early.append(record)
        if current is not None:
            _take_all(sessions, current, early, reading)
    # A document in which none names its session is one conversation.
    _take_all(sessions, None, early, reading)
    for session in sessions.values():
        if session.conversation.messages:
            yield session.finished(reading)
        yield from session.hints


def _take_all(
    sessions: _Sessions, current: str | None, waiting: list[Record], reading: Reading
) -> None:
    for record in waiting:
        try:
            _take(sessions, current, record, reading)
        except UNEXPECTED:
            reading.reject(record, _NO_RECORD)
    waiting.clear()


def _take(sessions: _Sessions, current: str | None, record: Record, reading: Reading) -> None:
    source = record.value
    agent = text(source.get("agentId")) or text(source.get("parent_tool_use_id"))
    session = sessions.get((current, agent))
    if session is None:
        session = sessions[current, agent] = Session.of(source, current, agent)
    kind = source.get("type")
    uuid = text(source.get("uuid"))
    if uuid is not None and (known := session.uuids.get(uuid)):
        if not _says_the_same(known, source, session.rest(source)):
            keep(known.extra, "versions", without_bytes(source))
        reading.count("mirrored", n_messages=int(kind in _MESSAGES))
        return
    body = source.get("message")
    if kind == "assistant" and isinstance(body, dict):
        row = session.response(source, body, reading)
    elif kind == "user":
        row = _user(session, source)
    else:
        row = _event(session, source)
    if record.lenient:
        row.extra["decode"] = "lenient"
    session.add(row, source)


def _says_the_same(row: Message, source: dict[str, Any], extra: dict[str, Any]) -> bool:
    """Whether a record whose uuid was met before only repeats what its row has."""
    body = source.get("message")
    content = split(body.get("content") if isinstance(body, dict) else body, blocks.claims)
    known = {call.native_id for call in row.calls} | {answer.native_id for answer in row.results}
    ids = {block.get("tool_use_id", block.get("id")) for block in content.others}
    placed = (row.at, row.parent) == (at(source.get("timestamp")), text(source.get("parentUuid")))
    return (
        all(said in (row.content or "") for said in content.texts)
        and ids <= known
        and ((placed and extra.items() <= row.extra.items()) or row.role_raw == "assistant")
    )


def _user(session: Session, source: dict[str, Any]) -> Message:
    body = source.get("message")
    extra = session.rest(source)
    if not isinstance(body, dict):
        extra |= (
            {"message": body}
            if "message" in source
            else {"absent": [*extra.get("absent", ()), "message"]}
        )
        body = {"content": body if isinstance(body, str) else None}
        content = split(body["content"])
    else:
        content = split(body.get("content"), blocks.claims)
        if more := _of_body(body, content):
            extra["message"] = more
    results = [block for block in content.others if blocks.is_result(block.get("type"))]
    only_results = bool(results) and not content.texts and len(results) == len(content.others)
    moment = at(source.get("timestamp"))
    note(extra, source, "timestamp", moment)
    row = Message(
        role_raw="user",
        role="tool" if only_results else "user",
        kind="tool_result" if only_results else user_kind(source, content.text),
        content=content.text,
        at=moment,
        twin=_twin(source, content.text, results),
        extra=extra,
    )
    session.answer(row, source, results, moment)
    if row.kind == "event":
        session.interrupt()
    if row.kind == "chat" and (source.get("isSidechain") or text(source.get("parent_tool_use_id"))):
        row.kind = "injected"  # the parent model wrote it
    return row


def _of_body(body: dict[str, Any], content: Content) -> dict[str, Any]:
    """Give what a user's message says beside its text, or its one result."""
    told = {"role": "user", "content": content.text if content.parts is None else None}
    more = untold(body, told) | absent(body, told)
    if content.parts is not None:
        del more["content"]
        if not (len(content.parts) == 1 and is_claimed(content.parts[0])):
            more["content"] = content.parts
    return more


def _event(session: Session, source: dict[str, Any]) -> Message:
    attachment = source.get("attachment")
    if isinstance(attachment, dict) and attachment.get("type") == "queued_command":
        prompt = split(attachment.get("prompt")).text
        if prompt is not None and attachment.get("commandMode", "prompt") == "prompt":
            return session.queued(source, prompt)
    extra = session.rest(source)
    content = source.get("content")
    if isinstance(content, str):
        del extra["content"]
    if "message" in source:
        extra["message"] = source["message"]
    moment = at(source.get("timestamp"))
    note(extra, source, "timestamp", moment)
    if (kind := source.get("type")) is not None and not text(kind):
        extra["type"] = kind
    elif kind is None:
        extra["absent"] = [*extra.get("absent", ()), "type"]
    return Message(
        role_raw=text(kind) or "unknown",
        role="system",
        kind="event",
        content=content if isinstance(content, str) else None,
        at=moment,
        extra=without_bytes(extra),
    )


def _twin(source: dict[str, Any], content: str | None, results: list[dict[str, Any]]) -> str | None:
    """Name what a copy keeps even when it has another uuid or none.

    A fork keeps time and content; what the program prints while it runs has no times, and its
    results are those of calls whose ids are unique in the world.
    """
    answered = [str(block.get("tool_use_id")) for block in results]
    print_ = crc32("\0".join([content or "", *answered]).encode("utf-8", "replace"))
    what = f"{len(content or '')}:{print_}"
    if answered and all(id_.startswith(_UNIQUE) for id_ in answered):
        return f"{answered[0]}:{what}"
    moment = source.get("timestamp")
    if not moment or not source.get("uuid"):
        return None
    # Sub-agents that were started together are asked the same in the same instant.
    return f"{moment}:{text(source.get('agentId')) or ''}:{what}"


def _title(source: dict[str, Any], current: str | None) -> Conversation:
    title = next((source[key] for key in _TITLE_KEYS if text(source.get(key))), None)
    leaf = text(source.get("leafUuid"))
    return Conversation(
        id=None if leaf else current,
        of_message=leaf,
        hint=True,
        joins=True,
        title=title,
        title_rank=_TITLES[source["type"]],
        extra={"titles": [source]},
    )


def _session_id(source: dict[str, Any]) -> str | None:
    return text(source.get("sessionId")) or text(source.get("session_id"))


def _sniff(evidence: Evidence) -> float:  # noqa: PLR0911 - a table of shapes, one a line
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"parentUuid"', '"sessionId"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    kind = value.get("type")
    said = value.get("message")
    if isinstance(said, dict) and "parts" in said and "content" not in said:
        # The session files of Qwen Code: the same frame, around the contents of Gemini.
        return 0.0
    if {"parentUuid", "sessionId"} <= value.keys() or kind == "file-history-snapshot":
        return SURE
    if kind == "summary":
        return SURE if "leafUuid" in value else 0.0
    if "sessionId" in value:
        spoken = kind == "system" or (kind in _MESSAGES and "message" in value)
        return SURE if (spoken and "uuid" in value) or kind in _MARKERS else 0.0
    body = value.get(_BODY[kind]) if kind in _BODY else None
    if isinstance(body, dict):
        ours = kind == "attachment" or body.keys() & {"role", "content"}
        marked = value.keys() & {"uuid", "timestamp", "parent_tool_use_id"}
        if kind in _MESSAGES and not marked and not body.keys() & {"id", "model"}:
            # What Cursor's agent prints: the same frame, with calls in lines of their own.
            return 0.0
        return SURE if ours and value.keys() & {"timestamp", "uuid", "session_id"} else 0.0
    streamed = kind == "stream_event" or (kind in {"system", "result"} and "subtype" in value)
    return LIKELY if streamed and "session_id" in value else 0.0


FORMAT = Format("claude-code", "Claude Code sessions", _sniff, _parse, __doc__)

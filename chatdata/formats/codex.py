"""Codex rollouts: JSONL below `~/.codex/sessions/`, lines of `{timestamp, type, payload}`.

One file is one conversation; its id is that of the first `session_meta`, else the file's name.
Messages come only from `response_item`: `event_msg` repeats them (`user_message`, `agent_message`,
`agent_reasoning`, `item_completed`) and is read only where a file has nothing else. A call belongs
to the last assistant message of its turn before it; a patch (`custom_tool_call`) is text by design,
so its arguments are `invalid`. Reasoning goes to the next assistant message.

`token_count` is a running total that is written again and again: usage is the difference to the
total before it, added to the last assistant message. A fork or sub-agent begins by replaying its
parent; what it copied is found by turn, place and content, and stays with the parent.
`compacted.replacement_history` repeats messages and is only counted.

Gives: times, models, tokens, calls with results, times and exit codes (0 is ok, else an error).
Earlier generations are read too: bare items after a first line of metadata, `record_type` lines;
and the events that `codex exec --json` prints (`codex_events.py`), which have no times or prompts.
Titles come from `thread_name_updated` or `session_index.jsonl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import items
from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.codex_events import Threads, is_event
from chatdata.formats.codex_lines import Line
from chatdata.formats.codex_rollout import Rollout
from chatdata.formats.content import absent, text, untold
from chatdata.formats.rows import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TYPES = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
_MIRRORS = frozenset(
    {"user_message", "agent_message", "agent_reasoning", "agent_reasoning_raw_content"}
    | {"item_completed", "agent_reasoning_section_break"}
)


def _parse(reading: Reading) -> Iterator[Conversation]:
    rollout, threads = Rollout(reading), Threads(reading)
    for record in reading.records():
        try:
            if is_event(record.value):
                threads.take(record)
                continue
            title = _indexed_title(record.value)
            if title is not None:
                yield title
            else:
                _take(rollout, record)
        except UNEXPECTED:
            reading.reject(record, "not a codex record")
    if rollout.begun:
        yield rollout.finished()
        yield from rollout.hints()
    yield from threads.finished()


def _indexed_title(line: dict[str, Any]) -> Conversation | None:
    """Read a line of `session_index.jsonl`."""
    if "thread_name" not in line or "payload" in line:
        return None
    return Conversation(
        id=text(line.get("id")),
        title=text(line["thread_name"]),
        hint=True,
        joins=True,
        title_rank=1,
        extra={"titles": [line]},
    )


def _take(rollout: Rollout, record: Record) -> None:
    line = Line.of(record.value, lenient=record.lenient)
    rollout.begun = True
    if line.bare:
        _take_bare(rollout, line)
    elif line.kind == "session_meta":
        rollout.meta(line)
    elif line.kind == "response_item":
        _take_item(rollout, line)
    elif line.kind == "event_msg":
        _take_event(rollout, line)
    elif line.kind == "compacted":
        rollout.compacted(line)
    else:
        usual = ""
        if line.kind == "turn_context":
            usual = "turn_context"
            rollout.turn = text(line.payload.get("turn_id")) or rollout.turn
            rollout.model = text(line.payload.get("model")) or rollout.model
        rollout.event(text(line.kind) or "unknown", line, usual, line.payload)


def _take_bare(rollout: Rollout, line: Line) -> None:
    """Read a line of the first generation: an item itself, or the metadata."""
    if "type" in line.payload:
        _take_item(rollout, line)
    elif "id" in line.payload and not rollout.known:
        rollout.meta(line)
    else:
        named = text(line.payload.get("record_type")) or "unknown"
        rollout.event(named, line, "", line.payload)


def _take_item(rollout: Rollout, line: Line) -> None:
    item = line.payload
    if item.get("type") == "message" or ("type" not in item and "role" in item):
        rollout.message(line)
    elif items.is_output(item):
        rollout.output(line)
    elif items.is_call(item):
        rollout.call(line)
    elif item.get("type") == "reasoning":
        rollout.reasoning(line)
    else:
        rollout.event(text(item.get("type")) or "unknown", line, "response_item", item)


def _take_event(rollout: Rollout, line: Line) -> None:
    payload = line.payload
    kind = payload.get("type")
    if kind == "token_count":
        rollout.tokens(line)
    elif kind in _MIRRORS:
        rollout.mirror(line)
    elif kind == "exec_command_end":
        rollout.command_ended(line)
    else:
        if kind == "task_started":
            rollout.turn = text(payload.get("turn_id")) or rollout.turn
        elif kind == "mcp_tool_call_end":
            rollout.mcp_ended(payload)
        elif kind == "turn_aborted":
            rollout.abort()
        elif kind == "thread_rolled_back":
            rollout.roll_back(payload.get("num_turns"))
        elif kind == "thread_name_updated":
            rollout.conversation.title = (
                text(payload.get("thread_name")) or rollout.conversation.title
            )
        named = text(kind) or "unknown"
        rest = untold(payload, {"type": named}) | absent(payload, ("type",))
        rollout.event(named, line, "event_msg", rest)


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        return LIKELY if '"session_meta"' in evidence.text[:200] else 0.0
    if not isinstance(value, dict):
        return 0.0
    if isinstance(value.get("payload"), dict) and value.get("type") in _TYPES:
        return SURE
    if is_event(value):
        # Anybody's errors look like one of its own.
        return LIKELY if value["type"] != "error" else 0.0
    if value.get("record_type") == "state" or {"id", "thread_name", "updated_at"} <= value.keys():
        return SURE
    old_meta = {"id", "timestamp", "instructions"} <= value.keys() and "type" not in value
    return LIKELY if old_meta or _is_bare_item(value) else 0.0


def _is_bare_item(value: dict[str, Any]) -> bool:
    if value.get("type") == "message":
        content = value.get("content")
        kinds = {part.get("type") for part in content or () if isinstance(part, dict)}
        return bool(kinds & {"input_text", "output_text"}) and "id" not in value
    if value.get("type") == "reasoning":
        return isinstance(value.get("summary"), list)
    return "call_id" in value and (items.is_call(value) or items.is_output(value))


FORMAT = Format("codex", "Codex rollouts", _sniff, _parse, __doc__)

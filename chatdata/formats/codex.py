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
Earlier generations are read too: bare items after a first line of metadata, `record_type` lines.
Titles come from `thread_name_updated` or `session_index.jsonl`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import items
from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.codex_rollout import Rollout
from chatdata.formats.content import rest, text
from chatdata.formats.rows import Conversation
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TYPES = frozenset({"session_meta", "response_item", "event_msg", "turn_context", "compacted"})
_MIRRORS = frozenset(
    {"user_message", "agent_message", "agent_reasoning", "agent_reasoning_raw_content"}
    | {"item_completed", "agent_reasoning_section_break"}
)


def _parse(reading: Reading) -> Iterator[Conversation]:
    rollout = Rollout(reading)
    for record in reading.records():
        try:
            title = _indexed_title(record.value)
            if title is not None:
                yield title
            else:
                _take(rollout, record)
        except UNEXPECTED:
            reading.reject(record, "not a codex record")
    if rollout.begun:
        yield rollout.finished()


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
    )


def _take(rollout: Rollout, record: Record) -> None:
    line = record.value
    kind = line.get("type")
    payload = line.get("payload")
    moment = at(line.get("timestamp"))
    rollout.begun = True
    if not isinstance(payload, dict):
        _take_bare(rollout, line)
    elif kind == "session_meta":
        rollout.meta(payload, moment)
    elif kind == "response_item":
        _take_item(rollout, payload, line)
    elif kind == "event_msg":
        _take_event(rollout, payload, line)
    elif kind == "compacted":
        rollout.compacted(payload, moment)
    else:
        if kind == "turn_context":
            rollout.turn = text(payload.get("turn_id")) or rollout.turn
            rollout.model = text(payload.get("model")) or rollout.model
        rollout.event(str(kind), payload, moment)


def _take_bare(rollout: Rollout, line: dict[str, Any]) -> None:
    """Read a line of the first generation: an item itself, or the metadata."""
    if "type" in line:
        _take_item(rollout, line, line)
    elif "id" in line and not rollout.known:
        rollout.meta(line, at(line.get("timestamp")))
    else:
        rollout.event(str(line.get("record_type", "unknown")), line, at(line.get("timestamp")))


def _take_item(rollout: Rollout, item: dict[str, Any], line: dict[str, Any]) -> None:
    moment = at(line.get("timestamp"))
    if item.get("type") == "message" or ("type" not in item and "role" in item):
        rollout.message(items.message(item), moment)
    elif items.is_output(item):
        rollout.output(items.output(item), moment)
    elif items.is_call(item):
        rollout.call(items.call(item), moment)
    elif item.get("type") == "reasoning":
        rollout.reasoning(item)
    else:
        rollout.event(str(item.get("type")), item, moment)


def _take_event(rollout: Rollout, payload: dict[str, Any], line: dict[str, Any]) -> None:
    kind = payload.get("type")
    moment = at(line.get("timestamp"))
    if kind == "token_count":
        rollout.tokens(payload.get("info"))
    elif kind in _MIRRORS:
        rollout.mirror(str(kind), payload, moment)
    elif kind == "exec_command_end":
        rollout.command_ended(payload)
    else:
        if kind == "task_started":
            rollout.turn = text(payload.get("turn_id")) or rollout.turn
        elif kind == "turn_aborted":
            rollout.abort()
        elif kind == "thread_name_updated":
            rollout.conversation.title = (
                text(payload.get("thread_name")) or rollout.conversation.title
            )
        rollout.event(str(kind), rest(payload, frozenset({"type"})), moment)


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        return LIKELY if '"session_meta"' in evidence.text[:200] else 0.0
    if not isinstance(value, dict):
        return 0.0
    if isinstance(value.get("payload"), dict) and value.get("type") in _TYPES:
        return SURE
    if value.get("record_type") == "state" or {"id", "thread_name"} <= value.keys():
        return SURE
    old_meta = {"id", "timestamp", "instructions"} <= value.keys() and "type" not in value
    return LIKELY if old_meta or _is_bare_item(value) else 0.0


def _is_bare_item(value: dict[str, Any]) -> bool:
    if value.get("type") == "message":
        content = value.get("content")
        kinds = {part.get("type") for part in content or () if isinstance(part, dict)}
        return bool(kinds & {"input_text", "output_text"}) and "id" not in value
    return value.get("type") == "reasoning" or (
        "call_id" in value and (items.is_call(value) or items.is_output(value))
    )


FORMAT = Format("codex", "Codex rollouts", _sniff, _parse, __doc__)

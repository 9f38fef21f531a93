"""SWE-agent trajectories: `{environment, trajectory, history, info}`, and mini-SWE-agent's lists.

One file is one conversation. Rows come from `history` only: `trajectory` repeats them; steps with
words that are not there (an edit that was taken back) are in the conversation's `extra`. With
function calling, calls and results are those of `openai-chat`, paired by `tool_call_ids`; without,
the log names no tool and the `action` stays in the message's `extra`. A demonstration (`is_demo`)
is injected. Costs and the outcome are in the conversation's `extra`. Of several `attempts`, each
that was not chosen is a conversation of its own, a `trial`.

Gives: calls with results. Does not give: times, tokens, outcomes of calls.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import FALLBACK, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.chat_message import message
from chatdata.formats.content import rest, text
from chatdata.formats.rows import Conversation, Message, Result

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"history", "messages", "trajectory"})
_WORDS = ("action", "observation", "response", "thought")
_MORE_SPECIFIC = 2.1


def _parse(reading: Reading) -> Iterator[Conversation]:
    listed: Conversation | None = None
    for record in reading.records():
        try:
            if "role" in record.value:
                listed = listed or Conversation(n_records=0)
                row = _message(record.value)
                row.n_records = 1
                listed.messages.append(row)
            else:
                yield from _conversations(record, reading.name)
        except UNEXPECTED:
            reading.reject(record, "not a swe-agent record")
    if listed is not None:
        yield listed


def _conversations(record: Record, name: str) -> Iterator[Conversation]:
    """Read a trajectory, and the attempts beside the one that was chosen for it."""
    source = record.value
    attempts = source.get("attempts")
    listed = [one for one in attempts if _has_history(one)] if isinstance(attempts, list) else []
    others = [one for one in listed if one["history"] != source.get("history")]
    conversation = _conversation(source)
    conversation.ordinal = record.number
    if listed:
        conversation.extra["attempts"] = [rest(one, _TAKEN) for one in listed]
    read = [_conversation(one) for one in others]
    yield conversation
    for place, attempt in enumerate(read, 1):
        attempt.id, attempt.n_records = f"{name}#{record.number}/attempt-{place}", 0
        attempt.relation, attempt.project = "trial", conversation.project
        yield attempt


def _has_history(attempt: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(attempt, dict) and isinstance(attempt.get("history"), list)


def _conversation(source: dict[str, Any]) -> Conversation:
    history = source["history"] if "history" in source else source["messages"]
    extra = rest(source, _TAKEN)
    messages = [_message(item) for item in history]
    if isinstance(source.get("trajectory"), list):
        extra["n_steps"] = len(source["trajectory"])
        said = "\n".join(row.content for row in messages if row.content)
        if steps := [step for step in source["trajectory"] if not _is_repeated(step, said)]:
            extra["steps"] = steps
    return Conversation(
        project=text(source.get("environment")),
        messages=messages,
        extra=extra,
    )


def _is_repeated(step: dict[str, Any], said: str) -> bool:
    """Whether the history has all the words of a step."""
    words = (step.get(key) for key in _WORDS)
    return all(not isinstance(text_, str) or text_.strip() in said for text_ in words)


def _message(source: dict[str, Any]) -> Message:
    row = message(source)
    ids = source.get("tool_call_ids")
    if row.role_raw == "tool" and isinstance(ids, list) and ids:
        row.results = [Result(native_id=text(id_), text=row.content) for id_ in ids]
    if source.get("is_demo"):
        row.kind = "injected"
    return row


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"trajectory"', '"observation"', '"thought"')
        return SURE if all(key in evidence.text for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    history = value.get("history")
    with_roles = isinstance(history, list) and any("role" in item for item in history[:1])
    if with_roles and value.keys() == {"history"}:
        return SURE
    if isinstance(history, list) and isinstance(value.get("trajectory"), list):
        return SURE
    if "trajectory_format" in value and "messages" in value:
        return SURE
    mini = evidence.path.endswith(".traj.json") and "role" in value
    return FALLBACK * _MORE_SPECIFIC if mini else 0.0


FORMAT = Format("swe-agent", "SWE-agent trajectories", _sniff, _parse, __doc__)

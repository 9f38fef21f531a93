"""tau-bench runs: an array of `{task_id, trial, reward, info, traj: [messages]}`.

One element is one conversation, a trial of a task; `task_id` repeats in every trial, so ids are
`<file>#<element>`. Messages are those of `openai-chat`; the model that plays the user writes the
user's. Reward, task and trial go to the conversation's `extra`.

Gives: calls with their results. Does not give: times, models, outcomes of calls, tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.formats.base import SURE, Evidence, Format, Reading, always
from chatdata.formats.chat_message import messages
from chatdata.formats.content import rest
from chatdata.formats.rows import Conversation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    trial = record.value
    return [
        Conversation(
            ordinal=record.number,
            relation="trial",
            calls_by_place=True,
            messages=messages(trial["traj"]),
            extra=rest(trial, frozenset({"traj"})),
        )
    ]


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "prefix":
        return SURE if '"traj"' in evidence.text and '"task_id"' in evidence.text else 0.0
    value = evidence.value
    if not isinstance(value, dict) or "task_id" not in value:
        return 0.0
    messages = value.get("traj")
    ours = isinstance(messages, list) and all("role" in message for message in messages[:1])
    return SURE if ours else 0.0


FORMAT = Format("tau-bench", "tau-bench trajectories", _sniff, _parse, __doc__, always)

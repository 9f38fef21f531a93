"""LMSYS-Chat-1M: Parquet or JSONL rows `{conversation_id, model, conversation, turn, …}`.

One row is one conversation; `conversation` is a list of `{role, content}`. Parquet is read by
columns, in batches, never row by row. Language, moderation and the rest go to the conversation's
`extra`. Ids may repeat: the later rows become `~2`, `~3`.

Gives: models. Does not give: times, users, calls, tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, SURE, Evidence, Format, Reading, always
from chatdata.formats.content import absent, listed, text, untold
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.frames import Batch
    from chatdata.formats.records import Record

_IDS = ("conversation_id", "conversation_hash")


def parse(reading: Reading) -> Iterator[Conversation | Batch]:
    """Read a Parquet file by columns, anything else record by record."""
    if reading.document.kind == "parquet":
        from chatdata.formats.columnar import batches

        return batches(reading)
    return reading.each(_conversation)


def _conversation(record: Record) -> list[Conversation]:
    row = record.value
    key = next((key for key in _IDS if isinstance(row.get(key), str)), "")
    model = text(row.get("model"))
    extra = untold(row, {key: row.get(key), "model": model, "conversation": row["conversation"]})
    if key not in {"", _IDS[0]}:
        extra["id_key"] = key
    messages = [_message(turn) for turn in listed(row["conversation"])]
    if any(message.at for message in messages):
        extra |= absent(row, ("timestamp",))
    if record.lenient:
        extra["decode"] = "lenient"
    return [
        Conversation(
            ordinal=record.number,
            id=row.get(key),
            native_id=row.get(key),
            model=model,
            updated_at=at(row.get("timestamp")),
            messages=messages,
            extra=extra,
        )
    ]


def _message(turn: dict[str, Any]) -> Message:
    role, content = turn["role"], turn.get("content")
    if not isinstance(role, str) or not isinstance(content, str | None):
        raise TypeError("a turn without a role or with content that is no text")
    return Message(
        role_raw=role,
        content=content,
        at=at(turn.get("timestamp")),
        extra=untold(turn, {"role": role, "content": content}),
    )


def rows_fit(evidence: Evidence) -> bool:
    """Whether evidence shows rows of this family: an id and a list of turns."""
    if evidence.kind == "columns":
        return "conversation" in evidence.names and bool(evidence.names & set(_IDS))
    value = evidence.value
    return (
        isinstance(value, dict)
        and any(key in value for key in _IDS)
        and isinstance(value.get("conversation"), list)
        and all(isinstance(turn, dict) and "role" in turn for turn in value["conversation"][:1])
    )


def _sniff(evidence: Evidence) -> float:
    if not rows_fit(evidence):
        return 0.0
    names = evidence.names if evidence.kind == "columns" else set(evidence.value)
    return SURE if "openai_moderation" in names or "turn" in names else LIKELY


FORMAT = Format("lmsys-chat", "LMSYS-Chat-1M", _sniff, parse, __doc__, always)

"""HH-RLHF: lines `{chosen, rejected}`, each a whole conversation as text.

A turn begins at a blank line with `Human:` or `Assistant:`. One line is two conversations,
`<file>#<line>/chosen` and `/rejected`, which begin alike; `extra.pair` says which one it is.

Gives: only texts. Does not give: ids, times, models, calls, tokens.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from chatdata.formats.base import SURE, Evidence, Format, Reading, always
from chatdata.formats.content import untold
from chatdata.formats.rows import Conversation, Message

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_SIDES = ("chosen", "rejected")
_TURN = re.compile(r"(?:\A|\n\n)(Human|Assistant): ?")


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(lambda record: _conversations(record, reading.name))


def _conversations(record: Record, name: str) -> list[Conversation]:
    row = record.value
    extra = untold(row, {side: row[side] for side in _SIDES})
    if record.lenient:
        extra["decode"] = "lenient"
    return [
        Conversation(
            ordinal=record.number,
            id=f"{name}#{record.number}/{side}",
            messages=_messages(row[side]),
            n_records=int(side == _SIDES[0]),
            extra={"pair": side, **extra},
        )
        for side in _SIDES
    ]


def _messages(text: str) -> list[Message]:
    before, *pieces = _TURN.split(text)
    rows = [
        Message(role_raw=speaker, content=said)
        for speaker, said in zip(pieces[::2], pieces[1::2], strict=True)
    ]
    if before:
        rows.insert(0, Message(role_raw="unknown", content=before))
    return rows


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    sides = [value.get(side) for side in _SIDES]
    fits = all(isinstance(side, str) and "\n\nHuman:" in f"\n\n{side}" for side in sides)
    return SURE if fits else 0.0


FORMAT = Format("hh-rlhf", "HH-RLHF preference pairs", _sniff, _parse, __doc__, always)

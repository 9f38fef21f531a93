"""Lines of a Codex rollout: opened, and kept where they make no row of their own.

Totals, mirrors and ends of commands repeat what rows say or lead up to. They stay in the `extra` of
the row before them as `beside`, with every long text that a row holds replaced by where it stands.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any

from chatdata.formats.content import SHORTEST, absent, untold
from chatdata.formats.media import without_bytes
from chatdata.formats.times import at, spelled

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.rows import At, Conversation, Message


@dataclass(frozen=True)
class Line:
    """A line, opened.

    Attributes:
        source: the line.
        payload: what it carries; of the first generation, the line itself without its time.
        at: its time.
        bare: whether it is of the first generation.
        lenient: whether only the lenient decoder could read it.
    """

    source: dict[str, Any]
    payload: dict[str, Any]
    at: At | None
    bare: bool
    lenient: bool

    @classmethod
    def of(cls, source: dict[str, Any], *, lenient: bool = False) -> Line:
        """Open a line."""
        moment = at(source.get("timestamp"))
        payload = source.get("payload")
        if isinstance(payload, dict):
            return cls(source, payload, moment, bare=False, lenient=lenient)
        payload = {key: value for key, value in source.items() if key != "timestamp"}
        return cls(source, payload, moment, bare=True, lenient=lenient)

    @property
    def kind(self) -> Any:  # noqa: ANN401 - text, as a rule
        """What the line says that it is."""
        return self.source.get("type")

    def around(self, kind: str, *, timed: bool = True) -> dict[str, Any]:
        """Note what stands around the payload and is not as usual for a row of that kind.

        Args:
            kind: what the line's type is, as a rule.
            timed: whether the row has a column for the line's time.
        """
        notes: dict[str, Any] = {"decode": "lenient"} if self.lenient else {}
        moment = spelled(self.at, self.source.get("timestamp")) if timed else None
        told = {"timestamp": moment, "type": kind, "payload": self.payload}
        outer = self.source
        if self.bare:
            outer = {key: value for key, value in outer.items() if key == "timestamp"}
        more = untold(outer, told) | ({"bare": True} if self.bare else absent(outer, ("type",)))
        return {**notes, "line": more} if more else notes


def refer(conversation: Conversation) -> None:
    """Replace what rows hold in the lines beside them by where it stands."""
    known: dict[str, dict[str, Any]] = {}
    for ordinal, row in enumerate(conversation.messages, 1):
        for column, start, piece in _pieces(row):
            if len(piece) >= SHORTEST:
                place = {"row": ordinal, "column": column, "at": start, "n_chars": len(piece)}
                known.setdefault(piece, place)
    for extra in (conversation.extra, *(row.extra for row in conversation.messages)):
        if "beside" in extra:
            extra["beside"] = [_referred(line, known) for line in extra["beside"]]


def _pieces(row: Message) -> Iterator[tuple[str, int, str]]:
    """Yield the texts of a row that other lines may repeat: all of it, and each of its thoughts."""
    if row.content:
        yield "content", 0, row.content
    start = 0
    for item in row.extra.get("reasoning", ()) if row.reasoning else ():
        lists = (item[key] for key in ("content", "summary") if isinstance(item.get(key), list))
        for part in chain.from_iterable(lists):
            size = part.get("text") if isinstance(part, dict) else None
            if isinstance(size, dict):
                yield "reasoning", start, (row.reasoning or "")[start : start + size["n_chars"]]
                start += size["n_chars"] + 1


def _referred(line: Any, known: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    try:
        return _referring(line, known)
    except RecursionError:
        return line  # nested deeper than this goes: written out


def _referring(value: Any, known: dict[str, dict[str, Any]]) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(value, str):
        return known.get(value, without_bytes(value))
    if isinstance(value, list):
        return [_referring(item, known) for item in value]
    if isinstance(value, dict):
        return {key: _referring(item, known) for key, item in value.items()}
    return value

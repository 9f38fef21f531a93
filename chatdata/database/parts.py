"""A database that is too large for memory, in parts that fit: each of whole conversations.

Rows are sorted into parts as they come, by a hash of their conversation, and wait on disk. What
orders messages, and links them with parents, calls and results, never goes beyond a conversation,
so each part is computed by itself.
"""

from __future__ import annotations

from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from chatdata.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

PART_BYTES = 64 << 20
"""About how much a part is to hold, as it is stored."""
_WAITING_BYTES = 24 << 20


class Pile:
    """Rows of one schema in the order they came: in memory, or on disk in files of some size.

    Args:
        on_disk: where they are.
        n_piles: how many there are of the kind, which together hold little in memory.
    """

    def __init__(self, *, on_disk: bool, n_piles: int = 1) -> None:
        self.n_rows = 0
        self._spool = Spool(limit=0 if on_disk else None)
        self._held: list[pl.DataFrame] = []
        self._n_bytes = 0
        self._least = _WAITING_BYTES // n_piles if on_disk else 0

    def add(self, rows: pl.DataFrame) -> None:
        """Take some more rows."""
        self.n_rows += rows.height
        self._held.append(rows)
        self._n_bytes += int(rows.estimated_size())
        if self._n_bytes >= self._least:
            self.put_down()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        self.put_down()
        return iter(self._spool)

    def drain(self) -> Iterator[pl.DataFrame]:
        """Give the rows for the last time, and let go of them, on disk too."""
        self.put_down()
        while len(self._spool):
            yield self._spool.pop()

    def columns(self, *names: str) -> Iterator[pl.DataFrame]:
        """Give some columns of all rows."""
        self.put_down()
        return self._spool.columns(*names)

    def whole(self) -> pl.DataFrame | None:
        """Give all rows; None where there never was any frame."""
        found = list(self)
        return pl.concat(found, how="vertical_relaxed") if found else None

    def put_down(self) -> None:
        """Let go of the frames that were added: what waits of them goes to where the others are."""
        if self._held:
            self._spool.add(pl.concat(self._held, how="vertical_relaxed"))
            self._held, self._n_bytes = [], 0


class Part:
    """Messages of whole conversations, and the kernel's rows of the calls stored with them.

    In `calls`, `_row` is the place of the message in `rows`.
    """

    def __init__(self, n_parts: int) -> None:
        self.on_disk = n_parts > 1
        self.rows = Pile(on_disk=self.on_disk, n_piles=n_parts)
        self.calls = Pile(on_disk=self.on_disk, n_piles=n_parts)

    def add(self, rows: pl.DataFrame, calls: pl.DataFrame | None) -> None:
        """Take messages, and their calls, of which `_row` is the place in `rows`."""
        if calls is not None:
            self.calls.add(calls.with_columns(pl.col("_row") + self.rows.n_rows))
        self.rows.add(rows)


def parted(
    stream: Iterator[tuple[pl.DataFrame, pl.DataFrame | None]],
    held_bytes: int | None,
    n_bytes_in_all: int,
) -> list[Part]:
    """Take messages and their calls: as one part if they fit into what may be held, or as many.

    Args:
        stream: the messages, and the kernel's rows of their calls.
        held_bytes: what may be held.
        n_bytes_in_all: about how much will come.
    """
    held, n_bytes = [], 0
    for rows, calls in stream:
        held.append((rows, calls))
        n_bytes += int(rows.estimated_size())
        if held_bytes is None or n_bytes > held_bytes:
            break
    several = held_bytes is not None and n_bytes > held_bytes
    n_parts = n_bytes_in_all // PART_BYTES + 2 if several else 1
    parts = [Part(n_parts) for _ in range(n_parts)]
    for part in parts:
        part.add(held[0][0].clear(), None)
    held.reverse()
    for rows, calls in chain(_emptied(held), stream):
        if several:
            _spread(parts, rows, calls)
        else:
            parts[0].add(rows, calls)
    return parts


def sorted_out(frames: Iterable[pl.DataFrame], part: pl.Series, n_parts: int) -> list[Pile]:
    """Sort rows into parts; `part` gives that of each row of all frames."""
    piles = [Pile(on_disk=n_parts > 1, n_piles=n_parts) for _ in range(n_parts)]
    start = 0
    for rows in frames:
        for number, mine in _by_part(rows, part.slice(start, rows.height)).items():
            piles[number].add(mine)
        start += rows.height
    for pile in piles:
        pile.put_down()
    return piles


def part_of(conversation_id: pl.Series, n_parts: int) -> pl.Series:
    """Give the part that a conversation lies in."""
    return (conversation_id.hash() % n_parts).cast(pl.UInt16)


def part_of_messages(message_id: pl.Series, parts: Sequence[Part]) -> pl.Series:
    """Give the part that a message lies in; null where there is no such message."""
    asked = message_id.alias("message_id").to_frame().with_row_index("_place")
    found = [
        asked.join(rows, on="message_id", how="semi").select(
            "_place", _part=pl.lit(number, pl.UInt16)
        )
        for number, part in enumerate(parts)
        for rows in part.rows.columns("message_id")
    ]
    told = asked.join(pl.concat(found).unique("_place"), on="_place", how="left")
    return told.sort("_place")["_part"]


def _spread(parts: list[Part], rows: pl.DataFrame, calls: pl.DataFrame | None) -> None:
    number = part_of(rows["conversation_id"], len(parts))
    called: dict[int, pl.DataFrame] = {}
    if calls is not None:
        nth = pl.int_range(pl.len(), dtype=pl.UInt32).over("part")
        within = number.alias("part").to_frame().select(nth).to_series()
        row = calls["_row"]
        called = _by_part(calls.with_columns(within.gather(row).alias("_row")), number.gather(row))
    for place, mine in _by_part(rows, number).items():
        parts[place].add(mine, called.get(place))


def _by_part(rows: pl.DataFrame, part: pl.Series) -> dict[int, pl.DataFrame]:
    found = rows.with_columns(part.alias("_part")).partition_by(
        "_part", as_dict=True, include_key=False, maintain_order=True
    )
    return {int(number): mine for (number,), mine in found.items()}


def _emptied(
    held: list[tuple[pl.DataFrame, pl.DataFrame | None]],
) -> Iterator[tuple[pl.DataFrame, pl.DataFrame | None]]:
    """Give what is held, the last first, and let go of it."""
    while held:
        yield held.pop()

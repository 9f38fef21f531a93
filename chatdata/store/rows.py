"""Rows on their way into the files of a lake: sorted into partitions as they come.

Rows are held until they make a file of good size, or until all that is held grows too large; then
the largest partitions are written. So memory is bounded, whatever comes, and a file is sorted.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.store.layout import PLACE, folder, new_name, order

if TYPE_CHECKING:
    from pathlib import Path

    from chatdata.store.commit import Change

FILE_BYTES = 256 << 20
"""About what the rows of one file take in memory, at most."""
HELD_BYTES = 256 << 20
"""What all partitions hold together before the largest are written."""
_ROW_GROUP = 50_000
_BATCH_ROWS = 50_000

_Place = tuple[str | None, str | None]


class Shelf:
    """The rows of one frame, by partition, until they are written.

    Args:
        change: where the files are staged.
        table: the frame.
        stem: how the names of the files begin.
    """

    def __init__(self, change: Change, table: schema.Table, stem: str) -> None:
        self._change = change
        self._table = table
        self._stem = stem
        self._held: dict[_Place, list[pl.DataFrame]] = {}
        self._sizes: dict[_Place, int] = {}

    def put(self, rows: pl.LazyFrame) -> None:
        """Take rows with their place (`_source`, `_month`), batch by batch."""
        for batch in rows.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True):
            self.add(batch)

    def add(self, rows: pl.DataFrame) -> None:
        """Take one batch of rows with their place."""
        parts = rows.partition_by(PLACE, as_dict=True, include_key=False, maintain_order=True)
        for (source, month), part in parts.items():
            place = (source, month)
            self._held.setdefault(place, []).append(part)
            self._sizes[place] = self._sizes.get(place, 0) + int(part.estimated_size())
            if self._sizes[place] > FILE_BYTES:
                self._write(place)
        while sum(self._sizes.values()) > HELD_BYTES:
            self._write(max(self._sizes, key=self._sizes.__getitem__))

    def close(self) -> None:
        """Write what is held."""
        for place in list(self._held):
            self._write(place)

    def _write(self, place: _Place) -> None:
        rows = pl.concat(self._held.pop(place), rechunk=False)
        del self._sizes[place]
        path = self._change.stage(new_name(folder(self._table, *place), self._stem))
        write_file(path, self._table, rows.lazy())


def write_file(path: Path, table: schema.Table, rows: pl.LazyFrame) -> None:
    """Write one file of a frame: sorted, in groups of rows that can be skipped."""
    chosen = rows.select(table.schema.names())
    if by := order(table):
        chosen = chosen.sort(by, nulls_last=True)
    chosen.sink_parquet(
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP,
        metadata={"chatdata.contract": str(schema.VERSION)},
    )

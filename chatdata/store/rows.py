"""Rows on their way into the files of a lake: sorted into partitions as they come.

Rows are held until they make a file of good size; when all that is held grows too large, the
largest partitions wait on disk. So memory is bounded, whatever comes, and every file is sorted.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.spool import detached
from chatdata.store.layout import PLACE, folder, new_name, order

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chatdata.store.commit import Change

FILE_BYTES = 64 << 20
"""About what the rows of one file take in memory, at most."""
HELD_BYTES = 32 << 20
"""What all partitions hold together in memory."""
_ROW_GROUP = 50_000
_BATCH_ROWS = 20_000


@dataclass
class _Partition:
    """The rows of one partition that wait: on disk, and after those in memory."""

    runs: list[Path] = field(default_factory=list)
    held: list[pl.DataFrame] = field(default_factory=list)
    n_held_bytes: int = 0
    n_bytes: int = 0


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
        self._waiting: dict[tuple[str | None, str | None], _Partition] = {}

    def add(self, rows: pl.DataFrame) -> None:
        """Take one batch of rows with their place (`_source`, `_month`)."""
        parts = rows.partition_by(PLACE, as_dict=True, include_key=False, maintain_order=True)
        for (source, month), part in parts.items():
            place = (source, month)
            waiting = self._waiting.setdefault(place, _Partition())
            waiting.held.append(detached(part))
            n_bytes = int(part.estimated_size())
            waiting.n_held_bytes += n_bytes
            waiting.n_bytes += n_bytes
            if waiting.n_bytes > FILE_BYTES:
                self._write(place)
        if self._n_held_bytes > HELD_BYTES:
            while self._n_held_bytes > HELD_BYTES // 2:
                self._spill(max(self._waiting.values(), key=lambda part: part.n_held_bytes))

    def close(self) -> None:
        """Write what waits."""
        for place in list(self._waiting):
            self._write(place)

    @property
    def _n_held_bytes(self) -> int:
        return sum(part.n_held_bytes for part in self._waiting.values())

    def _spill(self, part: _Partition) -> None:
        path = self._change.staging / f"{uuid.uuid4().hex}.run"
        pl.concat(part.held).write_parquet(path, compression="lz4", statistics=False)
        part.runs.append(path)
        part.held, part.n_held_bytes = [], 0

    def _write(self, place: tuple[str | None, str | None]) -> None:
        part = self._waiting.pop(place)
        rows = [pl.scan_parquet(path) for path in part.runs]
        rows += [frame.lazy() for frame in part.held]
        path = self._change.stage(new_name(folder(self._table, *place), self._stem))
        write_file(path, self._table, pl.concat(rows))
        for run in part.runs:
            run.unlink()


def batches(rows: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Compute a frame piece by piece, in its order."""
    return iter(rows.collect_batches(chunk_size=_BATCH_ROWS, maintain_order=True))


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

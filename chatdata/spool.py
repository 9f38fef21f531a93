"""Batches that wait their turn: in memory while they fit, in temporary Parquet when they do not."""

from __future__ import annotations

import atexit
import shutil
import tempfile
import threading
import uuid
from collections import deque
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

MEMORY_BYTES = 2 << 30
"""What one spool holds in memory before it writes to disk."""
_GROUP_BYTES = 1 << 20


@cache
def folder() -> Path:
    """Give this process's folder for what outgrows memory; it is removed at exit."""
    path = Path(tempfile.mkdtemp(prefix="chatdata-"))
    atexit.register(shutil.rmtree, path, ignore_errors=True)
    return path


@contextmanager
def scratch() -> Iterator[None]:
    """Remove at the end of a block what outgrew memory in it; a process may be killed later."""
    try:
        yield
    finally:
        if folder.cache_info().currsize:
            shutil.rmtree(folder(), ignore_errors=True)
            folder.cache_clear()


def detached(frame: pl.DataFrame) -> pl.DataFrame:
    """Copy a frame that waits, of rows that were taken out of others.

    Polars shares the texts of rows that are taken out with those that stay: a few of them keep all
    of them in memory.
    """
    copied = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    return pl.DataFrame(pl.from_arrow(copied))


class Spool:
    """Frames of one schema, in the order they came."""

    def __init__(self, frames: Iterable[pl.DataFrame] = (), *, limit: int | None = None) -> None:
        self._limit = MEMORY_BYTES if limit is None else limit
        self._parts: deque[pl.DataFrame | Path] = deque()
        self._held_bytes = 0
        for frame in frames:
            self.add(frame)

    def add(self, frame: pl.DataFrame) -> None:
        """Take one more frame."""
        self._parts.append(frame)
        self._held_bytes += int(frame.estimated_size())
        if self._held_bytes > self._limit:
            self._write()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        for place in range(len(self._parts)):
            yield self[place]

    def __len__(self) -> int:
        return len(self._parts)

    def columns(self, *names: str) -> Iterator[pl.DataFrame]:
        """Give some columns of each frame."""
        for part in self._parts:
            if isinstance(part, Path):
                yield pl.read_parquet(part, columns=list(names))
            else:
                yield part.select(names)

    def __getitem__(self, place: int) -> pl.DataFrame:
        part = self._parts[place]
        return pl.read_parquet(part) if isinstance(part, Path) else part

    def pop(self) -> pl.DataFrame:
        """Take the first frame out."""
        part = self._parts.popleft()
        if isinstance(part, pl.DataFrame):
            self._held_bytes -= int(part.estimated_size())
            return part
        frame = pl.read_parquet(part, memory_map=False)
        part.unlink()
        return frame

    def frame(self) -> pl.LazyFrame:
        """Give all of it as one frame, which reads from disk what lies there."""
        held = [part for part in self._parts if isinstance(part, pl.DataFrame)]
        files = [part for part in self._parts if isinstance(part, Path)]
        if not files:
            return pl.concat(held, rechunk=False).lazy()
        # All that was there went to disk at once, so files come first; as one scan they are read
        # one after the other.
        return pl.concat([pl.scan_parquet(files, glob=False), *(part.lazy() for part in held)])

    def _write(self) -> None:
        for place, part in enumerate(self._parts):
            if isinstance(part, pl.DataFrame):
                path = folder() / f"{uuid.uuid4().hex}.parquet"
                # Readers fetch many groups ahead, whatever their size.
                n_rows = part.height * _GROUP_BYTES // (int(part.estimated_size()) + 1) + 1
                part.write_parquet(path, compression="lz4", statistics=False, row_group_size=n_rows)
                self._parts[place] = path
        self._held_bytes = 0


class Inflow:
    """A spool that one thread fills while another goes through it, as often as it likes."""

    def __init__(self, limit: int | None = None) -> None:
        self._spool = Spool(limit=limit)
        self._changed = threading.Condition()
        self._ended = False
        self._error: BaseException | None = None

    def add(self, frame: pl.DataFrame) -> None:
        """Take one more frame."""
        with self._changed:
            self._spool.add(frame)
            self._changed.notify_all()

    def end(self, error: BaseException | None = None) -> None:
        """Say that no more will come, or why; whoever goes through it is told."""
        with self._changed:
            self._ended, self._error = True, self._error or error
            self._changed.notify_all()

    def __iter__(self) -> Iterator[pl.DataFrame]:
        place = 0
        while self._has(place):
            yield self._spool[place]
            place += 1

    def drain(self) -> Iterator[pl.DataFrame]:
        """Give each frame for the last time, so that its memory serves the next ones."""
        while self._has(0):
            with self._changed:
                frame = self._spool.pop()
            yield frame
            del frame

    def _has(self, place: int) -> bool:
        """Wait until a frame is there, or no more will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._ended or len(self._spool) > place)
            if self._error is not None:
                raise self._error
            return len(self._spool) > place

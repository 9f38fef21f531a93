"""Rows as readers gave them, kept with the lake, so that a later import can settle who owns what.

A fork imported today may belong to a parent that is imported tomorrow, so the rows of every file
stay as they were read: `.chatdata/raw/<batch>/`. Beside the frames (private columns included) lie
`links`, the names by which bundles know each other, `sizes`, and what only a reading tells:
`rejects`, `tallies` and `places`.

A part (`_document`) is what one reading of a file gave. Those that the manifest does not name any
more are dead; they are cleared away when they are half of a batch.
"""

from __future__ import annotations

import uuid
from itertools import groupby
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.frames import columns_of
from chatdata.formats.lake import OWN
from chatdata.identity.kin import LINKS, links
from chatdata.load.collect import COUNTED, places, rejects, tallies
from chatdata.store.compact import MERGED_BYTES, packed

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chatdata.formats.frames import Batch
    from chatdata.ingest.manifest import Manifest
    from chatdata.load.collect import Found
    from chatdata.store.commit import Change

RAW = f"{OWN}/raw"
ROWS = ("conversations", "messages", "tool_calls")
_HELD_BYTES = 48 << 20
_ROW_GROUP = 20_000
SIZES: dict[str, pl.DataType] = {
    "_document": pl.UInt64(),
    "_bundle": pl.UInt64(),
    "n_rows": pl.UInt32(),
    "n_bytes": pl.UInt64(),
}
_SCHEMAS: dict[str, dict[str, pl.DataType]] = {
    **{name: columns_of(name) for name in ROWS},
    "links": LINKS,
    "sizes": SIZES,
    "rejects": {"_document": pl.UInt64(), **schema.REJECTS.schema},
    "tallies": {"_document": pl.UInt64(), **COUNTED},
    "places": {"_document": pl.UInt64(), "origin": pl.String(), "path": pl.String()},
}
_TEXTS = {
    "conversations": ("extra",),
    "messages": ("content", "reasoning", "extra"),
    "tool_calls": ("arguments_raw", "arguments", "result", "extra"),
}


class RawBatch:
    """The rows of one import, on their way to disk.

    Attributes:
        parts: what was read (`_document`).
    """

    def __init__(self, change: Change, manifest: Manifest) -> None:
        self.parts: list[int] = []
        self._change = change
        self._manifest = manifest
        self._held: dict[str, list[pl.DataFrame]] = {}
        self._n_bytes = 0
        self._n_files = 0

    def hold(self, batch: Batch) -> None:
        """Take rows as the builder gives them."""
        first, n = batch.conversations.select(
            pl.col("_bundle").min(), n=pl.col("_bundle").max() - pl.col("_bundle").min() + 1
        ).row(0)
        shift = self._manifest.take_numbers("bundle", n) - first
        frames = {
            name: getattr(batch, name).with_columns(pl.col("_bundle") + shift) for name in ROWS
        }
        frames |= {"links": links(frames), "sizes": _sizes(frames)}
        for name, frame in frames.items():
            if not frame.is_empty():
                self._held.setdefault(name, []).append(frame)
                self._n_bytes += int(frame.estimated_size())
        if self._n_bytes > _HELD_BYTES:
            self._write()

    def close(self, found: Found) -> None:
        """Write what is held, and what the readings told beside their rows."""
        found.builder.flush()
        self._write()
        for name, frame in (
            ("rejects", rejects(found)),
            ("tallies", tallies(found)),
            ("places", places(found)),
        ):
            if not frame.is_empty():
                self._held[name] = [frame]
        self._write()

    def _write(self) -> None:
        for name, frames in self._held.items():
            self._n_files += 1
            path = self._change.stage(f"{RAW}/{self._change.name}/{name}-{self._n_files}.parquet")
            write_raw(path, pl.concat(frames).lazy())
        self._held.clear()
        self._n_bytes = 0


def write_raw(path: Path, rows: pl.LazyFrame) -> None:
    """Write one file of raw rows."""
    rows.sink_parquet(path, compression="zstd", compression_level=1, row_group_size=_ROW_GROUP)


def raw(change: Change, name: str) -> pl.LazyFrame:
    """Give all raw rows of a kind, those of dead parts too."""
    files = change.files(RAW, f"{name}-*.parquet")
    return pl.scan_parquet(files) if files else pl.LazyFrame(schema=_SCHEMAS[name])


def clear(change: Change, live: pl.DataFrame) -> None:
    """Clear dead parts away, batch by batch, where they are half of it or more."""
    for files in _batches(change):
        n_rows, n_dead = _standing(files, live)
        if n_dead and 2 * n_dead >= n_rows:
            _rewrite(change, files, live)


def compact_raw(change: Change, live: pl.DataFrame) -> None:
    """Clear all dead parts away, and put small batches together."""
    chosen = [
        files
        for files in _batches(change)
        if _standing(files, live)[1] or sum(file.stat().st_size for file in files) < MERGED_BYTES
    ]
    if len(chosen) > 1 or any(_standing(files, live)[1] for files in chosen):
        _rewrite(change, [file for files in chosen for file in files], live)


def _batches(change: Change) -> list[list[Path]]:
    """List the files of each batch."""
    files = sorted(change.files(RAW), key=lambda path: path.parent)
    return [list(group) for _, group in groupby(files, key=lambda path: path.parent)]


def _kind(path: Path) -> str:
    return path.name.partition("-")[0]


def _standing(files: list[Path], live: pl.DataFrame) -> tuple[int, int]:
    """Count the rows of a batch, and those of its dead parts; a part counts as one row itself."""
    counted = [
        pl.scan_parquet(path).select("_document", n_rows="n_rows" if kind == "sizes" else 1)
        for path in files
        if (kind := _kind(path)) in ("sizes", "places")
    ]
    dead = ~pl.col("_document").is_in(live["_document"].implode())
    n_rows, n_dead = (
        pl.concat(counted, how="vertical_relaxed")
        .select(pl.col("n_rows").sum(), dead=pl.col("n_rows").filter(dead).sum())
        .collect()
        .row(0)
    )
    return n_rows, n_dead


def _rewrite(change: Change, files: list[Path], live: pl.DataFrame) -> None:
    """Put the live rows of some files into a batch of their own."""
    batch = uuid.uuid4().hex
    for kind, group in groupby(sorted(files, key=_kind), key=_kind):
        for number, some in enumerate(packed(list(group)), 1):
            rows = pl.scan_parquet(some).join(live.lazy(), on="_document", how="semi")
            if "_bundle" in _SCHEMAS[kind]:
                rows = rows.sort("_bundle", maintain_order=True)
            if rows.select(pl.len()).collect().item():
                write_raw(change.stage(f"{RAW}/{batch}/{kind}-{number}.parquet"), rows)
            for file in some:
                change.remove(file)


def _sizes(frames: Mapping[str, pl.DataFrame]) -> pl.DataFrame:
    """Say how many rows and bytes of text each bundle has."""
    counted = [
        frames[name]
        .lazy()
        .select(
            "_document",
            "_bundle",
            n_rows=pl.lit(1, pl.UInt32),
            n_bytes=pl.sum_horizontal(pl.col(columns).str.len_bytes().cast(pl.UInt64)),
        )
        for name, columns in _TEXTS.items()
    ]
    return pl.concat(counted).group_by("_document", "_bundle").sum().sort("_bundle").collect()

"""Rows as readers gave them, kept with the lake, so that a later import can settle who owns what.

A fork imported today may belong to a parent that is imported tomorrow. Therefore the rows of every
file stay as they were read, batch by batch, and each import resolves all of them together: the
order of imports does not matter.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import OWN, scan_files
from chatdata.identity import resolve
from chatdata.load.collect import accounting, places, rejects, tallies
from chatdata.store.layout import placed
from chatdata.store.rows import Shelf

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from chatdata.load.collect import Found
    from chatdata.store.commit import Change

MEMBER_BITS = 20
_STEM = "files"
_ROWS = ("conversations", "messages", "tool_calls")
_ALL = (*_ROWS, "rejects", "tallies", "places")


def put_batch(change: Change, batch: str, found: Found) -> dict[str, Path]:
    """Stage the rows of the files that were read; give where each frame lies until the commit."""
    frames: dict[str, pl.LazyFrame] = {
        **found.builder.frames(),
        "rejects": _numbered(found).lazy(),
        "tallies": tallies(found).lazy(),
        "places": places(found).lazy(),
    }
    staged = {}
    for name, frame in frames.items():
        staged[name] = change.stage(f"{OWN}/raw/{batch}/{name}.parquet")
        frame.sink_parquet(staged[name], compression="zstd", compression_level=1)
    return staged


def settle(
    change: Change, live: Mapping[str, list[int]], batch: str, staged: Mapping[str, Path]
) -> None:
    """Resolve the rows of all files together and stage the frames that follow."""
    raw = {name: _all(change.lake, name, live, batch, staged) for name in _ALL}
    resolved = resolve({name: raw[name] for name in _ROWS})
    counted = accounting(resolved.accounting, raw["tallies"].collect(), raw["places"].collect())
    frames = {
        **resolved.frames,
        "rejects": raw["rejects"].select(schema.REJECTS.schema.names()),
        "accounting": counted.lazy(),
    }
    for table in schema.TABLES:
        files = change.files(table.name)
        for path in files:
            if path.name.startswith(f"{_STEM}-"):
                change.remove(path)
        written = scan_files([path for path in files if path.name.startswith("rows-")], table)
        shelf = Shelf(change, table, _STEM)
        shelf.put(_not_written(table, placed(table, frames, frames), written))
        shelf.close()


def _not_written(table: schema.Table, frame: pl.LazyFrame, written: pl.LazyFrame) -> pl.LazyFrame:
    """Leave out rows that were written into the lake by other means."""
    if table.key is None:
        return frame
    return frame.join(written.select(table.key), on=table.key, how="anti", maintain_order="left")


def _all(
    lake: Path,
    name: str,
    live: Mapping[str, list[int]],
    batch: str,
    staged: Mapping[str, Path],
) -> pl.LazyFrame:
    """Put the live rows of all batches together, numbered anew, the earliest files first."""
    frames = []
    for place, (key, numbers) in enumerate(sorted(live.items(), key=itemgetter(1))):
        path = staged[name] if key == batch else lake / OWN / "raw" / key / f"{name}.parquet"
        frame = pl.scan_parquet(path).filter((pl.col("_document") // 2**MEMBER_BITS).is_in(numbers))
        if name in _ROWS:
            frame = frame.with_columns(pl.col("_bundle") + place * 2**40)
        frames.append(frame)
    together = pl.concat(frames)
    if name not in _ROWS:
        return together
    return together.drop("_row").with_row_index("_row").with_columns(pl.col("_row").cast(pl.UInt64))


def _numbered(found: Found) -> pl.DataFrame:
    """Give each reject the number of its document."""
    return rejects(found).join(
        places(found).select("_document", "path"), on="path", how="left", maintain_order="left"
    )

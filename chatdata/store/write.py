"""Writing `Chats` into a lake: new rows are added, changed rows replaced, the rest stays."""

from __future__ import annotations

import uuid
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import frame_of, parts
from chatdata.store.commit import Change, changing

if TYPE_CHECKING:
    from chatdata.chats import Chats

_ROW_GROUP = 100_000


def write(chats: Chats[pl.LazyFrame], folder: str | Path) -> None:
    """Write frames into a lake, new or existing; a row of the same key is replaced.

    Writing twice changes nothing. Interrupted, the lake is as before or as after.

    Raises:
        SchemaError: the frames break the contract.
        SourceError: the folder holds something that is no lake.
    """
    chats.check()
    with changing(Path(folder).expanduser()) as change:
        put(change, chats)


def put(change: Change, chats: Chats[pl.LazyFrame]) -> None:
    """Stage the rows that are new or changed, and the files without the rows they replace."""
    for table in schema.TABLES:
        _put_table(change, table, getattr(chats, table.name))


def sink(change: Change, table: schema.Table, frame: pl.LazyFrame, stem: str) -> None:
    """Stage one file of a frame."""
    path = change.stage(f"{table.name}/{stem}.parquet")
    frame.sink_parquet(
        path,
        compression="zstd",
        compression_level=1,
        row_group_size=_ROW_GROUP,
        metadata={"chatdata.contract": str(schema.VERSION)},
    )


def _put_table(change: Change, table: schema.Table, incoming: pl.LazyFrame) -> None:
    keys = [table.key] if table.key else ["origin", "path"]
    prints = pl.struct(table.schema.names()).hash().alias("_print")
    before = frame_of(change.lake, table).select(*keys, prints)
    place = incoming.with_row_index("_place").select("_place", *keys, prints)
    fresh = place.join(before, on=[*keys, "_print"], how="anti", nulls_equal=True).collect()
    if fresh.is_empty():
        return
    if table.key is None:
        # A keyless frame is replaced origin by origin and path by path, as a whole.
        wanted = incoming.join(
            fresh.lazy().select(keys).unique(), on=keys, how="semi", nulls_equal=True
        )
    else:
        rows = fresh.lazy().select("_place")
        wanted = incoming.with_row_index("_place").join(rows, on="_place", how="semi")
    replaced = fresh.lazy().select(keys).unique()
    for path in parts(change.lake, table.name):
        old = pl.scan_parquet(path)
        hits = old.join(replaced, on=keys, how="semi", nulls_equal=True).select(pl.len()).collect()
        if hits.item():
            rest = old.join(replaced, on=keys, how="anti", nulls_equal=True)
            sink(change, table, rest, f"rows-{uuid.uuid4().hex}")
            change.remove(f"{table.name}/{path.name}")
    order = [name for name in ("conversation_id", "position") if name in table.schema]
    chosen = wanted.select(table.schema.names())
    sink(change, table, chosen.sort(order) if order else chosen, f"rows-{uuid.uuid4().hex}")

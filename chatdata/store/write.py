"""Writing `Chats` into a lake: new rows are added, changed rows replaced, the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import frame_of, scan_files
from chatdata.store.commit import Change, changing
from chatdata.store.layout import PLACE, new_name, place_of, placed
from chatdata.store.rows import Shelf, write_file

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.chats import Chats

STEM = "rows"
"""How the names of files begin whose rows were written by their keys."""
_FILE = "_file"
_PRINT = "_print"


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
    known = {table.name: frame_of(change.lake, table) for table in schema.TABLES}
    frames = dict(chats.frames)
    for table in schema.TABLES:
        replaced = _put_table(change, table, placed(table, frames, known))
        if table is schema.MESSAGES:
            frames["tool_calls"] = _with_calls_of(replaced, frames, known)


def _put_table(change: Change, table: schema.Table, incoming: pl.LazyFrame) -> pl.DataFrame:
    """Stage one frame; give the keys of the rows that took the place of others.

    A frame without a key (rejects, accounting) is replaced origin by origin and path by path.
    """
    keys = [table.key] if table.key else ["origin", "path"]
    hits = _hits(change, table, incoming, keys)
    if not hits.is_empty():
        same = _unchanged(change, table, incoming, hits)
        hits = hits.join(same, on=keys, how="anti", nulls_equal=True)
        incoming = incoming.join(same.lazy(), on=keys, how="anti", nulls_equal=True)
        drop(change, table, hits)
    shelf = Shelf(change, table, STEM)
    shelf.put(incoming)
    shelf.close()
    return hits


def drop(change: Change, table: schema.Table, rows: pl.DataFrame) -> None:
    """Stage the files named in a column `_file` without the rows of the keys beside it."""
    for (file,), gone in rows.group_by(_FILE):
        path = Path(str(file))
        rest = scan_files([path], table).join(
            gone.drop(_FILE).lazy(), on=gone.drop(_FILE).columns, how="anti", nulls_equal=True
        )
        if not rest.select(pl.len()).collect().item():
            change.remove(path)
            continue
        folder, _, name = change.place(path).rpartition("/")
        write_file(change.stage(new_name(folder, name.partition("-")[0])), table, rest)
        change.remove(path)


def _hits(
    change: Change, table: schema.Table, incoming: pl.LazyFrame, keys: list[str]
) -> pl.DataFrame:
    """Find the keys that the lake has already, each with the file (`_file`) that has it."""
    files = change.files(table.name)
    if not files:
        return pl.DataFrame(schema=dict.fromkeys([*keys, _FILE], pl.String()))
    return (
        pl.scan_parquet(files, hive_partitioning=False, include_file_paths=_FILE)
        .select(*keys, _FILE)
        .join(incoming.select(keys).unique(), on=keys, how="semi", nulls_equal=True)
        .unique()
        .collect()
    )


def _unchanged(
    change: Change, table: schema.Table, incoming: pl.LazyFrame, hits: pl.DataFrame
) -> pl.DataFrame:
    """Give the keys whose rows are in the lake as they come, and where they would lie."""
    keys = [name for name in hits.columns if name != _FILE]
    files = hits[_FILE].unique().to_list()
    places = pl.DataFrame(
        [(file, *place_of(change.place(Path(file)))) for file in files],
        schema=dict.fromkeys((_FILE, *PLACE), pl.String()),
        orient="row",
    )
    there = pl.scan_parquet(files, hive_partitioning=False, include_file_paths=_FILE).join(
        places.lazy(), on=_FILE, how="left"
    )
    found = hits.select(keys).unique().lazy()
    columns = [*table.schema.names(), *PLACE]
    now, before = (
        rows.join(found, on=keys, how="semi", nulls_equal=True)
        .select(*keys, pl.struct(columns).hash().alias(_PRINT))
        .group_by(keys)
        .agg(pl.col(_PRINT).sort())
        for rows in (incoming, there)
    )
    return now.join(before, on=[*keys, _PRINT], how="semi", nulls_equal=True).select(keys).collect()


def _with_calls_of(
    replaced: pl.DataFrame, frames: Mapping[str, pl.LazyFrame], known: Mapping[str, pl.LazyFrame]
) -> pl.LazyFrame:
    """Add the lake's calls of messages that changed: a call lies in the month of its message."""
    calls = frames["tool_calls"]
    if replaced.is_empty():
        return calls
    others = (
        known["tool_calls"]
        .join(replaced.lazy(), on="message_id", how="semi")
        .join(calls, on="tool_call_id", how="anti")
    )
    return pl.concat([calls, others.select(schema.TOOL_CALLS.schema.names())])

"""Writing `Chats` into a lake: new rows are added, changed rows replaced, the rest stays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import scan_files
from chatdata.store.commit import Change, changing
from chatdata.store.compact import merge
from chatdata.store.layout import PARTITIONED, placed
from chatdata.store.replace import Replacing, found, keys_of
from chatdata.store.rows import batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.chats import Chats

STEM = "rows"
"""How the names of files begin whose rows were written by their keys."""


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


def put(
    change: Change,
    chats: Chats[pl.LazyFrame],
    *,
    stem: str = STEM,
    whole: pl.LazyFrame | None = None,
) -> None:
    """Stage the rows that are new or changed, and the files without the rows they replace.

    Frames without a key (rejects, accounting) are replaced origin by origin and path by path.

    Args:
        change: where files are staged.
        chats: the rows.
        stem: how the names of the files begin.
        whole: conversations (`conversation_id`) of which no other rows stay in files of that stem.
    """
    known = {table.name: scan_files(change.files(table.name), table) for table in schema.TABLES}
    frames = dict(chats.frames)
    for table in schema.TABLES:
        incoming = placed(table, frames, known)
        keys = incoming.select(keys_of(table)).unique()
        before = found(change, table, change.files(table.name), keys)
        if whole is not None and table in PARTITIONED:
            own = change.files(table.name, f"{stem}-*.parquet")
            before = pl.concat([before, found(change, table, own, whole)]).unique()
        replacing = Replacing(change, table, stem, before)
        for rows in batches(incoming) if table.key else [incoming.collect()]:
            replacing.add(rows)
        replaced = replacing.close()
        merge(change, table)
        if table is schema.MESSAGES:
            frames["tool_calls"] = _with_calls_of(replaced, frames, known)


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

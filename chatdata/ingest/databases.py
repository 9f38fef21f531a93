"""Importing application databases: from their newest message on, under their own name."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.errors import SourceError
from chatdata.formats.lake import frame_of
from chatdata.load.collect import read_database
from chatdata.load.combine import prefixed
from chatdata.store.write import put

if TYPE_CHECKING:
    from chatdata.chats import Chats
    from chatdata.ingest.manifest import Manifest
    from chatdata.load.scope import Scope
    from chatdata.store.commit import Change

_OVERLAP = timedelta(hours=1)


def import_member(change: Change, chats: Chats[pl.LazyFrame], name: str) -> None:
    """Import a database that lay in an archive, under its name there."""
    put(change, prefixed(chats, name))


def import_database(change: Change, manifest: Manifest, source: str, scope: Scope) -> None:
    """Read a database from its watermark on; its ids are prefixed by its origin."""
    name = scope.name or _name_of(source)
    mark = manifest.watermark(name)
    since = None if mark is None else datetime.fromisoformat(mark) - _OVERLAP
    chats = read_database(source, replace(scope, name=name, since=since))
    newest = chats.messages.select(pl.col("created_at").max()).collect().item()
    put(change, _with_totals(change, prefixed(chats, name), name, again=mark is not None))
    manifest.set_watermark(name, newest.isoformat() if newest else mark)


def _name_of(source: str) -> str:
    tail = source.rsplit("/", 1)[-1].split("?", 1)[0]
    if not tail:
        raise SourceError("the database has no name; give one with origin=", source="database")
    return Path(tail).stem


def _with_totals(
    change: Change, chats: Chats[pl.LazyFrame], name: str, *, again: bool
) -> Chats[pl.LazyFrame]:
    """Let a part of a database, read from its watermark, add to the accounting it has."""
    if not again:
        return chats

    def fresh(table: schema.Table) -> int:
        before = frame_of(change.lake, table).select(table.key or "")
        rows = getattr(chats, table.name).join(before, on=table.key, how="anti")
        return int(rows.select(pl.len()).collect().item())

    n_messages, n_calls = fresh(schema.MESSAGES), fresh(schema.TOOL_CALLS)
    n_records = n_messages + fresh(schema.CONVERSATIONS)
    kept = pl.col("cause") == "kept"
    added = {"n_records": n_records, "n_messages": n_messages, "n_tool_calls": n_calls}
    before = frame_of(change.lake, schema.ACCOUNTING).filter(pl.col("origin") == name)
    first = pl.int_range(pl.len()).over("cause") == 0
    return chats.with_frames(
        accounting=before.with_columns(
            pl.when(kept & first)
            .then(pl.col(column) + n)
            .otherwise(column)
            .cast(pl.UInt64)
            .alias(column)
            for column, n in added.items()
        ),
        rejects=frame_of(change.lake, schema.REJECTS).filter(pl.col("origin") == name),
    )

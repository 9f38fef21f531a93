"""What the rows of each bundle count for, and the accounting and rejects that follow from it.

The ledger (`.chatdata/ledger/`) holds per bundle and cause what became of its records when it was
settled last, so that the accounting of a file can be added up without settling all of it again.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import OWN
from chatdata.identity import sum_or_null
from chatdata.ingest.raw import raw, write_raw
from chatdata.load.collect import COUNTED, accounting
from chatdata.store.compact import merge, packed
from chatdata.store.layout import placed
from chatdata.store.replace import Replacing, found

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatdata.store.commit import Change

LEDGER = f"{OWN}/ledger"
_SCHEMA = {"_document": pl.UInt64(), "_bundle": pl.UInt64(), **COUNTED}
_HELD_ROWS = 500_000
_COUNTS = ("n_records", "n_messages", "n_tool_calls")


class Ledger:
    """The accounting of bundles, on its way to disk; it takes the place of what they had before.

    Args:
        change: where files are staged.
        earlier: the bundles (`_bundle`) whose accounting is void.
    """

    def __init__(self, change: Change, earlier: pl.DataFrame) -> None:
        self._change = change
        self._held: list[pl.DataFrame] = []
        if not earlier.is_empty():
            self._forget(earlier.select("_bundle"))

    def add(self, counted: pl.DataFrame) -> None:
        """Take the accounting of some bundles, all causes of each."""
        self._held.append(counted.select(list(_SCHEMA)))
        if sum(frame.height for frame in self._held) > _HELD_ROWS:
            self.close()

    def close(self) -> None:
        """Write what is held."""
        if self._held:
            self._write(pl.concat(self._held).lazy())
            self._held = []

    def _write(self, rows: pl.LazyFrame) -> None:
        write_raw(self._change.stage(f"{LEDGER}/{uuid.uuid4().hex}.parquet"), rows)

    def _forget(self, bundles: pl.DataFrame) -> None:
        for path in self._change.files(LEDGER):
            rows = pl.scan_parquet(path)
            if rows.join(bundles.lazy(), on="_bundle", how="semi").head(1).collect().is_empty():
                continue
            rest = rows.join(bundles.lazy(), on="_bundle", how="anti").collect()
            if not rest.is_empty():
                self._write(rest.lazy())
            self._change.remove(path)


def compact_ledger(change: Change) -> None:
    """Put the small files of the ledger together."""
    for files in packed(change.files(LEDGER)):
        if len(files) > 1:
            rows = pl.scan_parquet(files).sort("_bundle")
            write_raw(change.stage(f"{LEDGER}/{uuid.uuid4().hex}.parquet"), rows)
            for file in files:
                change.remove(file)


def recount(change: Change, live: pl.DataFrame, parts: Iterable[int], stem: str) -> None:
    """Stage the accounting and the rejects of the files that some parts belong to.

    Args:
        change: the change, with the ledger as it will be.
        live: the parts that count (`_document`).
        parts: those that are new, gone, or settled anew.
        stem: how the names of the files begin.
    """
    touched = pl.DataFrame({"_document": list(parts)}, schema={"_document": pl.UInt64()})
    keys = ["origin", "path"]
    everywhere = raw(change, "places")
    files = (
        everywhere.join(touched.lazy(), on="_document", how="semi").select(keys).unique().collect()
    )
    # Several parts of one file, and several files of one name, add up.
    mine = (
        everywhere.join(live.lazy(), on="_document", how="semi")
        .join(files.lazy(), on=keys, how="semi", nulls_equal=True)
        .collect()
    )
    counted = _of(
        mine,
        pl.scan_parquet(ledger)
        if (ledger := change.files(LEDGER))
        else pl.LazyFrame(schema=_SCHEMA),
    )
    tallied = _of(mine, raw(change, "tallies"))
    summed = (
        accounting(counted.drop("_bundle"), tallied, mine)
        .lazy()
        .group_by("origin", "path", "cause", maintain_order=True)
        .agg(pl.col(*_COUNTS).sum(), sum_or_null("output_tokens"))
        .select(schema.ACCOUNTING.schema.names())
    )
    rejected = _of(mine, raw(change, "rejects")).sort("_document", maintain_order=True)
    for table, rows in (
        (schema.ACCOUNTING, summed),
        (schema.REJECTS, rejected.lazy().select(schema.REJECTS.schema.names())),
    ):
        own = change.files(table.name, f"{stem}-*.parquet")
        replacing = Replacing(change, table, stem, found(change, table, own, files.lazy()))
        replacing.add(placed(table, {table.name: rows}).collect())
        replacing.close()
        merge(change, table)


def _of(parts: pl.DataFrame, rows: pl.LazyFrame) -> pl.DataFrame:
    """Give the rows of some parts."""
    return rows.join(parts.lazy().select("_document"), on="_document", how="semi").collect()

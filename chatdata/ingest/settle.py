"""Settling what was read: lineage by lineage, those that an import touches and no others.

A lineage is what has to be seen together to say who owns what (`kin.py`). Lineages are settled in
groups of bounded size, so that memory does not grow with what is imported; their rows take the
place of those that were settled before, and what comes out the same stays where it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import scan_files
from chatdata.identity import resolve
from chatdata.identity.kin import base, components, reached
from chatdata.ingest.counts import Ledger, recount
from chatdata.ingest.raw import ROWS, raw
from chatdata.store.compact import merge
from chatdata.store.layout import PARTITIONED, placed
from chatdata.store.replace import FILE, Replacing, drop, found

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from chatdata.store.commit import Change

STEM = "files"
"""How the names of files begin whose rows were settled from imported files."""
_OWN = f"{STEM}-*.parquet"
_GROUP_BYTES = 32 << 20
_ROW_BYTES = 300
"""What a row takes beside its texts, about."""


@dataclass(frozen=True)
class _Touched:
    """What has to be settled.

    Attributes:
        bundles: `_document`, `_bundle`, `_order` and `_group` of all that is settled now.
        earlier: the `_bundle` of those whose rows the lake has, dead ones among them.
    """

    bundles: pl.DataFrame
    earlier: pl.DataFrame


def settle(change: Change, live: pl.DataFrame, new: Sequence[int], dead: Sequence[int]) -> None:
    """Stage the frames that follow from what is new and what is gone.

    Args:
        change: the change, in which the rows of the new parts are staged.
        live: the parts that count (`_document`) in their order (`_order`), new ones among them.
        new: the parts that this import read.
        dead: the parts that counted before and do not any more.
    """
    touched = _touched(change, live, new, dead)
    ids = _settled_ids(change, touched.earlier)
    frames = {}
    for table in PARTITIONED:
        before = found(change, table, change.files(table.name, _OWN), ids.lazy())
        frames[table.name] = Replacing(change, table, STEM, before)
    ledger = Ledger(change, touched.earlier)
    for rows in _groups(change, touched.bundles):
        resolved = resolve(rows)
        for table in PARTITIONED:
            frames[table.name].add(placed(table, resolved.frames).collect())
        ledger.add(resolved.accounting)
    ledger.close()
    for table in PARTITIONED:
        frames[table.name].close()
        _yield_to_written(change, table)
        merge(change, table)
    recount(change, live, {*new, *dead, *touched.bundles["_document"]}, STEM)


def _touched(
    change: Change, live: pl.DataFrame, new: Sequence[int], dead: Sequence[int]
) -> _Touched:
    links, sizes = raw(change, "links"), raw(change, "sizes")
    in_new, in_dead = (pl.col("_document").is_in(parts) for parts in (new, dead))
    standing = live.filter(~in_new).select("_document")
    seeds = links.filter(in_new | in_dead).collect()
    tied = reached(links.join(standing.lazy(), on="_document", how="semi"), seeds)
    chosen = sizes.filter(in_new | pl.col("_bundle").is_in(tied["_bundle"].unique().implode()))
    bundles = _grouped(chosen.collect(), pl.concat([seeds.filter(in_new), tied]))
    gone = sizes.filter(in_dead).select("_bundle").collect()
    earlier = pl.concat([gone, tied.select("_bundle")]).unique()
    return _Touched(bundles.join(live, on="_document"), earlier)


def _grouped(sizes: pl.DataFrame, links: pl.DataFrame) -> pl.DataFrame:
    """Put bundles into groups (`_group`) that fit into memory and hold whole lineages.

    Those that are tied to nobody come by themselves: they lie one after the other on disk.
    """
    weight = pl.col("n_bytes") + _ROW_BYTES * pl.col("n_rows")
    lineages = (
        sizes.join(components(links), on="_bundle", how="left")
        .with_columns(_tied=pl.col("_kin").is_not_null(), _kin=pl.coalesce("_kin", "_bundle"))
        .group_by("_kin", "_tied")
        .agg("_document", "_bundle", _weight=weight.sum())
        .sort("_tied", "_kin")
    )
    before = pl.col("_weight").cum_sum().over("_tied") - pl.col("_weight")
    return lineages.select(
        "_document", "_bundle", _group=before // _GROUP_BYTES * 2 + pl.col("_tied")
    ).explode("_document", "_bundle")


def _groups(change: Change, bundles: pl.DataFrame) -> Iterator[dict[str, pl.LazyFrame]]:
    """Load the raw rows of one group of bundles after the other, in source order."""
    frames = {name: raw(change, name) for name in ROWS}
    for wanted in bundles.partition_by("_group", maintain_order=True):
        ids = wanted["_bundle"].sort()
        inside = pl.col("_bundle").is_between(ids[0], ids[-1])
        if ids[-1] - ids[0] + 1 > wanted.height:
            inside &= pl.col("_bundle").is_in(ids.implode())
        ranks = wanted.lazy().select("_bundle", "_order")
        loaded = pl.collect_all(
            frame.filter(inside)
            .join(ranks, on="_bundle")
            .sort("_order", "_row")
            .drop("_order", "_row")
            for frame in frames.values()
        )
        yield {
            name: rows.with_row_index("_row").lazy().with_columns(pl.col("_row").cast(pl.UInt64))
            for name, rows in zip(frames, loaded, strict=True)
        }


def _settled_ids(change: Change, bundles: pl.DataFrame) -> pl.DataFrame:
    """Name the conversations of the lake that come from some bundles, as it calls them."""
    ids = (
        raw(change, "conversations")
        .join(bundles.lazy(), on="_bundle", how="semi")
        .select(pl.col("conversation_id").unique())
    )
    files = change.files(schema.CONVERSATIONS.name, _OWN)
    told_apart = (
        scan_files(files, schema.CONVERSATIONS)
        .select("conversation_id", _base=base("conversation_id"))
        .join(ids.select(_base=base("conversation_id")), on="_base", how="semi")
        .drop("_base")
    )
    return pl.concat([ids, told_apart]).unique().collect()


def _yield_to_written(change: Change, table: schema.Table) -> None:
    """Leave out rows that were written into the lake by their keys."""
    files = change.files(table.name)
    written = [path for path in files if not path.name.startswith(f"{STEM}-")]
    staged = [path for path in files if path.is_relative_to(change.staging) and path not in written]
    if not written or not staged:
        return
    keys = scan_files(written, table).select(str(table.key))
    twice = (
        scan_files(staged, table, include_file_paths=FILE)
        .select(str(table.key), FILE)
        .join(keys, on=table.key, how="semi")
        .collect()
    )
    drop(change, table, twice)

"""Compacting a lake: few files, and nothing kept of what no longer counts."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from chatdata import schema
from chatdata.errors import SourceError
from chatdata.formats.lake import is_lake
from chatdata.ingest.archive import forget
from chatdata.ingest.counts import LEDGER, compact_ledger
from chatdata.ingest.manifest import Manifest
from chatdata.ingest.raw import RAW, compact_raw
from chatdata.store.commit import Change, changing
from chatdata.store.compact import merge


@dataclass(frozen=True)
class Compacted:
    """What compacting did: the Parquet files of a lake and their bytes, before and after."""

    n_files_before: int
    n_files: int
    n_bytes_before: int
    n_bytes: int


def compact(folder: str | Path) -> Compacted:
    """Merge the small files of a lake, and clear away the rows of versions that were replaced.

    No row changes. Interrupted, the lake is as before or as after; readers see one or the other,
    but a frame that was scanned before and not yet collected may have to be scanned again.

    Raises:
        SourceError: the folder is no lake.
        AccessError: another writer held the lake for too long.
    """
    lake = Path(folder).expanduser()
    if not is_lake(lake):
        raise SourceError("no lake; name the folder that `chatdata import` wrote", source=str(lake))
    with changing(lake) as change:
        before = _sizes(change)
        for table in schema.TABLES:
            merge(change, table, least=2)
        manifest = Manifest(change.manifest)
        compact_raw(change, manifest.live())
        compact_ledger(change)
        after = _sizes(change)
        forget(lake, manifest.contents())
    return Compacted(len(before), len(after), sum(before), sum(after))


def _sizes(change: Change) -> list[int]:
    """List the sizes of the Parquet files, those of rows as they were read among them."""
    folders = (*(table.name for table in schema.TABLES), RAW, LEDGER)
    return [path.stat().st_size for folder in folders for path in change.files(folder)]

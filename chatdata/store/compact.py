"""Few files instead of many: small ones of a partition are merged, and sorted anew.

Each import adds files, and an engine pays for every file that it opens. A write merges where many
small ones have gathered in a folder, so that over time every row is moved a few times at most.
"""

from __future__ import annotations

from itertools import groupby
from typing import TYPE_CHECKING

from chatdata.formats.lake import scan_files
from chatdata.store.layout import new_name
from chatdata.store.rows import write_file

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from chatdata import schema
    from chatdata.store.commit import Change

SMALL_BYTES = 8 << 20
"""What a file has on disk, at most, to be merged; in memory it takes some three times as much."""
MERGED_BYTES = 24 << 20
MANY = 16
"""How many small files make a write merge them."""


def merge(change: Change, table: schema.Table, *, least: int = MANY) -> None:
    """Stage the small files of each partition as few, where there are so many of them."""
    for (folder, stem), files in _small(change, table):
        if len(files) < least:
            continue
        for group in packed(files):
            if len(group) == 1:
                continue
            path = change.stage(new_name(folder, stem))
            write_file(path, table, scan_files(group, table))
            for file in group:
                change.remove(file)


def packed(files: list[Path]) -> Iterator[list[Path]]:
    """Put files into groups that fit into memory together."""
    group: list[Path] = []
    n_bytes = 0
    for file in files:
        size = file.stat().st_size
        if group and n_bytes + size > MERGED_BYTES:
            yield group
            group, n_bytes = [], 0
        group.append(file)
        n_bytes += size
    if group:
        yield group


def _small(change: Change, table: schema.Table) -> Iterator[tuple[tuple[str, str], list[Path]]]:
    """List the small files by the folder that they lie in and how their names begin."""

    def kind(path: Path) -> tuple[str, str]:
        folder, _, name = change.place(path).rpartition("/")
        return folder, name.partition("-")[0]

    files = [path for path in change.files(table.name) if path.stat().st_size < SMALL_BYTES]
    for key, group in groupby(sorted(files, key=lambda path: (kind(path), path.name)), kind):
        yield key, list(group)

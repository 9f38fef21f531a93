"""Rows that take the place of others: what is the same stays where it is, what changed is moved.

Files are never edited. A file that holds rows that go is staged anew without them, or removed
where nothing is left.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl

from chatdata.formats.lake import scan_files
from chatdata.store.layout import PLACE, new_name, place_of
from chatdata.store.rows import Shelf, write_file

if TYPE_CHECKING:
    from chatdata import schema
    from chatdata.store.commit import Change

FILE = "_file"
_PRINT = "_print"


class Replacing:
    """Rows of one frame on their way into a lake, and the rows whose place they take.

    Args:
        change: where files are staged.
        table: the frame.
        stem: how the names of new files begin.
        before: what is there and will be replaced, as `found` gives it.
    """

    def __init__(
        self, change: Change, table: schema.Table, stem: str, before: pl.DataFrame
    ) -> None:
        self._change = change
        self._table = table
        self._before = before
        self._same: list[pl.DataFrame] = []
        self._shelf = Shelf(change, table, stem)

    def add(self, rows: pl.DataFrame) -> None:
        """Take rows with their place; of a frame without a key all of its groups' rows."""
        if not self._before.is_empty() and not rows.is_empty():
            keys = keys_of(self._table)
            found = _printed(rows.lazy(), self._table).select(*keys, _PRINT).unique().collect()
            same = found.join(
                self._before, on=[*keys, _PRINT], how="semi", nulls_equal=True
            ).select(keys)
            rows = rows.join(same, on=keys, how="anti", nulls_equal=True, maintain_order="left")
            self._same.append(same)
        if not rows.is_empty():
            self._shelf.add(rows)

    def close(self) -> pl.DataFrame:
        """Write what is new, drop what it replaces, and give the keys of what was dropped."""
        self._shelf.close()
        keys = keys_of(self._table)
        gone = self._before.drop(_PRINT)
        for same in self._same:
            gone = gone.join(same, on=keys, how="anti", nulls_equal=True)
        drop(self._change, self._table, gone)
        return gone.select(keys).unique()


def keys_of(table: schema.Table) -> list[str]:
    """Name the columns that say which rows replace which: of rejects and accounting, their path."""
    return [table.key] if table.key else ["origin", "path"]


def found(
    change: Change, table: schema.Table, files: list[Path], wanted: pl.LazyFrame
) -> pl.DataFrame:
    """Find rows by some of their columns.

    Returns:
        One row per key and file: the columns of `keys_of`, `_print` (of all its columns and its
        place) and `_file`.
    """
    empty = pl.DataFrame(
        schema={**dict.fromkeys(keys_of(table), pl.String()), _PRINT: pl.UInt64, FILE: pl.String}
    )
    if not files:
        return empty
    by = wanted.collect_schema().names()
    # Only the files that hold such rows are read with all their columns.
    named = (
        scan_files(files, table, include_file_paths=FILE)
        .select(*by, FILE)
        .join(wanted, on=by, how="semi", nulls_equal=True)
        .select(pl.col(FILE).unique())
        .collect()[FILE]
        .to_list()
    )
    hit = [Path(file) for file in named]
    if not hit:
        return empty
    places = pl.DataFrame(
        [(str(file), *place_of(change.place(file))) for file in hit],
        schema=dict.fromkeys((FILE, *PLACE), pl.String()),
        orient="row",
    )
    rows = scan_files(hit, table, include_file_paths=FILE).join(
        wanted, on=by, how="semi", nulls_equal=True
    )
    return (
        _printed(rows.join(places.lazy(), on=FILE, how="left"), table)
        .select(empty.columns)
        .unique()
        .collect()
    )


def drop(change: Change, table: schema.Table, rows: pl.DataFrame) -> None:
    """Stage the files that a column `_file` names without the rows of the keys beside it."""
    for (file,), gone in rows.group_by(FILE):
        path = Path(str(file))
        keys = gone.drop(FILE)
        rest = scan_files([path], table).join(
            keys.lazy(), on=keys.columns, how="anti", nulls_equal=True
        )
        if rest.select(pl.len()).collect().item():
            folder, _, name = change.place(path).rpartition("/")
            write_file(change.stage(new_name(folder, name.partition("-")[0])), table, rest)
        change.remove(path)


def _printed(rows: pl.LazyFrame, table: schema.Table) -> pl.LazyFrame:
    """Add a print of all columns and the place; of a frame without a key, of all rows of a key."""
    print_ = pl.struct(*table.schema.names(), *PLACE).hash()
    if table.key is None:
        print_ = print_.sort().implode().over(keys_of(table), mapping_strategy="join").hash()
    return rows.with_columns(print_.alias(_PRINT))

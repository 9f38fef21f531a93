"""A table that no database holds: rows of texts that a reader brings, chunk by chunk.

They are read like the one table of a database: by the same rules and the same mapping.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import chain, islice
from typing import TYPE_CHECKING

import polars as pl

from chatdata.database.assemble import in_parts
from chatdata.database.catalog import Column, Table
from chatdata.database.extract import Raw, Source, names_of
from chatdata.database.layout import infer
from chatdata.database.names import MAY_SPEAK
from chatdata.database.probe import FEW, MANY, refuse_documents
from chatdata.database.scope import Scope
from chatdata.database.values import key
from chatdata.spool import Spool

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from chatdata.database.binding import Binding, Layout

_TABLE = "messages"
UNLINKED = f"{_TABLE}#none"
"""The id that stands for no conversation."""


def read_rows(
    chunks: Iterable[pl.DataFrame],
    *,
    name: str,
    mapping: Mapping[str, str] | None,
    time_zone: str,
    held_bytes: int,
) -> Iterator[dict[str, pl.DataFrame]]:
    """Read rows of messages.

    Args:
        chunks: the rows, every column of text; a chunk may have columns that others have not.
        name: what to call their source.
        mapping: overrides of the inference, see `layout.infer`.
        time_zone: the zone of times that are stored without one.
        held_bytes: how much of the rows may wait in memory; where there are more, they are computed
            in parts, which come in another order (not where different messages share an id).

    Yields:
        Conversations, messages, tool calls and rejects, for each part of whole conversations.

    Raises:
        LayoutError: the columns are no messages, or the mapping names what is not there.
    """
    spool = Spool(limit=held_bytes)
    names: dict[str, None] = {}
    n_bytes = 0
    for chunk in chunks:
        names.update(dict.fromkeys(chunk.columns))
        n_bytes += int(chunk.estimated_size())
        spool.add(chunk)
    table = Table(_TABLE, tuple(_column(name, spool) for name in names))
    layout = infer((table,), source=name, mapping={"messages": _TABLE, **(mapping or {})})
    brought = [
        _Brought(spool, binding, is_last=binding is layout.messages[-1])
        for binding in _with_key(layout, spool).messages
    ]
    refuse_documents(layout, name, lambda binding: _first_texts(spool, binding))
    raws = tuple(Raw(one.binding, one.names, one) for one in brought)
    scope = Scope(time_zone=time_zone, held_bytes=held_bytes)
    yield from in_parts(Source(name, raws, n_bytes), scope)


@dataclass(frozen=True)
class _Brought:
    """The rows of a binding, in the columns that the frames are made of.

    Attributes:
        is_last: whether nobody else reads the rows after this.
    """

    spool: Spool
    binding: Binding
    is_last: bool

    @property
    def names(self) -> dict[str, str]:
        return names_of(self.binding, self.binding.table.columns)

    def __iter__(self) -> Iterator[pl.DataFrame]:
        return map(self._part, self.spool)

    def drain(self) -> Iterator[pl.DataFrame]:
        """Give the rows for the last time."""
        if not self.is_last:
            yield from self
            return
        while len(self.spool):
            yield self._part(self.spool.pop())

    def _part(self, chunk: pl.DataFrame) -> pl.DataFrame:
        absent = [name for name in self.names if name not in chunk.columns]
        whole = chunk.with_columns(pl.lit(None, pl.String).alias(name) for name in absent)
        if self.binding.rows is not None:
            whole = whole.filter(pl.sql_expr(self.binding.rows))
        return whole.select(pl.col(name).alias(short) for name, short in self.names.items())


def _column(name: str, spool: Spool) -> Column:
    """Give a column, with the first of its values where they may say who speaks."""
    column = Column(name, "text")
    if column.plain not in MAY_SPEAK:
        return column
    return replace(column, seen=frozenset(_first(spool, name, MANY)))


def _with_key(layout: Layout, spool: Spool) -> Layout:
    """Say of ids that come once that they do, as a database does by a primary key."""

    def keyed(binding: Binding) -> Binding:
        column = binding.columns.get("id")
        if column is None:
            return binding
        ids = (key(chunk[column.name]).drop_nulls() for chunk in _having(spool, column.name))
        hashes = pl.concat(chain([pl.Series(dtype=pl.UInt64())], (each.hash() for each in ids)))
        if hashes.is_duplicated().any():
            return binding
        return replace(binding, table=replace(binding.table, primary_key=(column.name,)))

    return replace(layout, messages=tuple(map(keyed, layout.messages)))


def _having(spool: Spool, column: str) -> Iterator[pl.DataFrame]:
    """Give the chunks that have a column."""
    return (chunk.select(column) for chunk in spool if column in chunk.columns)


def _first_texts(spool: Spool, binding: Binding) -> list[str]:
    return _first(spool, binding.columns["content"].name, FEW)


def _first(spool: Spool, column: str, n: int) -> list[str]:
    values = (chunk[column].drop_nulls().head(n) for chunk in _having(spool, column))
    return list(islice(chain.from_iterable(values), n))

"""A SQLite file in which a known program keeps its chats, and an application its own.

An application that says in a table of its own who speaks is read; the other tables are named.
"""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatdata.chats import Finding
from chatdata.database import catalog
from chatdata.database.connect import open_snapshot, target
from chatdata.database.layout import infer
from chatdata.database.looks import speaks
from chatdata.database.probe import has_rows, look_into
from chatdata.errors import LayoutError, SourceError
from chatdata.formats.base import Evidence, surest

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping
    from pathlib import Path

    from chatdata.database.binding import Binding
    from chatdata.database.catalog import Table
    from chatdata.database.connect import Snapshot
    from chatdata.formats.base import Format


@dataclass(frozen=True)
class Known:
    """What a known program keeps in a database: its format, and the tables by name."""

    format: Format
    tables: frozenset[str]

    def others(self, tables: Iterable[Table]) -> tuple[Table, ...]:
        """Give the tables that are not the program's."""
        return tuple(table for table in tables if table.name not in self.tables)

    def not_read(self, snapshot: Snapshot) -> Iterator[Finding]:
        """Name its tables that have rows, beside an application's, which were read."""
        if filled := [name for name in sorted(self.tables) if has_rows(snapshot, name)]:
            reason = (
                f"kept by {self.format.title}, beside an application's own messages; the path of"
                f" the file with `--format {self.format.name}` reads it instead"
            )
            yield Finding(snapshot.name, ", ".join(filled), "not read", reason)


def beside(
    snapshot: Snapshot, tables: Collection[Table], mapping: Mapping[str, str]
) -> Known | None:
    """Find what a known program keeps beside an application's own messages, which have rows.

    Args:
        snapshot: the database.
        tables: those that are there, looked into.
        mapping: overrides of the inference, see `layout.infer`.
    """
    if snapshot.dialect != "sqlite":
        return None
    names = _names(tables)
    format_ = surest(Evidence("tables", snapshot.name, names=names))
    if format_ is None:
        return None
    known = Known(format_, format_.own(names))
    is_named = not known.tables.isdisjoint(mapping.values())
    return known if not is_named and _own(known, tables, mapping, snapshot.name) else None


def own_messages(path: str | Path, format_: Format) -> tuple[Binding, ...]:
    """Find an application's own messages in a file of a known format; none where there are no rows.

    What cannot be looked into has none: reading it says what is the matter.
    """
    try:
        with open_snapshot(target(path)) as snapshot:
            tables = look_into(snapshot, catalog.tables(snapshot, None))
    except SourceError:
        return ()
    return _own(Known(format_, format_.own(_names(tables))), tables, {}, str(path))


def _own(
    known: Known, tables: Iterable[Table], mapping: Mapping[str, str], source: str
) -> tuple[Binding, ...]:
    if not known.tables:  # of a format that does not say which are its own, all may be
        return ()
    try:
        layout = infer(known.others(tables), source=source, mapping=mapping)
    except LayoutError:
        return ()
    return tuple(binding for binding in layout.messages if not binding.table.is_empty)


def say_who_speaks(messages: Collection[Binding]) -> bool:
    """Whether these are messages beyond doubt: by what a column holds, or by two in a row."""
    return any(
        binding.rows is not None or ((role := binding.columns.get("role")) and speaks(role))
        for binding in messages
    )


def not_read(messages: Iterable[Binding], origin: str, format_: Format) -> Iterator[Finding]:
    """Name an application's own messages, beside a known format that was read."""
    for name in dict.fromkeys(binding.table.name for binding in messages):
        reason = (
            f"may be messages of an application's own, beside what {format_.title} keeps; "
            f"`--map messages={shlex.quote(name)}` reads them instead"
        )
        yield Finding(origin, name, "not read", reason)


def _names(tables: Iterable[Table]) -> frozenset[str]:
    """Name tables and their columns, as the formats know them."""
    return frozenset(
        name
        for table in tables
        for name in (table.name, *(f"{table.name}.{column.name}" for column in table.columns))
    )

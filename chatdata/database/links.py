"""Which column a key means, where no foreign key says so: the one that holds what the rows say."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chatdata.database import names
from chatdata.database.columns import same
from chatdata.database.probe import has_rows, open_tables
from chatdata.database.sql import comparable, quoted

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chatdata.database.binding import Binding, Layout
    from chatdata.database.catalog import Column, Table
    from chatdata.database.connect import Snapshot

_KEYS = ("integer", "text")
"""The kinds of columns that may be keys."""


def linked(snapshot: Snapshot, layout: Layout, mapping: Mapping[str, str]) -> Layout:
    """Settle by the rows which table holds the conversations that the messages name.

    A table that is only named like conversations is theirs where it holds some key of the messages,
    in the column of the key's own name, its id, or another that names its rows.
    """
    if not layout.likely or _is_declared(layout):
        return layout
    keyed = [binding for binding in layout.messages if _has_keys(snapshot, binding)]
    if not keyed:
        return layout
    open_ = open_tables(snapshot, [binding.table for binding in layout.likely])
    if layout.likely[0].table.name not in open_:
        return layout
    is_asked = "conversations.id" in mapping
    for likely in layout.likely:
        if likely.table.name not in open_:
            continue
        for column in [likely.columns["id"]] if is_asked else _ids(likely, keyed[0]):
            if any(_holds(snapshot, likely.table, column, each) for each in keyed):
                return replace(layout, conversations=_with_id(likely, column))
    if any(key.partition(".")[0] == "conversations" for key in mapping):
        return layout
    unrelated = tuple(
        binding.table
        for binding in layout.likely
        if _is_named_for(binding.table, keyed[0]) and has_rows(snapshot, binding.table.name)
    )
    return replace(layout, conversations=None, unrelated=unrelated)


def _is_declared(layout: Layout) -> bool:
    """Whether a foreign key says which table the messages' key is of."""
    target = layout.likely[0].table
    return any(
        same([target], key.table) and same([binding.columns["conversation_id"]], key.column)
        for binding in layout.messages
        for key in binding.table.foreign_keys
    )


def _has_keys(snapshot: Snapshot, messages: Binding) -> bool:
    link = quoted(messages.columns["conversation_id"].name)
    table = quoted(messages.table.name)
    return bool(snapshot.rows(f"SELECT 1 AS one FROM {table} WHERE {link} IS NOT NULL LIMIT 1"))


def _ids(likely: Binding, messages: Binding) -> Iterator[Column]:
    """Give the columns that a key may mean, the likeliest first, each once."""
    table, link = likely.table, messages.columns["conversation_id"]
    yield from dict.fromkeys(
        column
        for column in (
            table.find(link.plain),
            likely.columns["id"],
            *map(table.find, names.CONVERSATIONS["id"]),
            *map(table.column, sorted(table.unique)),
        )
        if column is not None and column.kind in _KEYS
    )


def _holds(snapshot: Snapshot, table: Table, column: Column, messages: Binding) -> bool:
    """Whether a column names rows, and some of those that the messages name."""
    link, name = messages.columns["conversation_id"], quoted(table.name)
    named = f"SELECT {comparable(column, link)} FROM {name} WHERE {quoted(column.name)} IS NOT NULL"
    found = snapshot.rows(
        f"SELECT 1 AS one FROM {quoted(messages.table.name)}"
        f" WHERE {comparable(link, column)} IN ({named}) LIMIT 1"
    )
    return bool(found) and (_is_unique(table, column) or not _repeats(snapshot, table, column))


def _is_unique(table: Table, column: Column) -> bool:
    return table.primary_key == (column.name,) or column.name in table.unique


def _repeats(snapshot: Snapshot, table: Table, column: Column) -> bool:
    name = quoted(column.name)
    return bool(
        snapshot.rows(
            f"SELECT 1 AS one FROM {quoted(table.name)} WHERE {name} IS NOT NULL"
            f" GROUP BY {name} HAVING count(*) > 1 LIMIT 1"
        )
    )


def _is_named_for(table: Table, messages: Binding) -> bool:
    """Ask for a name that has the word of the key, as `threads` has of a `thread_id`."""
    return messages.columns["conversation_id"].plain.removesuffix("_id") in table.name.lower()


def _with_id(binding: Binding, column: Column) -> Binding:
    """Take a column for the id, whatever else it was taken for."""
    others = {what: one for what, one in binding.columns.items() if one != column}
    return replace(binding, columns={**others, "id": column})

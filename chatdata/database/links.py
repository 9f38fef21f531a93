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
    """Settle by the rows what the messages' keys name, and what those of a table of calls name.

    A table that is only named like conversations is theirs where it holds some key of the messages,
    in the column of the key's own name, its id, or another that names its rows. So a message is
    named by the column that holds some key of the calls.
    """
    return _with_called(snapshot, _with_conversations(snapshot, layout, mapping), mapping)


def _with_conversations(snapshot: Snapshot, layout: Layout, mapping: Mapping[str, str]) -> Layout:
    link = "conversation_id"
    if not layout.likely or any(_refers(one, link, layout.likely[0]) for one in layout.messages):
        return layout
    keyed = [binding for binding in layout.messages if _has_keys(snapshot, binding, link)]
    open_ = open_tables(snapshot, [binding.table for binding in layout.likely])
    if not keyed or layout.likely[0].table.name not in open_:
        return layout
    for likely in layout.likely:
        if likely.table.name not in open_:
            continue
        for column in _ids(likely, keyed[0], link, names.CONVERSATIONS, mapping):
            if any(_holds(snapshot, likely, column, each, link) for each in keyed):
                return replace(layout, conversations=_with_id(likely, column))
    if any(key.partition(".")[0] == "conversations" for key in mapping):
        return layout
    unrelated = tuple(
        binding.table
        for binding in layout.likely
        if _is_named_for(binding.table, keyed[0]) and has_rows(snapshot, binding.table.name)
    )
    return replace(layout, conversations=None, unrelated=unrelated)


def _with_called(snapshot: Snapshot, layout: Layout, mapping: Mapping[str, str]) -> Layout:
    calls, link, (messages, *others) = layout.tool_calls, "message_id", layout.messages
    if calls is None or link not in calls.columns or others or messages.is_of_steps:
        return layout
    is_open = calls.table.name in open_tables(snapshot, [calls.table])
    if not is_open or _refers(calls, link, messages) or not _has_keys(snapshot, calls, link):
        return layout
    for column in _ids(messages, calls, link, names.MESSAGES, mapping):
        if _holds(snapshot, messages, column, calls, link):
            return replace(layout, messages=(_with_id(messages, column),))
    return layout


def _refers(binding: Binding, link: str, target: Binding) -> bool:
    """Whether a foreign key says which table a key is of."""
    return any(
        same([target.table], key.table) and same([binding.columns[link]], key.column)
        for key in binding.table.foreign_keys
    )


def _has_keys(snapshot: Snapshot, binding: Binding, link: str) -> bool:
    table, key = quoted(binding.table.name), quoted(binding.columns[link].name)
    return bool(snapshot.rows(f"SELECT 1 AS one FROM {table} WHERE {key} IS NOT NULL LIMIT 1"))


def _ids(
    named: Binding,
    naming: Binding,
    link: str,
    synonyms: Mapping[str, tuple[str, ...]],
    mapping: Mapping[str, str],
) -> Iterator[Column]:
    """Give the columns that a key may mean, the likeliest first, each once."""
    table, own = named.table, named.columns.get("id")
    prefix = "conversations." if synonyms is names.CONVERSATIONS else ""
    if own and f"{prefix}id" in mapping:
        yield own
        return
    taken = [one for what, one in named.columns.items() if what != "id"]
    yield from dict.fromkeys(
        column
        for column in (
            table.find(naming.columns[link].plain),
            own,
            *map(table.find, synonyms["id"]),
            *map(table.column, sorted(table.unique)),
        )
        if column is not None and column.kind in _KEYS and column not in taken
    )


def _holds(snapshot: Snapshot, named: Binding, column: Column, naming: Binding, link: str) -> bool:
    """Whether a column holds some of what a key names, and each value once if it is not the id."""
    key, table = naming.columns[link], named.table
    ids = (
        f"SELECT {comparable(column, key)} FROM {quoted(table.name)}"
        f" WHERE {quoted(column.name)} IS NOT NULL"
    )
    found = snapshot.rows(
        f"SELECT 1 AS one FROM {quoted(naming.table.name)}"
        f" WHERE {comparable(key, column)} IN ({ids}) LIMIT 1"
    )
    is_sure = column == named.columns.get("id") or _is_unique(table, column)
    return bool(found) and (is_sure or not _repeats(snapshot, table, column))


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
    return replace(binding, columns={**binding.columns, "id": column})

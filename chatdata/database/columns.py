"""Which column of a table is what."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from chatdata.database import names
from chatdata.database.catalog import Column
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatdata.database.catalog import Table

    Named = TypeVar("Named", Column, Table)


def bind(
    table: Table,
    synonyms: Mapping[str, tuple[str, ...]],
    mapping: Mapping[str, str],
    prefix: str,
    source: str,
) -> dict[str, Column]:
    """Find a column for each thing wanted; no column is two things."""
    bound: dict[str, Column] = {}
    for what in synonyms:
        said = mapping.get(f"{prefix}{what}")
        if said is None:
            continue
        column = table.column(said)
        if column is None:
            found = listed(tuple(column.name for column in table.columns))
            raise LayoutError(
                f"the mapping takes column {said!r} for {prefix}{what}, which table"
                f" {table.name!r} has not; found {found}",
                source=source,
            )
        bound[what] = column
    taken = {column.name for column in bound.values()}
    if "id" in synonyms and "id" not in bound and len(table.primary_key) == 1:
        column = table.column(table.primary_key[0])
        if column is not None and column.name not in taken:
            bound["id"] = column
            taken.add(column.name)
    for what, wanted in synonyms.items():
        if what in bound:
            continue
        left = replace(table, columns=tuple(c for c in table.columns if c.name not in taken))
        column = left.find(*wanted)
        if column is not None:
            bound[what] = column
            taken.add(column.name)
    return {what: bound[what] for what in synonyms if what in bound}


def person(table: Table, *plain_names: str) -> Column | None:
    """Find the first column of these names that refers to a table of users."""
    return replace(table, columns=_people(table)).find(*plain_names)


def owner(table: Table) -> Column | None:
    """Find the column that says whose a conversation is by referring to a table of users.

    One of any other name will do where it is the only one, unless it says who handled it.
    """
    people = [one for one in _people(table) if not names.HANDLED.fullmatch(one.plain)]
    only = people[0] if len(people) == 1 else None
    return person(table, *names.OWNERS) or only


def _people(table: Table) -> tuple[Column, ...]:
    keys = {
        key.column.lower()
        for key in table.foreign_keys
        if key.n_columns == 1 and names.USER_TABLE.fullmatch(Column(key.table, "").plain)
    }
    return tuple(column for column in table.columns if column.name.lower() in keys)


def listed(found: Sequence[str], most: int = 12) -> str:
    """Name what was found, in an error."""
    shown = ", ".join(found[:most]) or "nothing"
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"


def same(named: Sequence[Named], name: str) -> Named | None:
    """Find a table or column by a name in a key, where SQLite keeps the case it was typed in."""
    exact = next((one for one in named if one.name == name), None)
    return exact or next((one for one in named if one.name.lower() == name.lower()), None)

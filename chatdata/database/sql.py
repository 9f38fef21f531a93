"""Names and texts as SQL writes them."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chatdata.database.catalog import Column


def quoted(identifier: str) -> str:
    """Quote an identifier; `user` and `order` are tables too."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"


def comparable(column: Column, other: Column) -> str:
    """A key as it compares with another: a uuid may have dashes in one of them only.

    A whole number that is stored as a float compares as the integer it is.
    """
    name = quoted(column.name)
    if column.kind == other.kind == "integer":
        return name
    if column.kind == "real":
        whole = f"CAST({name} AS BIGINT)"
        return (
            f"CASE WHEN {name} = {whole} THEN CAST({whole} AS TEXT) ELSE CAST({name} AS TEXT) END"
        )
    text = f"CAST({name} AS TEXT)"
    if "blob" in column.declared.lower():
        text = f"CASE typeof({name}) WHEN 'blob' THEN lower(hex({name})) ELSE {text} END"
    return (
        f"CASE WHEN length({text}) IN (32, 36) THEN lower(replace({text}, '-', '')) ELSE {text} END"
    )

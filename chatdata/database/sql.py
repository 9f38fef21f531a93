"""Names and texts as SQL writes them."""

from __future__ import annotations


def quoted(identifier: str) -> str:
    """Quote an identifier; `user` and `order` are tables too."""
    return '"' + identifier.replace('"', '""') + '"'


def literal(text: str) -> str:
    """Quote a text for SQL."""
    return "'" + text.replace("'", "''") + "'"

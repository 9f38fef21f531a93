"""Catalogues of databases, and what the layout inference takes their tables for."""

from __future__ import annotations

import re

from chatdata.database.catalog import Column, ForeignKey, Table
from chatdata.database.layout import infer


def table(name, columns, key=("id",), refers=()):
    """
    A table; `refers` are foreign keys as "column -> table.column".
    """
    made = [re.fullmatch(r"(.+) -> ([^.]+)(?:\.(.+))?", one).groups() for one in refers]
    return Table(
        name,
        tuple(Column(column, "TEXT") for column in columns.split()),
        tuple(one for one in key if one in columns.split()),
        tuple(ForeignKey(*parts) for parts in made),
    )


CONVERSATIONS = table("conversations", "id user_id created_at")
MESSAGES = table("messages", "id conversation_id role content created_at tool_calls")
CALLS = table("tool_calls", "id message_id tool_name arguments result")


def found(*tables, **mapping):
    return infer(
        tables, source="app", mapping={k.replace("__", "."): v for k, v in mapping.items()}
    )


def names(binding):
    return binding and binding.table.name


def bound(binding):
    return {what: column.name for what, column in binding.columns.items()}


def message(columns, **mapping):
    (binding,) = found(table("messages", columns), **mapping).messages
    return binding

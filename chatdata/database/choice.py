"""Which table of a database holds the messages, of all that look as if they did."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from chatdata.database import names
from chatdata.database.binding import Binding, bind_halves, bind_messages, bind_steps
from chatdata.database.columns import listed
from chatdata.database.looks import (
    conversation_key,
    exchange,
    holds_conversations,
    is_named_for_messages,
    looks_like_checkpoints,
    looks_like_messages,
    looks_like_steps,
    message_rank,
    says_who_speaks,
    speaker,
)
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chatdata.database.catalog import Table


def choose_messages(
    tables: Sequence[Table], mapping: Mapping[str, str], source: str
) -> tuple[Binding, ...]:
    """Take the table with the messages, or the two with questions and answers.

    What says who speaks goes before what does not, and what has rows before what is empty.

    Raises:
        LayoutError: no table looks like messages.
    """
    if "messages" in mapping:
        table = next(table for table in tables if table.name == mapping["messages"])
        return _named(table, mapping, source)
    if keyed := [table for table in tables if table.column(mapping.get("conversation_id", ""))]:
        tables = [table for table in keyed if table.find(*names.TEXTS)] or keyed
        best = min(tables, key=lambda table: (not says_who_speaks(table), message_rank(table)))
        return _named(best, mapping, source)
    for among in ([table for table in tables if not table.is_empty], tables):
        if found := _saying_who_speaks(among, mapping, source):
            return found
    candidates = [
        table
        for table in tables
        if looks_like_messages(table)
        and (_may_speak(table, mapping) or is_named_for_messages(table))
    ]
    if not candidates:
        raise _nothing(tables, source)
    ranked = sorted(candidates, key=lambda table: (table.is_empty, message_rank(table)))
    if "role" in mapping and (named := [one for one in ranked if one.column(mapping["role"])]):
        reason = "has a conversation key, a text and the role that the mapping names"
        return (bind_messages(named[0], mapping, source, reason),)
    if ranked[0].find(*names.SPEAKERS):
        reason = "has a conversation key and a text; no value seen in it says who speaks"
        return (bind_messages(ranked[0], mapping, source, reason),)
    reason = "has a conversation key and a text"
    first: dict[str, Table] = {}
    for table in ranked:
        if not table.find(*names.SPEAKERS):
            first.setdefault(speaker(table), table)
    return tuple(
        replace(bind_messages(first[role], mapping, source, reason), role=role)
        for role in ("user", "assistant")
        if role in first
    )


def _may_speak(table: Table, mapping: Mapping[str, str]) -> bool:
    return bool(table.find(*names.SPEAKERS) or table.column(mapping.get("role", "")))


def _named(table: Table, mapping: Mapping[str, str], source: str) -> tuple[Binding, ...]:
    """Bind the table that the mapping names."""
    reason = "named in the mapping"
    if looks_like_steps(table):
        return (bind_steps(table, mapping, source, reason),)
    if exchange(table, *_pair(mapping)) and not {"content", "role"} & mapping.keys():
        return bind_halves(table, mapping, source, reason)
    binding = bind_messages(table, mapping, source, reason)
    return (binding if "role" in binding.columns else replace(binding, role=speaker(table)),)


def _saying_who_speaks(
    tables: Sequence[Table], mapping: Mapping[str, str], source: str
) -> tuple[Binding, ...]:
    """Bind the best of the tables that say so: by a role, by steps, or by two texts in a row."""
    pair = _pair(mapping)
    both = [table for table in tables if conversation_key(table) and exchange(table, *pair)]
    if both and all(pair):
        return bind_halves(min(both, key=message_rank), mapping, source, "named in the mapping")
    with_role = [table for table in tables if looks_like_messages(table) and says_who_speaks(table)]
    if with_role:
        reason = "has a conversation key, a text and a role"
        return (bind_messages(min(with_role, key=message_rank), mapping, source, reason),)
    if steps := [table for table in tables if looks_like_steps(table)]:
        reason = "has steps of conversations, each with a type, an input and an output"
        return (bind_steps(min(steps, key=message_rank), mapping, source, reason),)
    if both:
        reason = "has a conversation key, and in each row a question and its answer"
        return bind_halves(min(both, key=message_rank), mapping, source, reason)
    return ()


def _pair(mapping: Mapping[str, str]) -> tuple[str, str]:
    return mapping.get("question", ""), mapping.get("answer", "")


def _nothing(tables: Sequence[Table], source: str) -> LayoutError:
    """Say what was expected and what was found."""
    found = tuple(table.name for table in tables)
    if any(map(looks_like_checkpoints, tables)):
        return LayoutError(
            "the tables hold LangGraph's checkpoints; a SQLite file of them, as SqliteSaver"
            " makes it, is read by its path; of Postgres write the state of each thread to a"
            ' JSONL file, {"thread_id": …, "messages": messages_to_dict(…)} a line, and scan'
            " that",
            source=source,
            tables=found,
        )
    lists = [(table, column) for table in tables if (column := holds_conversations(table))]
    if lists:
        table, column = lists[0]
        return LayoutError(
            f"no chat tables found; table {table.name!r} may keep each conversation as one JSON"
            f" list in {column.name!r}: write that column to a JSONL file, a conversation a line,"
            " and scan the file",
            source=source,
            tables=found,
        )
    return LayoutError(
        f"no chat tables found; expected one with a conversation key"
        f" ({', '.join(names.CONVERSATION_KEYS)}) and a text ({', '.join(names.TEXTS)}),"
        f" found {listed(found)}; name yours with a mapping",
        source=source,
        tables=found,
    )

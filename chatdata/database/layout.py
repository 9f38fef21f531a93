"""Which tables and columns of an application's database hold its chats.

The rules go by what a table looks like, never by which application it is: names are compared in
lower snake case, and each rule takes the first name of its list that is there. `mapping` overrides
any of them. Every decision is a `Finding`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatdata.chats import Finding
from chatdata.database import names
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatdata.database.catalog import Column, Table


@dataclass(frozen=True)
class CallColumn:
    """A column of a message table that may hold calls; `inside` is a key of what it holds."""

    column: Column
    inside: str | None = None


@dataclass(frozen=True)
class Binding:
    """A table, which of its columns is what, and why the table was taken."""

    table: Table
    columns: Mapping[str, Column]
    reason: str
    role: str | None = None  # of every row, where the table itself is the role
    call_columns: tuple[CallColumn, ...] = ()
    companion: Column | None = None
    flat: Mapping[str, Column] = field(default_factory=dict)


@dataclass(frozen=True)
class Layout:
    """Where the chats are; `messages` are two where questions and answers have a table each."""

    messages: tuple[Binding, ...]
    conversations: Binding | None
    tool_calls: Binding | None


def infer(
    tables: Sequence[Table], *, source: str, mapping: Mapping[str, str] | None = None
) -> Layout:
    """Find the chat tables of a database.

    Args:
        tables: its catalogue.
        source: its name, for errors.
        mapping: overrides. `messages`, `conversations` and `tool_calls` name tables, the last
            also a column of the message table. Any other key names the column that becomes a
            column of the messages (`role`, `created_at`, …), with a prefix one of the other two
            (`conversations.title`, `tool_calls.name`).

    Raises:
        LayoutError: no table looks like messages, or the mapping names what is not there.
    """
    wanted = dict(mapping or {})
    _check_mapping(tables, wanted, source)
    messages = _messages(tables, wanted, source)
    conversations = _conversations(tables, messages, wanted)
    return Layout(messages, conversations, _tool_calls(tables, messages, wanted))


def describe(layout: Layout, origin: str) -> Iterator[Finding]:
    """Say which table and column became what, and why."""
    frames = [
        *(("messages", binding) for binding in layout.messages),
        ("conversations", layout.conversations),
        ("tool_calls", layout.tool_calls),
    ]
    for frame, binding in frames:
        if binding is None:
            continue
        yield Finding(origin, binding.table.name, frame, binding.reason)
        for became, column in binding.columns.items():
            reason = f"column {column.name!r}, declared {column.declared or 'without a type'}"
            yield Finding(
                origin, f"{binding.table.name}.{column.name}", f"{frame}.{became}", reason
            )
        if binding.role is not None:
            reason = "the table has no role column; its name says who speaks"
            yield Finding(origin, binding.table.name, f"role {binding.role}", reason)
    if layout.conversations is None:
        reason = "no table of conversations; the distinct keys of the messages are"
        yield Finding(origin, layout.messages[0].table.name, "conversations", reason)


def _check_mapping(tables: Sequence[Table], mapping: Mapping[str, str], source: str) -> None:
    found = tuple(table.name for table in tables)
    known = {f"conversations.{key}" for key in names.CONVERSATIONS} | {
        f"tool_calls.{key}" for key in names.TOOL_CALLS
    }
    known |= {"messages", "conversations", "tool_calls", *names.MESSAGES}
    for key, value in mapping.items():
        if key not in known:
            raise LayoutError(
                f"the mapping names {key!r}; it can be one of {', '.join(sorted(known))}",
                source=source,
            )
        if key in ("messages", "conversations") and value not in found:
            raise LayoutError(
                f"the mapping takes table {value!r} for {key}, which is not there;"
                f" found {_listed(found)}",
                source=source,
                tables=found,
            )


def _messages(
    tables: Sequence[Table], mapping: Mapping[str, str], source: str
) -> tuple[Binding, ...]:
    if "messages" in mapping:
        table = next(table for table in tables if table.name == mapping["messages"])
        return (_bind_messages(table, mapping, source, "named in the mapping"),)
    candidates = [table for table in tables if _looks_like_messages(table)]
    with_role = [table for table in candidates if table.find(*names.ROLES)]
    if with_role:
        best = min(with_role, key=_message_rank)
        reason = "has a conversation key, a text and a role"
        return (_bind_messages(best, mapping, source, reason),)
    if not candidates:
        found = tuple(table.name for table in tables)
        raise LayoutError(
            f"no chat tables found; expected one with a conversation key"
            f" ({', '.join(names.CONVERSATION_KEYS)}) and a text ({', '.join(names.TEXTS)}),"
            f" found {_listed(found)}; name yours with a mapping",
            source=source,
            tables=found,
        )
    answers = [table for table in candidates if names.ANSWER_TABLE.search(table.name.lower())]
    questions = [table for table in candidates if table not in answers]
    spoken = [
        (sorted(part, key=_message_rank)[:1], role)
        for part, role in ((questions, "user"), (answers, "assistant"))
    ]
    reason = "has a conversation key and a text"
    return tuple(
        replace(_bind_messages(table, mapping, source, reason), role=role)
        for part, role in spoken
        for table in part
    )


def _bind_messages(table: Table, mapping: Mapping[str, str], source: str, reason: str) -> Binding:
    columns = _bind(table, names.MESSAGES, mapping, "", source)
    if "conversation_id" not in columns:
        key = next((key for key in table.foreign_keys if _is_conversation(key.table)), None)
        column = table.column(key.column) if key else None
        if column is None:
            expected = ", ".join(names.CONVERSATION_KEYS)
            raise LayoutError(
                f"table {table.name!r} has no conversation key ({expected});"
                " name it with conversation_id=… in the mapping",
                source=source,
            )
        columns["conversation_id"] = column
    if "content" not in columns:
        raise LayoutError(
            f"table {table.name!r} has no text ({', '.join(names.TEXTS)});"
            " name it with content=… in the mapping",
            source=source,
        )
    if columns.get("id") == columns["conversation_id"]:
        del columns["id"]
    taken = {column.name for column in columns.values()}
    wanted = mapping.get("tool_calls")
    found = table.column(wanted) if wanted else None
    calls = [CallColumn(found)] if found else list(_call_columns(table))
    return Binding(
        table,
        columns,
        reason,
        call_columns=tuple(call for call in calls if call.column.name not in taken),
        companion=table.find(*names.COMPANIONS),
        flat={} if wanted else _flat_columns(table),
    )


def _call_columns(table: Table) -> Iterator[CallColumn]:
    for name in names.CALL_COLUMNS:
        if (column := table.find(name)) is not None:
            yield CallColumn(column)
    for name in names.CALL_OBJECTS:
        if (column := table.find(name)) is not None:
            yield CallColumn(column, inside="tool_calls")


def _flat_columns(table: Table) -> Mapping[str, Column]:
    found = {what: table.find(*synonyms) for what, synonyms in names.FLAT.items()}
    if found["name"] is None:
        return {}
    return {what: column for what, column in found.items() if column is not None}


def _looks_like_messages(table: Table) -> bool:
    return (
        table.find(*names.CONVERSATION_KEYS) is not None
        and table.find(*names.TEXTS) is not None
        and not _looks_like_tool_calls(table)
    )


def _looks_like_tool_calls(table: Table) -> bool:
    extra = ("name", "tool") if names.TOOL_TABLE.search(table.name.lower()) else ()
    return (
        table.find(*names.TOOL_NAMES, *extra) is not None
        and table.find(*names.ARGUMENTS) is not None
        and table.find("role", "sender_type", "sender", "author_role") is None
    )


def _message_rank(table: Table) -> tuple[int, str]:
    plain = table.name.lower()
    if re.fullmatch(r"(chat|conversation)?_?messages?", plain):
        return 0, plain
    return (1 if "message" in plain else 2), plain


def _conversations(
    tables: Sequence[Table], messages: tuple[Binding, ...], mapping: Mapping[str, str]
) -> Binding | None:
    others = [
        table
        for table in tables
        if all(table.name != binding.table.name for binding in messages)
        and not _looks_like_tool_calls(table)
    ]
    key = messages[0].columns["conversation_id"].name
    target = next((fk for fk in messages[0].table.foreign_keys if fk.column == key), None)
    if "conversations" in mapping:
        table = next(table for table in tables if table.name == mapping["conversations"])
        reason = "named in the mapping"
    elif target and (found := next((t for t in others if t.name == target.table), None)):
        table, reason = found, f"the foreign key of {messages[0].table.name}.{key} points to it"
    elif named := [table for table in others if _is_conversation(table.name) and _is_chat(table)]:
        table, reason = min(named, key=_conversation_rank), "its name says so, and it has an id"
        target = None
    else:
        return None
    columns = _bind(table, names.CONVERSATIONS, mapping, "conversations.", "")
    if target and target.table == table.name and "conversations.id" not in mapping:
        referred = table.column(target.target or (table.primary_key or ("id",))[0])
        columns["id"] = referred or columns["id"]
    return Binding(table, columns, reason) if "id" in columns else None


def _is_conversation(name: str) -> bool:
    return names.CONVERSATION_TABLE.fullmatch(name.lower()) is not None


def _is_chat(table: Table) -> bool:
    """Tell a conversation from a login's session."""
    has_id = table.find(*names.CONVERSATIONS["id"]) is not None
    is_login = "session" in table.name.lower() and table.find(
        "token", "session_token", "access_token", "refresh_token", "expires_at", "expires"
    )
    return has_id and (not is_login or "conversation" in table.name.lower())


def _conversation_rank(table: Table) -> tuple[int, str]:
    plain = table.name.lower()
    order = ("conversation", "chat", "thread", "session")
    return next(rank for rank, word in enumerate(order) if word in plain), plain


def _tool_calls(
    tables: Sequence[Table], messages: tuple[Binding, ...], mapping: Mapping[str, str]
) -> Binding | None:
    wanted = mapping.get("tool_calls")
    taken = {binding.table.name for binding in messages}
    candidates = [
        table
        for table in tables
        if table.name not in taken
        and (table.name == wanted or (wanted is None and _looks_like_tool_calls(table)))
    ]
    if not candidates:
        return None
    table = min(candidates, key=lambda table: ("call" not in table.name.lower(), table.name))
    columns = _bind(table, names.TOOL_CALLS, mapping, "tool_calls.", "")
    for key in table.foreign_keys:
        if key.table in taken and "tool_calls.message_id" not in mapping:
            column = table.column(key.column)
            if column is not None:
                columns["message_id"] = column
    reason = "has a tool's name and arguments, and no role"
    return Binding(table, columns, "named in the mapping" if wanted else reason)


def _bind(
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
            found = _listed(tuple(column.name for column in table.columns))
            raise LayoutError(
                f"the mapping takes column {said!r} for {prefix}{what}, which table"
                f" {table.name!r} has not; found {found}",
                source=source or table.name,
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


def _listed(found: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(found[:most]) or "nothing"
    return shown if len(found) <= most else f"{shown} and {len(found) - most} more"

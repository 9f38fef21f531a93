"""Which tables and columns of an application's database hold its chats.

The rules go by what a table looks like, never by which application it is: names are compared in
lower snake case, and each rule takes the first name of its list that is there. `mapping` overrides
any of them. Every decision is a `Finding`.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatdata.chats import Finding
from chatdata.database import names
from chatdata.database.columns import bind, listed, same
from chatdata.database.looks import (
    conversation_key,
    conversation_rank,
    exchange,
    is_chat,
    is_conversation,
    looks_like_messages,
    looks_like_results,
    looks_like_tool_calls,
    message_rank,
    speaker,
)
from chatdata.database.sql import quoted
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatdata.database.catalog import Column, ForeignKey, Table


@dataclass(frozen=True)
class CallColumn:
    """A column of a message table that may hold calls; `inside` is a key of what it holds."""

    column: Column
    inside: str | None = None


@dataclass(frozen=True)
class Binding:
    """A table, which of its columns is what, and why the table was taken.

    Where a row holds a question and its answer, there is a binding for each of the two: `half` is
    the column with its text, and `rows` the condition of the rows that have it.
    """

    table: Table
    columns: Mapping[str, Column]
    reason: str
    role: str | None = None  # of every row, where the table itself is the role
    half: str | None = None
    rows: str | None = None
    call_columns: tuple[CallColumn, ...] = ()
    companion: Column | None = None
    flat: Mapping[str, Column] = field(default_factory=dict)

    @property
    def label(self) -> str:
        """What tells its messages from those of another binding."""
        return self.table.name if self.half is None else f"{self.table.name}.{self.half}"


@dataclass(frozen=True)
class Layout:
    """Where the chats are; `messages` are two where questions and answers have a table each.

    `unread` are tables that look as if they held messages, calls or results, and are none of these.
    """

    messages: tuple[Binding, ...]
    conversations: Binding | None
    tool_calls: Binding | None
    unread: tuple[Table, ...] = ()


def infer(
    tables: Sequence[Table], *, source: str, mapping: Mapping[str, str] | None = None
) -> Layout:
    """Find the chat tables of a database.

    Args:
        tables: its catalogue.
        source: its name, for errors.
        mapping: overrides. `messages`, `conversations` and `tool_calls` name tables, the last
            also a column of the message table. Any other key names the column that becomes a
            column of the messages (`role` or `messages.role`, …), with a prefix one of the other
            two (`conversations.title`, `tool_calls.name`).

    Raises:
        LayoutError: no table looks like messages, or the mapping names what is not there.
    """
    wanted = {key.removeprefix("messages."): value for key, value in (mapping or {}).items()}
    _check_mapping(tables, wanted, source)
    messages = _messages(tables, wanted, source)
    layout = Layout(
        messages,
        _conversations(tables, messages, wanted, source),
        _tool_calls(tables, messages, wanted, source),
    )
    _check_use(layout, wanted, source)
    return replace(layout, unread=tuple(_unread(tables, layout)))


def _unread(tables: Sequence[Table], layout: Layout) -> Iterator[Table]:
    bound = (*layout.messages, layout.conversations, layout.tool_calls)
    taken = {binding.table.name for binding in bound if binding is not None}
    for table in tables:
        if table.name in taken:
            continue
        speaks = table.find(*names.SPEAKERS) is not None or exchange(table) is not None
        if (
            (looks_like_messages(table) and speaks)
            or looks_like_tool_calls(table)
            or looks_like_results(table)
        ):
            yield table


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
            named = "name" if binding.half is None else f"column {binding.half!r}"
            reason = f"the table has no role column; its {named} says who speaks"
            yield Finding(origin, binding.table.name, f"role {binding.role}", reason)
    if layout.conversations is None:
        reason = "no table of conversations; the distinct keys of the messages are"
        yield Finding(origin, layout.messages[0].table.name, "conversations", reason)


def _check_mapping(tables: Sequence[Table], mapping: Mapping[str, str], source: str) -> None:
    found = tuple(table.name for table in tables)
    known = {f"conversations.{key}" for key in names.CONVERSATIONS} | {
        f"tool_calls.{key}" for key in names.TOOL_CALLS
    }
    known |= {"messages", "conversations", "tool_calls", "question", "answer", *names.MESSAGES}
    for key, value in mapping.items():
        if key not in known:
            raise LayoutError(
                f"the mapping names {key!r}; it can be one of {', '.join(sorted(known))}",
                source=source,
            )
        if key in ("messages", "conversations") and value not in found:
            raise LayoutError(
                f"the mapping takes table {value!r} for {key}, which is not there;"
                f" found {listed(found)}",
                source=source,
                tables=found,
            )


def _check_use(layout: Layout, mapping: Mapping[str, str], source: str) -> None:
    """Refuse a mapping of what is not there, rather than pass over it."""
    columns = {call.column.name for binding in layout.messages for call in binding.call_columns}
    wanted = mapping.get("tool_calls")
    if wanted is not None and layout.tool_calls is None and wanted not in columns:
        raise LayoutError(
            f"the mapping takes {wanted!r} for tool_calls, which is neither a table nor a column"
            f" of {layout.messages[0].table.name!r}",
            source=source,
        )
    for frame, binding in (
        ("conversations", layout.conversations),
        ("tool_calls", layout.tool_calls),
    ):
        unused = next((key for key in mapping if key.startswith(f"{frame}.")), None)
        if binding is None and unused is not None:
            raise LayoutError(
                f"the mapping names {unused!r}, but no table of {frame} was found;"
                f" name one with {frame}=…",
                source=source,
            )


def _messages(
    tables: Sequence[Table], mapping: Mapping[str, str], source: str
) -> tuple[Binding, ...]:
    pair = mapping.get("question", ""), mapping.get("answer", "")
    if "messages" in mapping:
        table = next(table for table in tables if table.name == mapping["messages"])
        reason = "named in the mapping"
        if exchange(table, *pair) and not {"content", "role"} & mapping.keys():
            return _halves(table, mapping, source, reason)
        binding = _bind_messages(table, mapping, source, reason)
        return (binding if "role" in binding.columns else replace(binding, role=speaker(table)),)
    candidates = [table for table in tables if looks_like_messages(table)]
    with_both = [table for table in tables if conversation_key(table) and exchange(table, *pair)]
    with_role = [table for table in candidates if table.find(*names.SPEAKERS)]
    if with_role:
        best = min(with_role, key=message_rank)
        reason = "has a conversation key, a text and a role"
        return (_bind_messages(best, mapping, source, reason),)
    if with_both:
        reason = "has a conversation key, and in each row a question and its answer"
        return _halves(min(with_both, key=message_rank), mapping, source, reason)
    if not candidates:
        found = tuple(table.name for table in tables)
        raise LayoutError(
            f"no chat tables found; expected one with a conversation key"
            f" ({', '.join(names.CONVERSATION_KEYS)}) and a text ({', '.join(names.TEXTS)}),"
            f" found {listed(found)}; name yours with a mapping",
            source=source,
            tables=found,
        )
    reason = "has a conversation key and a text"
    first: dict[str, Table] = {}
    for table in sorted(candidates, key=message_rank):
        first.setdefault(speaker(table), table)
    return tuple(
        replace(_bind_messages(first[role], mapping, source, reason), role=role)
        for role in ("user", "assistant")
        if role in first
    )


def _halves(
    table: Table, mapping: Mapping[str, str], source: str, reason: str
) -> tuple[Binding, ...]:
    """Bind a table whose rows hold a question and its answer: two messages, one after the other."""
    found = exchange(table, mapping.get("question", ""), mapping.get("answer", ""))
    assert found is not None  # noqa: S101 - asked before
    question, answer = found

    def half(column: Column, other: frozenset[str], role: str, rows: str) -> Binding:
        own = replace(table, columns=tuple(c for c in table.columns if c.name not in other))
        bound = _bind_messages(own, {**mapping, "content": column.name}, source, reason)
        columns = {what: one for what, one in bound.columns.items() if what != "role"}
        return replace(bound, columns=columns, role=role, half=column.name, rows=rows)

    asks, tells = (f"{quoted(column.name)} IS NOT NULL" for column in found)
    said = half(answer, frozenset([question.name]), "assistant", tells)
    calls = [*(call.column for call in said.call_columns), *said.flat.values()]
    calls += [said.companion] if said.companion else []
    of_answer = frozenset(column.name for column in (answer, *calls))
    # What was called and what nobody answered stays a message, and so does an empty row.
    rows = " OR ".join([tells, *(f"{quoted(column.name)} IS NOT NULL" for column in calls)])
    asked = half(question, of_answer, "user", f"{asks} OR NOT ({rows})")
    # Without an answer, what is known of its generation is kept in the extra of the question.
    own = {what: one for what, one in asked.columns.items() if what not in names.GENERATED}
    return replace(asked, columns=own), replace(said, rows=rows)


def _bind_messages(table: Table, mapping: Mapping[str, str], source: str, reason: str) -> Binding:
    columns = bind(table, names.MESSAGES, mapping, "", source)
    if "conversation_id" not in columns:
        key = next((key for key in table.foreign_keys if is_conversation(key.table)), None)
        column = conversation_key(table) or (table.column(key.column) if key else None)
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
    wanted = mapping.get("tool_calls", "")
    found = table.column(wanted)
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


def _conversations(
    tables: Sequence[Table],
    messages: tuple[Binding, ...],
    mapping: Mapping[str, str],
    source: str,
) -> Binding | None:
    taken = {binding.table.name for binding in messages}
    others = [t for t in tables if t.name not in taken and not looks_like_tool_calls(t)]
    key = _conversation_key(messages)
    target = None if key is None else same(others, key.table)
    if "conversations" in mapping:
        table = next(table for table in tables if table.name == mapping["conversations"])
        reason = "named in the mapping"
    elif key and target:
        table, reason = target, f"the foreign key {key.column} of the messages points to it"
    elif named := [table for table in others if is_conversation(table.name) and is_chat(table)]:
        table, reason = min(named, key=conversation_rank), "its name says so, and it has an id"
    else:
        return None
    columns = bind(table, names.CONVERSATIONS, mapping, "conversations.", source)
    if key and target is table and "conversations.id" not in mapping:
        # A key that names no column refers to the primary key, which is bound already.
        referred = same(table.columns, key.target or "")
        columns |= {"id": referred} if referred else {}
    if "id" in columns:
        return Binding(table, columns, reason)
    if "conversations" not in mapping:
        return None
    raise LayoutError(
        f"table {table.name!r} has no id; name it with conversations.id=… in the mapping",
        source=source,
    )


def _conversation_key(messages: tuple[Binding, ...]) -> ForeignKey | None:
    """Give the foreign key of the messages' conversation key."""
    return next(
        (
            key
            for binding in messages
            for key in binding.table.foreign_keys
            if same([binding.columns["conversation_id"]], key.column)
        ),
        None,
    )


def _tool_calls(
    tables: Sequence[Table],
    messages: tuple[Binding, ...],
    mapping: Mapping[str, str],
    source: str,
) -> Binding | None:
    wanted = mapping.get("tool_calls")
    taken = {binding.table.name for binding in messages}
    candidates = [
        table
        for table in tables
        if table.name not in taken
        and (table.name == wanted or (wanted is None and looks_like_tool_calls(table)))
    ]
    if not candidates:
        return None
    table = min(candidates, key=lambda table: ("call" not in table.name.lower(), table.name))
    columns = bind(table, names.TOOL_CALLS, mapping, "tool_calls.", source)
    for key in table.foreign_keys:
        column = same(table.columns, key.column)
        if column and same([binding.table for binding in messages], key.table):
            columns.setdefault("message_id", column)
    reason = "has a tool's name and arguments, and no role"
    return Binding(table, columns, "named in the mapping" if wanted else reason)

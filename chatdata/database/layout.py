"""Which tables and columns of an application's database hold its chats.

The rules go by what a table looks like, never by which application it is: names are compared in
lower snake case, and each rule takes the first name of its list that is there. `mapping` overrides
any of them. Every decision is a `Finding`.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import TYPE_CHECKING

from chatdata.chats import Finding
from chatdata.database import names
from chatdata.database.binding import Binding, Layout, bind_called, roles_in
from chatdata.database.choice import choose_messages
from chatdata.database.columns import bind, listed, owner, same
from chatdata.database.looks import (
    conversation_key,
    conversation_rank,
    exchange,
    holds_no_role,
    is_beside,
    is_chat,
    is_conversation,
    is_named_for_calls,
    is_named_for_messages,
    looks_like_checkpoints,
    looks_like_messages,
    looks_like_results,
    looks_like_steps,
    looks_like_tool_calls,
    says_who_speaks,
)
from chatdata.database.values import is_role
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from chatdata.database.catalog import Column, ForeignKey, Table

_SMALL = re.compile(r"-?\d{1,3}")
_FEW = 8


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
            two (`conversations.title`, `tool_calls.name`); `role.0=user` says what a value stands
            for.

    Raises:
        LayoutError: no table looks like messages, or the mapping names what is not there.
    """
    wanted = {key.removeprefix("messages."): value for key, value in (mapping or {}).items()}
    _check_mapping(tables, wanted, source)
    tables = [_told(table, wanted) for table in tables]
    messages = choose_messages(tables, wanted, source)
    likely = _conversations(tables, messages, wanted, source)
    calls = _tool_calls(tables, messages, wanted, source)
    layout = Layout(messages, next(iter(likely), None), calls, likely=likely)
    _check_use(layout, wanted, source)
    return replace(layout, unread=tuple(_unread(tables, layout)))


def _told(table: Table, mapping: Mapping[str, str]) -> Table:
    """Put into the place of values seen of the role what the mapping says that they stand for."""
    roles = roles_in(mapping)
    column = table.column(mapping.get("role", "")) or table.find(*names.SPEAKERS)
    if not roles or column is None or not column.seen:
        return table
    told = replace(column, seen=frozenset(roles.get(value, value) for value in column.seen))
    return replace(table, columns=tuple(told if one == column else one for one in table.columns))


def _unread(tables: Sequence[Table], layout: Layout) -> Iterator[Table]:
    bound = (*layout.messages, layout.conversations, layout.tool_calls)
    taken = {binding.table.name for binding in bound if binding is not None}
    for table in tables:
        if table.name in taken:
            continue
        speaks = says_who_speaks(table) or exchange(table) or is_named_for_messages(table)
        if (
            (looks_like_messages(table) and speaks)
            or looks_like_tool_calls(table)
            or looks_like_results(table)
            or is_named_for_calls(table)
            or looks_like_checkpoints(table)
            or looks_like_steps(table)
            or (conversation_key(table) is not None and exchange(table) is not None)
            or _is_other_half(table, layout)
        ):
            yield table


def _is_other_half(table: Table, layout: Layout) -> bool:
    """Ask for texts of a table that refers to the questions, where no answers were found."""
    (asked, *answers) = layout.messages
    refers = any(same([asked.table], key.table) for key in table.foreign_keys)
    return bool(asked.role and not answers and refers and table.find(*names.TEXTS))


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
        if _is_guess(binding, layout):
            reason = (
                "who speaks: no column of the table says so, and all of its rows count as the"
                " user's; map role to a column that does"
            )
            yield Finding(origin, binding.table.name, "not read", reason)
        elif _speaks_otherwise(binding):
            column = binding.columns["role"]
            reason = (
                "who speaks: no value of it that was seen is a word for a role, and its rows are"
                f" events; {_what_to_map(column)}"
            )
            yield Finding(origin, f"{binding.table.name}.{column.name}", "not read", reason)
        elif binding.role is not None:
            named = "name" if binding.half is None else f"column {binding.half!r}"
            reason = f"the table has no role column; its {named} says who speaks"
            yield Finding(origin, binding.table.name, f"role {binding.role}", reason)
    for table in layout.unrelated:
        reason = (
            "a table with the name of the messages' key, which holds none of their keys; if it is"
            " theirs, a mapping of conversations can say so"
        )
        yield Finding(origin, table.name, "not read", reason)
    if layout.conversations is None:
        reason = "no table of conversations; the distinct keys of the messages are"
        yield Finding(origin, layout.messages[0].table.name, "conversations", reason)


def _is_guess(binding: Binding, layout: Layout) -> bool:
    """Whether nothing tells who speaks in a table, neither a column nor its name."""
    is_alone = binding.role == "user" and binding.half is None and len(layout.messages) == 1
    return is_alone and names.QUESTION_TABLE.search(binding.table.name.lower()) is None


def _speaks_otherwise(binding: Binding) -> bool:
    """Whether the values of the role are numbers or names, of which none is a role."""
    column = binding.columns.get("role")
    return column is not None and not binding.is_of_steps and holds_no_role(column)


def _what_to_map(column: Column) -> str:
    """Say which values stand for roles; numbers are shown, since what is a word may be a name."""
    seen = sorted(column.seen or (), key=lambda value: (len(value), value))
    if len(seen) > _FEW or not all(map(_SMALL.fullmatch, seen)):
        return "map role to a column of the words user and assistant"
    speakers = zip(seen, ("user", "assistant"), strict=False)
    flags = " ".join(f"--map role.{value}={who}" for value, who in speakers)
    return f"its values are {', '.join(seen)}: say what each stands for, as `{flags}`"


def _check_mapping(tables: Sequence[Table], mapping: Mapping[str, str], source: str) -> None:
    found = tuple(table.name for table in tables)
    known = {f"conversations.{key}" for key in names.CONVERSATIONS} | {
        f"tool_calls.{key}" for key in names.TOOL_CALLS
    }
    known |= {"messages", "conversations", "tool_calls", "question", "answer", *names.MESSAGES}
    for key, value in mapping.items():
        if key.startswith(names.ROLE_VALUE):
            if not is_role(value):
                raise LayoutError(
                    f"the mapping takes {value!r} for {key}; expected user, assistant, system or"
                    " tool",
                    source=source,
                )
            continue
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
    spoken = any("role" in binding.columns for binding in layout.messages)
    if roles_in(mapping) and not spoken:
        raise LayoutError(
            f"the mapping says what values of the role stand for, but table"
            f" {layout.messages[0].table.name!r} has none; name its column with role=…",
            source=source,
        )
    halves = {binding.half for binding in layout.messages}
    for half in ("question", "answer"):
        if mapping.get(half, layout.messages[0].half) not in halves:
            raise LayoutError(
                f"the mapping takes column {mapping[half]!r} for {half}, but table"
                f" {layout.messages[0].table.name!r} was not taken for rows with a question and"
                " its answer; name both, and neither role nor content",
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


def _conversations(
    tables: Sequence[Table],
    messages: tuple[Binding, ...],
    mapping: Mapping[str, str],
    source: str,
) -> tuple[Binding, ...]:
    """Give the table of conversations; of several that are named so the likeliest first."""
    taken = {binding.table.name for binding in messages}
    others = [t for t in tables if t.name not in taken and not looks_like_tool_calls(t)]
    key = _conversation_key(messages)
    target = None if key is None else same(others, key.table)
    if "conversations" in mapping:
        named = [table for table in tables if table.name == mapping["conversations"]]
        target, reason = same(named, key.table) if key else None, "named in the mapping"
    elif key and target:
        named, reason = [target], f"the foreign key {key.column} of the messages points to it"
    else:
        named = _named_conversations(others, messages[0])
        reason = "its name says so, and it has an id"
    refers = key if target else None
    bound = [_bind_conversations(table, reason, refers, mapping, source) for table in named]
    return tuple(filter(None, bound))


def _bind_conversations(
    table: Table, reason: str, key: ForeignKey | None, mapping: Mapping[str, str], source: str
) -> Binding | None:
    """Bind a table of conversations, to which a key of the messages may refer."""
    columns = bind(table, names.CONVERSATIONS, mapping, "conversations.", source)
    whose = owner(table)
    if whose is not None and whose not in columns.values():
        columns.setdefault("user_id", whose)
    if key and "conversations.id" not in mapping:
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


def _named_conversations(tables: Sequence[Table], messages: Binding) -> list[Table]:
    """Give the tables that are named like conversations, the likeliest first."""
    beside = messages.table, messages.columns["conversation_id"]
    named = [
        table
        for table in tables
        if (is_conversation(table.name) or is_beside(table, *beside)) and is_chat(table)
    ]
    return sorted(named, key=lambda table: conversation_rank(table, *beside))


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


def _call_rank(table: Table) -> tuple[bool, bool, str]:
    return table.is_empty, "call" not in table.name.lower(), table.name


def _tool_calls(
    tables: Sequence[Table],
    messages: tuple[Binding, ...],
    mapping: Mapping[str, str],
    source: str,
) -> Binding | None:
    wanted = mapping.get("tool_calls")
    if messages[0].is_of_steps and wanted is None:
        return bind_called(messages[0].table, mapping, source)
    taken = {binding.table.name for binding in messages}
    candidates = [
        table
        for table in tables
        if table.name not in taken
        and (table.name == wanted or (wanted is None and looks_like_tool_calls(table)))
    ]
    if not candidates:
        return None
    table = min(candidates, key=_call_rank)
    columns = bind(table, names.TOOL_CALLS, mapping, "tool_calls.", source)
    for key in table.foreign_keys:
        column = same(table.columns, key.column)
        if column and same([binding.table for binding in messages], key.table):
            columns.setdefault("message_id", column)
    reason = "has a tool's name and arguments, and no role"
    return Binding(table, columns, "named in the mapping" if wanted else reason)

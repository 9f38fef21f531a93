"""A table as it is read: which of its columns is what of the messages, conversations or calls."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from chatdata.database import names
from chatdata.database.columns import bind, person
from chatdata.database.looks import conversation_key, exchange, is_conversation, refers, role_column
from chatdata.database.sql import literal, quoted
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chatdata.database.catalog import Column, Table


@dataclass(frozen=True)
class CallColumn:
    """A column of a message table that may hold calls; `inside` is a key of what it holds."""

    column: Column
    inside: str | None = None


@dataclass(frozen=True)
class Binding:
    """A table, which of its columns is what, and why the table was taken.

    Where a row holds a question and its answer, there is a binding for each of the two: `half` is
    the column with its text, and `rows` the condition of the rows that have it. Of a table of steps
    there is one for what was said and one for the calls, each with its `rows`. `answers` are
    columns that say more of a message that is the result of a call.
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
    answers: Mapping[str, Column] = field(default_factory=dict)
    roles: Mapping[str, str] = field(default_factory=dict)  # of values that are no words for one

    @property
    def label(self) -> str:
        """What tells its messages from those of another binding."""
        return self.table.name if self.half is None else f"{self.table.name}.{self.half}"

    @property
    def is_of_steps(self) -> bool:
        """Whether its table holds what was said, what was called, and the runs they are of."""
        return self.rows is not None and self.half is None

    @property
    def named_result(self) -> Column | None:
        """The column with the name of the tool, where only it may say whose result a row is."""
        return None if "name" in self.flat else self.answers.get("name")

    @property
    def answer_columns(self) -> tuple[Column, ...]:
        """The columns of which one is filled where a message may be the result of a call."""
        found = (self.columns.get("tool_call_id"), self.flat.get("name"))
        return tuple(column for column in found if column is not None)


@dataclass(frozen=True)
class Layout:
    """Where the chats are; `messages` are two where questions and answers have a table each.

    `unread` are tables that look as if they held messages, calls or results, and are none of these.
    `likely` are the tables that may be the conversations, the likeliest first; `unrelated` those of
    them that have the name of the messages' key, and yet hold none of their keys.
    """

    messages: tuple[Binding, ...]
    conversations: Binding | None
    tool_calls: Binding | None
    unread: tuple[Table, ...] = ()
    likely: tuple[Binding, ...] = ()
    unrelated: tuple[Table, ...] = ()


def bind_messages(table: Table, mapping: Mapping[str, str], source: str, reason: str) -> Binding:
    """Bind a table with a message to a row.

    Raises:
        LayoutError: no column of it names the conversation, or holds a text.
    """
    says = role_column(table)
    link = conversation_key(table)
    given = {value for key, value in mapping.items() if key in names.MESSAGES}
    whose = table.find(*names.USERS) or person(table, *names.PEOPLE)
    sure = link if link and refers(table, link) else None
    looked = {"role": says, "conversation_id": sure, "user_id": whose}
    told = {what: one.name for what, one in looked.items() if one and one.name not in given}
    columns = bind(table, names.MESSAGES, told | dict(mapping), "", source)
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
    if "created_at" not in mapping:
        columns |= _time_of_two(table, columns.get("created_at"))
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
        answers={
            what: column
            for what, synonyms in names.OF_RESULTS.items()
            if (column := table.find(*synonyms)) and column.name not in taken
        },
        roles=roles_in(mapping),
    )


def _time_of_two(table: Table, found: Column | None) -> Mapping[str, Column]:
    """Find the two columns that a time may be parted into, unless a better one was found."""
    for names_of_both in names.DAY_AND_CLOCK:
        day, clock = map(table.find, names_of_both)
        if day and clock and found in (None, day, clock):
            return {"created_at": found or day, "time_beside": day if found == clock else clock}
    return {}


def roles_in(mapping: Mapping[str, str]) -> dict[str, str]:
    """Give what a mapping says of values of the role: `role.0=user`."""
    return {
        key.removeprefix(names.ROLE_VALUE): word
        for key, word in mapping.items()
        if key.startswith(names.ROLE_VALUE)
    }


def bind_halves(
    table: Table, mapping: Mapping[str, str], source: str, reason: str
) -> tuple[Binding, ...]:
    """Bind a table whose rows hold a question and its answer: two messages, one after the other."""
    found = exchange(table, mapping.get("question", ""), mapping.get("answer", ""))
    assert found is not None  # noqa: S101 - asked before
    question, answer = found

    def half(column: Column, other: frozenset[str], role: str, rows: str) -> Binding:
        own = replace(table, columns=tuple(c for c in table.columns if c.name not in other))
        bound = bind_messages(own, {**mapping, "content": column.name}, source, reason)
        columns = {what: one for what, one in bound.columns.items() if what != "role"}
        return replace(bound, columns=columns, role=role, half=column.name, rows=rows)

    asks, tells = (f"{quoted(column.name)} IS NOT NULL" for column in found)
    said = half(answer, frozenset([question.name]), "assistant", tells)
    calls = [*(call.column for call in said.call_columns), *said.flat.values()]
    calls += [said.companion] if said.companion else []
    calls += [said.columns["parts"]] if "parts" in said.columns else []
    of_answer = frozenset(column.name for column in (answer, *calls))
    # What was called and what nobody answered stays a message, and so does an empty row.
    rows = " OR ".join([tells, *(f"{quoted(column.name)} IS NOT NULL" for column in calls)])
    asked = half(question, of_answer, "user", f"{asks} OR NOT ({rows})")
    # Without an answer, what is known of its generation is kept in the extra of the question.
    own = {what: one for what, one in asked.columns.items() if what not in names.GENERATED}
    return replace(asked, columns=own), replace(said, rows=rows)


def bind_steps(table: Table, mapping: Mapping[str, str], source: str, reason: str) -> Binding:
    """Bind what was said in a table of steps: its text is the output of a step of that type.

    What is neither said nor called (runs, generations, retrievals) is an event among the messages.
    """
    taken = (("content", "output"), ("role", "type"))
    found = {what: column.name for what, name in taken if (column := table.find(name))}
    bound = bind_messages(table, {**found, **mapping}, source, reason)
    rows = f"NOT {_is_call(table)}"
    return replace(bound, rows=rows, call_columns=(), companion=None, flat={})


def bind_called(table: Table, mapping: Mapping[str, str], source: str) -> Binding:
    """Bind the calls in a table of steps; which message a call is of, no step says."""
    columns = bind(table, names.TOOL_CALLS, mapping, "tool_calls.", source)
    return Binding(table, columns, "its steps of the type 'tool'", rows=_is_call(table))


def _is_call(table: Table) -> str:
    kind = table.find("type")
    assert kind is not None  # noqa: S101 - asked before
    return f"(coalesce(CAST({quoted(kind.name)} AS TEXT), '') = {literal('tool')})"


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

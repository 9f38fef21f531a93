"""From an application's database to `Chats`: one snapshot, closed before anything is computed."""

from __future__ import annotations

from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING

from chatdata import moments
from chatdata.chats import Finding
from chatdata.database import catalog, ranges, scope
from chatdata.database.assemble import assemble
from chatdata.database.connect import TypeMismatchError, open_snapshot, target
from chatdata.database.extract import Plan, Source, fill, plan, sample
from chatdata.database.known import beside
from chatdata.database.layout import describe, infer
from chatdata.database.links import linked
from chatdata.database.names import TOOL_CALLS
from chatdata.database.probe import (
    elsewhere,
    first_texts,
    look_into,
    refuse_documents,
    refuse_shared_ids,
    unread,
)
from chatdata.database.sql import quoted
from chatdata.errors import LayoutError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    import polars as pl

    from chatdata.chats import Chats
    from chatdata.database.binding import Binding, Layout
    from chatdata.database.connect import Snapshot, Target
    from chatdata.database.extract import Raw
    from chatdata.database.scope import Scope
    from chatdata.moments import Moment


def read(  # noqa: PLR0913 - each is a question of its own, all but the first by keyword
    source: str | Path,
    *,
    name: str | None = None,
    since: Moment | None = None,
    until: Moment | None = None,
    user_id: str | None = None,
    text: bool = True,
    schema: str | None = None,
    time_zone: str = "UTC",
    mapping: Mapping[str, str] | None = None,
    active_since: Moment | None = None,
    held_bytes: int | None = None,
) -> Chats[pl.LazyFrame]:
    """Read the chat tables of an application's database, whatever their layout.

    Args:
        source: `sqlite:///…`, `postgresql://…` or the path of a SQLite file.
        name: what to call it, instead of its file or host and database.
        since: keep messages from this moment on; naive means UTC.
        until: keep messages before this moment.
        user_id: keep what one user owns; a message's own user goes before its conversation's.
        text: False leaves every text of a person or model in the database.
        schema: of a Postgres database, instead of the role's own.
        time_zone: the zone of times that are stored without one.
        mapping: overrides of the inference, see `layout.infer`.
        active_since: keep whole conversations in which something is newer; naive means UTC.
        held_bytes: how much of the rows may wait in memory; where there are more, the frames are
            computed in parts, which takes less of it, and their rows are in another order.

    Raises:
        AccessError: locked, encrypted, refused, or rows hidden from this role.
        LayoutError: no chat tables found.
        SourceError: it does not exist or cannot be read.
        QueryError: a time or a time zone is none.
    """
    where = target(source, name)
    wanted = scope.Scope(
        moments.moment(since),
        moments.moment(until),
        moments.moment(active_since),
        user_id,
        text,
        moments.zone(time_zone),
        held_bytes,
    )
    try:
        chats = _read(where, wanted, schema, mapping, loose=False)
    except TypeMismatchError:
        # SQLite lets any value into any column; as text, all of them can be read.
        chats = _read(where, wanted, schema, mapping, loose=True)
    if time_zone == "UTC":
        return chats
    reason = "as asked; times that name a zone keep it"
    zone = Finding(where.name, "times without a zone", time_zone, reason)
    return replace(chats, findings=(*chats.findings, zone))


def _read(
    where: Target,
    wanted: Scope,
    schema: str | None,
    mapping: Mapping[str, str] | None,
    *,
    loose: bool,
) -> Chats[pl.LazyFrame]:
    """Read in one thread and compute in another: the first rows are frames before the last come.

    The transaction lasts as long as the reading, not as long as the computing.
    """
    opened: Future[Source] = Future()
    with ThreadPoolExecutor(1, "chatdata-read") as reader:

        def read_tables() -> tuple[Finding, ...]:
            plans: list[Plan] = []
            try:
                with open_snapshot(where, schema) as snapshot:
                    listed = catalog.tables(snapshot, schema, views=_tables_in(mapping))
                    found = look_into(snapshot, listed, _role(mapping))
                    known = beside(snapshot, found, mapping or {})
                    found = found if known is None else known.others(found)
                    try:
                        layout = infer(found, source=where.name, mapping=mapping)
                    except LayoutError as error:
                        raise elsewhere(snapshot, error, schema) from None
                    layout = linked(snapshot, layout, mapping or {})
                    refuse_documents(layout, where.name, partial(first_texts, snapshot))
                    refuse_shared_ids(layout, snapshot)
                    _check_named(layout, where.name)
                    if wanted.user_id is not None:
                        _check_owner(layout, where.name)
                    source = _planned(snapshot, layout, wanted, plans, loose=loose)
                    opened.set_result(source)
                    n_queries = max(len(planned.queries) for planned in plans)
                    with ranges.readers(where, schema, snapshot, n_queries) as snapshots:
                        for planned in plans:
                            fill(snapshots, planned)
                    # Last, since a table that this role may not read ends a transaction.
                    left_out = _left_out(snapshot, layout, wanted)
                    others = () if known is None else known.not_read(snapshot)
                    return (*left_out, *unread(snapshot, layout), *others)
            except BaseException as error:
                for planned in plans:
                    planned.inflow.end(error)
                if not opened.done():
                    opened.set_exception(error)
                raise

        reading = reader.submit(read_tables)
        chats = assemble(opened.result(), wanted)
        return replace(chats, findings=(*chats.findings, *reading.result()))


def _tables_in(mapping: Mapping[str, str] | None) -> frozenset[str]:
    """Give the tables that a mapping names; only these may be views."""
    named = ("messages", "conversations", "tool_calls")
    return frozenset(value for key, value in (mapping or {}).items() if key in named)


def _role(mapping: Mapping[str, str] | None) -> str | None:
    """Give the column that a mapping takes for the role."""
    asked = mapping or {}
    return asked.get("role", asked.get("messages.role"))


def _check_named(layout: Layout, name: str) -> None:
    """Refuse a table of calls, which only a mapping can have named, that names no tools."""
    called = layout.tool_calls
    if called is not None and "name" not in called.columns:
        expected = ", ".join(TOOL_CALLS["name"])
        raise LayoutError(
            f"table {called.table.name!r} has no names of tools ({expected});"
            " name them with tool_calls.name=… in the mapping",
            source=name,
            tables=(called.table.name,),
        )


def _check_owner(layout: Layout, name: str) -> None:
    """Refuse to look for a user's conversations where nothing says whose they are."""
    listed = [layout.conversations] if layout.conversations else []
    if not any("user_id" in binding.columns for binding in (*listed, *layout.messages)):
        tables = tuple(binding.table.name for binding in (*listed, *layout.messages))
        raise LayoutError(
            "no column is known to say whose a conversation is; name it by a mapping, as "
            "conversations.user_id=owner",
            source=name,
            tables=tables,
        )


def _planned(
    snapshot: Snapshot, layout: Layout, wanted: Scope, plans: list[Plan], *, loose: bool
) -> Source:
    """Plan the reading of each table, the largest first."""
    dialect = snapshot.dialect

    def planned(binding: Binding, where: str) -> Raw:
        # A condition may go by an index; only a table that is wanted whole is read in ranges.
        wheres = (where,) if where else ranges.conditions(snapshot, binding.table.name)
        plans.append(plan(binding, wheres, dialect, wanted, loose=loose))
        return plans[-1].raw

    def sampled(bindings: Iterable[Binding]) -> Iterator[Raw]:
        for binding in bindings:
            found = sample(binding, dialect, loose=loose)
            if found is not None:
                plans.append(found)
                yield found.raw

    samples: tuple[Raw, ...] = ()
    if wanted.is_narrow:
        calls_in = (*layout.messages, *([layout.tool_calls] if layout.tool_calls else []))
        samples = tuple(sampled(calls_in))
    messages = tuple(
        planned(binding, scope.of_messages(layout, binding, dialect, wanted))
        for binding in layout.messages
    )
    conversations = calls = None
    if layout.conversations is not None:
        condition = scope.of_conversations(layout, layout.conversations, dialect, wanted)
        conversations = planned(layout.conversations, condition)
    if layout.tool_calls is not None:
        condition = scope.of_tool_calls(layout, layout.tool_calls, dialect, wanted)
        calls = planned(layout.tool_calls, condition)
    findings = tuple(describe(layout, snapshot.name))
    tables = {binding.table.name for binding in layout.messages}
    n_bytes = sum(map(snapshot.n_bytes, tables))
    return Source(snapshot.name, messages, n_bytes, conversations, calls, findings, samples)


def _left_out(snapshot: Snapshot, layout: Layout, wanted: Scope) -> Iterator[Finding]:
    """Count the messages without a time, which lie in no window."""
    if not wanted.has_window:
        return
    everything = replace(wanted, since=None, until=None)
    for binding in layout.messages:
        column = binding.columns.get("created_at")
        condition = scope.of_messages(layout, binding, snapshot.dialect, everything)
        if column is not None:
            untimed = f"{quoted(column.name)} IS NULL"
            condition = f"{condition} AND {untimed}" if condition else f" WHERE {untimed}"
        sql = f"SELECT count(*) AS n FROM {quoted(binding.table.name)}{condition}"
        n = sum(row["n"] for row in snapshot.rows(sql))
        if n:
            reason = "messages without a time lie in no window"
            yield Finding(snapshot.name, binding.table.name, f"{n} messages left out", reason)

"""What of a database is wanted, as conditions of its SQL."""

from __future__ import annotations

import re
import uuid
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING
from zoneinfo import ZoneInfo

from chatdata.database.sql import comparable, literal, quoted

if TYPE_CHECKING:
    import polars as pl

    from chatdata.database.binding import Binding, Layout
    from chatdata.database.catalog import Column
    from chatdata.database.connect import Dialect


@dataclass(frozen=True)
class Scope:
    """A window of time, one user, or less than all of each row.

    Times are naive UTC. With `active_since` whole conversations are wanted: those in which
    something is newer than that, and what belongs to none. Of the rows so many bytes may wait in
    memory; then they are computed in parts, and come in another order.
    """

    since: datetime | None = None
    until: datetime | None = None
    active_since: datetime | None = None
    user_id: str | None = None
    text: bool = True
    time_zone: str = "UTC"
    held_bytes: int | None = None

    @property
    def is_narrow(self) -> bool:
        """Whether some rows are not wanted."""
        return self.has_window or self.active_since is not None or self.user_id is not None

    @property
    def has_window(self) -> bool:
        """Whether a window of time was asked for."""
        return self.since is not None or self.until is not None


@dataclass(frozen=True)
class _Owned:
    """A table whose rows say whose a conversation is, and in which columns."""

    table: str
    key: Column
    owner: Column


def within(scope: Scope, at: pl.Expr) -> pl.Expr:
    """Whether a moment lies in the window; a missing one lies in none."""
    inside = at.is_not_null()
    if scope.since is not None:
        inside &= at >= scope.since
    if scope.until is not None:
        inside &= at < scope.until
    return inside.fill_null(value=False)


def of_messages(layout: Layout, binding: Binding, dialect: Dialect, scope: Scope) -> str:
    """The WHERE of a message table, or nothing.

    The window is exact for Postgres times; for times stored as text it is a day wider on both
    sides, and what lies outside is left out afterwards.
    """
    link = binding.columns["conversation_id"]
    active = _active(layout, dialect, scope, link)
    window = _window(binding.columns.get("created_at"), dialect, scope)
    half = [binding.rows] if binding.rows else []
    return _where([*half, *_owner(layout, binding, dialect, scope), *active, *window])


def of_conversations(layout: Layout, binding: Binding, dialect: Dialect, scope: Scope) -> str:
    """The WHERE of the conversation table; its window needs the messages and comes afterwards.

    Somebody else's conversation in which the user speaks is read too, so that its messages are not
    taken for orphans; no frame shows it.
    """
    owner, key = binding.columns.get("user_id"), binding.columns["id"]
    active = _active(layout, dialect, scope, key)
    if owner is None or scope.user_id is None:
        return _where(active)
    conditions = [_is_user(owner, dialect, scope.user_id)]
    for messages in layout.messages:
        own, link = messages.columns.get("user_id"), messages.columns["conversation_id"]
        if own is not None:
            spoken = (
                f"SELECT {comparable(link, key)} FROM {quoted(messages.table.name)}"
                f" WHERE {_is_user(own, dialect, scope.user_id)}"
            )
            conditions.append(f"{comparable(key, link)} IN ({spoken})")
    return _where([" OR ".join(conditions), *active])


def of_tool_calls(layout: Layout, binding: Binding, dialect: Dialect, scope: Scope) -> str:
    """The WHERE of a tool table: the calls of the wanted messages.

    Those that name no message, or one that is in no table, go by their own time and owner.
    """
    called = [binding.rows] if binding.rows else []
    if not scope.is_narrow:
        return _where(called)
    link, at = binding.columns.get("message_id"), binding.columns.get("created_at")
    linked = []
    if link is not None:
        for messages in layout.messages:
            key = messages.columns.get("id")
            if key is not None:
                wanted = of_messages(layout, messages, dialect, scope)
                linked.append(
                    f"{comparable(link, key)} IN (SELECT {comparable(key, link)} FROM"
                    f" {quoted(messages.table.name)}{wanted})"
                )
    own = [*_owner(layout, binding, dialect, scope), *_window(at, dialect, scope)]
    if link is not None and scope.has_window:
        linked.append(" AND ".join(f"({one})" for one in [_orphaned(layout, binding, link), *own]))
    if scope.active_since is not None:
        key = binding.columns.get("conversation_id")
        own += [] if key is None else _active(layout, dialect, scope, key)
        linked += [] if link is None else [_orphaned(layout, binding, link)]
    unlinked = [f"{quoted(link.name)} IS NULL"] if link is not None else []
    loose = " AND ".join(f"({one})" for one in [*unlinked, *own]) or "1 = 1"
    wanted = " OR ".join(f"({one})" for one in [*linked, loose])
    return _where([*called, wanted])


def _orphaned(layout: Layout, binding: Binding, link: Column) -> str:
    """Whether a call names a message that is in no table."""
    keys = [(table, key) for table in layout.messages if (key := table.columns.get("id"))]
    if not keys:
        return "1 = 0"
    own = comparable(link, keys[0][1])
    others = "".join(
        f" EXCEPT SELECT {comparable(key, link)} FROM {quoted(table.table.name)}"
        for table, key in keys
    )
    return f"{own} IN (SELECT {own} FROM {quoted(binding.table.name)}{others})"


def _where(conditions: list[str]) -> str:
    return " WHERE " + " AND ".join(f"({one})" for one in conditions) if conditions else ""


def _owner(layout: Layout, binding: Binding, dialect: Dialect, scope: Scope) -> list[str]:
    """A row's owner is its own user, where rows have one, else its conversation's."""
    if scope.user_id is None:
        return []
    own, key = binding.columns.get("user_id"), binding.columns.get("conversation_id")
    mine = [_is_user(own, dialect, scope.user_id)] if own is not None else []
    unsaid = f"{quoted(own.name)} IS NULL AND " if own is not None else ""
    if key is not None:
        theirs = _owners(layout)
        mine += [f"{unsaid}{_in_owned(one, key, dialect, scope.user_id)}" for one in theirs]
    return [" OR ".join(mine) or "1 = 0"]


def _owners(layout: Layout) -> list[_Owned]:
    """Say where the owners of conversations are: in their table, else in rows of the messages."""
    listed = layout.conversations
    if listed is not None and (owner := listed.columns.get("user_id")) is not None:
        return [_Owned(listed.table.name, listed.columns["id"], owner)]
    return [
        _Owned(one.table.name, one.columns["conversation_id"], owner)
        for one in layout.messages
        if (owner := one.columns.get("user_id")) is not None
    ]


def _in_owned(owned: _Owned, key: Column, dialect: Dialect, user_id: str) -> str:
    return (
        f"{comparable(key, owned.key)} IN (SELECT {comparable(owned.key, key)}"
        f" FROM {quoted(owned.table)} WHERE {_is_user(owned.owner, dialect, user_id)})"
    )


def _is_user(column: Column, dialect: Dialect, user_id: str) -> str:
    """Compare as text, and a uuid in each of the forms in which it is stored."""
    name = quoted(column.name)
    if column.kind == "integer" and re.fullmatch(r"0|-?[1-9]\d{0,17}", user_id):
        return f"{name} = {user_id}"
    forms, as_bytes = {user_id}, ""
    with suppress(ValueError):
        parsed = uuid.UUID(user_id)
        # Postgres writes bytes as text behind a sign of their own.
        forms |= {
            str(parsed),
            parsed.hex,
            str(parsed).upper(),
            parsed.hex.upper(),
            rf"\x{parsed.hex}",
        }
        as_bytes = f" OR {name} = X'{parsed.hex}'" if dialect == "sqlite" else ""
    compared = name if "char" in column.declared.lower() else f"CAST({name} AS TEXT)"
    return f"{compared} IN ({', '.join(literal(form) for form in sorted(forms))}){as_bytes}"


def _active(layout: Layout, dialect: Dialect, scope: Scope, link: Column) -> list[str]:
    """Whether a conversation went on: it or something in it is new, or nobody knows when it was."""
    if scope.active_since is None:
        return []
    new = replace(scope, since=scope.active_since, active_since=None, user_id=None)

    def since(binding: Binding, *names: str) -> str:
        times = [column for name in names if (column := binding.columns.get(name))]
        return " OR ".join(
            f"({' AND '.join(_window(time, dialect, new))}) OR {quoted(time.name)} IS NULL"
            for time in times
        )

    conditions = [f"{quoted(link.name)} IS NULL"]
    calls = layout.tool_calls
    for messages in layout.messages:
        key, its_link = messages.columns.get("id"), messages.columns["conversation_id"]
        told = [since(messages, "created_at") or "1 = 1"]
        called = calls.columns.get("message_id") if calls else None
        if calls and key and called and (recent := since(calls, "created_at")):
            told.append(
                f"{comparable(key, called)} IN (SELECT {comparable(called, key)} FROM"
                f" {quoted(calls.table.name)} WHERE {recent})"
            )
        conditions.append(
            f"{comparable(link, its_link)} IN (SELECT {comparable(its_link, link)} FROM"
            f" {quoted(messages.table.name)} WHERE {' OR '.join(told)})"
        )
    listed = layout.conversations
    if listed and (recent := since(listed, "created_at", "updated_at")):
        key = listed.columns["id"]
        conditions.append(
            f"{comparable(link, key)} IN (SELECT {comparable(key, link)} FROM"
            f" {quoted(listed.table.name)} WHERE {recent})"
        )
    return [" OR ".join(conditions)]


def _window(column: Column | None, dialect: Dialect, scope: Scope) -> list[str]:
    if not scope.has_window:
        return []
    if column is None:
        return ["1 = 0"]
    if dialect == "sqlite":
        return _text_window(column, scope)
    name = quoted(column.name)
    if column.kind not in ("time", "instant"):
        return [f"{name} IS NOT NULL"]
    zone = ZoneInfo(scope.time_zone)

    def bound(moment: datetime) -> str:
        if column.kind == "instant":
            return f"TIMESTAMPTZ {literal(f'{moment.isoformat()}+00:00')}"
        return f"TIMESTAMP {literal(_local(moment, zone).isoformat())}"

    # An hour more than asked for: a clock set back shows the same local time twice.
    slack = timedelta(hours=0 if scope.time_zone == "UTC" or column.kind == "instant" else 1)
    conditions = []
    if scope.since is not None:
        conditions.append(f"{name} >= {bound(_shifted(scope.since, -slack))}")
    if scope.until is not None:
        conditions.append(f"{name} < {bound(_shifted(scope.until, slack))}")
    return conditions


def _local(moment: datetime, zone: ZoneInfo) -> datetime:
    try:
        return moment.replace(tzinfo=UTC).astimezone(zone).replace(tzinfo=None)
    except OverflowError:
        return moment


def _text_window(column: Column, scope: Scope) -> list[str]:
    """Compare the day as text; what begins with no day passes, for the frames to decide."""
    name = quoted(column.name)
    odd = f"{name} NOT GLOB '[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9]*'"
    conditions = []
    if scope.since is not None:
        day = _shifted(scope.since, -timedelta(days=1)).date().isoformat()
        conditions.append(f"{name} >= {literal(day)} OR {odd}")
    if scope.until is not None:
        day = _shifted(scope.until, timedelta(days=2)).date().isoformat()
        conditions.append(f"{name} < {literal(day)} OR {odd}")
    return conditions


def _shifted(moment: datetime, by: timedelta) -> datetime:
    try:
        return moment + by
    except OverflowError:
        return moment

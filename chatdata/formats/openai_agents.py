"""Sessions of the OpenAI Agents SDK: the SQLite tables `agent_sessions` and `agent_messages`.

A row of `agent_messages` is one item of the Responses API as JSON, in the order of the ids, with
the time at which it was stored. A session is one conversation; calls belong to the answer that
follows them within the turn. A session that has no items is a conversation without messages.

Gives: times, calls with results and outcomes where the item holds them.
Does not give: models, tokens.
"""

from __future__ import annotations

from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest
from chatdata.formats.openai_responses import Turn
from chatdata.formats.records import Bad
from chatdata.formats.rows import Conversation
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

_TABLES = frozenset(
    {"agent_sessions.session_id", "agent_messages.session_id", "agent_messages.message_data"}
)
_TAKEN = frozenset({"session_id", "created_at", "updated_at"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    try:
        with sqlite.opened(reading) as connection:
            sessions = {
                _name(row["session_id"]): row for row in sqlite.rows(connection, "agent_sessions")
            }
            stored = sqlite.rows(connection, "agent_messages", "session_id, id")
            for session, rows in groupby(stored, itemgetter("session_id")):
                own = sessions.pop(_name(session), None)
                yield _conversation(_name(session), own, rows, reading)
            for session, own in sessions.items():
                yield _conversation(session, own, iter(()), reading)
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _conversation(
    session: str | None,
    own: dict[str, Any] | None,
    rows: Iterator[dict[str, Any]],
    reading: Reading,
) -> Conversation:
    """Read a session and its items; without a row of its own it is known by the items alone."""
    reading.n_records += own is not None
    own = own or {}
    found = Conversation(
        ordinal=reading.n_records or 1,
        id=session,
        native_id=session,
        created_at=at(own.get("created_at")),
        updated_at=at(own.get("updated_at")),
        n_records=1 if own else 0,
        extra=rest(own, _TAKEN),
    )
    turn = Turn(found, {})
    for row in rows:
        reading.n_records += 1
        n_before = len(found.messages)
        try:
            turn.take(msgspec.json.decode(row["message_data"]))
        except UNEXPECTED:
            reading.reject(Bad(reading.n_records, None, ""), "not an item of the Responses API")
            continue
        found.n_records += 1
        for message in found.messages[n_before:]:
            message.at = at(row.get("created_at"))
    turn.end()
    return found


def _name(session: object) -> str | None:
    return None if session is None else str(session)


def _sniff(evidence: Evidence) -> float:
    return SURE if evidence.kind == "tables" and evidence.names >= _TABLES else 0.0


FORMAT = Format(
    "openai-agents",
    "OpenAI Agents SDK sessions (SQLite)",
    _sniff,
    _parse,
    __doc__,
    tables=frozenset({"agent_sessions", "agent_messages"}),
)

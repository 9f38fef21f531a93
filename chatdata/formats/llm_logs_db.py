"""The logs of `llm` (simonw/llm): an SQLite file, `logs.db`.

Since 0.32 messages are rows that are known by a hash of what they say and follow, shared by all
threads that begin alike: a message belongs to the first thread that had it, and what follows it in
another thread points to it there. A turn gives the messages that it added their time, and its
answer its model and tokens. Before, a response was one row: its prompt (with a system text where
that is new) and its answer are messages, and so are results of tools. Both are read; what was
copied from the old tables to the new ones counts once.

Gives: times, trees of threads and forks, models, tokens, calls with results (an `exception` is an
error), declared tools. Does not give: users, finish reasons, how much of the input was cached.
Attachments are named in `extra`.
"""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import keep, rest, text
from chatdata.formats.items import output_text
from chatdata.formats.llm_responses import responses
from chatdata.formats.records import Bad
from chatdata.formats.rows import Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at
from chatdata.formats.tree import path, preorder

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    Row = dict[str, Any]

_TURN_TAKEN = frozenset(
    {"id", "thread_id", "parent_message_hash", "tip_message_hash", "model", "resolved_model"}
    | {"input_tokens", "output_tokens", "datetime_utc"}
)
_OLD = frozenset({"responses.prompt", "responses.datetime_utc", "responses.conversation_id"})
_NEW = frozenset({"messages.hash", "turns.thread_id", "turns.datetime_utc", "parts.message_hash"})
_BESIDE = {"conversations.model", "tool_calls.response_id", "tool_results.response_id"}
_CALL_TAKEN = frozenset({"name", "arguments", "tool_call_id"})
_RESULT_TAKEN = frozenset({"name", "output", "tool_call_id", "exception"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    try:
        with sqlite.opened(reading) as connection:
            yield from _threads(connection, reading)
            yield from responses(connection, reading)
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _threads(connection: sqlite3.Connection, reading: Reading) -> Iterator[Conversation]:
    """Read threads oldest first, each with the messages that no older one has."""
    if "turns" not in sqlite.tables(connection):
        return  # a table of messages beside the old tables is somebody else's
    messages = {row["hash"]: row for row in sqlite.rows(connection, "messages")}
    parents = {hash_: row["parent_hash"] for hash_, row in messages.items()}
    listed = sqlite.rows(connection, "parts", "message_hash, position")
    parts = sqlite.grouped(listed, "message_hash")
    files = _attachments(connection)
    turns = sqlite.grouped(sqlite.rows(connection, "turns", "datetime_utc, id"), "thread_id")
    offered = _offered(connection)
    owners: dict[str, str] = {}
    for thread in sqlite.rows(connection, "threads", "datetime_utc, id"):
        reading.n_records += 1
        own = turns.get(thread["id"], [])
        try:
            found = _own([*own, thread], parents, owners)
            rows = {name: _message(messages[name], parts.get(name, []), files) for name in found}
            _place(rows, thread, parents, owners)
            _time(rows, own, parents)
            yield _conversation(thread, own, list(rows.values()), offered)
            reading.n_records += len(rows)
        except UNEXPECTED:
            reading.reject(Bad(reading.n_records, None, ""), "not a thread of llm")
    for number in range(len(messages) - len(owners)):
        reading.reject(Bad(reading.n_records + number + 1, None, ""), "a message of no thread")


def _own(tipped: list[Row], parents: dict[str, str | None], owners: dict[str, str]) -> list[str]:
    """List the messages that lead to the tips and that no thread has yet, parents first."""
    own: dict[str, str | None] = {}
    for row in tipped:
        chain: dict[str, str | None] = {}
        tip = row["tip_message_hash"]
        while tip in parents and tip not in owners and tip not in own and tip not in chain:
            chain[tip] = parents[tip]
            tip = parents[tip]
        own |= dict(reversed(chain.items()))
    thread = str(tipped[-1]["id"])
    owners |= dict.fromkeys(own, thread)
    return preorder(own)


def _place(
    rows: dict[str, Message],
    thread: Row,
    parents: dict[str, str | None],
    owners: dict[str, str],
) -> None:
    """Link messages to the ones before them, in this thread or the one that had them first."""
    main = path(parents, thread["tip_message_hash"])
    for hash_, row in rows.items():
        parent = parents[hash_]
        row.is_main_path = hash_ in main
        row.parent = f"{owners[parent]}:{parent}" if parent in owners else parent


def _time(rows: dict[str, Message], turns: list[Row], parents: dict[str, str | None]) -> None:
    """Give what a turn added its time, and its answer the rest."""
    for turn in turns:
        moment = at(turn["datetime_utc"])
        hash_ = turn["tip_message_hash"]
        while hash_ in rows and rows[hash_].at is None and moment is not None:
            rows[hash_].at = moment
            hash_ = parents[hash_]
        answer = rows.get(turn["tip_message_hash"])
        if answer is not None and answer.usage is None:
            answer.model = text(turn.get("resolved_model")) or text(turn["model"])
            answer.usage = Usage(input=turn.get("input_tokens"), output=turn.get("output_tokens"))
            more = rest(turn, _TURN_TAKEN)
            answer.extra |= {"turn": turn["id"]} | {k: v for k, v in more.items() if v is not None}


def _conversation(
    thread: Row, turns: list[Row], messages: list[Message], offered: dict[str, list[str]]
) -> Conversation:
    named = dict.fromkeys(name for turn in turns for name in offered.get(turn["id"], []))
    forked = text(thread.get("forked_from"))
    return Conversation(
        id=text(thread["id"]),
        native_id=text(thread["id"]),
        joins=True,
        title=text(thread.get("name")),
        created_at=at(turns[0]["datetime_utc"]) if turns else at(thread.get("datetime_utc")),
        updated_at=at(turns[-1]["datetime_utc"]) if turns else None,
        parent_id=forked,
        relation="fork" if forked else None,
        declared_tools=list(named) or None,
        messages=messages,
    )


def _message(source: Row, parts: list[Row], files: dict[Any, list[Row]]) -> Message:
    said = [part["text"] for part in parts if part["type"] == "text" and part["text"] is not None]
    thought = [part["text"] for part in parts if part["type"] == "reasoning" and part["text"]]
    message = Message(
        role_raw=str(source["role"]),
        content="\n".join(said) if said else None,
        reasoning="\n".join(thought) or None,
        native_id=source["hash"],
        n_records=1,
    )
    for part in parts:
        payload = msgspec.json.decode(part["payload"]) if part["payload"] else {}
        if part["type"] == "tool_call":
            message.calls.append(_call(part, payload))
        elif part["type"] == "tool_result":
            message.results.append(_result(payload))
        elif part["type"] not in {"text", "reasoning"} or payload:
            keep(message.extra, "parts", {"type": part["type"], **payload})
        for file in files.get(part["id"], []):
            keep(message.extra, "attachments", file)
    if message.results and not said and len(message.results) == 1:
        message.content = message.results[0].text
    if source.get("provider_metadata"):
        message.extra["provider_metadata"] = source["provider_metadata"]
    return message


def _call(part: Row, payload: Row) -> Call:
    return Call(
        name=text(part["tool_name"]) or text(payload.get("name")),
        native_id=text(payload.get("tool_call_id")),
        arguments=payload.get("arguments"),
        extra=rest(payload, _CALL_TAKEN),
    )


def _result(payload: Row) -> Result:
    result = Result(
        native_id=text(payload.get("tool_call_id")),
        text=output_text(payload.get("output")),
        status="ok",
        extra=rest(payload, _RESULT_TAKEN),
    )
    if payload.get("exception"):
        result.status, result.error_source, result.error_class = "error", "explicit", "unknown"
        result.extra["exception"] = payload["exception"]
    return result


def _attachments(connection: sqlite3.Connection) -> dict[Any, list[Row]]:
    """Describe the attachments of each part; their bytes are in the file, not here."""
    known = {}
    for row in sqlite.rows(connection, "attachments"):
        data = row.pop("content", None)
        if isinstance(data, bytes):
            row |= {"n_bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        known[row["id"]] = row
    links = sqlite.grouped(sqlite.rows(connection, "part_attachments"), "part_id")
    return {
        part: [known[link["attachment_id"]] for link in listed if link["attachment_id"] in known]
        for part, listed in links.items()
    }


def _offered(connection: sqlite3.Connection) -> dict[str, list[str]]:
    names = {row["id"]: row["name"] for row in sqlite.rows(connection, "tools")}
    links = sqlite.grouped(sqlite.rows(connection, "turn_tools"), "turn_id")
    return {
        turn: [names[link["tool_id"]] for link in listed if link["tool_id"] in names]
        for turn, listed in links.items()
    }


def _sniff(evidence: Evidence) -> float:
    known = "_llm_migrations" in evidence.names and evidence.names & {"responses", "turns"}
    ours = evidence.names >= _OLD or evidence.names >= _NEW
    return SURE if evidence.kind == "tables" and (known or ours) else 0.0


FORMAT = Format(
    "llm-logs-db",
    "llm logs (SQLite)",
    _sniff,
    _parse,
    __doc__,
    tables=frozenset({*_OLD, *_NEW, *_BESIDE}),
)

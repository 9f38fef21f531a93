"""The archive of agentsview: an SQLite file that holds the logs of some fifty agents.

Tables `sessions`, `messages`, `tool_calls` and, in newer versions, `tool_result_events` and
`usage_events`. A session is one conversation, linked to the one it continues, was forked from or
works for. Messages that Claude Code wrote keep its uuids, so that what forks copied counts once;
rows of one response share their `generation_id`, and its tokens stand once. Where only a session's
tokens are known they are in its `extra`. It lacks what its own readers leave out (other branches of
ChatGPT, tools of Claude.ai): prefer the original logs where they still are.

Gives: times, models, tokens, lineage, calls with results. Does not give: outcomes of calls, apart
from events that say they failed; users. System rows are `injected`, compactions are summaries.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.records import Bad
from chatdata.formats.rows import Call, Conversation, Message, Usage
from chatdata.formats.times import at, note

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    Row = dict[str, Any]

_RELATIONS = frozenset({"subagent", "fork", "continuation", "resume"})
# Of a session's many columns, those that say something of it and that no column took.
_ABOUT = ("machine", "git_branch", "source_version", "file_path", "entrypoint", "deleted_at")
_MESSAGE_TAKEN = frozenset(
    {"id", "session_id", "ordinal", "role", "content", "thinking_text", "timestamp", "model"}
    | {"token_usage", "content_length", "has_thinking", "has_tool_use", "is_system"}
    | {"has_context_tokens", "has_output_tokens", "output_tokens", "source_parent_uuid"}
    | {"source_uuid", "claude_message_id"}
)
_CALL_TAKEN = frozenset(
    {"id", "message_id", "session_id", "tool_name", "tool_use_id", "input_json", "result_content"}
    | {"result_content_length", "call_index"}
)
_COUNTED = (
    "input_tokens",
    "output_tokens",
    "cache_read_input_tokens",
    "cache_creation_input_tokens",
    "reasoning_tokens",
)
_FAILED = frozenset({"error", "errored", "failed"})
_COLUMNS = frozenset({"sessions.agent", "messages.ordinal", "tool_calls.tool_name"})
_BESIDE = {"tool_result_events", "usage_events"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    try:
        with sqlite.opened(reading) as connection:
            started_by = _started_by(connection)
            for session in sqlite.rows(connection, "sessions", "started_at, id"):
                reading.n_records += 1
                try:
                    yield _conversation(connection, session, started_by, reading)
                except UNEXPECTED:
                    reading.reject(Bad(reading.n_records, None, ""), "not an agentsview session")
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _conversation(
    connection: sqlite3.Connection, session: Row, started_by: dict[str, str], reading: Reading
) -> Conversation:
    id_ = str(session["id"])
    calls = sqlite.grouped(_of(connection, "tool_calls", id_, "message_id, id"), "message_id")
    failed = {
        event["tool_use_id"]
        for event in _of(connection, "tool_result_events", id_, "id")
        if event["status"] in _FAILED
    }
    rows = list(_of(connection, "messages", id_, "ordinal"))
    messages = [_message(row, calls.get(row["id"], []), failed) for row in rows]
    _count_once(messages)
    conversation = Conversation(
        id=id_,
        native_id=text(session.get("source_session_id")) or id_,
        title=text(session.get("display_name")) or text(session.get("session_name")),
        agent=text(session.get("agent")),
        project=text(session.get("cwd")) or text(session.get("project")),
        created_at=at(session.get("started_at")),
        updated_at=at(session.get("ended_at")),
        parent_id=text(session.get("parent_session_id")),
        parent_call=started_by.get(id_),
        messages=messages,
        extra={key: session[key] for key in _ABOUT if session.get(key)},
    )
    if conversation.parent_id and session.get("relationship_type") in _RELATIONS:
        conversation.relation = session["relationship_type"]
    _add_usage(conversation, list(_of(connection, "usage_events", id_, "id")))
    reading.n_records += len(rows) + sum(len(listed) for listed in calls.values())
    return conversation


def _of(connection: sqlite3.Connection, table: str, id_: str, order: str) -> Iterator[Row]:
    """Read a session's rows of a table that this version may lack."""
    if table in sqlite.tables(connection):
        query = f'select * from "{table}" where session_id = ? order by {order}'
        yield from connection.execute(query, [id_])


def _started_by(connection: sqlite3.Connection) -> dict[str, str]:
    """Name the call that started each sub-agent's session."""
    return {
        row["subagent_session_id"]: f"{row['session_id']}:{row['tool_use_id']}"
        for row in sqlite.rows(connection, "tool_calls")
        if row.get("subagent_session_id") and row.get("tool_use_id")
    }


def _message(row: Row, calls: list[Row], failed: set[Any]) -> Message:
    moment = at(row.get("timestamp"))
    taken = {key for key, value in row.items() if value in {None, "", 0}}
    extra = rest(row, _MESSAGE_TAKEN | taken)
    note(extra, row, "timestamp", moment)
    message = Message(
        role_raw=str(row["role"]),
        content=row["content"],
        reasoning=text(row.get("thinking_text")),
        key=text(row.get("source_uuid")),
        native_id=text(row.get("source_uuid")) or str(row["ordinal"]),
        model=text(row.get("model")),
        generation_id=text(row.get("claude_message_id")),
        at=moment,
        usage=_usage(row),
        calls=[_call(call, failed) for call in calls],
        n_records=1,
        extra=extra,
    )
    if text(row.get("source_parent_uuid")):
        message.parent = row["source_parent_uuid"]
    if row.get("is_compact_boundary"):
        message.kind = "summary"
    elif row.get("is_system"):
        message.kind = "injected"
    return message


def _call(row: Row, failed: set[Any]) -> Call:
    id_ = text(row.get("tool_use_id"))
    call = Call(
        name=text(row["tool_name"]),
        native_id=id_,
        arguments=row.get("input_json"),
        result=row.get("result_content"),
        has_result=row.get("result_content") is not None or id_ in failed,
        n_records=1,
        extra={key: value for key, value in rest(row, _CALL_TAKEN).items() if value},
    )
    if id_ is not None and id_ in failed:
        call.status, call.error_source, call.error_class = "error", "explicit", "unknown"
    return call


def _usage(row: Row) -> Usage | None:
    """Read tokens as the agent's API gave them, else the one column that the archive has."""
    counts = msgspec.json.decode(row["token_usage"]) if row.get("token_usage") else {}
    if not counts:
        known = row.get("has_output_tokens")
        return Usage(output=row.get("output_tokens")) if known else None
    total, inside = counts.get("input_tokens"), counts.get("cached_input_tokens")
    apart = counts.get("cache_read_input_tokens")
    if isinstance(total, int) and isinstance(inside, int) and total >= inside and apart is None:
        total -= inside
    return Usage(
        input=total,
        output=counts.get("output_tokens"),
        cache_read=inside if apart is None else apart,
        cache_write=counts.get("cache_creation_input_tokens"),
        reasoning=counts.get("reasoning_output_tokens"),
    )


def _count_once(messages: list[Message]) -> None:
    """Keep the tokens of a response on the row that counts most of them."""
    best: dict[str, Message] = {}
    for message in messages:
        if message.generation_id is None or message.usage is None:
            continue
        other = best.get(message.generation_id)
        if other is not None and other.usage is not None:
            less = (other.usage.output or 0) < (message.usage.output or 0)
            (other if less else message).usage = None
            if not less:
                continue
        best[message.generation_id] = message


def _add_usage(conversation: Conversation, events: list[Row]) -> None:
    """Keep what only the session's own accounting tells."""
    if events and not any(message.usage for message in conversation.messages):
        sums = {name: sum(event.get(name) or 0 for event in events) for name in _COUNTED}
        conversation.extra["usage_unattached"] = sums


def _sniff(evidence: Evidence) -> float:
    return SURE if evidence.kind == "tables" and evidence.names >= _COLUMNS else 0.0


FORMAT = Format(
    "agentsview",
    "agentsview archives (SQLite)",
    _sniff,
    _parse,
    __doc__,
    tables=_COLUMNS | _BESIDE,
)

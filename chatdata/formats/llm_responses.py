"""Responses of `llm` before 0.32: one row is a prompt and its answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import sqlite
from chatdata.formats.base import UNEXPECTED, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.records import Bad
from chatdata.formats.rows import Call, Conversation, Message, Result, Usage
from chatdata.formats.times import at

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterator

    Row = dict[str, Any]

_TAKEN = frozenset(
    {"id", "model", "resolved_model", "prompt", "system", "response", "reasoning"}
    | {"conversation_id", "datetime_utc", "input_tokens", "output_tokens"}
    | {"prompt_json", "response_json"}
)


def responses(connection: sqlite3.Connection, reading: Reading) -> Iterator[Conversation]:
    """Read the old tables, one conversation after another, without what the new ones have too."""
    copied = {row["id"] for row in sqlite.rows(connection, "turns")}
    listed = {row["id"]: row for row in sqlite.rows(connection, "conversations")}
    calls = sqlite.grouped(sqlite.rows(connection, "tool_calls"), "response_id")
    results = sqlite.grouped(sqlite.rows(connection, "tool_results"), "response_id")
    current: Conversation | None = None
    system: str | None = None
    for row in sqlite.rows(connection, "responses", "coalesce(conversation_id, id), id"):
        reading.n_records += 1
        if row["id"] in copied:
            reading.count("mirrored")
            continue
        id_ = str(row["conversation_id"] or row["id"])
        if current is None or current.id != id_:
            if current is not None:
                yield current
            current, system = _begun(id_, listed.get(id_) or {}), None
        try:
            rows = _rows(row, calls, results, system)
            current.messages += rows
        except UNEXPECTED:
            reading.reject(Bad(reading.n_records, None, ""), "not a response of llm")
        else:
            system = row.get("system") or system
    if current is not None:
        yield current


def _begun(id_: str, source: Row) -> Conversation:
    return Conversation(
        id=id_,
        native_id=id_,
        title=text(source.get("name")),
        model=text(source.get("model")),
        joins=True,
        n_records=0,
    )


def _rows(
    row: Row, calls: dict[Any, list[Row]], results: dict[Any, list[Row]], system: str | None
) -> list[Message]:
    moment = at(row["datetime_utc"])
    id_ = str(row["id"])
    rows = []
    if row.get("system") and row["system"] != system:
        rows.append(Message(role_raw="system", content=row["system"], native_id=f"{id_}/system"))
    answers = [_result(result) for result in results.get(row["id"], ())]
    if answers:
        said = answers[0].text if len(answers) == 1 else None
        answered = Message(role_raw="tool", content=said, native_id=f"{id_}/results")
        rows.append(answered)
        answered.results = answers
    if row["prompt"] or not answers:
        rows.append(Message(role_raw="user", content=row["prompt"], native_id=f"{id_}/prompt"))
    rows.append(
        Message(
            role_raw="assistant",
            content=row["response"],
            reasoning=text(row.get("reasoning")),
            native_id=id_,
            model=text(row.get("resolved_model")) or text(row["model"]),
            usage=Usage(input=row.get("input_tokens"), output=row.get("output_tokens")),
            calls=[_call(call) for call in calls.get(row["id"], ())],
            n_records=1,
            extra={key: value for key, value in rest(row, _TAKEN).items() if value is not None},
        )
    )
    for message in rows:
        message.at = moment
    return rows


def _call(row: Row) -> Call:
    return Call(
        name=text(row["name"]),
        native_id=text(row.get("tool_call_id")),
        arguments=row["arguments"],
    )


def _result(row: Row) -> Result:
    result = Result(native_id=text(row.get("tool_call_id")), text=row["output"], status="ok")
    if row.get("exception"):
        result.status, result.error_source, result.error_class = "error", "explicit", "unknown"
        result.extra["exception"] = row["exception"]
    return result

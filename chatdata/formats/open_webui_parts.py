"""What Open WebUI kept elsewhere: chats in its database, calls and thoughts in a message's text."""

from __future__ import annotations

import html
import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.base import UNEXPECTED, Reading
from chatdata.formats.records import Bad, Record
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Callable, Iterable, Iterator

    Row = dict[str, Any]

_DETAILS = re.compile(
    r'<details type="(tool_calls|reasoning)"([^>]*)>\s*'
    r"(?:<summary>.*?</summary>)?(.*?)</details>\s*",
    re.DOTALL,
)
_ATTRIBUTE = re.compile(r'(\w+)="([^"]*)"')
# What a message is called in the table, and in the chat.
_COLUMNS = {
    "role": "role",
    "parent_id": "parentId",
    "content": "content",
    "output": "output",
    "model_id": "model",
    "usage": "usage",
    "files": "files",
    "sources": "sources",
    "status_history": "statusHistory",
    "error": "error",
    "done": "done",
    "created_at": "timestamp",
}


def stored(
    reading: Reading, convert: Callable[[Record], Iterable[Conversation]]
) -> Iterator[Conversation]:
    """Read the chats of `webui.db`, given what reads one of an export."""
    try:
        with sqlite.opened(reading) as connection:
            for row in sqlite.rows(connection, "chat", "created_at, id"):
                reading.n_records += 1
                if str(row.get("user_id")).startswith("shared-"):
                    reading.count("mirrored")
                    continue
                record = Record(None, reading.n_records, 0)
                try:
                    record.value = _chat(connection, row)
                    yield from tuple(convert(record))
                except (*UNEXPECTED, msgspec.DecodeError):
                    reading.reject(record, "not a chat of Open WebUI")
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _chat(connection: sqlite3.Connection, row: Row) -> Row:
    """Give a chat as an export has it, its messages from their own table where they are there."""
    chat = _decoded(row["chat"]) or {}
    history = chat.get("history") or {}
    nodes = dict(history.get("messages") or {})
    for source in _messages(connection, row["id"]):
        id_ = _local(source["id"], row["id"])
        told = {
            name: _decoded(source[column])
            for column, name in _COLUMNS.items()
            if source.get(column) is not None
        }
        if "parentId" in told:
            told["parentId"] = _local(told["parentId"], row["id"])
        nodes[id_] = {**nodes.get(id_, {}), **told}
    return {**row, "chat": {**chat, "history": {**history, "messages": nodes}}}


def _messages(connection: sqlite3.Connection, chat_id: str) -> Iterator[Row]:
    if "chat_message" in sqlite.tables(connection):
        query = "select * from chat_message where chat_id = ? order by created_at, id"
        yield from connection.execute(query, [chat_id])


def _local(id_: Any, chat_id: Any) -> str:  # noqa: ANN401 - whatever the column holds
    return str(id_).removeprefix(f"{chat_id}-")


def _decoded(value: Any) -> Any:  # noqa: ANN401 - JSON text, or a plain value
    if not isinstance(value, str) or value[:1] not in {"{", "[", '"'}:
        return value
    try:
        return msgspec.json.decode(value)
    except msgspec.DecodeError:
        return value


def take_details(row: Message) -> None:
    """Take calls and thoughts, which are markup in a message's text, out of it."""
    thoughts = []
    for kind, written, inner in _DETAILS.findall(row.content or ""):
        if kind == "reasoning":
            lines = html.unescape(inner).strip().split("\n")
            thoughts.append("\n".join(line.removeprefix(">").removeprefix(" ") for line in lines))
        else:
            row.calls.append(_call(dict(_ATTRIBUTE.findall(written))))
    row.content = _DETAILS.sub("", row.content or "")
    row.reasoning = "\n".join(thoughts) or row.reasoning


def _call(attributes: dict[str, str]) -> Call:
    told = {key: html.unescape(value) for key, value in attributes.items()}
    call = Call(name=told.get("name"), native_id=told.get("id"))
    if "arguments" in told:
        call.arguments = _text(told["arguments"])
    if told.get("result") and told.get("done") != "false":
        call.has_result, call.result_key = True, SAME_MESSAGE
        call.result = _text(told["result"])
    return call


def _text(written: str) -> str:
    """Undo the quotes of a text that was written as JSON."""
    found = _decoded(written) if written[:1] == '"' else written
    return found if isinstance(found, str) else written

"""LangChain messages: `messages_to_dict` (`{type, data}`), `dumpd` (`{lc, id, kwargs}`), models.

A model that was dumped is flat: `{type, content, …}`. An array of messages is one conversation,
bare, under `messages` (as in the state of a graph) or in a prompt value; so is a session in the
SQLite table `message_store` of `SQLChatMessageHistory`, whose rows are messages in the order of
their ids. `tool_calls` are the calls, `invalid_tool_calls` too, with arguments that are `invalid`;
what `additional_kwargs` repeats of them is read where old versions have it alone.

Gives: models, tokens (the cached part taken out of the input), calls with results and outcomes.
Does not give: times.
"""

from __future__ import annotations

from itertools import chain, groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import blocks, chat_message, sqlite
from chatdata.formats.base import LIKELY, SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, split, text, untold
from chatdata.formats.records import Bad
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Result, Usage

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TYPES = frozenset(
    {"human", "ai", "system", "tool", "AIMessageChunk", "function", "chat", "remove"}
)
_SERVERS = ("server_tool_use", "mcp_tool_use")
_SPEAKERS = frozenset({"human", "ai", "AIMessageChunk"})
_TAKEN = frozenset({"content", "tool_calls", "invalid_tool_calls", "usage_metadata", "type", "id"})
_ROW_TAKEN = frozenset({"id", "session_id", "message"})
_TABLE = frozenset({"message_store.id", "message_store.session_id", "message_store.message"})
_CALL_TAKEN = frozenset({"id", "name", "args"})
_CLASSES = {"HumanMessage": "human", "AIMessage": "ai", "SystemMessage": "system"}


def _parse(reading: Reading) -> Iterator[Conversation]:
    if reading.document.kind == "sqlite":
        yield from _sessions(reading)
        return
    records = reading.records()
    first = next(records, None)
    if first is None:
        return
    if isinstance(first.value, dict) and is_message(first.value):
        yield reading.one(chain([first], records), message, "not a langchain message")
        return
    for record in chain([first], records):
        try:
            yield _conversation(record)
        except UNEXPECTED:
            reading.reject(record, "not a langchain record")


def _conversation(record: Record) -> Conversation:
    found, messages = Conversation(ordinal=record.number), _messages(record.value)
    if messages is None:
        raise TypeError("no messages")
    if isinstance(record.value, dict):
        found.id = found.native_id = text(record.value.get("thread_id"))
        told = {"thread_id": found.id, "messages": messages}
        found.extra = untold(record.value, told)
        if record.value.get("lc") == 1:
            found.extra["kwargs"] = untold(record.value["kwargs"], told)
    found.messages = [message(item) for item in messages]
    return found


def _messages(value: Any) -> list[Any] | None:  # noqa: ANN401 - any JSON value
    """Find the messages: the value itself, or what a state or a prompt value holds."""
    if isinstance(value, dict) and value.get("lc") == 1 and "kwargs" in value:
        value = value["kwargs"]
    if isinstance(value, dict):
        value = value.get("messages")
    return value if isinstance(value, list) else None


def _sessions(reading: Reading) -> Iterator[Conversation]:
    try:
        with sqlite.opened(reading) as connection:
            listed = sqlite.rows(connection, "message_store", "session_id, id")
            for session, rows in groupby(listed, itemgetter("session_id")):
                first = reading.n_records + 1
                messages = [said for row in rows for said in _row(row, reading)]
                name = text(session)
                yield Conversation(
                    ordinal=first, id=name, native_id=name, messages=messages, n_records=0
                )
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _row(row: dict[str, Any], reading: Reading) -> Iterator[Message]:
    reading.n_records += 1
    try:
        found = message(msgspec.json.decode(row["message"]))
    except UNEXPECTED:
        reading.reject(Bad(reading.n_records, None, ""), "not a langchain message")
        return
    found.n_records = 1
    found.extra |= rest(row, _ROW_TAKEN)
    yield found


def message(source: dict[str, Any]) -> Message:
    """Read one message, in any of the three spellings.

    Raises:
        TypeError: it is none.
        KeyError: so, too.
    """
    kind, data = _opened(source)
    content = split(data.get("content"), _is_of_server)
    metadata = data.get("response_metadata") or {}
    extra = rest(data, _TAKEN)
    if content.parts is not None:
        extra["content"] = content.parts
    row = Message(
        role_raw=kind,
        content=content.text,
        reasoning=content.reasoning,
        native_id=text(data.get("id")),
        model=text(metadata.get("model_name")) or text(metadata.get("model")),
        finish_reason=text(metadata.get("finish_reason")) or text(metadata.get("stop_reason")),
        usage=usage(data.get("usage_metadata")),
        calls=[*_calls(data), *_of_server(content.others)],
        extra=extra,
    )
    if kind in {"tool", "function"}:
        row.results = [_result(data, content.text)]
    return row


def _opened(source: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    if source.get("lc") == 1:
        name = source["id"][-1]
        kind = _CLASSES.get(name, name.removesuffix("Message").lower())
        return (name if name == "AIMessageChunk" else kind), source["kwargs"]
    if not isinstance(source["type"], str):
        raise TypeError("the type is no text")
    return source["type"], source.get("data", source)


def _is_of_server(kind: str) -> bool:
    """Whether a part is a call that the provider ran, or its result: no list repeats these."""
    return kind in _SERVERS or (blocks.is_result(kind) and kind != "tool_result")


def _of_server(parts: list[dict[str, Any]]) -> list[Call]:
    calls = [blocks.call(part) for part in parts if part.get("type") in _SERVERS]
    asked = {call.native_id: call for call in calls if call.native_id}
    for part in parts:
        id_ = text(part.get("tool_use_id")) if blocks.is_result(part.get("type")) else None
        answered = asked.get(id_) if id_ else None
        if answered is not None and not answered.has_result:
            result = blocks.result(part)
            answered.has_result, answered.result_key = True, SAME_MESSAGE
            answered.result, answered.status = result.text, result.status
            answered.error_source, answered.error_class = result.error_source, result.error_class
            answered.extra |= result.extra
    return calls


def _calls(data: dict[str, Any]) -> list[Call]:
    called = [_call(call) for call in data.get("tool_calls") or ()]
    called += [_invalid(call) for call in data.get("invalid_tool_calls") or ()]
    return called or chat_message.calls(data.get("additional_kwargs") or {})


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("name")),
        native_id=text(source.get("id")),
        arguments=source.get("args"),
        extra=rest(source, _CALL_TAKEN),
    )


def _invalid(source: dict[str, Any]) -> Call:
    call = _call(source)
    call.status, call.error_source, call.error_class = "error", "protocol", "invalid_arguments"
    return call


def _result(data: dict[str, Any], content: str | None) -> Result:
    failed = data.get("status") == "error"
    return Result(
        native_id=text(data.get("tool_call_id")),
        text=content,
        status="error" if failed else "ok" if data.get("status") == "success" else "unknown",
        error_source="explicit" if failed else None,
        error_class="unknown" if failed else None,
    )


def usage(counts: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    """Read tokens as LangChain counts them: the cached parts come out of the input."""
    if not isinstance(counts, dict):
        return None
    details = counts.get("input_token_details") or {}
    read, written = details.get("cache_read"), details.get("cache_creation")
    total, cached = counts.get("input_tokens"), (read or 0) + (written or 0)
    return Usage(
        input=total - cached if isinstance(total, int) and total >= cached else total,
        output=counts.get("output_tokens"),
        cache_read=read,
        cache_write=written,
        reasoning=(counts.get("output_token_details") or {}).get("reasoning"),
    )


def is_message(value: dict[str, Any]) -> bool:
    """Ask for one of the three spellings of a message."""
    if value.get("lc") == 1:
        named = value.get("id")
        return "kwargs" in value and isinstance(named, list) and "Message" in str(named[-1:])
    kind, data = str(value.get("type")), value.get("data")
    if isinstance(data, dict):
        return kind in _TYPES and "content" in data
    flat = kind in _SPEAKERS or (kind in _TYPES and "additional_kwargs" in value)
    return flat and "content" in value and "role" not in value


def _sniff(evidence: Evidence) -> float:
    if evidence.kind == "tables":
        return LIKELY if evidence.names >= _TABLE else 0.0
    value = evidence.value
    messages = _messages(value)
    first = value if messages is None else next(iter(messages), None)
    return SURE if isinstance(first, dict) and is_message(first) else 0.0


FORMAT = Format(
    "langchain",
    "LangChain messages (JSON, SQLite)",
    _sniff,
    _parse,
    __doc__,
    tables=frozenset({"message_store"}),
)

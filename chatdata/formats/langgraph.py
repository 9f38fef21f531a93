"""Checkpoints of LangGraph: the SQLite tables `checkpoints` and `writes` of `SqliteSaver`.

A thread is one conversation. Each of its checkpoints holds the whole state of a graph, as
MessagePack (whose extension types name Python's classes) or as JSON; a message counts once, by its
id, with the content that the newest checkpoint has (`extra` has what it was before) and the time at
which the first one was saved.
The main path are the messages of the newest checkpoint and of those that it goes back to: what was
trimmed since stays there, what a fork left behind does not. The messages that a subgraph has and
its thread has not are a sub-agent's. The other channels of the newest state stay in the
conversation's `extra`. Writes that no checkpoint took are not read.

Gives: times (when a step was saved), trees, models, tokens, calls with results and outcomes.
Does not give: when a call ran.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import chat_message, langchain, sqlite
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import text
from chatdata.formats.media import identified, without_bytes
from chatdata.formats.records import Bad, encode
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at
from chatdata.formats.tree import path, preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.rows import At

_TABLE = frozenset({"checkpoints.thread_id", "checkpoints.checkpoint_id", "checkpoints.checkpoint"})
_CHANNEL = "messages"
_EARLIER = "earlier"
_CLASSES = (2, 4, 5)
"""The extension types of an object made from its class and its fields; of others, one argument."""
_NUMPY = 6


@dataclass
class _Thread:
    """The messages of a thread, or of a subgraph of it, while its checkpoints are read.

    Attributes:
        told: keys of messages that the thread itself has, where this is a subgraph of it.
        ancestors: the newest checkpoint and those that it goes back to.
        objects: what the same bytes stood for before: states repeat all that earlier ones have.
        sources: of each message what it was read from last.
        messages: what was found, by id, or by place and content where messages have none.
        parents: the message before each when it came first.
        last: of each checkpoint its last message.
    """

    found: Conversation
    told: frozenset[str]
    ancestors: set[str]
    objects: dict[bytes, Any] = field(default_factory=dict)
    sources: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    last: dict[str, str | None] = field(default_factory=dict)

    def take(self, row: dict[str, Any]) -> None:
        """Read one checkpoint; later ones say what messages are now."""
        state = self._decoded(row["type"], row["checkpoint"])
        saved, channels = at(state.get("ts")), state.get("channel_values") or {}
        name = _channel(channels)
        before = self.last.get(row["parent_checkpoint_id"] or "")
        is_main = row["checkpoint_id"] in self.ancestors
        for place, source in enumerate(channels.get(name) or ()):
            key = _id(source) or f"{place}:{encode(_plain(source))}"
            if key in self.told:
                continue
            self._put(key, source, saved, is_main=is_main)
            self.parents.setdefault(key, before if before != key else None)
            before = key
        self.last[row["checkpoint_id"]] = before
        found = self.found
        found.n_records += 1
        found.created_at = found.created_at or saved
        found.updated_at = saved or found.updated_at
        found.extra = {key: value for key, value in channels.items() if key != name}
        about = _metadata(row.get("metadata"))
        found.user_id = text(about.get("user_id")) or found.user_id

    def _put(self, key: str, source: Any, saved: At | None, *, is_main: bool) -> None:  # noqa: ANN401 - any value
        earlier = self.messages.get(key)
        if earlier is None or self.sources[key] != source:
            message = _message(_plain(source))
            message.at = earlier.at if earlier else saved
            message.is_main_path = earlier is not None and earlier.is_main_path
            message.aliases = (key,)
            if earlier:
                before = earlier.extra.get(_EARLIER, [])
                message.extra[_EARLIER] = [*before, without_bytes(_plain(self.sources[key]))]
            self.messages[key], self.sources[key] = message, source
        self.messages[key].is_main_path |= is_main

    def _decoded(self, kind: str | None, stored: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
        if kind == "msgpack":
            state = msgspec.msgpack.decode(stored, ext_hook=self._object)
        elif kind == "json":
            state = msgspec.json.decode(stored)
        else:
            raise TypeError("another serializer")
        if not isinstance(state, dict):
            raise TypeError("no state")
        return state

    def _object(self, code: int, data: memoryview) -> Any:  # noqa: ANN401 - any value
        """Read an object of Python: by its fields as LangChain's JSON has it, or its argument."""
        key = bytes([code % 256]) + data
        if key in self.objects:
            return self.objects[key]
        if code == _NUMPY:
            found: Any = bytes(data)
        else:
            module, name, found, *_ = msgspec.msgpack.decode(data, ext_hook=self._object)
            if code in _CLASSES:
                path_ = [*module.split("."), name]
                found = {"lc": 1, "type": "constructor", "id": path_, "kwargs": found}
        self.objects[key] = found
        return found

    def end(self) -> Conversation:
        """Give the conversation, parents before their children."""
        for key in preorder(self.parents):
            message = self.messages[key]
            message.parent = self.parents[key]
            self.found.messages.append(message)
        self.found.extra = without_bytes(_plain(self.found.extra))
        if self.found.relation and not self.messages:
            # A subgraph that shares the messages of its thread is no conversation beside it.
            self.found.id, self.found.hint, self.found.extra = self.found.parent_id, True, {}
            self.found.parent_id = self.found.relation = self.found.agent = None
        return self.found


def _parse(reading: Reading) -> Iterator[Conversation]:
    try:
        with sqlite.opened(reading) as connection:
            parents: dict[tuple[Any, Any], dict[str, str | None]] = {}
            for row in connection.execute(
                "select thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id"
                " from checkpoints order by checkpoint_id"
            ):
                own = parents.setdefault((row["thread_id"], row["checkpoint_ns"]), {})
                own[row["checkpoint_id"]] = row["parent_checkpoint_id"]
            stored = sqlite.rows(
                connection, "checkpoints", "thread_id, checkpoint_ns, checkpoint_id"
            )
            for _, of_thread in groupby(stored, itemgetter("thread_id")):
                told: frozenset[str] = frozenset()
                for name, rows in groupby(of_thread, itemgetter("thread_id", "checkpoint_ns")):
                    # The index of a damaged file may not have what its table has.
                    thread = _read(name, rows, parents.get(name, {}), told, reading)
                    told |= thread.messages.keys()
                    if thread.found.n_records:
                        yield thread.end()
    except sqlite.BROKEN_FILE:
        reading.reject(Bad(reading.n_records + 1, None, ""), sqlite.DAMAGED)


def _read(
    name: tuple[Any, Any],
    rows: Iterator[dict[str, Any]],
    parents: dict[str, str | None],
    told: frozenset[str],
    reading: Reading,
) -> _Thread:
    thread_id, space = (text(part) for part in name)
    found = Conversation(
        ordinal=reading.n_records + 1,
        id=f"{thread_id}/{space}" if space else thread_id,
        native_id=thread_id,
        n_records=0,
    )
    if space:
        found.parent_id, found.relation, found.agent = thread_id, "subagent", space.split(":")[0]
    thread = _Thread(found, told, path(parents, next(reversed(parents), None)))
    for row in rows:
        reading.n_records += 1
        try:
            thread.take(row)
        except UNEXPECTED:
            kind = row["type"] if row["type"] in {"msgpack", "json"} else "an unknown type"
            reason = f"not a checkpoint that can be read, stored as {kind}"
            reading.reject(Bad(reading.n_records, None, ""), reason)
    return thread


def _metadata(stored: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
    try:
        found = msgspec.json.decode(stored)
    except UNEXPECTED:
        return {}
    return found if isinstance(found, dict) else {}


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value
    """Give what JSON can hold: bytes by their hash, keys as text."""
    if isinstance(value, bytes):
        return identified(value)
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def _id(source: Any) -> str | None:  # noqa: ANN401 - any value
    """Find the id of a message, which a dumped one keeps among its fields."""
    return text((source.get("kwargs") or source.get("data") or source).get("id"))


def _channel(channels: dict[str, Any]) -> str | None:
    """Name the channel of messages: the usual one, else the first that holds any."""
    names = [_CHANNEL, *channels] if _CHANNEL in channels else [*channels]
    return next((name for name in names if _holds_messages(channels[name])), None)


def _holds_messages(value: Any) -> bool:  # noqa: ANN401 - any value
    first = value[0] if isinstance(value, list) and value else None
    return isinstance(first, dict) and ("role" in first or langchain.is_message(first))


def _message(source: dict[str, Any]) -> Message:
    if langchain.is_message(source):
        return langchain.message(source)
    return chat_message.message(source)


def _sniff(evidence: Evidence) -> float:
    return SURE if evidence.kind == "tables" and evidence.names >= _TABLE else 0.0


FORMAT = Format("langgraph", "LangGraph checkpoints (SQLite)", _sniff, _parse, __doc__)

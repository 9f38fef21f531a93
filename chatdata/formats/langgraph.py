"""Checkpoints of LangGraph: the SQLite tables `checkpoints` and `writes` of `SqliteSaver`.

A thread is one conversation. Each of its checkpoints holds the whole state of a graph, as
MessagePack (whose extension types name Python's classes) or as JSON; a message counts once, by its
id, with the content that the newest checkpoint has (`extra` has what it was before) and the time at
which the first one was saved. Messages without ids are told by those of the checkpoint before.
The main path are the messages of the newest checkpoint and of those that it goes back to: what was
trimmed since stays there, what a fork left behind does not. The messages that a subgraph has and
its thread has not are a sub-agent's. The other channels of the newest state stay in the
conversation's `extra`, also where they hold messages. Writes that no checkpoint took are not read;
checkpoints that keep only what changed (`DeltaChannel`) are rejects.

Gives: times (when a step was saved), trees, models, tokens, calls with results and outcomes.
Does not give: when a call ran.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import sqlite
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import text
from chatdata.formats.langgraph_state import Decoder, id_of, message, messages_in, same, to_json
from chatdata.formats.records import Bad
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at
from chatdata.formats.tree import path, preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.rows import At

_COLUMNS = ("thread_id", "checkpoint_ns", "checkpoint_id", "parent_checkpoint_id", "type")
_TABLE = frozenset(f"checkpoints.{name}" for name in (*_COLUMNS, "checkpoint"))
_EARLIER = "earlier"
_DELTAS = "counters_since_delta_snapshot"


@dataclass
class _Thread:
    """The messages of a thread, or of a subgraph of it, while its checkpoints are read.

    Attributes:
        told: ids of messages that the thread and its other subgraphs have.
        ancestors: the newest checkpoint and those that it goes back to.
        sources: of each message what it was read from.
        messages: what was found, by id, or by a number where messages have none.
        parents: the message before each when it came first.
        lists: of each checkpoint its messages.
        others: the other channels of the newest state.
    """

    found: Conversation
    told: frozenset[str]
    ancestors: set[str]
    decoder: Decoder = field(default_factory=Decoder)
    sources: dict[str, Any] = field(default_factory=dict)
    messages: dict[str, Message] = field(default_factory=dict)
    parents: dict[str, str | None] = field(default_factory=dict)
    lists: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def take(self, row: dict[str, Any]) -> None:
        """Read one checkpoint; later ones say what messages are now."""
        about = _metadata(row.get("metadata"))
        if about.get(_DELTAS):
            raise _DeltaError
        state = self.decoder.state(row["type"], row["checkpoint"])
        saved, channels = at(state.get("ts")), dict(state.get("channel_values") or {})
        name, sources = messages_in(channels)
        before = self.lists.get(row["parent_checkpoint_id"] or "", [])
        last = before[-1] if before else None
        is_main = row["checkpoint_id"] in self.ancestors
        now = []
        place = 0
        for source in sources:
            key = id_of(source)
            if key is None:
                key, place = self._numbered(source, before, place)
            elif key in self.told:
                continue
            self._put(key, source, saved, is_main=is_main)
            self.parents.setdefault(key, last if last != key else None)
            last = key
            now.append(key)
        self.lists[row["checkpoint_id"]] = now or before
        found = self.found
        found.n_records += 1
        found.created_at = found.created_at or saved
        found.updated_at = saved or found.updated_at
        self.others = {key: value for key, value in channels.items() if key != name}
        found.user_id = text(about.get("user_id")) or found.user_id

    def _numbered(self, source: Any, before: list[str], place: int) -> tuple[str, int]:  # noqa: ANN401 - any value
        """Find a message without an id among those of the checkpoint before, from a place on."""
        for i in range(place, len(before)):
            if same(self.sources[before[i]], source):
                return before[i], i + 1
        return f"#{len(self.messages) + 1}", place

    def _put(self, key: str, source: Any, saved: At | None, *, is_main: bool) -> None:  # noqa: ANN401 - any value
        earlier = self.messages.get(key)
        if earlier is not None and same(self.sources[key], source):
            earlier.is_main_path |= is_main
            return
        told = message(source)
        if earlier is not None:
            # What a fork or an unknown form made of it is not what the path that goes on has.
            is_left = (earlier.is_main_path and not is_main) or told.kind == "event"
            other = source if is_left else self.sources[key]
            if is_left:
                told, source = earlier, self.sources[key]
            kept = [*earlier.extra.get(_EARLIER, []), to_json(other)]
            told.at, told.is_main_path = earlier.at, earlier.is_main_path or is_main
            told.extra[_EARLIER] = kept
        else:
            told.at, told.is_main_path = saved, is_main
        told.aliases = (key,)
        self.messages[key], self.sources[key] = told, source

    def end(self) -> Conversation:
        """Give the conversation, parents before their children and the main path first."""
        main_first = sorted(self.parents, key=lambda key: not self.messages[key].is_main_path)
        for key in preorder({key: self.parents[key] for key in main_first}):
            self.messages[key].parent = self.parents[key]
            self.found.messages.append(self.messages[key])
        try:
            self.found.extra = to_json(self.others)
        except RecursionError:
            # Nested deeper than any JSON that can be written.
            self.found.extra = {"channels": [str(name) for name in self.others]}
        if self.found.relation and not self.messages:
            # A subgraph that shares the messages of its thread is no conversation beside it.
            self.found.id, self.found.hint, self.found.extra = self.found.native_id, True, {}
            self.found.parent_id = self.found.relation = self.found.agent = None
        return self.found


class _DeltaError(ValueError):
    """A checkpoint holds only what changed since an earlier one."""


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
        above, _, own = space.rpartition("|")
        found.parent_id = f"{thread_id}/{above}" if above else thread_id
        found.relation, found.agent = "subagent", own.split(":")[0]
    thread = _Thread(found, told, path(parents, next(reversed(parents), None)))
    for row in rows:
        reading.n_records += 1
        bad = Bad(reading.n_records, None, "")
        try:
            thread.take(row)
        except _DeltaError:
            reading.reject(bad, "a checkpoint of what changed only (DeltaChannel), not read")
        except UNEXPECTED:
            kind = row["type"] if row["type"] in {"msgpack", "json"} else "an unknown type"
            reading.reject(bad, f"not a checkpoint that can be read, stored as {kind}")
    return thread


def _metadata(stored: Any) -> dict[str, Any]:  # noqa: ANN401 - any column
    try:
        found = msgspec.json.decode(stored)
    except UNEXPECTED:
        return {}
    return found if isinstance(found, dict) else {}


def _sniff(evidence: Evidence) -> float:
    return SURE if evidence.kind == "tables" and evidence.names >= _TABLE else 0.0


FORMAT = Format(
    "langgraph",
    "LangGraph checkpoints (SQLite)",
    _sniff,
    _parse,
    __doc__,
    tables=frozenset({"checkpoints", "writes"}),
)

"""OpenAssistant trees: lines `{message_tree_id, prompt: {message_id, text, replies: […]}}`.

One tree is one conversation; every reply is a row, parents first. The data name no main path: from
the root the reply of the lowest rank is taken (no rank is last, then the order of the source).
Reviews, labels and the language are in `extra`. Also read: flat messages, one a line, which become
the same trees.

Gives: trees, times of flat messages. Does not give: calls, tokens.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import at
from chatdata.formats.tree import preorder

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAKEN = frozenset({"message_id", "parent_id", "text", "role", "replies", "created_date"})
_LAST = float("inf")


def _parse(reading: Reading) -> Iterator[Conversation]:
    flat: dict[str, Conversation] = {}
    for record in reading.records():
        try:
            source = record.value
            if "prompt" in source:
                yield _tree(source, record.number)
            else:
                _add_flat(flat, source, record.number)
        except UNEXPECTED:
            reading.reject(record, "not an oasst record")
    yield from map(_planted, flat.values())


def _tree(source: dict[str, Any], ordinal: int) -> Conversation:
    native = text(source.get("message_tree_id"))
    conversation = Conversation(
        ordinal=ordinal,
        id=native,
        native_id=native,
        extra=rest(source, frozenset({"message_tree_id", "prompt"})),
    )
    waiting: list[tuple[dict[str, Any], str | None, bool]] = [(source["prompt"], None, True)]
    while waiting:
        node, parent, seen = waiting.pop()
        conversation.messages.append(_message(node, parent, seen=seen))
        replies = node.get("replies") or []
        best = min(range(len(replies)), key=lambda n: (_rank(replies[n]), n), default=None)
        waiting += [
            (reply, text(node.get("message_id")), seen and place == best)
            for place, reply in reversed(list(enumerate(replies)))
        ]
    return conversation


def _add_flat(flat: dict[str, Conversation], source: dict[str, Any], ordinal: int) -> None:
    tree = str(source.get("message_tree_id") or source["message_id"])
    new = Conversation(ordinal=ordinal, id=tree, native_id=tree, n_records=0)
    row = _message(source, text(source.get("parent_id")), seen=True)
    row.n_records = 1
    flat.setdefault(tree, new).messages.append(row)


def _planted(conversation: Conversation) -> Conversation:
    """Order the messages of a flat file as the tree that they are, and mark its best path."""
    rows = {row.native_id or f"#{n}": row for n, row in enumerate(conversation.messages)}
    if len(rows) < len(conversation.messages):
        return conversation
    parents = {
        name: row.parent if isinstance(row.parent, str) else None for name, row in rows.items()
    }
    best: dict[str, str] = {}
    for name in sorted(rows, key=lambda name: _rank(rows[name].extra)):
        best.setdefault(parents[name] or "", name)
    leaf, seen = "", set[str]()
    while leaf in best and best[leaf] not in seen:
        leaf = best[leaf]
        seen.add(leaf)
    for name, row in rows.items():
        # What hangs on nothing here has no place in the tree.
        row.is_main_path = name in seen or (parents[name] is not None and parents[name] not in rows)
    conversation.messages = [rows[name] for name in preorder(parents)]
    return conversation


def _message(node: dict[str, Any], parent: str | None, *, seen: bool) -> Message:
    content = node.get("text")
    if not isinstance(node["role"], str) or not isinstance(content, str | None):
        raise TypeError("a node without a role or with content that is no text")
    return Message(
        role_raw=node["role"],
        content=content,
        native_id=text(node.get("message_id")),
        parent=parent,
        is_main_path=seen,
        model=text(node.get("model_name")),
        at=at(node.get("created_date")),
        extra=rest(node, _TAKEN),
    )


def _rank(node: dict[str, Any]) -> float:
    rank = node.get("rank")
    return rank if isinstance(rank, int | float) else _LAST


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        keys = ('"message_tree_id"', '"prompt"')
        return SURE if all(key in evidence.text[:400] for key in keys) else 0.0
    if not isinstance(value, dict):
        return 0.0
    flat = {"message_id", "parent_id", "text", "role"} <= value.keys()
    return SURE if flat or {"message_tree_id", "prompt"} <= value.keys() else 0.0


FORMAT = Format("oasst", "OpenAssistant trees", _sniff, _parse, __doc__)

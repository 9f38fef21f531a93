"""Each thing once: copied messages, continued conversations, and the order that follows.

Works on the frames as readers gave them, private columns included (see `formats/frames.py`), and
gives frames of the contract. Decisions are taken on the key columns alone, so that texts stay
where they are, in memory or on disk.

A message whose key is unique in the world and that stands in several conversations belongs to one
of them, its owner: the side that the log does not mark as a copy; else the conversation whose own
messages start first (one without any is the oldest: all it has was copied from it); else the
smallest id. The others lose the copy and name the owner as their parent; where one of them has more
of it (the owner's file ended in mid-answer), what it has is what counts, in the owner. Copies whose
ids were rewritten are found by their `_twin`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.identity import calls
from chatdata.identity.accounting import accounting
from chatdata.identity.conversations import conversations_of, hinted
from chatdata.identity.copies import found_parents, joined, owned
from chatdata.identity.names import told_apart

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = (
    "_row",
    "_document",
    "_bundle",
    "_n_records",
    "_follows",
    "_stamped",
    "_twin",
    "conversation_id",
    "message_id",
    "parent_message_id",
    "kind",
    "model",
    "created_at",
    "output_tokens",
    "n_chars",
)


@dataclass(frozen=True)
class Resolved:
    """Frames of the contract, and what became of the records behind their rows.

    Attributes:
        frames: conversations, messages and tool calls.
        accounting: per document (`_document`), bundle (`_bundle`) and cause, in the columns of the
            contract.
    """

    frames: dict[str, pl.LazyFrame]
    accounting: pl.DataFrame


def resolve(raw: Mapping[str, pl.LazyFrame]) -> Resolved:
    """Count everything once and put it in order."""
    raw = told_apart(raw)
    keys = raw["messages"].select(*_KEYS, _n_parts=pl.col("_aliases").list.len())
    rows = owned(raw["messages"], keys.collect().sort("_row"), raw["conversations"])
    kept = (
        rows.filter("_counts")
        .with_columns(message_id="_key", conversation_id="_owner")
        .sort("_at")
        .with_columns(position=pl.int_range(pl.len(), dtype=pl.UInt32).over("conversation_id"))
    )
    kept = joined(found_parents(raw["messages"], rows, kept))
    decisions = calls.decide(raw["tool_calls"], rows)
    conversations = hinted(raw["conversations"].collect().sort("_row"), raw["messages"], rows)
    decided = kept.select(
        "_row",
        "_at",
        "conversation_id",
        "message_id",
        "parent_message_id",
        "position",
        _lost=pl.col("_lost_parent"),
    )
    talks = conversations_of(conversations, rows, kept)
    agents = talks.filter(relation="subagent")["conversation_id"]
    frames = {
        "conversations": talks.lazy(),
        "messages": _messages(raw["messages"], decided, agents),
        "tool_calls": calls.tool_calls(raw["tool_calls"], decisions, rows),
    }
    return Resolved(frames, accounting(conversations, rows, decisions))


def _messages(messages: pl.LazyFrame, decided: pl.DataFrame, agents: pl.Series) -> pl.LazyFrame:
    """Give the messages that count; what sub-agents are asked, nobody typed."""
    note = pl.struct(parent="_lost").struct.json_encode()
    extra = (
        pl.when(pl.col("_lost").is_null())
        .then("extra")
        .when(pl.col("extra").is_null())
        .then(note)
        .otherwise(pl.concat_str(pl.col("extra").str.head(-1), pl.lit(","), note.str.slice(1)))
    )
    generation = (
        pl.when(pl.col("generation_id") == pl.col("_old_id"))
        .then("message_id")
        .otherwise("generation_id")
    )
    frame = (
        messages.rename({"message_id": "_old_id"})
        .drop("parent_message_id", "position", "conversation_id")
        .join(decided.lazy(), on="_row", how="inner", maintain_order="left")
    )
    if not decided["_at"].equals(decided["_row"]):
        frame = frame.sort("_at")
    asked = (pl.col("role") == "user") & pl.col("conversation_id").is_in(agents.implode())
    kind = pl.when(asked & (pl.col("kind") == "chat")).then(pl.lit("injected")).otherwise("kind")
    return frame.with_columns(
        extra=extra,
        generation_id=generation,
        **({} if agents.is_empty() else {"kind": kind}),
    ).select(schema.MESSAGES.schema.names())

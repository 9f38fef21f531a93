"""Each thing once: copied messages, continued conversations, and the order that follows.

Works on the frames as readers gave them, private columns included (see `formats/frames.py`), and
gives frames of the contract. Decisions are taken on the key columns alone, so that texts stay
where they are, in memory or on disk.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema

if TYPE_CHECKING:
    from collections.abc import Mapping

_KEYS = (
    "_row",
    "_document",
    "_n_records",
    "conversation_id",
    "message_id",
    "kind",
    "model",
    "created_at",
    "output_tokens",
)


@dataclass(frozen=True)
class Resolved:
    """Frames of the contract, and what became of the records behind their rows.

    Attributes:
        frames: conversations, messages and tool calls.
        accounting: per document (`_document`) and cause, in the columns of the contract.
    """

    frames: dict[str, pl.LazyFrame]
    accounting: pl.DataFrame


def resolve(raw: Mapping[str, pl.LazyFrame]) -> Resolved:
    """Count everything once and put it in order."""
    keys = raw["messages"].select(_KEYS).collect().sort("_row")
    kept = keys.unique("message_id", keep="first", maintain_order=True).with_columns(
        position=pl.int_range(pl.len(), dtype=pl.UInt32).over("conversation_id")
    )
    calls = raw["tool_calls"].select("_row", "_document", "message_id", "tool_call_id").collect()
    kept_calls = calls.unique("tool_call_id", keep="first", maintain_order=True)
    conversations = raw["conversations"].collect().sort("_row")
    frames = {
        "conversations": _conversations(conversations, kept).lazy(),
        "messages": _rows(raw["messages"], kept.select("_row", "position"), schema.MESSAGES),
        "tool_calls": _rows(raw["tool_calls"], kept_calls.select("_row"), schema.TOOL_CALLS),
    }
    return Resolved(frames, _accounting(conversations, kept, kept_calls))


def _rows(frame: pl.LazyFrame, kept: pl.DataFrame, table: schema.Table) -> pl.LazyFrame:
    decided = set(kept.columns) - {"_row"}
    return (
        frame.drop(decided)
        .join(kept.lazy(), on="_row", how="inner", maintain_order="left")
        .select(table.schema.names())
    )


def _conversations(rows: pl.DataFrame, messages: pl.DataFrame) -> pl.DataFrame:
    """Merge the rows of one conversation and add what only its messages tell."""
    columns = [name for name in schema.CONVERSATIONS.schema if name != "conversation_id"]
    told = messages.group_by("conversation_id").agg(
        _only_model=pl.when(pl.col("model").drop_nulls().n_unique() == 1).then(
            pl.col("model").drop_nulls().first()
        ),
        _first=pl.col("created_at").min(),
        _last=pl.col("created_at").max(),
    )
    return (
        rows.group_by("conversation_id", maintain_order=True)
        .agg(pl.col(name).drop_nulls().first() for name in columns)
        .join(told, on="conversation_id", how="left", maintain_order="left")
        .with_columns(
            model=pl.coalesce("model", "_only_model"),
            created_at=pl.coalesce("created_at", "_first"),
            updated_at=pl.coalesce("updated_at", "_last"),
        )
        .select(schema.CONVERSATIONS.schema.names())
    )


def _accounting(
    conversations: pl.DataFrame, messages: pl.DataFrame, calls: pl.DataFrame
) -> pl.DataFrame:
    cause = pl.when(pl.col("kind") == "event").then(pl.lit("event")).otherwise(pl.lit("kept"))
    of_messages = messages.select(
        "_document",
        cause=cause,
        n_records="_n_records",
        n_messages=pl.lit(1, pl.UInt64),
        n_tool_calls=pl.lit(0, pl.UInt64),
        output_tokens="output_tokens",
    )
    of_conversations = conversations.select(
        "_document",
        cause=pl.lit("kept"),
        n_records="_n_records",
        n_messages=pl.lit(0, pl.UInt64),
        n_tool_calls=pl.lit(0, pl.UInt64),
        output_tokens=pl.lit(None, pl.Int64),
    )
    of_calls = calls.select(
        "_document",
        cause=pl.lit("kept"),
        n_records=pl.lit(0, pl.UInt32),
        n_messages=pl.lit(0, pl.UInt64),
        n_tool_calls=pl.lit(1, pl.UInt64),
        output_tokens=pl.lit(None, pl.Int64),
    )
    counts = ("n_records", "n_messages", "n_tool_calls")
    return (
        pl.concat([of_conversations, of_messages, of_calls])
        .group_by("_document", "cause")
        .agg(
            *(pl.col(name).cast(pl.UInt64).sum() for name in counts),
            pl.when(pl.col("output_tokens").count() > 0)
            .then(pl.col("output_tokens").sum())
            .alias("output_tokens"),
        )
        .sort("_document", "cause")
    )

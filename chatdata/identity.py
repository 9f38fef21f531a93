"""Each thing once: copied messages, continued conversations, and the order that follows.

Works on the frames as readers gave them, private columns included (see `formats/frames.py`), and
gives frames of the contract. Decisions are taken on the key columns alone, so that texts stay
where they are, in memory or on disk.

A message whose key is unique in the world and that stands in several conversations belongs to one
of them, its owner: the side that the log does not mark as a copy; else the conversation whose own
messages start first (one without any is the oldest: all it has was copied from it); else the
smallest id. The others lose the copy and name the owner as their parent. Copies whose ids were
rewritten are found by their `_twin`.
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
    "_bundle",
    "_n_records",
    "_global",
    "_stamped",
    "_twin",
    "conversation_id",
    "message_id",
    "parent_message_id",
    "kind",
    "model",
    "created_at",
    "output_tokens",
)
_COUNTS = ("n_records", "n_messages", "n_tool_calls")
_RESULT = ("result", "result_message_id", "status", "error_source", "error_class")


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
    rows = _owned(_renamed(raw["messages"], raw["messages"].select(_KEYS).collect().sort("_row")))
    kept = rows.filter(pl.col("_key_owner")).with_columns(
        position=pl.int_range(pl.len(), dtype=pl.UInt32).over("conversation_id")
    )
    kept = _joined(_found_parents(raw["messages"], rows, kept))
    calls = _calls(raw["tool_calls"], rows)
    conversations = raw["conversations"].collect().sort("_row")
    decided = kept.select(
        "_row", "message_id", "parent_message_id", "position", _lost=pl.col("_lost_parent")
    )
    frames = {
        "conversations": _conversations(conversations, rows, kept).lazy(),
        "messages": _messages(raw["messages"], decided),
        "tool_calls": _tool_calls(raw["tool_calls"], calls, rows),
    }
    return Resolved(frames, _accounting(conversations, rows, calls))


def _renamed(messages: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Tell different messages apart that would share a key: the later ones get ~2, ~3."""
    repeated = rows.filter(~pl.col("_global") & pl.col("message_id").is_duplicated())
    rows = rows.with_columns(_old_id=pl.col("message_id"))
    if repeated.is_empty():
        return rows
    prints = (
        messages.select("_row", _print=pl.concat_str("role_raw", "content", ignore_nulls=True))
        .join(repeated.lazy().select("_row", "message_id"), on="_row")
        .collect()
        .sort("_row")
        .with_columns(_first=pl.col("_row").min().over("message_id", "_print"))
        .select("_row", _nth=pl.col("_first").rank("dense").over("message_id"))
    )
    return (
        rows.join(prints, on="_row", how="left", maintain_order="left")
        .with_columns(
            message_id=pl.when(pl.col("_nth") > 1)
            .then(pl.concat_str("message_id", pl.lit("~"), "_nth"))
            .otherwise("message_id")
        )
        .drop("_nth")
    )


def _owned(rows: pl.DataFrame) -> pl.DataFrame:
    """Mark for each row whether it is the one that counts, and whose it is.

    Adds `_key` (the id under which copies meet), `_owner` (the conversation that has it) and
    `_key_owner` (whether this row is the one that counts).
    """
    twins = (
        rows.filter(pl.col("_twin").is_not_null())
        .group_by("_twin")
        .agg(_key=pl.col("message_id").first(), _n=pl.col("message_id").n_unique())
        .filter(pl.col("_n") > 1)
        .drop("_n")
    )
    rows = rows.join(twins, on="_twin", how="left", maintain_order="left").with_columns(
        _key=pl.coalesce("_key", "message_id")
    )
    if not rows["_key"].is_duplicated().any():
        return rows.with_columns(_owner=pl.col("conversation_id"), _key_owner=pl.lit(value=True))
    shared = pl.col("conversation_id").n_unique().over("_key") > 1
    own = (
        rows.filter(~shared).group_by("conversation_id").agg(_own_start=pl.col("created_at").min())
    )
    ranked = rows.join(own, on="conversation_id", how="left", maintain_order="left").sort(
        "_stamped",
        "_own_start",
        "conversation_id",
        pl.col("_n_records").cast(pl.Int64) * -1,
        "_row",
        nulls_last=False,
    )
    return (
        ranked.with_columns(
            _owner=pl.col("conversation_id").first().over("_key"),
            _key_owner=pl.int_range(pl.len()).over("_key") == 0,
            _key_id=pl.col("message_id").first().over("_key"),
        )
        .with_columns(_key="_key_id")
        .drop("_key_id", "_own_start")
        .sort("_row")
    )


def _found_parents(messages: pl.LazyFrame, rows: pl.DataFrame, kept: pl.DataFrame) -> pl.DataFrame:
    """Point parents at the rows that count; one that is nowhere becomes null and `_lost_parent`."""
    moved = rows.select(parent_message_id="_old_id", _bundle="_bundle", _parent="_key").unique(
        ["parent_message_id", "_bundle"], keep="first"
    )
    anywhere = rows.select(parent_message_id="message_id", _elsewhere="_key").unique(
        "parent_message_id", keep="first"
    )
    kept = kept.join(
        moved, on=["parent_message_id", "_bundle"], how="left", maintain_order="left"
    ).join(anywhere, on="parent_message_id", how="left", maintain_order="left")
    kept = kept.with_columns(_parent=pl.coalesce("_parent", "_elsewhere")).drop("_elsewhere")
    lost = pl.col("parent_message_id").is_not_null() & pl.col("_parent").is_null()
    if kept.select(lost.any()).item():
        other_names = (
            messages.select("_row", "_aliases")
            .filter(pl.col("_aliases").list.len() > 0)
            .explode("_aliases")
            .collect()
            .join(rows.select("_row", _named="_key"), on="_row")
            .select(parent_message_id="_aliases", _named="_named")
            .unique("parent_message_id", keep="first")
        )
        kept = kept.join(
            other_names, on="parent_message_id", how="left", maintain_order="left"
        ).with_columns(_parent=pl.coalesce("_parent", "_named"))
    return kept.with_columns(
        _lost_parent=pl.when(lost).then("parent_message_id"), parent_message_id="_parent"
    )


def _joined(kept: pl.DataFrame) -> pl.DataFrame:
    """Let the roots of a conversation's later parts follow the last row of the part before."""
    first = pl.col("_bundle").first().over("conversation_id")
    later = ~pl.col("_global") & (pl.col("_bundle") != first)
    if not kept.select(later.any()).item():
        return kept
    begins = pl.col("_bundle") != pl.col("_bundle").shift(1).over("conversation_id")
    before = (
        (pl.when(begins).then(pl.col("message_id").shift(1).over("conversation_id")))
        .forward_fill()
        .over("conversation_id")
    )
    root = later & pl.col("parent_message_id").is_null() & pl.col("_lost_parent").is_null()
    return kept.with_columns(
        parent_message_id=pl.when(root).then(before).otherwise("parent_message_id")
    )


def _messages(messages: pl.LazyFrame, decided: pl.DataFrame) -> pl.LazyFrame:
    note = pl.concat_str(pl.lit('"parent":"'), "_lost", pl.lit('"}'))
    extra = (
        pl.when(pl.col("_lost").is_null())
        .then("extra")
        .when(pl.col("extra").is_null())
        .then(pl.concat_str(pl.lit("{"), note))
        .otherwise(pl.concat_str(pl.col("extra").str.head(-1), pl.lit(","), note))
    )
    generation = (
        pl.when(pl.col("generation_id") == pl.col("_old_id"))
        .then("message_id")
        .otherwise("generation_id")
    )
    return (
        messages.rename({"message_id": "_old_id"})
        .drop("parent_message_id", "position")
        .join(decided.lazy(), on="_row", how="inner", maintain_order="left")
        .with_columns(extra=extra, generation_id=generation)
        .select(schema.MESSAGES.schema.names())
    )


def _calls(calls: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Decide which calls count: those of messages that count, each id once."""
    issuers = rows.select(
        "_bundle",
        message_id="_old_id",
        _new_id="message_id",
        _issuer_counts="_key_owner",
        _own=pl.col("_owner") == pl.col("conversation_id"),
    ).unique(["_bundle", "message_id"], keep="first")
    keys = calls.select(
        "_row", "_document", "_bundle", "message_id", "tool_call_id", "status"
    ).collect()
    return (
        keys.join(issuers, on=["_bundle", "message_id"], how="left", maintain_order="left")
        .with_columns(
            _issuer_counts=pl.col("_issuer_counts").fill_null(value=True),
            _own=pl.col("_own").fill_null(value=True),
        )
        .sort(pl.col("_issuer_counts").not_(), "_row")
        .with_columns(
            _counts=pl.col("_issuer_counts") & (pl.int_range(pl.len()).over("tool_call_id") == 0)
        )
        .sort("_row")
    )


def _tool_calls(calls: pl.LazyFrame, decided: pl.DataFrame, rows: pl.DataFrame) -> pl.LazyFrame:
    kept = decided.filter("_counts").select("_row", "_new_id")
    frame = calls.join(kept.lazy(), on="_row", how="inner", maintain_order="left").with_columns(
        message_id=pl.coalesce("_new_id", "message_id")
    )
    moved = rows.filter(pl.col("_old_id") != pl.col("_key")).select(
        "_bundle", result_message_id="_old_id", _result_at="_key"
    )
    if not moved.is_empty():
        frame = frame.join(
            moved.lazy().unique(["_bundle", "result_message_id"]),
            on=["_bundle", "result_message_id"],
            how="left",
            maintain_order="left",
        ).with_columns(result_message_id=pl.coalesce("_result_at", "result_message_id"))
    frame = _with_results_of_copies(frame, calls, decided)
    return frame.select(schema.TOOL_CALLS.schema.names())


def _with_results_of_copies(
    frame: pl.LazyFrame, calls: pl.LazyFrame, decided: pl.DataFrame
) -> pl.LazyFrame:
    """Give a call that ended without a result the one that a copy of it has."""
    answered = decided.filter(~pl.col("_counts") & (pl.col("status") != "no_result"))
    waiting = decided.filter(pl.col("_counts") & (pl.col("status") == "no_result"))
    answered = answered.join(waiting.select("tool_call_id"), on="tool_call_id", how="semi")
    if answered.is_empty():
        return frame
    results = (
        calls.join(answered.lazy().select("_row"), on="_row", how="semi")
        .unique("tool_call_id", keep="first", maintain_order=True)
        .select("tool_call_id", *(pl.col(name).alias(f"_{name}") for name in _RESULT))
    )
    unanswered = (pl.col("status") == "no_result") & pl.col("_status").is_not_null()
    return frame.join(results, on="tool_call_id", how="left", maintain_order="left").with_columns(
        pl.when(unanswered).then(f"_{name}").otherwise(name).alias(name) for name in _RESULT
    )


def _conversations(
    conversations: pl.DataFrame, rows: pl.DataFrame, kept: pl.DataFrame
) -> pl.DataFrame:
    """Merge the rows of one conversation, add what only its messages tell, and its parent."""
    columns = [
        name for name in schema.CONVERSATIONS.schema if name not in {"conversation_id", "extra"}
    ]
    models = pl.col("model").drop_nulls()
    told = kept.group_by("conversation_id").agg(
        _only_model=pl.when(models.n_unique() == 1).then(models.first()),
        _first=pl.col("created_at").min(),
        _last=pl.col("created_at").max(),
    )
    copied = (
        rows.filter(pl.col("_owner") != pl.col("conversation_id"))
        .group_by("conversation_id")
        .agg(
            _from=pl.col("_owner").last(),
            _how=pl.when(pl.col("_stamped").any()).then(pl.lit("fork")).otherwise(pl.lit("resume")),
        )
    )
    extras = pl.col("extra").drop_nulls().unique(maintain_order=True)
    merged = pl.concat_str(pl.lit("{"), extras.str.slice(1).str.head(-1).str.join(","), pl.lit("}"))
    orphan = pl.col("parent_conversation_id").is_null()
    return (
        conversations.group_by("conversation_id", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().first() for name in columns),
            extra=pl.when(extras.len() > 1).then(merged).otherwise(extras.first()),
        )
        .join(told, on="conversation_id", how="left", maintain_order="left")
        .join(copied, on="conversation_id", how="left", maintain_order="left")
        .with_columns(
            model=pl.coalesce("model", "_only_model"),
            created_at=pl.coalesce("created_at", "_first"),
            updated_at=pl.coalesce("updated_at", "_last"),
            relation=pl.when(orphan).then(pl.coalesce("relation", "_how")).otherwise("relation"),
            parent_conversation_id=pl.coalesce("parent_conversation_id", "_from"),
        )
        .select(schema.CONVERSATIONS.schema.names())
    )


def _accounting(
    conversations: pl.DataFrame, rows: pl.DataFrame, calls: pl.DataFrame
) -> pl.DataFrame:
    copy = (
        pl.when(pl.col("_owner") != pl.col("conversation_id"))
        .then(pl.lit("replayed by a fork"))
        .otherwise(pl.lit("mirrored"))
    )
    event = pl.when(pl.col("kind") == "event").then(pl.lit("event")).otherwise(pl.lit("kept"))
    of_messages = rows.select(
        "_document",
        cause=pl.when("_key_owner").then(event).otherwise(copy),
        n_records="_n_records",
        n_messages=1,
        output_tokens="output_tokens",
    )
    of_calls = calls.select(
        "_document",
        cause=pl.when("_counts")
        .then(pl.lit("kept"))
        .when("_own")
        .then(pl.lit("mirrored"))
        .otherwise(pl.lit("replayed by a fork")),
        n_tool_calls=1,
    )
    nothing_left = (
        rows.group_by("_bundle").agg(_all_copies=~pl.col("_key_owner").any()).filter("_all_copies")
    )
    of_conversations = conversations.join(
        nothing_left, on="_bundle", how="left", maintain_order="left"
    ).select(
        "_document",
        cause=pl.when(pl.col("_all_copies").fill_null(value=False))
        .then(pl.lit("mirrored"))
        .otherwise(pl.lit("kept")),
        n_records="_n_records",
    )
    return (
        pl.concat([of_conversations, of_messages, of_calls], how="diagonal_relaxed")
        .group_by("_document", "cause")
        .agg(
            *(pl.col(name).sum().cast(pl.UInt64) for name in _COUNTS), sum_or_null("output_tokens")
        )
        .sort("_document", "cause")
    )


def sum_or_null(name: str) -> pl.Expr:
    """Sum a column; all null is null, not 0."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)

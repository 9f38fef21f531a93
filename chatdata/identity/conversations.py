"""Conversations: the parts of one put together, titled, and linked to where they come from."""

from __future__ import annotations

from typing import Any

import msgspec
import polars as pl

from chatdata import schema
from chatdata.identity.copies import names


def hinted(conversations: pl.DataFrame, messages: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Find whom each hint is about; `_about` is the conversation's id, null for nobody here."""
    if not conversations.select(pl.col("_hint").any()).item():
        return conversations.with_columns(_about=pl.col("conversation_id"))
    named = names(messages, rows).select("_owner", _of_message="_name")
    return conversations.join(
        named, on="_of_message", how="left", maintain_order="left"
    ).with_columns(
        _about=pl.when(pl.col("_of_message").is_null()).then("conversation_id").otherwise("_owner")
    )


def conversations_of(
    conversations: pl.DataFrame, rows: pl.DataFrame, kept: pl.DataFrame
) -> pl.DataFrame:
    """Merge the rows of one conversation, add what only its messages tell, and its parent."""
    columns = [
        name
        for name in schema.CONVERSATIONS.schema
        if name not in {"conversation_id", "title", "extra"}
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
    begun = _begun_elsewhere(kept)
    extras = pl.col("extra").drop_nulls().unique(maintain_order=True)
    newest = ["_rank", "updated_at", "_row"]
    orphan = pl.col("parent_conversation_id").is_null()
    return (
        conversations.with_columns(conversation_id="_about")
        .filter(pl.col("conversation_id").is_not_null())
        .sort("_hint", "updated_at", "_row", descending=[False, True, False], nulls_last=True)
        .group_by("conversation_id", maintain_order=True)
        .agg(
            *(pl.col(name).drop_nulls().first() for name in columns if name != "created_at"),
            pl.col("created_at").min(),
            title=pl.col("title")
            .sort_by(newest, descending=True, nulls_last=True)
            .drop_nulls()
            .first(),
            _hint=pl.col("_hint").all(),
            _place=pl.col("_row").filter(~pl.col("_hint")).min(),
            _extras=extras,
        )
        .filter(~pl.col("_hint"))
        .sort("_place")
        .pipe(_with_one_extra)
        .join(told, on="conversation_id", how="left", maintain_order="left")
        .join(copied, on="conversation_id", how="left", maintain_order="left")
        .join(begun, on="conversation_id", how="left", maintain_order="left")
        .with_columns(
            model=pl.coalesce("model", "_only_model"),
            created_at=pl.coalesce("created_at", "_first"),
            updated_at=pl.coalesce("updated_at", "_last"),
            relation=pl.when(orphan)
            .then(pl.coalesce("relation", "_how", "_as"))
            .otherwise("relation"),
            parent_conversation_id=pl.coalesce("parent_conversation_id", "_from", "_after"),
        )
        .select(schema.CONVERSATIONS.schema.names())
    )


def _begun_elsewhere(kept: pl.DataFrame) -> pl.DataFrame:
    """Find the conversations whose first message follows one of another conversation.

    Nothing was copied: a summary stands for what came before, or only a link does.
    """
    spoken = pl.col("kind") != "event"
    so_far = spoken.cast(pl.UInt32).cum_sum().over("conversation_id")
    beginning = kept.filter(so_far <= 1).filter(
        spoken | (so_far == 0), pl.col("parent_message_id").is_not_null()
    )
    followed = kept.filter(
        pl.col("message_id").is_in(beginning["parent_message_id"].unique().implode())
    ).select(parent_message_id="message_id", _after="conversation_id")
    first = kept.filter(spoken).unique("conversation_id", keep="first", maintain_order=True)
    summed_up = pl.col("_kind") == "summary"
    return (
        beginning.join(followed, on="parent_message_id", maintain_order="left")
        .filter(pl.col("_after") != pl.col("conversation_id"))
        .unique("conversation_id", keep="first", maintain_order=True)
        .join(first.select("conversation_id", _kind="kind"), on="conversation_id", how="left")
        .select(
            "conversation_id",
            "_after",
            _as=pl.when(summed_up).then(pl.lit("continuation")).otherwise(pl.lit("resume")),
        )
    )


def _with_one_extra(conversations: pl.DataFrame) -> pl.DataFrame:
    """Put the `extra` of a conversation's parts together; most have one part."""
    several = conversations.filter(pl.col("_extras").list.len() > 1)
    merged = pl.DataFrame(
        {
            "conversation_id": several["conversation_id"],
            "_merged": [_put_together(list(parts)) for parts in several["_extras"]],
        },
        schema={"conversation_id": pl.String(), "_merged": pl.String()},
    )
    return conversations.join(
        merged, on="conversation_id", how="left", maintain_order="left"
    ).with_columns(extra=pl.coalesce("_merged", pl.col("_extras").list.first()))


def _put_together(parts: list[str]) -> str:
    whole: dict[str, Any] = {}
    for part in parts:
        _add(whole, msgspec.json.decode(part))
    return msgspec.json.encode(whole).decode()


def _add(whole: dict[str, Any], part: dict[str, Any]) -> None:
    """Add what is new; lists grow, and of two values under one key the first one stays."""
    for key, value in part.items():
        known = whole.setdefault(key, value)
        if isinstance(known, dict) and isinstance(value, dict) and known is not value:
            _add(known, value)
        elif isinstance(known, list) and isinstance(value, list):
            known += [item for item in value if item not in known]

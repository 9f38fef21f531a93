"""The conversations frame: what their table says, and what only their messages tell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database.scope import within
from chatdata.database.values import key

if TYPE_CHECKING:
    from chatdata.database.extract import Raw
    from chatdata.database.scope import Scope


def conversations_of(
    raw: Raw | None,
    origin: str,
    listed: pl.DataFrame | None,
    keys: pl.DataFrame,
    scope: Scope,
) -> pl.DataFrame:
    """Make the conversations frame.

    Without a conversation table the distinct keys of the messages are the conversations. What the
    table does not say and the messages do is taken from them: owner, times, the only model.
    """
    if listed is None or raw is None:
        told = _told_by_messages(keys)
        whole = told.with_columns(
            native_id="conversation_id", title=None, agent=None, project=None, extra=None
        ).rename(
            {"_user": "user_id", "_first": "created_at", "_last": "updated_at", "_model": "model"}
        )
    else:
        has = raw.binding.columns
        silent = {"user_id", "created_at", "model"} - has.keys()
        if (
            silent <= {"model"}
            and keys["model"].null_count() == keys.height
            and not scope.has_window
        ):
            silent = set()
        told = _told_by_messages(keys if silent or scope.has_window else keys.head(0))
        whole = listed.join(told, on="conversation_id", how="left", maintain_order="left")
        for name, other in (("user_id", "_user"), ("created_at", "_first"), ("model", "_model")):
            if name not in has:
                whole = whole.with_columns(pl.col(other).alias(name))
        if scope.has_window:
            has_messages = pl.col("_first").is_not_null()
            whole = whole.filter(has_messages | within(scope, pl.col("created_at")))
        if scope.user_id is not None and "user_id" not in has:
            whole = whole.filter(pl.col("conversation_id").is_in(told["conversation_id"].implode()))
        elif scope.user_id is not None:
            whole = whole.filter(pl.col("user_id").is_in(key(pl.Series([scope.user_id])).implode()))
    absent = dict.fromkeys(
        ("parent_conversation_id", "relation", "parent_tool_call_id", "declared_tools")
    )
    return whole.with_columns(source=pl.lit("app-db"), origin=pl.lit(origin), **absent).select(
        pl.col(name).cast(kind) for name, kind in schema.CONVERSATIONS.schema.items()
    )


def owners(raw: Raw | None, listed: pl.DataFrame | None, keys: pl.DataFrame) -> pl.DataFrame:
    """Give the user of each conversation that there is, as `conversations_of` has it."""
    if listed is not None and raw is not None and "user_id" in raw.binding.columns:
        return listed.select("conversation_id", "user_id")
    told = _told_by_messages(keys).select("conversation_id", user_id="_user")
    if listed is None:
        return told
    return listed.select("conversation_id").join(told, on="conversation_id", how="left")


def _told_by_messages(keys: pl.DataFrame) -> pl.DataFrame:
    """Give what messages say of their conversation: owner, first and last time, the only model."""
    linked = keys.filter(~pl.col("conversation_id").str.ends_with("#none"))
    return linked.group_by("conversation_id", maintain_order=True).agg(
        _user=pl.col("_user").drop_nulls().first(),
        _first=pl.col("created_at").min(),
        _last=pl.col("created_at").max(),
        _model=pl.when(pl.col("model").drop_nulls().n_unique() == 1).then(
            pl.col("model").drop_nulls().first()
        ),
    )

"""A log in which no tool, model or agent of few people can be told from the others."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata.publish import rare

if TYPE_CHECKING:
    from chatdata.chats import Chats

FEW = "(few users)"


def without_few(chats: Chats[pl.LazyFrame], k: int) -> tuple[Chats[pl.LazyFrame], str]:
    """Put the tools, models and agents that fewer than k known users are behind under one name.

    Returns:
        The chats, and a sentence that says what was put together.
    """
    owners = chats.conversations.select("conversation_id", "user_id")
    named = {
        # Calls without a name are a group like the others.
        "tool": (chats.tool_calls.with_columns(pl.col("name").fill_null("")), "name"),
        "agent": (chats.conversations.select("conversation_id", "agent"), "agent"),
        "model": (_models(chats), "model"),
    }
    folded = {
        what: rare(_pairs(rows, name, owners), by=name, user="user_id", k=k)
        for what, (rows, name) in named.items()
    }
    tools, agents, models = (folded[what].to_list() for what in named)
    is_rare = pl.col("name").fill_null("").is_in(tools)
    coarse = chats.with_frames(
        conversations=chats.conversations.with_columns(
            _put("agent", agents), _put("model", models)
        ),
        messages=chats.messages.with_columns(_put("model", models)),
        tool_calls=chats.tool_calls.with_columns(
            pl.when(is_rare).then(None).otherwise("server").alias("server"),
            pl.when(is_rare).then(pl.lit(FEW)).otherwise("name").alias("name"),
        ),
    )
    counts = [f"{len(names):,} {what}s" for what, names in folded.items() if len(names)]
    if not counts:
        return coarse, f"No tool, model or agent has fewer than {k} known users."
    return coarse, (
        f"Groups of fewer than {k} known users, and the next smallest where that would not hide "
        f"them, stand together as “{FEW}”: {', '.join(counts)}. Queries that name them answer "
        "otherwise on the log itself."
    )


def _models(chats: Chats[pl.LazyFrame]) -> pl.LazyFrame:
    frames = (chats.conversations, chats.messages)
    return pl.concat([frame.select("conversation_id", "model") for frame in frames])


def _pairs(rows: pl.LazyFrame, name: str, owners: pl.LazyFrame) -> pl.DataFrame:
    """Give who is behind each group; groups of nobody known have a row without a user."""
    named = rows.drop_nulls(name).join(owners, on="conversation_id", how="left")
    return named.select(name, "user_id").unique().collect()


def _put(column: str, names: list[str]) -> pl.Expr:
    return pl.when(pl.col(column).is_in(names)).then(pl.lit(FEW)).otherwise(column).alias(column)

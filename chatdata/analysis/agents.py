"""Agents that start agents: trees of conversations, and what a whole tree does."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import counted, is_error, messages, tally, total
from chatdata.analysis.tokens import KINDS, conversation_tokens

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["agent_trees", "subagent_usage"]

_SUBAGENT = "subagent"
_COUNTS = ("n_messages", "n_tool_calls", "n_errors")


def agent_trees(chats: Chats[Frame]) -> pl.DataFrame:
    """Sum up each tree of conversations that starts sub-agents, the root included.

    Returns:
        One row per tree, largest first, then by root: `root_conversation_id` (str, may be one that
        the log only names), `n_conversations` (i64, root included), `depth` (i64, levels below the
        root), `fan_out` (i64, most sub-agents that one conversation starts), `n_messages`,
        `n_tool_calls`, `n_errors` (i64, of all of them), `share_below` (f64, of the calls, made by
        sub-agents, null without calls), `tokens_in`, `tokens_out`, `tokens_cache_read`,
        `tokens_cache_write`, `tokens_reasoning` (i64, null where not recorded), `duration_s` (f64,
        first to last message of the tree, null with fewer than two times). Conversations that are
        each other's ancestors are in no tree.
    """
    tree = _tree(chats)
    fan_out = (
        tree.filter(pl.col("depth") > 0)
        .group_by("root_conversation_id", "parent_conversation_id")
        .agg(fan_out=pl.len().cast(pl.Int64))
        .group_by("root_conversation_id")
        .agg(pl.col("fan_out").max())
    )
    below = pl.col("n_tool_calls").filter(pl.col("depth") > 0).sum()
    span = pl.col("last_us").max() - pl.col("first_us").min()
    return (
        tree.join(_done(chats), on="conversation_id", how="left")
        .with_columns(pl.col(_COUNTS).fill_null(0))
        .group_by("root_conversation_id")
        .agg(
            pl.len().cast(pl.Int64).alias("n_conversations"),
            pl.col("depth").max(),
            *(pl.col(name).sum() for name in _COUNTS),
            share(below, pl.col("n_tool_calls").sum()).alias("share_below"),
            *(_known_sum(kind) for kind in KINDS),
            pl.when(pl.col("n_times").sum() > 1).then(span / 1e6).alias("duration_s"),
        )
        .join(fan_out, on="root_conversation_id")
        .select(
            *("root_conversation_id", "n_conversations", "depth", "fan_out"),
            *(*_COUNTS, "share_below", *KINDS, "duration_s"),
        )
        .sort("n_conversations", "root_conversation_id", descending=[True, False])
    )


def subagent_usage(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the sub-agents of each type and what they do.

    Returns:
        One row per type, most started first: `agent` (str, null where the log names none),
        `n_conversations` (i64, sub-agents of that type), `n_parents` (i64, conversations that start
        them), `n_messages`, `n_tool_calls`, `n_errors` (i64), `tokens_in`, `tokens_out`,
        `tokens_cache_read`, `tokens_cache_write`, `tokens_reasoning` (i64, null where not
        recorded).
    """
    started = (
        nw.from_native(chats.conversations)
        .filter(nw.col("relation") == _SUBAGENT)
        .select("conversation_id", "parent_conversation_id", "agent")
        .collect("polars")
        .to_polars()
    )
    return (
        started.join(_done(chats), on="conversation_id", how="left")
        .with_columns(pl.col(_COUNTS).fill_null(0))
        .group_by("agent")
        .agg(
            pl.len().cast(pl.Int64).alias("n_conversations"),
            pl.col("parent_conversation_id")
            .drop_nulls()
            .n_unique()
            .cast(pl.Int64)
            .alias("n_parents"),
            *(pl.col(name).sum() for name in _COUNTS),
            *(_known_sum(kind) for kind in KINDS),
        )
        .sort("n_conversations", "agent", descending=[True, False], nulls_last=True)
    )


def _tree(chats: Chats[Frame]) -> pl.DataFrame:
    """Give the root and depth of every conversation that starts sub-agents or is one."""
    edges = (
        nw.from_native(chats.conversations)
        .filter(nw.col("relation") == _SUBAGENT, ~nw.col("parent_conversation_id").is_null())
        .select("conversation_id", "parent_conversation_id")
        .collect("polars")
        .to_polars()
    )
    climbed = edges.with_columns(
        root_conversation_id="parent_conversation_id", depth=pl.lit(1, pl.Int64)
    )
    # Each round doubles the steps taken: twenty see to the end of a million levels, and of circles.
    for _ in range(len(edges).bit_length()):
        above = climbed.select(
            pl.col("conversation_id").alias("root_conversation_id"),
            higher="root_conversation_id",
            more="depth",
        )
        climbed = climbed.join(above, on="root_conversation_id", how="left").select(
            "conversation_id",
            "parent_conversation_id",
            root_conversation_id=pl.coalesce("higher", "root_conversation_id"),
            depth=pl.col("depth") + pl.col("more").fill_null(0),
        )
    # A root is nobody's sub-agent; where there is none, conversations go round in a circle.
    rooted = climbed.join(
        edges, left_on="root_conversation_id", right_on="conversation_id", how="anti"
    )
    roots = rooted.select(
        pl.col("root_conversation_id").unique().alias("conversation_id"),
    ).with_columns(
        parent_conversation_id=pl.lit(None, pl.String),
        root_conversation_id="conversation_id",
        depth=pl.lit(0, pl.Int64),
    )
    return pl.concat([rooted, roots])


def _done(chats: Chats[Frame]) -> pl.DataFrame:
    """Give the counts, tokens and times of each conversation of a tree."""
    chats = _of_trees(chats)
    said = counted(chats).group_by("conversation_id").agg(n_messages=nw.len().cast(nw.Int64))
    called = (
        nw.from_native(chats.tool_calls)
        .with_columns(n_errors=tally(is_error()))
        .group_by("conversation_id")
        .agg(nw.len().cast(nw.Int64).alias("n_tool_calls"), total("n_errors"))
    )
    times = (
        messages(chats)
        .group_by("conversation_id")
        .agg(
            first_us=nw.col("created_us").min(),
            last_us=nw.col("created_us").max(),
            n_times=nw.col("created_us").count().cast(nw.Int64),
        )
    )
    spent = nw.from_native(conversation_tokens(chats)).drop("n_generations")
    parts = [part.collect("polars").to_polars() for part in (said, called, times, spent)]
    done = parts[0]
    for part in parts[1:]:
        done = done.join(part, on="conversation_id", how="full", coalesce=True)
    return done


def _of_trees(chats: Chats[Frame]) -> Chats[Frame]:
    """Leave only messages and calls of conversations that start sub-agents, or are one."""
    started = nw.from_native(chats.conversations).filter(nw.col("relation") == _SUBAGENT)
    ends = (nw.col("conversation_id"), nw.col("parent_conversation_id").alias("conversation_id"))
    ids = nw.concat([started.select(end) for end in ends]).unique()
    frames = {
        name: nw.from_native(frame).join(ids, on="conversation_id", how="semi").to_native()
        for name, frame in (("messages", chats.messages), ("tool_calls", chats.tool_calls))
    }
    return chats.with_frames(**frames)


def _known_sum(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)

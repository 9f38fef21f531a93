"""What is in a `Chats`, as one plain object: what `chatdata scan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from datetime import datetime

    from chatdata.chats import Chats

_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")
_COUNTED = pl.col("is_main_path") & pl.col("kind").is_in(["chat", "tool_result"])
_UNCOUNTED = {
    **{
        kind: pl.col("is_main_path") & (pl.col("kind") == kind)
        for kind in ("injected", "summary", "command", "event")
    },
    "off_path": ~pl.col("is_main_path"),
}


def summary(chats: Chats[pl.LazyFrame]) -> dict[str, Any]:
    """Count what was read; `messages` are the rows that are no events."""
    real = chats.messages.filter(pl.col("kind") != "event")
    spoken = chats.messages.select("conversation_id").unique()
    of_conversations, silent, of_messages, roles, of_calls, tools, statuses, rejects = (
        pl.collect_all(
            [
                chats.conversations.select(
                    pl.len().alias("conversations"),
                    pl.col("user_id").drop_nulls().n_unique().alias("users"),
                    pl.col("source").unique().sort().implode().alias("formats"),
                    pl.col("origin").unique().sort().implode().alias("origins"),
                ),
                chats.conversations.join(spoken, on="conversation_id", how="anti").select(pl.len()),
                real.select(
                    pl.len().alias("messages"),
                    pl.col("created_at").min().alias("first"),
                    pl.col("created_at").max().alias("last"),
                    *(_sum_or_null(f"{name}_tokens").alias(name) for name in _TOKENS),
                ),
                _counts(real, "role"),
                chats.tool_calls.select(
                    pl.len().alias("tool_calls"), pl.col("result").count().alias("tool_results")
                ),
                _counts(chats.tool_calls, "name"),
                _counts(chats.tool_calls, "status"),
                chats.rejects.select(pl.len()),
            ]
        )
    )
    talk = of_conversations.row(0, named=True)
    said = of_messages.row(0, named=True)
    return {
        "format": ", ".join(talk["formats"]) or None,
        "origins": talk["origins"] or sorted({finding.origin for finding in chats.findings}),
        "conversations": talk["conversations"],
        "conversations_without_messages": silent.item(),
        "users": talk["users"],
        "messages": said["messages"],
        "messages_by_role": dict(roles.rows()),
        "rows": reconciliation(chats),
        **of_calls.row(0, named=True),
        "calls_by_tool": dict(tools.rows()),
        "calls_by_status": dict(statuses.rows()),
        "rejects": rejects.item(),
        "tokens": {name: said[name] for name in _TOKENS},
        "first_message_at": _iso(said["first"]),
        "last_message_at": _iso(said["last"]),
    }


def reconciliation(chats: Chats[pl.LazyFrame]) -> dict[str, int]:
    """Part all message rows into those that lengths count, and those they leave out, by why."""
    parts = {"all": pl.lit(value=True), "counted": _COUNTED, **_UNCOUNTED}
    counted: dict[str, int] = (
        chats.messages.select(
            **{name: which.sum() if name != "all" else pl.len() for name, which in parts.items()}
        )
        .collect()
        .row(0, named=True)
    )
    return counted


def reconciled(rows: dict[str, int]) -> str:
    """Say the same in a sentence."""
    left_out = [f"{rows[name]:,} {name.replace('_', '-')}" for name in _UNCOUNTED if rows[name]]
    parts = " + ".join([f"{rows['counted']:,} counted", *left_out])
    return f"{rows['all']:,} message rows = {parts}"


def _counts(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return frame.group_by(name).len().sort("len", name, descending=[True, False])


def _sum_or_null(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"

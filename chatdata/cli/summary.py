"""What is in a `Chats`, as one plain object: what `chatdata scan` prints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata.analysis import message_reconciliation

if TYPE_CHECKING:
    from datetime import datetime

    from chatdata.chats import Chats, Finding

_APART = '"usage_unattached":'
_TOKENS = ("input", "output", "cache_read", "cache_write", "reasoning")


def summary(chats: Chats[pl.LazyFrame]) -> dict[str, Any]:
    """Count what was read; `messages` are the rows that are no events.

    `conversations_with_other_tokens` have responses without a message: what those spent stands in
    the conversation's `extra` and in no sum.
    """
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
                    pl.col("extra").str.contains(_APART, literal=True).sum().alias("apart"),
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
                    pl.len().alias("tool_calls"),
                    # An image comes back in a message without a text.
                    pl.any_horizontal(pl.col("result", "result_message_id").is_not_null())
                    .sum()
                    .alias("tool_results"),
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
        "rows": dict(message_reconciliation(chats).rows()),
        **of_calls.row(0, named=True),
        "calls_by_tool": dict(tools.rows()),
        "calls_by_status": dict(statuses.rows()),
        "rejects": rejects.item(),
        "tokens": {name: said[name] for name in _TOKENS},
        "conversations_with_other_tokens": talk["apart"],
        "first_message_at": _iso(said["first"]),
        "last_message_at": _iso(said["last"]),
        "not_read": [f"{f.subject}: {f.reason}" for f in chats.findings if _is_unread(f)],
    }


def _is_unread(finding: Finding) -> bool:
    """Whether something was there of which nothing is in the frames."""
    return finding.became in ("not read", "nothing") and not finding.reason.startswith("empty")


def reconciled(rows: dict[str, int]) -> str:
    """Say which message rows lengths count, and why they leave out the others."""
    left_out = [
        f"{n:,} {part.replace('_', '-')}"
        for part, n in rows.items()
        if n and part not in ("all", "counted")
    ]
    parts = " + ".join([f"{rows['counted']:,} counted", *left_out])
    return f"{rows['all']:,} message rows = {parts}"


def _counts(frame: pl.LazyFrame, name: str) -> pl.LazyFrame:
    return frame.group_by(name).len().sort("len", name, descending=[True, False])


def _sum_or_null(name: str) -> pl.Expr:
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum())


def _iso(moment: datetime | None) -> str | None:
    return None if moment is None else f"{moment.isoformat()}Z"

"""Who speaks: message rows by role, and which of them lengths leave out, and why."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata import schema
from chatdata.analysis.rates import share
from chatdata.analysis.rows import is_counted, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["message_reconciliation", "messages_by_role"]

_LEFT_OUT = {
    **{
        part: nw.col("is_main_path") & (nw.col("kind") == kind)
        for part, kind in {
            "injected": "injected",
            "summaries": "summary",
            "commands": "command",
            "events": "event",
        }.items()
    },
    "off_path": ~nw.col("is_main_path"),
}


def messages_by_role(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the messages of each role.

    Returns:
        One row for each of the four roles, in the order of the contract: `role` (str), `n_rows`
        (i64, all message rows), `n_messages` (i64, those that lengths count), `share` (f64, of all
        counted messages, null without any), `n_chars` (i64, code points of the counted messages,
        null where none has text), then where the other rows went (i64): `n_injected`,
        `n_summaries`, `n_commands`, `n_events`, `n_off_path`. `n_rows` is the sum of these and
        `n_messages`.
    """
    return _by_role(chats).select(
        "role",
        "n_rows",
        "n_messages",
        share(pl.col("n_messages"), pl.col("n_messages").sum()).alias("share"),
        pl.when(pl.col("has_chars") > 0).then("n_chars").alias("n_chars"),
        *(f"n_{part}" for part in _LEFT_OUT),
    )


def message_reconciliation(chats: Chats[Frame]) -> pl.DataFrame:
    """Part all message rows into those that lengths count and those they leave out.

    Returns:
        One row per part: `part` (str: all, counted, injected, summaries, commands, events,
        off_path) and `n_messages` (i64). `all` is the sum of the others.
    """
    names = {"all": "n_rows", "counted": "n_messages", **{part: f"n_{part}" for part in _LEFT_OUT}}
    counts = _by_role(chats)
    return pl.DataFrame(
        {"part": list(names), "n_messages": [counts[name].sum() for name in names.values()]},
        schema={"part": pl.String(), "n_messages": pl.Int64()},
    )


def _by_role(chats: Chats[Frame]) -> pl.DataFrame:
    parts = {"n_messages": is_counted(), **{f"n_{part}": rows for part, rows in _LEFT_OUT.items()}}
    found = (
        nw.from_native(chats.messages)
        .with_columns(
            has_chars=tally(is_counted() & ~nw.col("n_chars").is_null()),
            n_chars=nw.when(is_counted()).then(nw.col("n_chars")).cast(nw.Int64),
            **{name: tally(rows) for name, rows in parts.items()},
        )
        .group_by("role")
        .agg(
            nw.len().cast(nw.Int64).alias("n_rows"),
            *(total(name) for name in (*parts, "has_chars", "n_chars")),
        )
        .collect("polars")
        .to_polars()
    )
    roles = pl.DataFrame({"role": schema.ROLES}, schema={"role": pl.String()})
    return roles.join(found, on="role", how="left", maintain_order="left").with_columns(
        pl.exclude("role").fill_null(0)
    )

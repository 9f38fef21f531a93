"""The accounting of a database of which a part was read again.

A read counts what it read. The whole is what was counted before, less what of it was read again,
plus what the read says. What was read again is counted in the lake: by kind of table, for its rows
do not name theirs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.lake import scan_files
from chatdata.identity import sum_or_null

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.chats import Chats
    from chatdata.store.commit import Change

_COUNTS = ("n_records", "n_messages", "n_tool_calls")
_KEY = ("path", "cause")
_MINUS = dict.fromkeys((*_COUNTS, "output_tokens"), pl.Int64())


def with_totals(
    change: Change, chats: Chats[pl.LazyFrame], origin: str, stem: str
) -> Chats[pl.LazyFrame]:
    """Give accounting and rejects of the whole database, where `chats` is what was read again.

    Args:
        change: the change, with the lake as it is.
        chats: whole conversations, as they are now.
        origin: the database's name.
        stem: how the names of the files begin that hold databases.
    """
    lake = {
        table.name: scan_files(change.files(table.name, f"{stem}-*.parquet"), table)
        for table in schema.TABLES
    }
    of_origin = pl.col("origin") == origin
    rejects = pl.concat([lake["rejects"].filter(of_origin), chats.rejects]).unique()
    before = lake["accounting"].filter(of_origin).collect()
    now = chats.accounting.collect()
    again = chats.messages.select("conversation_id").unique()
    replaced = {
        name: lake[name].join(again, on="conversation_id", how="semi")
        for name in ("conversations", "messages", "tool_calls")
    }
    listed = chats.conversations.select("conversation_id")
    replaced["conversations"] = lake["conversations"].join(listed, on="conversation_id", how="semi")
    gone = _counted(replaced, _kinds(pl.concat([before, now])), origin)
    lost = pl.col("cause") == "rejected"
    totals = (
        pl.concat([before, now, gone], how="diagonal_relaxed")
        .filter(pl.any_horizontal(pl.col(*_COUNTS) != 0))
        .group_by("origin", *_KEY, maintain_order=True)
        .agg(pl.col(*_COUNTS).sum(), sum_or_null("output_tokens"))
        .join(rejects.group_by("path").len("_n").collect(), on="path", how="left")
        .with_columns(
            # Each reject is known by its place, so that those of before and of now are told apart.
            pl.when(lost & (pl.col(name) > 0)).then("_n").otherwise(name).alias(name)
            for name in ("n_records", "n_tool_calls")
        )
    )
    return chats.with_frames(
        rejects=rejects,
        accounting=totals.lazy().select(
            pl.col(name).cast(kind) for name, kind in schema.ACCOUNTING.schema.items()
        ),
    )


def _kinds(accounting: pl.DataFrame) -> pl.DataFrame:
    """Say of each table (`path`) what its rows are: conversations, messages or calls."""
    return accounting.group_by("path", maintain_order=True).agg(
        kind=pl.when(pl.col("n_messages").sum() > 0)
        .then(pl.lit("messages"))
        .when(pl.col("n_tool_calls").sum() > 0)
        .then(pl.lit("tool_calls"))
        .otherwise(pl.lit("conversations")),
        keeps_calls=pl.col("n_tool_calls").filter(pl.col("cause") == "kept").sum() > 0,
    )


def _counted(frames: Mapping[str, pl.LazyFrame], kinds: pl.DataFrame, origin: str) -> pl.DataFrame:
    """Count rows as the tables that they come from would be, with a minus before each count."""
    several = kinds.filter(kind="messages").height > 1
    keep_calls = kinds.filter(pl.col("kind") == "tool_calls", pl.col("keeps_calls")).height > 0
    parts = [pl.LazyFrame(schema={**dict.fromkeys(_KEY, pl.String()), **_MINUS})]
    for path, kind in kinds.select("path", "kind").rows():
        # Of several tables of messages each puts its name before its ids.
        table = path.removeprefix(f"{origin}/")
        mine = pl.col("message_id").str.starts_with(f"{origin}:{table}:" if several else "")
        calls = frames["tool_calls"].filter(mine)
        if kind == "conversations":
            parts.append(_minus(frames[kind], path, "n_records"))
        elif kind == "tool_calls":
            cause = "kept" if keep_calls else "mirrored"
            parts.append(_minus(calls, path, "n_records", "n_tool_calls", cause=cause))
        else:
            for cause in ("kept", "event"):
                rows = frames[kind].filter(mine, (pl.col("kind") == "event") == (cause == "event"))
                parts.append(_minus(rows, path, "n_records", "n_messages", cause=cause))
            if not keep_calls:
                parts.append(_minus(calls, path, "n_tool_calls"))
    return pl.concat(parts, how="diagonal").collect().with_columns(origin=pl.lit(origin))


def _minus(rows: pl.LazyFrame, path: str, *adds: str, cause: str = "kept") -> pl.LazyFrame:
    """Take off what some rows add, each 1 to the counts that are named."""
    taken = [-pl.len().cast(pl.Int64).alias(name) for name in adds]
    if "n_messages" in adds:
        taken.append(-sum_or_null("output_tokens"))
    return rows.select(taken).with_columns(path=pl.lit(path), cause=pl.lit(cause))

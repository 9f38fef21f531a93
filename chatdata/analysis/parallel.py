"""Calls that are made at once: several in one message."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["parallel_calls", "parallel_calls_by_tool"]


def parallel_calls(chats: Chats[Frame]) -> pl.DataFrame:
    """Count messages by how many calls they make at once.

    Returns:
        One row per fan-out that occurs, smallest first: `fan_out` (i64, calls in one message),
        `n_messages`, `n_tool_calls` (i64), `share` (f64, of the messages with calls). Calls that
        name no message are left out.
    """
    messages = (
        _by_message(chats)
        .group_by("message_id")
        .agg(fan_out=nw.len().cast(nw.Int64))
        .group_by("fan_out")
        .agg(n_messages=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    n = pl.col("n_messages")
    return messages.select(
        "fan_out", "n_messages", n_tool_calls=n * pl.col("fan_out"), share=share(n, n.sum())
    ).sort("fan_out")


def parallel_calls_by_tool(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the calls of each tool that stand in one message with other calls.

    Returns:
        One row per tool, most called first: `name` (str), `n_tool_calls` (i64, that name a
        message), `n_parallel` (i64, beside any other call), `n_same_tool` (i64, beside a call of
        the same tool), `share` (f64, of the calls, beside any other), `max_fan_out` (i64, most
        calls in a message with this tool).
    """
    messages = _by_message(chats).group_by("message_id", "name").agg(n=nw.len().cast(nw.Int64))
    n, fan_out = nw.col("n"), nw.col("n").sum().over("message_id").cast(nw.Int64)
    tools = (
        messages.with_columns(fan_out=fan_out)
        .with_columns(parallel=n * tally(nw.col("fan_out") > 1), same=n * tally(n > 1))
        .group_by("name")
        .agg(
            total("n").alias("n_tool_calls"),
            total("parallel").alias("n_parallel"),
            total("same").alias("n_same_tool"),
            nw.col("fan_out").max().alias("max_fan_out"),
        )
        .collect("polars")
        .to_polars()
    )
    return tools.select(
        *("name", "n_tool_calls", "n_parallel", "n_same_tool"),
        share(pl.col("n_parallel"), pl.col("n_tool_calls")).alias("share"),
        "max_fan_out",
    ).sort("n_tool_calls", "name", descending=[True, False], nulls_last=True)


def _by_message(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls that name the message that makes them."""
    return (
        nw.from_native(chats.tool_calls)
        .filter(~nw.col("message_id").is_null())
        .select("message_id", "name")
    )

"""What follows what: calls in their order within conversations and turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import IN_ORDER, counted, is_error, is_prompt, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_ngrams", "tool_transitions"]

NO_NAME = "(no name)"
ORDER = "order"
# Calls that name no message stand before all messages, in an order and a turn of their own.
_NO_PLACE = -1
_MOST_CALLS = 2**31  # in one message, or without one: positions have 32 bits


def sequenced(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls of the main path with their place, turn and outcome.

    Sorted by `ORDER` within a conversation they stand in the order in which they were made;
    `turn` counts the prompts before them.
    """
    turn = tally(is_prompt()).cum_sum().over("conversation_id", order_by=IN_ORDER)
    places = counted(chats).select(
        "message_id", place=nw.col("position").cast(nw.Int64), turn=turn.cast(nw.Int64)
    )
    calls = nw.from_native(chats.tool_calls).select(
        "tool_call_id",
        "conversation_id",
        "message_id",
        "position",
        "arguments",
        "arguments_raw",
        name=nw.col("name").fill_null(NO_NAME),
        is_ok=tally(nw.col("status") == "ok"),
        is_error=tally(is_error()),
    )
    return (
        calls.join(places, on="message_id", how="left")
        .filter(nw.col("message_id").is_null() | ~nw.col("place").is_null())
        .with_columns(nw.col("place", "turn").fill_null(_NO_PLACE))
        .with_columns(order=nw.col("place") * _MOST_CALLS + nw.col("position").cast(nw.Int64))
    )


def tool_transitions(chats: Chats[Frame]) -> pl.DataFrame:
    """Count which tool is called after which, within one conversation.

    Returns:
        One row per pair that occurs, by the first tool's calls, then the pair's: `name`,
        `next_name` (str), `n_transitions` (i64), `share` (f64, of all transitions from `name`),
        `n_parallel` (i64, both calls in one message), `n_after_error` (i64, `name` failed).
    """
    following = {
        name: nw.col(column).shift(-1).over("conversation_id", order_by=ORDER)
        for name, column in (("next_name", "name"), ("next_message_id", "message_id"))
    }
    pairs = (
        sequenced(chats)
        .with_columns(**following)
        .filter(~nw.col("next_name").is_null())
        .with_columns(n_parallel=tally(nw.col("message_id") == nw.col("next_message_id")))
        .group_by("name", "next_name")
        .agg(
            nw.len().cast(nw.Int64).alias("n_transitions"),
            total("n_parallel"),
            total("is_error").alias("n_after_error"),
        )
        .collect("polars")
        .to_polars()
    )
    n, of = pl.col("n_transitions"), pl.col("n_transitions").sum().over("name")
    return (
        pairs.sort(of, "name", n, "next_name", descending=[True, False, True, False])
        .with_columns(share=share(n, of))
        .select("name", "next_name", "n_transitions", "share", "n_parallel", "n_after_error")
    )


def tool_ngrams(chats: Chats[Frame], *, n: int = 3) -> pl.DataFrame:
    """Count runs of consecutive calls within one conversation.

    Args:
        chats: what to count.
        n: how many calls a run has; runs overlap.

    Returns:
        One row per run that occurs, most frequent first: `tools` (str, names joined by " → "),
        `n_times`, `n_conversations` (i64), `share` (f64, of all runs of n calls).
    """
    steps = [
        nw.col("name").shift(-step).over("conversation_id", order_by=ORDER).alias(f"step_{step}")
        for step in range(n)
    ]
    names = [f"step_{step}" for step in range(n)]
    runs = (
        sequenced(chats)
        .select("conversation_id", *steps)
        .filter(~nw.col(names[-1]).is_null())
        .group_by(*names)
        .agg(
            n_times=nw.len().cast(nw.Int64),
            n_conversations=nw.col("conversation_id").n_unique().cast(nw.Int64),
        )
        .collect("polars")
        .to_polars()
    )
    times = pl.col("n_times")
    return runs.select(
        pl.concat_str(*names, separator=" → ").alias("tools"),
        "n_times",
        "n_conversations",
        share(times, times.sum()).alias("share"),
    ).sort("n_times", "tools", descending=[True, False])

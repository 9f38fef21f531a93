"""What follows what: calls in their order within conversations and turns."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.order import with_shifted
from chatdata.analysis.rates import share
from chatdata.analysis.rows import is_error, numbered, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_ngrams", "tool_transitions"]

NO_NAME = "(no name)"
ORDER = ("order",)
# Calls that name no message stand before all messages, in an order and a turn of their own.
_NO_PLACE = -1
_IN_ONE = ("conversation_id",)
_MOST_CALLS = 2**31  # in one message, or without one: positions have 32 bits


def sequenced(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls of the main path with their place, turn and outcome.

    Sorted by `ORDER` within a conversation they stand in the order in which they were made;
    `turn` counts the prompts before them.
    """
    places = numbered(chats).select("message_id", "turn", place=nw.col("position").cast(nw.Int64))
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
    following = {"next_name": ("name", -1), "next_place": ("place", -1)}
    pairs = (
        with_shifted(sequenced(chats), following, by=_IN_ONE, order=ORDER)
        .filter(~nw.col("next_name").is_null())
        .with_columns(
            n_parallel=tally(
                (nw.col("place") == nw.col("next_place")) & (nw.col("place") != _NO_PLACE)
            )
        )
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
    steps = {f"step_{step}": ("name", -step) for step in range(n)}
    names = list(steps)
    runs = (
        with_shifted(sequenced(chats), steps, by=_IN_ONE, order=ORDER)
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

"""Turns: from one prompt to the next, what happens in each and how long it takes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.quantiles import LATE
from chatdata.analysis.rows import (
    counted,
    in_turns,
    is_answer,
    is_prompt,
    numbered,
    tally,
    total,
)

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["response_times", "turns"]


def turns(chats: Chats[Frame]) -> Frame:
    """Part each conversation into turns: a prompt and what follows until the next one.

    What comes before the first prompt is in no turn.

    Returns:
        One row per turn, by conversation, then in order: `conversation_id` (str), `turn` (i64, from
        1), `prompt_id` (str, the message id of its prompt), `started_at` (time of the prompt, null
        where it has none), `n_messages` (i64, the prompt included), `n_answers` (i64, the model's
        messages), `n_tool_calls` (i64, of its messages), `response_s` (f64, seconds from the prompt
        to the first answer), `latency_s` (f64, to the last answer or tool result). Seconds are null
        where the time of either is missing, is only a day, or lies before the prompt's.
    """
    calls = (
        nw.from_native(chats.tool_calls)
        .group_by("message_id")
        .agg(n_tool_calls=nw.len().cast(nw.Int64))
    )
    # Joined before they are put in order: under a limit of memory one goes before the other then.
    called = counted(chats).join(calls, on="message_id", how="left")
    each = in_turns(called.with_columns(nw.col("n_tool_calls").fill_null(0)))
    return (
        _turns(each, "n_tool_calls")
        .select(
            *("conversation_id", "turn", "prompt_id", "started_at", "n_messages", "n_answers"),
            "n_tool_calls",
            _seconds("response_us", "prompt_us").alias("response_s"),
            _seconds("active_us", "prompt_us").alias("latency_s"),
        )
        .sort("conversation_id", "turn")
        .to_native()
    )


def response_times(chats: Chats[Frame]) -> pl.DataFrame:
    """Summarise how long people wait, where prompts and answers have times.

    Returns:
        Three rows: `measure` (str: `first_response`, once a conversation, from its first prompt to
        its first answer after it; `response`, once a turn, from the prompt to the first answer;
        `turn`, once a turn, to the last answer or tool result), `n` (i64, with a value),
        `n_unknown` (i64, turns or conversations with a prompt, without one), `p50_s`, `p90_s`,
        `p95_s`, `p99_s`, `max_s` (f64, seconds, exact, linear between neighbours, null without
        any).
    """
    each = _turns(numbered(chats))
    times = ("prompt_us", "response_us", "active_us")
    # Twice over the turns, so that no ids of theirs are held here.
    turn_by_turn = each.select(*times).collect("polars").to_polars()
    opened = (
        each.with_columns(
            prompt_us=nw.when(nw.col("turn") == 1).then(nw.col("prompt_us")),
            answered=nw.when(nw.col("n_answers") > 0).then(nw.col("turn")),
            timed=nw.when(~nw.col("response_us").is_null()).then(nw.col("turn")),
        )
        .group_by("conversation_id")
        .agg(nw.col("prompt_us").max(), nw.col("response_us", "answered", "timed").min())
        .select(
            "prompt_us",
            response_us=nw.when(nw.col("answered") == nw.col("timed")).then(nw.col("response_us")),
        )
        .collect("polars")
        .to_polars()
    )
    waits = {
        "first_response": (opened, "response_us"),
        "response": (turn_by_turn, "response_us"),
        "turn": (turn_by_turn, "active_us"),
    }
    return pl.concat([_waits(rows, until, name) for name, (rows, until) in waits.items()])


def _turns(rows: nw.LazyFrame[Frame], *counts: str) -> nw.LazyFrame[Frame]:
    """Give each turn with its prompt, its times in microseconds, its messages and other counts.

    A time counts where the first answer, or the last that was done, has one.
    """
    worked = (nw.col("role") == "assistant") | (nw.col("role") == "tool")
    timed = ~nw.col("created_us").is_null()
    told, place = nw.when(is_prompt()), nw.col("position").cast(nw.Int64)
    return (
        rows.filter(nw.col("turn") > 0)
        .select(
            *counts,
            "conversation_id",
            "turn",
            prompt_id=told.then(nw.col("message_id")),
            started_at=told.then(nw.col("created_at")),
            prompt_us=told.then(nw.col("created_us")),
            response_us=nw.when(is_answer()).then(nw.col("created_us")),
            active_us=nw.when(worked).then(nw.col("created_us")),
            first=nw.when(is_answer()).then(place),
            first_timed=nw.when(is_answer() & timed).then(place),
            last=nw.when(worked).then(place),
            last_timed=nw.when(worked & timed).then(place),
            answer=tally(is_answer()),
        )
        .group_by("conversation_id", "turn")
        .agg(
            nw.col("prompt_id", "started_at", "prompt_us").max(),
            nw.col("response_us", "first", "first_timed").min(),
            nw.col("active_us", "last", "last_timed").max(),
            nw.len().cast(nw.Int64).alias("n_messages"),
            total("answer").alias("n_answers"),
            *(total(name) for name in counts),
        )
        .with_columns(
            response_us=nw.when(nw.col("first") == nw.col("first_timed")).then(
                nw.col("response_us")
            ),
            active_us=nw.when(nw.col("last") == nw.col("last_timed")).then(nw.col("active_us")),
        )
    )


def _seconds(later: str, earlier: str) -> nw.Expr:
    gap = nw.col(later) - nw.col(earlier)
    return nw.when(gap >= 0).then(gap / 1e6)


def _waits(rows: pl.DataFrame, until: str, measure: str) -> pl.DataFrame:
    """Summarise the time from a prompt until something else."""
    gap = pl.col(until) - pl.col("prompt_us")
    seconds = rows.select(s=pl.when(gap >= 0).then(gap / 1e6))["s"]
    return seconds.to_frame().select(
        measure=pl.lit(measure),
        n=pl.col("s").count().cast(pl.Int64),
        n_unknown=pl.col("s").null_count().cast(pl.Int64),
        **{f"{name}_s": pl.col("s").quantile(q, "linear") for name, q in LATE.items()},
        max_s=pl.col("s").max(),
    )

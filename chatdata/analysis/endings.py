"""How conversations end, and which of them the end of the log cut in the middle of a turn."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share, wilson_high, wilson_low
from chatdata.analysis.rows import conversation_ids, counted, messages
from chatdata.analysis.shared import once

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_ending", "ending_shares"]

RUNNING_S = 1800
_DAY_US = 86_400_000_000
_LAST = ("last_us", "last_day_us")
UNFINISHED = ("user", "tool_result", "pending_tool")
_LENGTH_STOPS = ("length", "max_tokens", "model_length", "max_output_tokens", "MAX_TOKENS")


def conversation_ending(chats: Chats[Frame]) -> Frame:
    """Say on what each conversation ends.

    Returns:
        One row per conversation, by id: `conversation_id` (str), `ending` (str: `assistant`, on
        the model's answer; `cut_by_length`, on an answer that ran into its limit;
        `pending_tool`, on an answer whose calls have no result; `tool_result`; `user`, on a prompt
        without answer; `other`; `nothing`, without counted messages), `last_at` (time of the last
        message row of any kind, null where none has one).
    """
    found = endings(chats).select("conversation_id", "ending", "last_at")
    return found.sort("conversation_id").to_native()


def ending_shares(chats: Chats[Frame]) -> pl.DataFrame:
    """Count how conversations end.

    Returns:
        One row per ending that occurs, most frequent first: `ending` (str, as in
        `conversation_ending`), `n_conversations` (i64), `share` (f64, of all conversations),
        `share_low`, `share_high` (f64, its Wilson 95 % interval).
    """
    counts = ended(chats).group_by("ending").agg(n_conversations=pl.len().cast(pl.Int64))
    hits, n = pl.col("n_conversations"), pl.col("n_conversations").sum()
    return counts.with_columns(
        share=share(hits, n), share_low=wilson_low(hits, n), share_high=wilson_high(hits, n)
    ).sort("n_conversations", "ending", descending=[True, False])


@once
def ended(chats: Chats[Frame]) -> pl.DataFrame:
    """Give the ending of each conversation, and whether the end of the log cut it.

    Running is what ends in the middle of a turn, with a last message not older than half an hour at
    the time of the log's last message.

    Returns:
        One row per conversation, in no order: `conversation_id`, `ending` (str), `last_us`,
        `last_day_us` (i64, as in `last_moments`), `running` (bool).
    """
    found = endings(chats).drop("last_at").collect("polars").to_polars()
    return found.with_columns(running=is_running(pl.max_horizontal(*_LAST).max()))


def is_running(log_end: pl.Expr) -> pl.Expr:
    """Say by `ending` and the last moments which conversations the end of the log cut.

    Args:
        log_end: the time of the log's last message, in microseconds.
    """
    return pl.col("ending").is_in(UNFINISHED) & reaches(log_end, RUNNING_S)


def reaches(log_end: pl.Expr, seconds: float) -> pl.Expr:
    """Say by the last moments which conversations go on to shortly before the log ends.

    A time that is only a day is compared with the day on which the log ends.

    Args:
        log_end: the time of the log's last message, in microseconds.
        seconds: how long before that still counts.
    """
    us = round(seconds * 1_000_000)
    fine = pl.col("last_us") >= log_end - us
    day = pl.col("last_day_us") >= log_end - log_end % _DAY_US - us
    return fine.fill_null(value=False) | day.fill_null(value=False)


def log_end(chats: Chats[Frame]) -> int | None:
    """Give the time of the log's last message of any kind, in microseconds since 1970."""
    last = last_moments(chats).select(nw.col(*_LAST).max()).collect("polars").to_polars()
    found: int | None = last.select(pl.max_horizontal(*_LAST)).item()
    return found


def last_moments(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the time of each conversation's last message row of any kind.

    Returns:
        One row per conversation that has messages: `conversation_id`, `last_at`, `last_us` (i64,
        of those with more than a day), `last_day_us` (i64, the beginning of the last day, of those
        with only a day).
    """
    return (
        messages(chats)
        .group_by("conversation_id")
        .agg(
            last_at=nw.col("created_at").max(),
            last_us=nw.col("created_us").max(),
            last_day_us=nw.col("day_us").max(),
        )
    )


def endings(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the ending of each conversation, with the time of its last message row."""
    ending = (
        nw.when(nw.col("role").is_null())
        .then(nw.lit("nothing"))
        .when(nw.col("n_pending") > 0)
        .then(nw.lit("pending_tool"))
        .when(nw.col("finish_reason").is_in(_LENGTH_STOPS))
        .then(nw.lit("cut_by_length"))
        .when(nw.col("kind") == "tool_result")
        .then(nw.lit("tool_result"))
        .when(nw.col("role").is_in(["assistant", "user"]))
        .then(nw.col("role"))
        .otherwise(nw.lit("other"))
    )
    return (
        conversation_ids(chats)
        .join(_last(chats), on="conversation_id", how="left")
        .join(last_moments(chats), on="conversation_id", how="left")
        .join(_pending(chats), on="message_id", how="left")
        .select("conversation_id", "last_at", *_LAST, ending=ending)
    )


def _last(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the last counted message of each conversation."""
    last = nw.col("position").max().over("conversation_id")
    return (
        counted(chats)
        .select("conversation_id", "position", "message_id", "role", "kind", "finish_reason")
        .filter(nw.col("position") == last)
        .unique("conversation_id", keep="any")
    )


def _pending(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Mark the messages that have a call without a result."""
    calls = nw.from_native(chats.tool_calls)
    waiting = calls.filter(nw.col("status") == "no_result", ~nw.col("message_id").is_null())
    return waiting.select("message_id", n_pending=nw.lit(1)).unique()

"""Which rows count, and what narwhals cannot yet say on every engine.

Every analysis starts here, so that "a message" and "an error" mean one thing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from chatdata import engines
from chatdata.analysis.order import with_running, with_shifted

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

# No two messages of a conversation share a position; `quality_checks` tells where they do.
IN_ORDER = ("position",)
COUNTED_KINDS = ("chat", "tool_result")


def is_counted() -> nw.Expr:
    """Tell the message rows that lengths count: on the main path, said or answered by a tool."""
    return nw.col("is_main_path") & nw.col("kind").is_in(COUNTED_KINDS)


def is_prompt() -> nw.Expr:
    """Tell the counted rows that a person wrote."""
    return (nw.col("role") == "user") & (nw.col("kind") == "chat")


def is_answer() -> nw.Expr:
    """Tell the counted rows that the model wrote."""
    return (nw.col("role") == "assistant") & (nw.col("kind") == "chat")


def is_error() -> nw.Expr:
    """Tell the calls that failed, as the log itself says: never guessed from words."""
    return nw.col("status").is_in(["error", "timeout"]) & ~nw.col("error_source").is_null()


def tally(condition: nw.Expr) -> nw.Expr:
    """Make a condition a number to be summed; one that is unknown counts as not met."""
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).cast(nw.Int64)


def total(name: str) -> nw.Expr:
    """Sum a column of counts; DuckDB sums to 128 bits, which no frame of ours has."""
    return nw.col(name).sum().cast(nw.Int64)


def counted(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the counted messages, with `created_us`."""
    return messages(chats).filter(is_counted())


def numbered(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the counted messages with their turn, from 1; 0 is before the first prompt."""
    return in_turns(counted(chats))


def in_turns(messages: nw.LazyFrame[Frame]) -> nw.LazyFrame[Frame]:
    """Add to counted messages their turn, from 1; 0 is before the first prompt."""
    marked = messages.with_columns(prompt=tally(is_prompt()))
    return with_running(marked, "turn", "prompt", by="conversation_id", order=IN_ORDER)


def gaps(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the counted messages that follow another one in time: both have a time.

    `previous_role` is that of the one before, `gap_us` the microseconds since, below 0 where time
    runs backwards.
    """
    timed = counted(chats).filter(~nw.col("created_us").is_null())
    before = {"previous_role": ("role", 1), "previous_us": ("created_us", 1)}
    return (
        with_shifted(timed, before, by=["conversation_id"], order=IN_ORDER)
        .filter(~nw.col("previous_us").is_null())
        .with_columns(gap_us=nw.col("created_us") - nw.col("previous_us"))
    )


def messages(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give every message row with `created_us`, microseconds since 1970 in UTC.

    A time that is only a day says when, but not how long: it has no `created_us`, but `day_us`, the
    day's beginning.
    """
    timed = with_us(chats.messages, "created_at")
    return timed.with_columns(
        created_us=nw.when(~is_day()).then(nw.col("created_us")),
        day_us=nw.when(is_day()).then(nw.col("created_us")),
    )


def is_day() -> nw.Expr:
    """Tell the message rows whose time is only a day."""
    return (
        nw.when(nw.col("created_at_precision") == "day")
        .then(nw.lit(value=True))
        .otherwise(nw.lit(value=False))
    )


def timed_calls(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls with `called_us`: their start where that is recorded, else their message's.

    `of_day` says where that is only a day.
    """
    written = with_us(chats.messages, "created_at").select(
        "message_id", "created_us", of_day=is_day()
    )
    return (
        with_us(chats.tool_calls, "started_at")
        .join(written, on="message_id", how="left")
        .with_columns(
            called_us=nw.coalesce("started_us", "created_us"),
            of_day=nw.col("of_day").fill_null(value=False) & nw.col("started_us").is_null(),
        )
    )


def with_us(frame: Frame, *times: str) -> nw.LazyFrame[Frame]:
    """Add a `*_us` column of integer microseconds for each `*_at` column."""
    named = {f"{time.removesuffix('_at')}_us": time for time in times}
    added: Frame = engines.engine_of(frame).with_microseconds(frame, named)
    return nw.from_native(added)


def with_bytes(frame: Frame, text: str) -> nw.LazyFrame[Frame]:
    """Add a `*_bytes` column: how many bytes of UTF-8 a text has."""
    added: Frame = engines.engine_of(frame).with_bytes(frame, {f"{text}_bytes": text})
    return nw.from_native(added)


def conversation_ids(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Name every conversation once, those that only messages or calls speak of among them."""
    frames = (chats.conversations, chats.messages, chats.tool_calls)
    return nw.concat([nw.from_native(frame).select("conversation_id") for frame in frames]).unique()


def batches(frame: nw.LazyFrame[Frame]) -> Iterator[pl.DataFrame]:
    """Give the rows in batches, in no order, for a kernel; never all of them at once."""
    native = frame.to_native()
    return engines.engine_of(native).batches(native)

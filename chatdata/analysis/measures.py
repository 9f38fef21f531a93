"""What is measured of a conversation when groups of them are compared: sums over sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.endings import UNFINISHED, endings, is_running, log_end
from chatdata.analysis.rows import (
    counted,
    is_answer,
    is_error,
    is_prompt,
    tally,
    total,
)
from chatdata.analysis.shared import once
from chatdata.analysis.tokens import conversation_tokens

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats


@dataclass(frozen=True)
class Measure:
    """A sum over a sum, over conversations: a share where the upper part is of the lower."""

    name: str
    unit: str
    cases: str
    above: str
    below: str
    is_share: bool = False


MEASURES = (
    Measure("prompts per conversation", "prompts", "conversations", "n_prompts", "one"),
    Measure("messages per conversation", "messages", "conversations", "n_messages", "one"),
    Measure("tool calls per conversation", "calls", "conversations", "n_tool_calls", "one"),
    Measure("tool calls per prompt", "calls", "prompts", "n_tool_calls", "n_prompts"),
    Measure(
        "conversations with a tool call",
        "0 to 1",
        "conversations",
        "has_calls",
        "one",
        is_share=True,
    ),
    Measure(
        "error rate", "0 to 1", "calls with a known outcome", "n_failed", "n_known", is_share=True
    ),
    Measure(
        "conversations without an end",
        "0 to 1",
        "conversations",
        "unfinished",
        "one",
        is_share=True,
    ),
    Measure("time to the first answer", "s", "timed first answers", "first_s", "n_first"),
    Measure("output tokens per generation", "tokens", "generations", "tokens_out", "n_spent"),
)
COLUMNS = tuple(dict.fromkeys(name for each in MEASURES for name in (each.above, each.below)))


@once
def of_conversations(chats: Chats[Frame]) -> pl.DataFrame:
    """Sum up each conversation with counted messages.

    Returns:
        One row per conversation, in no order: `conversation_id`, `user_id` (str), `began_at` (time
        of its first counted message), `last_at` (time of its last of any kind), `running` (bool,
        cut by the end of the log), and the `COLUMNS` that measures are made of.
    """
    said = _said(chats)
    owners = nw.from_native(chats.conversations).select("conversation_id", "user_id", "origin")
    spent = nw.from_native(conversation_tokens(chats)).select(
        "conversation_id",
        n_spent=nw.when(~nw.col("tokens_out").is_null()).then(nw.col("n_generations")),
        tokens_out=nw.col("tokens_out"),
    )
    found = (
        said.join(owners, on="conversation_id", how="left")
        .join(_calls(chats), on="conversation_id", how="left")
        .join(spent, on="conversation_id", how="left")
        .join(endings(chats).drop("last_at"), on="conversation_id", how="left")
        .collect("polars")
        .to_polars()
        .lazy()
    )
    # As everywhere, an origin in which no call ends `ok` records only failures.
    told = pl.col("n_ok").sum().over("origin") > 0
    counts = ("n_tool_calls", "n_ok", "n_errors", "n_spent", "tokens_out")
    return (
        found.with_columns(pl.col(counts).fill_null(0))
        .with_columns(
            one=pl.lit(1, pl.Int64),
            has_calls=(pl.col("n_tool_calls") > 0).cast(pl.Int64),
            n_failed=pl.when(told).then("n_errors").otherwise(0),
            n_known=pl.when(told).then(pl.col("n_ok") + pl.col("n_errors")).otherwise(0),
            unfinished=pl.col("ending").is_in(UNFINISHED).cast(pl.Int64),
            running=is_running(pl.lit(log_end(chats), pl.Int64)),
            began_at=pl.from_epoch("began_us", time_unit="us"),
            last_at=pl.from_epoch("last_us", time_unit="us"),
        )
        .select("conversation_id", "user_id", "began_at", "last_at", "running", *COLUMNS)
        .collect()
    )


def _said(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give counts and times of the counted messages, and the wait for the first answer."""
    asked = nw.col("asked_us").min().over("conversation_id")
    answered = is_answer() & (nw.col("created_us") >= nw.col("first_us"))
    return (
        counted(chats)
        .with_columns(asked_us=nw.when(is_prompt()).then(nw.col("created_us")))
        .with_columns(first_us=asked)
        .with_columns(
            n_prompts=tally(is_prompt()),
            answered_us=nw.when(answered).then(nw.col("created_us")),
        )
        .group_by("conversation_id")
        .agg(
            nw.len().cast(nw.Int64).alias("n_messages"),
            total("n_prompts"),
            nw.col("created_us").min().alias("began_us"),
            nw.col("first_us").max(),
            nw.col("answered_us").min(),
        )
        .with_columns(first_s=(nw.col("answered_us") - nw.col("first_us")) / 1e6)
        .with_columns(
            n_first=tally(~nw.col("first_s").is_null()), first_s=nw.col("first_s").fill_null(0.0)
        )
    )


def _calls(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    return (
        nw.from_native(chats.tool_calls)
        .with_columns(n_ok=tally(nw.col("status") == "ok"), n_errors=tally(is_error()))
        .group_by("conversation_id")
        .agg(nw.len().cast(nw.Int64).alias("n_tool_calls"), total("n_ok"), total("n_errors"))
    )

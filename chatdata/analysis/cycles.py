"""Calls that go round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.sequence import ORDER, sequenced

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_cycles"]

_LONGEST = 4
_ARROW = " → "


def tool_cycles(chats: Chats[Frame], *, min_rounds: int = 3) -> pl.DataFrame:
    """Find the same calls with the same arguments, round after round, within one conversation.

    A cycle is 1 to 4 calls long; a rotation of two tools is found as well as one tool repeated.

    Args:
        chats: where to look.
        min_rounds: how often the same calls must be made.

    Returns:
        One row per cycle found, by length, then conversation and place: `n_steps` (i64, calls in
        one round), `conversation_id` (str), `first_tool_call_id` (str), `tools` (str, the names of
        one round joined by " → "), `n_tool_calls` (i64, made in all rounds, the first included).
        What is a cycle of one is not also one of two.
    """
    calls = _signed(chats)
    found = [_of_length(calls, steps, min_rounds) for steps in range(1, _LONGEST + 1)]
    return pl.concat(found).sort("n_steps", "conversation_id", "start").drop("start")


def _signed(chats: Chats[Frame]) -> pl.DataFrame:
    """Give the calls of each conversation in order, tool and arguments made one number."""
    arguments = nw.coalesce("arguments", "arguments_raw").fill_null("")
    calls = sequenced(chats).select(
        "conversation_id",
        *ORDER,
        "name",
        signature=nw.concat_str("name", arguments, separator="\n"),
    )
    return (
        calls.collect("polars")
        .to_polars()
        .sort("conversation_id", *ORDER)
        .with_columns(pl.col("signature").cast(pl.Categorical).to_physical())
        .with_columns(start=pl.int_range(pl.len(), dtype=pl.Int64))
    )


def _of_length(calls: pl.DataFrame, steps: int, min_rounds: int) -> pl.DataFrame:
    """Find runs in which each call is the one so many steps before it."""

    def before(column: str, by: int) -> pl.Expr:
        # Calls are sorted by conversation; looking back needs no window.
        inside = pl.col("conversation_id") == pl.col("conversation_id").shift(by)
        return pl.when(inside).then(pl.col(column).shift(by))

    def repeats(by: int) -> pl.Expr:
        return (pl.col("signature") == before("signature", by)).fill_null(value=False)

    # A shorter period makes every multiple of it one too: those are not found again.
    shorter = [repeats(size) for size in range(1, steps) if steps % size == 0]
    names = [before("name", steps - step) for step in range(steps)]
    runs = calls.with_columns(
        same=repeats(steps),
        shorter=pl.any_horizontal(pl.lit(value=False), *shorter),
        tools=pl.concat_str(names, separator=_ARROW),
        first_tool_call_id=before("tool_call_id", steps),
    ).with_columns(run=(~pl.col("same")).cum_sum())
    return (
        runs.filter("same")
        .group_by("conversation_id", "run", maintain_order=True)
        .agg(
            pl.col("first_tool_call_id", "tools", "start").first(),
            n_steps=pl.lit(steps, pl.Int64),
            n_tool_calls=pl.len().cast(pl.Int64) + steps,
            trivial=pl.col("shorter").all(),
        )
        .filter(pl.col("n_tool_calls") >= steps * min_rounds, ~pl.col("trivial"))
        .select(
            "n_steps", "conversation_id", "first_tool_call_id", "tools", "n_tool_calls", "start"
        )
    )

"""Calls that go round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rows import batches
from chatdata.analysis.sequence import ORDER, sequenced

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_cycles", "tool_loops"]

WINDOW = 8
MIN_CALLS = 6
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


def tool_loops(
    chats: Chats[Frame], *, window: int = WINDOW, min_calls: int = MIN_CALLS
) -> pl.DataFrame:
    """Find stretches of calls that only repeat what was called shortly before, in any order.

    Where `tool_cycles` looks for rounds that are all the same, this finds an agent that tries the
    same few things over and over.

    Args:
        chats: where to look.
        window: how many calls back the same tool with the same arguments must be found.
        min_calls: how many calls in a row must be such repeats.

    Returns:
        One row per stretch, longest first, then by conversation and place: `conversation_id`,
        `first_tool_call_id` (str, the first repeat), `n_tool_calls` (i64, repeats in a row),
        `n_distinct` (i64, different tools and arguments among them), `n_errors` (i64), `tools`
        (str, their names, joined by ", ").
    """
    calls = _signed(chats)
    alike = ("conversation", "signature")
    before = pl.when(pl.all_horizontal(pl.col(key) == pl.col(key).shift(1) for key in alike))
    ago = pl.col("start") - before.then(pl.col("start").shift(1))
    # The ids stay where they are: of millions of calls they take more than all the rest.
    marked = (
        calls.select(*alike, "start")
        .sort(*alike, "start")
        .select("start", repeats=(ago <= window).fill_null(value=False))
        .sort("start")
    )
    stretches = (
        calls.with_columns(marked["repeats"])
        .with_columns(run=pl.struct("conversation", "repeats").rle_id())
        .filter("repeats")
    )
    return (
        stretches.group_by("run", maintain_order=True)
        .agg(
            pl.col("conversation_id", "tool_call_id", "start").first(),
            n_tool_calls=pl.len().cast(pl.Int64),
            n_distinct=pl.col("signature").n_unique().cast(pl.Int64),
            n_errors=pl.col("is_error").cast(pl.Int64).sum(),
            tools=pl.col("name").unique(),
        )
        .filter(pl.col("n_tool_calls") >= min_calls)
        .with_columns(
            pl.col("conversation_id").cast(pl.String),
            tools=pl.col("tools").cast(pl.List(pl.String)).list.sort().list.join(", "),
        )
        .sort("n_tool_calls", "conversation_id", "start", descending=[True, False, False])
        .select(
            "conversation_id",
            pl.col("tool_call_id").alias("first_tool_call_id"),
            "n_tool_calls",
            "n_distinct",
            "n_errors",
            "tools",
        )
    )


def _signed(chats: Chats[Frame]) -> pl.DataFrame:
    """Give the calls of each conversation in order, tool and arguments made one number."""
    calls = sequenced(chats).select(
        "conversation_id",
        *ORDER,
        "tool_call_id",
        "name",
        "is_error",
        arguments=nw.coalesce("arguments", "arguments_raw"),
    )
    parts = [_numbered(batch) for batch in batches(calls)]
    nothing = _numbered(calls.head(0).collect("polars").to_polars())
    return (
        pl.concat([nothing, *parts])
        .with_columns(conversation=pl.col("conversation_id").to_physical())
        .sort("conversation", *ORDER)
        .with_columns(start=pl.int_range(pl.len(), dtype=pl.Int64))
    )


def _numbered(batch: pl.DataFrame) -> pl.DataFrame:
    """Put a hash in place of arguments, which may be long; it only has to differ nearby.

    What repeats is held as a number, and the ids anew: they would keep the whole batch in memory.
    """
    return batch.select(
        pl.col("conversation_id", "name").cast(pl.Categorical),
        *ORDER,
        pl.concat_str("tool_call_id", pl.lit("")),
        pl.col("is_error").cast(pl.Int8),
        signature=pl.struct("name", "arguments").hash(),
    )


def _of_length(calls: pl.DataFrame, steps: int, min_rounds: int) -> pl.DataFrame:
    """Find runs in which each call is the one so many steps before it."""

    def before(column: str, by: int) -> pl.Expr:
        # Calls are sorted by conversation; looking back needs no window.
        inside = pl.col("conversation") == pl.col("conversation").shift(by)
        return pl.when(inside).then(pl.col(column).shift(by))

    def repeats(by: int) -> pl.Expr:
        return (pl.col("signature") == before("signature", by)).fill_null(value=False)

    # A shorter period makes every multiple of it one too: those are not found again.
    shorter = [repeats(size) for size in range(1, steps) if steps % size == 0]
    names = {f"name_{step}": before("name", steps - step) for step in range(steps)}
    marked = calls.lazy().select(
        "conversation_id",
        "start",
        same=repeats(steps),
        shorter=pl.any_horizontal(pl.lit(value=False), *shorter),
        run=(~repeats(steps)).cum_sum(),
        first_tool_call_id=before("tool_call_id", steps),
        **names,
    )
    runs = marked.filter("same").collect()
    return (
        runs.with_columns(
            pl.col("conversation_id").cast(pl.String),
            tools=pl.concat_str(pl.col(*names).cast(pl.String), separator=_ARROW),
        )
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

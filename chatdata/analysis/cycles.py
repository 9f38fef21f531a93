"""Calls that go round in circles."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rows import tally
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


def _signed(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Number the calls of each conversation, and make tool and arguments one text."""
    arguments = nw.coalesce("arguments", "arguments_raw").fill_null("")
    return (
        sequenced(chats)
        .with_columns(one=nw.lit(1), arguments=arguments)
        .with_columns(
            ordinal=nw.col("one").cum_sum().over("conversation_id", order_by=ORDER).cast(nw.Int64),
            signature=nw.concat_str("name", "arguments", separator="\n"),
        )
    )


def _of_length(calls: nw.LazyFrame[Frame], steps: int, min_rounds: int) -> pl.DataFrame:
    """Find runs in which each call is the one so many steps before it."""

    def before(column: str, by: int) -> nw.Expr:
        return nw.col(column).shift(by).over("conversation_id", order_by=ORDER)

    # A shorter period makes every multiple of it one too: those are not found again.
    shorter = [size for size in range(1, steps) if steps % size == 0]
    same = nw.col("signature") == before("signature", steps)
    marked = calls.with_columns(
        same=tally(same),
        shorter=tally(
            nw.any_horizontal(
                *(nw.col("signature") == before("signature", size) for size in shorter),
                nw.lit(False),  # noqa: FBT003 - a literal of the frame
                ignore_nulls=True,
            )
        ),
        **{f"name_{step}": before("name", steps - step) for step in range(steps)},
        first=before("tool_call_id", steps),
    )
    runs = (
        marked.with_columns(breaks=1 - nw.col("same"))
        .with_columns(run=nw.col("breaks").cum_sum().over("conversation_id", order_by=ORDER))
        .filter(nw.col("same") == 1)
        .collect("polars")
        .to_polars()
        .sort("conversation_id", "ordinal")
    )
    names = pl.concat_str(
        [pl.col(f"name_{step}").first() for step in range(steps)], separator=_ARROW
    )
    return (
        runs.group_by("conversation_id", "run", maintain_order=True)
        .agg(
            n_steps=pl.lit(steps, pl.Int64),
            first_tool_call_id=pl.col("first").first(),
            tools=names,
            n_tool_calls=pl.len().cast(pl.Int64) + steps,
            start=pl.col("ordinal").first(),
            trivial=(pl.col("shorter") == 1).all(),
        )
        .filter(pl.col("n_tool_calls") >= steps * min_rounds, ~pl.col("trivial"))
        .select(
            "n_steps", "conversation_id", "first_tool_call_id", "tools", "n_tool_calls", "start"
        )
    )

"""What was recorded of tokens, each generation once."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.order import with_running
from chatdata.analysis.rates import share
from chatdata.analysis.rows import IN_ORDER, is_counted, is_prompt, tally, total, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_tokens", "tokens_by_model", "tokens_by_tool_turn"]

_COLUMNS = {
    "tokens_in": "input_tokens",
    "tokens_out": "output_tokens",
    "tokens_cache_read": "cache_read_tokens",
    "tokens_cache_write": "cache_write_tokens",
    "tokens_reasoning": "reasoning_tokens",
}
KINDS = tuple(_COLUMNS)
_PRESENT = {f"has_{kind}": kind for kind in KINDS}


def conversation_tokens(chats: Chats[Frame]) -> Frame:
    """Sum the tokens of each conversation, off the main path too, since they were spent.

    Returns:
        One row per conversation with messages, by id: `conversation_id` (str), `n_generations`
        (i64, with tokens recorded), `tokens_in` (uncached), `tokens_out`, `tokens_cache_read`,
        `tokens_cache_write`, `tokens_reasoning` (i64, null where not recorded).
    """
    ids = nw.from_native(chats.messages).select("conversation_id").unique()
    sums = _summed(generations(chats), "conversation_id")
    return (
        ids.join(sums, on="conversation_id", how="left")
        .with_columns(nw.col("n_generations").fill_null(0))
        .sort("conversation_id")
        .to_native()
    )


def tokens_by_model(chats: Chats[Frame]) -> pl.DataFrame:
    """Sum the tokens of each model.

    Returns:
        One row per model, most output first: `model` (str, null where none is named),
        `n_generations` (i64, with tokens recorded), `tokens_in` (uncached), `tokens_out`,
        `tokens_cache_read`, `tokens_cache_write`, `tokens_reasoning` (i64, null where not
        recorded), `cache_share` (f64, of all input tokens, those read from the cache, null where
        either is not recorded). Models without tokens are left out.
    """
    models = _summed(generations(chats), "model")
    read = pl.col("tokens_cache_read")
    written = pl.col("tokens_cache_write").fill_null(0)
    return (
        models.filter(nw.col("n_generations") > 0)
        .collect("polars")
        .to_polars()
        .with_columns(cache_share=share(read, pl.col("tokens_in") + read + written))
        .sort("tokens_out", "model", descending=[True, False], nulls_last=True)
    )


def tokens_by_tool_turn(chats: Chats[Frame]) -> pl.DataFrame:
    """Sum the tokens of turns by how many tool calls they make.

    A turn is a prompt and what stands before the next one, off the main path too, since it was
    spent; what stands before the first prompt is in no turn.

    Returns:
        One row per bin of calls that occurs, fewest first, each but the first twice as wide as the
        one before, what is in no turn last: `from_calls`, `to_calls` (i64, both included, null for
        what is in no turn), `n_turns` (i64, of the bin, null for what is in no turn),
        `n_tool_calls`, `n_generations` (i64, with tokens recorded), `tokens_in`, `tokens_out`,
        `tokens_cache_read`, `tokens_cache_write`, `tokens_reasoning` (i64, null where not
        recorded), `tokens_out_per_turn` (f64, over turns with tokens recorded).
    """
    powers = [tally(nw.col("n_tool_calls") >= 2**power) for power in range(31)]
    binned = _turns(chats).with_columns(
        bin=nw.when(nw.col("turn") > 0).then(nw.sum_horizontal(*powers)),
        n_spent=tally((nw.col("n_generations") > 0) & (nw.col("turn") > 0)),
        n_turns=tally(nw.col("turn") > 0),
    )
    bins = _summed(binned, "bin", "n_turns", "n_tool_calls", "n_spent")
    known, end = pl.col("bin").is_not_null(), pl.lit(2, pl.Int64).pow(pl.col("bin"))
    return (
        bins.collect("polars")
        .to_polars()
        .filter(known | (pl.col("n_generations") > 0) | (pl.col("n_tool_calls") > 0))
        .sort("bin", nulls_last=True)
        .select(
            (end // 2).cast(pl.Int64).alias("from_calls"),
            (end - 1).cast(pl.Int64).alias("to_calls"),
            pl.when(known).then("n_turns").alias("n_turns"),
            *("n_tool_calls", "n_generations", *KINDS),
            share(pl.col("tokens_out"), pl.col("n_spent")).alias("tokens_out_per_turn"),
        )
    )


def generations(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give each generation once: the rows of one count by maximum.

    `n_generations` is 1 where tokens are recorded, else 0; `created_us` is its first time. Rows
    that name no generation and record no tokens are in none.
    """
    return (
        _spent(chats)
        .filter((nw.col("n_generations") > 0) | ~nw.col("generation_id").is_null())
        .group_by("conversation_id", "generation")
        .agg(
            nw.col("n_generations").max(),
            nw.col("model").max(),
            nw.col("created_us").min(),
            *(nw.col(kind).max() for kind in KINDS),
        )
    )


def _turns(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give each turn of each conversation with its calls and tokens; 0 is before the first."""
    calls = (
        nw.from_native(chats.tool_calls)
        .group_by("message_id")
        .agg(n_tool_calls=nw.len().cast(nw.Int64))
    )
    # What is put in order and grouped goes to disk where there is much of it: no ids of messages,
    # and no group each for rows without tokens.
    asked = (
        _spent(chats)
        .join(calls, on="message_id", how="left")
        .with_columns(
            nw.col("n_tool_calls").fill_null(0),
            asked=tally(is_counted() & is_prompt()),
            generation=nw.when(nw.col("n_generations") > 0).then(nw.col("generation")),
        )
    )
    spent = (
        with_running(asked, "turn", "asked", by="conversation_id", order=IN_ORDER)
        .group_by("conversation_id", "turn", "generation")
        .agg(
            nw.col("n_generations").max(),
            total("n_tool_calls"),
            *(nw.col(kind).max() for kind in KINDS),
        )
    )
    turns = (
        spent.with_columns(**_present())
        .group_by("conversation_id", "turn")
        .agg(
            *(total(name) for name in ("n_generations", "n_tool_calls", *KINDS, *_PRESENT)),
        )
    )
    return turns.with_columns(**_null_where_absent())


def _spent(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the messages with the generation each belongs to, and its tokens by kind."""
    recorded = ~nw.all_horizontal(
        *(nw.col(column).is_null() for column in _COLUMNS.values()), ignore_nulls=True
    )
    return with_us(chats.messages, "created_at").with_columns(
        generation=nw.coalesce("generation_id", "message_id"),
        n_generations=tally(recorded),
        **{kind: nw.col(column) for kind, column in _COLUMNS.items()},
    )


def _summed(rows: nw.LazyFrame[Frame], by: str, *counts: str) -> nw.LazyFrame[Frame]:
    """Sum counts and tokens by a column; a kind of token that is never recorded stays null."""
    sums = (
        rows.with_columns(**_present())
        .group_by(by)
        .agg(*(total(name) for name in (*counts, "n_generations", *KINDS, *_PRESENT)))
    )
    return sums.select(by, *counts, "n_generations", **_null_where_absent())


def _present() -> dict[str, nw.Expr]:
    """Tell of each kind of token whether it is recorded, to be summed."""
    return {has: tally(~nw.col(kind).is_null()) for has, kind in _PRESENT.items()}


def _null_where_absent() -> dict[str, nw.Expr]:
    """Give sums of tokens; one of nothing but nulls is null, not 0."""
    return {kind: nw.when(nw.col(has) > 0).then(nw.col(kind)) for has, kind in _PRESENT.items()}

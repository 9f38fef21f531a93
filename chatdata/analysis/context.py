"""How the model's context grows, and when it is made smaller, where tokens are recorded."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.order import with_running, with_shifted
from chatdata.analysis.quantiles import quantile
from chatdata.analysis.rates import share
from chatdata.analysis.rows import IN_ORDER, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["context_growth", "conversation_context"]

_PARTS = ("input_tokens", "cache_read_tokens", "cache_write_tokens")
DROP = 0.5


def conversation_context(chats: Chats[Frame]) -> Frame:
    """Measure the context of each conversation's generations on the main path.

    A generation's context is all input that the provider counted: uncached, read from the cache
    and written to it.

    Returns:
        One row per conversation with a generation whose input is recorded, or with a summary, by
        id: `conversation_id` (str), `n_generations` (i64, with recorded input), `first_context`,
        `last_context`, `max_context` (i64, tokens, null without any), `growth` (f64, tokens a
        generation, last minus first over the generations between, null with fewer than two),
        `n_drops` (i64, generations with less than half the context of the one before),
        `n_compactions` (i64, summaries that the log records on the main path).
    """
    summaries = (
        nw.from_native(chats.messages)
        .filter(nw.col("is_main_path") & (nw.col("kind") == "summary"))
        .group_by("conversation_id")
        .agg(n_compactions=nw.len().cast(nw.Int64))
    )
    ordered = _contexts(chats)
    first = nw.col("number") == 1
    last = nw.col("number") == nw.col("n_generations")
    grown = (
        ordered.with_columns(
            n_generations=nw.col("number").max().over("conversation_id").cast(nw.Int64),
            n_drops=tally(nw.col("context") < nw.col("previous") * DROP),
        )
        .with_columns(
            first_context=nw.when(first).then(nw.col("context")),
            last_context=nw.when(last).then(nw.col("context")),
        )
        .group_by("conversation_id")
        .agg(
            nw.col("n_generations", "first_context", "last_context").max(),
            nw.col("context").max().alias("max_context"),
            total("n_drops"),
        )
    )
    ids: nw.LazyFrame[Frame] = nw.concat(
        [grown.select("conversation_id"), summaries.select("conversation_id")]
    ).unique()
    counts = ("n_generations", "n_drops", "n_compactions")
    steps = nw.col("n_generations") - 1
    return (
        ids.join(grown, on="conversation_id", how="left")
        .join(summaries, on="conversation_id", how="left")
        .with_columns(nw.col(*counts).fill_null(0))
        .select(
            *("conversation_id", "n_generations", "first_context", "last_context", "max_context"),
            nw.when(steps > 0)
            .then((nw.col("last_context") - nw.col("first_context")) / steps)
            .alias("growth"),
            *("n_drops", "n_compactions"),
        )
        .sort("conversation_id")
        .to_native()
    )


def context_growth(chats: Chats[Frame]) -> pl.DataFrame:
    """Summarise the context by how far a conversation has come, in generations.

    Returns:
        One row per bin of generations that occurs, first to last, each twice as wide as the one
        before: `from_generation`, `to_generation` (i64, both included), `n_conversations`,
        `n_generations` (i64), `p50_context`, `p90_context`, `max_context` (f64, tokens, exact,
        linear between neighbours), `cache_share` (f64, of all that context, read from the cache,
        null where no generation records it).
    """
    read = nw.col("cache_read_tokens")
    # Twice as wide each time: the bin of a number is told by the powers of two up to it.
    powers = [tally(nw.col("number") >= 2**power) for power in range(1, 31)]
    bins = (
        _contexts(chats)
        .with_columns(bin=nw.sum_horizontal(*powers), size=nw.col("context").cast(nw.Float64))
        .with_columns(known=nw.when(~read.is_null()).then(nw.col("context")))
        .group_by("bin")
        .agg(
            nw.col("conversation_id").n_unique().cast(nw.Int64).alias("n_conversations"),
            nw.len().cast(nw.Int64).alias("n_generations"),
            quantile("size", 0.5).alias("p50_context"),
            quantile("size", 0.9).alias("p90_context"),
            nw.col("size").max().alias("max_context"),
            total("cache_read_tokens").alias("n_read"),
            total("known"),
        )
        .collect("polars")
        .to_polars()
    )
    start = pl.lit(2, pl.Int64).pow(pl.col("bin"))
    return bins.sort("bin").select(
        start.cast(pl.Int64).alias("from_generation"),
        (2 * start - 1).cast(pl.Int64).alias("to_generation"),
        *("n_conversations", "n_generations", "p50_context", "p90_context", "max_context"),
        share(pl.col("n_read"), pl.col("known").fill_null(0)).alias("cache_share"),
    )


def _contexts(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give each generation with recorded input, numbered from 1 in each conversation.

    The rows of one generation count once, by maximum.
    """
    context = nw.sum_horizontal(*(nw.col(part).fill_null(0) for part in _PARTS))
    each = (
        nw.from_native(chats.messages)
        .filter(nw.col("is_main_path"), ~nw.col("input_tokens").is_null())
        .with_columns(generation=nw.coalesce("generation_id", "message_id"))
        .group_by("conversation_id", "generation")
        .agg(nw.col("position").min(), *(nw.col(part).max() for part in _PARTS))
        .with_columns(context=context, one=nw.lit(1))
    )
    counted = with_running(each, "number", "one", by="conversation_id", order=IN_ORDER)
    before = {"previous": ("context", 1)}
    return with_shifted(counted, before, by=["conversation_id"], order=IN_ORDER)

"""What was recorded of tokens, each generation once, and what they cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_tokens", "token_cost", "tokens_by_model"]

KINDS = {
    "tokens_in": "input_tokens",
    "tokens_out": "output_tokens",
    "tokens_cache_read": "cache_read_tokens",
    "tokens_cache_write": "cache_write_tokens",
    "tokens_reasoning": "reasoning_tokens",
}
_PRICED = ("tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write")


def conversation_tokens(chats: Chats[Frame]) -> Frame:
    """Sum the tokens of each conversation, off the main path too, since they were spent.

    Returns:
        One row per conversation with messages, by id: `conversation_id` (str), `n_generations`
        (i64, with tokens recorded), `tokens_in` (uncached), `tokens_out`, `tokens_cache_read`,
        `tokens_cache_write`, `tokens_reasoning` (i64, null where not recorded).
    """
    return _sums(chats, "conversation_id").sort("conversation_id").to_native()


def tokens_by_model(chats: Chats[Frame]) -> pl.DataFrame:
    """Sum the tokens of each model.

    Returns:
        One row per model, most output first: `model` (str, null where none is named),
        `n_generations` (i64, with tokens recorded), `tokens_in` (uncached), `tokens_out`,
        `tokens_cache_read`, `tokens_cache_write`, `tokens_reasoning` (i64, null where not
        recorded), `cache_share` (f64, of all input tokens, those read from the cache, null where
        either is not recorded). Models without tokens are left out.
    """
    models = _sums(chats, "model").filter(nw.col("n_generations") > 0)
    read = pl.col("tokens_cache_read")
    written = pl.col("tokens_cache_write").fill_null(0)
    return (
        models.collect("polars")
        .to_polars()
        .with_columns(cache_share=share(read, pl.col("tokens_in") + read + written))
        .sort("tokens_out", "model", descending=[True, False], nulls_last=True)
    )


def token_cost(chats: Chats[Frame], prices: pl.DataFrame | None = None) -> pl.DataFrame:
    """Price the tokens of each model, in whole millionths of a currency unit.

    Args:
        chats: what to price.
        prices: one row per model: `model` (str), `tokens_in`, `tokens_out`, `tokens_cache_read`,
            `tokens_cache_write` (i64, micro-units per million tokens, null where unknown),
            `price_id` (str) and `price_date` (date); `chatdata.analysis.prices.read` makes them.
            None prices nothing.

    Returns:
        One row per model, as `tokens_by_model`: `model` (str), `n_generations` (i64), `cost_micro`
        (i64, each kind of token rounded to a micro-unit, null where a kind that was used has no
        price), `price_id` (str), `price_date` (date), `reason` (str, why there is no cost).
    """
    table = _NO_PRICES if prices is None else prices
    spent = tokens_by_model(chats).join(
        table, on="model", how="left", suffix="_price", maintain_order="left"
    )
    # A kind that was not used costs nothing, whatever its price.
    parts = [
        pl.when(pl.col(kind).fill_null(0) == 0)
        .then(0)
        .otherwise((pl.col(kind) * pl.col(f"{kind}_price") + 500_000) // 1_000_000)
        for kind in _PRICED
    ]
    whole = pl.all_horizontal(part.is_not_null() for part in parts)
    listed = pl.col("price_id").is_not_null()
    return spent.select(
        "model",
        "n_generations",
        cost_micro=pl.when(listed & whole).then(pl.sum_horizontal(parts)).cast(pl.Int64),
        price_id="price_id",
        price_date="price_date",
        reason=pl.when(~listed)
        .then(pl.lit("no price for this model"))
        .when(~whole)
        .then(pl.lit("no price for a kind of token that was used")),
    )


def _sums(chats: Chats[Frame], by: str) -> nw.LazyFrame[Frame]:
    """Sum tokens by a column of messages; the rows of one generation count once, by maximum."""
    rows = nw.from_native(chats.messages).with_columns(
        generation=nw.coalesce("generation_id", "message_id"),
        n_generations=tally(
            ~nw.all_horizontal(
                *(nw.col(column).is_null() for column in KINDS.values()), ignore_nulls=True
            )
        ),
    )
    generations = rows.group_by("conversation_id", "generation").agg(
        nw.col("n_generations").max(),
        nw.col("model").max(),
        *(nw.col(column).max().alias(kind) for kind, column in KINDS.items()),
    )
    present = {f"has_{kind}": tally(~nw.col(kind).is_null()) for kind in KINDS}
    sums = (
        generations.with_columns(**present)
        .group_by(by)
        .agg(total("n_generations"), *(total(kind) for kind in KINDS), *(total(n) for n in present))
    )
    return sums.select(
        by,
        "n_generations",
        **{kind: nw.when(nw.col(f"has_{kind}") > 0).then(nw.col(kind)) for kind in KINDS},
    )


_NO_PRICES = pl.DataFrame(
    schema={
        "model": pl.String(),
        **{kind: pl.Int64() for kind in _PRICED},
        "price_id": pl.String(),
        "price_date": pl.Date(),
    }
)

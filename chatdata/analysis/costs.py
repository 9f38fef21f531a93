"""What tokens cost, generation by generation, in whole millionths of a currency unit."""

from __future__ import annotations

from datetime import UTC, datetime, time
from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from chatdata.analysis import prices as price_list
from chatdata.analysis.rows import tally, total
from chatdata.analysis.tokens import generations

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_cost", "token_cost"]

_INPUT = ("tokens_in", "tokens_cache_read", "tokens_cache_write")
NO_MODEL = "no price for this model"
NO_KIND = "no price for a kind of token that was used"
TOO_LONG = "a longer context than the price holds for"


def token_cost(chats: Chats[Frame], prices: pl.DataFrame | None = None) -> pl.DataFrame:
    """Price the tokens of each model; what has no price is listed with the reason.

    A generation has the newest price of its model that is not younger than it is, else the oldest:
    the date shows. Each is rounded to a whole micro-unit, so that any sums agree.

    Args:
        chats: what to price.
        prices: as `chatdata.analysis.prices.read` makes them; None is the bundled list of public
            prices, `chatdata.analysis.prices.bundled`, in US dollars.

    Returns:
        One row per model, price and reason, highest cost first: `model` (str, null where the log
        names none), `n_generations` (i64, with tokens recorded), `cost_micro` (i64, millionths of
        the currency unit, null where `reason` is not), `price_id` (str), `price_date` (date),
        `reason` (str, why there is no cost: `no price for this model`, `no price for a kind of
        token that was used`, `a longer context than the price holds for`).
    """
    listed = _listed(chats, prices)
    costs = (
        _priced(chats, listed)
        .group_by("model", "entry", "reason")
        .agg(nw.len().cast(nw.Int64).alias("n_generations"), total("cost_micro"))
        .collect("polars")
        .to_polars()
    )
    return (
        costs.join(listed, on="entry", how="left", suffix="_listed")
        .select(
            "model",
            "n_generations",
            pl.when(pl.col("reason").is_null()).then("cost_micro").alias("cost_micro"),
            *("price_id", "price_date", "reason"),
        )
        .sort(
            *("cost_micro", "model", "price_date", "reason"),
            descending=[True, False, False, False],
            nulls_last=True,
        )
    )


def conversation_cost(chats: Chats[Frame], prices: pl.DataFrame | None = None) -> Frame:
    """Price the tokens of each conversation, as `token_cost` does those of each model.

    Returns:
        One row per conversation with recorded tokens, by id: `conversation_id` (str),
        `n_generations` (i64, with tokens recorded), `n_unpriced` (i64, of them without a price),
        `cost_micro` (i64, millionths of the currency unit, null where any is unpriced).
    """
    return (
        _priced(chats, _listed(chats, prices))
        .with_columns(unpriced=tally(~nw.col("reason").is_null()))
        .group_by("conversation_id")
        .agg(
            nw.len().cast(nw.Int64).alias("n_generations"),
            total("unpriced").alias("n_unpriced"),
            total("cost_micro"),
        )
        .with_columns(cost_micro=nw.when(nw.col("n_unpriced") == 0).then(nw.col("cost_micro")))
        .sort("conversation_id")
        .to_native()
    )


def _listed(chats: Chats[Frame], prices: pl.DataFrame | None) -> pl.DataFrame:
    """Give the prices of the models that the log names, numbered from 0 as `entry`."""
    table = price_list.bundled() if prices is None else prices
    models = nw.from_native(chats.messages).select("model").unique().collect("polars").to_polars()
    known = table.join(models, on="model", how="semi").sort("model", "price_date", "price_id")
    return known.with_row_index("entry").with_columns(pl.col("entry").cast(pl.Int64))


def _priced(chats: Chats[Frame], listed: pl.DataFrame) -> nw.LazyFrame[Frame]:
    """Give each generation with recorded tokens its `entry`, `cost_micro` and `reason`."""
    spent = generations(chats).filter(nw.col("n_generations") > 0)
    found = spent.with_columns(entry=_entry(listed))
    rates = {kind: _of_entry(listed, kind) for kind in price_list.KINDS}
    found = found.with_columns(
        **{f"{kind}_price": rate for kind, rate in rates.items()},
        longest=_of_entry(listed, "max_context"),
        context=nw.sum_horizontal(*(nw.col(kind).fill_null(0) for kind in _INPUT)),
    )
    # A kind that was not used costs nothing, whatever its price.
    free = {
        kind: nw.when(nw.col(kind).fill_null(0) == 0).then(nw.lit(0).cast(nw.Int64))
        for kind in price_list.KINDS
    }
    costs = [used.otherwise(nw.col(kind) * nw.col(f"{kind}_price")) for kind, used in free.items()]
    whole = ~nw.any_horizontal(*(cost.is_null() for cost in costs), ignore_nulls=True)
    fits = nw.col("longest").is_null() | (nw.col("context") <= nw.col("longest"))
    reason = (
        nw.when(nw.col("entry").is_null())
        .then(nw.lit(NO_MODEL))
        .when(~whole)
        .then(nw.lit(NO_KIND))
        .when(~fits)
        .then(nw.lit(TOO_LONG))
        .otherwise(nw.lit(None).cast(nw.String))
    )
    micro = (nw.sum_horizontal(*costs) + 500_000) // 1_000_000
    return found.with_columns(reason=reason).with_columns(
        cost_micro=nw.when(nw.col("reason").is_null()).then(micro.cast(nw.Int64))
    )


def _entry(listed: pl.DataFrame) -> nw.Expr:
    """Tell which price a generation has: later dates are asked first."""
    entry = nw.lit(None).cast(nw.Int64)
    columns = (listed[name].to_list() for name in ("entry", "model", "price_date"))
    before: str | None = None
    for number, model, day in zip(*columns, strict=True):
        fits = nw.col("model") == model
        if model == before:
            start = datetime.combine(day, time(), UTC)
            fits = fits & (nw.col("created_us") >= int(start.timestamp()) * 1_000_000)
        entry = nw.when(fits).then(nw.lit(number).cast(nw.Int64)).otherwise(entry)
        before = model
    return entry


def _of_entry(listed: pl.DataFrame, name: str) -> nw.Expr:
    """Give a number of the price that a generation has."""
    found: nw.Expr = nw.lit(None).cast(nw.Int64)
    values: dict[Any, list[int]] = {}
    for entry, value in zip(listed["entry"].to_list(), listed[name].to_list(), strict=True):
        if value is not None:
            values.setdefault(value, []).append(entry)
    for value, entries in values.items():
        found = (
            nw.when(nw.col("entry").is_in(entries))
            .then(nw.lit(value).cast(nw.Int64))
            .otherwise(found)
        )
    return found

"""Calls in flat columns that are stored twice: where they are made, and where their result stands.

A row of role tool that names a tool is a call of its own only where no row before it holds the
call: the same id, or, where one of the two has none, the same tool, asked for since the last
results. Counted is the row that calls; it takes from the other what it does not say itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata.database.settle import answered

if TYPE_CHECKING:
    from chatdata.database.order import Order

_PAIR = ("conversation_id", "name")
_ARGUMENTS = ("arguments_raw", "arguments", "arguments_status")


@dataclass(frozen=True)
class Told:
    """Calls that count once, and those that only repeat one of them."""

    calls: pl.DataFrame
    again: pl.DataFrame


def once(calls: pl.DataFrame, order: Order, answers: pl.Series) -> Told:
    """Tell apart calls and the rows of their results, which name them again.

    Args:
        calls: the kernel's rows with the ids of the contract; `_is_flat` says of which columns.
        order: of the messages.
        answers: what each message says, where it may be a result.
    """
    row = calls["_row"]
    is_call = (calls["outcome"] == "call") & calls["_is_flat"]
    is_result = is_call & (order.keys["role"].gather(row) == "tool")
    if not is_result.any() or is_result.sum() == is_call.sum():
        return Told(calls, calls.clear())
    placed = calls.with_row_index("_nth").with_columns(
        order.places["position"].gather(row).alias("_position"), answers.gather(row).alias("_words")
    )
    placed = placed.join(_rounds(order, placed), on="_row", how="left", maintain_order="left")
    made, results = placed.filter(is_call & ~is_result), placed.filter(is_result)
    by_id = _paired(made, results, "native_id")
    by_round = _paired(
        made.join(by_id, on="_nth", how="anti"),
        results.join(by_id, left_on="_nth", right_on="_result", how="anti"),
        "_round",
    )
    pairs = pl.concat([by_id, by_round])
    again = pl.col("_nth").is_in(pairs["_result"].implode())
    told = results.select(
        *("native_id", *_ARGUMENTS, "message_id"),
        _result="_nth",
        content=pl.coalesce("result", "_words"),
    )
    whole = _completed(placed.filter(~again), pairs.join(told, on="_result"))
    return Told(whole.select(calls.columns), placed.filter(again).select(calls.columns))


def _rounds(order: Order, calls: pl.DataFrame) -> pl.DataFrame:
    """Number the rounds of each conversation: who speaks after results begins a new one."""
    is_result = pl.col("role") == "tool"
    begins = ~is_result & is_result.shift().over("conversation_id", order_by="_position")
    return (
        order.keys.select("_row", "conversation_id", "role")
        .with_columns(order.places["position"].alias("_position"))
        .join(calls, on="conversation_id", how="semi")
        .with_columns(_begins=begins.fill_null(value=False))
        .select(
            "_row", _round=pl.col("_begins").cum_sum().over("conversation_id", order_by="_position")
        )
    )


def _paired(made: pl.DataFrame, results: pl.DataFrame, by: str) -> pl.DataFrame:
    """Pair calls with the rows of their results, the last with the last: `_nth` and `_result`."""
    key = [*_PAIR, by]
    nth = pl.col("_nth").rank("ordinal", descending=True).over(key, order_by=("_position", "_nth"))
    one, other = (rows.with_columns(_rank=nth) for rows in (made, results))
    pairs = one.join(other, on=[*key, "_rank"], suffix="_result")
    if by != "native_id":
        # Different ids are different calls.
        pairs = pairs.filter(pl.any_horizontal(pl.col("native_id", "native_id_result").is_null()))
    return pairs.select("_nth", _result="_nth_result")


def _completed(calls: pl.DataFrame, told: pl.DataFrame) -> pl.DataFrame:
    """Give calls what only the rows of their results say of them."""
    given = calls.join(
        told.select("_nth", _its_id="native_id", **{f"_{name}": name for name in _ARGUMENTS}),
        on="_nth",
        how="left",
        maintain_order="left",
    )
    unsaid = pl.col("arguments_raw").is_null()
    given = given.with_columns(
        pl.when(unsaid).then(f"_{name}").otherwise(name).alias(name) for name in _ARGUMENTS
    ).with_columns(
        _own=pl.coalesce("native_id", "_its_id"), native_id=pl.col("_nth").cast(pl.String)
    )
    answers = told.join(calls.select("_nth", "conversation_id"), on="_nth").select(
        "conversation_id",
        "message_id",
        "content",
        native_id=pl.col("_nth").cast(pl.String),
        status=pl.lit(None, pl.String),
    )
    return answered(given, answers).with_columns(native_id="_own")

"""Calls that are stored twice, and count once: in two messages, or in a message and a table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata.database.settle import answered

if TYPE_CHECKING:
    from chatdata.database.order import Order

_SAID = ("native_id", "arguments_raw", "result", "status_evidence")
_IS_NAME = (pl.col("outcome") == "call") & pl.all_horizontal(pl.col(*_SAID).is_null())
_ARGUMENTS = ("arguments_raw", "arguments", "arguments_status")


@dataclass(frozen=True)
class Told:
    """Calls that count once, and those that only repeat one of them."""

    calls: pl.DataFrame
    again: pl.DataFrame


def once(calls: pl.DataFrame, order: Order, answers: pl.DataFrame) -> Told:
    """Tell apart calls and the rows of their results, which name them again in flat columns.

    A row of role tool that names a tool is a call of its own only where no row before it holds the
    call: the same id, or, where one of the two has none, the same tool, asked for since the last
    results. Counted is the row that calls; it takes from the other what it does not say itself.

    Args:
        calls: the kernel's rows with the ids of the contract; `_is_flat` says of which columns.
        order: of the messages.
        answers: what each message says, where it may be a result, and how its call ended.
    """
    row = calls["_row"]
    is_call = calls["outcome"] == "call"
    is_result = is_call & calls["_is_flat"] & (order.keys["role"].gather(row) == "tool")
    if not is_result.any() or is_result.sum() == is_call.sum():
        return Told(calls, calls.clear())
    placed = calls.with_row_index("_nth").with_columns(
        order.places["position"].gather(row).alias("_position"),
        answers["_answer"].gather(row).alias("_words"),
        answers["_ended"].gather(row),
    )
    placed = placed.join(_rounds(order, placed), on="_row", how="left", maintain_order="left")
    made, results = placed.filter(is_call & ~is_result), placed.filter(is_result)
    by_id = _paired(made, results, "conversation_id", "native_id")
    by_round = _paired(
        made.join(by_id, on="_nth", how="anti"),
        results.join(by_id, left_on="_nth", right_on="_result", how="anti"),
        *("conversation_id", "name", "_round"),
    )
    pairs = pl.concat([by_id, by_round])
    again = pl.col("_nth").is_in(pairs["_result"].implode())
    told = results.select(
        *("native_id", *_ARGUMENTS, "message_id", "_position", "_ended"),
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


def _paired(made: pl.DataFrame, results: pl.DataFrame, *key: str) -> pl.DataFrame:
    """Pair calls with the rows of their results, the last with the last: `_nth` and `_result`."""
    nth = pl.col("_nth").rank("ordinal", descending=True).over(key, order_by=("_position", "_nth"))
    one, other = (rows.with_columns(_rank=nth) for rows in (made, results))
    pairs = one.join(other, on=[*key, "_rank"], suffix="_result")
    if "native_id" not in key:
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
        *("message_id", "_position", "content"),
        native_id=pl.col("_nth").cast(pl.String),
        status="_ended",
    )
    return answered(given, answers).with_columns(native_id="_own")


def without_names(
    stored: pl.DataFrame, table: pl.DataFrame, keys: pl.DataFrame
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part calls of messages and mere names of them, where a table has the calls themselves.

    It has them for the message, or names no answer but as many calls of the conversation.
    """
    rows, asked = stored.with_row_index("_nth"), table.filter(pl.col("outcome") == "call")
    names = rows.filter(_IS_NAME)
    own = names.join(asked, on=["message_id", "name"], how="semi")
    group = ["conversation_id", "name"]
    loose = asked.join(_answers(keys), on="message_id", how="anti").group_by(group).len("_n_loose")
    others = names.join(own, on="_nth", how="anti").join(loose, on=group)
    told = others.filter(pl.len().over(group) <= pl.col("_n_loose"))
    again = pl.col("_nth").is_in(pl.concat([own["_nth"], told["_nth"]]).implode())
    return rows.filter(~again).drop("_nth"), rows.filter(again).drop("_nth")


def _answers(keys: pl.DataFrame) -> pl.DataFrame:
    return keys.filter(pl.col("role") == "assistant").select("message_id")


def two_eras(
    table: pl.DataFrame, stored: pl.DataFrame, keys: pl.DataFrame, *, is_ours: bool
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Part the rows of a table of calls into those that repeat what messages hold, and others.

    An application may have begun with the one and gone on with the other. A row repeats where its
    message holds calls, or where a message of its conversation holds that very call: it may name
    the prompt that it is about. Our own table names the message wherever there is one. A mere name
    in a message is repeated by no row that names another answer. Where the table has more calls for
    a message than the message has, those of tools that it does not name are others.

    Args:
        table: the rows of the table.
        stored: calls of messages, as `without_names` leaves them.
        keys: `message_id` and `role` of the messages.
        is_ours: whether the table is made from the messages.
    """
    rows = table.with_row_index("_nth")
    asked = rows.filter(pl.col("message_id").is_not_null()) if is_ours else rows
    is_bare = _IS_NAME & pl.lit(not is_ours)
    called = stored.filter(pl.col("outcome") == "call").with_columns(_is_bare=is_bare)
    answers = _answers(keys)["message_id"]
    names_answer = pl.col("message_id").is_in(answers.implode()).fill_null(value=False)
    told, held = (pl.col(name).str.replace_all(r"\s", "") for name in ("arguments", "_held"))
    same = (told == held) | told.is_null() | held.is_null()
    alike = asked.join(
        called.select("conversation_id", "name", "_is_bare", _held="arguments"),
        on=["conversation_id", "name"],
        nulls_equal=True,
    ).filter(same, ~(pl.col("_is_bare") & names_answer))
    full = called.filter(~pl.col("_is_bare"))["message_id"]
    again = pl.col("message_id").is_in(full.implode()).fill_null(value=False)
    again |= pl.col("_nth").is_in(alike["_nth"].implode())
    again &= ~pl.col("_nth").is_in(_unnamed(asked, called)["_nth"].implode())
    return rows.filter(again).drop("_nth"), rows.filter(~again).drop("_nth")


def _unnamed(rows: pl.DataFrame, called: pl.DataFrame) -> pl.DataFrame:
    """Find the rows of tools that their message does not name, though it names fewer calls."""
    held = called.group_by("message_id").agg(_n_held=pl.len())
    counted = rows.with_columns(_n=pl.len().over("message_id"))
    fewer = counted.join(held, on="message_id").filter(pl.col("_n_held") < pl.col("_n"))
    return fewer.join(called, on=["message_id", "name"], how="anti")

"""What messages say of calls that others made: their results, and how they ended."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata.database.calls import CallSource, read_calls
from chatdata.database.unfold import RESULTS
from chatdata.database.values import TOOL_WORDS, only
from chatdata.tool_calls import NOTHING, results_of_others

if TYPE_CHECKING:
    from chatdata.database.extract import Raw
    from chatdata.database.order import Order
    from chatdata.database.parts import Part

_FLAGS = ("success", "is_error", "status", "error")
_ID = "call_id|toolCallId|tool_use_id"
_WRITTEN = ("completed", "complete", "done")


def words(stored: pl.DataFrame, raw: Raw) -> pl.Series:
    """Give what each row that may be a result says: its column of results, else its text."""
    text = stored["answer"] if "answer" in stored.columns else raw.part(stored, "content")
    name = raw.named(raw.binding.answers.get("result"))
    if name is not None:
        result = stored[name].cast(pl.String)
        text = text.cast(pl.String).zip_with(result.is_null() | result.is_in(NOTHING), result)
    return only(text, _may_answer(stored, raw))


def ended(stored: pl.DataFrame, raw: Raw) -> pl.Series:
    """Give the word for how a call ended that the flags of the row of its result say.

    That a message is completed says nothing of the call: it has been written.
    """
    named = {what: raw.named(raw.binding.answers.get(what)) for what in _FLAGS}
    flags = {what: name for what, name in named.items() if name is not None}
    if not flags:
        return pl.repeat(None, stored.height, dtype=pl.String(), eager=True)
    told = stored.select(pl.col(name).cast(pl.String) for name in flags.values())
    if "status" in flags:
        status = pl.col(flags["status"])
        is_written = status.str.strip_chars().str.to_lowercase().is_in(_WRITTEN)
        told = told.with_columns(pl.when(~is_written).then(status).alias(flags["status"]))
    # A few different words say it for all rows.
    kinds = told.filter(_may_answer(stored, raw)).unique().with_columns(_named=pl.lit("_"))
    found = read_calls(kinds, CallSource(flat={"name": "_named", **flags})).filter(
        pl.col("status") != "no_result", status_evidence="flag"
    )
    ends = kinds[found["_row"]].select(*flags.values(), _ended=found["status"])
    how = told.join(
        ends, on=list(flags.values()), how="left", nulls_equal=True, maintain_order="left"
    )
    return only(how["_ended"], _may_answer(stored, raw))


def names_tool(stored: pl.DataFrame, raw: Raw) -> pl.Series:
    """Give the name of the tool, where a row of role tool has it in a column for any name."""
    name = raw.named(raw.binding.named_result)
    if name is None:
        return pl.repeat(None, stored.height, dtype=pl.String(), eager=True)
    role = raw.part(stored, "role").cast(pl.String).str.strip_chars().str.to_lowercase()
    return only(stored[name].cast(pl.String), role.is_in(TOOL_WORDS))


def with_lists(
    frame: pl.DataFrame, stored: pl.DataFrame, raw: Raw, calls: pl.DataFrame | None
) -> pl.DataFrame:
    """Add to `_results` the lists of results that stand in a message without calls.

    Args:
        frame: the messages.
        stored: the rows they are of.
        raw: the table these are of.
        calls: what the kernel found in them.
    """
    name = raw.named(raw.binding.answers.get("result"))
    if name is None:
        return frame
    row = pl.int_range(stored.height, dtype=pl.UInt32, eager=True)
    text = stored[name].cast(pl.String)
    is_list = text.str.contains(r"^\s*[\[{]") & text.str.contains(_ID)
    if calls is not None:
        is_list &= ~row.is_in(calls.filter(outcome="call")["_row"].implode())
    place = is_list.fill_null(value=False).arg_true()
    if place.is_empty():
        return frame
    listed = [results_of_others(one) or None for one in text.gather(place)]
    found = pl.DataFrame(
        {"_at": place, "_listed": listed}, schema={"_at": pl.UInt32, "_listed": RESULTS}
    )
    both = row.alias("_at").to_frame().join(found, on="_at", how="left", maintain_order="left")
    return frame.with_columns(_results=pl.coalesce("_results", pl.lit(both["_listed"])))


def of_part(part: Part, order: Order) -> pl.DataFrame:
    """Give the results that stand in messages of their own, as `settle.answered` takes them."""
    own = ("_answer", "_ended", "_tool_call_id", "role", "_results")
    rows = pl.concat(part.rows.columns("conversation_id", *own)).with_columns(
        order.keys["message_id"], order.places["position"].alias("_position")
    )
    of_message = ("conversation_id", "message_id", "_position")
    whole = rows.filter(pl.col("_tool_call_id").is_not_null(), pl.col("role") == "tool").select(
        *of_message, content="_answer", native_id="_tool_call_id", status="_ended"
    )
    brought = rows.filter(pl.col("_results").is_not_null())
    if brought.is_empty():
        return whole
    among = (
        brought.explode("_results")
        .unnest("_results")
        .select(*of_message, "native_id", "status", content="text")
    )
    return pl.concat([whole, among], how="diagonal")


def by_name(calls: pl.DataFrame, part: Part, order: Order) -> pl.DataFrame:
    """Give rows of results that say no more of their call than its tool, like `calls`."""
    rows = pl.concat(part.rows.columns("conversation_id", "_tool", "_tool_call_id"))
    named = rows.with_row_index("_row").filter(
        pl.col("_tool").is_not_null(), pl.col("_tool_call_id").is_null()
    )
    as_calls = named.select(
        *("_row", "conversation_id"),
        message_id=order.keys["message_id"].gather(named["_row"]),
        name="_tool",
        outcome=pl.lit("call"),
        _is_flat=pl.lit(value=True),
        _is_of_other=pl.lit(value=True),
    )
    return pl.concat([calls, as_calls], how="diagonal")


def placed(calls: pl.DataFrame, order: Order) -> pl.DataFrame:
    """Give calls the places of their messages."""
    places = order.places.select("message_id", _position="position")
    return calls.join(places, on="message_id", how="left", maintain_order="left")


def _may_answer(stored: pl.DataFrame, raw: Raw) -> pl.Series:
    named = (raw.named(column) for column in raw.binding.answer_columns)
    filled = [pl.col(name).is_not_null() for name in named if name is not None]
    filled += [pl.lit(names_tool(stored, raw).is_not_null())] if raw.binding.named_result else []
    return stored.select(
        pl.any_horizontal(filled) if filled else pl.repeat(value=False, n=pl.len())
    ).to_series()

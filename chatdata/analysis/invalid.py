"""What is wrong with the arguments that tools cannot take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.arguments import argument_values
from chatdata.analysis.defects import defect
from chatdata.analysis.members import members
from chatdata.analysis.rates import share
from chatdata.analysis.rows import batches, is_error

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["invalid_arguments"]

MIN_ACCEPTED = 5
_UNREAD = ("invalid", "not_object")
_COUNTS = {
    "name": pl.String(),
    "conversation_id": pl.String(),
    "cause": pl.String(),
    "n": pl.Int64(),
}


def invalid_arguments(chats: Chats[Frame], *, min_accepted: int = MIN_ACCEPTED) -> pl.DataFrame:
    """Count calls whose arguments are no JSON object, or were refused by the tool, by cause.

    What is no object is told from its form. What a tool refused (an error of class
    `invalid_arguments`) is compared with the calls of that tool that ended `ok`: nothing is read
    out of words. Some tools take plain text by design; theirs is no fault.

    Args:
        chats: where to look.
        min_accepted: fewest such calls of a tool to compare with.

    Returns:
        One row per tool and cause, most calls first: `name`, `cause` (str), `n_tool_calls`,
        `n_conversations` (i64), `share` (f64, of all calls of the tool). Causes: those of
        `chatdata.analysis.defects.defect`, and `refused: ` with `an argument is missing` (that all
        accepted calls have), `an unknown argument` (that none has), `another type` (than in any),
        `only a value differs`, or `nothing to compare with`.
    """
    calls = nw.from_native(chats.tool_calls)
    unread = calls.filter(nw.col("arguments_status").is_in(_UNREAD))
    refused = calls.filter(
        is_error(), nw.col("error_class") == "invalid_arguments", ~nw.col("arguments").is_null()
    )
    parts = [
        pl.DataFrame(schema=_COUNTS),
        *(_told(batch) for batch in batches(unread.select(*_PLACE, "arguments_raw"))),
        _compared(
            refused.select(*_PLACE, "arguments").collect("polars").to_polars(),
            calls.filter(nw.col("status") == "ok").select("name", "arguments"),
            min_accepted,
        ),
    ]
    every = calls.group_by("name").agg(n_of_tool=nw.len().cast(nw.Int64))
    n = pl.col("n_tool_calls")
    return (
        pl.concat(parts)
        .group_by("name", "cause")
        .agg(
            pl.col("n").sum().alias("n_tool_calls"),
            pl.col("conversation_id").n_unique().cast(pl.Int64).alias("n_conversations"),
        )
        .join(every.collect("polars").to_polars(), on="name", how="left", nulls_equal=True)
        .select("name", "cause", n, "n_conversations", share(n, pl.col("n_of_tool")).alias("share"))
        .sort("n_tool_calls", "name", "cause", descending=[True, False, False], nulls_last=True)
    )


_PLACE = ("name", "conversation_id")


def _told(batch: pl.DataFrame) -> pl.DataFrame:
    """Say of each text why it is no object."""
    texts = batch["arguments_raw"]
    causes = pl.Series("cause", [defect(text) for text in texts], dtype=pl.String)
    return _counted(batch.drop("arguments_raw").with_columns(causes))


def _compared(refused: pl.DataFrame, accepted: nw.LazyFrame[Frame], least: int) -> pl.DataFrame:
    """Say how the form of each refused call differs from that of accepted ones."""
    rows = refused.with_row_index("place")
    names = refused["name"].drop_nulls().unique().to_list()
    alike = accepted.filter(nw.col("name").is_in(names), ~nw.col("arguments").is_null())
    n_calls = alike.group_by("name").agg(n_accepted=nw.len().cast(nw.Int64))
    known = argument_values(alike, {"n": pl.len()})
    keys = known.group_by("name", "key").agg(pl.col("n").sum())
    tools = n_calls.collect("polars").to_polars()
    always = keys.join(tools, on="name").filter(pl.col("n") == pl.col("n_accepted"))
    found = members(refused["arguments"]).join(rows.select("place", "name"), on="place")

    def places(some: pl.DataFrame) -> pl.Expr:
        return pl.col("place").is_in(some["place"].unique().implode())

    needed = rows.select("place", "name").join(always.select("name", "key"), on="name")
    cause = (
        pl.when(pl.col("n_accepted").fill_null(0) < least)
        .then(pl.lit("nothing to compare with"))
        .when(places(needed.join(found, on=["place", "key"], how="anti")))
        .then(pl.lit("an argument is missing"))
        .when(places(found.join(keys, on=["name", "key"], how="anti")))
        .then(pl.lit("an unknown argument"))
        .when(places(found.join(known, on=["name", "key", "type"], how="anti")))
        .then(pl.lit("another type"))
        .otherwise(pl.lit("only a value differs"))
    )
    told = rows.join(tools, on="name", how="left").with_columns(cause=pl.lit("refused: ") + cause)
    return _counted(told)


def _counted(calls: pl.DataFrame) -> pl.DataFrame:
    return calls.group_by(*_PLACE, "cause").agg(n=pl.len().cast(pl.Int64))

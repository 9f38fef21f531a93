"""What tools are called with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.members import members
from chatdata.analysis.quantiles import quantile_of_counts
from chatdata.analysis.rates import share
from chatdata.analysis.rows import batches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_argument_values", "tool_arguments"]

MOST_VALUES = 12
MIN_REPEATS = 5
_LONGEST_VALUE = 64
_N = {"n": pl.len()}
# Of many values that differ, what they have in common is held as a number.
_FEW = ("name", "key", "type")
CHARS = pl.col("value").str.len_chars().alias("chars")
# Two independent hashes tell values apart: 128 bits, however long the value.
_HASHES = (pl.col("value").hash(1).alias("hash"), pl.col("value").hash(2).alias("hash_2"))


def tool_arguments(chats: Chats[Frame]) -> pl.DataFrame:
    """Infer from the calls what arguments each tool takes.

    No value is shown: only how often an argument is there, its types, sizes and variety.

    Returns:
        One row per tool and argument, by tool, then most often present first: `name`, `argument`
        (str), `n_tool_calls` (i64, with arguments that are a JSON object), `n_present` (i64, with
        this argument), `share` (f64, of those calls), `types` (str, JSON types, joined by ", "),
        `n_values` (i64, different ones), `p50_chars`, `max_chars` (f64, code points of the value as
        compact JSON, text without quotes).
    """
    calls = nw.from_native(chats.tool_calls).select("name", "arguments")
    values = argument_values(calls, _N, *_HASHES, CHARS)
    by = ["name", "key"]
    n = pl.col("n")
    sizes = values.group_by(*by, "chars").agg(n.sum()).sort(*by, "chars")
    half = sizes.group_by(by).agg(p50_chars=quantile_of_counts("chars", "n", 0.5))
    return (
        values.group_by(by)
        .agg(
            n_present=n.sum(),
            types=pl.col("type").unique().sort().str.join(", "),
            n_values=pl.len().cast(pl.Int64),
            max_chars=pl.col("chars").max().cast(pl.Float64),
        )
        .join(half, on=by, nulls_equal=True)
        .join(_calls(chats), on="name", nulls_equal=True)
        .with_columns(share=share(pl.col("n_present"), pl.col("n_tool_calls")))
        .select(
            "name",
            pl.col("key").alias("argument"),
            "n_tool_calls",
            "n_present",
            "share",
            "types",
            "n_values",
            "p50_chars",
            "max_chars",
        )
        .sort("name", "n_present", "argument", descending=[False, True, False], nulls_last=True)
    )


def tool_argument_values(
    chats: Chats[Frame], *, most: int = MOST_VALUES, min_repeats: int = MIN_REPEATS
) -> pl.DataFrame:
    """List the values of arguments that take few: the enumerations among them.

    Values were written by people or models; the answer is for the analyst, not for publication.

    Args:
        chats: where to look.
        most: how many different values an argument may take.
        min_repeats: how often each is met, at least, on average.

    Returns:
        One row per value, by tool and argument, then most frequent first: `name`, `argument`,
        `type` (str, string, boolean, integer or null), `value` (str, as JSON, text without
        quotes), `n_tool_calls` (i64, with that value), `share` (f64, of the calls with that
        argument). Arguments with a number, array, object or text of more than 64 characters are
        left out.
    """
    text = pl.col("value")
    few = ["string", "boolean", "integer", "null"]
    listed = pl.col("type").is_in(few) & (text.str.len_chars() <= _LONGEST_VALUE)
    calls = nw.from_native(chats.tool_calls).select("name", "arguments")
    values = argument_values(calls, _N, pl.when(listed).then(text).alias("value"))
    by = ["name", "key"]
    n_values, n_present = pl.len().over(by), pl.col("n").sum().over(by)
    return (
        values.filter(pl.col("value").is_not_null().all().over(by))
        .filter(n_values <= most, n_present >= min_repeats * n_values)
        .select(
            "name",
            pl.col("key").alias("argument"),
            "type",
            "value",
            pl.col("n").alias("n_tool_calls"),
            share(pl.col("n"), n_present).alias("share"),
        )
        .sort(
            *("name", "argument", "n_tool_calls", "type", "value"),
            descending=[False, False, True, False, False],
            nulls_last=True,
        )
    )


def argument_values(
    calls: nw.LazyFrame[Frame], counts: Mapping[str, pl.Expr], *of_value: pl.Expr
) -> pl.DataFrame:
    """Count the values of arguments, batch by batch, by what is asked of each.

    Args:
        calls: with `name`, `arguments` and what the counts need.
        counts: of the calls with the same name and arguments.
        of_value: what to keep of each `value`.

    Returns:
        One row per tool, argument, type and what was asked, in no order: `name`, `key`, `type`,
        that, and the counts.
    """
    known = calls.filter(~nw.col("arguments").is_null())
    nothing = known.head(0).collect("polars").to_polars()
    parts = [_part(batch, counts, of_value) for batch in (nothing, *batches(known))]
    together = pl.concat(parts)
    return (
        together.group_by(pl.exclude(*counts))
        .agg(pl.col(*counts).sum())
        .with_columns(pl.col(_FEW).cast(pl.String))
    )


def _part(
    batch: pl.DataFrame, counts: Mapping[str, pl.Expr], of_value: tuple[pl.Expr, ...]
) -> pl.DataFrame:
    calls = batch.group_by("name", "arguments").agg(
        count.cast(pl.Int64).alias(name) for name, count in counts.items()
    )
    found = members(calls["arguments"])
    whose = calls.drop("arguments")[found["place"]]
    return (
        pl.concat([whose, found], how="horizontal")
        .group_by("name", "key", "type", *of_value)
        .agg(pl.col(*counts).sum())
        .with_columns(pl.col(_FEW).cast(pl.Categorical))
    )


def _calls(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the calls of each tool whose arguments are a JSON object."""
    return (
        nw.from_native(chats.tool_calls)
        .filter(~nw.col("arguments").is_null())
        .group_by("name")
        .agg(n_tool_calls=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )

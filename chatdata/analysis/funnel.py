"""From the tools that are offered to the results that come back."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import narwhals as nw
import polars as pl

from chatdata.analysis.rows import tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_funnel"]

_EXECUTED = ("ok", "error", "timeout")


def tool_funnel(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the tools declared, and their calls emitted, executed and resulted.

    Declared tools are called or never called; what is called without being declared is listed too.

    Returns:
        One row per tool, most called first, then by name: `name` (str), `n_declared` (i64,
        conversations that offer it, null where no conversation says what it offers), `n_emitted`
        (i64, calls), `n_executed` (i64, with a result or an outcome that only a run has),
        `n_resulted` (i64, with a result, be it a message without a text), `standing` (str: called,
        never called, not declared; null as before).
    """
    resulted = ~nw.col("result").is_null() | ~nw.col("result_message_id").is_null()
    calls = (
        nw.from_native(chats.tool_calls)
        .with_columns(
            n_executed=tally(nw.col("status").is_in(_EXECUTED) | resulted),
            n_resulted=tally(resulted),
        )
        .group_by("name")
        .agg(nw.len().cast(nw.Int64).alias("n_emitted"), total("n_executed"), total("n_resulted"))
        .collect("polars")
        .to_polars()
    )
    declared = _declared(chats)
    says = not declared.is_empty()
    tools = calls.join(declared, on="name", how="full", coalesce=True, nulls_equal=True)
    standing = (
        pl.when(pl.col("n_declared").is_null())
        .then(pl.lit("not declared"))
        .when(pl.col("n_emitted").is_null())
        .then(pl.lit("never called"))
        .otherwise(pl.lit("called"))
    )
    counts = ("n_emitted", "n_executed", "n_resulted")
    return tools.select(
        "name",
        pl.when(says).then(pl.col("n_declared").fill_null(0)).alias("n_declared"),
        pl.col(counts).fill_null(0),
        pl.when(says).then(standing).alias("standing"),
    ).sort("n_emitted", "name", descending=[True, False], nulls_last=True)


def _declared(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the conversations that offer each tool."""
    lists = (
        nw.from_native(chats.conversations)
        .filter(~nw.col("declared_tools").is_null())
        .group_by("declared_tools")
        .agg(n_declared=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    names = pl.Series(
        "name", [_names(text) for text in lists["declared_tools"]], dtype=pl.List(pl.String())
    )
    return (
        lists.select("n_declared", names)
        .explode("name")
        .drop_nulls("name")
        .group_by("name")
        .agg(pl.col("n_declared").sum())
    )


def _names(text: str) -> list[str]:
    """Read a list of names; one that is repeated is one."""
    try:
        return sorted(set(msgspec.json.decode(text, type=list[str])))
    except msgspec.DecodeError:
        return []

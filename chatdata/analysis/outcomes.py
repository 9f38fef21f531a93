"""How calls end, by whatever they are put together: the machinery of every error rate."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata import schema
from chatdata.analysis.rates import positive, share, wilson_high, wilson_low
from chatdata.analysis.rows import is_error, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["call_outcomes"]

MIN_N = 20
NO_OUTCOMES = "no outcomes recorded"
ONLY_FAILURES = "only failures recorded"
STATUSES = tuple(f"n_{status}" for status in schema.STATUSES)
RATES = ("error_rate", "error_rate_low", "error_rate_high", "reason")


def call_outcomes(chats: Chats[Frame], *, min_n: int = MIN_N) -> pl.DataFrame:
    """Count how all calls together ended, as `tool_usage` does for each tool.

    Returns:
        One row: `n_tool_calls`, `n_errors`, `n_known`, `n_known_errors` (i64, errors among the
        known outcomes), `error_rate`, `error_rate_low`, `error_rate_high` (f64), `reason` (str).
    """
    together = _by_owner(owned_calls(chats).with_columns(everything=nw.lit("all")), "everything")
    columns = ("n_tool_calls", "n_errors", "n_known", "n_known_errors")
    found = _rated(together, "everything", min_n).select(*columns, *RATES)
    if not found.is_empty():
        return found
    return pl.select(
        *(pl.lit(0, pl.Int64).alias(name) for name in columns),
        *(pl.lit(None, pl.Float64).alias(name) for name in RATES[:-1]),
        pl.lit(NO_OUTCOMES).alias("reason"),
    )


def usage(calls: nw.LazyFrame[Frame], by: str, min_n: int) -> pl.DataFrame:
    """Count calls by one of their columns, and how they ended.

    Args:
        calls: as `owned_calls` gives them.
        by: the column.
        min_n: fewest known outcomes from which a rate is shown.

    Returns:
        One row per value of the column, null among them, in no order: that column, `n_tool_calls`,
        `n_conversations`, `n_users`, `share`, `STATUSES`, `n_errors`, `n_known`,
        `n_known_errors` and `RATES`, as `tool_usage` describes them.
    """
    counts = _by_owner(calls, by)
    users = counts.filter(pl.col("user_id").is_not_null()).group_by(by)
    n_users = users.agg(n_users=pl.col("user_id").n_unique().cast(pl.Int64))
    return (
        _rated(counts, by, min_n)
        .join(n_users, on=by, how="left", nulls_equal=True)
        .with_columns(
            pl.col("n_users").fill_null(0),
            share=share(pl.col("n_tool_calls"), pl.col("n_tool_calls").sum()),
        )
    )


def n_tools(calls: nw.LazyFrame[Frame], by: str) -> pl.DataFrame:
    """Count the names called by a column: one row per value that has any, with `n_tools`."""
    return (
        calls.filter(~nw.col("name").is_null())
        .group_by(by)
        .agg(n_tools=nw.col("name").n_unique().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )


def owned_calls(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls with the user and origin of their conversation."""
    conversations = nw.from_native(chats.conversations)
    return nw.from_native(chats.tool_calls).join(
        conversations.select("conversation_id", "user_id", "origin"),
        on="conversation_id",
        how="left",
    )


def _by_owner(calls: nw.LazyFrame[Frame], by: str) -> pl.DataFrame:
    """Count the calls by a column for each user of each origin, by status.

    One pass answers for both: a conversation has one of each, so its calls meet in one row.
    """
    marked = calls.with_columns(
        is_error=tally(is_error()),
        **{f"n_{status}": tally(nw.col("status") == status) for status in schema.STATUSES},
    )
    return (
        marked.group_by("origin", "user_id", by)
        .agg(
            nw.len().cast(nw.Int64).alias("n_tool_calls"),
            nw.col("conversation_id").n_unique().cast(nw.Int64).alias("n_conversations"),
            *(total(status) for status in STATUSES),
            total("is_error").alias("n_errors"),
        )
        .collect("polars")
        .to_polars()
    )


def _rated(counts: pl.DataFrame, by: str, min_n: int) -> pl.DataFrame:
    """Put owners together and rate what may be rated."""
    records_ok = pl.col("n_ok").sum().over("origin") > 0
    known = pl.when(records_ok).then(pl.col("n_ok") + pl.col("n_errors")).otherwise(0)
    failed = pl.when(records_ok).then(pl.col("n_errors")).otherwise(0)
    tools = (
        counts.with_columns(n_known=known, n_known_errors=failed)
        .drop("origin", "user_id")
        .group_by(by)
        .agg(pl.all().sum())
    )
    n, hits = pl.col("n_known"), pl.col("n_known_errors")
    reason = (
        pl.when(n >= max(min_n, 1))
        .then(None)
        .when(n > 0)
        .then(pl.lit(f"fewer than {min_n} known outcomes"))
        .when(pl.col("n_errors") > 0)
        .then(pl.lit(ONLY_FAILURES))
        .otherwise(pl.lit(NO_OUTCOMES))
    )
    rates = {
        "error_rate": hits / positive(n),
        "error_rate_low": wilson_low(hits, n),
        "error_rate_high": wilson_high(hits, n),
    }
    return tools.with_columns(reason=reason).with_columns(
        pl.when(pl.col("reason").is_null()).then(rate).alias(name) for name, rate in rates.items()
    )

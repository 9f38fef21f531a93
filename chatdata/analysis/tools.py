"""Which tools are called, by how many, and how often they fail."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata import schema
from chatdata.analysis.periods import Every, period, quarter_hour
from chatdata.analysis.rates import positive, share, wilson_high, wilson_low
from chatdata.analysis.rows import is_error, tally, total, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["call_outcomes", "tool_usage", "tool_usage_over_time"]

MIN_N = 20
NO_OUTCOMES = "no outcomes recorded"
ONLY_FAILURES = "only failures recorded"
_STATUSES = tuple(f"n_{status}" for status in schema.STATUSES)


def tool_usage(chats: Chats[Frame], *, min_n: int = MIN_N) -> pl.DataFrame:
    """Count the calls of each tool and how they ended.

    An error is a call that ended in `error` or `timeout` by the log's own word; a known outcome is
    an error or an `ok`. A source in which no call ever ends `ok` records only failures: its calls
    enter no rate.

    Args:
        chats: what to count.
        min_n: fewest known outcomes from which a rate is shown.

    Returns:
        One row per tool name (null where the log has none), most called first: `name` (str),
        `n_tool_calls`, `n_conversations`, `n_users` (i64), `share` (f64, of all calls),
        `n_ok`, `n_error`, `n_timeout`, `n_denied`, `n_cancelled`, `n_no_result`, `n_unknown`
        (i64, calls by status), `n_errors` (i64), `n_known` (i64, outcomes that a rate may use),
        `error_rate`, `error_rate_low`, `error_rate_high` (f64, with the Wilson 95 % interval,
        null where `reason` is not), `reason` (str, why there is no rate, else null).
    """
    counts = _by_source(chats)
    users = (
        _calls(chats)
        .filter(~nw.col("user_id").is_null())
        .group_by("name")
        .agg(n_users=nw.col("user_id").n_unique().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    return (
        _rated(counts, min_n)
        .join(users, on="name", how="left", nulls_equal=True)
        .select(
            "name",
            "n_tool_calls",
            "n_conversations",
            pl.col("n_users").fill_null(0),
            share(pl.col("n_tool_calls"), pl.col("n_tool_calls").sum()).alias("share"),
            *_STATUSES,
            "n_errors",
            "n_known",
            "error_rate",
            "error_rate_low",
            "error_rate_high",
            "reason",
        )
        .sort("n_tool_calls", "name", descending=[True, False], nulls_last=True)
    )


def tool_usage_over_time(
    chats: Chats[Frame], *, every: Every = "week", time_zone: str = "UTC"
) -> pl.DataFrame:
    """Count the calls of each tool by day or week of a time zone.

    A call's time is its start where that is recorded, else its message's. Weeks begin on Monday.

    Args:
        chats: what to count.
        every: "day" or "week".
        time_zone: whose days, as a name of the time zone database.

    Returns:
        One row per period and tool that has calls, oldest first, calls without a time last, then
        by name: `period` (date of the period's first day, null without a time), `name` (str),
        `n_tool_calls`, `n_ok`, `n_errors` (i64).
    """
    quarters = (
        _timed(chats)
        .with_columns(
            quarter=quarter_hour("called_us"),
            n_ok=tally(nw.col("status") == "ok"),
            n_errors=tally(is_error()),
        )
        .group_by("quarter", "name")
        .agg(nw.len().cast(nw.Int64).alias("n_tool_calls"), total("n_ok"), total("n_errors"))
        .collect("polars")
        .to_polars()
    )
    return (
        quarters.with_columns(period=period(every, time_zone))
        .group_by("period", "name")
        .agg(pl.col("n_tool_calls", "n_ok", "n_errors").sum())
        .sort("period", "name", nulls_last=True)
    )


def call_outcomes(chats: Chats[Frame], *, min_n: int = MIN_N) -> pl.DataFrame:
    """Count how all calls together ended, as `tool_usage` does for each tool.

    Returns:
        One row: `n_tool_calls`, `n_errors`, `n_known`, `n_known_errors` (i64, errors among the
        known outcomes), `error_rate`, `error_rate_low`, `error_rate_high` (f64), `reason` (str).
    """
    together = _by_source(chats).with_columns(name=pl.lit("all"))
    by_source = together.group_by("origin", "name").agg(pl.all().sum())
    columns = ("n_tool_calls", "n_errors", "n_known", "n_known_errors")
    rates = ("error_rate", "error_rate_low", "error_rate_high", "reason")
    found = _rated(by_source, min_n).select(*columns, *rates)
    if not found.is_empty():
        return found
    nothing = pl.lit(NO_OUTCOMES).alias("reason")
    return pl.select(
        *(pl.lit(0, pl.Int64).alias(name) for name in columns),
        *(pl.lit(None, pl.Float64).alias(name) for name in rates[:-1]),
        nothing,
    )


def _by_source(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the calls of each tool in each origin by status."""
    marked = _calls(chats).with_columns(
        is_error=tally(is_error()),
        **{f"n_{status}": tally(nw.col("status") == status) for status in schema.STATUSES},
    )
    return (
        marked.group_by("origin", "name")
        .agg(
            nw.len().cast(nw.Int64).alias("n_tool_calls"),
            nw.col("conversation_id").n_unique().cast(nw.Int64).alias("n_conversations"),
            *(total(status) for status in _STATUSES),
            total("is_error").alias("n_errors"),
        )
        .collect("polars")
        .to_polars()
    )


def _calls(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls with the user and origin of their conversation."""
    conversations = nw.from_native(chats.conversations)
    return nw.from_native(chats.tool_calls).join(
        conversations.select("conversation_id", "user_id", "origin"),
        on="conversation_id",
        how="left",
    )


def _timed(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the calls with the time at which they were made."""
    written = with_us(chats.messages, "created_at").select("message_id", "created_us")
    return (
        with_us(chats.tool_calls, "started_at")
        .join(written, on="message_id", how="left")
        .with_columns(called_us=nw.coalesce("started_us", "created_us"))
    )


def _rated(counts: pl.DataFrame, min_n: int) -> pl.DataFrame:
    """Put sources together, by tool, and rate what may be rated."""
    records_ok = pl.col("n_ok").sum().over("origin") > 0
    known = pl.when(records_ok).then(pl.col("n_ok") + pl.col("n_errors")).otherwise(0)
    failed = pl.when(records_ok).then(pl.col("n_errors")).otherwise(0)
    tools = (
        counts.with_columns(n_known=known, n_known_errors=failed)
        .drop("origin")
        .group_by("name")
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

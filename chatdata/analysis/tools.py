"""Which tools are called, by how many, how often they fail, and when."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.outcomes import MIN_N, RATES, STATUSES, n_tools, owned_calls, usage
from chatdata.analysis.periods import Every, period, quarter_hour
from chatdata.analysis.rows import is_error, tally, timed_calls, total
from chatdata.analysis.taxonomy import grouped

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_usage", "tool_usage_by_group", "tool_usage_by_server", "tool_usage_over_time"]


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
    return _ordered(usage(owned_calls(chats), "name", min_n), "name")


def tool_usage_by_server(chats: Chats[Frame], *, min_n: int = MIN_N) -> pl.DataFrame:
    """Count the calls of each MCP server's tools and how they ended, as `tool_usage` does.

    Args:
        chats: what to count.
        min_n: fewest known outcomes from which a rate is shown.

    Returns:
        One row per server, most called first, the tools of none as null among them: `server` (str),
        `n_tools` (i64, names called), then as `tool_usage`: `n_tool_calls`, `n_conversations`,
        `n_users`, `share`, `n_ok`, `n_error`, `n_timeout`, `n_denied`, `n_cancelled`,
        `n_no_result`, `n_unknown`, `n_errors`, `n_known`, `error_rate`, `error_rate_low`,
        `error_rate_high`, `reason`.
    """
    found = usage(owned_calls(chats), "server", min_n)
    return _ordered(found, "server", n_tools(nw.from_native(chats.tool_calls), "server"))


def tool_usage_by_group(
    chats: Chats[Frame], groups: Mapping[str, str] | None = None, *, min_n: int = MIN_N
) -> pl.DataFrame:
    """Count the calls of tools that do the same kind of thing, as `tool_usage` does for one.

    Args:
        chats: what to count.
        groups: from a tool's name, with `*` or without, to its group; the first that fits counts.
            `chatdata.analysis.taxonomy.read` reads them from TOML; None is the bundled file.
        min_n: fewest known outcomes from which a rate is shown.

    Returns:
        One row per group that is called, most called first, tools of no group as null among them:
        `group` (str), `n_tools` (i64, names called), then as `tool_usage`: `n_tool_calls`,
        `n_conversations`, `n_users`, `share`, `n_ok`, `n_error`, `n_timeout`, `n_denied`,
        `n_cancelled`, `n_no_result`, `n_unknown`, `n_errors`, `n_known`, `error_rate`,
        `error_rate_low`, `error_rate_high`, `reason`.
    """
    named = nw.from_native(chats.tool_calls).select("name").unique().collect("polars").to_polars()
    group = nw.lit(None).cast(nw.String)
    for label, tools in grouped(named["name"].drop_nulls().sort(), groups).items():
        group = nw.when(nw.col("name").is_in(tools)).then(nw.lit(label)).otherwise(group)
    found = usage(owned_calls(chats).with_columns(group=group), "group", min_n)
    names = n_tools(nw.from_native(chats.tool_calls).with_columns(group=group), "group")
    return _ordered(found, "group", names)


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
        timed_calls(chats)
        .with_columns(
            quarter=quarter_hour("called_us"),
            n_ok=tally(nw.col("status") == "ok"),
            n_errors=tally(is_error()),
        )
        .group_by("quarter", "of_day", "name")
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


def _ordered(found: pl.DataFrame, by: str, names: pl.DataFrame | None = None) -> pl.DataFrame:
    """Put the columns of `usage` in their order, numbers of tools among them, most calls first."""
    columns = ["n_tool_calls", "n_conversations", "n_users", "share", *STATUSES]
    if names is not None:
        found = found.join(names, on=by, how="left", nulls_equal=True)
        found = found.with_columns(pl.col("n_tools").fill_null(0))
        columns = ["n_tools", *columns]
    return found.select(by, *columns, "n_errors", "n_known", *RATES).sort(
        "n_tool_calls", by, descending=[True, False], nulls_last=True
    )

"""The section on tool calls."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata import analysis
from chatdata.notebook import charts
from chatdata.notebook.table import known, table
from chatdata.report import answers

if TYPE_CHECKING:
    from collections.abc import Iterator

    import polars as pl

    from chatdata.chats import Chats
    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table

_COUNTS = ("n_tool_calls", "n_conversations", "n_users", "share", "n_errors", "n_known")
_RATES = ("error_rate", "error_rate_low", "error_rate_high", "reason")
_LABELS = {
    "error_rate_low": "from",
    "error_rate_high": "to",
    "recovery_rate_low": "from",
    "recovery_rate_high": "to",
    "n_known": "known outcomes",
    "reason": "why no rate",
}
_RATED = "error rate = errors / known outcomes, with its Wilson 95 % interval"


_NOT_SHOWN = (
    "Left out, since nobody counts the users behind their rows: calls over time, errors by tool, "
    "arguments, times and sequences."
)


def tool_calls(
    chats: Chats[pl.LazyFrame], time_zone: str, min_cell: int
) -> Iterator[Chart | Table | str]:
    """Show which tools are called, how calls end, how long they take and what follows them."""
    usage = analysis.tool_usage(chats)
    if usage.is_empty():
        yield "No tool was called."
        return
    yield charts.calls_by_tool(usage)
    yield charts.error_rates(usage)
    yield table(
        known(usage.select("name", *_COUNTS, *_RATES)), "Tools", note=_RATED, labels=_LABELS
    )
    yield from _grouped(chats)
    if min_cell:
        yield _NOT_SHOWN
        return
    days = analysis.tool_usage_over_time(chats, every="day", time_zone=time_zone)
    yield charts.calls_over_time(days, every="day")
    yield from _errors(chats, usage)
    yield from _arguments(chats)
    yield charts.latencies(analysis.tool_latency(chats))
    funnel = analysis.tool_funnel(chats)
    if funnel["standing"].count():
        yield table(funnel, "Tools offered, called, run and answered")
    yield from _sequences(chats)


def _grouped(chats: Chats[pl.LazyFrame]) -> Iterator[Table]:
    """Show servers where calls name any, and what the tools do."""
    servers = analysis.tool_usage_by_server(chats)
    groups = analysis.tool_usage_by_group(chats)
    columns = ("n_tools", *_COUNTS, *_RATES)
    if servers["server"].count():
        named = servers.select("server", *columns)
        yield table(known(named), "Calls by MCP server", note=_RATED, labels=_LABELS)
    yield table(
        known(groups.select("group", *columns)),
        "Calls by what tools do",
        note=f"guessed from the tools' names; {_RATED}",
        labels=_LABELS,
    )


def _errors(chats: Chats[pl.LazyFrame], usage: pl.DataFrame) -> Iterator[Table | str]:
    if not usage["n_errors"].sum():
        is_known = usage["n_known"].sum()
        unknown = "The outcome of no call is recorded: whether any failed cannot be said."
        yield "No call is recorded as failed." if is_known else unknown
        return
    yield answers.error_classes(chats)
    yield table(analysis.tool_errors(chats), "Errors by class")
    yield answers.after_errors(chats)
    yield table(
        known(analysis.tool_recovery(chats)),
        "What came of errors",
        note="recovered: the same tool succeeded later in the turn; a rate needs 20 errors",
        labels=_LABELS,
    )


def _arguments(chats: Chats[pl.LazyFrame]) -> Iterator[Table]:
    invalid = analysis.invalid_arguments(chats)
    if not invalid.is_empty():
        yield table(invalid, "Arguments that are no JSON object, or were refused")


def _sequences(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    pairs = analysis.tool_transitions(chats)
    yield answers.next_call(chats)
    yield charts.flow(pairs)
    if pairs.is_empty():
        return
    yield charts.transitions(pairs)
    repeats = analysis.tool_repeats(chats)
    columns = [f"n_{kind}{level}" for kind in ("retries", "repeats") for level in ("", "_exact")]
    if repeats.select(columns).sum().sum_horizontal().item():
        yield answers.repeats(chats)
        yield table(
            repeats.select("name", "n_tool_calls", *columns),
            "Calls made again in the same turn",
            note="a retry follows an error, a repeat does not; exact: with the same arguments",
        )
    yield answers.loops(chats)

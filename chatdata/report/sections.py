"""The sections of a report: charts and tables, or a sentence on what the log does not say."""

from __future__ import annotations

from html import escape
from itertools import chain
from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis
from chatdata.notebook.charts import (
    activity,
    calls_by_tool,
    calls_over_time,
    endings,
    error_rates,
    lengths,
    survival,
    transitions,
    week,
)
from chatdata.notebook.page import Section, shown
from chatdata.notebook.table import table
from chatdata.report.figure import Figure
from chatdata.report.findings import talk_findings
from chatdata.report.findings_calls import call_findings
from chatdata.report.trust import trust_figures

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table

_INTERVAL = {"error_rate_low": "from", "error_rate_high": "to", "n_known": "known outcomes"}
_HOW_TO_CHECK = (
    "Each figure of this page has its query, which gives it again: chatdata sql SOURCE 'the query'."
)


def sections(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Section]:
    """Make the sections of a report, the first page first."""
    found, trust = first_page(chats)
    yield _section("What was found", chain(found, [_HOW_TO_CHECK]))
    yield _section("How far it can be trusted", trust)
    yield _section("When people write", _activity(chats, time_zone))
    yield _section("Tool calls", _tool_calls(chats, time_zone))
    yield _section("Conversation length", _length(chats))
    yield _section("Users", _users(chats, time_zone))
    yield _section("Tokens", _tokens(chats))


def first_page(chats: Chats[pl.LazyFrame]) -> tuple[list[Figure], list[Figure]]:
    """Find what the first page says: findings in sentences, then how far they can be trusted."""
    return [*talk_findings(chats), *call_findings(chats)], list(trust_figures(chats))


def _activity(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Chart | Table | str]:
    yield activity(analysis.activity_over_time(chats, time_zone=time_zone))
    yield week(analysis.hour_of_week(chats, time_zone=time_zone), time_zone=time_zone)


def _tool_calls(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Chart | Table | str]:
    usage = analysis.tool_usage(chats)
    if usage.is_empty():
        yield "No tool was called."
        return
    latency = analysis.tool_latency(chats)
    counts = ("name", "n_tool_calls", "n_conversations", "n_users", "share", "n_errors", "n_known")
    rates = ("error_rate", "error_rate_low", "error_rate_high", "reason")
    yield calls_by_tool(usage)
    yield error_rates(usage)
    yield table(
        _known(usage.select(*counts, *rates)),
        "Tools",
        note="error rate = errors / known outcomes, with its Wilson 95 % interval",
        labels=_INTERVAL,
    )
    yield calls_over_time(analysis.tool_usage_over_time(chats, time_zone=time_zone))
    if usage["n_errors"].sum():
        yield table(analysis.tool_errors(chats), "Errors by class")
        yield table(
            _known(analysis.tool_recovery(chats)),
            "What came of errors",
            note="a rate is shown from 20 errors of a tool",
        )
    else:
        yield "No call is recorded as failed."
    if latency["n_timed"].sum():
        yield table(latency, "Seconds per call, where both ends are recorded")
    else:
        yield "No call has a start and an end of its own, so how long they take cannot be said."
    funnel = analysis.tool_funnel(chats)
    if funnel["standing"].count():
        yield table(funnel, "Tools offered, called, run and answered")
    yield transitions(analysis.tool_transitions(chats))


def _length(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    distribution = analysis.length_distribution(chats)
    if distribution.is_empty():
        yield "There is no finished conversation to measure."
    else:
        bins = analysis.length_histogram(chats)
        yield table(
            distribution.drop("n_running"),
            "Lengths of finished conversations",
            note=f"left out because they are still running: {distribution['n_running'][0]:,}",
            labels={"n_conversations": "conversations", "n_unknown": "unknown"},
        )
        yield lengths(bins, "n_messages", unit="messages")
        yield lengths(bins, "duration_active_s", unit="active seconds")
    yield endings(analysis.ending_shares(chats))
    yield survival(analysis.prompt_survival(chats))


def _users(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Chart | Table | str]:
    retention = analysis.weekly_retention(chats, time_zone=time_zone)
    if retention.is_empty():
        yield "No prompt has both a time and a known user, so nothing is said about who comes back."
        return
    later = retention.group_by("weeks_later").agg(pl.col("n_users", "n_cohort").sum())
    yield table(analysis.session_thresholds(chats), "Sessions by threshold")
    yield table(
        later.with_columns(share=pl.col("n_users") / pl.col("n_cohort")).sort("weeks_later"),
        "Users who write again, by weeks since their first prompt",
    )


def _tokens(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    models = analysis.tokens_by_model(chats)
    if models.is_empty():
        yield "No message records its tokens, so nothing is said of them or of their cost."
        return
    yield table(_known(models), "Tokens by model", labels={"n_generations": "model calls"})


def _known(frame: pl.DataFrame) -> pl.DataFrame:
    """Leave out the columns in which nothing is known of any row."""
    return frame.select(column for column in frame if column.null_count() < len(column))


def _section(title: str, parts: Iterable[Figure | Chart | Table | str]) -> Section:
    body = "\n".join(_html(part) for part in parts)
    return Section(title.lower().replace(" ", "-"), title, f"<h2>{escape(title)}</h2>\n{body}")


def _html(part: Figure | Chart | Table | str) -> str:
    if isinstance(part, str):
        return f"<p>{escape(part)}</p>"
    return part.html() if isinstance(part, Figure) else shown(part)

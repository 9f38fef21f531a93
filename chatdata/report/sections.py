"""The sections of a report: charts and tables, or a sentence on what the log does not say."""

from __future__ import annotations

from html import escape
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
from chatdata.notebook.page import Section
from chatdata.notebook.table import table
from chatdata.report.figures import figures

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.chart import Chart
    from chatdata.notebook.table import Table
    from chatdata.report.figures import Figure

_INTERVAL = {"error_rate_low": "from", "error_rate_high": "to", "n_known": "known outcomes"}


def sections(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Section]:
    """Make the sections of a report, findings first."""
    yield _section("What was found", *(_figure(each) for each in figures(chats)))
    yield _section("How far it can be trusted", *_quality(chats))
    yield _section("When people write", *_activity(chats, time_zone))
    yield _section("Tool calls", *_tool_calls(chats, time_zone))
    yield _section("Conversation length", *_length(chats))
    yield _section("Users", *_users(chats))


def _quality(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    rejects = analysis.rejects_by_reason(chats)
    reasons = rejects.group_by("source", "reason").agg(pl.col("n_records").sum())
    columns = analysis.completeness(chats)
    empty = columns.filter(pl.col("n_present") == 0, pl.col("n_rows") > 0)
    yield table(chats.audit(), "What the source repeats, and what counts")
    yield table(analysis.messages_by_role(chats), "Messages by role, and rows that are not counted")
    yield table(analysis.quality_checks(chats), "What does not fit together")
    if rejects.is_empty():
        yield "Every record could be read."
    else:
        yield table(reasons.sort("n_records", "source", "reason"), "Records that could not be read")
    if not empty.is_empty():
        names = ", ".join(empty.select(pl.format("{}.{}", "frame", "column")).to_series())
        yield f"The log fills none of these columns: {names}."


def _activity(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Chart | Table | str]:
    yield activity(analysis.activity_over_time(chats, time_zone=time_zone))
    yield week(analysis.hour_of_week(chats, time_zone=time_zone), time_zone=time_zone)


def _tool_calls(chats: Chats[pl.LazyFrame], time_zone: str) -> Iterator[Chart | Table | str]:
    usage = analysis.tool_usage(chats)
    if usage.is_empty():
        yield "No tool was called."
        return
    latency = analysis.tool_latency(chats)
    shown = ["name", "n_tool_calls", "n_conversations", "n_users", "share", "n_errors", "n_known"]
    rates = ["error_rate", "error_rate_low", "error_rate_high", "reason"]
    yield calls_by_tool(usage)
    yield error_rates(usage)
    yield table(
        usage.select(shown + rates),
        "Tools",
        note="error rate = errors / known outcomes, with its Wilson 95 % interval",
        labels=_INTERVAL,
    )
    yield calls_over_time(analysis.tool_usage_over_time(chats, time_zone=time_zone))
    if usage["n_errors"].sum():
        yield table(analysis.tool_errors(chats), "Errors by class")
        yield table(analysis.tool_recovery(chats), "What came of errors")
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
        yield "There are no conversations to measure."
        return
    running = distribution["n_running"][0]
    bins = analysis.length_histogram(chats)
    yield table(
        distribution.drop("n_running"),
        "Lengths of finished conversations",
        note=f"left out because they are still running: {running:,}",
        labels={"n_conversations": "conversations", "n_unknown": "unknown"},
    )
    yield lengths(bins, "n_messages", unit="messages")
    yield lengths(bins, "duration_active_s", unit="active seconds")
    yield endings(analysis.ending_shares(chats))
    yield survival(analysis.prompt_survival(chats))


def _users(chats: Chats[pl.LazyFrame]) -> Iterator[Chart | Table | str]:
    retention = analysis.weekly_retention(chats)
    if retention.is_empty():
        yield "No prompt has both a time and a known user, so nothing is said about who comes back."
        return
    later = retention.group_by("weeks_later").agg(pl.col("n_users", "n_cohort").sum())
    yield table(analysis.session_thresholds(chats), "Sessions by threshold")
    yield table(
        later.with_columns(share=pl.col("n_users") / pl.col("n_cohort")).sort("weeks_later"),
        "Users who write again, by weeks since their first prompt",
    )


def _figure(figure: Figure) -> str:
    """Say a finding, with its query on demand."""
    return (
        f"<details><summary>{escape(figure.sentence)} <small>SQL</small></summary>"
        f"<pre>{escape(figure.sql)}</pre></details>"
    )


def _section(title: str, *parts: Chart | Table | str) -> Section:
    body = "\n".join(_html(part) for part in parts)
    return Section(title.lower().replace(" ", "-"), title, f"<h1>{escape(title)}</h1>\n{body}")


def _html(part: Chart | Table | str) -> str:
    if isinstance(part, str):
        return part if part.startswith("<details>") else f"<p>{escape(part)}</p>"
    bundle = part._repr_mimebundle_()
    picture = bundle.get("image/svg+xml") or bundle["text/html"]
    words = f'<div class="output_subarea" role="group" aria-label="{escape(str(part))}">'
    return f"{words}{picture}</div>"

"""Charts: one function each, from an answer of `chatdata.analysis` to a `Chart`."""

from __future__ import annotations

from chatdata.notebook.charts.activity import activity, retention, week
from chatdata.notebook.charts.flow import flow
from chatdata.notebook.charts.lengths import ecdf, endings, lengths
from chatdata.notebook.charts.quality import completeness
from chatdata.notebook.charts.sequences import survival, transitions
from chatdata.notebook.charts.timeline import timeline
from chatdata.notebook.charts.tools import (
    calls_by_tool,
    calls_over_time,
    error_rates,
    latencies,
)

__all__ = [
    "activity",
    "calls_by_tool",
    "calls_over_time",
    "completeness",
    "ecdf",
    "endings",
    "error_rates",
    "flow",
    "latencies",
    "lengths",
    "retention",
    "survival",
    "timeline",
    "transitions",
    "week",
]

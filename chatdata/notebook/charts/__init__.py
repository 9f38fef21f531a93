"""Charts: one function each, from an answer of `chatdata.analysis` to a `Chart`."""

from __future__ import annotations

from chatdata.notebook.charts.activity import activity, week
from chatdata.notebook.charts.lengths import endings, lengths
from chatdata.notebook.charts.sequences import survival, transitions
from chatdata.notebook.charts.tools import calls_by_tool, calls_over_time, error_rates

__all__ = [
    "activity",
    "calls_by_tool",
    "calls_over_time",
    "endings",
    "error_rates",
    "lengths",
    "survival",
    "transitions",
    "week",
]

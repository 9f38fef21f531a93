"""Questions and their answers: one function per question, `Chats` in, one frame out.

A per-entity answer (one row per conversation, message, call or user) is a lazy frame on the engine
of its input; a summary is a Polars DataFrame. Definitions are those of `docs/metrics.md`.
"""

from __future__ import annotations

from chatdata.analysis.activity import activity_over_time, hour_of_week
from chatdata.analysis.endings import conversation_ending, ending_shares
from chatdata.analysis.length import conversation_length, length_distribution, length_histogram
from chatdata.analysis.messages import message_reconciliation, messages_by_role
from chatdata.analysis.overview import overview
from chatdata.analysis.tools import tool_usage, tool_usage_over_time

__all__ = [
    "activity_over_time",
    "conversation_ending",
    "conversation_length",
    "ending_shares",
    "hour_of_week",
    "length_distribution",
    "length_histogram",
    "message_reconciliation",
    "messages_by_role",
    "overview",
    "tool_usage",
    "tool_usage_over_time",
]

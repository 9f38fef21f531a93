"""Questions and their answers: one function per question, `Chats` in, one frame out.

A per-entity answer (one row per conversation, message, call or user) is a lazy frame on the engine
of its input; a summary is a Polars DataFrame. Definitions are those of `docs/metrics.md`.
"""

from __future__ import annotations

from chatdata.analysis.endings import conversation_ending
from chatdata.analysis.length import conversation_length, length_distribution, length_histogram
from chatdata.analysis.messages import message_reconciliation, messages_by_role
from chatdata.analysis.tools import tool_usage, tool_usage_over_time

__all__ = [
    "conversation_ending",
    "conversation_length",
    "length_distribution",
    "length_histogram",
    "message_reconciliation",
    "messages_by_role",
    "tool_usage",
    "tool_usage_over_time",
]

"""Questions and their answers: one function per question, `Chats` in, one frame out.

A per-entity answer (one row per conversation, message, call or user) is a lazy frame on the engine
of its input; a summary is a Polars DataFrame. Definitions are those of `docs/metrics.md`.
"""

from __future__ import annotations

from chatdata.analysis.activity import activity_over_time, hour_of_week
from chatdata.analysis.agents import agent_trees, subagent_usage
from chatdata.analysis.arguments import tool_argument_values, tool_arguments
from chatdata.analysis.comparison import compare_cohorts, compare_periods
from chatdata.analysis.context import context_growth, conversation_context
from chatdata.analysis.costs import conversation_cost, token_cost
from chatdata.analysis.coverage import coverage, records_by_cause
from chatdata.analysis.cycles import tool_cycles, tool_loops
from chatdata.analysis.distributions import length_distribution, length_ecdf, length_histogram
from chatdata.analysis.drift import argument_drift
from chatdata.analysis.endings import conversation_ending, ending_shares
from chatdata.analysis.errors import tool_error_signatures, tool_errors, tool_latency
from chatdata.analysis.funnel import tool_funnel
from chatdata.analysis.gaps import message_gaps
from chatdata.analysis.invalid import invalid_arguments
from chatdata.analysis.length import conversation_length
from chatdata.analysis.messages import message_reconciliation, messages_by_role
from chatdata.analysis.neighbours import tool_neighbours
from chatdata.analysis.outcomes import call_outcomes
from chatdata.analysis.overview import overview
from chatdata.analysis.parallel import parallel_calls, parallel_calls_by_tool
from chatdata.analysis.quality import completeness, quality_checks, rejects_by_reason
from chatdata.analysis.retries import tool_recovery, tool_repeats
from chatdata.analysis.schemas import tool_schemas
from chatdata.analysis.sequence import tool_ngrams, tool_transitions
from chatdata.analysis.survival import prompt_survival, survival_by_cohort
from chatdata.analysis.talk import conversation_bytes, talk_share, talk_share_distribution
from chatdata.analysis.tokens import conversation_tokens, tokens_by_model, tokens_by_tool_turn
from chatdata.analysis.tools import (
    tool_usage,
    tool_usage_by_group,
    tool_usage_by_server,
    tool_usage_over_time,
)
from chatdata.analysis.turns import response_times, turns
from chatdata.analysis.users import session_thresholds, user_sessions, weekly_retention

__all__ = [
    "activity_over_time",
    "agent_trees",
    "argument_drift",
    "call_outcomes",
    "compare_cohorts",
    "compare_periods",
    "completeness",
    "context_growth",
    "conversation_bytes",
    "conversation_context",
    "conversation_cost",
    "conversation_ending",
    "conversation_length",
    "conversation_tokens",
    "coverage",
    "ending_shares",
    "hour_of_week",
    "invalid_arguments",
    "length_distribution",
    "length_ecdf",
    "length_histogram",
    "message_gaps",
    "message_reconciliation",
    "messages_by_role",
    "overview",
    "parallel_calls",
    "parallel_calls_by_tool",
    "prompt_survival",
    "quality_checks",
    "records_by_cause",
    "rejects_by_reason",
    "response_times",
    "session_thresholds",
    "subagent_usage",
    "survival_by_cohort",
    "talk_share",
    "talk_share_distribution",
    "token_cost",
    "tokens_by_model",
    "tokens_by_tool_turn",
    "tool_argument_values",
    "tool_arguments",
    "tool_cycles",
    "tool_error_signatures",
    "tool_errors",
    "tool_funnel",
    "tool_latency",
    "tool_loops",
    "tool_neighbours",
    "tool_ngrams",
    "tool_recovery",
    "tool_repeats",
    "tool_schemas",
    "tool_transitions",
    "tool_usage",
    "tool_usage_by_group",
    "tool_usage_by_server",
    "tool_usage_over_time",
    "turns",
    "user_sessions",
    "weekly_retention",
]

"""What the numbers about tool calls, survival, users and tokens mean."""

from __future__ import annotations

from chatdata.analysis.metric import Metric, Topic

_NEVER = "never null"

TOOL_CALLS = Topic(
    "Tool calls",
    "Denied and cancelled are decisions of a person, not errors.",
    (
        Metric(
            "errors",
            1,
            "count",
            "calls with status error or timeout and an `error_source` (explicit or protocol)",
            _NEVER,
            ("tool_usage.n_errors", "tool_usage_over_time.n_errors"),
        ),
        Metric(
            "known_outcomes",
            1,
            "count",
            "calls with status ok, and errors, of sources in which some call has status ok",
            _NEVER,
            ("tool_usage.n_known",),
        ),
        Metric(
            "error_rate",
            1,
            "0 to 1, with the Wilson 95 % interval",
            "errors ÷ known outcomes",
            (
                "null, with the reason, where no outcome or only failures are recorded, and below "
                "`min_n` (20) known outcomes"
            ),
            (
                "tool_usage.error_rate",
                "tool_usage.error_rate_low",
                "tool_usage.error_rate_high",
                "tool_usage.reason",
            ),
        ),
        Metric(
            "latency",
            1,
            "s",
            "end minus start of a call, where both are recorded",
            "null for calls of one message that end in the same instant",
            ("tool_latency.p50_s", "tool_latency.n_timed"),
        ),
        Metric(
            "retry",
            1,
            "count",
            (
                "a call whose predecessor of the same tool in the same turn was an error: exact "
                "(equal JSON), near (at most 15 % of the words differ) or changed"
            ),
            _NEVER,
            ("tool_repeats.n_retries", "tool_repeats.n_retries_exact"),
        ),
        Metric(
            "repeat",
            1,
            "count",
            "the same without an error before it",
            _NEVER,
            ("tool_repeats.n_repeats",),
        ),
        Metric(
            "recovery",
            1,
            "0 to 1, with the Wilson 95 % interval",
            "errors followed by a success of the same tool within the turn, of all errors",
            "null below `min_n` (20) errors",
            ("tool_recovery.recovery_rate", "tool_recovery.n_recovered"),
        ),
        Metric(
            "transitions",
            1,
            "count",
            (
                "consecutive calls of one conversation's main path, by message position, then call "
                "position; pairs within one message are parallel"
            ),
            _NEVER,
            ("tool_transitions.n_transitions", "tool_transitions.n_parallel"),
        ),
    ),
)

SURVIVAL = Topic(
    "Survival",
    "Over conversations with a prompt.",
    (
        Metric(
            "survival",
            1,
            "0 to 1, with Greenwood's 95 % interval",
            (
                "the share of conversations that reach prompt k, by Kaplan and Meier; censored "
                "where the last message lies within 24 h of the log's last"
            ),
            "the interval, where nobody is left to tell",
            (
                "prompt_survival.survival",
                "prompt_survival.survival_low",
                "prompt_survival.survival_high",
            ),
        ),
        Metric(
            "log_rank",
            1,
            "chi-squared with one degree of freedom",
            "each cohort against all the others",
            "null where there is nothing to compare",
            ("survival_by_cohort.chi2", "survival_by_cohort.p_value"),
        ),
    ),
)

USERS = Topic(
    "User sessions",
    "Over timed prompts of known users. A conversation is not a session.",
    (
        Metric(
            "session",
            1,
            "count",
            (
                "a user's prompts over all conversations in time order; a new one begins where the "
                "gap exceeds the threshold, 30 min unless asked otherwise"
            ),
            _NEVER,
            ("user_sessions.session", "session_thresholds.n_sessions"),
        ),
        Metric(
            "fragility",
            1,
            "0 to 1",
            "the share of gaps within 20 % of the threshold",
            "null without gaps or threshold",
            ("session_thresholds.fragility",),
        ),
        Metric(
            "retention",
            1,
            "0 to 1",
            "users of a week's cohort who write in a later week, of all who began in that week",
            _NEVER,
            ("weekly_retention.share", "weekly_retention.n_cohort"),
        ),
    ),
)

_NOT_RECORDED = "null where not recorded; never estimated"

TOKENS = Topic(
    "Tokens and cost",
    "Over generations, on and off the main path; the rows of one count once, by maximum.",
    (
        *(
            Metric(
                kind,
                1,
                "tokens",
                meaning,
                _NOT_RECORDED,
                (f"conversation_tokens.{kind}", f"tokens_by_model.{kind}"),
            )
            for kind, meaning in {
                "tokens_in": "uncached input, as the provider recorded it",
                "tokens_out": "output, reasoning included",
                "tokens_cache_read": "input read from the cache",
                "tokens_cache_write": "input written to the cache",
                "tokens_reasoning": "the reasoning part of the output",
            }.items()
        ),
        Metric(
            "cost",
            1,
            "micro-units of the price's currency",
            "tokens times the price of their kind, whole micro-units, with the price's id and date",
            "null, with the reason, for models and kinds of tokens without a price; never 0",
            ("token_cost.cost_micro", "token_cost.price_id", "token_cost.reason"),
        ),
    ),
)

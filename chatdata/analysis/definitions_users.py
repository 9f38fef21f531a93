"""What the numbers about how far conversations get, who comes back, and what differs mean."""

from __future__ import annotations

from chatdata.analysis.metric import Metric, Topic

_NEVER = "never null"

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
                "where the last message lies within 24 h of the log's last; a time that is only a "
                "day is compared with the day of the log's last"
            ),
            "the interval, where nobody has ended yet or nobody is left",
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
            "each cohort against all the others; what names no cohort is left out",
            "null where there is nothing to compare",
            ("survival_by_cohort.chi2", "survival_by_cohort.p_value"),
        ),
    ),
)

USERS = Topic(
    "User sessions",
    "Over prompts of known users with a time; for sessions, with more than a day. A conversation "
    "is not a session.",
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

COMPARISON = Topic(
    "Comparison",
    (
        "Of two periods of one length, in whole weeks where they fit, or of two cohorts while both "
        "were in use. Conversations that are still running are left out."
    ),
    (
        Metric(
            "difference",
            1,
            "that of the measure, with a 95 % interval",
            (
                "second minus first of a sum over a sum; what varies is the user (the "
                "conversation, where fewer than 5 users are known on a side): Welch's interval for "
                "means, Newcombe's over the effective number of cases for shares"
            ),
            "null, with the reason, with fewer than `min_n` (20) cases or 5 clusters on a side",
            (
                "compare_periods.difference",
                "compare_periods.difference_low",
                "compare_periods.difference_high",
                "compare_periods.reason",
                "compare_cohorts.difference",
            ),
        ),
    ),
)

QUALITY = Topic(
    "Coverage",
    "Over rows of every kind.",
    (
        Metric(
            "active_days",
            1,
            "days in UTC",
            "days with a message, of those from the first to the last",
            "0 where no message has a time",
            ("coverage.n_active_days", "coverage.n_days", "coverage.share"),
        ),
        Metric(
            "silence",
            1,
            "days",
            "most days in a row without a message, between two with one",
            "0 where no message has a time",
            ("coverage.longest_silence_days",),
        ),
        Metric(
            "cause",
            1,
            "records",
            "what became of the records that were read; all but `kept` count nowhere",
            _NEVER,
            ("records_by_cause.n_records", "records_by_cause.share"),
        ),
    ),
)

"""What the numbers about how far conversations get, and who comes back, mean."""

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

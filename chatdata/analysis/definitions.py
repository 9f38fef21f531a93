"""What the numbers mean: every metric's id, version, unit, definition and place.

`docs/metrics.md` is generated from here, and the tests look for each column where this page says
it is. A definition that changes gets a new version.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Metric:
    """One number: what it is called, counted in, made of and found under."""

    id: str
    version: int
    unit: str
    definition: str
    null: str
    columns: tuple[str, ...]


@dataclass(frozen=True)
class Topic:
    """Metrics that belong together, with what is true of all of them."""

    title: str
    preface: str
    metrics: tuple[Metric, ...]


_NEVER = "never null"

LENGTH = Topic(
    "Length",
    (
        "Over counted messages: rows of the main path of kind chat or tool_result. What that "
        "leaves out is in `message_reconciliation`: all rows = counted + injected + summaries + "
        "commands + events + off-path. There is no unqualified number of turns."
    ),
    (
        Metric(
            "n_messages",
            1,
            "count",
            "messages on the main path, kinds chat and tool_result",
            _NEVER,
            ("conversation_length.n_messages", "messages_by_role.n_messages"),
        ),
        Metric(
            "n_prompts",
            1,
            "count",
            "messages a person wrote: role user, kind chat",
            _NEVER,
            ("conversation_length.n_prompts",),
        ),
        Metric(
            "n_generations",
            1,
            "count",
            "model API calls: distinct `generation_id` of assistant chat messages",
            "null where there are answers and none names its generation",
            ("conversation_length.n_generations",),
        ),
        Metric(
            "n_tool_calls",
            1,
            "count",
            "tool calls emitted, on or off the main path",
            _NEVER,
            ("conversation_length.n_tool_calls", "tool_usage.n_tool_calls"),
        ),
        Metric(
            "turn.prompt",
            1,
            "count",
            "spans that begin at a prompt and end before the next one; the default turn",
            _NEVER,
            ("conversation_length.turns_prompt",),
        ),
        Metric(
            "turn.generation",
            1,
            "count",
            "= `n_generations`",
            "as `n_generations`",
            ("conversation_length.turns_generation",),
        ),
        Metric(
            "turn.exchange",
            1,
            "count",
            "floor(n_messages / 2); only for comparison with published tables",
            _NEVER,
            ("conversation_length.turns_exchange",),
        ),
        Metric(
            "turn.role_switch",
            1,
            "count",
            "adjacent user → assistant pairs of counted messages",
            _NEVER,
            ("conversation_length.turns_role_switch",),
        ),
        Metric(
            "turn.speaker",
            1,
            "count",
            "maximal runs of counted messages of one role",
            _NEVER,
            ("conversation_length.turns_speaker",),
        ),
        Metric(
            "chars",
            1,
            "code points",
            "visible content of counted messages",
            "null where there are messages and none has text",
            ("conversation_length.n_chars", "messages_by_role.n_chars"),
        ),
        Metric(
            "running",
            1,
            "count",
            (
                "conversations that the end of the log cut: their last turn is unfinished "
                "(`conversation_ending` is user, tool_result or pending_tool) and their last "
                "message is at most 30 min older than the log's; left out of distributions"
            ),
            _NEVER,
            ("length_distribution.n_running",),
        ),
    ),
)

TIME = Topic(
    "Time",
    "Over counted messages with a time finer than a day.",
    (
        Metric(
            "duration.wall",
            1,
            "s",
            "last time minus first time, in the conversation's order",
            "null with fewer than two times, or where it would be negative",
            ("conversation_length.duration_wall_s",),
        ),
        Metric(
            "duration.active(cap)",
            1,
            "s",
            "Σ min(gap, cap) over consecutive messages; cap 300 s unless asked otherwise",
            "as `duration.wall`",
            ("conversation_length.duration_active_s",),
        ),
    ),
)

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

TOPICS = (LENGTH, TIME, TOOL_CALLS, SURVIVAL)


def page() -> str:
    """Write `docs/metrics.md`."""
    lines = [
        "# Metrics",
        "",
        "<!-- Generated by `make docs`; a test compares. -->",
        "",
        (
            "What the numbers mean. A metric's version grows when its definition changes; rates "
            "never come without their n, and what is not known is null."
        ),
    ]
    for topic in TOPICS:
        lines += ["", f"## {topic.title}", "", topic.preface, ""]
        lines += [
            "| metric | version | unit | definition | null | column |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_row(metric) for metric in topic.metrics]
    return "\n".join([*lines, ""])


def _row(metric: Metric) -> str:
    columns = ", ".join(f"`{column}`" for column in metric.columns)
    cells = (metric.id, metric.version, metric.unit, metric.definition, metric.null, columns)
    return f"| {' | '.join(str(cell) for cell in cells)} |"

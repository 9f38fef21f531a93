"""What the numbers mean: every metric's id, version, unit, definition and place.

`docs/metrics.md` is generated from here, and the tests look for each column where this page says
it is. A definition that changes gets a new version.
"""

from __future__ import annotations

from chatdata.analysis.definitions_calls import ARGUMENTS, TOOL_CALLS
from chatdata.analysis.definitions_tokens import TOKENS
from chatdata.analysis.definitions_users import COMPARISON, QUALITY, SURVIVAL, USERS
from chatdata.analysis.metric import Metric, Topic

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
            "bytes",
            1,
            "bytes of UTF-8",
            "visible content of counted messages; reads every text",
            "conversations without text are left out",
            ("conversation_bytes.n_bytes",),
        ),
        Metric(
            "talk_share",
            1,
            "0 to 1",
            "the part of a conversation's characters that a role wrote",
            "null where all text is empty",
            ("talk_share.user_share", "talk_share_distribution.p50_share"),
        ),
        Metric(
            "ecdf",
            1,
            "0 to 1, with the band of Dvoretzky, Kiefer and Wolfowitz",
            "the share of finished conversations with that length or less",
            "as the length",
            ("length_ecdf.share", "length_ecdf.share_low", "length_ecdf.share_high"),
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
    (
        "Over counted messages with a time finer than a day. `duration.working`, model and tool "
        "time alone, is not offered: no frame records when the model began."
    ),
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
        Metric(
            "latency.first_response",
            1,
            "s",
            "first answer minus first prompt of a conversation",
            "null where either has no time, or time runs backwards",
            ("response_times.p50_s", "response_times.n"),
        ),
        Metric(
            "latency.response",
            1,
            "s",
            "first answer of a turn minus its prompt",
            "as before",
            ("turns.response_s", "response_times.p90_s"),
        ),
        Metric(
            "latency.turn",
            1,
            "s",
            "last answer or tool result of a turn minus its prompt",
            "as before",
            ("turns.latency_s", "response_times.max_s"),
        ),
        Metric(
            "gap",
            1,
            "s",
            "the time of a message minus that of the one before it",
            "quantiles leave out gaps below 0, which are counted",
            ("message_gaps.p50_s", "message_gaps.n_gaps", "message_gaps.n_backwards"),
        ),
    ),
)

TOPICS = (
    LENGTH,
    TIME,
    TOOL_CALLS,
    ARGUMENTS,
    SURVIVAL,
    USERS,
    TOKENS,
    COMPARISON,
    QUALITY,
)


_PUBLISHING = (
    "",
    "## Publishing",
    "",
    (
        "A table meant to be published goes through `chatdata.publish.suppressed`: cells with "
        "fewer than 10 different users are left out, and in every line the next smallest with "
        "them, until what is hidden is two cells or more with 10 users together."
    ),
)


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
    return "\n".join([*lines, *_PUBLISHING, ""])


def _row(metric: Metric) -> str:
    columns = ", ".join(f"`{column}`" for column in metric.columns)
    cells = (metric.id, metric.version, metric.unit, metric.definition, metric.null, columns)
    return f"| {' | '.join(str(cell) for cell in cells)} |"

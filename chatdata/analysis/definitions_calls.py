"""What the numbers about tool calls and their arguments mean."""

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
            (
                "tool_usage.n_errors",
                "tool_usage_over_time.n_errors",
                "tool_usage_by_server.n_errors",
                "tool_usage_by_group.n_errors",
            ),
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
            "group",
            1,
            "name",
            (
                "what a tool does, by its name: the first entry that fits of an editable file, "
                "`chatdata/analysis/taxonomy.toml` unless asked otherwise"
            ),
            "null where no entry fits",
            ("tool_usage_by_group.group", "tool_usage_by_group.n_tools"),
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
        Metric(
            "lift",
            1,
            "ratio",
            (
                "the share of a neighbour among what is called right before or after a tool, over "
                "its share of all calls of the main path: 1 is what chance would give"
            ),
            "null for the start and the end of a conversation's calls",
            ("tool_neighbours.lift", "tool_neighbours.share"),
        ),
        Metric(
            "cycle",
            1,
            "calls",
            "1 to 4 calls with the same arguments, made 3 times or more in a row",
            _NEVER,
            ("tool_cycles.n_tool_calls", "tool_cycles.n_steps"),
        ),
        Metric(
            "loop",
            1,
            "calls",
            (
                "6 or more calls in a row each of which was made, with the same arguments, among "
                "the 8 before it"
            ),
            _NEVER,
            ("tool_loops.n_tool_calls", "tool_loops.n_distinct"),
        ),
        Metric(
            "fan_out",
            1,
            "calls",
            "calls of one message; more than one are parallel",
            "calls that name no message are left out",
            ("parallel_calls.fan_out", "parallel_calls_by_tool.n_parallel"),
        ),
        Metric(
            "agent_tree",
            1,
            "conversations",
            (
                "a conversation and those that come from it, step by step, by relation subagent; "
                "depth is the number of steps, fan-out the most sub-agents that one starts"
            ),
            _NEVER,
            (
                "agent_trees.n_conversations",
                "agent_trees.depth",
                "agent_trees.fan_out",
                "agent_trees.share_below",
                "subagent_usage.n_conversations",
            ),
        ),
    ),
)

ARGUMENTS = Topic(
    "Arguments",
    "Over calls whose arguments are a JSON object; only `tool_argument_values` shows values.",
    (
        Metric(
            "argument_share",
            1,
            "0 to 1",
            "calls with an argument, of all calls of its tool with arguments",
            _NEVER,
            ("tool_arguments.share", "tool_arguments.n_present"),
        ),
        Metric(
            "schema",
            1,
            "JSON schema",
            "the narrowest that all calls of a tool keep to, names and types only",
            _NEVER,
            ("tool_schemas.schema", "tool_schemas.n_shapes"),
        ),
        Metric(
            "enumeration",
            1,
            "count",
            (
                "calls by value of an argument that takes at most 12 values, texts of at most 64 "
                "characters, booleans, integers or null, each met 5 times or more on average"
            ),
            _NEVER,
            ("tool_argument_values.n_tool_calls",),
        ),
        Metric(
            "drift",
            1,
            "a word, and a difference of shares with Newcombe's 95 % interval",
            "what changed of an argument between the calls before and after a moment",
            "null with fewer than `min_n` (20) calls on either side",
            ("argument_drift.drift", "argument_drift.difference"),
        ),
        Metric(
            "invalid_arguments",
            1,
            "count",
            (
                "calls whose arguments are no JSON object, by what is wrong with their form, and "
                "errors of class invalid_arguments, by how their form differs from that of calls "
                "that ended ok"
            ),
            _NEVER,
            ("invalid_arguments.cause", "invalid_arguments.n_tool_calls"),
        ),
    ),
)

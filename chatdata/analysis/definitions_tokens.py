"""What the numbers about tokens and cost mean."""

from __future__ import annotations

from chatdata.analysis.metric import Metric, Topic

_NEVER = "never null"
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
            "tool_turn",
            1,
            "tokens",
            (
                "tokens of turns by how many calls they make; a turn is a prompt and what stands "
                "before the next one, on the main path and off it"
            ),
            "as the kinds of tokens",
            ("tokens_by_tool_turn.tokens_out", "tokens_by_tool_turn.tokens_out_per_turn"),
        ),
        Metric(
            "cost",
            2,
            "micro-units of the price's currency",
            (
                "tokens times the price of their kind, each generation rounded to a whole "
                "micro-unit; its price is the newest of its model that is not younger than it is, "
                "else the oldest, and its id and date are shown. The bundled list, "
                "`chatdata/analysis/prices.toml`, is in US dollars"
            ),
            (
                "null, with the reason, for models and kinds of tokens without a price, and for "
                "contexts longer than the price holds for; never 0"
            ),
            (
                "token_cost.cost_micro",
                "token_cost.price_id",
                "token_cost.price_date",
                "token_cost.reason",
                "conversation_cost.cost_micro",
                "conversation_cost.n_unpriced",
            ),
        ),
        Metric(
            "context",
            1,
            "tokens",
            "all input of a generation of the main path: uncached, from the cache and to it",
            "null where not recorded",
            (
                "conversation_context.max_context",
                "conversation_context.growth",
                "context_growth.p50_context",
            ),
        ),
        Metric(
            "compaction",
            1,
            "count",
            (
                "summaries on the main path; beside it, generations with less than half the "
                "context of the one before"
            ),
            _NEVER,
            ("conversation_context.n_compactions", "conversation_context.n_drops"),
        ),
    ),
)

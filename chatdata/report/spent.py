"""The sections on what was spent: sub-agents, tokens and their cost."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis
from chatdata.notebook.table import known, table
from chatdata.report.figure import many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.table import Table

_MODEL_CALLS = {"n_generations": "model calls"}
_MICRO = 1_000_000


def agents(chats: Chats[pl.LazyFrame]) -> Iterator[Table | str]:
    """Show what sub-agents do, where conversations start any."""
    usage = analysis.subagent_usage(chats)
    if usage.is_empty():
        yield "No conversation starts another."
        return
    trees = analysis.agent_trees(chats)
    deepest, widest = trees.select(pl.col("depth", "fan_out").max()).row(0)
    yield (
        f"{many(len(trees), 'conversation')} start others: up to {deepest} levels deep, and up to "
        f"{widest} from one."
    )
    yield table(known(usage), "Sub-agents by type")


def tokens(chats: Chats[pl.LazyFrame]) -> Iterator[Table | str]:
    """Show the tokens of models and turns, how contexts grow, and what it costs."""
    models = analysis.tokens_by_model(chats)
    if models.is_empty():
        yield "No message records its tokens, so nothing is said of them or of their cost."
        return
    yield table(known(models), "Tokens by model", labels=_MODEL_CALLS)
    yield from _cost(chats)
    turns = analysis.tokens_by_tool_turn(chats)
    yield table(
        known(turns),
        "Tokens of turns, by how many tool calls they make",
        note="without a number of calls: what stands before the first prompt",
        labels=_MODEL_CALLS,
    )
    growth = analysis.context_growth(chats)
    if not growth.is_empty():
        yield table(
            growth,
            "How contexts grow",
            note="tokens read by a model call, by which one of its conversation it is",
            labels=_MODEL_CALLS,
        )


def _cost(chats: Chats[pl.LazyFrame]) -> Iterator[Table | str]:
    """Say what models with a list price cost, and which have none."""
    costs = analysis.token_cost(chats)
    priced = costs.drop_nulls("cost_micro")
    unpriced = costs.filter(pl.col("cost_micro").is_null()).with_columns(
        said=pl.format(
            "{} in {} model calls ({})",
            pl.col("model").fill_null("(no model)"),
            "n_generations",
            "reason",
        )
    )
    if not unpriced.is_empty():
        yield f"Without a cost: {', '.join(unpriced['said'])}."
    if not priced.is_empty():
        total = priced["cost_micro"].sum() / _MICRO
        yield table(
            priced.select(
                "model",
                "n_generations",
                (pl.col("cost_micro") / _MICRO).alias("cost"),
                "price_id",
                "price_date",
            ),
            "What it costs at list prices",
            note=f"US dollars, {total:,.2f} in all; list prices of the days shown, no discount",
            labels={**_MODEL_CALLS, "price_id": "price", "price_date": "looked up on"},
            decimals={"cost": 4},
        )

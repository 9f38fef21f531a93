"""The section that quotes, for whoever asks for it: failed calls, and how conversations begin."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis
from chatdata.notebook.table import known, table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.table import Table

_MOST_CHARS = 300
_FAILED = ("error", "timeout")


def examples(chats: Chats[pl.LazyFrame], n: int) -> Iterator[Table | str]:
    """Quote the most frequent errors, and the longest conversations' titles and first prompts.

    Args:
        chats: what to quote.
        n: of each, how many.
    """
    failed = pl.col("status").is_in(_FAILED) & pl.col("error_source").is_not_null()
    calls = chats.tool_calls.filter(failed).sort("tool_call_id").collect()
    if calls.is_empty():
        yield "No call is recorded as failed."
    else:
        signatures = analysis.tool_error_signatures(chats)
        yield table(signatures, "What errors say, without numbers and names", most=n)
        yield table(_one_of_each(calls, n), "Calls that failed, one of each kind")
    begun = _begun(chats, n)
    if begun.is_empty():
        yield "Nobody wrote a prompt."
    else:
        yield table(begun, "How the longest conversations begin")


def _one_of_each(calls: pl.DataFrame, n: int) -> pl.DataFrame:
    """Take one call of each tool and class of error, of the most frequent first."""
    texts = [_short(name).alias(name) for name in ("arguments_raw", "result")]
    kinds = calls.group_by("name", "error_class").agg(pl.len().alias("n_errors"), *_first(texts))
    order = ("n_errors", "name", "error_class")
    return known(kinds.sort(*order, descending=[True, False, False], nulls_last=True).head(n))


def _begun(chats: Chats[pl.LazyFrame], n: int) -> pl.DataFrame:
    """Take the first prompt of the conversations with most messages."""
    is_prompt = (pl.col("role") == "user") & (pl.col("kind") == "chat")
    counted = pl.col("is_main_path") & pl.col("kind").is_in(["chat", "tool_result"])
    longest = (
        chats.messages.filter(counted)
        .sort("conversation_id", "position")
        .group_by("conversation_id")
        .agg(
            n_messages=pl.len().cast(pl.Int64),
            first_prompt=_short("content").filter(is_prompt).first(),
        )
        .sort("n_messages", "conversation_id", descending=[True, False])
        .head(n)
    )
    titles = chats.conversations.select("conversation_id", title=_short("title"))
    named = longest.join(titles, on="conversation_id", how="left", maintain_order="left")
    return known(named.select("title", "n_messages", "first_prompt").collect())


def _first(texts: list[pl.Expr]) -> list[pl.Expr]:
    return [text.first() for text in texts]


def _short(name: str) -> pl.Expr:
    text = pl.col(name)
    cut = pl.concat_str(text.str.head(_MOST_CHARS), pl.lit(" …"))
    return pl.when(text.str.len_chars() > _MOST_CHARS).then(cut).otherwise(text)

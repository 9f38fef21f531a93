"""What became of every record, in numbers that add up."""

from __future__ import annotations

import polars as pl

_COUNTS = ("n_records", "n_messages", "n_tool_calls")


def accounting(
    conversations: pl.DataFrame, rows: pl.DataFrame, calls: pl.DataFrame
) -> pl.DataFrame:
    """Add up records, messages, calls and output tokens per document, bundle and cause."""
    copy = (
        pl.when(pl.col("_owner") != pl.col("conversation_id"))
        .then(pl.lit("replayed by a fork"))
        .otherwise(pl.lit("mirrored"))
    )
    event = pl.when(pl.col("kind") == "event").then(pl.lit("event")).otherwise(pl.lit("kept"))
    of_messages = rows.select(
        "_document",
        "_bundle",
        cause=pl.when("_counts").then(event).otherwise(copy),
        n_records="_n_records",
        n_messages=1,
        output_tokens="output_tokens",
    )
    of_calls = calls.select(
        "_document",
        "_bundle",
        cause=pl.when("_counts")
        .then(pl.lit("kept"))
        .when("_own")
        .then(pl.lit("mirrored"))
        .otherwise(pl.lit("replayed by a fork")),
        n_records="_n_records",
        n_tool_calls=1,
    )
    nothing_left = (
        rows.group_by("_bundle").agg(_all_copies=~pl.col("_counts").any()).filter("_all_copies")
    )
    of_conversations = conversations.join(
        nothing_left, on="_bundle", how="left", maintain_order="left"
    ).select(
        "_document",
        "_bundle",
        cause=pl.when(pl.col("_all_copies").fill_null(value=False))
        .then(pl.lit("mirrored"))
        .when(_is_about_nobody(conversations))
        .then(pl.lit("event"))
        .otherwise(pl.lit("kept")),
        n_records="_n_records",
    )
    return (
        pl.concat([of_conversations, of_messages, of_calls], how="diagonal_relaxed")
        .group_by("_document", "_bundle", "cause")
        .agg(
            *(pl.col(name).sum().cast(pl.UInt64) for name in _COUNTS), sum_or_null("output_tokens")
        )
        .sort("_document", "_bundle", "cause")
    )


def _is_about_nobody(conversations: pl.DataFrame) -> pl.Series:
    """Mark the hints that no row has, since what they are about is not here."""
    here = conversations.filter(~pl.col("_hint"))["_about"].unique()
    has_row = pl.col("_about").is_in(here.implode()).fill_null(value=False)
    about_nobody = pl.col("_hint") & ~has_row & (pl.col("_n_records") > 0)
    return conversations.select(about_nobody).to_series()


def sum_or_null(name: str) -> pl.Expr:
    """Sum a column; all null is null, not 0."""
    return pl.when(pl.col(name).count() > 0).then(pl.col(name).sum()).alias(name)

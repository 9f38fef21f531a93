"""Tool calls: each id once, with the result that some copy of it has."""

from __future__ import annotations

import polars as pl

from chatdata import schema

_RESULT = ("result", "result_message_id", "status", "error_source", "error_class")


def decide(calls: pl.LazyFrame, rows: pl.DataFrame) -> pl.DataFrame:
    """Decide which calls count: each id once, that of the message which counts before its copies.

    A call that only a copy of its message has counts too. Copies of calls that no message issued
    are found by their `_twin`. Adds `_new_id` and `_owner`, the message and conversation that have
    the call, and its key and position there.
    """
    issuers = rows.select(
        "_bundle",
        "_owner",
        message_id="_old_id",
        _new_id="_key",
        _issuer_counts="_counts",
        _own=pl.col("_owner") == pl.col("conversation_id"),
    ).unique(["_bundle", "message_id"], keep="first")
    keys = calls.select(
        "_row",
        "_document",
        "_bundle",
        "_n_records",
        "conversation_id",
        "message_id",
        "tool_call_id",
        "native_id",
        "position",
        "status",
        "_twin",
        pl.col("_stamped").fill_null(value=False),
    ).collect()
    alone = pl.col("message_id").is_null() & pl.col("_twin").is_not_null()
    by_place = pl.concat_str("message_id", pl.lit(":"), "position")
    by_id = pl.concat_str("conversation_id", pl.lit(":"), "native_id")
    decided = (
        keys.join(issuers, on=["_bundle", "message_id"], how="left", maintain_order="left")
        .with_columns(
            tool_call_id=pl.when(pl.col("_new_id").is_null())
            .then("tool_call_id")
            .when(pl.col("tool_call_id") == by_place)
            .then(pl.concat_str("_new_id", pl.lit(":"), "position"))
            .when(pl.col("tool_call_id") == by_id)
            .then(pl.concat_str("_owner", pl.lit(":"), "native_id"))
            .otherwise("tool_call_id"),
            _owner=pl.coalesce("_owner", "conversation_id"),
            _issuer_counts=pl.col("_issuer_counts").fill_null(value=True),
            _own=pl.col("_own").fill_null(~pl.col("_stamped")),
        )
        .sort(pl.col("_issuer_counts").not_(), "_stamped", "_row")
        .with_columns(
            _counts=(pl.int_range(pl.len()).over("tool_call_id") == 0)
            & (~alone | (pl.int_range(pl.len()).over("_twin") == 0))
        )
    )
    rescued = decided.filter(pl.col("_counts") & ~pl.col("_issuer_counts"))
    if not rescued.is_empty():
        nth = pl.int_range(pl.len(), dtype=pl.UInt32).over("_new_id", "_counts")
        with_rescued = pl.col("_new_id").is_in(rescued["_new_id"].implode())
        decided = decided.with_columns(
            position=pl.when(with_rescued).then(nth).otherwise("position")
        )
    return decided.sort("_row")


def tool_calls(calls: pl.LazyFrame, decided: pl.DataFrame, rows: pl.DataFrame) -> pl.LazyFrame:
    """Give the calls that count, pointing at the messages that count."""
    kept = decided.filter("_counts").select("_row", "_new_id", "_owner", "tool_call_id", "position")
    frame = (
        calls.drop("tool_call_id", "position", "conversation_id")
        .join(kept.lazy(), on="_row", how="inner", maintain_order="left")
        .with_columns(message_id=pl.coalesce("_new_id", "message_id"), conversation_id="_owner")
    )
    moved = rows.filter(pl.col("_old_id") != pl.col("_key")).select(
        "_bundle", result_message_id="_old_id", _result_at="_key"
    )
    if not moved.is_empty():
        frame = frame.join(
            moved.lazy().unique(["_bundle", "result_message_id"]),
            on=["_bundle", "result_message_id"],
            how="left",
            maintain_order="left",
        ).with_columns(result_message_id=pl.coalesce("_result_at", "result_message_id"))
    frame = _with_results_of_copies(frame, calls, decided)
    return frame.select(schema.TOOL_CALLS.schema.names())


def _with_results_of_copies(
    frame: pl.LazyFrame, calls: pl.LazyFrame, decided: pl.DataFrame
) -> pl.LazyFrame:
    """Give a call that ended without a result the one that a copy of it has."""
    answered = decided.filter(~pl.col("_counts") & (pl.col("status") != "no_result"))
    waiting = decided.filter(pl.col("_counts") & (pl.col("status") == "no_result"))
    answered = answered.join(waiting.select("tool_call_id"), on="tool_call_id", how="semi")
    if answered.is_empty():
        return frame
    results = (
        calls.join(answered.lazy().select("_row"), on="_row", how="semi")
        .unique("tool_call_id", keep="first", maintain_order=True)
        .select("tool_call_id", *(pl.col(name).alias(f"_{name}") for name in _RESULT))
    )
    unanswered = (pl.col("status") == "no_result") & pl.col("_status").is_not_null()
    return frame.join(results, on="tool_call_id", how="left", maintain_order="left").with_columns(
        pl.when(unanswered).then(f"_{name}").otherwise(name).alias(name) for name in _RESULT
    )

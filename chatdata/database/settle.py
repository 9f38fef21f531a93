"""What only the whole database tells of its calls: what it stores at all, and results elsewhere."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database.calls import CallSource, read_calls
from chatdata.database.values import joined, json_object

if TYPE_CHECKING:
    from collections.abc import Iterable

_FAILED = ("error", "timeout")
_FACTS = ("arguments_raw", "result", "status", "status_evidence")


def settled(
    calls: pl.DataFrame, answers: pl.DataFrame, samples: Iterable[pl.DataFrame] = ()
) -> pl.DataFrame:
    """Finish the calls of a database.

    Args:
        calls: the kernel's columns with `tool_call_id`, `conversation_id`, `message_id`,
            `started_at` and `ended_at`.
        answers: results in rows of their own: `conversation_id`, `native_id` of the call,
            `message_id`, `content`.
        samples: the kernel's rows of other calls of the same database.

    Returns:
        The tool_calls frame, in the order of `calls`.
    """
    calls = _answered(calls, answers)
    facts = pl.concat(part.filter(outcome="call").select(_FACTS) for part in (calls, *samples))
    if not _known_arguments(facts):
        calls = _without_constants(calls, facts)
    stores_results = facts["result"].is_not_null().any()
    unanswered = pl.col("status_evidence").is_null() & (pl.col("status") == "no_result")
    if not stores_results:
        calls = calls.with_columns(
            status=pl.when(unanswered).then(pl.lit("unknown")).otherwise("status")
        )
    is_told = pl.col("status_evidence").is_in(["flag", "result"])
    by_text = pl.when(pl.col("status_evidence") == "text").then(pl.lit("text"))
    return calls.with_columns(
        error_source=pl.when(pl.col("status").is_in(_FAILED) & is_told).then(pl.lit("explicit")),
        extra=joined(pl.col("extra"), json_object({"status_evidence": by_text})),
    ).select(pl.col(name).cast(kind) for name, kind in schema.TOOL_CALLS.schema.items())


def _answered(calls: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Give calls the results that stand in messages of role tool; the first answer counts."""
    if answers.is_empty() or calls.is_empty():
        return calls
    first = answers.unique(["conversation_id", "native_id"], keep="first", maintain_order=True)
    joined = calls.join(
        first.rename({"message_id": "_answer_id", "content": "_answer"}),
        on=["conversation_id", "native_id"],
        how="left",
        maintain_order="left",
    )
    row = read_calls(joined, CallSource(flat={"name": "name", "result": "_answer"}))
    told = row.select(
        "_row",
        *(
            pl.col(name).alias(f"_{name}")
            for name in ("result", "status", "status_evidence", "error_class")
        ),
    )
    merged = joined.with_row_index("_place").join(
        told, left_on="_place", right_on="_row", how="left", maintain_order="left"
    )
    open_ = pl.col("result").is_null() & pl.col("_answer_id").is_not_null()
    unflagged = open_ & (pl.col("status_evidence") != "flag").fill_null(value=True)
    return merged.with_columns(
        result=pl.when(open_).then("_result").otherwise("result"),
        result_message_id=pl.when(open_).then("_answer_id").otherwise("result_message_id"),
        status=pl.when(unflagged).then("_status").otherwise("status"),
        status_evidence=pl.when(unflagged).then("_status_evidence").otherwise("status_evidence"),
        status_below=pl.when(open_).then("_status").otherwise("status_below"),
        error_class=pl.when(unflagged).then("_error_class").otherwise("error_class"),
    ).select(calls.columns)


def _known_arguments(calls: pl.DataFrame) -> bool:
    """Whether the database stores arguments: somewhere they are neither absent nor `{}`."""
    return bool(calls["arguments_raw"].ne("{}").fill_null(value=False).any())


def _without_constants(calls: pl.DataFrame, facts: pl.DataFrame) -> pl.DataFrame:
    """Take no word for it where an application writes the same placeholders for every call."""
    calls = calls.with_columns(
        arguments=pl.lit(None, pl.String), arguments_status=pl.lit(None, pl.String)
    )
    is_flag = (pl.col("status_evidence") == "flag").fill_null(value=False)
    flags = facts.filter(is_flag)["status"]
    if flags.n_unique() != 1 or len(flags) < len(facts):
        return calls
    is_object = pl.col("result").str.starts_with("{")
    return calls.with_columns(
        status="status_below",
        status_evidence=pl.when(pl.col("status_below").is_in(["ok", "error"])).then(
            pl.when(is_object).then(pl.lit("result")).otherwise(pl.lit("text"))
        ),
        error_class=pl.when((pl.col("status_below") == "error") & is_object).then("error_class"),
    )

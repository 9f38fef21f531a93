"""What only the whole database tells of its calls: what it stores at all, and results elsewhere."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from chatdata import schema
from chatdata.database.calls import CallSource, read_calls
from chatdata.database.values import joined, json_object

_FAILED = ("error", "timeout")
_PLACE = pl.col("_position").cast(pl.Int64).fill_null(-1)
_ANSWER = {"name": "name", "result": "_answer", "status": "_said"}


@dataclass(frozen=True)
class Facts:
    """What a database stores of its calls at all.

    Attributes:
        has_arguments: somewhere they are neither absent nor `{}`.
        has_results: somewhere there is a result.
        flags: the statuses that a flag of its own tells.
        all_flagged: whether every call has such a flag.
    """

    has_arguments: bool = False
    has_results: bool = False
    flags: frozenset[str] = frozenset()
    all_flagged: bool = True

    @classmethod
    def of(cls, calls: pl.DataFrame) -> Facts:
        """Gather the facts of some calls, the kernel's rows of them."""
        calls = calls.filter(outcome="call")
        is_flag = calls["status_evidence"].eq("flag").fill_null(value=False)
        return cls(
            bool(calls["arguments_raw"].ne("{}").fill_null(value=False).any()),
            bool(calls["result"].is_not_null().any()),
            frozenset(calls["status"].filter(is_flag)),
            bool(is_flag.all()),
        )

    def __or__(self, other: Facts) -> Facts:
        return Facts(
            self.has_arguments or other.has_arguments,
            self.has_results or other.has_results,
            self.flags | other.flags,
            self.all_flagged and other.all_flagged,
        )


def settled(calls: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Finish calls that have what results there are.

    Args:
        calls: the kernel's columns with `tool_call_id`, `conversation_id`, `message_id`,
            `started_at` and `ended_at`.
        facts: those of all calls of the database.

    Returns:
        The tool_calls frame, in the order of `calls`.
    """
    if not facts.has_arguments:
        calls = _without_constants(calls, facts)
    unanswered = pl.col("status_evidence").is_null() & (pl.col("status") == "no_result")
    if not facts.has_results:
        calls = calls.with_columns(
            status=pl.when(unanswered).then(pl.lit("unknown")).otherwise("status")
        )
    is_told = pl.col("status_evidence").is_in(["flag", "result"])
    by_text = pl.when(pl.col("status_evidence") == "text").then(pl.lit("text"))
    return calls.with_columns(
        error_source=pl.when(pl.col("status").is_in(_FAILED) & is_told).then(pl.lit("explicit")),
        extra=joined(pl.col("extra"), json_object({"status_evidence": by_text})),
    ).select(pl.col(name).cast(kind) for name, kind in schema.TOOL_CALLS.schema.items())


def answered(calls: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Give calls the results that stand in messages of role tool; the first answer counts.

    Args:
        calls: as `settled` takes them, with `_position`, the place of their message in its
            conversation, null without one.
        answers: `conversation_id`, `native_id` of the call, `message_id`, its `_position`,
            `content`, and `status` where the message says how the call ended.
    """
    if answers.is_empty() or calls.is_empty():
        return calls
    first = _of_calls(calls, answers).select(
        "_which", _answer_id="message_id", _answer="content", _said="status"
    )
    joined = calls.with_row_index("_which").join(
        first, on="_which", how="left", maintain_order="left"
    )
    row = read_calls(joined, CallSource(flat=_ANSWER))
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


def _of_calls(calls: pl.DataFrame, answers: pl.DataFrame) -> pl.DataFrame:
    """Give each answer the place of its call, `_which`: the last of that id before it.

    Some applications begin their ids anew in every turn. Of several calls of one id in a message,
    or in none, the first takes the first answer, and so on.
    """
    key = ["conversation_id", "native_id"]
    made = calls.with_row_index("_which").select("_which", *key, _PLACE)
    made = made.join(answers, on=key, how="semi").with_columns(_turn="_position")
    turns = made.select(*key, "_position", "_turn").unique().sort("_position")
    placed = answers.with_columns(_PLACE).sort("_position", maintain_order=True)
    for strategy in ("backward", "forward"):
        placed = placed.join_asof(
            turns.rename({"_turn": f"_{strategy}"}),
            on="_position",
            by=key,
            strategy=strategy,
            check_sortedness=False,
        )
    turn = [*key, "_turn"]
    nth = pl.int_range(pl.len()).over(turn).alias("_of")
    answered = placed.with_columns(_turn=pl.coalesce("_backward", "_forward")).with_columns(nth)
    return answered.join(
        made.sort("_which").select("_which", *turn).with_columns(nth), on=[*turn, "_of"]
    )


def named_by_row(answers: pl.DataFrame, table: pl.DataFrame) -> pl.DataFrame:
    """Give answers that name their call by its row the id of the call itself.

    Args:
        answers: as `answered` takes them.
        table: the calls of a table, with `_key`, the key of the row.
    """
    key = ["conversation_id", "native_id"]
    rows = table.select("conversation_id", native_id="_key", _call="native_id").unique(key)
    by_row = answers.join(table, on=key, how="anti").select(key).unique().join(rows, on=key)
    return (
        answers.join(by_row, on=key, how="left", maintain_order="left")
        .with_columns(native_id=pl.coalesce("_call", "native_id"))
        .select(answers.columns)
    )


def _without_constants(calls: pl.DataFrame, facts: Facts) -> pl.DataFrame:
    """Take no word for it where an application writes the same placeholders for every call."""
    calls = calls.with_columns(
        arguments=pl.lit(None, pl.String), arguments_status=pl.lit(None, pl.String)
    )
    if len(facts.flags) != 1 or not facts.all_flagged:
        return calls
    is_object = pl.col("result").str.starts_with("{")
    return calls.with_columns(
        status="status_below",
        status_evidence=pl.when(pl.col("status_below").is_in(["ok", "error"])).then(
            pl.when(is_object).then(pl.lit("result")).otherwise(pl.lit("text"))
        ),
        error_class=pl.when((pl.col("status_below") == "error") & is_object).then("error_class"),
    )

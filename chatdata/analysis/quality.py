"""How far a log can be trusted: what is missing, loose, out of order or unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from chatdata import schema
from chatdata.analysis.rates import share
from chatdata.analysis.rows import counted, tally, total, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["completeness", "quality_checks", "rejects_by_reason"]

_2000_US = 946_684_800_000_000


def completeness(chats: Chats[Frame]) -> pl.DataFrame:
    """Say how much of each column of conversations, messages and tool calls the log fills.

    Returns:
        One row per column, in the order of the contract: `frame`, `column` (str), `n_rows`,
        `n_present` (i64, not null), `share` (f64, null without rows).
    """
    tables = (schema.CONVERSATIONS, schema.MESSAGES, schema.TOOL_CALLS)
    counts = pl.concat([_present(getattr(chats, table.name), table) for table in tables])
    return counts.with_columns(share=share(pl.col("n_present"), pl.col("n_rows")))


def quality_checks(chats: Chats[Frame]) -> pl.DataFrame:
    """Count what does not fit together.

    Returns:
        One row per check, in a fixed order: `problem` (str, what was looked for), `n` (i64, how
        often it was found), `n_checked` (i64, among how many), `share` (f64, null where nothing was
        checked).
    """
    checks = [*_orphans(chats), *_clock(chats), *_calls(chats)]
    rows = pl.DataFrame(
        checks,
        schema={"problem": pl.String(), "n": pl.Int64(), "n_checked": pl.Int64()},
        orient="row",
    )
    return rows.with_columns(share=share(pl.col("n"), pl.col("n_checked")))


def rejects_by_reason(chats: Chats[Frame]) -> pl.DataFrame:
    """Count the records that could not be read, by why.

    Returns:
        One row per source, origin and reason, most records first: `source`, `origin`, `reason`
        (str), `n_records` (i64).
    """
    return (
        nw.from_native(chats.rejects)
        .group_by("source", "origin", "reason")
        .agg(n_records=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
        .sort("n_records", "source", "origin", "reason", descending=[True, False, False, False])
    )


def _present(frame: Frame, table: schema.Table) -> pl.DataFrame:
    counts = [
        nw.col(column.name).count().cast(nw.Int64).alias(column.name) for column in table.columns
    ]
    found = nw.from_native(frame).select(nw.len().cast(nw.Int64).alias("n_rows"), *counts)
    row = found.collect("polars").to_polars()
    return row.unpivot(index="n_rows", variable_name="column", value_name="n_present").select(
        pl.lit(table.name).alias("frame"), "column", "n_rows", "n_present"
    )


def _orphans(chats: Chats[Frame]) -> list[tuple[str, int, int]]:
    conversations, messages, calls = (
        nw.from_native(frame) for frame in (chats.conversations, chats.messages, chats.tool_calls)
    )
    linked = calls.filter(~nw.col("message_id").is_null())
    answered = calls.filter(~nw.col("result_message_id").is_null())
    spoken = messages.select("conversation_id").unique()
    results = messages.select(result_message_id="message_id")
    known = conversations.select("conversation_id")
    return [
        _check("conversations without messages", conversations, spoken, "conversation_id"),
        _check("messages of unknown conversations", messages, known, "conversation_id"),
        _check("calls of unknown conversations", calls, known, "conversation_id"),
        _check("calls of unknown messages", linked, messages.select("message_id"), "message_id"),
        _check("results in unknown messages", answered, results, "result_message_id"),
        ("calls that name no message", _size(calls) - _size(linked), _size(calls)),
    ]


def _clock(chats: Chats[Frame]) -> list[tuple[str, int, int]]:
    rows = with_us(chats.messages, "created_at")
    timed = rows.filter(~nw.col("created_us").is_null())
    previous = (
        nw.col("created_us").shift(1).over("conversation_id", order_by=("position", "message_id"))
    )
    gaps = (
        counted(chats)
        .filter(~nw.col("created_us").is_null())
        .select(gap=nw.col("created_us") - previous)
        .filter(~nw.col("gap").is_null())
    )
    return [
        ("messages without a time", _size(rows) - _size(timed), _size(rows)),
        (
            "messages dated before 2000",
            _size(timed.filter(nw.col("created_us") < _2000_US)),
            _size(timed),
        ),
        (
            "messages older than the one before them",
            _size(gaps.filter(nw.col("gap") < 0)),
            _size(gaps),
        ),
        (
            "messages of the same instant as the one before them",
            _size(gaps.filter(nw.col("gap") == 0)),
            _size(gaps),
        ),
    ]


def _calls(chats: Chats[Frame]) -> list[tuple[str, int, int]]:
    found = {
        "calls without a name": nw.col("name").is_null(),
        "calls whose arguments are no JSON object": nw.col("arguments_status").is_in(
            ["invalid", "not_object"]
        ),
        "calls without a result": nw.col("status") == "no_result",
        "calls whose outcome is not known": nw.col("status") == "unknown",
        "errors that only words suggest": nw.col("status").is_in(["error", "timeout"])
        & nw.col("error_source").is_null(),
        "calls that end before they start": nw.col("ended_at") < nw.col("started_at"),
    }
    calls = nw.from_native(chats.tool_calls)
    numbers = {str(place): tally(condition) for place, condition in enumerate(found.values())}
    counts = (
        calls.with_columns(**numbers)
        .select(*(total(name) for name in numbers))
        .collect("polars")
        .to_polars()
    )
    n = _size(calls)
    return [(name, counts[str(place)].item() or 0, n) for place, name in enumerate(found)]


def _check(
    problem: str, rows: nw.LazyFrame[Any], known: nw.LazyFrame[Any], on: str
) -> tuple[str, int, int]:
    """Count the rows whose key is not known."""
    return (problem, _size(rows.join(known.unique(), on=on, how="anti")), _size(rows))


def _size(frame: nw.LazyFrame[Any]) -> int:
    return int(frame.select(nw.len()).collect("polars").item())

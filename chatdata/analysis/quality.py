"""How far a log can be trusted: what is missing, loose, out of order or unreadable."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import narwhals as nw
import polars as pl

from chatdata import schema
from chatdata.analysis.rates import share
from chatdata.analysis.rows import gaps, tally, total, with_us

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
    known = conversations.select("conversation_id")
    # By conversation first: a million messages are a few ten thousand rows to look up.
    said = messages.group_by("conversation_id").agg(
        n=nw.len().cast(nw.Int64), places=nw.col("position").n_unique().cast(nw.Int64)
    )
    called = calls.group_by("conversation_id").agg(n=nw.len().cast(nw.Int64))
    n_messages, n_places = _sums(said, "n", "places")
    n_calls, n_linked, n_answered = _sums(
        calls.select(
            n=nw.lit(1).cast(nw.Int64),
            linked=tally(~nw.col("message_id").is_null()),
            answered=tally(~nw.col("result_message_id").is_null()),
        ),
        *("n", "linked", "answered"),
    )
    ids = messages.select("message_id")
    return [
        _check("conversations without messages", known, said, n=_size(known)),
        ("messages of unknown conversations", _sums(_beyond(said, known), "n")[0], n_messages),
        ("calls of unknown conversations", _sums(_beyond(called, known), "n")[0], n_calls),
        _check("calls of unknown messages", calls.select("message_id"), ids, n=n_linked),
        _check(
            "results in unknown messages",
            calls.select(message_id=nw.col("result_message_id")),
            ids,
            n=n_answered,
        ),
        ("calls that name no message", n_calls - n_linked, n_calls),
        ("messages in the place of another", n_messages - n_places, n_messages),
    ]


def _clock(chats: Chats[Frame]) -> list[tuple[str, int, int]]:
    time = nw.col("created_us")
    n_rows, n_timed, n_old = _sums(
        with_us(chats.messages, "created_at").select(
            n=nw.lit(1).cast(nw.Int64), timed=tally(~time.is_null()), old=tally(time < _2000_US)
        ),
        *("n", "timed", "old"),
    )
    n_gaps, n_back, n_same = _sums(
        gaps(chats).select(
            n=nw.lit(1).cast(nw.Int64),
            back=tally(nw.col("gap_us") < 0),
            same=tally(nw.col("gap_us") == 0),
        ),
        *("n", "back", "same"),
    )
    return [
        ("messages without a time", n_rows - n_timed, n_rows),
        ("messages dated before 2000", n_old, n_timed),
        ("messages older than the one before them", n_back, n_gaps),
        ("messages of the same instant as the one before them", n_same, n_gaps),
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
    marked = nw.from_native(chats.tool_calls).select(
        n=nw.lit(1).cast(nw.Int64),
        **{str(place): tally(condition) for place, condition in enumerate(found.values())},
    )
    n, *counts = _sums(marked, "n", *(str(place) for place in range(len(found))))
    return [(name, count, n) for name, count in zip(found, counts, strict=True)]


def _check(
    problem: str, rows: nw.LazyFrame[Any], known: nw.LazyFrame[Any], *, n: int
) -> tuple[str, int, int]:
    """Count the rows whose first column is not known, of n; a null is no key."""
    return (problem, _size(_beyond(rows.filter(~nw.col(rows.columns[0]).is_null()), known)), n)


def _beyond(rows: nw.LazyFrame[Any], known: nw.LazyFrame[Any]) -> nw.LazyFrame[Any]:
    key = rows.columns[0]
    return rows.join(known.select(key), on=key, how="anti")


def _sums(rows: nw.LazyFrame[Any], *names: str) -> list[int]:
    """Sum columns of counts; nothing sums to 0."""
    sums = rows.select(*(total(name) for name in names)).collect("polars").to_polars()
    return [sums[name].item() or 0 for name in names]


def _size(frame: nw.LazyFrame[Any]) -> int:
    return int(frame.select(nw.len()).collect("polars").item())

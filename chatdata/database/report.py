"""What is said of a read beside its rows: findings, rejects, accounting."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.chats import Finding

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator, Mapping, Sequence

    from chatdata.database.calls import CallSource
    from chatdata.database.extract import Raw


def of_calls(origin: str, raw: Raw, places: Sequence[CallSource]) -> Iterator[Finding]:
    """Say where the calls of a message table were found."""
    for place in places:
        found = _of_place(origin, raw, place)
        beside = "; of messages that have none in the places before" if place != places[0] else ""
        yield replace(found, reason=f"{found.reason}{beside}")


def _of_place(origin: str, raw: Raw, source: CallSource) -> Finding:
    names = {alias: name for name, alias in raw.columns.items()}
    table = raw.binding.table.name
    if source.flat is not None:
        columns = ", ".join(names[alias] for alias in source.flat.values())
        reason = "flat columns; they hold at most one call a message"
        return Finding(origin, f"{table}.{columns}", "tool_calls", reason)
    inside = f" under {source.inside!r}" if source.inside else ""
    beside = f", results in {names[source.results]!r}" if source.results else ""
    reason = f"a place that holds calls{inside}{beside}"
    return Finding(origin, f"{table}.{names[source.text or '']}", "tool_calls", reason)


def of_unknown_roles(origin: str, raw: Raw, n_rows: int, n_words: int) -> Finding:
    """Say how many rows are events because nobody knows who speaks; the words may be names."""
    column = raw.binding.columns.get("role")
    place = f"{raw.binding.table.name}.{column.name}" if column else raw.binding.table.name
    words = "word that is no role" if n_words == 1 else "different words that are no roles"
    reason = (
        f"{n_words} {words}; if another column says who speaks, map role to it, or say what each"
        " stands for, as `--map role.WORD=user`"
    )
    if raw.binding.is_of_steps:
        types = "a type" if n_words == 1 else f"{n_words} types"
        reason = f"steps of {types} that nobody said or called: runs, generations and the like"
    return Finding(origin, place, f"{n_rows} rows are events", reason)


def of_unread_times(origin: str, raw: Raw, counts: Mapping[str, int]) -> Iterator[Finding]:
    """Say in how many rows something is stored for a time that is none, column by column."""
    for what, n_rows in counts.items():
        column = raw.binding.columns.get(what)
        if column is not None and n_rows:
            values = "1 time that is" if n_rows == 1 else f"{n_rows} times that are"
            reason = f"{values} in no known form, or may mean two days; none counts as recorded"
            yield Finding(origin, f"{raw.binding.table.name}.{column.name}", "not read", reason)


def of_parts(origin: str, raw: Raw, n_read: int, n_unread: int) -> Iterator[Finding]:
    """Say how many texts were lists of parts, and of how many nothing could be taken apart."""
    listed = [one.name for what in ("content", "parts") if (one := raw.binding.columns.get(what))]
    place = f"{raw.binding.table.name}.{', '.join(listed)}"
    if n_read:
        reason = "lists of parts, or strings of JSON: their words, the calls and results among them"
        yield Finding(origin, place, f"{n_read} texts taken apart", reason)
    if n_unread:
        reason = (
            f"{n_unread} texts are lists of parts of a kind that is not known, kept as they are"
            " stored: calls and results in them are not counted"
        )
        yield Finding(origin, place, "not read", reason)


def of_passed(
    origin: str, raw: Raw, passed: Collection[tuple[str, str | None]]
) -> Iterator[Finding]:
    """Say which columns, or keys of what they hold, look like calls and are not counted."""
    for column, key in sorted(passed, key=lambda one: (one[0], one[1] or "")):
        under = f" under {key!r}" if key else ""
        remedy = "" if key else f"; `--map tool_calls={column}` counts them"
        reason = f"holds what looks like calls{under}, of messages without any{remedy}"
        yield Finding(origin, f"{raw.binding.table.name}.{column}", "not read", reason)


def mirrored(origin: str, counts: list[pl.DataFrame], n_stages: int) -> Iterator[Finding]:
    """Say what rows of a table of calls were left aside.

    Args:
        origin: the database.
        counts: what became of all rows.
        n_stages: how many of the rows go on with the call of another one.
    """
    again = pl.concat(counts).filter(pl.col("n_records") > 0, cause="mirrored")
    if again.is_empty():
        return
    table = again["_table"][0]
    if n := again["n_records"].sum() - n_stages:
        reason = "a second copy: the messages hold the calls, and their column is the truth"
        yield Finding(origin, table, f"{n} rows not counted", reason)
    if n_stages:
        reason = "later stages of calls that count once, under the same id"
        yield Finding(origin, table, f"{n_stages} rows put together with others", reason)


def rejects(calls: pl.DataFrame | None, origin: str) -> pl.DataFrame:
    """Give the rejects frame: a row for each malformed text, item or row of calls."""
    if calls is None:
        return schema.REJECTS.schema.to_frame()
    return (
        calls.filter(pl.col("outcome") == "malformed")
        .select(
            source=pl.lit("app-db"),
            origin=pl.lit(origin),
            path=_path(origin),
            record="_record",
            byte_offset=None,
            reason="reason",
        )
        .select(pl.col(name).cast(kind) for name, kind in schema.REJECTS.schema.items())
    )


def accounting(origin: str, counts: list[pl.DataFrame]) -> pl.DataFrame:
    """Say what became of every row read, table by table, from the counts of parts of them."""
    counted = ("n_records", "n_messages", "n_tool_calls")
    tokens = pl.col("output_tokens")
    return (
        pl.concat(counts)
        .group_by("_table", "cause", maintain_order=True)
        .agg(
            pl.col(*counted).sum(),
            output_tokens=pl.when(tokens.count() > 0).then(tokens.sum()),
        )
        .with_columns(origin=pl.lit(origin), path=_path(origin))
        .select(pl.col(name).cast(kind) for name, kind in schema.ACCOUNTING.schema.items())
    )


def of_conversations(listed: pl.DataFrame) -> pl.DataFrame:
    """Count the rows of the conversation table, with `_table`."""
    return _part(listed, pl.lit("kept"), n_records=pl.lit(1))


def of_tool_calls(
    calls: pl.DataFrame | None,
    mirror: pl.DataFrame | None,
    again: pl.DataFrame | None,
    stages: pl.DataFrame | None,
) -> list[pl.DataFrame]:
    """Count calls.

    Args:
        calls: the kernel's rows that count, with `_table`; those of a table of calls have `_of`,
            and each is a record. Malformed parts of a message are rejected, but no records.
        mirror: the rows of a table of calls that the messages hold too.
        again: calls of messages that repeat another message's.
        stages: further stages of calls that count, of a message or of a table.
    """
    one, parts = pl.lit(1), []
    if calls is not None:
        own_rows = _is_row(calls)
        is_call = pl.col("outcome") == "call"
        cause = pl.when(is_call).then(pl.lit("kept")).otherwise(pl.lit("rejected"))
        counted = calls.filter(pl.col("outcome") != "kept")
        parts.append(_part(counted, cause, n_records=own_rows, n_tool_calls=one))
    if mirror is not None:
        parts.append(_part(mirror, pl.lit("mirrored"), n_records=one, n_tool_calls=one))
    if again is not None and again.height:
        parts.append(_part(again, pl.lit("mirrored"), n_tool_calls=one))
    if stages is not None and stages.height:
        own_rows = _is_row(stages)
        parts.append(_part(stages, pl.lit("mirrored"), n_records=own_rows, n_tool_calls=one))
    return parts


def n_rows(calls: pl.DataFrame) -> int:
    """Count the calls that are rows of a table of their own."""
    return calls.filter(_is_row(calls)).height


def _is_row(calls: pl.DataFrame) -> pl.Expr:
    """Say which calls are rows of a table of their own."""
    return pl.col("_of").is_not_null() if "_of" in calls.columns else pl.lit(value=False)


def of_messages(frame: pl.DataFrame) -> pl.DataFrame:
    """Count part of a message table; a row whose role nobody knows is an event, no message."""
    is_event = frame["kind"] == "event"
    one, tokens = pl.lit(1), pl.col("output_tokens")
    counts = [
        _part(rows, pl.lit(cause), n_records=one, n_messages=one, output_tokens=tokens)
        for cause, rows in (("kept", frame.filter(~is_event)), ("event", frame.filter(is_event)))
        if rows.height
    ]
    return pl.concat(counts) if counts else _part(frame, pl.lit("kept"))


def _part(rows: pl.DataFrame, cause: pl.Expr, **each: pl.Expr) -> pl.DataFrame:
    """Count rows by table and cause; `each` is what one row adds, nothing where not named."""
    adds = {"n_records": pl.lit(0), "n_messages": pl.lit(0), "n_tool_calls": pl.lit(0)}
    adds |= {"output_tokens": pl.lit(None), **each}
    return (
        rows.select(
            "_table", cause=cause, **{name: value.cast(pl.Int64) for name, value in adds.items()}
        )
        .group_by("_table", "cause", maintain_order=True)
        .agg(
            pl.col("n_records", "n_messages", "n_tool_calls").sum(),
            pl.when(pl.col("output_tokens").count() > 0).then(pl.col("output_tokens").sum()),
        )
    )


def _path(origin: str) -> pl.Expr:
    return pl.concat_str(pl.lit(f"{origin}/"), "_table")

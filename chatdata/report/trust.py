"""How far a log can be trusted: the tables of the first page, each with its query."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import analysis, schema
from chatdata.notebook.table import table
from chatdata.report.figure import COUNTED, Figure, many

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats
    from chatdata.notebook.table import Table

_TABLES = (schema.CONVERSATIONS, schema.MESSAGES, schema.TOOL_CALLS)
_N_COLUMNS = sum(len(each.columns) for each in _TABLES)


def trust_figures(chats: Chats[pl.LazyFrame]) -> Iterator[Figure]:
    """Find what the log repeats, leaves out, contradicts or does not record."""
    yield _audit(chats)
    yield _roles(chats)
    yield _checks(chats)
    yield _rejects(chats)
    yield _empty(chats)
    yield _completeness(chats)


def _audit(chats: Chats[pl.LazyFrame]) -> Figure:
    def show(frame: pl.DataFrame) -> Table:
        return table(
            frame,
            "What the log repeats, and what counts",
            note="naive: everything as it stands; certified: each thing once",
        )

    sql = """with causes as (
  select cause, sum(n_records)::bigint as n_records, sum(n_messages)::bigint as n_messages,
    sum(n_tool_calls)::bigint as n_tool_calls, sum(output_tokens)::bigint as output_tokens
  from accounting group by cause
), totals as (
  select 0 as part, * from causes
  union all
  select 1, 'naive', coalesce(sum(n_records), 0), coalesce(sum(n_messages), 0),
    coalesce(sum(n_tool_calls), 0), sum(output_tokens) from causes
  union all
  select 2, 'certified', coalesce(sum(n_records), 0), coalesce(sum(n_messages), 0),
    coalesce(sum(n_tool_calls), 0), sum(output_tokens) from causes where cause = 'kept'
)
select cause, n_records::bigint as n_records, n_messages::bigint as n_messages,
  n_tool_calls::bigint as n_tool_calls, output_tokens::bigint as output_tokens
from totals order by part, totals.n_records desc, cause"""
    return Figure(chats.audit(), sql, show)


def _roles(chats: Chats[pl.LazyFrame]) -> Figure:
    def show(frame: pl.DataFrame) -> Table:
        parts = ("injected", "summaries", "commands", "events", "off_path")
        left_out = [f"{frame[f'n_{part}'].sum():,} {part.replace('_', ' ')}" for part in parts]
        return table(
            frame,
            "Message rows by role",
            note=f"{frame['n_rows'].sum():,} rows = {frame['n_messages'].sum():,} messages that "
            f"lengths count + {' + '.join(left_out)}",
        )

    sql = f"""with roles (role, place) as (
  values ('system', 1), ('user', 2), ('assistant', 3), ('tool', 4)
), rows as (
  select role, n_chars, kind, is_main_path, {COUNTED} as counted from messages
)
select role, count(kind) as n_rows, count(*) filter (counted) as n_messages,
  n_messages / nullif(sum(n_messages) over (), 0) as share,
  (sum(n_chars) filter (counted))::bigint as n_chars,
  count(*) filter (is_main_path and kind = 'injected') as n_injected,
  count(*) filter (is_main_path and kind = 'summary') as n_summaries,
  count(*) filter (is_main_path and kind = 'command') as n_commands,
  count(*) filter (is_main_path and kind = 'event') as n_events,
  count(*) filter (not is_main_path) as n_off_path
from roles left join rows using (role)
group by role, place order by place"""
    return Figure(analysis.messages_by_role(chats), sql, show)


def _checks(chats: Chats[pl.LazyFrame]) -> Figure:
    def show(frame: pl.DataFrame) -> Table:
        return table(frame, "What does not fit together", labels={"n": "found"})

    sql = f"""with gaps as (
  select epoch_us(created_at) - lag(epoch_us(created_at)) over
    (partition by conversation_id order by position) as gap
  from messages
  where {COUNTED} and created_at is not null and created_at_precision is distinct from 'day'
), checks (place, problem, n, n_checked) as (
  {_CHECKS}
)
select problem, n, n_checked, n / nullif(n_checked, 0) as share from checks order by place"""
    return Figure(analysis.quality_checks(chats), sql, show)


# What is looked for, in which rows, and which of them have it.
_PROBLEMS = (
    (
        "conversations without messages",
        "conversations",
        "conversation_id not in (select conversation_id from messages)",
    ),
    (
        "messages of unknown conversations",
        "messages",
        "conversation_id not in (select conversation_id from conversations)",
    ),
    (
        "calls of unknown conversations",
        "tool_calls",
        "conversation_id not in (select conversation_id from conversations)",
    ),
    (
        "calls of unknown messages",
        "tool_calls where message_id is not null",
        "message_id not in (select message_id from messages)",
    ),
    (
        "results in unknown messages",
        "tool_calls where result_message_id is not null",
        "result_message_id not in (select message_id from messages)",
    ),
    ("calls that name no message", "tool_calls", "message_id is null"),
    (
        "messages in the place of another",
        "(select row_number() over (partition by conversation_id, position) as nth from messages)",
        "nth > 1",
    ),
    ("messages without a time", "messages", "created_at is null"),
    (
        "messages dated before 2000",
        "messages where created_at is not null",
        "created_at < '2000-01-01'",
    ),
    ("messages older than the one before them", "gaps where gap is not null", "gap < 0"),
    (
        "messages of the same instant as the one before them",
        "gaps where gap is not null",
        "gap = 0",
    ),
    ("calls without a name", "tool_calls", "name is null"),
    (
        "calls whose arguments are no JSON object",
        "tool_calls",
        "arguments_status in ('invalid', 'not_object')",
    ),
    ("calls without a result", "tool_calls", "status = 'no_result'"),
    ("calls whose outcome is not known", "tool_calls", "status = 'unknown'"),
    (
        "errors that only words suggest",
        "tool_calls",
        "status in ('error', 'timeout') and error_source is null",
    ),
    ("calls that end before they start", "tool_calls", "ended_at < started_at"),
)
_CHECKS = "\n  union all ".join(
    f"select {place}, '{problem}', count(*) filter ({found}), count(*) from {rows}"
    for place, (problem, rows, found) in enumerate(_PROBLEMS)
)


def _rejects(chats: Chats[pl.LazyFrame]) -> Figure:
    reasons = (
        analysis.rejects_by_reason(chats)
        .group_by("source", "reason")
        .agg(pl.col("n_records").sum())
        .sort("n_records", "source", "reason", descending=[True, False, False])
    )

    def show(frame: pl.DataFrame) -> Table:
        return table(frame, "Records that could not be read")

    sql = """select source, reason, count(*) as n_records from rejects
group by all order by n_records desc, source, reason"""
    return Figure(reasons, sql, show)


_PRESENT = "\nunion all ".join(
    f"""select '{each.name}' as frame, "column", (select count(*) from {each.name}) as n_rows,
  n_present
from (unpivot (select count(columns(*)) as "\\0" from {each.name})
  on columns(*) into name "column" value n_present)"""
    for each in _TABLES
)


def _empty(chats: Chats[pl.LazyFrame]) -> Figure:
    names = pl.format("{}.{}", "frame", "column")
    empty = analysis.completeness(chats).filter(pl.col("n_present") == 0).select(name=names)

    def show(frame: pl.DataFrame) -> str:
        n = frame.height
        filled = f"{_N_COLUMNS - n} of {many(_N_COLUMNS, 'column')} hold something"
        return f"{filled}; empty are {', '.join(frame['name'])}." if n else f"{filled}."

    sql = f"""with present as (
{_PRESENT}
)
select frame || '.' || "column" as name from present where n_present = 0 order by name"""
    return Figure(empty.sort("name"), sql, show)


def _completeness(chats: Chats[pl.LazyFrame]) -> Figure:
    def show(frame: pl.DataFrame) -> Table:
        return table(
            frame.filter(pl.col("n_present") > 0),
            "How much of each column the log fills",
            most=_N_COLUMNS,
        )

    sql = f"""with present as (
{_PRESENT}
)
select *, n_present / nullif(n_rows, 0) as share from present
order by frame, n_present desc, "column\""""
    columns = analysis.completeness(chats)
    order = ["frame", "n_present", "column"]
    return Figure(columns.sort(order, descending=[False, True, False]), sql, show, folded=True)

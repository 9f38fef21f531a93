"""The figures of a report's first page, each with the SQL that derives it again.

A query runs on the five frames of `Chats.sql` and answers with one row: the figure's values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata import analysis

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats

_COUNTED = "is_main_path and kind in ('chat', 'tool_result')"


@dataclass(frozen=True)
class Figure:
    """A finding in a sentence, its values, and the query that gives them."""

    sentence: str
    values: tuple[Any, ...]
    sql: str


def figures(chats: Chats[pl.LazyFrame]) -> Iterator[Figure]:
    """Find what the first page says, what cannot be said included."""
    counts = dict(analysis.overview(chats).iter_rows())
    yield _size(counts)
    yield _prompts(counts)
    yield _span(chats)
    yield _certified(chats)
    yield _calls(counts)
    if counts["tool calls"]:
        yield _busiest(chats)
        yield _errors(chats)
    yield _lengths(chats)
    yield _rejects(counts)


def _size(counts: dict[str, int]) -> Figure:
    names = ("conversations", "users", "messages")
    users = counts["users"]
    who = f"of {_n(users, 'known user')}" if users else "of users the log does not name"
    return Figure(
        f"There are {_n(counts['conversations'], 'conversation')} {who} "
        f"with {_n(counts['messages'], 'message')}.",
        tuple(counts[name] for name in names),
        f"""select
  (select count(*) from conversations),
  (select count(distinct user_id) from conversations),
  (select count(*) from messages where {_COUNTED})""",
    )


def _prompts(counts: dict[str, int]) -> Figure:
    return Figure(
        f"People wrote {_n(counts['prompts'], 'prompt')}.",
        (counts["prompts"],),
        f"""select count(*) from messages
where {_COUNTED} and role = 'user' and kind = 'chat'""",
    )


def _span(chats: Chats[pl.LazyFrame]) -> Figure:
    times = pl.col("created_at")
    first, last = chats.messages.select(first=times.min(), last=times.max()).collect().row(0)
    sentence = (
        "No message has a time, so nothing is said about when or how long."
        if first is None
        else f"They were written from {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC)."
    )
    return Figure(sentence, (first, last), "select min(created_at), max(created_at) from messages")


def _certified(chats: Chats[pl.LazyFrame]) -> Figure:
    audit = chats.audit().rows_by_key("cause", named=True, unique=True)
    naive, kept = (int(audit[name]["n_messages"]) for name in ("naive", "certified"))
    sentence = (
        f"The source logs {_n(naive - kept, 'message')} more than once or in a form that is none; "
        f"counted as they stand they would be {naive:,} instead of {kept:,}."
        if naive > kept
        else "No message is logged more than once."
    )
    return Figure(
        sentence,
        (naive, kept),
        """select
  coalesce(sum(n_messages), 0)::bigint,
  coalesce(sum(n_messages) filter (cause = 'kept'), 0)::bigint
from accounting""",
    )


def _calls(counts: dict[str, int]) -> Figure:
    calls, tools = counts["tool calls"], counts["tools"]
    return Figure(
        f"There are {_n(calls, 'call')} of {_n(tools, 'named tool')}."
        if calls
        else "No tool was called.",
        (calls, tools),
        "select count(*), count(distinct name) from tool_calls",
    )


def _busiest(chats: Chats[pl.LazyFrame]) -> Figure:
    usage = analysis.tool_usage(chats).row(0, named=True)
    name, calls, share = usage["name"], usage["n_tool_calls"], usage["share"]
    return Figure(
        f"The most used is {name or 'one without a name'}: {calls:,} calls, {share:.0%} of all.",
        (name, calls),
        """select name, count(*) from tool_calls
group by name
order by count(*) desc, name nulls last
limit 1""",
    )


def _errors(chats: Chats[pl.LazyFrame]) -> Figure:
    found = analysis.call_outcomes(chats).row(0, named=True)
    known, errors = found["n_known"], found["n_known_errors"]
    if found["error_rate"] is None:
        sentence = (
            f"How often calls fail cannot be said: {found['reason']} "
            f"({_n(found['n_errors'], 'error')} of {_n(found['n_tool_calls'], 'call')})."
        )
    else:
        low, high = found["error_rate_low"], found["error_rate_high"]
        sentence = (
            f"{errors:,} of {_n(known, 'call')} with a known outcome failed: "
            f"{found['error_rate']:.1%} (95 % interval {low:.1%} to {high:.1%})."
        )
    return Figure(
        sentence,
        (known, errors),
        """with calls as (
  select t.status, t.error_source,
    bool_or(t.status = 'ok') over (partition by c.origin) as records_ok
  from tool_calls t left join conversations c using (conversation_id)
)
select
  count(*) filter (status = 'ok' or status in ('error', 'timeout') and error_source is not null),
  count(*) filter (status in ('error', 'timeout') and error_source is not null)
from calls where records_ok""",
    )


def _lengths(chats: Chats[pl.LazyFrame]) -> Figure:
    messages = analysis.conversation_length(chats).collect()["n_messages"].cast(pl.Float64)
    half, most = (messages.quantile(q, "linear") for q in (0.5, 0.9))
    sentence = (
        "There are no conversations to measure."
        if half is None or most is None
        else f"Half of the {_n(len(messages), 'conversation')} have {half:g} messages or fewer, "
        f"nine in ten {most:.3g} or fewer."
    )
    return Figure(
        sentence,
        (half, most),
        f"""with ids as (
  select conversation_id from conversations
  union select conversation_id from messages
  union select conversation_id from tool_calls
), lengths as (
  select ids.conversation_id, count(message_id) as n_messages
  from ids left join (select * from messages where {_COUNTED}) using (conversation_id)
  group by ids.conversation_id
)
select quantile_cont(n_messages, 0.5), quantile_cont(n_messages, 0.9) from lengths""",
    )


def _rejects(counts: dict[str, int]) -> Figure:
    n = counts["rejected records"]
    return Figure(
        f"{_n(n, 'record')} could not be read in full." if n else "Every record could be read.",
        (n,),
        "select count(*) from rejects",
    )


def _n(n: int, noun: str) -> str:
    return f"{n:,} {noun}{'' if n == 1 else 's'}"

"""What the first page says of conversations, people and time, in sentences with their n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata import analysis
from chatdata.analysis.endings import ended
from chatdata.report.figure import COUNTED, Figure, amount, finding, many, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats

_UNANSWERED = ("pending_tool", "tool_result", "user")

# As `analysis.conversation_ending`, for the queries that need to know what has ended.
_ENDED = f"""counted as (
  select * from messages where {COUNTED}
), ids as (
  select conversation_id from conversations
  union select conversation_id from messages
  union select conversation_id from tool_calls
), last as (
  select conversation_id, max_by(counted, position) as said from counted group by all
), pending as (
  select message_id, bool_or(status = 'no_result') as waits
  from tool_calls where message_id is not null group by all
), times as (
  select conversation_id,
    max(created_at) filter (created_at_precision is distinct from 'day') as last_at,
    max(created_at) filter (created_at_precision = 'day') as last_day
  from messages group by all
), log as (
  select max(created_at) as log_end from messages
), ended as (
  select ids.conversation_id, case
      when said is null then 'nothing'
      when waits then 'pending_tool'
      when said.finish_reason in
        ('length', 'max_tokens', 'model_length', 'max_output_tokens', 'MAX_TOKENS')
        then 'cut_by_length'
      when said.kind = 'tool_result' then 'tool_result'
      when said.role in ('assistant', 'user') then said.role
      else 'other'
    end as ending,
    coalesce(last_at >= log_end - interval 30 minutes, false)
      or coalesce(last_day >= date_trunc('day', log_end) - interval 30 minutes, false) as recent
  from ids cross join log
    left join last using (conversation_id)
    left join times using (conversation_id)
    left join pending on pending.message_id = said.message_id
)"""


def talk_findings(chats: Chats[pl.LazyFrame]) -> Iterator[Figure]:
    """Find what there is, from when, how long it is and how it ends."""
    yield size(chats)
    yield sources(chats)
    yield span(chats)
    yield certified(chats)
    yield lengths(chats)
    yield unanswered(chats)
    yield sessions(chats)


def sources(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find where the log comes from."""
    sources = pl.col("origin").n_unique().cast(pl.Int64)
    formats = pl.col("source").unique().sort().str.join(", ")
    found = chats.conversations.select(sources=sources, formats=formats).collect()

    def say(found: dict[str, Any]) -> str:
        if not found["sources"]:
            return "There is no conversation to report on."
        return f"It was read from {many(found['sources'], 'source')} ({found['formats']})."

    sql = """select
  count(distinct origin) as sources,
  coalesce(string_agg(distinct source, ', ' order by source), '') as formats
from conversations"""
    return finding(sql, say, found.row(0, named=True))


def size(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how much there is."""
    counts = dict(analysis.overview(chats).iter_rows())

    def say(found: dict[str, Any]) -> str:
        users, prompts = found["users"], found["prompts"]
        if not found["conversations"] and not found["messages"]:
            return "The log has no conversation and no message."
        who = f"of {many(users, 'known user')}" if users else "of users the log does not name"
        return (
            f"The log has {many(found['conversations'], 'conversation')} {who}, with "
            f"{many(found['messages'], 'message')}, among them {many(prompts, 'prompt')} that "
            "people wrote."
        )

    sql = f"""select
  (select count(*) from conversations) as conversations,
  (select count(distinct user_id) from conversations) as users,
  count(*) as messages,
  count(*) filter (role = 'user' and kind = 'chat') as prompts
from messages
where {COUNTED}"""
    names = ("conversations", "users", "messages", "prompts")
    return finding(sql, say, {name: counts[name] for name in names})


def span(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find from when it is."""
    time = pl.col("created_at")
    found = (
        chats.messages.filter(pl.col("kind") != "event")
        .select(
            first=time.min(),
            last=time.max(),
            n_rows=pl.len().cast(pl.Int64),
            n_untimed=time.null_count().cast(pl.Int64),
            n_days=time.dt.date().drop_nulls().n_unique().cast(pl.Int64),
        )
        .collect()
    )

    def say(found: dict[str, Any]) -> str:
        if found["first"] is None:
            return "No message has a time, so nothing is said about when or how long."
        first, last = found["first"], found["last"]
        n_days = (last.date() - first.date()).days + 1
        days = f"on {found['n_days']:,} of {many(n_days, 'day')}"
        span = f"from {first:%Y-%m-%d} to {last:%Y-%m-%d} (UTC), {days}"
        untimed = f"; without a time: {found['n_untimed']:,} of {found['n_rows']:,} message rows"
        return f"Messages were written {span}{untimed if found['n_untimed'] else ''}."

    sql = """select
  min(created_at) as first, max(created_at) as last,
  count(*) as n_rows, count(*) filter (created_at is null) as n_untimed,
  count(distinct created_at::date) as n_days
from messages
where kind != 'event'"""
    return finding(sql, say, found.row(0, named=True))


def certified(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how much of it repeats."""
    audit = chats.audit().rows_by_key("cause", named=True, unique=True)
    rows = chats.messages.filter(pl.col("kind") != "event").select(pl.len().cast(pl.Int64))
    found = {
        "naive": audit["naive"]["n_messages"],
        "certified": audit["certified"]["n_messages"],
        "n_rows": rows.collect().item(),
    }

    def say(found: dict[str, Any]) -> str:
        naive, kept = found["naive"], found["certified"]
        # The accounting is of all that was read, also where only a part was asked for.
        whole = "" if kept == found["n_rows"] else " in the whole source, of which this is a part"
        if naive == kept:
            return f"No message is logged more than once{whole}."
        return (
            f"Counted as the log stands there would be {naive:,} message rows instead of "
            f"{kept:,}{whole}: {naive - kept:,} repeat others or are none."
        )

    sql = """select
  coalesce(sum(n_messages), 0)::bigint as naive,
  coalesce(sum(n_messages) filter (cause = 'kept'), 0)::bigint as certified,
  (select count(*) from messages where kind != 'event') as n_rows
from accounting"""
    return finding(sql, say, found)


def lengths(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how long conversations are."""
    quantiles = ("p50", "p90", "max")
    finished = analysis.length_distribution(chats).filter(pl.col("metric") == "n_messages")
    found = {
        "n_conversations": finished["n_conversations"].sum(),
        "n_running": int(ended(chats)["running"].sum()),
        **{name: finished[name].max() for name in quantiles},
    }

    def say(found: dict[str, Any]) -> str:
        if not found["n_conversations"]:
            still = f" ({found['n_running']:,} still running)" if found["n_running"] else ""
            return f"There is no finished conversation to measure{still}."
        n, running = found["n_conversations"], found["n_running"]
        left_out = f"; {running:,} still running {'is' if running == 1 else 'are'} left out"
        half, most, longest = (found[name] for name in quantiles)
        told = (
            f"Half of the {many(n, 'finished conversation')} have {amount(half, 'message')} or "
            f"fewer, nine in ten {number(most)} or fewer, the longest {number(longest)}"
        )
        if n == 1:
            told = f"The only finished conversation has {amount(longest, 'message')}"
        return f"{told}{left_out if running else ''}."

    sql = f"""with {_ENDED}, lengths as (
  select conversation_id, count(message_id)::double as n,
    ending in {_UNANSWERED} and recent as running
  from ended left join counted using (conversation_id)
  group by all
)
select
  count(*) filter (not running) as n_conversations,
  count(*) filter (running) as n_running,
  quantile_cont(n, 0.5) filter (not running) as p50,
  quantile_cont(n, 0.9) filter (not running) as p90,
  max(n) filter (not running) as max
from lengths"""
    return finding(sql, say, found)


def unanswered(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how many end without an answer."""
    n = pl.col("n_conversations")
    found = analysis.ending_shares(chats).select(
        n_conversations=n.sum(),
        n_unanswered=n.filter(pl.col("ending").is_in(_UNANSWERED)).sum(),
        n_cut=n.filter(pl.col("ending") == "cut_by_length").sum(),
    )

    def say(found: dict[str, Any]) -> str:
        n, unanswered = found["n_conversations"], found["n_unanswered"]
        if not n:
            return "Nothing can be said about how conversations end."
        cut = f"; {found['n_cut']:,} end on an answer that ran into its limit"
        how = "an answer, on a prompt, a call or a result"
        return (
            f"{unanswered:,} of {many(n, 'conversation')} ({percent(unanswered / n)}) "
            f"{'ends' if unanswered == 1 else 'end'} without {how}{cut if found['n_cut'] else ''}."
        )

    sql = f"""with {_ENDED}
select
  count(*) as n_conversations,
  count(*) filter (ending in {_UNANSWERED}) as n_unanswered,
  count(*) filter (ending = 'cut_by_length') as n_cut
from ended"""
    return finding(sql, say, found.row(0, named=True))


def sessions(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find in how many sessions people write."""
    half_hour = analysis.session_thresholds(chats).select("n_sessions", "n_gaps", "fragility")

    def say(found: dict[str, Any]) -> str:
        if not found["n_sessions"]:
            return "No prompt has both a time and a known user, so sessions cannot be told."
        told = f"Known users wrote in {many(found['n_sessions'], 'session')}"
        if not found["n_gaps"]:
            return f"{told}."
        return (
            f"{told}, parted by pauses of over 30 minutes; {percent(found['fragility'])} of "
            f"{many(found['n_gaps'], 'pause')} lie within 20 % of that."
        )

    sql = f"""with prompts as (
  select user_id, epoch_us(messages.created_at) as us, message_id
  from messages join conversations using (conversation_id)
  where {COUNTED} and role = 'user' and kind = 'chat'
    and messages.created_at is not null and user_id is not null
    and created_at_precision is distinct from 'day'
), gaps as (
  select (us - lag(us) over (partition by user_id order by us, message_id)) / 1e6 as gap_s
  from prompts
)
select
  count(*) filter (gap_s is null or gap_s > 1800) as n_sessions,
  count(gap_s) as n_gaps,
  avg((gap_s between 1440 and 2160)::int) filter (gap_s is not null) as fragility
from gaps"""
    return finding(sql, say, half_hour.row(0, named=True))

"""What the first page says of tool calls, tokens and rejects, in sentences with their n."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata import analysis
from chatdata.report.figure import Figure, finding, many, number, percent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.chats import Chats

_FEWEST = 20
_NO_NAME = "(no name)"

# Calls with what a rate asks: did it fail, and does its source record successes at all.
_MARKED = """marked as (
  select tool_calls.name, origin, status = 'ok' as ok,
    status in ('error', 'timeout') and error_source is not null as failed
  from tool_calls left join conversations using (conversation_id)
), rated as (
  select name, failed, bool_or(ok) over (partition by origin) and (ok or failed) as known
  from marked
)"""
_Z2 = "3.841458820694124"
_WILSON = f"""middles as (
  select *, n_known_errors / n_known as rate, {_Z2} / n_known as z2_n,
    sqrt(z2_n * (rate * (1 - rate) + z2_n / 4)) as half
  from counts
), intervals as (
  select *, greatest((rate + z2_n / 2 - half) / (1 + z2_n), 0) as low,
    least((rate + z2_n / 2 + half) / (1 + z2_n), 1) as high
  from middles
)"""


def call_findings(chats: Chats[pl.LazyFrame]) -> Iterator[Figure]:
    """Find which tools are called, how often calls fail, how long they take and what was spent."""
    yield from tool_findings(chats)
    if chats.tool_calls.head(1).collect().height:
        yield latency(chats)
    yield tokens(chats)
    yield rejects(chats)


def tool_findings(chats: Chats[pl.LazyFrame]) -> Iterator[Figure]:
    """Find which tools are called, and how often calls fail."""
    usage = analysis.tool_usage(chats, min_n=_FEWEST)
    rated = usage.drop_nulls("error_rate")
    yield _calls(chats, usage)
    if not usage.is_empty():
        yield _busiest(usage)
        yield _errors(chats)
    if not rated.is_empty():
        yield _worst(rated)


def _calls(chats: Chats[pl.LazyFrame], usage: pl.DataFrame) -> Figure:
    talks = chats.tool_calls.select(pl.col("conversation_id").n_unique().cast(pl.Int64))
    found = {
        "n_calls": usage["n_tool_calls"].sum(),
        "n_tools": usage["name"].count(),
        "n_conversations": talks.collect().item(),
    }

    def say(found: dict[str, Any]) -> str:
        if not found["n_calls"]:
            return "No tool was called."
        return (
            f"The log has {many(found['n_calls'], 'call')} of "
            f"{many(found['n_tools'], 'named tool')}, in "
            f"{many(found['n_conversations'], 'conversation')}."
        )

    sql = """select
  count(*) as n_calls,
  count(distinct name) as n_tools,
  count(distinct conversation_id) as n_conversations
from tool_calls"""
    return finding(sql, say, found)


def _busiest(usage: pl.DataFrame) -> Figure:
    def say(found: dict[str, Any]) -> str:
        name, n = found["name"] or _NO_NAME, found["n_tool_calls"]
        share = percent(found["share"])
        return f"The most called tool is {name}: {many(n, 'call')}, {share} of all."

    sql = """select name, count(*) as n_tool_calls, count(*) / sum(count(*)) over () as share
from tool_calls
group by name
order by n_tool_calls desc, name nulls last
limit 1"""
    return finding(sql, say, usage.select("name", "n_tool_calls", "share").row(0, named=True))


def _errors(chats: Chats[pl.LazyFrame]) -> Figure:
    found = analysis.call_outcomes(chats, min_n=_FEWEST).select(
        "n_tool_calls",
        "n_errors",
        "n_known",
        "n_known_errors",
        low="error_rate_low",
        high="error_rate_high",
    )

    def say(found: dict[str, Any]) -> str:
        calls, known, errors = found["n_tool_calls"], found["n_known"], found["n_known_errors"]
        if found["low"] is not None:
            return (
                f"{errors:,} of {many(known, 'call')} with a known outcome failed: "
                f"{errors / known:.1%} (95 % interval {found['low']:.1%} to {found['high']:.1%})."
            )
        if known:
            few = f"the outcome of {known:,} of {many(calls, 'call')} is known"
            why = f"{few}, a rate needs {_FEWEST}; {errors:,} failed"
        elif found["n_errors"]:
            why = f"only failures are recorded, {found['n_errors']:,} in {many(calls, 'call')}"
        else:
            why = f"the outcome of none of {many(calls, 'call')} is recorded"
        return f"How often calls fail cannot be said: {why}."

    sql = f"""with {_MARKED}, counts as (
  select
    count(*) as n_tool_calls,
    count(*) filter (failed) as n_errors,
    count(*) filter (known) as n_known,
    count(*) filter (known and failed) as n_known_errors
  from rated
), {_WILSON}
select n_tool_calls, n_errors, n_known, n_known_errors,
  case when n_known >= {_FEWEST} then low end as low,
  case when n_known >= {_FEWEST} then high end as high
from intervals"""
    return finding(sql, say, found.row(0, named=True))


def _worst(rated: pl.DataFrame) -> Figure:
    worst = rated.sort("error_rate", "name", descending=[True, False], nulls_last=True).select(
        pl.len().cast(pl.Int64).alias("n_tools"),
        "name",
        "n_known",
        rate="error_rate",
        low="error_rate_low",
        high="error_rate_high",
    )

    def say(found: dict[str, Any]) -> str:
        n_tools, name = found["n_tools"], found["name"] or _NO_NAME
        tools = f"the {many(n_tools, 'tool')} with {_FEWEST} known outcomes or more"
        if not found["rate"]:
            return f"No call of {tools} failed."
        who = f"Of {tools}, {name} fails most often"
        if n_tools == 1:
            who = f"The only tool with {_FEWEST} known outcomes or more is {name}"
        return (
            f"{who}: {found['rate']:.1%} of {found['n_known']:,} calls failed "
            f"(95 % interval {found['low']:.1%} to {found['high']:.1%})."
        )

    sql = f"""with {_MARKED}, counts as (
  select name, count(*) filter (known) as n_known,
    count(*) filter (known and failed) as n_known_errors
  from rated
  group by name
  having n_known >= {_FEWEST}
), {_WILSON}
select count(*) over () as n_tools, name, n_known, rate, low, high
from intervals
order by rate desc, name nulls last
limit 1"""
    return finding(sql, say, worst.row(0, named=True))


def latency(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how long calls take."""
    together = chats.tool_calls.with_columns(name=pl.lit("all"))
    timed = analysis.tool_latency(chats.with_frames(tool_calls=together))

    def say(found: dict[str, Any]) -> str:
        timed = found["n_timed"]
        if not timed:
            return "No call has a start and an end of its own: how long they take cannot be said."
        return (
            f"Of {many(timed, 'call')} with a start and an end of their own, half take "
            f"{number(found['p50_s'])} s or less, and 95 % take {number(found['p95_s'])} s or less."
        )

    sql = """with timed as (
  select (epoch_us(ended_at) - epoch_us(started_at)) / 1e6 as s,
    message_id is null or count(*) over (partition by message_id, ended_at) = 1 as own
  from tool_calls
)
select count(*) as n_timed, quantile_cont(s, 0.5) as p50_s, quantile_cont(s, 0.95) as p95_s
from timed
where own and s >= 0"""
    return finding(sql, say, timed.select("n_timed", "p50_s", "p95_s").row(0, named=True))


def tokens(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how many tokens were spent."""
    kinds = ("tokens_in", "tokens_cache_read", "tokens_cache_write", "tokens_out")
    models = analysis.tokens_by_model(chats)
    found = {
        "n_generations": models["n_generations"].sum(),
        **{kind: models[kind].sum() if models[kind].count() else None for kind in kinds},
    }

    def say(found: dict[str, Any]) -> str:
        if not found["n_generations"]:
            return "No message records its tokens, so nothing is said of them or of their cost."
        names = ("read", "read from the cache", "written to the cache", "written")
        told = [
            f"{found[kind]:,} tokens {name}"
            for kind, name in zip(kinds, names, strict=True)
            if found[kind] is not None
        ]
        calls = many(found["n_generations"], "model call")
        return f"{calls} with tokens recorded: {', '.join(told)}."

    sql = """with generations as (
  select
    max(input_tokens) as tokens_in, max(cache_read_tokens) as tokens_cache_read,
    max(cache_write_tokens) as tokens_cache_write, max(output_tokens) as tokens_out,
    max(reasoning_tokens) as tokens_reasoning
  from messages
  group by conversation_id, coalesce(generation_id, message_id)
)
select
  count(coalesce(tokens_in, tokens_cache_read, tokens_cache_write, tokens_out, tokens_reasoning))
    as n_generations,
  sum(tokens_in)::bigint as tokens_in, sum(tokens_cache_read)::bigint as tokens_cache_read,
  sum(tokens_cache_write)::bigint as tokens_cache_write, sum(tokens_out)::bigint as tokens_out
from generations"""
    return finding(sql, say, found)


def rejects(chats: Chats[pl.LazyFrame]) -> Figure:
    """Find how many records could not be read."""
    n = chats.rejects.select(n_rejects=pl.len().cast(pl.Int64)).collect()

    def say(found: dict[str, Any]) -> str:
        n = found["n_rejects"]
        return f"{many(n, 'record')} could not be read in full." if n else "Every record was read."

    return finding("select count(*) as n_rejects from rejects", say, n.row(0, named=True))

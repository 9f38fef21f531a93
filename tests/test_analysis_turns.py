"""Turns, waits, gaps, talk shares and contexts, by hand and against SQL on random logs."""

from __future__ import annotations

import polars as pl
import pytest
from chat_rows import called, chats, said
from polars.testing import assert_frame_equal
from random_chats import random_chats

from chatdata import analysis

COUNTED = "is_main_path and kind in ('chat', 'tool_result')"
# Times that are only a day say when, but not how long.
TIMED = f"""
with rows as (
  select *, role = 'user' and kind = 'chat' as prompt,
    case when coalesce(created_at_precision, '') <> 'day' then epoch_us(created_at) end as us
  from messages where {COUNTED}
)
"""
TURNS = f"""{TIMED}, numbered as (
  select *, sum(prompt::int) over (
    partition by conversation_id order by position, message_id
  ) as turn from rows
), turns as (
  select conversation_id, turn::bigint as turn, max(message_id) filter (prompt) as prompt_id,
    count(*) as n_messages,
    count(*) filter (role = 'assistant' and kind = 'chat') as n_answers,
    case when first(us is not null order by position)
      filter (role = 'assistant' and kind = 'chat')
    then (min(us) filter (role = 'assistant' and kind = 'chat') - max(us) filter (prompt)) / 1e6
    end as response_s,
    case when last(us is not null order by position) filter (role in ('assistant', 'tool'))
    then (max(us) filter (role in ('assistant', 'tool')) - max(us) filter (prompt)) / 1e6
    end as latency_s
  from numbered where turn > 0 group by all
), calls as (
  select conversation_id, turn::bigint as turn, count(*) as n_tool_calls
  from numbered join (select message_id from tool_calls) using (message_id) group by all
)
"""


def same(expected, found):
    """
    Equal rows in equal order, floats to 1e-9.
    """
    assert_frame_equal(
        expected, found, check_dtypes=False, rel_tol=1e-9, abs_tol=1e-9, check_column_order=True
    )


def test_turns():
    """
    A turn begins at a prompt; what is before the first one is in none.
    """
    log = chats(
        messages=said(
            {"role": "assistant", "at": 0},
            {"role": "user", "at": 10},
            {"role": "assistant", "at": 12},
            {"role": "tool", "at": 15},
            {"role": "assistant", "at": 20.5},
            {"role": "user", "at": 100},
            {"role": "user", "at": None},
            {"role": "assistant", "at": 130},
        ),
        tool_calls=[*called("a", "b", message_id="c.2"), *called("early", message_id="c.0")],
    )

    assert [
        ("c", 1, "c.1", 4, 2, 2, 2.0, 10.5),
        ("c", 2, "c.5", 1, 0, 0, None, None),
        ("c", 3, "c.6", 2, 1, 0, None, None),
    ] == analysis.turns(log).drop("started_at").collect().rows()
    assert [
        ("first_response", 1, 0, 2.0, 2.0),
        ("response", 1, 2, 2.0, 2.0),
        ("turn", 1, 2, 10.5, 10.5),
    ] == analysis.response_times(log).select("measure", "n", "n_unknown", "p50_s", "max_s").rows()


def test_an_answer_to_the_second_prompt_is_a_first_response():
    """
    The first response is waited for from the first prompt, whoever asks again meanwhile.
    """
    log = chats(
        messages=said(
            {"role": "user", "at": 0}, {"role": "user", "at": 5}, {"role": "assistant", "at": 9}
        )
    )

    assert [("first_response", 9.0), ("response", 4.0), ("turn", 4.0)] == (
        analysis.response_times(log).select("measure", "max_s").rows()
    )


def test_time_that_runs_backwards_is_no_wait():
    """
    An answer older than its prompt has no response time, not a negative one.
    """
    log = chats(messages=said({"role": "user", "at": 9}, {"role": "assistant", "at": 0}))

    assert [(0, 1)] * 3 == analysis.response_times(log).select("n", "n_unknown").rows()


def test_an_answer_without_a_time_is_not_passed_over():
    """
    A wait is known where the first answer has a time, a latency where the last one has; and the
    first response is not looked for in a later turn.
    """
    log = chats(
        messages=said(
            {"role": "user", "at": 0},
            {"role": "assistant", "at": None},
            {"role": "assistant", "at": 50},
            {"role": "user", "at": 100},
            {"role": "assistant", "at": 103},
            {"role": "assistant", "at": None},
        )
    )

    assert [(None, 50.0), (3.0, None)] == (
        analysis.turns(log).select("response_s", "latency_s").collect().rows()
    )
    assert [("first_response", 0, 1), ("response", 1, 1), ("turn", 1, 1)] == (
        analysis.response_times(log).select("measure", "n", "n_unknown").rows()
    )


@pytest.mark.parametrize("seed", range(4))
def test_turns_are_those_of_sql(seed):
    """
    Every turn equals that of a query written by hand.
    """
    log = random_chats(seed)
    expected = log.sql(f"""{TURNS}
    select conversation_id, turn, prompt_id, n_messages, n_answers,
      coalesce(n_tool_calls, 0) as n_tool_calls,
      case when response_s >= 0 then response_s end as response_s,
      case when latency_s >= 0 then latency_s end as latency_s
    from turns left join calls using (conversation_id, turn) order by conversation_id, turn""")

    same(expected, analysis.turns(log).drop("started_at").collect())


@pytest.mark.parametrize("seed", range(4))
def test_response_times_are_those_of_sql(seed):
    """
    Quantiles of both waits of a turn equal those of a query written by hand.
    """
    log = random_chats(seed)
    measure = """select '{name}' as measure, count(v) as n, count(*) - count(v) as n_unknown,
      quantile_cont(v, 0.5) as p50_s, quantile_cont(v, 0.9) as p90_s, quantile_cont(v, 0.95)
      as p95_s, quantile_cont(v, 0.99) as p99_s, max(v) as max_s
      from (select case when {value} >= 0 then {value} end as v from turns)"""
    values = {"response": "response_s", "turn": "latency_s"}
    parts = [measure.format(name=name, value=value) for name, value in values.items()]
    expected = log.sql(f"{TURNS} {' union all '.join(parts)} order by measure")

    same(expected, analysis.response_times(log)[1:])


@pytest.mark.parametrize("seed", range(4))
def test_gaps_are_those_of_sql(seed):
    """
    Gaps by who follows whom equal those of a query written by hand.
    """
    log = random_chats(seed)
    expected = log.sql(f"""{TIMED}, gaps as (
      select lag(role) over calls as role, role as next_role, us - lag(us) over calls as gap
      from rows where us is not null
      window calls as (partition by conversation_id order by position, message_id)
    ), forward as (select *, gap / 1e6 as s from gaps where gap >= 0)
    select g.role, g.next_role, count(*) as n_gaps, count(*) filter (gap = 0) as n_zero,
      count(*) filter (gap < 0) as n_backwards,
      coalesce(sum(gap) filter (gap >= 0), 0) / 1e6 as total_s,
      total_s / sum(total_s) over () as share,
      {
        ", ".join(
            f"(select quantile_cont(s, {q}) from forward f "
            f"where f.role = g.role and f.next_role = g.next_role) as {name}_s"
            for name, q in (("p50", 0.5), ("p90", 0.9), ("p95", 0.95), ("p99", 0.99))
        )
    },
      max(gap) filter (gap >= 0) / 1e6 as max_s
    from gaps g where gap is not null group by g.role, g.next_role
    order by n_gaps desc, g.role, g.next_role""")

    same(expected, analysis.message_gaps(log))


def test_talk_share():
    """
    Shares are of characters, and add up to one; empty text has none.
    """
    log = chats(
        messages=[
            *said({"role": "user", "content": "ab"}, {"role": "assistant", "content": "abcdef"}),
            *said({"role": "user", "content": ""}, conversation_id="d"),
            *said({"role": "user", "content": None}, conversation_id="e"),
        ]
    )

    assert [
        ("c", 8, 0.25, 0.75, 0.0, 0.0),
        ("d", 0, None, None, None, None),
    ] == analysis.talk_share(log).collect().rows()
    assert [("user", 1, 2, 0.25, 0.25), ("assistant", 1, 6, 0.75, 0.75)] == (
        analysis.talk_share_distribution(log)
        .select("role", "n_conversations", "n_chars", "share", "p50_share")
        .rows()[:2]
    )


@pytest.mark.parametrize("seed", range(3))
def test_talk_is_that_of_sql(seed):
    """
    Characters, bytes and shares equal those of a query written by hand.
    """
    log = random_chats(seed)
    sizes = log.sql(f"""select conversation_id, sum(length(content))::bigint as n_chars,
      sum(octet_length(encode(content)))::bigint as n_bytes
      from messages where {COUNTED} and content is not null group by all order by all""")
    shares = log.sql(f"""with sizes as (
      select conversation_id, role, sum(length(content)) as n
      from messages where {COUNTED} and content is not null group by all
    ), wholes as (
      select conversation_id, sum(n) as n_all from sizes group by all
    ), filled as (
      select c.conversation_id, r.role, coalesce(n, 0) / nullif(c.n_all, 0) as share
      from wholes c
      cross join (select unnest(['user', 'assistant', 'tool', 'system']) as role) r
      left join sizes s on s.conversation_id = c.conversation_id and s.role = r.role
    )
    select role, quantile_cont(share, 0.1) as p10_share, quantile_cont(share, 0.9) as p90_share
    from filled group by role order by role""")
    found = analysis.talk_share_distribution(log).sort("role")

    same(sizes, analysis.conversation_bytes(log).collect())
    same(shares, found.select("role", "p10_share", "p90_share"))
    assert sizes["n_chars"].sum() == found["n_chars"].sum()


def generations(*contexts, conversation_id="c"):
    """
    Answers with so many tokens of input each.
    """
    turns = ({"role": "assistant", "input_tokens": n} for n in contexts)
    return said(*turns, conversation_id=conversation_id)


@pytest.mark.parametrize(
    ("contexts", "expected"),
    [
        pytest.param([], [], id="no tokens"),
        pytest.param([100], [("c", 1, 100, 100, 100, None, 0)], id="one"),
        pytest.param([100, 200, 400], [("c", 3, 100, 400, 400, 150.0, 0)], id="growing"),
        pytest.param([100, 900, 449], [("c", 3, 100, 449, 900, 174.5, 1)], id="less than half"),
        pytest.param([100, 900, 450], [("c", 3, 100, 450, 900, 175.0, 0)], id="just half"),
    ],
)
def test_context(contexts, expected):
    """
    A context is the input of a generation; it grows, or drops to less than half.
    """
    found = analysis.conversation_context(chats(messages=generations(*contexts)))

    assert expected == found.drop("n_compactions").collect().rows()


def test_context_is_all_input_once():
    """
    Cached input counts, rows of one generation count once, summaries are compactions.
    """
    row = {"role": "assistant", "generation_id": "g", "input_tokens": 5, "cache_read_tokens": 70}
    log = chats(
        messages=said(
            row,
            {**row, "cache_write_tokens": 25},
            {"role": "user", "kind": "summary"},
            {"role": "assistant", "input_tokens": 50},
            {"role": "assistant", "input_tokens": 9, "is_main_path": False},
        )
    )

    assert [("c", 2, 100, 50, 100, -50.0, 0, 1)] == (
        analysis.conversation_context(log).collect().rows()
    )
    assert [(1, 1, 1, 1, 100.0, 0.7), (2, 3, 1, 1, 50.0, None)] == (
        analysis.context_growth(log).drop("p90_context", "max_context").rows()
    )


CONTEXTS = """
with contexts as (
  select conversation_id, coalesce(generation_id, message_id) as g, min(position) as position,
    max(input_tokens) + coalesce(max(cache_read_tokens), 0) + coalesce(max(cache_write_tokens), 0)
      as context,
    max(cache_read_tokens) as cached
  from messages where is_main_path and input_tokens is not null group by all
), numbered as (
  select *, row_number() over w as number, lag(context) over w as previous
  from contexts window w as (partition by conversation_id order by position, g)
)
"""


@pytest.mark.parametrize("seed", range(4))
def test_contexts_are_those_of_sql(seed):
    """
    Contexts of conversations and of generations equal those of queries written by hand.
    """
    log = random_chats(seed)
    each = log.sql(f"""{CONTEXTS}
    select conversation_id, count(*) as n_generations, arg_min(context, number) as first_context,
      arg_max(context, number) as last_context, max(context) as max_context,
      (last_context - first_context) / nullif(n_generations - 1, 0) as growth,
      count(*) filter (context * 2 < previous) as n_drops
    from numbered group by all order by all""")
    bins = log.sql(f"""{CONTEXTS}
    select 2 ** floor(log2(number)) as from_generation, count(distinct conversation_id)
      as n_conversations, count(*) as n_generations, quantile_cont(context, 0.5) as p50_context,
      quantile_cont(context, 0.9) as p90_context, max(context) as max_context,
      sum(cached) / nullif(sum(context) filter (cached is not null), 0) as cache_share
    from numbered group by all order by all""")
    found = analysis.conversation_context(log).collect().filter(pl.col("n_generations") > 0)

    same(each, found.drop("n_compactions"))
    same(bins, analysis.context_growth(log).drop("to_generation"))

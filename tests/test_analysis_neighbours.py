"""What is called beside what, at once, and over and over."""

from __future__ import annotations

import polars as pl
import pytest
from chat_rows import called, chats, said
from random_chats import random_chats

from chatdata import analysis


def in_turn(names, **columns):
    """
    One call a message, of tools with one-letter names, in one conversation.
    """
    spoken = said("user", *["assistant"] * len(names))
    calls = [
        row
        for place, name in enumerate(names, start=1)
        for row in called({"name": name, "arguments": "{}", **columns}, message_id=f"c.{place}")
    ]
    return chats(messages=spoken, tool_calls=calls)


def test_neighbours():
    """
    Each tool's calls are shared out among what came before and among what came after.
    """
    assert [
        ("a", "before", "(start)", 1, 0.5, None),
        ("a", "before", "b", 1, 0.5, 1.0),
        ("a", "after", "b", 2, 1.0, 2.0),
        ("b", "before", "a", 2, 1.0, 2.0),
        ("b", "after", "(end)", 1, 0.5, None),
        ("b", "after", "a", 1, 0.5, 1.0),
    ] == analysis.tool_neighbours(in_turn("abab")).rows()


NEIGHBOURS = """
with placed as (
  select coalesce(name, '(no name)') as name, t.conversation_id, coalesce(m.position, -1) as place,
    t.position, tool_call_id
  from tool_calls t left join messages m on t.message_id = m.message_id
    and is_main_path and kind in ('chat', 'tool_result')
  where t.message_id is null or m.message_id is not null
), beside as (
  select name,
    coalesce(lag(name) over calls, '(start)') as before,
    coalesce(lead(name) over calls, '(end)') as after
  from placed window calls as (
    partition by conversation_id order by place, position, tool_call_id
  )
), sides as (
  select name, 'before' as side, before as neighbour from beside
  union all select name, 'after', after from beside
)
select name, side, neighbour, count(*) from sides group by all
order by name, side desc, count(*) desc, neighbour
"""


@pytest.mark.parametrize("seed", range(4))
def test_neighbours_are_those_of_sql(seed):
    """
    Neighbours equal those of a query written by hand, on random logs; shares add up to 1.
    """
    log = random_chats(seed)
    found = analysis.tool_neighbours(log)
    sums = found.group_by("name", "side").agg(pl.col("share").sum())["share"].to_list()

    assert log.sql(NEIGHBOURS).rows() == found.select("name", "side", "neighbour", "n_times").rows()
    assert [1.0] * len(sums) == pytest.approx(sums)


PARALLEL = """
with sized as (
  select name, count(*) over (partition by message_id) as fan_out,
    count(*) over (partition by message_id, name) as same
  from tool_calls where message_id is not null
)
select name, count(*), count(*) filter (fan_out > 1), count(*) filter (same > 1), max(fan_out)
from sized group by name order by count(*) desc, name nulls last
"""


@pytest.mark.parametrize("seed", range(3))
def test_parallel_calls_of_tools_are_those_of_sql(seed):
    """
    What stands in one message with other calls equals a query written by hand.
    """
    log = random_chats(seed)

    assert log.sql(PARALLEL).rows() == analysis.parallel_calls_by_tool(log).drop("share").rows()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param("abcabcab", [], id="five repeats"),
        pytest.param("abcabcabc", [("c/c.4/0", 6, 3, "a, b, c")], id="six, in rounds"),
        pytest.param("abbababa", [("c/c.3/0", 6, 2, "a, b")], id="in no order"),
        pytest.param("aaaxaaa", [], id="something new between"),
        pytest.param("abcdefghi" * 2, [], id="too long ago"),
        pytest.param(
            "abcdefgh" * 2, [("c/c.9/0", 8, 8, "a, b, c, d, e, f, g, h")], id="just within"
        ),
    ],
)
def test_loops(names, expected):
    """
    A stretch of calls that were all made shortly before is a loop, whatever their order.
    """
    found = analysis.tool_loops(in_turn(names))

    assert (
        expected == found.select("first_tool_call_id", "n_tool_calls", "n_distinct", "tools").rows()
    )


def test_loops_end_with_the_conversation():
    """
    What one conversation called does not make the next one's calls repeats.
    """
    calls = [row for each in "xyz" for row in called(*["a"] * 4, conversation_id=each)]

    assert analysis.tool_loops(chats(tool_calls=calls), min_calls=4).is_empty()
    assert [3, 3, 3] == analysis.tool_loops(chats(tool_calls=calls), min_calls=3)[
        "n_tool_calls"
    ].to_list()


def test_loops_are_of_equal_arguments():
    """
    The same tool with other arguments is no repeat.
    """
    calls = called(*({"arguments": f'{{"page":{n}}}'} for n in range(9)))

    assert analysis.tool_loops(chats(tool_calls=calls)).is_empty()

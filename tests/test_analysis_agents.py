"""Trees of agents that start agents."""

from __future__ import annotations

import pytest
from chat_rows import called, chats, conversation, said
from random_chats import random_chats

from chatdata import analysis


def started(child, parent, **columns):
    """
    A sub-agent's conversation.
    """
    return conversation(
        child, parent_conversation_id=parent, relation="subagent", **{"agent": "scout", **columns}
    )


def shapes(*conversations):
    """
    Root, conversations, depth and fan-out of each tree.
    """
    found = analysis.agent_trees(chats(conversations=conversations))
    return found.select("root_conversation_id", "n_conversations", "depth", "fan_out").rows()


@pytest.mark.parametrize(
    ("conversations", "expected"),
    [
        pytest.param([conversation("a")], [], id="no sub-agents"),
        pytest.param([conversation("a"), started("b", "a")], [("a", 2, 1, 1)], id="one"),
        pytest.param([started("b", "gone")], [("gone", 2, 1, 1)], id="of a root not in the log"),
        pytest.param(
            [conversation("a"), started("b", "a"), started("c", "a"), started("d", "b")],
            [("a", 4, 2, 2)],
            id="two and one of theirs",
        ),
        pytest.param(
            [started("b", "a"), started("y", "x"), started("z", "x")],
            [("x", 3, 1, 2), ("a", 2, 1, 1)],
            id="largest first",
        ),
        pytest.param([started("a", "b"), started("b", "a")], [], id="round in a circle"),
        pytest.param([started("a", "a")], [], id="of itself"),
        pytest.param(
            [conversation("f", parent_conversation_id="a", relation="fork"), started("b", "f")],
            [("f", 2, 1, 1)],
            id="a fork is no sub-agent",
        ),
    ],
)
def test_shapes(conversations, expected):
    """
    A tree is its root and all that come from it by starting sub-agents.
    """
    assert expected == shapes(*conversations)


def test_a_long_line():
    """
    Depth is exact however deep the line.
    """
    line = [started(f"{n + 1}", f"{n}") for n in range(1000)]

    assert [("0", 1001, 1000, 1)] == shapes(*line)


def test_what_a_tree_does():
    """
    Messages, calls, errors, tokens and time are those of all its conversations.
    """
    log = chats(
        conversations=[conversation("a"), started("b", "a"), conversation("other")],
        messages=[
            *said("user", {"role": "assistant", "at": 10, "output_tokens": 5}, conversation_id="a"),
            *said({"role": "assistant", "at": 70, "output_tokens": 7}, conversation_id="b"),
            *said({"role": "assistant", "at": 999, "output_tokens": 9}, conversation_id="other"),
        ],
        tool_calls=[
            *called("t", conversation_id="a"),
            *called("t", {"status": "error", "error_source": "explicit"}, "t", conversation_id="b"),
        ],
    )
    (tree,) = analysis.agent_trees(log).to_dicts()

    assert (3, 4, 1, 0.75, 12, None, 60.0) == tuple(
        tree[name]
        for name in (
            *("n_messages", "n_tool_calls", "n_errors", "share_below"),
            *("tokens_out", "tokens_in", "duration_s"),
        )
    )
    assert [("scout", 1, 1, 1, 3, 1, 7)] == analysis.subagent_usage(log).select(
        *("agent", "n_conversations", "n_parents", "n_messages", "n_tool_calls", "n_errors"),
        "tokens_out",
    ).rows()


TREES = """
with recursive up as (
  select conversation_id, parent_conversation_id as above, 1 as depth
  from conversations where relation = 'subagent' and parent_conversation_id is not null
  union all
  select up.conversation_id, c.parent_conversation_id, depth + 1
  from up join conversations c on c.conversation_id = above
  where c.relation = 'subagent' and c.parent_conversation_id is not null
), members as (
  select conversation_id, arg_max(above, depth) as root, max(depth) as depth
  from up group by conversation_id
  union select distinct above, above, 0 from up
  where above not in (select conversation_id from up)
)
select root, count(*), max(depth), (
    select count(*) from tool_calls t join members m using (conversation_id) where m.root = r.root
  ), (
    select count(*) from messages t join members m using (conversation_id)
    where m.root = r.root and is_main_path and kind in ('chat', 'tool_result')
  )
from members r group by root order by count(*) desc, root
"""


@pytest.mark.parametrize("seed", range(5))
def test_trees_are_those_of_sql(seed):
    """
    Trees and their counts equal those of a recursive query written by hand, on random logs.
    """
    log = random_chats(seed)
    found = analysis.agent_trees(log)

    assert not found.is_empty()
    assert (
        log.sql(TREES).rows()
        == found.select(
            "root_conversation_id", "n_conversations", "depth", "n_tool_calls", "n_messages"
        ).rows()
    )

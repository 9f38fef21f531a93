"""
The answers about a file equal what SQL written by hand says of the same file.
"""

from __future__ import annotations

import json
import random

import duckdb
import pytest

import chatdata as cd

TOOLS = """
    WITH rows AS (SELECT row_number() OVER () AS r, json FROM read_json_objects(?, format='array')),
    spoken AS (SELECT r, unnest(from_json(json->'traj', '["JSON"]')) AS message FROM rows),
    called AS (
        SELECT r, unnest(from_json(message->'tool_calls', '["JSON"]')) AS one
        FROM spoken WHERE json_type(message->'tool_calls') = 'ARRAY'
    )
    SELECT one->'function'->>'name' AS name, count(*) AS n, count(DISTINCT r) AS conversations
    FROM called GROUP BY ALL ORDER BY n DESC, name
"""
LENGTHS = """
    WITH rows AS (SELECT row_number() OVER () AS r, json FROM read_json_objects(?, format='array')),
    spoken AS (SELECT r, unnest(from_json(json->'traj', '["JSON"]')) AS message FROM rows),
    told AS (
        SELECT r, message->>'role' AS speaker,
            CASE WHEN json_type(message->'content') = 'VARCHAR'
                 THEN length(message->>'content') ELSE 0 END AS n_chars,
            CASE WHEN json_type(message->'tool_calls') = 'ARRAY'
                 THEN json_array_length(message->'tool_calls') ELSE 0 END AS n_calls
        FROM spoken
    )
    SELECT r, count(*) FILTER (speaker <> 'system'), count(*) FILTER (speaker = 'user'),
        sum(n_calls)::BIGINT,
        coalesce(sum(n_chars) FILTER (speaker <> 'system'), 0)::BIGINT
    FROM told GROUP BY r ORDER BY r
"""
NAMES = ("find_order", "cancel_order", "think", "naïve_tool")
WORDS = ("please", "find", "my", "order", "cancel", "it", "注文", "🙂", '"now"', "or\nlater")


@pytest.fixture
def trajectories(tmp_path):
    """
    A file of forty conversations with an airline's agent, made up here.
    """
    dice = random.Random(5)  # noqa: S311 - a fixture is no secret

    def text():
        return " ".join(dice.choices(WORDS, k=dice.randrange(1, 30)))

    def calls():
        return [
            {
                "id": f"call_{dice.randrange(9)}",
                "type": "function",
                "function": {"name": dice.choice(NAMES), "arguments": json.dumps({"q": text()})},
            }
            for _ in range(dice.randrange(1, 4))
        ]

    def conversation(number):
        said = [{"role": "system", "content": text()}]
        for _ in range(dice.randrange(6)):
            said.append({"role": "user", "content": text()})
            if dice.random() < 0.6:
                called = calls()
                said.append({"role": "assistant", "content": None, "tool_calls": called})
                said += [
                    {"role": "tool", "tool_call_id": call["id"], "content": text()}
                    for call in called
                ]
            said.append({"role": "assistant", "content": text(), "tool_calls": None})
        return {
            "task_id": number % 8,
            "trial": number // 8,
            "reward": 1.0,
            "info": {},
            "traj": said,
        }

    path = tmp_path / "trajectories.json"
    path.write_text(json.dumps([conversation(number) for number in range(40)]))
    return path


def test_tools(trajectories):
    """
    Calls and conversations of each tool are those of the file.
    """
    usage = cd.analysis.tool_usage(cd.scan(trajectories))

    expected = duckdb.execute(TOOLS, [str(trajectories)]).fetchall()

    assert len(NAMES) == len(expected)
    assert expected == usage.select("name", "n_tool_calls", "n_conversations").rows()


def test_lengths(trajectories):
    """
    Messages, prompts, calls and characters of each conversation are those of the file.
    """
    lengths = cd.analysis.conversation_length(cd.scan(trajectories)).collect()

    expected = duckdb.execute(LENGTHS, [str(trajectories)]).fetchall()
    found = {
        int(name.rpartition("#")[2]): counts
        for name, *counts in lengths.select(
            "conversation_id", "n_messages", "n_prompts", "n_tool_calls", "n_chars"
        ).rows()
    }

    assert {r: list(counts) for r, *counts in expected} == found

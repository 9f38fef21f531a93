"""Small logs, written by hand, of everything that makes one thing appear twice.

Each case says which conversations there are and where they come from, whose each message is, and
which calls there are; it is read with its files in either order.
"""

from __future__ import annotations

import json
import zipfile
from dataclasses import dataclass, field

import polars as pl
import pytest
from test_identity import (
    FORK,
    PARENT,
    ROLLOUT,
    SAME_IDS,
    TAIL_B,
    answered,
    item,
    line,
    node,
    returned,
    spoken,
    total,
    used,
)

import chatdata as cd


@dataclass
class Case:
    """
    Files, and what they hold: `conversations` as (id, parent, relation, parent's call), `messages`
    as the ids of each conversation, events left out, `calls` as (id, status), `paths` as the ids
    off the main path.
    """

    files: list
    conversations: list
    messages: dict
    calls: list = field(default_factory=list)
    paths: list = field(default_factory=list)


TASK = [{"type": "tool_use", "id": "t1", "name": "Task", "input": {}}]
TURN_1, TURN_2 = (f"0198c7a2-1111-7aaa-8bbb-00000000000{number}" for number in (1, 2))
AGAIN = [
    line("turn_context", 31, turn_id=TURN_2, model="m"),
    item("user", "Again", 32),
    item("assistant", "Ok", 33),
    total(22, 12, 34),
]
ROLLOUT_1 = [ROLLOUT[0], line("turn_context", 1, turn_id=TURN_1, model="m"), *ROLLOUT[2:]]
BOUNDARY = {
    "type": "system",
    "subtype": "compact_boundary",
    "sessionId": "A",
    "uuid": "c1",
    "parentUuid": None,
    "logicalParentUuid": "u4",
    "timestamp": "2025-03-01T10:00:49.000Z",
}
SPAWN = [
    line("response_item", 5, type="function_call", name="spawn_agent", arguments="", call_id="c9"),
    line("response_item", 9, type="function_call_output", call_id="c9", output='{"agent_id":"S"}'),
]
SPAWNED = [
    line(
        "session_meta", 6, id="S", source={"subagent": {"thread_spawn": {"parent_thread_id": "A"}}}
    ),
    item("user", "Look", 7),
    item("assistant", "Found", 8),
]
ALL_A = ["u1", "m1", "u3", "m2"]
ONE = [("A", None, None, None)]


def exported(updated, current, *keys):
    """
    Write an export of a conversation with two answers, or only some of its nodes.
    """
    mapping = {
        "q": node(None, "user", "Q"),
        "a1": node("q", "assistant", "One"),
        "a2": node("q", "assistant", "Two"),
    }
    mapping = {key: mapping[key] for key in keys}
    return [{"id": "x", "update_time": updated, "mapping": mapping, "current_node": current}]


CASES = {
    "claude code: resumed in the same file": Case(
        [[*PARENT, spoken("A", "u5", "u4", "Again", 30)]],
        ONE,
        {"A": [*ALL_A, "u5"]},
        [("t1", "ok")],
    ),
    "claude code: another session goes on in the same file": Case(
        [PARENT + TAIL_B],
        [*ONE, ("B", "A", "resume", None)],
        {"A": ALL_A, "B": ["v5", "m3"]},
        [("t1", "ok")],
    ),
    "claude code: a session that only points at another": Case(
        [PARENT, TAIL_B],
        [*ONE, ("B", "A", "resume", None)],
        {"A": ALL_A, "B": ["v5", "m3"]},
        [("t1", "ok")],
    ),
    "claude code: a background fork": Case(
        [PARENT, [{**SAME_IDS[0], "sessionKind": "bg"}, *SAME_IDS[1:]]],
        [*ONE, ("B", "A", "fork", None)],
        {"A": ALL_A, "B": ["v5", "m3"]},
        [("t1", "ok")],
    ),
    "claude code: summed up in the same file": Case(
        [[*PARENT, BOUNDARY, spoken("A", "c2", "c1", "So far", 50, isCompactSummary=True)]],
        ONE,
        {"A": [*ALL_A, "c2"]},
        [("t1", "ok")],
    ),
    "claude code: summed up in a new file": Case(
        [PARENT, [spoken("B", "c2", "u4", "So far", 50, isCompactSummary=True)]],
        [*ONE, ("B", "A", "continuation", None)],
        {"A": ALL_A, "B": ["c2"]},
        [("t1", "ok")],
    ),
    "claude code: summed up in a new file, after a boundary": Case(
        [
            PARENT,
            [
                {**BOUNDARY, "sessionId": "B"},
                spoken("B", "c2", "c1", "So far", 50, isCompactSummary=True),
            ],
        ],
        [*ONE, ("B", "A", "continuation", None)],
        {"A": ALL_A, "B": ["c2"]},
        [("t1", "ok")],
    ),
    "claude code: a file that repeats itself": Case(
        [PARENT + PARENT], ONE, {"A": ALL_A}, [("t1", "ok")]
    ),
    "claude code: a copy": Case([PARENT, PARENT], ONE, {"A": ALL_A}, [("t1", "ok")]),
    "claude code: a copy that ends early": Case(
        [PARENT, PARENT[:2]], ONE, {"A": ALL_A}, [("t1", "ok")]
    ),
    "claude code: a sidechain in the file": Case(
        [
            [
                spoken("A", "u1", None, "Go", 1),
                answered("A", "u2", "u1", "m1", TASK, 2),
                spoken("A", "s1", None, "Look", 3, isSidechain=True),
                answered("A", "s2", "s1", "m2", "Found", 4, isSidechain=True),
                returned("A", "u3", "u2", "t1", 5),
            ]
        ],
        ONE,
        {"A": ["u1", "m1", "s1", "m2", "u3"]},
        [("t1", "ok")],
        ["s1", "m2"],
    ),
    "claude code: a sidechain repeats the answer of the main chain": Case(
        [
            [
                spoken("A", "u1", None, "Go", 1),
                answered("A", "u2", "u1", "m1", "So", 2, requestId="r1"),
                answered(
                    "A", "s2", "u1", "m1", "So", 3, requestId="r2", isSidechain=True, agentId="g"
                ),
            ]
        ],
        [*ONE, ("A/g", "A", "subagent", None)],
        {"A": ["u1", "m1"]},
    ),
    "claude code: a result that nobody asked for": Case(
        [[PARENT[0], returned("A", "u3", "u1", "t9", 3)]], ONE, {"A": ["u1", "u3"]}
    ),
    "claude code: a call that nobody answered": Case(
        [PARENT[:2]], ONE, {"A": ["u1", "m1"]}, [("t1", "no_result")]
    ),
    "claude code: two results of one call": Case(
        [[*PARENT[:3], returned("A", "u9", "u3", "t1", 5)]],
        ONE,
        {"A": ["u1", "m1", "u3", "u9"]},
        [("t1", "ok")],
    ),
    "claude code: parallel calls answered in another order": Case(
        [
            [
                PARENT[0],
                answered("A", "u2", "u1", "m1", used("t1"), 2),
                answered("A", "u3", "u2", "m1", used("t2"), 3),
                returned("A", "u4", "u3", "t2", 4),
                returned("A", "u5", "u2", "t1", 5),
            ]
        ],
        ONE,
        {"A": ["u1", "m1", "u4", "u5"]},
        [("t1", "ok"), ("t2", "ok")],
    ),
    "codex: resumed in the same file": Case(
        [[*ROLLOUT, line("session_meta", 30, id="A"), *AGAIN]],
        ONE,
        {"A": ["A:2", "A:3", "A:5", "A:6"]},
        [("A:c1", "no_result")],
    ),
    "codex: resumed in a new file": Case(
        [ROLLOUT, ROLLOUT + AGAIN],
        ONE,
        {"A": ["A:2", "A:3", "A:5", "A:6"]},
        [("A:c1", "no_result")],
    ),
    "codex: copied into a new session that does not say so": Case(
        [ROLLOUT_1, [line("session_meta", 20, id="B"), *ROLLOUT_1[1:], *AGAIN]],
        [*ONE, ("B", "A", "resume", None)],
        {"A": ["A:2", "A:3"], "B": ["B:5", "B:6"]},
        [("A:c1", "no_result")],
    ),
    "codex: two forks": Case(
        [ROLLOUT, FORK, [line("session_meta", 20, id="C", forked_from_id="A"), *FORK[1:7], *AGAIN]],
        [*ONE, ("B", "A", "fork", None), ("C", "A", "fork", None)],
        {"A": ["A:2", "A:3"], "B": ["B:5", "B:6"], "C": ["C:5", "C:6"]},
        [("A:c1", "no_result")],
    ),
    "codex: a sub-agent and the call that started it": Case(
        [ROLLOUT + SPAWN, SPAWNED],
        [*ONE, ("S", "A", "subagent", "A:c9")],
        {"A": ["A:2", "A:3"], "S": ["S:1", "S:2"]},
        [("A:c1", "no_result"), ("A:c9", "unknown")],
    ),
    "chatgpt: an answer was regenerated": Case(
        [exported(1.7e9, "a2", "q", "a1", "a2")],
        [("x", None, None, None)],
        {"x": ["q", "a1", "a2"]},
        paths=["a1"],
    ),
    "chatgpt: exported again after the answer was regenerated": Case(
        [exported(1.7e9, "a1", "q", "a1"), exported(1.8e9, "a2", "q", "a1", "a2")],
        [("x", None, None, None)],
        {"x": ["q", "a1", "a2"]},
        paths=["a1"],
    ),
}


@pytest.mark.parametrize("order", ["as listed", "the other way round"])
@pytest.mark.parametrize("name", CASES)
def test_case(tmp_path, name, order):
    """
    Every thing is counted once, where it belongs, in whatever order the files are read.
    """
    case = CASES[name]
    files = case.files if order == "as listed" else case.files[::-1]
    for place, records in enumerate(files):
        lines = "\n".join(json.dumps(record) for record in records)
        (tmp_path / f"{place}.jsonl").write_text(lines)
    chats = cd.scan(tmp_path).check().collect()
    links = ("conversation_id", "parent_conversation_id", "relation", "parent_tool_call_id")
    rows = chats.messages.filter(pl.col("kind") != "event").sort("position").collect()
    found = Case(
        case.files,
        chats.conversations.select(links).sort("conversation_id").collect().rows(),
        {
            key: rows.filter(conversation_id=key)["message_id"].to_list()
            for key in sorted(set(rows["conversation_id"]))
        },
        chats.tool_calls.select("tool_call_id", "status").sort("tool_call_id").collect().rows(),
        rows.filter(~pl.col("is_main_path"))["message_id"].to_list(),
    )

    assert case == found
    # Of files that are equal to the byte one is read.
    read = {json.dumps(records): len(records) for records in files}
    assert chats.accounting.collect()["n_records"].sum() == sum(read.values())


def test_export_as_archive_and_as_folder(tmp_path):
    """
    An export that lies there packed and unpacked is read once.
    """
    data = json.dumps(exported(1.7e9, "a2", "q", "a1", "a2"))
    (tmp_path / "unpacked").mkdir()
    (tmp_path / "unpacked" / "conversations.json").write_text(data)
    with zipfile.ZipFile(tmp_path / "export.zip", "w") as archive:
        archive.writestr("conversations.json", data)
    chats = cd.scan(tmp_path).check().collect()

    assert [1, 3] == [frame.collect().height for frame in (chats.conversations, chats.messages)]


def test_a_lake_beside_its_sources(tmp_path):
    """
    A folder with logs and the lake that was made of them gives the logs once.
    """
    (tmp_path / "a.jsonl").write_text("\n".join(json.dumps(record) for record in PARENT))
    cd.write(cd.scan(tmp_path), tmp_path / "lake")
    patterns = [tmp_path, tmp_path / "*", tmp_path / "**" / "*"]

    for pattern in patterns:
        assert cd.scan(pattern).messages.collect().height == len(PARENT)

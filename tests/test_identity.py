"""Each thing once: forks, resumed sessions, copies between files, in any order."""

from __future__ import annotations

import itertools
import json

import polars as pl
import pytest

import chatdata as cd


def spoken(session, uuid, parent, said, second, **more):
    return {
        "type": "user",
        "sessionId": session,
        "uuid": uuid,
        "parentUuid": parent,
        "timestamp": f"2025-03-01T10:00:{second:02}.000Z",
        "message": {"role": "user", "content": said},
        **more,
    }


def answered(session, uuid, parent, id_, content, second, **more):  # noqa: PLR0917 - a record
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return {
        "type": "assistant",
        "sessionId": session,
        "uuid": uuid,
        "parentUuid": parent,
        "timestamp": f"2025-03-01T10:00:{second:02}.000Z",
        "message": {
            "id": id_,
            "role": "assistant",
            "content": blocks,
            "usage": {"output_tokens": 10},
        },
        **more,
    }


def used(id_):
    return [{"type": "tool_use", "id": id_, "name": "Read", "input": {}}]


def returned(session, uuid, parent, id_, second, **more):
    content = [{"type": "tool_result", "tool_use_id": id_, "content": "done"}]
    return spoken(session, uuid, parent, content, second, **more)


PARENT = [
    spoken("A", "u1", None, "One", 1),
    answered("A", "u2", "u1", "m1", used("t1"), 2),
    returned("A", "u3", "u2", "t1", 3),
    answered("A", "u4", "u3", "m2", "Two", 4),
]
TAIL_A = [spoken("A", "u5", "u4", "More", 20)]
TAIL_B = [spoken("B", "v5", "u4", "Else", 10), answered("B", "v6", "v5", "m3", "Fine", 11)]
SAME_IDS = [{**record, "sessionId": "B"} for record in PARENT] + TAIL_B
STAMPED = [
    {**record, "sessionId": "B", "forkedFrom": {"sessionId": "A"}} for record in PARENT
] + TAIL_B
FRESH_IDS = [
    {
        **record,
        "sessionId": "B",
        "uuid": f"x{place}",
        "parentUuid": f"x{place - 1}" if place else None,
    }
    for place, record in enumerate(PARENT)
] + [{**TAIL_B[0], "parentUuid": "x3"}, TAIL_B[1]]


def write(folder, **files):
    for name, records in files.items():
        (folder / f"{name}.jsonl").write_text("\n".join(json.dumps(record) for record in records))
    return folder


def ids(chats, conversation):
    frame = chats.messages.filter(pl.col("conversation_id") == conversation).collect()
    return frame["message_id"].to_list()


@pytest.mark.parametrize(
    ("copy", "relation"),
    [
        pytest.param(SAME_IDS, "resume", id="resumed in a new file"),
        pytest.param(STAMPED, "fork", id="forked, ids kept"),
        pytest.param(FRESH_IDS, "resume", id="forked, ids rewritten"),
    ],
)
@pytest.mark.parametrize("first", ["parent", "copy"])
@pytest.mark.parametrize("tail", [[], TAIL_A], ids=["parent ended", "parent went on"])
def test_copied_history_counts_once(tmp_path, copy, relation, first, tail):
    """
    What a fork or a resumed session copied stays with the conversation it comes from.
    """
    names = ("a", "b") if first == "parent" else ("b", "a")
    files = dict(zip(names, (PARENT + tail, copy), strict=True))
    # The stampless fork of a parent that went on is told apart by which one goes on first.
    owner, other = ("A", "B") if not tail or relation == "fork" else ("B", "A")
    chats = cd.scan(write(tmp_path, **files)).check()
    conversations = chats.conversations.collect()
    child = conversations.filter(pl.col("conversation_id") == other).row(0, named=True)
    audit = {row["cause"]: row for row in chats.audit().to_dicts()}

    assert len(PARENT) + len(TAIL_B) + len(tail) == chats.messages.collect().height
    assert (owner, relation) == (child["parent_conversation_id"], child["relation"])
    assert 4 == audit["replayed by a fork"]["n_records"]
    assert (4, 1, 20) == tuple(
        audit["replayed by a fork"][n] for n in ("n_messages", "n_tool_calls", "output_tokens")
    )
    assert len(PARENT) * 2 + len(TAIL_B) + len(tail) == audit["naive"]["n_records"]
    assert [("t1", "ok", owner)] == chats.tool_calls.select(
        "tool_call_id", "status", "conversation_id"
    ).collect().rows()


def test_child_points_to_the_last_shared_message(tmp_path):
    """
    The first own message of a copy has the last shared one as its parent, in the owner.
    """
    chats = cd.scan(write(tmp_path, a=PARENT, b=FRESH_IDS)).check()
    own = chats.messages.filter(pl.col("conversation_id") == "B").collect()

    assert [("v5", "m2", 0), ("m3", "v5", 1)] == own.select(
        "message_id", "parent_message_id", "position"
    ).rows()
    assert ["u1", "m1", "u3", "m2"] == ids(chats, "A")
    assert ["u3"] == chats.tool_calls.collect()["result_message_id"].to_list()


def test_chain_of_resumed_sessions(tmp_path):
    """
    A session resumed twice keeps each message where it was first said.
    """
    third = [{**record, "sessionId": "C"} for record in SAME_IDS] + [
        spoken("C", "w7", "v6", "And?", 30)
    ]
    files = {"a": PARENT, "b": SAME_IDS, "c": third}
    for order in itertools.permutations("abc"):
        folder = tmp_path / "".join(order)
        folder.mkdir()
        renamed = {f"{place}{name}": files[name] for place, name in enumerate(order)}
        chats = cd.scan(write(folder, **renamed)).check()

        assert [4, 2, 1] == [len(ids(chats, name)) for name in "ABC"]
        assert {"A": None, "B": "A", "C": "B"} == dict(
            chats.conversations.select("conversation_id", "parent_conversation_id").collect().rows()
        )


def test_copy_stays_when_its_owner_is_gone(tmp_path):
    """
    Without the file they were copied from, copies are the only record and stay.
    """
    chats = cd.scan(write(tmp_path, b=SAME_IDS)).check()

    assert 6 == len(ids(chats, "B"))
    assert [None] == chats.conversations.collect()["parent_conversation_id"].to_list()


def test_same_id_is_not_the_same_message(tmp_path):
    """
    Different messages that share an id are kept apart, with their calls and links.
    """
    one = {
        "id": "x",
        "mapping": {
            "1": node(None, "user", "Hi"),
            "2": node("1", "assistant", "call", recipient="browser"),
        },
    }
    two = {
        "id": "y",
        "mapping": {
            "1": node(None, "user", "Ho"),
            "2": node("1", "assistant", "other", recipient="python"),
        },
    }
    path = tmp_path / "export.json"
    path.write_text(json.dumps([one, two]))
    chats = cd.scan(path).check()

    assert ["1", "2"] == ids(chats, "x")
    assert ["1~2", "2~2"] == ids(chats, "y")
    assert [None, "1", None, "1~2"] == chats.messages.collect()["parent_message_id"].to_list()
    assert ["2", "2~2"] == chats.tool_calls.collect()["message_id"].to_list()


def node(parent, role, said, **message):
    return {
        "parent": parent,
        "message": {
            "author": {"role": role},
            "content": {"content_type": "text", "parts": [said]},
            **message,
        },
    }


def test_export_twice_is_read_once(tmp_path):
    """
    Two exports of one account give each conversation once, with what the later one adds.
    """
    before = {"id": "x", "mapping": {"a1": node(None, "user", "Hi")}}
    after = {
        "id": "x",
        "title": "Later",
        "mapping": {"a1": node(None, "user", "Hi"), "a2": node("a1", "assistant", "Hello")},
    }
    for name, export in (("1", before), ("2", after)):
        (tmp_path / f"{name}.json").write_text(json.dumps([export]))
    chats = cd.scan(tmp_path).check()

    assert ["a1", "a2"] == ids(chats, "x")
    assert ["Later"] == chats.conversations.collect()["title"].to_list()
    assert 1 == chats.audit().filter(pl.col("cause") == "mirrored")["n_messages"].item()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_answer_that_ends_early_is_taken_whole(tmp_path, order):
    """
    A file that ends in mid-answer does not hide what a later copy of the answer has.
    """
    blocks = [{"type": "text", "text": "Two"}, *used("t2")]
    begun = [*PARENT[:3], answered("A", "u4", "u3", "m2", blocks[:1], 4)]
    whole = [
        *SAME_IDS[:3],
        answered("B", "u4", "u3", "m2", blocks[:1], 4),
        answered("B", "u5", "u4", "m2", blocks[1:], 5, usage=1),
        *[{**record, "parentUuid": "u5"} for record in TAIL_B[:1]],
    ]
    chats = cd.scan(write(tmp_path, **dict(zip(order, (begun, whole), strict=True)))).check()

    assert ["u1", "m1", "u3", "m2"] == ids(chats, "A")
    assert [0, 1, 2, 3] == (
        chats.messages.filter(pl.col("conversation_id") == "A").collect()["position"].to_list()
    )
    assert [("t1", "A", "m1"), ("t2", "A", "m2")] == chats.tool_calls.select(
        "tool_call_id", "conversation_id", "message_id"
    ).sort("tool_call_id").collect().rows()
    assert len(begun) + len(whole) == chats.accounting.collect()["n_records"].sum()


def test_keys_that_look_numbered_stay_apart(tmp_path):
    """
    An id that ends in ~2 is not taken for the second message of another id.
    """
    for name, said in (("a", "One"), ("b", "Two")):
        twice = [spoken(name, "u", None, said, 1), spoken(name, "u~2", None, said, 2)]
        write(tmp_path, **{name: twice})
    chats = cd.scan(tmp_path).check()

    assert 4 == chats.messages.collect()["message_id"].n_unique()


def test_result_in_a_copy_answers_the_call(tmp_path):
    """
    A call whose file ended before its result takes the result that a copy of it has.
    """
    chats = cd.scan(write(tmp_path, a=PARENT[:2], b=SAME_IDS)).check()

    assert [("A", "ok", "done", "u3")] == chats.tool_calls.select(
        "conversation_id", "status", "result", "result_message_id"
    ).collect().rows()


def test_sub_agent_belongs_to_its_call(tmp_path):
    """
    A sub-agent's conversation names its parent and the call that started it.
    """
    main = [
        spoken("A", "u1", None, "Go", 1),
        answered("A", "u2", "u1", "m1", used("t1"), 2),
        returned("A", "u3", "u2", "t1", 9, toolUseResult={"agentId": "ag"}),
    ]
    agent = [
        spoken("A", "g1", None, "Search", 3, isSidechain=True, agentId="ag"),
        answered("A", "g2", "g1", "m2", "Found", 4, isSidechain=True, agentId="ag"),
    ]
    (tmp_path / "agent-ag.meta.json").write_text('{"agentType": "Explore"}')
    chats = cd.scan(write(tmp_path, main=main, **{"agent-ag": agent})).check()
    child = (
        chats.conversations.filter(pl.col("conversation_id") == "A/ag").collect().row(0, named=True)
    )

    assert ("A", "subagent", "t1", "Explore") == tuple(
        child[name]
        for name in ("parent_conversation_id", "relation", "parent_tool_call_id", "agent")
    )
    assert 2 == chats.conversations.collect().height
    assert ["injected", "chat"] == chats.messages.filter(
        pl.col("conversation_id") == "A/ag"
    ).collect()["kind"].to_list()


def test_title_may_come_from_another_file(tmp_path):
    """
    A summary names its conversation by a message of it; a title given by hand counts more.
    """
    titles = [
        {"type": "summary", "summary": "By machine", "leafUuid": "u4"},
        {"type": "summary", "summary": "Of nobody here", "leafUuid": "zz"},
    ]
    custom = [{"type": "custom-title", "customTitle": "By hand", "sessionId": "A"}]
    (tmp_path / "one").mkdir()
    (tmp_path / "two").mkdir()

    assert ["By machine"] == cd.scan(
        write(tmp_path / "one", a=PARENT, t=titles)
    ).conversations.collect()["title"].to_list()
    assert ["By hand"] == cd.scan(
        write(tmp_path / "two", a=PARENT + custom, t=titles)
    ).conversations.collect()["title"].to_list()


def line(kind, second, **payload):
    return {"timestamp": f"2025-03-01T10:00:{second:02}.000Z", "type": kind, "payload": payload}


def item(role, said, second):
    kind = "output_text" if role == "assistant" else "input_text"
    return line(
        "response_item", second, type="message", role=role, content=[{"type": kind, "text": said}]
    )


def total(tokens, last, second):
    return line(
        "event_msg",
        second,
        type="token_count",
        info={
            "total_token_usage": {"input_tokens": tokens, "output_tokens": tokens},
            "last_token_usage": {"input_tokens": last, "output_tokens": last},
        },
    )


ROLLOUT = [
    line("session_meta", 0, id="A"),
    line("turn_context", 1, turn_id="t1", model="m"),
    item("user", "One", 2),
    item("assistant", "Two", 3),
    line("response_item", 3, type="function_call", name="ls", arguments="{}", call_id="c1"),
    total(10, 10, 4),
]
FORK = [
    line("session_meta", 20, id="B", forked_from_id="A"),
    *[{**record, "timestamp": "2025-03-01T10:00:20.000Z"} for record in ROLLOUT],
    line("turn_context", 21, turn_id="t2", model="m"),
    item("user", "Three", 22),
    item("assistant", "Four", 23),
    total(25, 15, 24),
]


@pytest.mark.parametrize("first", ["parent", "fork"])
def test_codex_fork_replays_its_parent(tmp_path, first):
    """
    A forked rollout keeps its own turns and tokens; what it replays stays with the parent.
    """
    names = ("a", "b") if first == "parent" else ("b", "a")
    chats = cd.scan(write(tmp_path, **dict(zip(names, (ROLLOUT, FORK), strict=True)))).check()
    spoken = chats.messages.filter(pl.col("kind") == "chat").collect()
    rows = spoken.sort("conversation_id", "position").select(
        "conversation_id", "content", "output_tokens"
    )

    assert [
        ("A", "One", None),
        ("A", "Two", 10),
        ("B", "Three", None),
        ("B", "Four", 15),
    ] == rows.rows()
    assert [("A:c1", "A")] == chats.tool_calls.select(
        "tool_call_id", "conversation_id"
    ).collect().rows()
    assert ("A", "fork") == chats.conversations.filter(pl.col("conversation_id") == "B").select(
        "parent_conversation_id", "relation"
    ).collect().row(0)


@pytest.mark.parametrize("first", ["parent", "fork"])
def test_calls_before_any_answer_are_replayed_too(tmp_path, first):
    """
    A call that no message issued counts once, in the parent, although a fork replays it.
    """
    early = line("response_item", 2, type="function_call", name="ls", arguments="{}", call_id="c0")
    parent = [*ROLLOUT[:3], early, *ROLLOUT[3:]]
    fork = [FORK[0], *parent, *FORK[7:]]
    names = ("a", "b") if first == "parent" else ("b", "a")
    chats = cd.scan(write(tmp_path, **dict(zip(names, (parent, fork), strict=True)))).check()

    assert [("A:c0", "A", None), ("A:c1", "A", "A:3")] == chats.tool_calls.select(
        "tool_call_id", "conversation_id", "message_id"
    ).sort("tool_call_id").collect().rows()
    assert (
        0
        == chats.messages.filter(
            (pl.col("conversation_id") == "B") & (pl.col("created_at").dt.second() < 20)
        )
        .collect()
        .height
    )


def test_codex_fork_without_its_parent(tmp_path):
    """
    Without the parent's file, the tokens it had used before the fork are not the fork's own.
    """
    own = [FORK[0], *FORK[7:]]
    chats = cd.scan(write(tmp_path, b=own)).check()

    assert 15 == chats.messages.collect()["output_tokens"].sum()

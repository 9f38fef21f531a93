"""Turns of Codex rollouts and of `codex exec --json`: undone, refused, resumed, and paid for."""

from __future__ import annotations

import polars as pl
import pytest
from agent_records import META, item, scanned

import chatdata as cd


def said(role, text, second):
    kind = "output_text" if role == "assistant" else "input_text"
    content = [{"type": kind, "text": text}]
    return item({"type": "message", "role": role, "content": content}, second)


def called(second, **more):
    call = {"type": "function_call", "name": "shell", "call_id": "c", "arguments": "{}"}
    return item({**call, **more}, second)


def told(kind, second, **more):
    return item({"type": kind, **more}, second) | {"type": "event_msg"}


def spent(second, total):
    counts = {"input_tokens": total, "cached_input_tokens": 0, "output_tokens": total}
    return told("token_count", second, info={"total_token_usage": counts})


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("aborted by user after 3.2s", "cancelled"),
        ("Wall time: 2.0 seconds\naborted by user", "cancelled"),
        ("exec command rejected by user", "denied"),
        ("patch rejected by user", "denied"),
        ("The job was aborted by user nobody", "unknown"),
    ],
)
def test_calls_that_the_user_stopped(tmp_path, output, status):
    """
    The program's fixed words tell that a call was stopped, or never ran.
    """
    answer = item({"type": "function_call_output", "call_id": "c", "output": output}, 2)
    chats = scanned(tmp_path, "r.jsonl", [META, called(1), answer])

    assert [status] == chats.tool_calls.collect()["status"].to_list()


def test_turns_that_were_undone(tmp_path):
    """
    Turns that were rolled back stay, off the main path; the next goes on from what was before.
    """
    lines = [
        META,
        said("user", "a", 1),
        said("assistant", "b", 2),
        said("user", "undone", 3),
        said("assistant", "undone too", 4),
        told("thread_rolled_back", 5, num_turns=1),
        said("user", "c", 6),
    ]
    rows = scanned(tmp_path, "r.jsonl", lines).messages.sort("position").collect()
    ids = dict(zip(rows["content"], rows["message_id"], strict=True))
    event = rows.filter(pl.col("role_raw") == "thread_rolled_back")

    assert ["undone", "undone too"] == rows.filter(~pl.col("is_main_path"))["content"].to_list()
    assert [ids["b"]] == event["parent_message_id"].to_list()
    assert (
        rows.filter(pl.col("content") == "c")["parent_message_id"].to_list()
        == event["message_id"].to_list()
    )


def test_everything_undone(tmp_path):
    """
    More turns undone than there are: all of them.
    """
    lines = [META, said("user", "a", 1), told("thread_rolled_back", 2, num_turns=9)]
    rows = scanned(tmp_path, "r.jsonl", lines).messages.sort("position").collect()

    assert [False, True] == rows["is_main_path"].to_list()
    assert [None, None] == rows["parent_message_id"].to_list()


def test_a_review_is_a_subagent(tmp_path):
    """
    A review has no parent that its file names, and nobody typed what it is asked.
    """
    meta = {**META, "payload": {**META["payload"], "source": {"subagent": "review"}}}
    chats = scanned(tmp_path, "r.jsonl", [meta, said("user", "Review this", 1)])

    assert ["subagent"] == chats.conversations.collect()["relation"].to_list()
    assert ["injected"] == chats.messages.collect()["kind"].to_list()


def test_tokens_go_to_the_answer_of_their_turn(tmp_path):
    """
    What a turn spends before its answer is its answer's; a turn without one gives it to the last.
    """
    lines = [
        META,
        said("user", "a", 1),
        said("assistant", "b", 2),
        spent(3, 10),
        said("user", "c", 4),
        called(5),
        spent(6, 30),
        said("assistant", "d", 7),
        spent(8, 35),
        said("user", "e", 9),
        called(10),
        spent(11, 135),
    ]
    rows = scanned(tmp_path, "r.jsonl", lines).messages.sort("position").collect()
    answers = rows.filter(pl.col("role") == "assistant")

    assert [10, 125] == answers["output_tokens"].to_list()


def test_tools_that_were_found(tmp_path):
    """
    The list of tools is the output of the call that searched for them.
    """
    search = called(1, type="tool_search_call", status="completed")
    found = {"type": "tool_search_output", "call_id": "c", "tools": [{"name": "x"}]}
    chats = scanned(tmp_path, "r.jsonl", [META, search, item(found, 2)])

    assert ['[{"name":"x"}]'] == chats.tool_calls.collect()["result"].to_list()


def event(kind, **more):
    return {"type": kind, **more}


def done(id_, kind, **more):
    return event("item.completed", item={"id": id_, "type": kind, "status": "completed", **more})


def run(total):
    return [
        event("thread.started", thread_id="t"),
        event("turn.started"),
        done("item_0", "command_execution", command="ls", aggregated_output="", exit_code=0),
        done("item_1", "agent_message", text="Done."),
        event("turn.completed", usage={"input_tokens": total, "output_tokens": total}),
    ]


def test_runs_of_one_thread(tmp_path):
    """
    A resumed run counts its items anew: they are others than those of the run before, while the
    same run in two files is one.
    """
    scanned(tmp_path, "a.jsonl", run(10))
    scanned(tmp_path, "b.jsonl", run(30))
    scanned(tmp_path, "c.jsonl", [event("error", message="x"), *run(30)])
    chats = cd.scan(tmp_path)
    answers = chats.messages.filter(pl.col("role") == "assistant").collect()

    assert ["t"] == answers["conversation_id"].unique().to_list()
    assert ["Done.", "Done."] == answers["content"].to_list()
    assert 2 == chats.tool_calls.collect().height


def test_turns_of_one_run(tmp_path):
    """
    A call belongs to the answer of its own turn, or to none, and so do tokens.
    """
    spawn = {"tool": "spawn_agent", "prompt": "go", "receiver_thread_ids": ["x"]}
    lines = [
        *run(10),
        event("turn.started"),
        done("item_2", "collab_tool_call", **spawn),
        event("turn.completed", usage={"input_tokens": 12, "output_tokens": 15}),
    ]
    chats = scanned(tmp_path, "a.jsonl", lines)
    calls = chats.tool_calls.filter(pl.col("name") == "spawn_agent").collect()

    assert [None] == calls["message_id"].to_list()
    assert ['{"prompt":"go","receiver_thread_ids":["x"]}'] == calls["arguments"].to_list()
    assert 15 == chats.messages.collect()["output_tokens"].sum()


def test_turns_without_any_answer(tmp_path):
    """
    What turns spent before the first answer goes to that; where none comes, it is kept.
    """

    def turn(total, *items):
        usage = {"input_tokens": total, "output_tokens": total}
        return [event("turn.started"), *items, event("turn.completed", usage=usage)]

    begun = [event("thread.started", thread_id="t"), *turn(10), *turn(30)]
    answered = turn(35, done("item_0", "agent_message", text="Done."))
    bare = scanned(tmp_path, "a.jsonl", begun).conversations.collect()
    whole = scanned(tmp_path, "b.jsonl", [*begun, *answered]).messages.collect()

    assert '"output":30' in bare["extra"].item()
    assert [35] == whole["output_tokens"].drop_nulls().to_list()

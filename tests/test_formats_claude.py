"""What Claude Code itself writes into a session, and which calls were kept from running."""

from __future__ import annotations

import json

import polars as pl
import pytest
from agent_records import record, scanned

import chatdata as cd
from chatdata.errors import UnknownFormatError

ANSWER = {"id": "m", "role": "assistant", "content": [{"type": "text", "text": "ok"}]}


@pytest.mark.parametrize(
    ("content", "more", "kind"),
    [
        ("<bash-notification>\nx</bash-notification>", {}, "injected"),
        ('<teammate-message teammate_id="a">x</teammate-message>', {}, "injected"),
        ("<system-reminder>x</system-reminder>", {}, "injected"),
        ("<system-reminder>x</system-reminder>\nReally?", {}, "chat"),
        (
            "<ide_opened_file>f</ide_opened_file><system-reminder>x</system-reminder>",
            {},
            "injected",
        ),
        ("Go on", {"isSynthetic": True}, "injected"),
        (
            "This session is being continued from a previous conversation that",
            {"isSynthetic": True},
            "summary",
        ),
        ("Go on", {"isSidechain": True}, "injected"),
        ("", {}, "chat"),
    ],
)
def test_who_wrote_a_user_record(tmp_path, content, more, kind):
    """
    What the program writes into the user's place is no prompt; what stands after it is one.
    """
    first = record("user", 0, {"role": "user", "content": content}, **more)
    messages = scanned(tmp_path, "s.jsonl", [first, record("assistant", 1, ANSWER)]).messages

    assert kind == messages.sort("position").collect()["kind"][0]


@pytest.mark.parametrize(
    ("said", "status"),
    [
        ("[Request interrupted by user for tool use]", "cancelled"),
        (
            "<tool_use_error>Cancelled: parallel tool call Bash errored</tool_use_error>",
            "cancelled",
        ),
        ("The agent proposed a plan that was rejected by the user. The plan:", "denied"),
        ("Permission to use Bash with command rm has been denied.", "denied"),
        ("Permission denied", "error"),
    ],
)
def test_calls_that_never_ran(tmp_path, said, status):
    """
    A call that the user kept from running did not fail.
    """
    use = {"type": "tool_use", "id": "t", "name": "Bash", "input": {}}
    result = {"type": "tool_result", "tool_use_id": "t", "is_error": True, "content": said}
    asked = record("assistant", 0, {"id": "m", "role": "assistant", "content": [use]})
    answered = record("user", 1, {"role": "user", "content": [result]})
    calls = scanned(tmp_path, "s.jsonl", [asked, answered]).tool_calls.collect()

    assert [status] == calls["status"].to_list()


def test_a_queued_prompt_that_was_typed_before(tmp_path):
    """
    A prompt waits in the queue: it is one of its own unless a later record has it again.
    """
    queued = {"type": "queued_command", "prompt": "continue", "commandMode": "prompt"}
    typed = {"role": "user", "content": "continue"}
    records = [
        record("user", 0, typed),
        record("assistant", 1, ANSWER),
        record("attachment", 2, None) | {"attachment": queued},
    ]
    chats = scanned(tmp_path, "s.jsonl", records)
    again = scanned(tmp_path, "s.jsonl", [*records, record("user", 3, typed)])

    assert 2 == cd.analysis.conversation_length(chats).collect()["n_prompts"].sum()
    assert 2 == cd.analysis.conversation_length(again).collect()["n_prompts"].sum()


def test_subagents_that_are_asked_the_same(tmp_path):
    """
    Sub-agents that start in the same instant with the same task are not copies of each other; the
    small file beside a log names the call that started it.
    """
    task = {"role": "user", "content": "Look"}
    (tmp_path / "subagents").mkdir()
    for agent in ("a1", "a2"):
        body = record("user", 0, task, agentId=agent, isSidechain=True) | {"uuid": agent}
        scanned(tmp_path / "subagents", f"agent-{agent}.jsonl", [body])
    (tmp_path / "subagents" / "agent-a1.meta.json").write_text('{"toolUseId": "toolu_1"}')
    chats = cd.scan(tmp_path)
    talks = chats.conversations.sort("conversation_id").collect()

    assert 2 == chats.messages.collect().height
    assert ["toolu_1", None] == talks["parent_tool_call_id"].to_list()


def test_the_end_of_a_run_alone(tmp_path):
    """
    Where a run prints its end only, that is the answer; after the answer it is an event.
    """
    end = {"type": "result", "subtype": "success", "session_id": "S", "result": "Final"}
    end["usage"] = {"input_tokens": 9, "output_tokens": 400}
    said = record("assistant", 0, ANSWER)
    alone = scanned(tmp_path, "a.jsonl", [end]).messages.collect()
    after = scanned(tmp_path, "b.jsonl", [said, end]).messages.sort("position").collect()
    runs = [end | {"uuid": "1"}, end | {"uuid": "2", "result": "More"}]
    resumed = scanned(tmp_path, "c.jsonl", runs).messages.sort("position").collect()

    assert [("assistant", "Final", 400)] == alone.select("role", "content", "output_tokens").rows()
    assert ["chat", "event"] == after["kind"].to_list()
    assert ["Final", "More"] == resumed["content"].to_list()


def test_another_program_in_the_same_frame(tmp_path):
    """
    What Cursor's agent prints has its calls in lines of their own: it is not read as if they were
    none.
    """
    said = {"role": "assistant", "content": [{"type": "text", "text": "I look"}]}
    call = {"type": "tool_call", "subtype": "completed", "call_id": "c", "tool_call": {"read": {}}}
    lines = [
        {"type": "system", "subtype": "init"},
        {"type": "user", "message": {**said, "role": "user"}},
        {"type": "assistant", "message": said},
        call,
        {"type": "assistant", "message": said},
        {"type": "result", "subtype": "success"},
    ]
    with pytest.raises(UnknownFormatError):
        scanned(tmp_path, "s.jsonl", [{**line, "session_id": "s"} for line in lines])


@pytest.mark.parametrize("names", [("a", "b"), ("b", "a")], ids=["session first", "stream first"])
@pytest.mark.parametrize("has_uuids", [True, False])
def test_a_session_beside_what_its_run_printed(tmp_path, names, has_uuids):
    """
    The session and the output of one run are one conversation, with the session's times.
    """
    call = {"type": "tool_use", "id": "toolu_1", "name": "Bash", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "a"}
    bodies = [
        {"role": "user", "content": "List"},
        {"id": "m1", "role": "assistant", "content": [call], "usage": {"output_tokens": 9}},
        {"role": "user", "content": [done]},
        {"id": "m2", "role": "assistant", "content": "One", "usage": {"output_tokens": 5}},
    ]
    session = [record(body["role"], place, body) for place, body in enumerate(bodies)]
    printed = [
        {"type": "system", "subtype": "init", "session_id": "S"},
        *(
            {"type": body["role"], "message": body, "session_id": "S", "parent_tool_use_id": None}
            | ({"uuid": f"S.{place}"} if has_uuids else {})
            for place, body in enumerate(bodies)
            if place
        ),
        {"type": "result", "subtype": "success", "session_id": "S", "result": "One"},
    ]
    for name, records in zip(names, (session, printed), strict=True):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))

    chats = cd.scan(tmp_path).check()
    messages = chats.messages.filter(pl.col("kind") != "event").sort("position").collect()
    call = chats.tool_calls.collect()

    assert 1 == chats.conversations.collect().height
    assert ["user", "assistant", "tool", "assistant"] == messages["role"].to_list()
    assert [0, 1, 2, 3] == messages["created_at"].dt.second().to_list()
    assert 14 == messages["output_tokens"].sum()
    assert [("ok", "S.2")] == call.select("status", "result_message_id").rows()


def test_a_subagent_beside_what_its_run_printed(tmp_path):
    """
    The output names a sub-agent after its call, its own file by its id: it is one conversation.
    """
    call = {"type": "tool_use", "id": "toolu_1", "name": "Task", "input": {}}
    done = {"type": "tool_result", "tool_use_id": "toolu_1", "content": "Seen"}
    looked = {"id": "m2", "role": "assistant", "content": "Seen", "usage": {"output_tokens": 5}}
    task = {"role": "user", "content": "Look"}
    session = [
        record("user", 0, {"role": "user", "content": "Explore"}),
        record("assistant", 1, {"id": "m1", "role": "assistant", "content": [call]}),
        record("user", 2, {"role": "user", "content": [done]}, toolUseResult={"agentId": "x"}),
    ]
    agent = [
        {**record("user", 5, task), "agentId": "x", "isSidechain": True},
        {**record("assistant", 6, looked), "agentId": "x", "isSidechain": True},
    ]
    printed = [
        {
            "session_id": "S",
            "parent_tool_use_id": starts,
            **{key: each[key] for key in ("type", "message", "uuid")},
        }
        for starts, records in ((None, session[1:]), ("toolu_1", agent))
        for each in records
    ]
    for name, records in (("agent-x", agent), ("printed", printed), ("session", session)):
        (tmp_path / f"{name}.jsonl").write_text("".join(json.dumps(r) + "\n" for r in records))

    chats = cd.scan(tmp_path).check()
    talks = chats.conversations.select("conversation_id", "parent_tool_call_id").collect()

    assert [("S", None), ("S/x", "toolu_1")] == sorted(talks.rows())
    assert [("S", 3), ("S/x", 2)] == sorted(
        chats.messages.group_by("conversation_id").len().collect().rows()
    )

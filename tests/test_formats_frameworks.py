"""Words, thoughts and calls in the places where frameworks and providers put them."""

from __future__ import annotations

import json

import polars as pl
import pytest

import chatdata as cd
from chatdata.errors import UnknownFormatError

USE = {"type": "server_tool_use", "id": "s", "name": "web_search", "input": {"query": "w"}}
FOUND = {"type": "web_search_tool_result", "tool_use_id": "s", "content": [{"url": "u"}]}
TEXT = {"type": "text", "text": "Sunny"}


def scanned(folder, value):
    path = folder / "log.json"
    path.write_text(json.dumps(value))
    return cd.scan(path).check()


def completion(**message):
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", **message}}
    return {"id": "c", "object": "chat.completion", "model": "m", "choices": [choice]}


def vercel(*parts):
    return {
        "id": "v",
        "messages": [{"id": "1", "role": "assistant", "content": "4", "parts": parts}],
    }


def librechat(*parts):
    ids = {"messageId": "m", "conversationId": "c", "parentMessageId": None}
    return {"conversationId": "c", "messages": [{**ids, "sender": "Claude", "content": parts}]}


@pytest.mark.parametrize(
    "log",
    [
        completion(content="4", reasoning="2+2"),
        completion(content="4", reasoning_content="2+2", reasoning="2+2 again"),
        vercel({"type": "reasoning", "reasoning": "2+2"}, {"type": "text", "text": "4"}),
        librechat({"type": "think", "think": "2+2"}, {"type": "text", "text": "4"}),
    ],
)
def test_thoughts(tmp_path, log):
    """
    Thoughts are reasoning, whatever a provider calls them, and no word is lost.
    """
    messages = scanned(tmp_path, log).messages.collect()

    assert [("4", "2+2")] == messages.select("content", "reasoning").rows()
    if "again" in json.dumps(log):
        assert "2+2 again" in messages["extra"].item()


@pytest.mark.parametrize(("content", "said"), [(None, "Hello there"), ("Hi", "Hi")])
def test_what_was_said_aloud(tmp_path, content, said):
    """
    A transcript stands for the words where none are written; the sound leaves the frames.
    """
    audio = {"id": "a", "data": "QUFB" * 99, "transcript": "Hello there"}
    messages = scanned(tmp_path, completion(content=content, audio=audio)).messages.collect()

    assert said == messages["content"].item()
    assert "QUFBQUFB" not in messages["extra"].item()


def test_a_program_that_asks_for_another_answer(tmp_path):
    """
    What answers no tool is words, of the program; what answers one is its result.
    """
    retry = {"part_kind": "retry-prompt", "content": "an int, please"}
    call = {"part_kind": "tool-call", "tool_name": "t", "args": "{}", "tool_call_id": "c"}
    log = [
        {"kind": "request", "parts": [retry]},
        {"kind": "response", "parts": [call]},
        {"kind": "request", "parts": [{**retry, "tool_name": "t", "tool_call_id": "c"}]},
    ]
    chats = scanned(tmp_path, log)
    rows = chats.messages.sort("position").select("role", "kind", "content").collect().rows()

    assert [
        ("user", "injected", "an int, please"),
        ("assistant", "chat", None),
        ("tool", "tool_result", None),
    ] == rows
    assert [("an int, please", "error")] == (
        chats.tool_calls.select("result", "status").collect().rows()
    )


def test_tools_that_the_provider_ran(tmp_path):
    """
    They stand among the parts alone; calls that are listed too count once.
    """
    listed = {"type": "tool_use", "id": "t", "name": "add", "input": {}}
    data = {
        "content": [USE, FOUND, listed, TEXT],
        "tool_calls": [{"id": "t", "name": "add", "args": {}}],
    }
    log = [{"type": "human", "data": {"content": "go"}}, {"type": "ai", "data": data}]
    calls = scanned(tmp_path, log).tool_calls.sort("name").collect()

    assert [("add", "no_result"), ("web_search", "ok")] == calls.select("name", "status").rows()
    assert '[{"url":"u"}]' == calls["result"][1]


def test_attempts_that_were_not_chosen(tmp_path):
    """
    An agent that tries again keeps every attempt; the one it chose stands twice in its log.
    """
    tries = [
        {"history": [{"role": "user", "content": "fix"}, {"role": "assistant", "content": said}]}
        for said in ("wrong", "right", "late")
    ]
    log = {"attempts": tries, "history": tries[1]["history"], "trajectory": [], "info": {}}
    chats = scanned(tmp_path, log)
    talks = chats.conversations.sort("conversation_id").collect()
    said = chats.messages.sort("conversation_id", "position").collect()["content"].to_list()

    assert [None, "trial", "trial"] == talks["relation"].to_list()
    assert ["fix", "right", "fix", "wrong", "fix", "late"] == said


def test_trajectories_that_others_refer_to(tmp_path):
    """
    A step that starts a sub-agent is its parent's; copied context was said, and paid for, before.
    """

    def step(number, source, **more):
        return {"step_id": number, "source": source, "message": f"{number}", **more}

    spent = {"metrics": {"prompt_tokens": 9, "completion_tokens": 4}}
    call = {"tool_call_id": "c", "function_name": "ask", "arguments": {}}
    ref = {"source_call_id": "c", "subagent_trajectory_ref": [{"session_id": "sub"}]}
    asked = {"tool_calls": [call], "observation": {"results": [ref]}}
    copied = {"is_copied_context": True}
    for name, steps in {
        "main": [step(1, "user"), step(2, "agent", **spent, **asked)],
        "sub": [step(1, "user"), step(2, "agent", **spent)],
        "main-cont-1": [step(1, "user", **copied), step(2, "agent", **copied, **spent)],
    }.items():
        log = {"schema_version": "ATIF-v1.6", "session_id": name, "agent": {}, "steps": steps}
        (tmp_path / f"{name}.json").write_text(json.dumps(log))
    chats = cd.scan(tmp_path).check()
    child = chats.conversations.filter(pl.col("conversation_id") == "sub").collect()

    assert [("main", "main:c", "subagent")] == (
        child.select("parent_conversation_id", "parent_tool_call_id", "relation").rows()
    )
    assert 8 == chats.messages.collect()["output_tokens"].sum()
    assert 1 == cd.analysis.conversation_length(chats).collect()["n_prompts"].sum()


def test_pairs_of_whole_conversations(tmp_path):
    """
    A prompt that both sides begin with is one prompt of each.
    """
    asked = {"role": "user", "content": "Q"}
    sides = {
        side: [asked, {"role": "assistant", "content": side}] for side in ("chosen", "rejected")
    }
    chats = [
        scanned(tmp_path, [{"prompt": prompt, **sides}]).messages.sort("message_id").collect()
        for prompt in ("Q", [asked], "Another")
    ]

    assert [["Q", "chosen", "Q", "rejected"]] * 2 == [one["content"].to_list() for one in chats[:2]]
    assert 6 == chats[2].height


def test_events_of_another_generation_of_openhands(tmp_path):
    """
    They are refused, and not half of them read as the first one's.
    """
    events = [
        {"kind": "ActionEvent", "action": {"command": "ls"}, "source": "agent", "timestamp": "t"},
        {"kind": "MessageEvent", "llm_message": {}, "source": "user", "timestamp": "t"},
    ]
    with pytest.raises(UnknownFormatError):
        scanned(tmp_path, events)

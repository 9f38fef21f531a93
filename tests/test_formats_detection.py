"""Logs are told apart by content, in any disguise; what is no log of ours is not taken for one.

A share of the disguises may stay unknown (a template of a prompt history is known by its name
alone), but none is taken for another format.
"""

from __future__ import annotations

import json
from collections import Counter

import pytest
from detecting import detected, disguises
from test_formats import EXPECTED, case_of
from test_formats_truth import RULES, truths

from chatdata.formats.base import formats
from chatdata.truth import cases

# One format's files are another's too: both have the rows of the older releases.
ALSO = {("lmsys-chat", "wildchat")}
# mini-SWE-agent writes plain chat messages: that they are its own is in the name alone.
NAMED = (".traj.json",)
RENAMED = ("wrong extension", "no extension")
# Beside the logs of a format lie files that are none: settings, lists of people, nothing at all.
BESIDE = (".meta.json", "empty.jsonl", "users.json", "channels.json")
FORMATS = sorted(format_.name for format_ in formats() if format_.name != "mapped")


def fixtures():
    for expected in EXPECTED:
        case = case_of(expected)
        yield json.loads(expected.read_text())["format"], case.name, case.read_bytes()
    for case in cases():
        for path, data in case.files.items():
            if case.format != "mapped" and not path.endswith(BESIDE):
                yield case.format, path, data


OURS = list(fixtures())


def outcomes(logs, folder):
    """
    Count what the disguises of logs were taken for; none may be taken for another format.
    """
    counted = Counter()
    for wanted, name, data in logs:
        for what, called, disguised in disguises(name, data):
            if what in RENAMED and name.endswith(NAMED):
                continue
            found, _ = detected(called, disguised, folder)

            assert found in {wanted, None} or (wanted, found) in ALSO, (what, name)
            counted[wanted, found is not None] += 1
    return counted


@pytest.mark.parametrize("name", FORMATS)
def test_ours(tmp_path, name):
    """
    Every fixture and every log of the truth pack is known in every disguise.
    """
    counted = outcomes([log for log in OURS if log[0] == name], tmp_path)

    assert counted[name, True]
    assert not counted[name, False]


def test_samples(samples, tmp_path):
    """
    So is at least 95 % of the real logs of each format, and 99 % of them all.
    """
    paths = [(RULES[truth["format"]][0], samples / "formats" / truth["file"]) for truth in truths()]
    logs = [(n, str(p), p.read_bytes()) for n, p in paths if 0 < p.stat().st_size < 4_000_000]
    counted = outcomes(logs, tmp_path)
    known = {name: counted[name, True] for name, _ in counted}
    total = {name: counted[name, True] + counted[name, False] for name in known}

    assert {} == {name: known[name] for name in known if known[name] < 0.95 * total[name]}
    assert sum(known.values()) >= 0.99 * sum(total.values())


SAYS = {"role": "user", "content": "Hi"}
ASKED = [{"role": "system", "content": "Be brief"}, SAYS]
BLOCKS = [{"type": "text", "text": "Hi"}]
USED = [{"type": "tool_use", "id": "t", "name": "ls", "input": {}}]
AT = "2025-03-01T10:00:00.000Z"


@pytest.mark.parametrize(
    ("expected", "record"),
    [
        ("openai-chat", {"messages": ASKED}),
        ("openai-chat", {"messages": [{"role": "user", "content": BLOCKS}]}),
        ("openai-chat", {"conversations": ASKED}),
        ("openai-chat", {"conversation": ASKED}),
        ("openai-chat", [SAYS, {"role": "assistant", "content": None, "tool_calls": []}]),
        ("openai-chat", {"custom_id": "a", "body": {"model": "m", "messages": ASKED}}),
        ("openai-chat", {"custom_id": "a", "response": {"status_code": 200, "body": {}}}),
        ("openai-chat", {"custom_id": "a", "response": None, "error": {"code": "expired"}}),
        ("openai-chat", {"choices": [{"message": SAYS}]}),
        ("openai-chat", {"chosen": [SAYS], "rejected": [SAYS]}),
        ("hh-rlhf", {"chosen": "\n\nHuman: Hi", "rejected": "\n\nHuman: Hi"}),
        ("anthropic-messages", {"system": "Be brief", "messages": [SAYS]}),
        ("anthropic-messages", {"system": BLOCKS, "messages": [SAYS]}),
        ("anthropic-messages", {"messages": [SAYS, {"role": "assistant", "content": USED}]}),
        ("anthropic-messages", {"type": "message", "role": "assistant", "content": USED}),
        ("anthropic-messages", {"type": "message", "role": "assistant", "content": []}),
        ("anthropic-messages", {"custom_id": "a", "params": {"messages": [SAYS]}}),
        ("anthropic-messages", {"custom_id": "a", "result": {"type": "expired"}}),
        ("sharegpt", {"conversations": [{"from": "human", "value": "Hi"}]}),
        ("sharegpt", {"messages": [{"from": "human", "value": "Hi"}]}),
        ("tau-bench", {"task_id": 1, "traj": ASKED, "reward": 1.0}),
        ("tau2-bench", {"task_id": "1", "termination_reason": "user_stop", "messages": ASKED}),
        ("openai-responses", {"object": "response", "output": []}),
        (
            "openai-responses",
            {"output": [{"type": "message", "role": "assistant", "content": []}], "input": "Hi"},
        ),
        ("codex", {"type": "response_item", "timestamp": AT, "payload": {"type": "message"}}),
        ("codex", {"type": "message", "role": "user", "content": [{"type": "input_text"}]}),
        ("codex", {"id": "a", "thread_name": "Repairs", "updated_at": AT}),
        ("claude-code", {"type": "user", "uuid": "u", "sessionId": "s", "message": SAYS}),
        ("claude-code", {"type": "system", "subtype": "init", "session_id": "s", "tools": []}),
        ("claude-code", {"type": "assistant", "session_id": "s", "message": SAYS | {"id": "m"}}),
        ("claude-code", {"type": "stream_event", "session_id": "s", "event": {}}),
        ("claude-code", {"type": "result", "subtype": "success", "session_id": "s"}),
        ("gemini-cli", {"type": "init", "timestamp": AT, "session_id": "s", "model": "g"}),
        ("gemini-cli", {"type": "tool_use", "timestamp": AT, "tool_name": "ls", "tool_id": "t"}),
        ("langfuse", {"id": "o", "traceId": "t", "projectId": "p", "type": "GENERATION"}),
        ("langfuse", {"trace": {"id": "t"}, "observations": []}),
        ("langsmith", {"id": "r", "trace_id": "t", "run_type": "llm", "inputs": {}}),
        ("lmsys-chat", {"conversation_id": "c", "conversation": [SAYS], "turn": 1}),
        ("wildchat", {"conversation_hash": "c", "conversation": [SAYS], "turn": 1}),
        ("wildchat", {"conversation_id": "c", "conversation": [SAYS], "timestamp": AT, "toxic": 0}),
        ("vercel-ai", {"id": "m", "role": "user", "parts": BLOCKS}),
        ("pydantic-ai", {"kind": "request", "parts": [{"part_kind": "user-prompt"}]}),
        ("langchain", {"type": "human", "data": {"content": "Hi"}}),
        ("slack", {"type": "message", "ts": "1700000000.000100", "user": "U1", "text": "Hi"}),
        ("chatgpt-export", {"title": "Empty", "mapping": {}, "current_node": None}),
    ],
)
@pytest.mark.parametrize("n", [1, 3])
def test_related_formats(tmp_path, expected, record, n):
    """
    Records of formats that look alike are told apart, one record being enough.
    """
    data = "\n".join([json.dumps(record)] * n).encode()

    assert (expected, 1.0) == detected("log.jsonl", data, tmp_path)


@pytest.mark.parametrize(
    "record",
    [
        pytest.param({"session_id": "a", **SAYS}, id="a table with sessions"),
        pytest.param({"conversation_id": 1, **SAYS, "created_at": AT}, id="with conversations"),
        pytest.param({"threadId": 1, **SAYS}, id="with threads"),
        pytest.param({"user_id": "u", **SAYS}, id="with users"),
        pytest.param({"chat_id": 1, "sender": "user", "text": "Hi"}, id="with other words"),
        {"prompt": "a", "completion": "b"},
        {"prompt": "a", "response": "b", "model": "m"},
        {"instruction": "a", "input": "", "output": "b"},
        {"question": "a", "choices": ["b", "c"], "answer": 0},
        {"question": "a", "choices": [], "answer": 0},
        {"level": 30, "time": 1, "pid": 1, "msg": "started"},
        {"role": "admin", "name": "Ada", "content": "a page"},
        {"messages": ["a", "b"]},
        {"messages": [{"author": "a", "text": "b"}]},
        {"messages": [{"role": "user", "body": "b"}]},
        {"system": "linux", "messages": ["booted"]},
        {"system": "linux", "messages": []},
        {"items": [{"role": "chair", "n": 2}]},
        {"conversations": ["a", "b"]},
        {"conversation": ["a"], "conversation_id": "c"},
        {"chosen": [1], "rejected": [2]},
        {"chosen": {"a": 1}, "rejected": {"a": 2}},
        {"custom_id": "a", "result": {"score": 1}},
        {"custom_id": "a", "response": "text"},
        {"type": "user", "message": {"text": "Hi"}, "timestamp": AT},
        {"type": "user", "session_id": "s", "text": "Hi"},
        {"type": "system", "session_id": "s", "text": "started"},
        {"type": "user", "sessionId": "s", "uuid": "u", "name": "Ada"},
        {"type": "message", "text": "Hi", "user": "u"},
        {"type": "init", "timestamp": AT, "x": 1},
        {"type": "human", "data": {"height": 1}},
        {"type": "reasoning", "text": "so"},
        {"id": "1", "thread_name": "main", "cpu": 1},
        {"id": 1, "mapping": {"a": "b"}},
        {"history": ["a", "b"], "id": 1},
        {"history": []},
        {"input": "a", "output": [{"type": "message", "text": "b"}]},
        {"error": {"message": "failed"}},
        {"kind": "request", "parts": [{"name": "wheel"}]},
        {"context": {"trace_id": "a"}, "span_kind": "server"},
        {"action": "click", "source": "web", "timestamp": AT},
        {"$set": {"price": 1}},
        {"task_id": 1, "traj": [[0.1, 0.2]]},
        {"simulations": [], "name": "fluid"},
        {"eval": 1, "plan": 2},
        {"run_type": "train", "trace_id": "a", "inputs": []},
        {"id": 1, "observations": ["rain"]},
        {"guild": "bakers", "channel": {}, "messages": []},
    ],
    ids="+".join,
)
@pytest.mark.parametrize("n", [1, 3])
def test_what_nobody_wrote_for_us(tmp_path, record, n):
    """
    A table or log of somebody's own is not taken for a format that it only resembles.
    """
    data = "\n".join([json.dumps(record)] * n).encode()

    assert (None, 0.0) == detected("log.jsonl", data, tmp_path)


@pytest.mark.parametrize(
    ("first", "expected"),
    [
        pytest.param('ssion": 1, "messages": []}', "openai-chat", id="cut off at its start"),
        pytest.param('{"messages": [{"role": "us', "openai-chat", id="cut off at its end"),
        pytest.param("INFO started", "openai-chat", id="a word of the program"),
        pytest.param("One.\n\nTwo.", None, id="prose goes on"),
        pytest.param("## Prompt", None, id="Markdown goes on"),
    ],
)
def test_first_line_that_is_none(tmp_path, first, expected):
    """
    One line that is no record does not hide those after it.
    """
    rows = "\n".join([json.dumps({"messages": ASKED})] * 3)

    assert expected == detected("log.jsonl", f"{first}\n{rows}".encode(), tmp_path)[0]

"""Sessions of coding agents as newer versions and other providers write them."""

from __future__ import annotations

import json

import polars as pl
import pytest
from agent_records import META, item, record, scanned

import chatdata as cd
from chatdata.errors import UnknownFormatError


def called(number, id_, session="S", answer=None, **more):
    """
    A call of Bash, and what came back.
    """
    use = {"type": "tool_use", "id": id_, "name": "Bash", "input": {"command": f"{session} {id_}"}}
    body = {"id": f"m.{session}.{number}", "role": "assistant", "content": [use]}
    result = {"type": "tool_result", "tool_use_id": id_, **(answer or {"content": "done"})}
    back = {"role": "user", "content": [result]}
    return [
        record("assistant", number, body, session),
        record("user", number + 1, back, session, **more),
    ]


@pytest.mark.parametrize("name", ["Bash_{}", "Bash:{}", "functions.Bash:{}", "call_{}"])
def test_calls_that_are_numbered_anew(tmp_path, name):
    """
    A provider that numbers a tool's calls in each session gives no two sessions one call; a copy of
    a session still repeats its own.
    """
    failed = {"content": "no", "is_error": True}
    for session in "AB":
        records = [record("user", 0, {"role": "user", "content": "go"}, session)]
        records += called(1, name.format(0), session)
        records += called(3, name.format(1), session, failed if session == "B" else None)
        scanned(tmp_path, f"{session}.jsonl", records)
    again = [{**each, "sessionId": "C"} for each in records]
    scanned(
        tmp_path, "c.jsonl", [*again, record("user", 9, {"role": "user", "content": "on"}, "C")]
    )

    calls = cd.scan(tmp_path).tool_calls.collect()
    assert {"ok": 3, "error": 1} == dict(calls["status"].value_counts().iter_rows())


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("permission-rule", "denied"),
        ("automode-blocked", "denied"),
        ("user-rejected", "denied"),
        ("interrupted", "cancelled"),
        (None, "error"),
    ],
)
def test_who_stopped_a_call(tmp_path, kind, expected):
    """
    What a session records of a denial goes before its words: no denial is an error of the tool.
    """
    answer = {"content": "Not done.", "is_error": True}
    more = {} if kind is None else {"toolDenialKind": kind}
    records = [record("user", 0, {"role": "user", "content": "go"})]
    chats = scanned(tmp_path, "s.jsonl", records + called(1, "toolu_1", answer=answer, **more))
    row = chats.tool_calls.collect().row(0, named=True)

    assert (expected, expected == "error") == (row["status"], row["error_source"] is not None)


@pytest.mark.parametrize(
    ("said", "kind"),
    [
        ("<local-command-stderr>no</local-command-stderr>", "command"),
        ("<user-memory-input>note</user-memory-input>", "command"),
        ("<ide_selection>a line</ide_selection>", "injected"),
        ("<ide_opened_file>a file</ide_opened_file>\n", "injected"),
        ("<ide_opened_file>a file</ide_opened_file>\nWhat does it do?", "chat"),
        ("Please explain <ide_selection>", "chat"),
    ],
)
def test_who_wrote_a_prompt(tmp_path, said, kind):
    """
    What the program or an editor adds is no prompt, unless a person's words stand beside it.
    """
    chats = scanned(tmp_path, "s.jsonl", [record("user", 0, {"role": "user", "content": said})])

    assert [kind] == chats.messages.collect()["kind"].to_list()


def test_a_prompt_of_another_agent(tmp_path):
    """
    A queued prompt that another agent sent is not one that a person typed.
    """
    queued = {"type": "queued_command", "prompt": "Do it", "origin": {"kind": "peer"}}
    first = record("user", 0, {"role": "user", "content": "go"})
    second = record("attachment", 1, None) | {"attachment": queued}
    chats = scanned(tmp_path, "s.jsonl", [first, second])

    assert ["chat", "injected"] == chats.messages.sort("position").collect()["kind"].to_list()


def test_contents_of_gemini_in_the_same_frame(tmp_path):
    """
    A session whose messages are contents of Gemini is no session of Claude Code.
    """
    body = {"role": "user", "parts": [{"text": "go"}]}
    with pytest.raises(UnknownFormatError):
        scanned(tmp_path, "s.jsonl", [record("user", n, body) for n in range(3)])


@pytest.mark.parametrize(
    ("output", "status"),
    [
        ("Exit code: 0\nWall time: 0.1 seconds\nOutput:\nfine", "ok"),
        ("Exit code: 1\nWall time: 0.1 seconds\nOutput:\nno", "error"),
        ("Process exited with code 2\nOutput:\nno", "error"),
        ("It said:\nExit code: 1\nand went on", "unknown"),
    ],
)
def test_exit_codes(tmp_path, output, status):
    """
    The line that Codex writes before an output says how it ended; the same words in it do not.
    """
    call = {"type": "function_call", "name": "shell", "arguments": "{}", "call_id": "c"}
    back = {"type": "function_call_output", "call_id": "c", "output": output}
    chats = scanned(tmp_path, "rollout.jsonl", [META, item(call, 1), item(back, 2)])

    assert [status] == chats.tool_calls.collect()["status"].to_list()


@pytest.mark.parametrize("tag", ["skill", "subagent_notification"])
def test_what_codex_puts_before_a_person(tmp_path, tag):
    """
    Skills and news of sub-agents are written by the program.
    """
    parts = [{"type": "input_text", "text": f"<{tag}>\n…\n</{tag}>"}]
    told = {"type": "message", "role": "user", "content": parts}
    chats = scanned(tmp_path, "rollout.jsonl", [META, item(told, 1)])

    assert ["injected"] == chats.messages.collect()["kind"].to_list()


def test_an_error_of_a_run_is_part_of_it(tmp_path):
    """
    An error that `codex exec` reports is an event of its thread; others' errors are no run of it.
    """
    error = {"type": "error", "message": "no"}
    events = [{"type": "thread.started", "thread_id": "t"}, {"type": "turn.started"}, error]
    chats = scanned(tmp_path, "run.jsonl", [*events, {"type": "turn.failed", "error": {}}])

    assert ["t"] == chats.conversations.collect()["conversation_id"].to_list()
    with pytest.raises(UnknownFormatError):
        scanned(tmp_path, "errors.jsonl", [error, error])


def test_tokens_that_a_cache_gave(tmp_path):
    """
    DeepSeek counts what its cache gave beside the details, and it is no input twice.
    """
    usage = {"prompt_tokens": 100, "completion_tokens": 20, "prompt_cache_hit_tokens": 64}
    choice = {"index": 0, "message": {"role": "assistant", "content": "a"}}
    row = {"id": "x", "object": "chat.completion", "choices": [choice], "usage": usage}
    chats = scanned(tmp_path, "log.jsonl", [row])

    assert [(36, 64, 20)] == (
        chats.messages.select("input_tokens", "cache_read_tokens", "output_tokens")
        .filter(pl.col("output_tokens").is_not_null())
        .collect()
        .rows()
    )


def test_tokens_of_a_rollout_with_events_alone(tmp_path):
    """
    Where texts exist as events only, tokens go to the answer before them, and to the first one
    where none came before.
    """

    def told(kind, second, **more):
        return item({"type": kind, **more}, second) | {"type": "event_msg"}

    def spent(second, total):
        total = {"input_tokens": total, "cached_input_tokens": 0, "output_tokens": total // 10}
        return told("token_count", second, info={"total_token_usage": total})

    lines = [
        META,
        told("user_message", 1, message="a"),
        spent(2, 100),
        told("agent_message", 3, message="b"),
        spent(4, 300),
        told("user_message", 5, message="c"),
        told("agent_message", 6, message="d"),
        spent(7, 350),
    ]
    messages = scanned(tmp_path, "rollout.jsonl", lines).messages.sort("position").collect()

    assert ["a", "b", "c", "d"] == messages["content"].to_list()
    assert [None, 300, None, 50] == messages["input_tokens"].to_list()
    assert [None, 30, None, 5] == messages["output_tokens"].to_list()


def test_a_gemini_session_before_and_after_it_was_written_as_lines(tmp_path):
    """
    A session kept as one object and as lines is one, though the lines know more of a message.
    """
    meta = {"sessionId": "7c1d", "projectHash": "h", "startTime": "2026-01-01T00:00:00.000Z"}
    call = {"id": "c1", "name": "ls", "args": {}, "status": "executing"}
    answer = {"id": "m2", "timestamp": "2026-01-01T00:00:01.000Z", "type": "gemini"}
    asked = {**answer, "id": "m1", "type": "user", "content": "go"}
    early = {**answer, "content": "", "toolCalls": [call]}
    late = {
        **answer,
        "content": "I look",
        "toolCalls": [{**call, "status": "success", "result": "x"}],
    }
    (tmp_path / "s.json").write_text(json.dumps({**meta, "messages": [asked, early]}))
    lines = [meta, asked, late, {**answer, "id": "m3", "content": "done"}]
    (tmp_path / "s.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    chats = cd.scan(tmp_path)

    assert 1 == chats.conversations.collect().height
    assert ["go", "I look", "done"] == chats.messages.collect()["content"].to_list()
    assert ["ok"] == chats.tool_calls.collect()["status"].to_list()


def test_a_subagent_of_gemini(tmp_path):
    """
    The call that started a sub-agent names it; what it is asked, nobody typed.
    """
    meta = {"projectHash": "h", "startTime": "2026-01-01T00:00:00.000Z"}
    row = {"timestamp": "2026-01-01T00:00:01.000Z", "type": "gemini", "content": ""}
    call = {"id": "c1", "name": "helper", "args": {}, "status": "success", "agentId": "helper-1"}
    asked = {**row, "type": "user", "content": "go"}
    for id_, more in (
        ("main", [{**asked, "id": "m1"}, {**row, "id": "m2", "toolCalls": [call]}]),
        ("helper-1", [{**asked, "id": "m1"}, {**row, "id": "m2", "content": "done"}]),
    ):
        kind = "main" if id_ == "main" else "subagent"
        lines = [{**meta, "sessionId": id_, "kind": kind}, *more]
        (tmp_path / f"{id_}.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    chats = cd.scan(tmp_path)
    child = chats.conversations.filter(pl.col("conversation_id") == "helper-1").collect()

    assert ["main"] == child["parent_conversation_id"].to_list()
    assert ["main:c1"] == child["parent_tool_call_id"].to_list()
    assert ["main:c1"] == chats.tool_calls.collect()["tool_call_id"].to_list()
    assert 1 == cd.analysis.conversation_length(chats).collect()["n_prompts"].sum()


def test_a_subagent_of_codex_that_names_no_parent(tmp_path):
    """
    Who spawned an agent tells whose it is, where its own file does not.
    """
    spawn = {"type": "function_call", "name": "spawn_agent", "call_id": "c", "arguments": "{}"}
    output = {"type": "function_call_output", "call_id": "c", "output": '{"agent_id": "child"}'}
    said = {
        "type": "message",
        "role": "assistant",
        "content": [{"type": "output_text", "text": "x"}],
    }
    (tmp_path / "a.jsonl").write_text(
        "".join(
            json.dumps(line) + "\n"
            for line in (META, item(said, 1), item(spawn, 2), item(output, 3))
        )
    )
    child = {**META, "payload": {**META["payload"], "id": "child"}}
    (tmp_path / "b.jsonl").write_text(
        "".join(json.dumps(line) + "\n" for line in (child, item(said, 4)))
    )
    found = cd.scan(tmp_path).conversations.filter(pl.col("conversation_id") == "child").collect()

    assert ["subagent"] == found["relation"].to_list()
    assert ["s"] == found["parent_conversation_id"].to_list()
    assert ["s:c"] == found["parent_tool_call_id"].to_list()

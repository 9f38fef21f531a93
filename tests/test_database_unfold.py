"""Texts of an application that are lists of parts: words, calls and results among them."""

from __future__ import annotations

import json

import polars as pl
import pytest
from chat_tables import build, conversations, extras, messages, rows
from hypothesis import given
from hypothesis import strategies as st
from polars.testing import assert_frame_equal

from chatdata.database import read
from chatdata.database.unfold import SCHEMA, unfolded

T = "2025-03-01 10:00:0{}"
COLUMNS = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content {}, created_at TEXT"
CALLS = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, tool_calls TEXT"
ANTHROPIC = (
    ("user", "Add milk."),
    (
        "assistant",
        [
            {"type": "text", "text": "I look,"},
            {"text": "and add.", "type": "text"},
            {"type": "tool_use", "id": "a", "name": "list_tasks", "input": {}},
            {"type": "tool_use", "id": "b", "name": "add_task", "input": {"title": "milk"}},
        ],
    ),
    (
        "user",
        [
            {"type": "tool_result", "tool_use_id": "a", "content": "none"},
            {"type": "tool_result", "tool_use_id": "b", "content": "full", "is_error": True},
        ],
    ),
    ("assistant", [{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "Full."}]),
)
MODEL = (
    ("user", [{"type": "text", "text": "Add milk."}]),
    (
        "assistant",
        [
            {"type": "text", "text": "I look,\nand add."},
            {"type": "tool-call", "toolCallId": "a", "toolName": "list_tasks", "args": {}},
            {
                "type": "tool-call",
                "toolCallId": "b",
                "toolName": "add_task",
                "input": {"title": "milk"},
            },
        ],
    ),
    (
        "tool",
        [
            {"type": "tool-result", "toolCallId": "a", "toolName": "list_tasks", "result": "none"},
            {
                "type": "tool-result",
                "toolCallId": "b",
                "output": {"type": "error-text", "value": "full"},
            },
        ],
    ),
    ("assistant", [{"type": "reasoning", "text": "Hm."}, {"type": "text", "text": "Full."}]),
)
GEMINI = (
    ("user", [{"text": "Add milk."}]),
    (
        "model",
        [
            {"text": "I look,\nand add."},
            {"functionCall": {"id": "a", "name": "list_tasks", "args": {}}},
            {"functionCall": {"id": "b", "name": "add_task", "args": {"title": "milk"}}},
        ],
    ),
    (
        "user",
        [
            {"functionResponse": {"id": "a", "name": "list_tasks", "response": {"n": 0}}},
            {"functionResponse": {"id": "b", "name": "add_task", "response": {"error": "full"}}},
        ],
    ),
    ("model", [{"text": "Hm.", "thought": True}, {"text": "Full."}]),
)
BEDROCK = (
    ("user", [{"text": "Add milk."}]),
    (
        "assistant",
        [
            {"text": "I look,\nand add."},
            {"toolUse": {"toolUseId": "a", "name": "list_tasks", "input": {}}},
            {"toolUse": {"toolUseId": "b", "name": "add_task", "input": {"title": "milk"}}},
        ],
    ),
    (
        "user",
        [
            {
                "toolResult": {
                    "toolUseId": "a",
                    "content": [{"json": {"n": 0}}],
                    "status": "success",
                }
            },
            {"toolResult": {"toolUseId": "b", "content": [{"text": "full"}], "status": "error"}},
        ],
    ),
    (
        "assistant",
        [{"reasoningContent": {"reasoningText": {"text": "Hm."}}}, {"text": "Full."}],
    ),
)
CRUSH = tuple(
    (role, [{"type": kind, "data": data} for kind, data in parts])
    for role, parts in (
        ("user", [("text", {"text": "Add milk."})]),
        (
            "assistant",
            [
                ("text", {"text": "I look,\nand add."}),
                ("tool_call", {"id": "a", "name": "list_tasks", "input": "{}", "finished": True}),
                ("tool_call", {"id": "b", "name": "add_task", "input": '{"title":"milk"}'}),
                ("finish", {"reason": "tool_use"}),
            ],
        ),
        (
            "tool",
            [
                ("tool_result", {"tool_call_id": "a", "name": "list_tasks", "content": "none"}),
                ("tool_result", {"tool_call_id": "b", "content": "full", "is_error": True}),
            ],
        ),
        ("assistant", [("reasoning", {"thinking": "Hm."}), ("text", {"text": "Full."})]),
    )
)
TOOL = {"type": "tool-add_task", "toolCallId": "b", "input": {"title": "milk"}}
SCREEN = (
    ("user", [{"type": "text", "text": "Add milk."}]),
    (
        "assistant",
        [
            {"type": "step-start"},
            {**TOOL, "state": "output-error", "errorText": "full"},
            {"type": "reasoning", "text": "Hm."},
            {"type": "text", "text": "Full.", "state": "done"},
        ],
    ),
)


def talk(*said, kind="TEXT"):
    """
    One conversation of these messages, stored as an application would.
    """
    stored = [
        (n, 1, role, text if isinstance(text, str) else json.dumps(text), T.format(n))
        for n, (role, text) in enumerate(said, 1)
    ]
    table = messages(*stored, columns=COLUMNS.format(kind))
    return conversations((1, "u", T.format(0))), table


@pytest.mark.parametrize("said", [ANTHROPIC, MODEL, CRUSH])
def test_words_calls_and_results(scanned, said):
    """
    The words are the content, the calls are calls, and results find their calls.
    """
    chats = scanned(*talk(*said))

    assert [
        ("user", "chat", "Add milk.", None),
        ("assistant", "chat", "I look,\nand add.", None),
        ("tool", "tool_result", None, None),
        ("assistant", "chat", "Full.", "Hm."),
    ] == rows(chats.messages, "role", "kind", "content", "reasoning")
    assert [
        ("2:0", "a", "list_tasks", "{}", "none", "3", "ok", None),
        ("2:1", "b", "add_task", '{"title":"milk"}', "full", "3", "error", "explicit"),
    ] == rows(
        chats.tool_calls,
        *("tool_call_id", "native_id", "name", "arguments", "result"),
        *("result_message_id", "status", "error_source"),
    )


@pytest.mark.parametrize(
    ("said", "result", "outcomes"),
    [
        (GEMINI, '{"error":"full"}', ["unknown", "error"]),
        (BEDROCK, "full", ["ok", "error"]),
    ],
)
@pytest.mark.parametrize("text", [True, False])
def test_parts_that_are_told_apart_by_their_keys(tmp_path, said, result, outcomes, text):
    """
    Parts of Gemini and of Bedrock have no types.
    """
    url = build(f"sqlite:///{tmp_path / 'app.db'}", *talk(*said))
    chats = read(url, text=text).check()

    assert [("user", 9), ("assistant", 16), ("tool", None), ("assistant", 5)] == rows(
        chats.messages, "role", "n_chars"
    )
    assert outcomes == [status for (status,) in rows(chats.tool_calls, "status")]
    assert ["3", "3"] == [place for (place,) in rows(chats.tool_calls, "result_message_id")]
    if text:
        assert [("{}", '{"n":0}'), ('{"title":"milk"}', result)] == rows(
            chats.tool_calls, "arguments", "result"
        )
        assert [None, None, None, "Hm."] == [t for (t,) in rows(chats.messages, "reasoning")]


@pytest.mark.parametrize("text", [True, False])
def test_whole_messages_beside_a_role(tmp_path, text):
    """
    A text may be the whole message that the API takes.
    """
    call = {"id": "c", "type": "function", "function": {"name": "add_task", "arguments": "{}"}}
    said = (
        ("user", {"role": "user", "content": "Hi"}),
        ("assistant", {"role": "assistant", "content": None, "tool_calls": [call]}),
        ("tool", {"role": "tool", "tool_call_id": "c", "content": "ok"}),
        ("model", {"role": "model", "parts": [{"text": "Done"}]}),
        ("user", {"role": "reader", "content": "Hi"}),
        ("user", {"role": "user", "content": "Hi", "place": "here"}),
    )
    chats = read(build(f"sqlite:///{tmp_path / 'app.db'}", *talk(*said)), text=text).check()
    sizes = [2, None, 2, 4, *(len(json.dumps(one)) for _, one in said[4:])]

    assert sizes == [n for (n,) in rows(chats.messages, "n_chars")]
    assert [("add_task", "3")] == rows(chats.tool_calls, "name", "result_message_id")
    if text:
        assert ["Hi", None, "ok", "Done"] == [t for (t,) in rows(chats.messages, "content")[:4]]


def test_results_that_name_no_call(scanned):
    """
    What comes back stays in the message where nothing says which call it answers.
    """
    call = {"functionCall": {"name": "add_task", "args": {}}}
    answer = {"functionResponse": {"name": "add_task", "response": {"ok": True}}}
    chats = scanned(*talk(("user", [{"text": "Hi"}]), ("model", [call]), ("user", [answer])))

    assert [("user", "Hi"), ("assistant", None), ("tool", '{"ok":true}')] == rows(
        chats.messages, "role", "content"
    )
    assert 1 == len(rows(chats.tool_calls, "name"))


def test_a_list_that_somebody_wrote(scanned):
    """
    Objects with keys of their own are words, also beside a key that parts have.
    """
    said = [{"text": "a", "place": 1}], [{"name": "b"}], [{}]
    chats = scanned(*talk(*(("user", one) for one in said)))

    assert [json.dumps(one) for one in said] == [
        text for (text,) in rows(chats.messages, "content")
    ]


def test_a_call_with_its_result_in_one_part(scanned):
    """
    So the Vercel SDK keeps what it shows; further keys of parts stay in `extra`.
    """
    chats = scanned(*talk(*SCREEN))

    assert [("Add milk.", None), ("Full.", "Hm.")] == rows(chats.messages, "content", "reasoning")
    assert [("add_task", "full", "error")] == rows(chats.tool_calls, "name", "result", "status")
    assert {"type": "step-start"} == extras(chats.messages)[1]["content"][0]


def test_without_text_the_same_calls(tmp_path):
    """
    Counts, sizes and outcomes do not depend on whether words are shown; no word comes out.
    """
    url = build(f"sqlite:///{tmp_path / 'app.db'}", *talk(*ANTHROPIC))
    whole, bare = (read(url, text=text).check() for text in (True, False))
    of_calls, of_messages = ("name", "status", "result_message_id"), ("role", "kind", "n_chars")
    shown = str([frame.collect().to_dicts() for frame in bare.frames.values()])

    assert rows(whole.tool_calls, *of_calls) == rows(bare.tool_calls, *of_calls)
    assert rows(whole.messages, *of_messages) == rows(bare.messages, *of_messages)
    assert not any(word in shown for word in ("milk", "I look", "full", "Hm."))


@pytest.mark.postgres
@pytest.mark.parametrize("text", [True, False])
def test_jsonb_of_postgres(postgres, tmp_path, text):
    """
    Which orders the keys of an object anew.
    """
    stored = ((f"sqlite:///{tmp_path / 'a.db'}", "TEXT"), (postgres(), "JSONB"))
    ours = [
        read(build(url, *talk(*ANTHROPIC[1:], kind=kind)), name="x", text=text).check()
        for url, kind in stored
    ]

    for name in ("messages", "tool_calls"):
        one, other = (chats.frames[name].drop("extra").collect() for chats in ours)
        assert_frame_equal(one, other)


@pytest.mark.parametrize("text", [True, False])
def test_a_column_of_json_may_hold_plain_words(tmp_path, text):
    """
    As a JSON string, without whose quotes and escapes they are; in a column of text they stay.
    """
    words = '"Add\\nmilk."'
    json_, plain = (
        read(build(f"sqlite:///{tmp_path / kind}.db", *talk(("user", words), kind=kind)), text=text)
        for kind in ("JSON", "TEXT")
    )

    assert ("Add\nmilk." if text else None, 9) == rows(json_.messages, "content", "n_chars")[0]
    assert (words if text else None, len(words)) == rows(plain.messages, "content", "n_chars")[0]


def test_in_parts_that_fit_into_memory(tmp_path):
    """
    A database that is read in parts gives the same.
    """
    url = build(f"sqlite:///{tmp_path / 'app.db'}", *talk(*ANTHROPIC))
    whole, parted = read(url).check(), read(url, held_bytes=1).check()

    for name in ("messages", "tool_calls"):
        assert_frame_equal(whole.frames[name].collect(), parted.frames[name].collect())


def test_a_column_of_calls_goes_first(scanned):
    """
    An application that stores calls apart, too, has each of them once.
    """
    parts = json.dumps([{"type": "tool_use", "id": "a", "name": "add_task", "input": {}}])
    calls = json.dumps([{"id": "a", "name": "add_task", "arguments": {}, "result": "ok"}])
    said = (
        (1, 1, "user", "Hi", None),
        (2, 1, "assistant", parts, calls),
        (3, 1, "ai", parts, None),
    )
    chats = scanned(conversations((1, "u", T.format(0))), messages(*said, columns=CALLS))

    assert [("2", "ok"), ("3", None)] == rows(
        chats.tool_calls, "message_id", "result", by="message_id"
    )


@pytest.mark.parametrize(
    "text",
    [
        "[1, 2]",
        '[{"type": "text"',
        '[{"kind": "text", "type": 3}]',
        "[]",
        '["type", {}]',
        '[{"type": "Feature", "geometry": null}]',
    ],
)
def test_other_texts_stay_as_they_are(scanned, text):
    """
    A list of anything else, and what is no JSON, is somebody's words.
    """
    chats = scanned(*talk(("user", text)))

    assert [(text, len(text))] == rows(chats.messages, "content", "n_chars")


def test_says_what_was_taken_apart_and_what_not(scanned):
    """
    Parts that are built like none known are kept, and it is said how many texts that are.
    """
    odd = [{"type": "tool-add", "toolInvocation": 3}]
    chats = scanned(*talk(*ANTHROPIC, ("assistant", odd)))
    told = {one.became: one.reason for one in chats.findings if one.subject == "messages.content"}

    assert "3 texts taken apart" in told
    assert told["not read"].startswith("1 texts are lists of parts")
    assert json.dumps(odd) == rows(chats.messages, "content")[-1][0]


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text(max_size=3),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(("type", "text", "id", "name", "input", "content", "output", "result")),
            inner | st.sampled_from(("text", "tool_use", "tool_result", "tool-call", "tool-x")),
            max_size=4,
        )
    ),
    max_leaves=12,
)


@given(st.lists(st.lists(PARTS, max_size=4).map(json.dumps) | st.text(max_size=5), max_size=6))
def test_any_list_is_read_or_kept(texts):
    """
    Whatever a text holds, nothing is raised, and each is told at most once.
    """
    said, n_unread = unfolded(pl.Series(texts, dtype=pl.String))

    assert dict(said.schema) == SCHEMA
    assert said["_row"].is_unique().all()
    assert said.height + n_unread <= len(texts)

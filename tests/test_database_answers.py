"""Results in messages of their own: which call they are of, and how they say that it ended."""

from __future__ import annotations

import json

import pytest
from chat_tables import column, conversations, messages, rows

KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
TALK = conversations((1, "u", None))
WANTED = ("message_id", "name", "result", "result_message_id", "status")


def made(*calls):
    """
    Calls as text; each an id, a name and what else is said of it.
    """
    return json.dumps([{"id": key, "name": name, **more} for key, name, more in calls])


def answered(scanned, *said, columns="tool_calls TEXT, tool_call_id TEXT", **asked):
    """
    The calls of messages that follow each other, numbered, in one conversation.
    """
    n_columns = columns.count(",") + 3
    numbered = [
        (number, 1, *one, *([None] * (n_columns - len(one)))) for number, one in enumerate(said, 1)
    ]
    chats = scanned(TALK, messages(*numbered, columns=f"{KEYED}, {columns}"), **asked)
    return rows(chats.check().tool_calls, *WANTED, by=["message_id", "position"])


def test_an_id_that_is_used_again(scanned):
    """
    A result is that of the last call of its id before it: ids may begin anew in every turn.
    """
    said = (
        ("assistant", None, made(("call_0", "a", {}))),
        ("tool", '{"success": true}', None, "call_0"),
        ("user", "And now?"),
        ("assistant", None, made(("call_0", "b", {}))),
        ("tool", '{"success": false}', None, "call_0"),
        ("tool", "once more", None, "call_0"),
        ("assistant", None, made(("call_0", "c", {}))),
    )

    assert [
        ("1", "a", '{"success":true}', "2", "ok"),
        ("4", "b", '{"success":false}', "5", "error"),
        ("7", "c", None, None, "no_result"),
    ] == answered(scanned, *said)


@pytest.mark.parametrize("held_bytes", [None, 1])
def test_a_result_before_its_call(scanned, held_bytes):
    """
    Where no call of its id comes before it, a result is that of the first one after it.
    """
    said = (
        ("tool", "9", None, "c1"),
        ("assistant", None, made(("c1", "a", {}))),
        ("assistant", None, made(("c1", "b", {}))),
    )

    assert [
        ("2", "a", "9", "1", "unknown"),
        ("3", "b", None, None, "no_result"),
    ] == answered(scanned, *said, held_bytes=held_bytes)


def test_one_id_for_several_calls_of_a_message(scanned):
    """
    Calls that share their id within a message take the results of it one after another.
    """
    said = (
        ("assistant", None, made(("x", "a", {"args": {"n": 1}}), ("x", "b", {"args": {"n": 2}}))),
        ("tool", "one", None, "x"),
        ("tool", "two", None, "x"),
    )

    assert [("1", "a", "one", "2", "unknown"), ("1", "b", "two", "3", "unknown")] == answered(
        scanned, *said
    )


FLAGS = [
    ("is_error INTEGER", 1, "error"),
    ("is_error INTEGER", 0, "ok"),
    ("is_error INTEGER", None, "unknown"),
    ("success BOOLEAN", 0, "error"),
    ("status TEXT", "error", "error"),
    ("status TEXT", "success", "ok"),
    ("status TEXT", "completed", "unknown"),
    ("status TEXT", "sent", "unknown"),
    ("error TEXT", "no such task", "error"),
    ("error TEXT", "", "unknown"),
]


@pytest.mark.parametrize("text", [True, False])
@pytest.mark.parametrize(("flag", "value", "status"), FLAGS)
def test_flags_of_the_row_of_a_result(scanned, flag, value, status, text):
    """
    A message of role tool says in columns of its own how its call ended.
    """
    said = (
        ("assistant", None, made(("c1", "a", {})), None, value),
        ("tool", "Canary", None, "c1", value),
    )
    columns = f"tool_calls TEXT, tool_call_id TEXT, {flag}"
    ((*_, found),) = answered(scanned, *said, columns=columns, text=text)

    assert status == found


def test_flags_are_not_of_the_calls(scanned):
    """
    Of a message that calls, the flags say nothing of its calls.
    """
    said = (("assistant", None, made(("c1", "a", {})), None, 1),)
    columns = "tool_calls TEXT, tool_call_id TEXT, is_error INTEGER"

    assert [("1", "a", None, None, "unknown")] == answered(scanned, *said, columns=columns)


def test_flags_in_words_stay_where_they_are(scanned):
    """
    Without texts, no word that somebody wrote into a flag is kept.
    """
    columns = f"{KEYED}, tool_calls TEXT, tool_call_id TEXT, error TEXT"
    said = messages((1, 1, "tool", "x", None, "c1", "Canary"), columns=columns)

    (kept,) = column(scanned(TALK, said, text=False).messages, "extra")

    assert "Canary" not in kept


@pytest.mark.parametrize("name", ["tool_result", "tool_output", "tool_response"])
@pytest.mark.parametrize("content", [None, "", "Shown"])
def test_a_result_beside_the_text(scanned, name, content):
    """
    A column of results of a message of role tool goes before its text.
    """
    said = (
        ("assistant", None, made(("c1", "a", {}), ("c2", "b", {}))),
        ("tool", content, None, "c1", '{"success": false}'),
        ("tool", "fine", None, "c2", "null"),
    )
    columns = f"tool_calls TEXT, tool_call_id TEXT, {name} TEXT"

    assert [
        ("1", "a", '{"success":false}', "2", "error"),
        ("1", "b", "fine", "3", "unknown"),
    ] == answered(scanned, *said, columns=columns)


@pytest.mark.parametrize("role", ["tool", "user", "assistant"])
@pytest.mark.parametrize("text", [True, False])
def test_a_list_of_results_in_a_later_message(scanned, role, text):
    """
    A list of results beside no calls has those of other messages, by the ids that it names.
    """
    beside = [
        {"tool_call_id": "c2", "content": "no", "is_error": True},
        {"tool_call_id": "c1", "result": {"success": True}},
        {"tool_call_id": "c9", "result": 1},
        "of nobody",
    ]
    said = (
        ("assistant", None, made(("c1", "a", {}), ("c2", "b", {}), ("c3", "c", {}))),
        (role, None, None, json.dumps(beside)),
    )
    found = answered(scanned, *said, columns="tool_calls TEXT, tool_results TEXT", text=text)
    hidden = [(name, answer, status) for _, name, _, answer, status in found]

    assert [("a", "2", "ok"), ("b", "2", "error"), ("c", None, "no_result")] == hidden
    assert (['{"success":true}', "no", None] if text else [None] * 3) == [one[2] for one in found]


@pytest.mark.parametrize("text", [True, False])
def test_results_that_name_only_the_tool(scanned, text):
    """
    Without an id, a message of a function is the result of the open call of its name.
    """
    said = (
        ("user", "Canary", None, "Ann", None),
        ("assistant", None, json.dumps([{"name": "a"}, {"name": "b"}]), None, None),
        ("function", '{"success": false}', None, "b", None),
        ("function", "fine", None, "a", 0),
        ("function", "of nobody", None, "z", None),
        ("assistant", None, json.dumps({"name": "a"}), "Bot", None),
        ("function", "boom", None, "a", 1),
    )
    columns = "function_call TEXT, name TEXT, is_error INTEGER"
    found = answered(scanned, *said, columns=columns, text=text)

    assert [
        ("2", "a", "4", "ok"),
        ("2", "b", "3", "error"),
        ("6", "a", "7", "error"),
    ] == [(message, name, answer, status) for message, name, _, answer, status in found]


def test_names_of_tools_alone_are_no_calls(scanned):
    """
    A message of a tool that nothing called is a result whose call is not stored, and no call.
    """
    columns = f"{KEYED}, function_call TEXT, name TEXT"
    said = messages(
        (1, 1, "tool", "x", None, "a"), (2, 1, "user", "y", None, "Ann"), columns=columns
    )

    assert 0 == scanned(TALK, said).tool_calls.collect().height

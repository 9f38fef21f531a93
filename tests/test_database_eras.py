"""Calls in several places of a table: an application began with one and went on with another."""

from __future__ import annotations

import json

import pytest
from chat_tables import conversations, extras, messages, rows

TALK = conversations((1, "u", None))
KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, {}"
OLD = json.dumps([{"name": "old", "arguments": {"a": 1}}])
NEW = json.dumps({"tool_calls": [{"name": "new", "arguments": {"b": 1}}], "ms": 9})
BOTH = "tool_calls TEXT, metadata TEXT"


def read_rows(scanned, *said, columns, **asked):
    numbered = [(number, 1, *one) for number, one in enumerate(said, 1)]
    return scanned(TALK, messages(*numbered, columns=KEYED.format(columns)), **asked).check()


@pytest.mark.parametrize("asked", [{}, {"user_id": "u"}, {"text": False}])
def test_a_column_and_metadata(scanned, asked):
    """
    Old rows have a column of calls and newer ones metadata with them; all calls count.
    """
    said = (("assistant", "a", OLD, '{"ms": 1}'), ("assistant", "b", None, NEW))
    chats = read_rows(scanned, *said, columns=BOTH, **asked)

    assert [("1:0", "old"), ("2:0", "new")] == rows(
        chats.tool_calls, "tool_call_id", "name", by="tool_call_id"
    )
    subjects = [one.subject for one in chats.findings if one.became == "tool_calls"]
    assert ["messages.tool_calls", "messages.metadata"] == subjects


def test_a_message_that_has_both_has_its_calls_once(scanned):
    """
    Of one message the first place counts, and the copy stays beside it.
    """
    said = (("assistant", "a", OLD, NEW), ("assistant", "b", "[]", NEW))
    chats = read_rows(scanned, *said, columns=BOTH)

    assert ["old", "new"] == [name for (name,) in rows(chats.tool_calls, "name", by="tool_call_id")]
    assert [{"metadata": NEW}] * 2 == extras(chats.messages, by="message_id")


def test_two_columns_of_calls(scanned):
    """
    What the second column holds beside calls of the first is kept, and what it gave is not.
    """
    said = (
        ("assistant", "a", OLD, None),
        ("assistant", "b", None, OLD),
        ("assistant", "c", OLD, OLD),
        ("assistant", "d", None, "no list"),
    )
    chats = read_rows(scanned, *said, columns="tool_calls TEXT, function_calls TEXT")

    assert [("1",), ("2",), ("3",)] == rows(chats.tool_calls, "message_id", by="message_id")
    assert [{}, {}, {"function_calls": OLD}, {"function_calls": "no list"}] == extras(
        chats.messages, by="message_id"
    )
    assert [(4,)] == rows(chats.rejects, "record")


def test_flat_columns_and_a_list(scanned):
    """
    One call in flat columns at first, a list of calls later.
    """
    said = (
        ("assistant", "a", None, "flat", '{"x":1}'),
        ("assistant", "b", OLD, None, None),
        ("assistant", "c", OLD, "flat", None),
    )
    chats = read_rows(scanned, *said, columns="tool_calls TEXT, tool_name TEXT, tool_input TEXT")

    assert [("1", "flat"), ("2", "old"), ("3", "old")] == rows(
        chats.tool_calls, "message_id", "name", by="message_id"
    )
    assert [{}, {}, {"tool_name": "flat"}] == extras(chats.messages, by="message_id")


@pytest.mark.parametrize("named", ["c1", None])
def test_a_result_that_names_its_tool_is_no_call_beside_a_list(scanned, named):
    """
    A row of role tool with the tool's name in a column is the result of the call in the list.
    """
    calls = json.dumps([{"id": "c1", "name": "old", "arguments": {"a": 1}}])
    said = (
        ("assistant", None, calls, None, None),
        ("tool", "42", None, "old", named),
        ("assistant", "It is 42.", None, None, None),
    )
    chats = read_rows(scanned, *said, columns="tool_calls TEXT, tool_name TEXT, tool_call_id TEXT")

    assert [("1", "c1", "old", '{"a":1}', "42", "2")] == rows(
        chats.tool_calls,
        *("message_id", "native_id", "name", "arguments", "result", "result_message_id"),
    )

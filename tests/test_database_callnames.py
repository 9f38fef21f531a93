"""Calls under other names: columns of the messages, keys of their further data, tables of calls."""

from __future__ import annotations

import json

import pytest
from chat_tables import column, conversations, extras, rows, table

T = "2025-03-01 10:00:0{}"
TALKS = conversations((1, "u", T.format(0)))
HEAD = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
CALL = {"name": "add_task", "arguments": {"title": "milk"}}


def said(name, stored):
    made = ((1, 1, "user", "a", None), (2, 1, "assistant", "b", json.dumps(stored)))
    return table("messages", f"{HEAD}, {name} TEXT", *made)


@pytest.mark.parametrize(
    ("name", "stored"),
    [
        ("function_call", {"name": "add_task", "arguments": '{"title": "milk"}'}),
        ("toolInvocations", [{"toolName": "add_task", "args": {"title": "milk"}}]),
        ("tool_calls_json", [CALL]),
        ("toolcalls", [CALL]),
        ("tools_used", [CALL]),
        ("metadata", {"toolCalls": [CALL], "ms": 5}),
    ],
)
def test_columns_of_calls(scanned, name, stored):
    """
    A column of calls is known by any of the usual names, and so is a key inside further data.
    """
    calls = scanned(TALKS, said(name, stored)).tool_calls

    assert [("2", "add_task", '{"title":"milk"}')] == rows(calls, "message_id", "name", "arguments")


@pytest.mark.parametrize(
    ("name", "columns", "stored", "expected"),
    [
        ("tool_calls", "tool_name, status, ms", ("f", "ok", 5), ("f", None, None)),
        ("tool_executions", "tool_name, result", ("f", "r"), ("f", None, "r")),
        ("toolCalls", "toolName, payload, output", ("f", '{"a":1}', "r"), ("f", '{"a":1}', "r")),
        ("tool_calls", "function, arguments", ("f", '{"a":1}'), ("f", '{"a":1}', None)),
        (
            "tool_call",
            "function_name, function_arguments",
            ("f", '{"a":1}'),
            ("f", '{"a":1}', None),
        ),
        (
            "agent_steps",
            "action, action_input, observation",
            ("f", '{"a":1}', "r"),
            ("f", '{"a":1}', "r"),
        ),
        (
            "tool_usage",
            "tool_name, request, response",
            ("f", '{"a":1}', "r"),
            ("f", '{"a":1}', "r"),
        ),
    ],
)
def test_tables_of_calls(scanned, name, columns, stored, expected):
    """
    A table of calls has a tool's name, and arguments, a result or a status by any usual name.
    """
    made = table(name, f"id INTEGER PRIMARY KEY, message_id INTEGER, {columns}", (1, 1, *stored))
    chats = scanned(TALKS, table("messages", HEAD, (1, 1, "assistant", "a")), made)

    assert [expected] == rows(chats.tool_calls, "name", "arguments", "result")


@pytest.mark.parametrize(
    ("name", "columns", "row", "expected"),
    [
        ("tool_results", "call_ref TEXT, content TEXT, is_error INTEGER", ("k", "x", 1), True),
        ("tools", "name TEXT, description TEXT, parameters TEXT", ("f", "x", "{}"), False),
        ("tool_settings", "name TEXT, status TEXT", ("f", "on"), False),
    ],
)
def test_what_seems_to_hold_calls_is_named(scanned, name, columns, row, expected):
    """
    A table whose name tells of calls is read or named; a list of the tools there are is neither.
    """
    chats = scanned(TALKS, table("messages", HEAD, (1, 1, "user", "a")), table(name, columns, row))

    assert [] == column(chats.tool_calls, "name")
    assert ([name] if expected else []) == [
        one.subject for one in chats.findings if one.became == "not read"
    ]


@pytest.mark.parametrize("name", ["tool_used", "tools_used"])
@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        *((word, []) for word in ("none", "None", "N/A", "n/a", " NA ", "null", "-", "undefined")),
        ('["add","del"]', ["add", "del"]),
        ("['add', 'del']", ["add", "del"]),
        ('["add"]', ["add"]),
        ("[]", []),
        ("nonesuch", ["nonesuch"]),
    ],
)
def test_words_and_lists_in_the_place_of_a_name(scanned, name, stored, expected):
    """
    A word for no tool is no call, and a list of names is as many calls.
    """
    columns = f"{HEAD}, {name} TEXT"
    chats = scanned(TALKS, table("messages", columns, (1, 1, "assistant", "a", stored)))

    assert expected == column(chats.tool_calls, "name")
    assert 0 == chats.rejects.collect().height


@pytest.mark.parametrize(
    ("stored", "arguments", "expected"),
    [
        ('["add"]', '{"a":1}', [("add", '{"a":1}')]),
        ('["add","del"]', "null", [("add", None), ("del", None)]),
        ('["add","del"]', '{"a":1}', [('["add","del"]', '{"a":1}')]),
    ],
)
def test_a_list_of_names_beside_arguments(scanned, stored, arguments, expected):
    """
    Of which of several names the arguments are, nobody knows: only one name takes them.
    """
    columns = f"{HEAD}, tool_used TEXT, tool_parameters TEXT"
    made = table("messages", columns, (1, 1, "assistant", "a", stored, arguments))

    assert expected == rows(scanned(TALKS, made).tool_calls, "name", "arguments")


def test_outcomes_in_flat_columns(scanned):
    """
    How a call in flat columns ended may be said in columns beside it; an error's words are kept.
    """
    columns = f"{HEAD}, tool_name TEXT, tool_args TEXT, tool_error TEXT, tool_status TEXT"
    made = (
        (1, 1, "assistant", "a", "add", '{"a":1}', None, "success"),
        (2, 1, "assistant", "b", "add", '{"a":2}', "boom", None),
        (3, 1, "assistant", "c", "add", '{"a":3}', None, "half done"),
    )
    chats = scanned(TALKS, table("messages", columns, *made))

    assert [("1", "ok"), ("2", "error"), ("3", "unknown")] == rows(
        chats.tool_calls, "message_id", "status", by="message_id"
    )
    assert ["success", "boom", "half done"] == [
        next(iter(one.values())) for one in extras(chats.messages, by="message_id")
    ]


@pytest.mark.parametrize("flag", ["success", "is_success", "was_successful", "is_successful"])
@pytest.mark.parametrize("arguments", ["input_params", "function_args", "kwargs"])
def test_more_names_of_a_table_of_calls(scanned, flag, arguments):
    """
    Whether a call succeeded, and its arguments, have further names in a table of calls.
    """
    columns = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, {} TEXT, {} BOOLEAN"
    log = table(
        "tool_executions",
        columns.format(arguments, flag) + ", output_result TEXT",
        (1, 1, "a", '{"i":1}', 1, "x"),
        (2, 1, "a", '{"i":2}', 0, "y"),
    )
    chats = scanned(TALKS, table("messages", HEAD, (1, 1, "assistant", "a")), log)

    assert [('{"i":1}', "x", "ok"), ('{"i":2}', "y", "error")] == rows(
        chats.tool_calls, "arguments", "result", "status", by="tool_call_id"
    )

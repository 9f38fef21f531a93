"""Calls that are stored twice: on the row of their result too, or in a table beside mere names."""

from __future__ import annotations

import json

import pytest
from chat_tables import conversations, messages, rows, table

KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
TALK = conversations((1, "u", None), (2, "u", None))
WANTED = ("message_id", "name", "arguments", "result", "result_message_id")


def called(scanned, *said, flat="tool_name TEXT, tool_input TEXT", **asked):
    """
    The calls of messages that follow each other, numbered, in the first conversation.
    """
    numbered = [(number, 1, *one) for number, one in enumerate(said, 1)]
    chats = scanned(TALK, messages(*numbered, columns=f"{KEYED}, {flat}"), **asked)
    return rows(chats.check().tool_calls, *WANTED, by="message_id")


def test_a_call_and_its_result_are_one_call(scanned):
    """
    The row that calls counts, and has the text of the other one as its result.
    """
    said = (
        ("user", "How warm?", None, None),
        ("assistant", None, "search", '{"q":1}'),
        ("tool", "9 degrees", "search", None),
        ("assistant", "Nine.", None, None),
    )

    assert [("2", "search", '{"q":1}', "9 degrees", "3")] == called(scanned, *said)


def test_the_copy_is_in_the_accounting(scanned):
    """
    What is not counted again shows in the audit.
    """
    said = ((1, 1, "assistant", None, "a"), (2, 1, "tool", "x", "a"))
    chats = scanned(TALK, messages(*said, columns=f"{KEYED}, tool_name TEXT"))
    counted = [
        one for one in rows(chats.accounting, "cause", "n_records", "n_tool_calls") if one[2]
    ]

    assert [("kept", 2, 1), ("mirrored", 0, 1)] == sorted(counted)


def test_the_result_brings_what_the_call_does_not_say(scanned):
    """
    Arguments and a result that stand on the second row only are the call's.
    """
    said = (
        ("assistant", "Let me see", "search", None, None),
        ("tool", None, "search", '{"q":1}', "9"),
    )
    flat = "tool_name TEXT, tool_input TEXT, tool_result TEXT"

    assert [("1", "search", '{"q":1}', "9", "2")] == called(scanned, *said, flat=flat)


def test_results_follow_the_order_of_their_calls(scanned):
    """
    Of calls at once the first result is the first one's; a call that nobody answered keeps none.
    """
    said = (
        ("assistant", "Old", "search", '{"q":0}'),
        ("user", "And now?", None, None),
        ("assistant", None, "search", '{"q":1}'),
        ("assistant", None, "search", '{"q":2}'),
        ("assistant", None, "fetch", "{}"),
        ("tool", "f", "fetch", None),
        ("tool", "one", "search", None),
        ("tool", "two", "search", None),
        ("assistant", None, "search", '{"q":3}'),
        ("tool", "three", "search", None),
    )

    assert [
        ("1", "search", '{"q":0}', None, None),
        ("3", "search", '{"q":1}', "one", "7"),
        ("4", "search", '{"q":2}', "two", "8"),
        ("5", "fetch", "{}", "f", "6"),
        ("9", "search", '{"q":3}', "three", "10"),
    ] == called(scanned, *said)


@pytest.mark.parametrize("asks", ["c2", None])
def test_ids_go_before_the_order(scanned, asks):
    """
    Rows of one id are one call, and rows of different ids are never.
    """
    said = (
        ("assistant", None, "search", '{"q":1}', "c1"),
        ("assistant", None, "search", '{"q":2}', asks),
        ("tool", "two", "search", None, "c2"),
        ("tool", "one", "search", None, "c1"),
    )
    flat = "tool_name TEXT, tool_input TEXT, tool_call_id TEXT"

    assert [
        ("1", "search", '{"q":1}', "one", "4"),
        ("2", "search", '{"q":2}', "two", "3"),
    ] == called(scanned, *said, flat=flat)


def test_calls_that_only_results_name_are_calls(scanned):
    """
    Where no row before names the tool, the row of the result is the call.
    """
    said = (
        ("assistant", "Let me see", None, None),
        ("tool", "9", "search", None),
        ("assistant", None, "fetch", "{}"),
        ("tool", "8", "search", None),
    )

    assert ["2", "3", "4"] == [one[0] for one in called(scanned, *said)]


@pytest.mark.parametrize("text", [True, False])
def test_counts_are_the_same_without_text(scanned, text):
    """
    Without any text the call counts once too, and ends as it does with it.
    """
    columns = f"{KEYED}, tool_name TEXT"
    said = (
        (1, 1, "assistant", None, "a"),
        (2, 1, "tool", "Error: no", "a"),
        (3, 2, "tool", "", "b"),
    )
    chats = scanned(TALK, messages(*said, columns=columns), text=text)

    assert [("1", "a", "error", "2"), ("3", "b", "no_result", None)] == rows(
        chats.tool_calls, "message_id", "name", "status", "result_message_id", by="message_id"
    )


NAMED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, {} TEXT"
CALLS = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT"
TWO = ["search,fetch", "search, fetch", '["search", "fetch"]', '[{"name": "search"}, "fetch"]']


def beside(scanned, name, *names, calls):
    """
    Names and arguments of the calls of answers, which have names of tools and a table of calls.
    """
    said = [
        one
        for n, used in enumerate(names, 1)
        for one in ((2 * n - 1, 1, "user", "?", None), (2 * n, 1, "assistant", "!", used))
    ]
    rows_of_calls = [(number, *call) for number, call in enumerate(calls, 1)]
    chats = scanned(
        TALK,
        messages(*said, columns=NAMED.format(name)),
        table("tool_calls", CALLS, *rows_of_calls),
    ).check()
    return sorted(rows(chats.tool_calls, "message_id", "name", "arguments"))


@pytest.mark.parametrize(
    ("name", "used"), [*(("tools_used", used) for used in TWO), ("tool_used", TWO[0])]
)
def test_a_table_of_calls_wins_over_mere_names(scanned, name, used):
    """
    Names beside a table that has the calls of their message are no further calls.
    """
    calls = ((2, "search", '{"q":1}'), (2, "search", '{"q":2}'), (2, "fetch", "{}"))

    assert [(str(message), *rest) for message, *rest in sorted(calls)] == beside(
        scanned, name, used, calls=calls
    )


def test_names_that_no_table_has_are_calls(scanned):
    """
    What only the names tell still counts: of another message, or of another tool.
    """
    calls = ((2, "search", '{"q":1}'),)

    assert [("2", "other", None), ("2", "search", '{"q":1}'), ("4", "search", None)] == beside(
        scanned, "tools_used", '["search", "other"]', '["search"]', calls=calls
    )


@pytest.mark.parametrize("text", ["none", "No", "null", "true"])
def test_a_word_for_nothing_is_no_tool(scanned, text):
    """
    A column of names may say that there are none.
    """
    chats = scanned(
        TALK, messages((1, 1, "assistant", "!", text), columns=NAMED.format("tools_used"))
    )

    assert [] == rows(chats.tool_calls, "name")


@pytest.mark.parametrize("name", ["tools_used", "tool_used"])
def test_names_with_commas_are_as_many_calls(scanned, name):
    """
    Without any table each of the names is a call, one after the other.
    """
    chats = scanned(
        TALK, messages((1, 1, "assistant", "!", "search, fetch"), columns=NAMED.format(name))
    )

    assert [("search", 0), ("fetch", 1)] == rows(
        chats.tool_calls, "name", "position", by="position"
    )


@pytest.mark.parametrize("link", ["conversation_id", "message_id"])
@pytest.mark.parametrize(
    ("n", "expected"),
    [
        pytest.param(1, ["search", "search"], id="fewer"),
        pytest.param(2, ["search"] * 2, id="as many"),
        pytest.param(3, ["search"] * 3, id="more"),
    ],
)
def test_a_table_that_names_no_answer_wins_with_as_many_calls(scanned, link, n, expected):
    """
    Rows that name the conversation, or the prompt, hold the calls where they are no fewer.
    """
    said = (
        (1, 1, "user", "?", None),
        (2, 1, "assistant", "!", '["search"]'),
        (3, 1, "assistant", "!", '["search"]'),
    )
    log = [(number, 1, "search", f'{{"q":{number}}}') for number in range(n)]
    columns = CALLS.replace("message_id", link)
    chats = scanned(
        TALK,
        messages(*said, columns=NAMED.format("tools_used")),
        table("tool_calls", columns, *log),
    ).check()

    assert expected == [name for (name,) in rows(chats.tool_calls, "name")]
    assert (n > 1) == all(one for (one,) in rows(chats.tool_calls, "arguments"))


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        pytest.param(["add"], ["add", "del", "list"], id="the first of three"),
        pytest.param(["add", "add"], ["add", "add", "del", "list"], id="another twice"),
        pytest.param(["a", "b", "c"], ["a", "b", "c"], id="other words for all three"),
    ],
)
def test_a_table_that_has_more_calls_of_a_message(scanned, stored, expected):
    """
    Calls of tools that the message does not name are no copies of those that it has.
    """
    held = json.dumps([{"name": name, "arguments": {"a": 1}} for name in stored])
    columns = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT"
    called_ = ((n, 2, name, '{"a": 1}') for n, name in enumerate(("add", "del", "list"), 1))
    chats = scanned(
        TALK,
        messages(
            (1, 1, "user", "x", None),
            (2, 1, "assistant", "y", held),
            columns=f"{KEYED}, tool_calls TEXT",
        ),
        table("tool_executions", columns, *called_),
    )

    assert expected == [name for (name,) in rows(chats.check().tool_calls, "name", by="name")]

"""A call that is stored anew as it goes on, as pending and then as done, counts once."""

from __future__ import annotations

import json

import pytest
from chat_tables import conversations, messages, rows, table

KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, tool_calls TEXT"
TALK = conversations((1, "u", None))
EVENTS = (
    "id INTEGER PRIMARY KEY, message_id INTEGER, call_id TEXT, tool_name TEXT, arguments TEXT,"
    " result TEXT, status TEXT, finished_at TEXT, note TEXT"
)
WANTED = ("tool_call_id", "name", "arguments", "result", "status")
PENDING = {"id": "c1", "name": "add", "arguments": {"a": 1}, "status": "pending"}
DONE = {**PENDING, "status": "completed", "result": {"id": 3}}
WHOLE = ("add", '{"a":1}', '{"id":3}', "ok")
OPEN = ("add", '{"a":1}', None, "no_result")


def said(scanned, *calls_of_messages):
    """
    The calls of assistant messages that follow each other, and what became of them.
    """
    stored = [
        (number, 1, "assistant", "x", json.dumps(calls))
        for number, calls in enumerate(calls_of_messages, 1)
    ]
    return scanned(TALK, messages(*stored, columns=KEYED))


def with_(item, **more):
    return {key: value for key, value in {**item, **more}.items() if value is not None}


@pytest.mark.parametrize(
    ("calls", "expected"),
    [
        pytest.param([PENDING, DONE], [("1:0", *WHOLE)], id="pending, then done"),
        pytest.param([DONE, PENDING], [("1:0", *WHOLE)], id="done, then pending"),
        pytest.param([DONE, DONE], [("1:0", *WHOLE)], id="twice the same"),
        pytest.param([PENDING, with_(PENDING, status="running"), DONE], [("1:0", *WHOLE)],
                     id="three stages"),
        pytest.param([with_(PENDING, arguments={}), DONE], [("1:0", *WHOLE)],
                     id="arguments that come late"),
        pytest.param([with_(PENDING, status=None), DONE], [("1:0", *WHOLE)], id="no word at first"),
        pytest.param([PENDING, with_(DONE, arguments={"a": 2})],
                     [("1:0", *OPEN), ("1:1", "add", '{"a":2}', '{"id":3}', "ok")],
                     id="other arguments"),
        pytest.param([PENDING, with_(DONE, name="del")],
                     [("1:0", *OPEN), ("1:1", "del", *WHOLE[1:])], id="another name"),
        pytest.param([PENDING, with_(DONE, id="c2")], [("1:0", *OPEN), ("1:1", *WHOLE)],
                     id="another id"),
        pytest.param([with_(PENDING, id=None), with_(DONE, id=None)],
                     [("1:0", *OPEN), ("1:1", *WHOLE)], id="no id"),
    ],
)  # fmt: skip
def test_stages_in_one_message(scanned, calls, expected):
    """
    Within a message the id says which calls are one.
    """
    assert expected == rows(said(scanned, calls).tool_calls, *WANTED, by="position")


@pytest.mark.parametrize(
    ("first", "second", "expected"),
    [
        pytest.param(PENDING, DONE, [("1:0", *WHOLE)], id="pending, then done"),
        pytest.param(with_(PENDING, status=None), DONE, [("1:0", *WHOLE)], id="no word at first"),
        pytest.param(PENDING, with_(PENDING, status="running"), [("1:0", *OPEN)], id="never done"),
        pytest.param(DONE, DONE, [("1:0", *WHOLE), ("2:0", *WHOLE)], id="done before"),
        pytest.param(DONE, PENDING, [("1:0", *WHOLE), ("2:0", *OPEN)], id="begun after"),
        pytest.param(PENDING, with_(DONE, arguments={"a": 2}),
                     [("1:0", *OPEN), ("2:0", "add", '{"a":2}', '{"id":3}', "ok")],
                     id="other arguments"),
    ],
)  # fmt: skip
def test_stages_in_two_messages(scanned, first, second, expected):
    """
    A later message goes on with a call of the same id and arguments that has not ended.
    """
    assert expected == rows(said(scanned, [first], [second]).tool_calls, *WANTED, by="message_id")


def test_ids_that_begin_anew(scanned):
    """
    Where nothing says how calls ended, an id that comes again is another call.
    """
    plain = {"id": "call_0", "name": "list", "arguments": {"f": "all"}}
    chats = said(scanned, [plain], [plain], [plain])

    assert 3 == chats.tool_calls.collect().height


def test_stages_are_accounted_for(scanned):
    """
    What goes on with a call is no call of its own, and shows in the audit.
    """
    counted = rows(said(scanned, [PENDING, DONE]).accounting, "cause", "n_records", "n_tool_calls")

    assert {("kept", 1, 1), ("mirrored", 0, 1)} <= set(counted)


def test_a_table_of_events(scanned):
    """
    Rows of a table that tell of one call are one call: the first row, with the end of the last.
    """
    at = "2025-03-01 10:00:03"
    events = table(
        "tool_call_events",
        EVENTS,
        (1, 1, "c1", "add", '{"a":1}', None, "running", None, "x"),
        (2, 1, "c1", "add", '{"a":1}', "fine", "completed", at, "y"),
        (3, 1, "c2", "add", '{"a":1}', None, "running", None, None),
    )
    chats = scanned(TALK, messages((1, 1, "assistant", "x", None), columns=KEYED), events)
    counted = rows(chats.accounting, "path", "cause", "n_records", "n_tool_calls")

    assert [
        ("tool_call_events:1", "add", '{"a":1}', "fine", "ok"),
        ("tool_call_events:3", "add", '{"a":1}', None, "no_result"),
    ] == rows(chats.tool_calls, *WANTED, by="tool_call_id")
    assert {("kept", 2, 2), ("mirrored", 1, 1)} == {
        one[1:] for one in counted if one[0].endswith("events")
    }
    assert "1 rows put together with others" in [one.became for one in chats.findings]

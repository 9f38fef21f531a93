"""A call in a message and in a table counts once, with what either of them says."""

from __future__ import annotations

import json

import pytest
from chat_tables import conversations, messages, rows, table

KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, tool_calls TEXT"
TALK = conversations((1, "u", None))
LOG = (
    "id INTEGER PRIMARY KEY, {}, tool_name TEXT, arguments TEXT, result TEXT, status TEXT,"
    " started_at TEXT, ended_at TEXT"
)
ADD = {"id": "c1", "name": "add", "arguments": {"a": 1}}
DEL = {"id": "c2", "name": "del", "arguments": {"a": 2}}
SPAN = ("2025-03-01 10:00:01", "2025-03-01 10:00:03")
FINE = ("add", '{"a": 1}', '{"id": 3}', "success", None, None)
BAD = ("del", '{"a": 2}', None, "error", *SPAN)


def told(scanned, calls, link, *log):
    """
    The calls of one message, beside a table of calls with a column that links them.
    """
    stored = messages((1, 1, "assistant", "x", json.dumps(calls)), columns=KEYED)
    made = [(number, *one) for number, one in enumerate(log, 1)]
    return scanned(TALK, stored, table("tool_calls", LOG.format(link), *made))


@pytest.mark.parametrize(
    ("link", "log"),
    [
        pytest.param("message_id INTEGER", [(1, *BAD), (1, *FINE)], id="by the message"),
        pytest.param("conversation_id INTEGER", [(1, *BAD), (1, *FINE)], id="by the conversation"),
        pytest.param(
            "conversation_id INTEGER, call_id TEXT", [(1, "c2", *BAD), (1, "c1", *FINE)], id="by id"
        ),
        pytest.param(
            "conversation_id INTEGER, call_id TEXT",
            [(1, "c2", *BAD), (1, "c1", "add", '{"a": 1}', None, "running", None, None),
             (1, "c1", *FINE)],
            id="in stages",
        ),
    ],
)  # fmt: skip
def test_a_copy_brings_what_the_message_does_not_say(scanned, link, log):
    """
    Result, outcome and times that stand in the table only are the call's.
    """
    chats = told(scanned, [ADD, DEL], link, *log)
    wanted = ("tool_call_id", "native_id", "name", "result", "status", "error_source")

    assert [
        ("1:0", "c1", "add", '{"id":3}', "ok", None),
        ("1:1", "c2", "del", None, "error", "explicit"),
    ] == rows(chats.tool_calls, *wanted, by="position")
    assert [False, True] == [
        start is not None and end is not None
        for start, end in rows(chats.tool_calls, "started_at", "ended_at", by="position")
    ]


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"result": "mine"}, ("mine", "ok")),
        ({"status": "failed"}, ('{"id":3}', "error")),
        ({"status": "pending"}, ('{"id":3}', "ok")),
        ({"result": {"success": False}}, ('{"success":false}', "ok")),
    ],
)
def test_what_the_message_says_itself_stays(scanned, own, expected):
    """
    A copy fills what is empty; its flag goes before what a result alone tells.
    """
    chats = told(scanned, [{**ADD, **own}], "message_id INTEGER", (1, *FINE))

    assert [expected] == rows(chats.tool_calls, "result", "status")


FAILED = (*FINE[:2], None, "error", None, None)


@pytest.mark.parametrize(
    ("log", "expected"), [([FINE, FAILED], ["ok", "error"]), ([FINE], ["unknown", "unknown"])]
)
def test_calls_that_are_alike(scanned, log, expected):
    """
    Of equal calls each takes the copy at its place; where there are fewer copies, none does.
    """
    calls = [{"name": "add", "arguments": {"a": 1}}] * 2
    chats = told(scanned, calls, "message_id INTEGER", *((1, *one) for one in log))

    assert expected == [status for (status,) in rows(chats.tool_calls, "status", by="position")]

"""What lies beside the chat of an application, or inside it, and would be missed in silence."""

from __future__ import annotations

import json

import pytest
from chat_tables import build, column, conversations, messages, rows, table

from chatdata.database import read
from chatdata.errors import LayoutError

T = "2025-03-01 10:00:0{}"
KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, {}"
SAID = ((1, 1, "user", "Canary", T.format(1)), (2, 1, "assistant", "Canary", T.format(2)))
TALK = (conversations((1, "u", T.format(0))), messages(*SAID, columns=KEYED.format("created_at")))
RESULTS = "id INTEGER PRIMARY KEY, tool_call_id TEXT, output TEXT"


def unread(chats):
    return [(one.subject, one.reason) for one in chats.findings if one.became == "not read"]


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(table("archived_messages", KEYED.format("created_at"), SAID[0]), id="more"),
        pytest.param(table("tool_outputs", RESULTS, (1, "c", "Canary")), id="results"),
    ],
)
def test_a_table_that_seems_to_belong_to_the_chat_is_named(scanned, beside):
    """
    A second table of messages, or one of results, is not read, and it is said so.
    """
    ((name, reason),) = unread(scanned(*TALK, beside))

    assert beside.name == name
    assert "looks as if" in reason
    assert "Canary" not in reason


def test_a_table_of_calls_without_names_is_refused(scanned):
    """
    A table that only a mapping takes for calls is refused where it names no tools.
    """
    with pytest.raises(
        LayoutError, match=r"'tool_outputs' has no names of tools .*tool_calls\.name="
    ):
        scanned(*TALK, table("tool_outputs", RESULTS), mapping={"tool_calls": "tool_outputs"})


def test_an_empty_table_beside_the_chat_is_no_loss(scanned):
    """
    A table without rows, and one of something else, are not worth a word.
    """
    archive = table("archived_messages", KEYED.format("created_at"))
    notes = table("notes", "id INTEGER PRIMARY KEY, body TEXT", (1, "x"))

    assert [] == unread(scanned(*TALK, archive, notes))


def test_scan_says_what_it_did_not_read(tmp_path, program):
    """
    The summary has a line for it, and its JSON a list.
    """
    path = tmp_path / "app.db"
    archive = table("archived_messages", KEYED.format("created_at"), SAID[0])
    build(f"sqlite:///{path}", *TALK, archive)
    _, printed, _ = program("scan", path)
    _, found, _ = program("scan", path, "--json")

    assert "not read" in printed
    assert json.loads(found)["not_read"][0].startswith("archived_messages: ")


def test_a_longer_name_of_the_key_counts_where_it_refers_to_conversations(scanned):
    """
    `chat_session_id` is the key of the conversation because it points to the chat's sessions.
    """
    columns = (
        "id INTEGER PRIMARY KEY, chat_session_id TEXT REFERENCES chat_sessions(id),"
        " message_type TEXT, message TEXT, created_at TEXT"
    )
    said = ((1, "s", "human", "a", T.format(1)), (2, "s", "ai", "b", T.format(2)))
    sessions = table("chat_sessions", "id TEXT PRIMARY KEY, user_id TEXT", ("s", "u"))
    chats = scanned(sessions, table("chat_history", columns, *said))

    assert [("s", "user"), ("s", "assistant")] == rows(
        chats.messages, "conversation_id", "role", by="position"
    )
    assert ["u"] == column(chats.conversations, "user_id")


@pytest.mark.parametrize(
    ("named", "own"),
    [
        pytest.param("1", "call_1", id="the row"),
        pytest.param("call_1", "call_1", id="the call"),
        pytest.param("2", "2", id="the call, where another row has that key"),
    ],
)
def test_a_result_names_the_row_of_its_call_or_the_call(scanned, named, own):
    """
    Either way the result is the call's; an id of a call goes before a key of a row.
    """
    said = (
        *((*one, None) for one in SAID),
        (3, 1, "tool", "42", T.format(3), named),
    )
    calls = ((1, 2, own, "add_task", "{}"), (2, 2, "other", "add_task", "{}"))
    columns = (
        "id INTEGER PRIMARY KEY, message_id INTEGER, tool_call_id TEXT, name TEXT, arguments TEXT"
    )
    chats = scanned(
        TALK[0],
        messages(*said, columns=KEYED.format("created_at, tool_call_id TEXT")),
        table("tool_calls", columns, *calls),
    )

    assert [(own, "42"), ("other", None)] == rows(
        chats.tool_calls, "native_id", "result", by="position"
    )


@pytest.mark.parametrize("name", ["meta", "extra", "payload", "additional_kwargs"])
def test_calls_inside_other_objects(scanned, name):
    """
    Calls under `tool_calls` are found in whatever column of further data holds them.
    """
    calls = json.dumps({"tool_calls": [{"name": "add_task", "arguments": {"title": "milk"}}]})
    said = ((*SAID[0], None), (*SAID[1], calls))
    columns = KEYED.format(f"created_at, {name} TEXT")
    chats = scanned(TALK[0], messages(*said, columns=columns))

    assert ["add_task"] == column(chats.tool_calls, "name")


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_calls_are_read_from_the_table_that_has_rows(tmp_path, request, place):
    """
    A table of calls that nobody filled does not stand in the place of another that has the calls.
    """
    url = request.getfixturevalue("postgres")() if place == "postgres" else tmp_path / "app.db"
    build(
        url,
        TALK[0],
        messages(*SAID, columns=KEYED.format("created_at TEXT")),
        table("tool_calls", "id INTEGER, message_id INTEGER, tool_name TEXT, input TEXT"),
        table(
            "mcp_tool_invocation",
            "id INTEGER, conversation_id INTEGER, tool_name TEXT, parameters TEXT, result TEXT",
            (1, 1, "add_task", '{"title":"milk"}', '{"success":true}'),
        ),
    )
    chats = read(url).check()

    assert [("add_task", "ok")] == rows(chats.tool_calls, "name", "status")
    assert [] == unread(chats)


CALLED = [{"name": "add_task", "arguments": {"title": "Canary"}}]


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        pytest.param("mcp_calls", CALLED, ["holds what looks like calls, of"], id="calls"),
        pytest.param("actions", ["add_task"], ["holds what looks like calls, of"], id="names"),
        pytest.param("steps", CALLED, ["holds what looks like calls, of"], id="by arguments"),
        pytest.param("metadata", {"tools_used": ["add_task"]},
                     ["holds what looks like calls under 'tools_used', of"], id="in an object"),
        pytest.param("attachments", [{"name": "a.pdf", "type": "file"}], [], id="files"),
        pytest.param("tags", ["a", "b"], [], id="words"),
        pytest.param("metadata", {"tool_calls": CALLED, "tools_used": ["add_task"]}, [],
                     id="of a message that has calls"),
    ],
)  # fmt: skip
def test_columns_that_look_like_calls_are_named(scanned, name, stored, expected):
    """
    Calls that stand where no rule looks for them are not counted, and it is said so.
    """
    said = ((*SAID[0], None), (*SAID[1], json.dumps(stored)))
    chats = scanned(TALK[0], messages(*said, columns=KEYED.format(f"created_at, {name} TEXT")))
    found = unread(chats)

    assert [(f"messages.{name}", start) for start in expected] == [
        (subject, reason[: len(start)])
        for (subject, reason), start in zip(found, expected, strict=True)
    ]
    assert not any("Canary" in reason for _, reason in found)

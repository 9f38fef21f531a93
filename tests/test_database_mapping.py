"""A mapping overrides the inference, is refused where it is wrong, and every decision is told."""

from __future__ import annotations

import pytest
from catalogues import CALLS, CONVERSATIONS, MESSAGES, bound, found, message, names, table

from chatdata.database.catalog import Column, Table
from chatdata.database.layout import describe, infer
from chatdata.errors import LayoutError

REFERS = ["conversation_id -> talks.number"]


def test_mapped_tables():
    """
    A mapping names the tables, whatever they look like.
    """
    talk = table("talk", "id who said chat_id")
    layout = found(
        CONVERSATIONS, MESSAGES, CALLS, talk, table("rooms", "id"), table("log", "id tool args"),
        messages="talk", conversations="rooms", tool_calls="log", content="said", role="who",
    )  # fmt: skip

    assert ("talk", "rooms", "log") == (
        names(layout.messages[0]),
        names(layout.conversations),
        names(layout.tool_calls),
    )
    assert {"named in the mapping"} == {
        one.reason for one in (layout.messages[0], layout.conversations, layout.tool_calls)
    }
    assert {"id": "id", "conversation_id": "chat_id", "role": "who", "content": "said"} == bound(
        layout.messages[0]
    )


@pytest.mark.parametrize(
    ("name", "columns", "role"),
    [
        ("talk", "id chat_id text", "user"),
        ("Replies", "id chat_id text", "assistant"),
        ("replies", "id chat_id text role", None),
    ],
)
def test_mapped_messages_without_a_role(name, columns, role):
    """
    Also in a table that the mapping names, the name says who speaks where no column does.
    """
    (binding,) = found(MESSAGES, table(name, columns), messages=name).messages

    assert (name, role) == (names(binding), binding.role)


def test_mapped_columns():
    """
    A mapped column is taken before any other, and no other thing takes it.
    """
    mapped = message("id chat_id role text body other", content="other", id="body", role="text")

    assert {
        "id": "body",
        "conversation_id": "chat_id",
        "role": "text",
        "content": "other",
    } == bound(mapped)
    layout = found(
        CONVERSATIONS, MESSAGES, CALLS, conversations__title="user_id", tool_calls__name="result"
    )

    assert {"id": "id", "title": "user_id", "created_at": "created_at"} == bound(
        layout.conversations
    )
    assert {
        "id": "id",
        "message_id": "message_id",
        "name": "result",
        "arguments": "arguments",
    } == bound(layout.tool_calls)


def test_mapped_key_of_the_table():
    """
    A primary key that is mapped to something else is not the id.
    """
    made = table("messages", "number uuid chat_id role text", key=("number",))

    assert "uuid" == bound(found(made, role="number").messages[0])["id"]
    assert None is bound(found(made, conversation_id="number", id="number").messages[0]).get("id")


def test_mapped_ids_beat_foreign_keys():
    """
    A mapping goes before what a foreign key says.
    """
    talks = table("talks", "id number")
    messages = table("messages", "id conversation_id role content", refers=REFERS)
    calls = table("log", "id tool_name args msg other", refers=["msg -> messages.id"])
    layout = found(talks, messages, calls, conversations__id="id", tool_calls__message_id="other")

    assert "id" == bound(layout.conversations)["id"]
    assert "other" == bound(layout.tool_calls)["message_id"]
    other = found(talks, CONVERSATIONS, messages, conversations="conversations").conversations
    assert ("conversations", "id") == (names(other), bound(other)["id"])


def test_key_by_its_target():
    """
    A mapped table without a conversation key by name has the one that a foreign key shows.
    """
    notes = table("notes", "id who topic text", refers=["who -> users.id", "topic -> Threads.id"])

    assert "topic" == bound(found(notes, messages="notes").messages[0])["conversation_id"]


def test_mapped_call_column():
    """
    A mapped column is the only place where calls are looked for.
    """
    binding = message("id chat_id role text tool_calls tool_used actions", tool_calls="actions")

    assert [("actions", None)] == [(one.column.name, one.inside) for one in binding.call_columns]
    assert {} == binding.flat
    assert "tool_calls" == names(found(MESSAGES, CALLS, tool_calls="tool_calls").tool_calls)


def test_mapped_columns_are_no_call_columns():
    """
    A column that is mapped to something else holds no calls.
    """
    binding = message("id chat_id role text tool_calls metadata", content="tool_calls")

    assert ["metadata"] == [one.column.name for one in binding.call_columns]


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            {"contents": "x"},
            "the mapping names 'contents'; it can be one of answer,",
        ),
        ({"tool_calls.tool": "x"}, "the mapping names 'tool_calls.tool'"),
        ({"users.id": "x"}, "the mapping names 'users.id'"),
        (
            {"messages": "gone"},
            (
                "the mapping takes table 'gone' for messages, which is not there;"
                " found conversations, messages"
            ),
        ),
        (
            {"conversations": "gone"},
            (
                "the mapping takes table 'gone' for conversations, which is not there;"
                " found conversations, messages"
            ),
        ),
        (
            {"content": "gone"},
            (
                "the mapping takes column 'gone' for content, which table 'messages' has not;"
                " found id, conversation_id, role, content, created_at, tool_calls"
            ),
        ),
        (
            {"conversations.title": "gone"},
            (
                "the mapping takes column 'gone' for conversations.title, which table"
                " 'conversations' has not; found id, user_id, created_at"
            ),
        ),
        (
            {"tool_calls": "gone"},
            (
                "the mapping takes 'gone' for tool_calls, which is neither a table nor a column of"
                " 'messages'"
            ),
        ),
        (
            {"tool_calls.name": "x"},
            (
                "the mapping names 'tool_calls.name', but no table of tool_calls was found;"
                " name one with tool_calls=…"
            ),
        ),
        (
            {"messages": "conversations", "content": "id"},
            (
                "table 'conversations' has no conversation key (conversation_id, session_id,"
                " thread_id, chat_id); name it with conversation_id=… in the mapping"
            ),
        ),
        (
            {"messages": "conversations", "conversation_id": "user_id"},
            (
                "table 'conversations' has no text (content, message, response, text, body, parts);"
                " name it with content=… in the mapping"
            ),
        ),
    ],
)
def test_mappings_of_what_is_not_there(mapping, expected):
    """
    A mapping that names what is not there is refused, with what there is.
    """
    with pytest.raises(LayoutError) as raised:
        infer((CONVERSATIONS, MESSAGES), source="app", mapping=mapping)

    assert str(raised.value).startswith(f"app: {expected}")
    assert expected.endswith((",", "tool'", "id'")) or str(raised.value) == f"app: {expected}"
    assert "app" == raised.value.source


def test_refused_tables_are_listed():
    """
    The error of a table that is not there carries the tables that are.
    """
    with pytest.raises(LayoutError) as raised:
        found(CONVERSATIONS, MESSAGES, messages="gone")

    assert ("conversations", "messages") == raised.value.tables


def test_refused_without_conversations():
    """
    Columns of conversations, or a table of them without an id, are refused.
    """
    with pytest.raises(LayoutError, match=r"^app: the mapping names 'conversations.title', but no"):
        found(MESSAGES, conversations__title="x")
    with pytest.raises(
        LayoutError, match=r"^app: table 'rooms' has no id; name it with conv"
    ) as raised:
        found(MESSAGES, table("rooms", "title"), conversations="rooms")

    assert "app: table 'rooms' has no id; name it with conversations.id=… in the mapping" == str(
        raised.value
    )
    with pytest.raises(
        LayoutError, match=r"^app: .* for tool_calls\.name, which table 'tool_calls'"
    ):
        found(MESSAGES, CALLS, tool_calls__name="gone")
    with pytest.raises(LayoutError, match=r"^app: .* for role, which table 'answers' has not"):
        found(table("answers", "id chat_id text"), role="gone")


def test_findings():
    """
    Every table and column that became something is told, with the reason.
    """
    columns = (*table("", "id chat_id text").columns, Column("time", ""))
    layout = found(
        Table("answers", columns, ("id",)), table("tools_log", "id chat_id tool_name args")
    )
    told = [(one.origin, one.subject, one.became, one.reason) for one in describe(layout, "app")]

    declared = "declared TEXT"
    assert [
        ("app", "answers", "messages", "has a conversation key and a text"),
        ("app", "answers.id", "messages.id", f"column 'id', {declared}"),
        ("app", "answers.chat_id", "messages.conversation_id", f"column 'chat_id', {declared}"),
        ("app", "answers.text", "messages.content", f"column 'text', {declared}"),
        ("app", "answers.time", "messages.created_at", "column 'time', declared without a type"),
        (
            "app",
            "answers",
            "role assistant",
            "the table has no role column; its name says who speaks",
        ),
        ("app", "tools_log", "tool_calls", "has a tool's name and arguments, and no role"),
        ("app", "tools_log.id", "tool_calls.id", f"column 'id', {declared}"),
        ("app", "tools_log.chat_id", "tool_calls.conversation_id", f"column 'chat_id', {declared}"),
        ("app", "tools_log.tool_name", "tool_calls.name", f"column 'tool_name', {declared}"),
        ("app", "tools_log.args", "tool_calls.arguments", f"column 'args', {declared}"),
        (
            "app",
            "answers",
            "conversations",
            "no table of conversations; the distinct keys of the messages are",
        ),
    ] == told


def test_findings_of_conversations():
    """
    Where there is a table of conversations, it is told and nothing is made up.
    """
    told = [(one.subject, one.became) for one in describe(found(CONVERSATIONS, MESSAGES), "app")]

    assert ("conversations", "conversations") in told
    assert ("conversations.created_at", "conversations.created_at") in told
    assert ("messages", "conversations") not in told
    assert not [one for one in told if one[1].startswith(("role", "tool_calls"))]

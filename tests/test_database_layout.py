"""Which tables and columns hold the chats, by what they look like and never by whose they are."""

from __future__ import annotations

import re

import pytest
from catalogues import CALLS, bound, found, message, names, table

from chatdata.database.catalog import Column, Table
from chatdata.database.columns import listed
from chatdata.errors import LayoutError


@pytest.mark.parametrize("key", ["conversation_id", "session_id", "thread_id", "chat_id"])
@pytest.mark.parametrize("text", ["content", "message", "response", "text", "body"])
@pytest.mark.parametrize("role", ["role", "sender_type", "sender", "author_role", "author", "type"])
def test_message_tables(key, text, role):
    """
    A message table has a conversation key and a text, and may have a role.
    """
    binding = found(table("entry", f"id {key} {role} {text}")).messages[0]

    assert {"id": "id", "conversation_id": key, "role": role, "content": text} == bound(binding)
    assert (None, "has a conversation key, a text and a role") == (binding.role, binding.reason)


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        (["chat_log", "messages"], "messages"),
        (["a", "support_messages"], "support_messages"),
        (["archived_messages", "message"], "message"),
        (["a_message", "chat_messages"], "chat_messages"),
        (["a_message", "chatmessage"], "chatmessage"),
        (["a_message", "conversation_messages"], "conversation_messages"),
        (["a_message", "ConversationMessage"], "ConversationMessage"),
        (["a", "customer_questions"], "customer_questions"),
        (["b", "a"], "a"),
        (["messages", "chat_messages"], "chat_messages"),
        (["my_messages", "b_messages"], "b_messages"),
    ],
)
def test_best_of_several(tables, expected):
    """
    Of several, the plainest name is taken, then the first in the alphabet, in any order of tables.
    """
    made = [table(name, "id chat_id role text") for name in tables]

    assert [expected] == [names(one) for one in found(*made).messages]
    assert [expected] == [names(one) for one in found(*reversed(made)).messages]


@pytest.mark.parametrize("word", ["response", "answer", "reply", "replies"])
@pytest.mark.parametrize("style", ["{}", "chat_{}s", "{}Log"])
def test_questions_and_answers(word, style):
    """
    Without a role column, a table with a word for answers is the assistant's, the other the user's.
    """
    answer = table(style.format(word).title(), "id session_id text")
    question = table("zz_questions", "id session_id text")
    other = table("feedback", "id session_id text")
    both = found(answer, other, question).messages

    assert [("zz_questions", "user"), (answer.name, "assistant")] == [
        (names(one), one.role) for one in both
    ]
    assert {"has a conversation key and a text"} == {one.reason for one in both}
    assert ["assistant"] == [one.role for one in found(answer).messages]
    assert ["user"] == [one.role for one in found(question).messages]


def test_tables_without_a_role_give_way():
    """
    Where some table has a role, the tables without one are no messages.
    """
    layout = found(table("responses", "id chat_id text"), table("zz", "id chat_id text role"))

    assert ["zz"] == [names(one) for one in layout.messages]


def test_no_chats():
    """
    A database without messages says what was found, what was expected and what to try.
    """
    many = [table(f"t{i:02}", "id content") for i in range(14)]
    with pytest.raises(LayoutError) as raised:
        found(*many, table("keys", "id chat_id"), CALLS)

    assert (
        "app: no chat tables found; expected one with a conversation key (conversation_id,"
        " session_id, thread_id, chat_id) and a text (content, message, response, text, body,"
        " parts), found t00, t01, t02, t03, t04, t05, t06, t07, t08, t09, t10, t11 and 4 more;"
        " name yours with a mapping"
    ) == str(raised.value)
    assert "app" == raised.value.source
    assert (*(f"t{i:02}" for i in range(14)), "keys", "tool_calls") == raised.value.tables


def test_an_empty_database():
    """
    A database without tables says so.
    """
    with pytest.raises(LayoutError, match="found nothing; name yours"):
        found()


@pytest.mark.parametrize(
    ("names_", "most", "expected"),
    [
        ((), 12, "nothing"),
        (("a",), 12, "a"),
        (("a", "b"), 2, "a, b"),
        (("a", "b", "c"), 2, "a, b and 1 more"),
    ],
)
def test_listed(names_, most, expected):
    """
    A long list of names is cut, and says by how much.
    """
    assert expected == listed(names_, most)


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("id", "message_id uuid"),
        ("user_id", "user_id owner_id account_id"),
        ("role", "role sender_type sender author_role author type"),
        ("content", "content message response text body"),
        ("created_at", "created_at timestamp sent_at started_at executed_at time date"),
        ("sequence", "sequence_number sequence seq position idx"),
        ("tool_call_id", "tool_call_id"),
        ("reasoning", "reasoning thinking"),
        ("model", "model model_name"),
        ("finish_reason", "finish_reason stop_reason"),
        ("input_tokens", "input_tokens"),
        ("output_tokens", "output_tokens"),
        ("cache_read_tokens", "cache_read_tokens"),
        ("cache_write_tokens", "cache_write_tokens"),
        ("reasoning_tokens", "reasoning_tokens"),
    ],
)
def test_columns_of_messages(what, columns):
    """
    Each column is known by its names, the first of them first, in snake or camel case.
    """
    wanted = columns.split()
    for i, name in enumerate(wanted):
        later = " ".join(reversed(wanted[i:]))
        needed = "chat_id" + (" body" if what != "content" else "") + " type" * (what != "role")

        assert name == bound(message(f"{needed} {later}"))[what]
        camel = re.sub("_(.)", lambda found: found[1].upper(), name)
        assert camel == bound(message(f"{needed} {camel}"))[what]


def test_no_column_is_two_things():
    """
    A column is taken once: the key of the table is not also the conversation's.
    """
    binding = message("id chat_id session_id message text type")

    assert {
        "id": "id",
        "conversation_id": "session_id",
        "role": "type",
        "content": "message",
    } == bound(binding)


def test_order_of_the_columns_does_not_matter():
    """
    The order of a table's columns decides nothing, only the order of the names.
    """
    assert bound(message("content role conversation_id id")) == bound(
        message("id conversation_id role content")
    )
    assert ["id", "conversation_id", "role", "content"] == list(
        bound(message("content role conversation_id id"))
    )


@pytest.mark.parametrize(
    ("key", "expected"),
    [(("number",), "number"), ((), "id"), (("number", "uuid"), "id"), (("gone",), "id")],
)
def test_key_of_the_table(key, expected):
    """
    A primary key of one column is the id, whatever its name; otherwise a name decides.
    """
    made = Table("messages", table("", "number uuid id chat_id role text").columns, key)

    assert expected == bound(found(made).messages[0])["id"]


def test_the_id_is_nothing_else():
    """
    A primary key is no other column too, whatever its name.
    """
    made = table("messages", "message chat_id role text", key=("message",))

    assert ("message", "text") == (
        bound(found(made).messages[0])["id"],
        bound(found(made).messages[0])["content"],
    )


def test_no_id():
    """
    A message table needs no id.
    """
    assert {"conversation_id", "role", "content"} == set(bound(message("chat_id role text")))


def test_call_columns():
    """
    All columns that may hold calls are tried, in a fixed order, some of them for one key inside.
    """
    columns = "metadata metadata_json message_metadata tool_call_results tool_calls"
    binding = message(f"id chat_id role text {columns}")

    assert [
        ("tool_calls", None),
        ("tool_call_results", None),
        ("message_metadata", "tool_calls"),
        ("metadata_json", "tool_calls"),
        ("metadata", "tool_calls"),
    ] == [(one.column.name, one.inside) for one in binding.call_columns]


@pytest.mark.parametrize(
    "name", ["toolCalls", "tool-calls", "Tool Calls", "metadata_", "toolCallResults"]
)
def test_call_columns_by_any_spelling(name):
    """
    A column of calls is known in any spelling.
    """
    columns = (*table("", "id chat_id role text").columns, Column(name, ""))

    assert [name] == [
        one.column.name for one in found(Table("messages", columns)).messages[0].call_columns
    ]


@pytest.mark.parametrize("name", ["tool_output", "tool_outputs", "tool_results", "tool_responses"])
def test_companions(name):
    """
    A column of results beside the calls is found.
    """
    assert name == message(f"id chat_id role text tool_calls {name}").companion.name
    assert "tool_output" == message(f"chat_id role text {name} tool_output").companion.name
    assert message("id chat_id role text tool_calls").companion is None


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("tool_used", {"name": "tool_used"}),
        (
            "tool_result tool_parameters tool_used",
            {"name": "tool_used", "arguments": "tool_parameters", "result": "tool_result"},
        ),
        ("tool_name tool_input", {"name": "tool_name", "arguments": "tool_input"}),
        ("function_name tool_args", {"name": "function_name", "arguments": "tool_args"}),
        ("tool_name tool_arguments", {"name": "tool_name", "arguments": "tool_arguments"}),
        ("tool_name tool_output", {"name": "tool_name", "result": "tool_output"}),
        ("tool_parameters tool_result", {}),
    ],
)
def test_flat_columns(columns, expected):
    """
    One call may lie in columns of its own, if one of them names the tool.
    """
    flat = message(f"id chat_id role text {columns}").flat

    assert expected == {what: column.name for what, column in flat.items()}

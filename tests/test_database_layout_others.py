"""Which tables are the conversations and the tool calls beside the messages."""

from __future__ import annotations

import pytest
from catalogues import CONVERSATIONS, MESSAGES, bound, found, names, table

from chatdata.database.catalog import Column
from chatdata.database.columns import same
from chatdata.database.looks import is_conversation


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        *(
            (name, True)
            for one in ("conversation", "session", "thread")
            for name in (one, f"{one}s", f"chat_{one}", f"chat_{one}s", f"Chat{one.title()}s")
        ),
        ("conversation_sessions", True),
        ("ConversationSessions", True),
        ("chats", True),
        ("chat", True),
        ("user_sessions", False),
        ("conversation_tags", False),
        ("threadss", False),
        ("chat_log", False),
        ("my_chats", False),
    ],
)
def test_names_of_conversations(name, expected):
    """
    A table of conversations is known by its name.
    """
    assert expected == is_conversation(name)
    layout = found(table(name, "id title"), MESSAGES)

    assert (name if expected else None) == names(layout.conversations)


@pytest.mark.parametrize(
    ("others", "expected"),
    [
        (["session", "thread", "chats", "conversation"], "conversation"),
        (["session", "thread", "chats"], "chats"),
        (["sessions", "thread"], "thread"),
        (["chat_sessions", "threads"], "chat_sessions"),
        (["conversations", "chat_conversation"], "chat_conversation"),
        (["conversation_sessions", "chat"], "conversation_sessions"),
    ],
)
def test_best_name_of_conversations(others, expected):
    """
    Of several names, the one that says conversation goes first, then chat, thread and session.
    """
    made = [table(name, "id title") for name in others]

    assert expected == names(found(*made, MESSAGES).conversations)
    assert expected == names(found(MESSAGES, *reversed(made)).conversations)
    assert "its name says so, and it has an id" == found(*made, MESSAGES).conversations.reason


@pytest.mark.parametrize(
    "column", ["token", "session_token", "access_token", "refresh_token", "expires_at", "expires"]
)
def test_sessions_of_a_login(column):
    """
    A table `session` with a token or an expiry is the login's; another name with one is a chat's.
    """
    for name in ("session", "Sessions"):
        assert None is found(table(name, f"id {column}"), MESSAGES).conversations
        assert name == names(found(table(name, "id title"), MESSAGES).conversations)
    for name in ("chat_sessions", "conversations", "conversation_sessions"):
        assert name == names(found(table(name, f"id {column}"), MESSAGES).conversations)


def test_conversations_need_an_id():
    """
    A table of conversations has an id, by a name or as its primary key.
    """
    assert None is found(table("chats", "title"), MESSAGES).conversations
    keyed = found(table("chats", "number title", key=("number",)), MESSAGES).conversations

    assert "number" == bound(keyed)["id"]
    for name in ("id", "conversation_id", "session_id", "thread_id", "chat_id", "uuid"):
        layout = found(table("chats", f"title {name}", key=()), MESSAGES)

        assert {"id": name, "title": "title"} == bound(layout.conversations)


REFERS = ["conversation_id -> talks.number"]


def test_target_of_the_foreign_key():
    """
    The table that the messages' key points to is the conversations, whatever the names.
    """
    talks = table("talks", "id number title")
    layout = found(
        CONVERSATIONS,
        talks,
        table(
            "messages",
            "id user_id conversation_id role content",
            refers=["user_id -> users.id", *REFERS],
        ),
    )

    assert {"id": "number", "title": "title"} == bound(layout.conversations)
    assert (
        "the foreign key conversation_id of the messages points to it"
        == layout.conversations.reason
    )


@pytest.mark.parametrize(
    ("refer", "key", "columns", "expected"),
    [
        ("conversation_id -> talks.number", ("id",), "id number", "number"),
        ("conversation_id -> talks", ("number",), "id number", "number"),
        ("conversation_id -> talks", (), "number id", "id"),
        ("CONVERSATION_ID -> TALKS.NUMBER", ("id",), "id number", "number"),
        ("conversation_id -> talks.gone", ("id",), "id number", "id"),
        ("conversation_id -> talks.gone", (), "number", None),
        ("conversation_id -> gone.id", ("id",), "id number", None),
        ("reply_to -> talks.number", ("id",), "id number", None),
    ],
)
def test_what_the_foreign_key_refers_to(refer, key, columns, expected):
    """
    The column that the key refers to is the id, in any case, and so is an unnamed primary key.
    """
    messages = table("messages", "id conversation_id reply_to role content", refers=[refer])
    layout = found(table("talks", columns, key=key), messages)

    assert expected == (layout.conversations and bound(layout.conversations)["id"])


def test_foreign_key_of_the_answers():
    """
    Of questions and answers, either may say which table the conversations are.
    """
    answers = table("answers", "id session_id text", refers=["session_id -> talks.id"])
    layout = found(table("questions", "id session_id text"), answers, table("talks", "id"))

    assert "talks" == names(layout.conversations)


def test_messages_and_calls_are_no_conversations():
    """
    A table already taken, or one of tool calls, is never the conversations.
    """
    itself = table("chats", "id chat_id role text", refers=["chat_id -> chats.id"])
    calls = table("sessions", "id tool_name arguments message_id")

    assert None is found(itself).conversations
    assert None is found(MESSAGES, calls).conversations


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("user_id", "user_id owner_id account_id"),
        ("title", "title"),
        ("model", "model model_name"),
        ("agent", "agent agent_name"),
        ("project", "project project_name"),
        ("created_at", "created_at timestamp started_at time date"),
        ("updated_at", "updated_at last_message_at last_activity last_activity_at"),
    ],
)
def test_columns_of_conversations(what, columns):
    """
    Each column is known by its names, the first of them first.
    """
    wanted = columns.split()
    for i, name in enumerate(wanted):
        chats = table("chats", f"id {' '.join(reversed(wanted[i:]))}")

        assert name == bound(found(chats, MESSAGES).conversations)[what]


def test_same():
    """
    A name in a key finds its table or column, exactly if it can, else in any case.
    """
    upper, lower = Column("ID", ""), Column("id", "")

    assert lower is same([upper, lower], "id")
    assert upper is same([upper, lower], "ID")
    assert upper is same([upper, lower], "Id")
    assert None is same([upper, lower], "ids")


ARGUMENTS = [
    "arguments", "parameters", "params", "args", "input", "tool_input", "input_json",
    "args_json", "tool_parameters", "parameters_json", "tool_arguments", "tool_args",
]  # fmt: skip


@pytest.mark.parametrize("name", ["tool_name", "function_name"])
@pytest.mark.parametrize("arguments", ARGUMENTS)
def test_tool_tables(name, arguments):
    """
    A tool table has a tool's name and arguments, and no role, also with a chat's key and text.
    """
    log = table("audit", f"id session_id response {name} {arguments}")
    layout = found(log, MESSAGES)

    assert ["messages"] == [names(one) for one in layout.messages]
    assert "audit" == names(layout.tool_calls)
    assert (name, arguments) == (
        bound(layout.tool_calls)["name"],
        bound(layout.tool_calls)["arguments"],
    )
    assert "has a tool's name and arguments, and no role" == layout.tool_calls.reason


@pytest.mark.parametrize("role", ["role", "sender_type", "sender", "author_role"])
def test_messages_with_flat_calls_are_no_tool_table(role):
    """
    A table with a role holds messages, whatever it says of tools.
    """
    layout = found(table("log", f"id chat_id text {role} tool_name arguments"))

    assert ("log", None) == (names(layout.messages[0]), layout.tool_calls)


@pytest.mark.parametrize(
    ("made", "expected"),
    [
        (table("tool_calls", "id message_id name arguments"), True),
        (table("tool_calls", "id message_id tool params"), True),
        (table("function_log", "id chat_id name args"), True),
        (table("ToolRun", "id name args output"), True),
        (table("tools", "id name description parameters"), False),
        (table("runs", "id message_id name args"), False),
        (table("tool_calls", "id message_id name"), False),
        (table("log", "id message_id tool_name"), False),
    ],
)
def test_what_is_a_tool_table(made, expected):
    """
    Less telling names do in a table named after tools; a list of the tools there are is none.
    """
    assert (made.name if expected else None) == names(found(made, MESSAGES).tool_calls)


def test_best_tool_table():
    """
    Of several tool tables, one named after calls goes first.
    """
    columns = "id message_id tool_name arguments"
    made = [table(name, columns) for name in ("a_tools", "zz_Calls", "b_calls", "b_logs")]

    assert "b_calls" == names(found(*made, MESSAGES).tool_calls)
    assert "zz_Calls" == names(found(*made[:2], MESSAGES).tool_calls)
    assert "a_tools" == names(found(made[3], made[0], MESSAGES).tool_calls)


@pytest.mark.parametrize(
    ("what", "columns"),
    [
        ("native_id", "tool_call_id call_id"),
        ("conversation_id", "conversation_id session_id thread_id chat_id"),
        ("user_id", "user_id owner_id account_id"),
        ("result", "result output outputs tool_output output_json result_json execution_result"),
        ("result", "tool_result response"),
        ("success", "success"),
        ("is_error", "is_error"),
        ("status", "status"),
        ("error", "error error_message"),
        ("position", "position sequence_number sequence seq"),
        ("started_at", "started_at start_time"),
        ("ended_at", "ended_at completed_at finished_at end_time"),
        ("duration_ms", "duration_ms execution_time_ms execution_ms latency_ms"),
        ("created_at", "created_at timestamp sent_at executed_at time date"),
    ],
)
def test_columns_of_calls(what, columns):
    """
    Each column is known by its names, the first of them first.
    """
    wanted = columns.split()
    for i, name in enumerate(wanted):
        log = table("log", f"id tool_name args {' '.join(reversed(wanted[i:]))}")

        assert name == bound(found(log, MESSAGES).tool_calls)[what]


@pytest.mark.parametrize(
    ("columns", "expected"),
    [
        ("uuid id tool_name args", {"id": "id", "name": "tool_name"}),
        ("uuid tool_name args", {"id": "uuid", "name": "tool_name"}),
        ("tool name args result", {"name": "name"}),
        ("tool args result", {"name": "tool"}),
    ],
)
def test_calls_by_less_telling_names(columns, expected):
    """
    Without a primary key a name decides on the id, as it does on the tool's name.
    """
    calls = bound(found(table("tool_log", columns, key=()), MESSAGES).tool_calls)

    assert expected == {what: calls[what] for what in ("id", "name") if what in calls}


def test_a_start_is_no_creation():
    """
    A column that says when a call started does not also say when its row was made.
    """
    log = bound(found(table("log", "id tool_name args started_at"), MESSAGES).tool_calls)

    assert ("started_at", None) == (log["started_at"], log.get("created_at"))


@pytest.mark.parametrize(
    ("columns", "refers", "expected"),
    [
        ("msg", ["msg -> messages.id"], "msg"),
        ("msg", ["MSG -> Messages"], "msg"),
        ("message_id", [], "message_id"),
        ("message_id reply_id", ["reply_id -> messages.id"], "message_id"),
        ("msg reply", ["msg -> messages.id", "reply -> messages.id"], "msg"),
        ("msg", ["msg -> users.id"], None),
        ("msg", ["gone -> messages.id"], None),
    ],
)
def test_message_of_a_call(columns, refers, expected):
    """
    A call's message is named, or is what a foreign key to the messages says.
    """
    log = table("log", f"id tool_name args {columns}", refers=refers)

    assert expected == bound(found(log, MESSAGES).tool_calls).get("message_id")

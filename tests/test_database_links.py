"""Which column a key means where no foreign key says so: the one that holds what the rows say."""

from __future__ import annotations

import pytest
from chat_tables import build, column, extras, rows, table

import chatdata as cd
from chatdata.database import read

T = "2025-03-01 10:00:0{}"
SAID = "id INTEGER PRIMARY KEY, {} TEXT, user_id INTEGER, role TEXT, content TEXT, created_at TEXT"
OWN = (
    (1, "chat-a", 7, "user", "x", T.format(1)),
    (2, "chat-a", 7, "assistant", "y", T.format(2)),
    (3, "chat-b", 8, "user", "z", T.format(3)),
)
LARAVEL = "id TEXT PRIMARY KEY, user_id INTEGER, ip TEXT, payload TEXT, last_activity INTEGER"
LOGINS = [
    pytest.param(LARAVEL, ("w", 7, "::1", "p", 1), id="payload and last activity"),
    pytest.param("sid TEXT PRIMARY KEY, expired INTEGER, sess TEXT", ("w", 1, "{}"), id="sess"),
    pytest.param("sid TEXT PRIMARY KEY, sess TEXT, expire TEXT", ("w", "{}", "x"), id="expire"),
    pytest.param(
        "id INTEGER PRIMARY KEY, session_id TEXT UNIQUE, data BLOB, expiry TEXT",
        (1, "session:w", b"x", "x"),
        id="expiry",
    ),
]


def users(chats):
    return dict(rows(chats.conversations, "conversation_id", "user_id"))


def unread(chats):
    return [one.subject for one in chats.findings if one.became == "not read"]


@pytest.mark.parametrize("key", ["session_id", "conversation_id"])
@pytest.mark.parametrize("name", ["session", "sessions"])
@pytest.mark.parametrize(("columns", "row"), LOGINS)
def test_sessions_of_a_web_framework_are_no_conversations(scanned, key, name, columns, row):
    """
    Sessions of a login are known by their columns; the keys of the messages are conversations.
    """
    chats = scanned(table(name, columns, row), table("chat_messages", SAID.format(key), *OWN))

    assert {"chat-a": "7", "chat-b": "8"} == users(chats)
    assert [] == unread(chats)


@pytest.mark.parametrize(
    ("other", "key", "said"),
    [
        pytest.param(
            table("sessions", "id INTEGER PRIMARY KEY, session_id TEXT, data TEXT", (1, "w", "x")),
            "session_id",
            ["sessions"],
            id="of a login without a sign",
        ),
        pytest.param(
            table("threads", "id INTEGER PRIMARY KEY, title TEXT, author_id INTEGER", (1, "t", 1)),
            "conversation_id",
            [],
            id="of a forum",
        ),
        pytest.param(
            table("conversations", "id INTEGER PRIMARY KEY"), "conversation_id", [], id="empty"
        ),
    ],
)
def test_a_table_that_holds_no_key_is_not_theirs(scanned, other, key, said):
    """
    A name alone makes no conversations; where it is that of the key, a line names the table.
    """
    chats = scanned(other, table("chat_messages", SAID.format(key), *OWN))

    assert {"chat-a": "7", "chat-b": "8"} == users(chats)
    assert said == unread(chats)


def test_the_table_that_holds_the_keys_goes_before_a_better_name(scanned):
    """
    Of several tables that are named like conversations, the one with the keys is theirs.
    """
    chats = scanned(
        table("conversations", "id TEXT PRIMARY KEY, user_id INTEGER", ("people", 1)),
        table("chats", "id TEXT PRIMARY KEY, user_id INTEGER", ("chat-a", 7), ("chat-b", 8)),
        table("chat_messages", SAID.format("conversation_id"), *OWN),
    )

    assert {"chat-a": "7", "chat-b": "8"} == users(chats)


def test_what_a_mapping_names_is_theirs(scanned):
    """
    A table that a mapping names is taken, whatever it holds.
    """
    chats = scanned(
        table("sessions", "id INTEGER PRIMARY KEY, title TEXT", (1, "t")),
        table("chat_messages", SAID.format("session_id"), *OWN),
        mapping={"conversations": "sessions"},
    )

    assert [("1", "t")] == rows(chats.conversations, "conversation_id", "title")
    assert [{"orphan": True}] * 3 == [
        {"orphan": extra["orphan"]} for extra in extras(chats.messages)
    ]


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
@pytest.mark.parametrize(
    ("name", "key"),
    [("chat_sessions", "session_id"), ("conversations", "thread_id"), ("conversations", "uuid")],
)
def test_the_column_that_holds_the_keys_is_the_id(tmp_path, request, place, name, key):
    """
    Beside a number of its own a row has the id that messages name; title and owner are its.
    """
    url = request.getfixturevalue("postgres")() if place == "postgres" else tmp_path / "app.db"
    link = "conversation_id" if key == "uuid" else key
    build(
        url,
        table(
            name,
            f"id INTEGER PRIMARY KEY, {key} VARCHAR(36) UNIQUE, user_id INTEGER, title TEXT",
            (1, "chat-a", 7, "t"),
            (2, "chat-b", 8, "u"),
        ),
        table(
            "chat_messages",
            f"id INTEGER PRIMARY KEY, {link} VARCHAR(36), role TEXT, content TEXT, created_at TEXT",
            *((i, said, *rest) for i, said, _, *rest in OWN),
        ),
    )

    assert [("chat-a", "7", "t"), ("chat-b", "8", "u")] == rows(
        read(url).check().conversations, "conversation_id", "user_id", "title", by="conversation_id"
    )
    assert ["chat-a"] == column(read(url, user_id="7").check().conversations, "conversation_id")
    assert ["x", "y"] == column(read(url, user_id="7").messages.sort("position"), "content")


@pytest.mark.parametrize(
    ("columns", "listed"),
    [
        pytest.param(
            "id INTEGER PRIMARY KEY, session_id TEXT",
            [(1, "web"), (2, "web")],
            id="the session of many conversations",
        ),
        pytest.param(
            "id INTEGER PRIMARY KEY, session_id TEXT", [(1, "1"), (2, "1")], id="one that repeats"
        ),
    ],
)
def test_an_id_names_one_row(scanned, columns, listed):
    """
    A column of the key's name that many rows share, or that holds other things, is no id.
    """
    chats = scanned(
        table("chat_sessions", columns, *listed),
        table("chat_messages", SAID.format("session_id"), (1, "1", 7, "user", "x", T.format(1))),
    )

    assert ["1", "2"] == column(chats.conversations, "conversation_id")


@pytest.mark.parametrize("id_", [b"0123456789abcdef", "30313233343536373839616263646566"])
def test_keys_of_bytes_and_dashes_are_compared_as_they_are_read(scanned, id_):
    """
    A uuid as bytes, with dashes or without is the same key.
    """
    chats = scanned(
        table("conversations", "id BLOB PRIMARY KEY, title TEXT", (id_, "t")),
        table(
            "messages",
            SAID.format("conversation_id"),
            (1, "30313233-3435-3637-3839-616263646566", 7, "user", "x", T.format(1)),
        ),
    )

    assert ["t"] == column(chats.conversations, "title")
    assert "orphan" not in extras(chats.messages)[0]


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_calls_name_messages_by_another_column(tmp_path, place, request):
    """
    A table of calls may name messages by an id beside their number, which still orders them.
    """
    url = request.getfixturevalue("postgres")() if place == "postgres" else tmp_path / "app.db"
    at = T.format(1)
    build(
        url,
        table("conversations", "id INTEGER PRIMARY KEY, user_id INTEGER", (1, 7)),
        table(
            "messages",
            "id INTEGER PRIMARY KEY, message_id VARCHAR(9) UNIQUE, conversation_id INTEGER,"
            " role TEXT, content TEXT, created_at TEXT",
            (1, "msg-c", 1, "user", "x", at),
            (2, "msg-b", 1, "assistant", "y", at),
            (3, "msg-a", 1, "user", "z", at),
        ),
        table(
            "tool_calls",
            "id INTEGER PRIMARY KEY, message_id VARCHAR(9), tool_name TEXT, arguments TEXT",
            (1, "msg-b", "add", '{"a":1}'),
        ),
    )
    chats = read(url).check()

    assert ["msg-c", "msg-b", "msg-a"] == column(chats.messages.sort("position"), "message_id")
    assert [("msg-b", "1", "add")] == rows(
        chats.tool_calls, "message_id", "conversation_id", "name"
    )
    assert ["add"] == column(read(url, user_id="7").check().tool_calls, "name")


@pytest.mark.parametrize("refers", ["", " REFERENCES messages(id)"])
def test_calls_name_messages_by_their_id(scanned, refers):
    """
    A message's id of somebody else's beside its own is none where calls name the latter.
    """
    chats = scanned(
        table("conversations", "id INTEGER PRIMARY KEY", (1,)),
        table(
            "messages",
            "id INTEGER PRIMARY KEY, message_id TEXT, conversation_id INTEGER, role TEXT,"
            " content TEXT",
            (1, "chatcmpl-1", 1, "user", "x"),
            (2, "chatcmpl-2", 1, "assistant", "y"),
        ),
        table(
            "tool_calls",
            f"id INTEGER PRIMARY KEY, message_id INTEGER{refers}, tool_name TEXT, arguments TEXT",
            (1, 2, "add", "{}"),
        ),
    )

    assert ["2"] == column(chats.tool_calls, "message_id")
    assert ["1", "2"] == column(chats.messages.sort("position"), "message_id")


@pytest.mark.parametrize(
    ("target", "key"),
    [
        ("ai_conversations", "ai_conversation_id"),
        ("AiChat", "aiChatId"),
        ("assistant_sessions", "assistant_session_id"),
        ("ai_threads", "thread_id"),
    ],
)
def test_a_key_with_a_longer_name_refers_to_conversations(scanned, target, key):
    """
    A longer name of both is known by the foreign key; somebody's comments are no chat beside it.
    """
    chats = scanned(
        table(target, "id INTEGER PRIMARY KEY, user_id INTEGER", (4, 7)),
        table("comments", "id INTEGER PRIMARY KEY, thread_id INTEGER, author TEXT, body TEXT",
              (1, 5, "ann", "c")),
        table("entries", f"id INTEGER PRIMARY KEY, {key} INTEGER REFERENCES {target}(id),"
              " is_user BOOLEAN, content TEXT", (1, 4, 1, "x"), (2, 4, 0, "y")),
    )  # fmt: skip

    assert [("user", "x"), ("assistant", "y")] == rows(
        chats.messages, "role", "content", by="position"
    )
    assert {"4": "7"} == users(chats)


@pytest.mark.parametrize(
    "columns",
    [
        "old_thread_id INT REFERENCES mail_threads, conversation_id INT REFERENCES conversations",
        "login_session_id INT REFERENCES login_sessions, conversation_id INT",
    ],
)
def test_other_threads_and_sessions_are_no_better_keys(scanned, columns):
    """
    What refers to conversations by their plain name goes first, and a login's session is none.
    """
    other = columns.partition("REFERENCES ")[2].partition(",")[0]
    said = f"id INTEGER PRIMARY KEY, {columns}, role TEXT, content TEXT"
    chats = scanned(
        table(other, "id INTEGER PRIMARY KEY", (9,)),
        table("conversations", "id INTEGER PRIMARY KEY", (4,)),
        table("messages", said, (1, 9, 4, "user", "x")),
    )

    assert ["4"] == column(chats.messages, "conversation_id")


PEOPLE = table("app_users", "id INTEGER PRIMARY KEY, name TEXT", (7, "ann"), (9, "bot"))
OF_USERS = "INTEGER REFERENCES app_users(id)"


@pytest.mark.parametrize(
    "columns",
    [
        *(f"{name} {OF_USERS}" for name in ("user", "owner", "userid", "uid", "customer_id")),
        *(f"{name} {OF_USERS}" for name in ("created_by", "created_by_id", "author_id")),
        f"whoever {OF_USERS}, assigned_to {OF_USERS}, updated_by {OF_USERS}",
        f"created_by {OF_USERS}, customer_id {OF_USERS}",
    ],
)
def test_the_owner_is_who_a_conversation_refers_to(tmp_path, columns):
    """
    A foreign key to a table of users says whose a conversation is, whatever the column's name.
    """
    n_others = columns.count(",")
    row = (1, *([9] * n_others), 7) if columns.startswith("created_by") else (1, 7, *[9] * n_others)
    path = build(
        tmp_path / "app.db",
        PEOPLE,
        table("conversations", f"id INTEGER PRIMARY KEY, {columns}", row),
        table(
            "messages",
            f"id INTEGER PRIMARY KEY, conversation_id INTEGER, author_id {OF_USERS}, role TEXT,"
            " content TEXT",
            (1, 1, 7, "user", "x"),
            (2, 1, 9, "assistant", "y"),
        ),
    )

    assert {"1": "7"} == users(read(path).check())
    assert ["x", "y"] == column(read(path, user_id="7").messages.sort("position"), "content")


@pytest.mark.parametrize(
    "columns",
    [
        f"assigned_to {OF_USERS}",
        f"one {OF_USERS}, other {OF_USERS}",
        "created_by INTEGER, other INTEGER",
    ],
)
def test_nobody_is_taken_for_the_owner(scanned, columns):
    """
    Who handles a conversation, one of several, and what refers to nobody say nothing of an owner.
    """
    row = (1, *[9] * (columns.count(",") + 1))
    chats = scanned(
        PEOPLE,
        table("conversations", f"id INTEGER PRIMARY KEY, {columns}", row),
        table("messages", SAID.format("conversation_id"), (1, "1", None, "user", "x", None)),
    )

    assert {"1": None} == users(chats)


def test_the_user_of_messages_alone(scanned):
    """
    Without a table of conversations a message refers to its user by any of the usual names.
    """
    said = f"id INTEGER PRIMARY KEY, session_id TEXT, customer_id {OF_USERS}, role TEXT, body TEXT"
    chats = scanned(PEOPLE, table("messages", said, (1, "s", 7, "user", "x")))

    assert {"s": "7"} == users(chats)


def test_text_left_in_the_database_changes_nothing(tmp_path):
    """
    Which table holds the keys does not depend on texts being read.
    """
    url = build(
        tmp_path / "app.db",
        table("conversations", "id INTEGER PRIMARY KEY, uuid TEXT UNIQUE", (1, "chat-a")),
        table("chat_messages", SAID.format("conversation_id"), *OWN[:2]),
    )

    assert ["chat-a"] == column(cd.scan(url, text=False).conversations, "conversation_id")

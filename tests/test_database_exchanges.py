"""Applications that keep a question and its answer in one row, or say who speaks in other ways."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime

import pytest
from catalogues import found
from catalogues import table as catalogued
from chat_tables import build, column, conversations, extras, messages, rows, table
from databases import fetch

from chatdata import migrate
from chatdata.database import read
from chatdata.errors import LayoutError

T = "2025-03-01 10:00:0{}.000000"
CALLS = json.dumps([{"tool": "add_task", "toolInput": {"title": "milk"}, "toolOutput": "done"}])
COLUMNS = (
    "id INTEGER PRIMARY KEY, session_id TEXT, user_id TEXT, question TEXT, answer TEXT,"
    " tool_calls TEXT, model TEXT, output_tokens INTEGER, rating INTEGER, created_at TIMESTAMP"
)
ROWS = (
    (1, "s", "u", "Add milk", "Added", CALLS, "m", 7, 5, T.format(1)),
    (2, "s", "u", "Thanks", None, None, "m", 3, None, T.format(3)),
    (3, "s", "u", None, "Still there?", None, "m", 4, None, T.format(5)),
    (4, "s", "u", None, None, CALLS, "m", 2, None, T.format(7)),
    (5, "s", "u", None, None, None, None, None, None, T.format(9)),
)
SAID = [
    ("chats.question:1", "user", "Add milk", None, None),
    ("chats.answer:1", "assistant", "Added", "m", 7),
    ("chats.question:2", "user", "Thanks", None, None),
    ("chats.answer:3", "assistant", "Still there?", "m", 4),
    ("chats.answer:4", "assistant", None, "m", 2),
    ("chats.question:5", "user", None, None, None),
]


@pytest.fixture
def exchanges():
    """
    A table of exchanges: answered, unanswered, unasked, only a call, and empty.
    """
    return table("chats", COLUMNS, *ROWS)


def test_a_row_with_a_question_and_its_answer_is_two_messages(scanned, exchanges):
    """
    Each half that is there is one message, in order; what was generated belongs to the answer.
    """
    chats = scanned(exchanges)
    names = ("message_id", "role", "content", "model", "output_tokens")

    assert SAID == rows(chats.messages, *names, by="position")
    assert [*range(6)] == sorted(column(chats.messages, "position"))
    assert {"1", "2", "3", "4", "5"} == set(column(chats.messages, "native_id"))
    assert {
        "chats.question:1": {"rating": 5, "model": "m", "output_tokens": 7},
        "chats.answer:1": {"rating": 5},
        "chats.question:2": {"model": "m", "output_tokens": 3},
    } == {
        key: json.loads(extra)
        for key, extra in rows(chats.messages, "message_id", "extra")
        if extra
    }
    assert ["s"] == column(chats.conversations, "conversation_id")


def test_the_calls_of_an_exchange_are_its_answers(scanned, exchanges):
    """
    Calls hang on the answer, also on one without words, and are counted once.
    """
    chats = scanned(exchanges)
    names = ("message_id", "name", "arguments", "result")

    assert [
        ("chats.answer:1", "add_task", '{"title":"milk"}', "done"),
        ("chats.answer:4", "add_task", '{"title":"milk"}', "done"),
    ] == rows(chats.tool_calls, *names)


def test_a_table_of_calls_beside_exchanges(scanned):
    """
    A call that refers to the row is one of its answer.
    """
    plain = "id INTEGER PRIMARY KEY, conversation_id INTEGER, query TEXT, answer TEXT, message TEXT"
    chats = scanned(
        table("messages", plain, (1, 1, "hi?", "hello", "[]")),
        table(
            "message_agent_thoughts",
            "id INTEGER PRIMARY KEY, message_id INTEGER REFERENCES messages (id), tool TEXT,"
            " tool_input TEXT, observation TEXT",
            (1, 1, "search", '{"q": 1}', "found"),
        ),
    )

    assert [("messages.answer:1", "search", '{"q":1}', "found")] == rows(
        chats.tool_calls, "message_id", "name", "arguments", "result"
    )


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        pytest.param({"since": datetime(2025, 3, 1, 10, 0, 4)}, SAID[3:], id="a window"),  # noqa: DTZ001 - naive means UTC
        pytest.param({"user_id": "u"}, SAID, id="one user"),
        pytest.param({"user_id": "v"}, [], id="another user"),
    ],
)
def test_part_of_the_exchanges(scanned, exchanges, options, expected):
    """
    Windows and users narrow both halves alike.
    """
    chats = scanned(exchanges, **options)

    assert [one[0] for one in expected] == [
        key for key, _ in rows(chats.messages, "message_id", "position", by="position")
    ]


def test_without_text_neither_half_shows_any(scanned, exchanges):
    """
    Without text the sizes of both halves are there, and nothing that was said.
    """
    chats = scanned(exchanges, text=False)

    assert [8, 5, 6, 12, None, None] == [
        size for size, _ in rows(chats.messages, "n_chars", "position", by="position")
    ]
    assert [None] * 6 == column(chats.messages, "content")
    assert not any("Added" in json.dumps(extra) for extra in extras(chats.messages))


def test_postgres_gives_the_same(postgres, scanned, exchanges):
    """
    The halves are the same on Postgres.
    """
    there = read(build(postgres(), exchanges)).check()
    names = ("message_id", "role", "content", "model", "output_tokens")

    assert SAID == rows(there.messages, *names, by="position")
    assert rows(scanned(exchanges).tool_calls, "message_id") == rows(there.tool_calls, "message_id")


def test_exchanges_arrive_whole_in_a_database_of_ours(tmp_path, exchanges):
    """
    `copy` makes two messages of each exchange.
    """
    source = build(f"sqlite:///{tmp_path / 'app.db'}", exchanges)
    target = f"sqlite:///{tmp_path / 'ours.db'}"
    fill = {"users.email": "id", "users.name": "id"}
    fill |= {"users.created_at": "first_seen", "users.updated_at": "last_seen"}
    fill |= {"conversations.updated_at": "last_seen"}
    migrate.copy(source, target, fill=fill)

    assert [(role, text) for _, role, text, *_ in SAID] == fetch(
        target, "SELECT role, content FROM messages ORDER BY id"
    )
    assert [(2,)] == fetch(target, "SELECT count(*) FROM tool_calls")


@pytest.mark.parametrize(
    ("columns", "mapping", "expected"),
    [
        ("id session_id prompt response", {}, ["prompt", "response"]),
        ("id chat_id human ai", {}, ["human", "ai"]),
        ("id thread_id userMessage botReply", {}, ["userMessage", "botReply"]),
        ("id session_id message response", {}, ["message", "response"]),
        ("id session_id ask said", {"question": "ask", "answer": "said"}, ["ask", "said"]),
        ("id session_id role message response", {}, ["message"]),
        ("id session_id content message response", {}, ["content"]),
        ("id session_id message", {}, ["message"]),
    ],
)
def test_what_is_an_exchange(columns, mapping, expected):
    """
    A question and an answer in a row make one, unless the row says who speaks or has a content.
    """
    layout = found(catalogued("log", columns), **mapping)

    assert expected == [binding.columns["content"].name for binding in layout.messages]


def test_a_table_that_says_who_speaks_goes_before_exchanges():
    """
    A log of exchanges beside a table of messages is not read a second time.
    """
    layout = found(
        catalogued("messages", "id session_id role content"),
        catalogued("history", "id session_id question answer"),
    )

    assert ["messages"] == [binding.table.name for binding in layout.messages]


@pytest.mark.parametrize(
    ("name", "stored", "expected"),
    [
        ("is_user", (1, 0, None), ["user", "assistant", "system"]),
        ("isBot", (1, 0, 2), ["assistant", "user", "system"]),
        ("is_ai", ("true", "f", ""), ["assistant", "user", "system"]),
        ("role", ("userMessage", "apiMessage", "AI Message"), ["user", "assistant", "assistant"]),
        ("sender", ("User", "Machine", "customer"), ["user", "assistant", "user"]),
        ("direction", ("inbound", "outgoing", "x"), ["user", "assistant", "system"]),
    ],
)
def test_other_words_for_who_speaks(scanned, name, stored, expected):
    """
    A flag, a direction or another word says who speaks; what says nothing is an event.
    """
    columns = f"id INTEGER PRIMARY KEY, conversation_id INTEGER, {name} TEXT, content TEXT"
    chats = scanned(
        messages(*((key, 1, word, "hi") for key, word in enumerate(stored)), columns=columns)
    )

    assert expected == [role for role, _ in rows(chats.messages, "role", "position", by="position")]


def test_words_that_nobody_knows_are_told(scanned):
    """
    How many rows are events, for want of a known word, is among the findings, and not the words.
    """
    columns = "id INTEGER PRIMARY KEY, conversation_id INTEGER, author TEXT, content TEXT"
    said = [(1, 1, "Ann Canary", "a"), (2, 1, "Bob Canary", "b"), (3, 1, "bot", "c")]
    chats = scanned(conversations((1, "u", T.format(1))), messages(*said, columns=columns))
    told = [one for one in chats.findings if one.became == "2 rows are events"]

    assert [("messages.author", True)] == [
        (one.subject, one.reason.startswith("2 different words")) for one in told
    ]
    assert not any("Canary" in f"{one}" for one in chats.findings)


def test_whole_messages_in_a_column_are_refused(scanned):
    """
    Messages kept as JSON are not taken for somebody's words; the error says what to do.
    """
    columns = "id INTEGER PRIMARY KEY, session_id TEXT, message TEXT"
    stored = [json.dumps({"type": kind, "data": {"content": "Canary"}}) for kind in ("human", "ai")]

    with pytest.raises(LayoutError, match="'message_store' keeps whole messages as JSON") as raised:
        scanned(table("message_store", columns, *enumerate_rows(stored)))
    assert "Canary" not in str(raised.value)


def test_a_first_text_that_is_no_utf8_is_read(tmp_path):
    """
    The texts that are looked at first may hold any bytes, as the others may.
    """
    url = build(tmp_path / "app.db", table("responses", "id INTEGER PRIMARY KEY, session_id, text"))
    with closing(sqlite3.connect(url)) as connection, connection:
        connection.execute("INSERT INTO responses VALUES (1, 's', CAST(x'61ff62' AS TEXT))")

    assert ["a\\xffb"] == column(read(url).check().messages, "content")


def test_a_text_that_is_json_now_and_then_is_a_text(scanned):
    """
    What people paste may look like a message; what else is said shows that it is none.
    """
    columns = "id INTEGER PRIMARY KEY, session_id TEXT, message TEXT"
    stored = [json.dumps({"role": "user", "content": "x"}), "what is this?"]
    chats = scanned(table("message_store", columns, *enumerate_rows(stored)))

    assert stored == column(chats.messages, "content")


def enumerate_rows(stored):
    return [(key, "s", text) for key, text in enumerate(stored, 1)]

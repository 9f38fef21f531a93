"""Narrow reads where layouts and values are awkward: keys, forms of time, text in odd places."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest
from chat_layouts import LAYOUTS
from chat_tables import build, column, conversations, extras, messages, rows, table

from chatdata.database import read
from chatdata.errors import LayoutError

START = datetime(2025, 3, 1, 22, 0, 0, 1500)  # noqa: DTZ001 - as applications store it
WORDS = "a secret"
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
CALL = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT, result TEXT"


@pytest.mark.parametrize("layout", LAYOUTS)
def test_no_text_of_any_layout(layout, tmp_path):
    """
    Whatever the layout, statuses and sizes do not depend on the text being read.
    """
    path = build(tmp_path / "app.db", *LAYOUTS[layout][0])
    whole, bare = read(path), read(path, text=False).check()
    said = ("milk", "Half", "Thanks", "Welcome", "task 7")

    assert column(whole.tool_calls, "status") == column(bare.tool_calls, "status")
    assert column(whole.messages, "n_chars") == column(bare.messages, "n_chars")
    assert not any(
        text in str(frame.select(pl.col(pl.String)).collect().rows())
        for frame in bare.frames.values()
        for text in said
    )


def test_no_text_beside_the_calls(tmp_path):
    """
    Columns that could hold calls and hold words instead stay in the database too.
    """
    columns = (
        "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, tool_calls TEXT,"
        " metadata TEXT, tool_output TEXT, tool_used TEXT, note TEXT, created_at TEXT, n INTEGER"
    )
    stored = (1, 1, "user", WORDS, WORDS, f'{{"a": "{WORDS}"}}', WORDS, None, *[WORDS] * 2, 5)
    path = build(tmp_path / "app.db", messages(stored, columns=columns))
    bare = read(path, text=False).check()

    assert [{"n": 5}] == extras(bare.messages)
    assert not any(WORDS in str(frame.collect().rows()) for frame in bare.frames.values())


def test_results_in_messages_without_text(tmp_path):
    """
    A result in a message of its own tells how its call ended, read with text or without.
    """
    calls = json.dumps([{"id": "c", "name": "t", "arguments": {"a": 1}}])
    columns = (
        "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, tool_calls TEXT,"
        " tool_call_id TEXT"
    )
    said = [(1, 1, "assistant", None, calls, None), (2, 1, "tool", '{"error": "no"}', None, "c")]
    path = build(tmp_path / "app.db", messages(*said, columns=columns))
    expected = [("error", "explicit", "2")]

    assert expected == rows(
        read(path, text=False).tool_calls, "status", "error_source", "result_message_id"
    )
    assert expected == rows(read(path).tool_calls, "status", "error_source", "result_message_id")


def test_keys_that_look_alike_are_not_the_same(tmp_path):
    """
    Dashes are left out of uuids only: no conversation of another user comes in by its likeness.
    """
    columns = "id TEXT PRIMARY KEY, user_id TEXT"
    said = "id INTEGER PRIMARY KEY, conversation_id TEXT, role TEXT, content TEXT"
    path = build(
        tmp_path / "app.db",
        conversations(("talk-1-1", "u1"), ("talk-11", "u2"), columns=columns),
        messages((1, "talk-1-1", "user", "a"), (2, "talk-11", "user", "b"), columns=said),
    )

    assert ["a"] == column(read(path, user_id="u1").messages, "content")


def test_keys_of_different_types(new_database):
    """
    A text may refer to an integer.
    """
    said = "id INTEGER PRIMARY KEY, conversation_id TEXT, role TEXT, content TEXT"
    url = build(
        new_database(),
        conversations((1, "u1"), (2, "u2"), columns="id INTEGER PRIMARY KEY, user_id TEXT"),
        messages((1, "1", "user", "a"), (2, "2", "user", "b"), columns=said),
        table(
            "calls",
            CALL.replace("message_id INTEGER", "message_id TEXT"),
            (1, "1", "t", "{}", None),
            (2, "2", "t", "{}", None),
        ),
    )
    chats = read(url, user_id="u1").check()

    assert ["a"] == column(chats.messages, "content")
    assert ["calls:1"] == column(chats.tool_calls, "tool_call_id")


def test_somebody_elses_conversation(tmp_path):
    """
    What a user says in a conversation of another is the user's own, and the conversation is not.
    """
    path = build(
        tmp_path / "app.db",
        conversations((1, "u1", str(START))),
        messages(
            (1, "u1", 1, "user", "a", None, None),
            (2, "u2", 1, "user", "b", None, None),
            (3, "u2", 7, "user", "c", None, None),
        ),
    )
    chats = read(path, user_id="u2")

    assert [("b", {"user_id": "u2"}), ("c", {"orphan": True, "user_id": "u2"})] == list(
        zip(column(chats.messages, "content"), extras(chats.messages), strict=True)
    )
    assert [] == column(chats.conversations, "conversation_id")


def test_a_log_that_is_not_linked(tmp_path):
    """
    Calls without a message are a user's by their own user, and in a window by their own time.
    """
    log = table(
        "log",
        "id INTEGER PRIMARY KEY, tool_name TEXT, args TEXT, user_id TEXT, created_at TEXT",
        *((n, "t", "{}", f"u{n}", str(START + timedelta(days=n))) for n in range(3)),
    )
    path = build(tmp_path / "app.db", messages(), log)
    late = START + timedelta(days=1)

    assert ["log:1"] == column(read(path, user_id="u1").tool_calls, "tool_call_id")
    assert ["log:1", "log:2"] == column(read(path, since=late).tool_calls, "tool_call_id")
    assert ["log:0"] == column(read(path, until=late).tool_calls, "tool_call_id")


@pytest.mark.parametrize(
    ("stored", "declared"),
    [
        ("2025-03-01 22:00:00", "TEXT"),
        ("2025-03-02T03:00:00+05:00", "TEXT"),
        ("2025-03-01T12:00:00-10:00", "TEXT"),
        (" 2025-03-01T22:00:00Z", "TEXT"),
        ("1740866400", "TEXT"),
        (1740866400, "INTEGER"),
        (1740866400000, "INTEGER"),
        (1740866400.0, "REAL"),
        ("1740866400", "DATETIME"),
    ],
)
def test_a_window_over_any_form_of_time(tmp_path, stored, declared):
    """
    A moment is in or out of a window whatever form it is stored in.
    """
    columns = f"id INTEGER, conversation_id INTEGER, role TEXT, content TEXT, created_at {declared}"
    path = build(tmp_path / "app.db", messages((1, 1, "user", "a", stored), columns=columns))
    at, second = datetime(2025, 3, 1, 22, tzinfo=UTC), timedelta(seconds=1)

    assert 1 == read(path, since=at, until=at + second).messages.collect().height
    assert 0 == read(path, since=at + second).messages.collect().height
    assert 0 == read(path, until=at).messages.collect().height


def test_times_that_cannot_be_read_are_left_out_aloud(tmp_path):
    """
    What cannot be placed in a window is counted.
    """
    columns = "id INTEGER, conversation_id INTEGER, role TEXT, content TEXT, created_at TEXT"
    said = [(n, 1, "user", "a", at) for n, at in enumerate((None, "soon", str(START)))]
    path = build(tmp_path / "app.db", messages(*said, columns=columns))
    chats = read(path, since=START)

    assert 1 == chats.messages.collect().height
    assert 2 == sum(
        int(text.split()[0]) for text in chats.explain()["became"] if text.endswith("left out")
    )


def test_what_is_stored_does_not_depend_on_the_scope(tmp_path):
    """
    Whether an application stores arguments at all is told by all of its calls, not by one user's.
    """
    calls = [json.dumps([{"tool": "t", "args": args, "result": "x"}]) for args in ({}, {"a": 1})]
    path = build(
        tmp_path / "app.db",
        conversations((1, "u1", str(START)), (2, "u2", str(START))),
        messages(
            *(
                (n, f"u{n}", n, "assistant", "a", text, str(START))
                for n, text in enumerate(calls, 1)
            )
        ),
    )

    assert [("{}", "ok")] == rows(
        read(path, user_id="u1").tool_calls, "arguments", "arguments_status"
    )


def test_where_calls_are_does_not_depend_on_the_scope(tmp_path):
    """
    A call that no message holds counts by its row of the table, whoever's are asked for.
    """
    call = json.dumps([{"tool": "t", "args": {"a": 1}}])
    path = build(
        tmp_path / "app.db",
        conversations((1, "u1", str(START)), (2, "u2", str(START))),
        messages(
            (1, "u1", 1, "assistant", "a", None, str(START)),
            (2, "u2", 2, "assistant", "a", call, str(START)),
        ),
        table("calls", CALL, (1, 1, "t", "{}", None), (2, 2, "t", "{}", None)),
    )

    assert ["calls:1"] == column(read(path, user_id="u1").tool_calls, "tool_call_id")
    assert ["2:0"] == column(read(path, user_id="u2").tool_calls, "tool_call_id")
    assert ["2:0", "calls:1"] == sorted(column(read(path).tool_calls, "tool_call_id"))


@pytest.mark.parametrize(("user", "expected"), [("7", ["a"]), ("07", []), ("x' OR 1=1 --", [])])
def test_integer_users(new_database, user, expected):
    """
    A user's number is compared as a number, and nothing but a number is.
    """
    url = build(
        new_database(),
        conversations((1, 7), (2, 8), columns="id INTEGER PRIMARY KEY, user_id INTEGER"),
        messages((1, 1, "user", "a"), (2, 2, "user", "b"), columns=SIMPLE),
    )

    assert expected == column(read(url, user_id=user).messages, "content")


def test_conversations_that_name_no_user(new_database):
    """
    Where only messages name a user, a conversation is there with what the user says in it.
    """
    url = build(
        new_database(),
        conversations((1, "one"), (2, "two"), columns="id INTEGER PRIMARY KEY, title TEXT"),
        messages((1, 1, "user", "a", "u1"), (2, 2, "user", "b", "u2"),
                 columns=f"{SIMPLE}, user_id TEXT"),
    )  # fmt: skip

    assert ["two"] == column(read(url, user_id="u2").conversations, "title")
    assert ["b"] == column(read(url, user_id="u2").messages, "content")


def test_nobody_has_a_user(new_database):
    """
    Where nothing names a user, nobody's rows can be asked for, and that is said.
    """
    url = build(new_database(), messages((1, 1, "user", "a"), columns=SIMPLE))

    with pytest.raises(LayoutError, match="no column is known to say whose a conversation is"):
        read(url, user_id="u1")


def test_nothing_has_a_time(new_database):
    """
    Without times nothing lies in a window, and that is said.
    """
    url = build(new_database(), messages((1, 1, "user", "a"), columns=SIMPLE))
    chats = read(url, since=START)

    assert [] == column(chats.messages, "content")
    assert "1 messages left out" in column(chats.explain().lazy(), "became")


@pytest.mark.parametrize(
    ("declared", "stored"),
    [("TEXT", "2025-03-01T22:00:00Z"), ("BIGINT", "1740866400"), ("DATE", "2025-03-01")],
)
def test_a_window_over_columns_that_are_no_timestamps(new_database, declared, stored):
    """
    A window works on whatever column holds the times.
    """
    said = messages((1, 1, "user", "a", stored), (2, 1, "user", "b", None),
                    columns=f"{SIMPLE}, created_at {declared}")  # fmt: skip
    url = build(new_database(), said)
    day = datetime(2025, 3, 1, tzinfo=UTC)

    assert ["a"] == column(read(url, since=day, until=day + timedelta(days=1)).messages, "content")
    assert [] == column(read(url, until=day).messages, "content")


def test_a_narrow_read_of_calls_in_metadata(new_database):
    """
    Calls inside of metadata are found in a narrow read too, though this user made none.
    """
    call = json.dumps({"tool_calls": [{"name": "t", "args": {}}], "ms": 5})
    url = build(
        new_database(),
        messages((1, 1, "user", "a", '{"ms": 3}', "u1"), (2, 2, "user", "b", call, "u2"),
                 columns=f"{SIMPLE}, metadata TEXT, user_id TEXT"),
    )  # fmt: skip

    assert [] == column(read(url, user_id="u1").tool_calls, "name")
    assert ["t"] == column(read(url, user_id="u2").tool_calls, "name")
    assert [{"metadata": '{"ms": 3}'}] == extras(read(url, user_id="u1").messages)


SPOKEN = (
    (1, "s", 7, "user", "x", None),
    (2, "s", None, "assistant", "y", '[{"name":"add","arguments":{"a":1}}]'),
    (3, "q", 8, "user", "z", None),
    (4, "q", None, "assistant", "w", None),
)
SPEAKING = (
    "id INTEGER PRIMARY KEY, conversation_id VARCHAR(9), user_id INTEGER, role TEXT, content TEXT,"
    " tool_calls TEXT"
)


@pytest.mark.parametrize("is_listed", [True, False])
@pytest.mark.parametrize("place", ["sqlite", "postgres"])
def test_a_user_named_on_rows_of_the_user_alone(tmp_path, request, place, is_listed):
    """
    Where only what the user says names the user, the answers and their calls are the user's too.
    """
    url = request.getfixturevalue("postgres")() if place == "postgres" else tmp_path / "app.db"
    listed = conversations(("s", "t"), ("q", "u"), columns="id VARCHAR(9) PRIMARY KEY, title TEXT")
    runs = table(
        "tool_runs",
        "id INTEGER PRIMARY KEY, conversation_id VARCHAR(9), tool_name TEXT, arguments TEXT",
        (1, "s", "run", '{"a":1}'),
        (2, "q", "run", '{"a":2}'),
    )
    build(url, *([listed] if is_listed else []), messages(*SPOKEN, columns=SPEAKING), runs)
    mine = read(url, user_id="7").check()

    assert ["x", "y"] == column(mine.messages.sort("position"), "content")
    assert [("s", "7")] == rows(mine.conversations, "conversation_id", "user_id")
    assert ["add", "run"] == sorted(column(mine.tool_calls, "name"))


def test_a_user_named_in_questions_alone(tmp_path):
    """
    Answers in a table without users are those of the conversation's user.
    """
    path = build(
        tmp_path / "app.db",
        table(
            "questions",
            "id INTEGER PRIMARY KEY, session_id TEXT, user_id TEXT, content TEXT",
            (1, "s", "u", "q1"),
            (2, "t", "v", "q2"),
        ),
        table(
            "answers",
            "id INTEGER PRIMARY KEY, session_id TEXT, content TEXT",
            (1, "s", "a1"),
            (2, "t", "a2"),
        ),
    )

    assert ["a1", "q1"] == sorted(column(read(path, user_id="u").check().messages, "content"))

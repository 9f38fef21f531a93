"""Calls under a window: those of its messages, and by their own time those that have no message."""

from __future__ import annotations

import pytest
from chat_tables import build, conversations, extras, messages, rows, table

from chatdata.database import read

OLD, NEW = "2025-01-01 10:00:0{}", "2025-03-01 10:00:0{}"
TALK = (
    conversations((1, "u", OLD.format(0)), (2, "v", NEW.format(0))),
    messages(
        (1, "u", 1, "user", "a", None, OLD.format(1)),
        (2, "u", 1, "assistant", "b", None, OLD.format(2)),
        (3, "v", 2, "user", "c", None, NEW.format(1)),
        (4, "v", 2, "assistant", "d", None, NEW.format(2)),
        (5, "v", 2, "assistant", "e", None, None),
    ),
)
CALLS = (
    (1, 2, 1, "old", "{}", OLD.format(3)),
    (2, 2, 1, "late", "{}", NEW.format(3)),
    (3, 4, 2, "new", "{}", NEW.format(3)),
    (4, 4, 2, "early", "{}", OLD.format(3)),
    (5, 99, 1, "old orphan", "{}", OLD.format(4)),
    (6, 99, 1, "new orphan", "{}", NEW.format(4)),
    (7, None, 1, "old log", "{}", OLD.format(5)),
    (8, None, 1, "new log", "{}", NEW.format(5)),
    (9, 5, 2, "untimed", "{}", NEW.format(5)),
    (10, 99, 1, "orphan without a time", "{}", None),
)
COLUMNS = (
    "id INTEGER PRIMARY KEY, message_id INTEGER, conversation_id INTEGER, tool_name TEXT,"
    " arguments TEXT, created_at TIMESTAMP"
)


def names(chats):
    return sorted(name for (name,) in rows(chats.check().tool_calls, "name"))


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        ({"since": "2025-02-01"}, ["early", "new", "new log", "new orphan"]),
        ({"until": "2025-02-01"}, ["late", "old", "old log", "old orphan"]),
        # Times in text are asked for with a day more on both sides.
        ({"since": NEW.format(2)}, ["early", "new", "new log", "new orphan"]),
        ({"since": "2025-03-01 12:00"}, []),
        ({"since": OLD.format(3), "until": "2025-01-02"}, ["old log", "old orphan"]),
        ({"since": "2025-02-01", "user_id": "u"}, ["new log", "new orphan"]),
        ({"since": "2025-02-01", "user_id": "v"}, ["early", "new"]),
        ({"since": "2025-02-01", "text": False}, ["early", "new", "new log", "new orphan"]),
    ],
)
def test_calls_in_a_window(new_database, asked, expected):
    """
    No call of a message outside of the window is there, and no orphan of the window is lost.
    """
    url = build(new_database(), *TALK, table("tool_calls", COLUMNS, *CALLS))

    assert expected == names(read(url, **asked))


def test_windows_that_meet_have_every_call_once(new_database):
    """
    What is read in two windows is what is read in one, less what has no time.
    """
    url = build(new_database(), *TALK, table("tool_calls", COLUMNS, *CALLS))
    halves = names(read(url, until="2025-02-01")) + names(read(url, since="2025-02-01"))
    whole = names(read(url))

    assert sorted([*halves, "orphan without a time", "untimed"]) == whole


def test_an_orphan_of_the_window_is_marked(scanned):
    """
    It says what it is, as it does without a window.
    """
    chats = scanned(*TALK, table("tool_calls", COLUMNS, *CALLS), since="2025-02-01")

    marked = [one for one in extras(chats.tool_calls, by="tool_call_id") if "orphan" in one]
    assert 1 == len(marked)

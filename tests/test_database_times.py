"""Times that are stored in unusual ways: read where they are clear, counted where they are not."""

from __future__ import annotations

from datetime import datetime

import pytest
from chat_tables import build, column, conversations, extras, messages

from chatdata.database import read

AT = "2025-03-01 10:00:00"
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"


@pytest.mark.parametrize("text", [True, False])
def test_times_that_cannot_be_read_are_counted(tmp_path, text):
    """
    What is stored for a time and is none is a line `not read` with its count, not only a null.
    """
    said = f"{SIMPLE}, created_at TEXT"
    odd = ("3/1/2025, 10:00:00 AM", "tomorrow", "", None, AT)
    path = build(
        tmp_path / "app.db",
        conversations((1, "u", "1/3/25"), columns="id INTEGER, user_id TEXT, created_at TEXT"),
        messages(*((n, 1, "user", "x", at) for n, at in enumerate(odd, 1)), columns=said),
    )
    found = [
        (one.subject, one.reason.partition(" in no")[0])
        for one in read(path, text=text).findings
        if one.became == "not read"
    ]

    assert [
        ("messages.created_at", "2 times that are"),
        ("conversations.created_at", "1 time that is"),
    ] == found


def test_rare_times_lie_in_a_window(tmp_path):
    """
    A window finds times in the forms that no comparison of texts puts in order.
    """
    said = f"{SIMPLE}, created_at TEXT"
    at = ("2025-3-5 10:00:00", "2025-10-5 10:00:00", "2025/03/05 10:00:00",
          "Wed Mar 05 2025 10:00:00 GMT+0000", "2025-3-15 10:00:00")  # fmt: skip
    told = messages(*((n, 1, "user", str(n), one) for n, one in enumerate(at, 1)), columns=said)
    found = read(build(tmp_path / "app.db", told), since="2025-03-04", until="2025-03-06")

    assert ["1", "3", "4"] == sorted(column(found.messages, "content"))


@pytest.mark.parametrize("place", ["sqlite", "postgres"])
@pytest.mark.parametrize("day", ["date", "created_date", "message_date"])
def test_a_day_and_a_clock_are_a_time(tmp_path, request, place, day):
    """
    A time that is parted into two columns is put together, and lies in a window.
    """
    url = request.getfixturevalue("postgres")() if place == "postgres" else tmp_path / "app.db"
    clock = day.replace("date", "time")
    columns = f"{SIMPLE}, {day} DATE, {clock} TIME"
    said = ((1, 1, "user", "a", "2025-03-01", "10:00:00"),
            (2, 1, "assistant", "b", "2025-03-01", "10:00:05.5"),
            (3, 1, "user", "c", "2025-03-02", None))  # fmt: skip
    build(url, messages(*said, columns=columns))
    chats = read(url).check()

    assert [
        datetime(2025, 3, 1, 10),  # noqa: DTZ001 - UTC, as the frames have it
        datetime(2025, 3, 1, 10, 0, 5, 500_000),  # noqa: DTZ001
        datetime(2025, 3, 2),  # noqa: DTZ001
    ] == column(chats.messages.sort("position"), "created_at")
    assert ["s", "us", "day"] == column(chats.messages.sort("position"), "created_at_precision")
    assert ["b"] == column(
        read(url, since="2025-03-01T10:00:03", until="2025-03-02").messages, "content"
    )


def test_a_time_beside_a_date_may_be_whole(tmp_path):
    """
    A column named time that holds the day too stands for itself, and so does a better one.
    """
    said = f"{SIMPLE}, date TEXT, time TEXT"
    path = build(tmp_path / "app.db", messages((1, 1, "user", "a", "today", AT), columns=said))
    better = build(
        tmp_path / "other.db",
        messages((1, 1, "user", "a", "2025-01-01", "09:00", AT), columns=f"{said}, created_at"),
    )

    assert [datetime(2025, 3, 1, 10)] == column(read(path).messages, "created_at")  # noqa: DTZ001
    assert [datetime(2025, 3, 1, 10)] == column(read(better).messages, "created_at")  # noqa: DTZ001
    assert [{"date": "2025-01-01", "time": "09:00"}] == extras(read(better).messages)

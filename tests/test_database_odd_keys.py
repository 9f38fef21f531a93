"""Ids, times and numbers that are stored in an unusual way, read as what they are."""

from __future__ import annotations

from datetime import datetime

import pytest
from chat_tables import build, column, conversations, messages, table

from chatdata.database import read
from chatdata.errors import LayoutError

SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
TEN = datetime(2025, 11, 27, 10)  # noqa: DTZ001 - times of the contract carry no zone


@pytest.mark.parametrize(
    "stored",
    [
        pytest.param("20251127100000", id="fourteen digits"),
        pytest.param("20251127T100000Z", id="ISO without signs"),
        pytest.param("2025-11-27 10:00:00 +0000 UTC", id="as Go prints it"),
        pytest.param("1764237600000000000", id="nanoseconds"),
        pytest.param("1764237600000000", id="microseconds"),
        pytest.param("1764237600", id="seconds"),
    ],
)
def test_times(new_database, stored):
    """
    A moment is the same however it is written.
    """
    url = build(
        new_database(),
        messages((1, 1, "user", "a", stored), columns=f"{SIMPLE}, created_at TEXT"),
    )

    assert [TEN] == column(read(url).messages, "created_at")
    assert ["a"] == column(read(url, since="2025-11-01", until="2025-12-01").messages, "content")


def test_whole_numbers_that_are_floats(new_database):
    """
    Keys that a table of pandas stores as floats find those that are integers.
    """
    columns = "id INTEGER PRIMARY KEY, conversation_id DOUBLE PRECISION, role TEXT, content TEXT"
    url = build(
        new_database(),
        conversations((1, "u"), (2, "v"), columns="id INTEGER PRIMARY KEY, user_id TEXT"),
        messages(
            (1, 1.0, "user", "a"), (2, 2.0, "user", "b"), (3, None, "user", "c"), columns=columns
        ),
    )

    assert ["1", "2", "messages#none"] == column(read(url).messages, "conversation_id")
    assert ["b"] == column(read(url, user_id="v").messages, "content")


def test_numbers_that_are_none(new_database):
    """
    What stands in a column of tokens and is no whole number is kept beside it.
    """
    url = build(
        new_database(),
        messages(
            (1, 1, "assistant", "a", "10"),
            (2, 1, "assistant", "b", "1,024"),
            columns=f"{SIMPLE}, output_tokens TEXT",
        ),
    )
    found = read(url).messages

    assert [10, None] == column(found, "output_tokens")
    assert [None, '{"output_tokens":"1,024"}'] == [
        extra and extra.replace('"orphan":true,', "").replace(',"orphan":true', "")
        for extra in column(found, "extra")
    ]


@pytest.mark.parametrize("declared", ["BLOB", "BINARY(16)", "UUID", ""])
def test_users_that_are_bytes(tmp_path, declared):
    """
    A uuid of 16 bytes is the user that it is written as.
    """
    mine, other = (bytes.fromhex(f"a10000000000000000000000000001{n:02}") for n in (1, 2))
    url = build(
        tmp_path / "app.db",
        conversations((1, mine), (2, other), columns=f"id INTEGER PRIMARY KEY, user_id {declared}"),
        messages((1, 1, "user", "a"), (2, 2, "user", "b"), columns=SIMPLE),
    )

    asked = "a1000000-0000-0000-0000-000000000101"
    assert ["a"] == column(read(url, user_id=asked).messages, "content")


def test_computed_columns(tmp_path):
    """
    A column that SQLite computes is read like any other.
    """
    columns = f"{SIMPLE}, raw TEXT, tool_calls TEXT AS (json_extract(raw, '$.calls'))"
    raw = '{"calls":[{"tool":"f","parameters":{}}]}'
    path = build(tmp_path / "app.db", messages((1, 1, "assistant", "a", raw), columns=columns))

    assert ["f"] == column(read(path).tool_calls, "name")


OF_TENANTS = "tenant INTEGER, id INTEGER, {}, PRIMARY KEY (tenant, id)"
LINK = "FOREIGN KEY (tenant, conversation_id) REFERENCES conversations (tenant, id)"


def test_ids_of_several_columns_are_refused(new_database):
    """
    Where ids repeat from tenant to tenant nobody's rows are taken for another's: it is refused.
    """
    told = OF_TENANTS.format("conversation_id INTEGER, role TEXT, content TEXT")
    url = build(
        new_database(),
        table("conversations", OF_TENANTS.format("user_id TEXT"), (1, 1, "u"), (2, 1, "v")),
        table("messages", f"{told}, {LINK}", (1, 1, 1, "user", "a"), (2, 1, 1, "user", "b")),
    )

    with pytest.raises(LayoutError, match="only together with other columns"):
        read(url)


def test_ids_beside_a_partition_key(new_database):
    """
    A key of several columns is no matter where the id alone names a row.
    """
    told = OF_TENANTS.format("conversation_id INTEGER, role TEXT, content TEXT")
    url = build(
        new_database(),
        table("conversations", OF_TENANTS.format("user_id TEXT"), (1, 1, "u"), (2, 2, "v")),
        table("messages", f"{told}, {LINK}", (1, 1, 1, "user", "a"), (2, 2, 2, "user", "b")),
    )

    assert ["b"] == column(read(url, user_id="v").messages, "content")

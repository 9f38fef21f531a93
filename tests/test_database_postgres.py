"""A real Postgres: the frames of SQLite, and nothing left behind."""

from __future__ import annotations

import re
import time
from contextlib import closing

import polars as pl
import pytest
from chat_tables import (
    build,
    column,
    conversations,
    execute,
    extras,
    messages,
    rows,
    table,
)
from polars.testing import assert_frame_equal

from chatdata import migrate, sample
from chatdata.database import connect, read
from chatdata.errors import SourceError
from chatdata.sample import fill

psycopg = pytest.importorskip("psycopg")
pytestmark = pytest.mark.postgres

AT = "2025-03-01 10:00:00.000123"
SECRET = "hunter%402"  # noqa: S105 - of a role that lives as long as this test
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"


@pytest.fixture(scope="module")
def applications(postgres, tmp_path_factory):
    """
    The application's own layout with the same rows, on SQLite and on Postgres.
    """
    made = (f"sqlite:///{tmp_path_factory.mktemp('own') / 'app.db'}", postgres())
    for url in made:
        migrate.upgrade(url)
        fill(sample(conversations=60, seed=5), url)
    return made


def without_origin(frame):
    names = [name for name in ("origin", "path") if name in frame.collect_schema()]
    return frame.drop(names).collect()


@pytest.mark.parametrize("holder", ["DATABASE", "ROLE"])
@pytest.mark.parametrize("zone", ["UTC", "Asia/Karachi", "America/New_York"])
@pytest.mark.parametrize("scope", [{}, {"text": False}])
def test_the_frames_of_sqlite(applications, zone, holder, scope):
    """
    The same rows give the same frames, whatever time zone the server, database or role is in.
    """
    sqlite, postgres = applications
    name = re.search(r"chatdata_\d+", postgres).group() if holder == "DATABASE" else "postgres"
    execute(postgres, f"ALTER {holder} {name} SET timezone TO '{zone}'")
    try:
        expected, chats = read(sqlite, **scope).check(), read(postgres, **scope).check()
    finally:
        execute(postgres, f"ALTER {holder} {name} RESET timezone")

    assert 400 < expected.messages.collect().height
    for one, other in zip(expected.frames.values(), chats.frames.values(), strict=True):
        assert_frame_equal(without_origin(one), without_origin(other), check_row_order=False)


@pytest.mark.parametrize("zone", ["Asia/Karachi", "America/New_York"])
def test_a_window_in_any_time_zone(applications, zone):
    """
    A window means the same in a database that lives in another zone.
    """
    sqlite, postgres = applications
    since = read(sqlite).messages.select(pl.col("created_at").median()).collect().item()
    name = re.search(r"chatdata_\d+", postgres).group()
    execute(postgres, f"ALTER DATABASE {name} SET timezone TO '{zone}'")
    expected = without_origin(read(sqlite, since=since).messages)
    found = without_origin(read(postgres, since=since).messages)
    execute(postgres, f"ALTER DATABASE {name} RESET timezone")

    assert_frame_equal(expected, found, check_row_order=False)


@pytest.mark.parametrize(
    ("declared", "stored", "expected"),
    [
        ("timestamptz", "2025-03-01 10:00:00+05", "2025-03-01 05:00:00"),
        ("timestamp", "2025-03-01 10:00:00", "2025-03-01 10:00:00"),
        ("timestamp(0)", "2025-03-01 10:00:00.4", "2025-03-01 10:00:00"),
        ("date", "2025-03-01", "2025-03-01 00:00:00"),
        ("text", "2025-03-01T10:00:00Z", "2025-03-01 10:00:00"),
        ("bigint", "1740823200", "2025-03-01 10:00:00"),
        ("double precision", "1740823200.0", "2025-03-01 10:00:00"),
        ("numeric", "1740823200", "2025-03-01 10:00:00"),
        ("timestamp", "infinity", None),
        ("timestamptz", "-infinity", None),
        ("timestamp", "4713-01-01 00:00:00 BC", None),
        ("timestamptz", "20000-01-01 00:00:00+00", None),
        ("timestamp", None, None),
    ],
)
def test_times(postgres, declared, stored, expected):
    """
    Times of any type are read; one that Python has not is kept as text.
    """
    said = messages((1, 1, "user", "a", stored), columns=f"{SIMPLE}, created_at {declared}")
    chats = read(build(postgres(), said)).check()
    found = chats.messages.select(pl.col("created_at").dt.strftime("%Y-%m-%d %H:%M:%S"))

    assert [expected] == found.collect().to_series().to_list()
    assert [{"created_at": stored} if expected is None and stored else {}] == extras(chats.messages)


def test_types(postgres):
    """
    Whatever type a column has, its values come through.
    """
    url = postgres()
    execute(url, "CREATE TYPE speaker AS ENUM ('USER', 'ASSISTANT')")
    key = "11111111-2222-4333-8444-555555555555"
    columns = (
        "id UUID PRIMARY KEY, conversation_id UUID, role speaker, content TEXT, tool_calls JSONB,"
        " tokens SMALLINT, cost NUMERIC(10, 4), ok BOOLEAN, score REAL, tags TEXT[], n INTEGER[],"
        " labels JSON, raw BYTEA, address INET, deleted_at TIMESTAMPTZ, took INTERVAL,"
        " created_at TIMESTAMPTZ"
    )
    calls = '[{"name": "t", "args": {"b": 1, "a": 2}}]'
    stored = (key, key, "ASSISTANT", "a", calls, 5, "0.2500", True,
              0.5, ["x"], [1, 2], '{"a":  1}', b"\x01", "10.0.0.1", AT, "1 day", AT)  # fmt: skip
    owner = conversations((key, 7), columns="id UUID PRIMARY KEY, user_id BIGINT")
    chats = read(build(url, owner, messages(stored, columns=columns))).check()

    assert [(key, key, "assistant", "ASSISTANT")] == rows(
        chats.messages, "message_id", "conversation_id", "role", "role_raw"
    )
    assert ["7"] == column(chats.conversations, "user_id")
    assert [{"b": 1, "a": 2}] == [
        {"b": b, "a": a}
        for a, b in chats.sql(
            "select (arguments->>'$.a')::int, (arguments->>'$.b')::int from tool_calls"
        ).rows()
    ]
    assert [
        {"tokens": 5, "cost": "0.2500", "ok": True, "score": 0.5, "tags": "{x}", "n": "{1,2}",
         "labels": '{"a":  1}', "raw": "\\x01", "address": "10.0.0.1/32", "took": "1 day",
         "deleted_at": "2025-03-01 10:00:00.000123+00"}
    ] == [{**extra, "address": extra["address"].removesuffix("/32") + "/32"} for extra in
          extras(chats.messages)]  # fmt: skip


def test_another_schema(chat):
    """
    A schema is read when it is named, and only then.
    """
    execute(
        chat,
        'CREATE SCHEMA "Other ""one"""',
        'CREATE TABLE "Other ""one""".messages (id INT, session_id INT, role TEXT, content TEXT)',
        'INSERT INTO "Other ""one""".messages VALUES (5, 6, \'user\', \'c\')',
    )

    assert ["c"] == column(read(chat, schema='Other "one"').messages, "content")
    assert ["a", "b"] == column(read(chat).messages, "content")


def test_views_and_partitions(chat):
    """
    A partitioned table is one table, and a view is none.
    """
    execute(
        chat,
        "DROP TABLE messages",
        f"CREATE TABLE messages ({SIMPLE}) PARTITION BY RANGE (id)",
        "CREATE TABLE messages_1 PARTITION OF messages FOR VALUES FROM (0) TO (5)",
        "CREATE TABLE messages_2 PARTITION OF messages FOR VALUES FROM (5) TO (9)",
        "CREATE VIEW conversation_messages AS SELECT * FROM messages",
        "INSERT INTO messages VALUES (1, 1, 'user', 'a'), (7, 1, 'user', 'b')",
    )

    assert ["a", "b"] == sorted(column(read(chat).messages, "content"))


def test_one_snapshot(chat, monkeypatch):
    """
    What is written while the tables are read belongs to none of them.
    """
    batches = connect.Snapshot.batches

    def written_between(snapshot, sql):
        yield from batches(snapshot, sql)
        if 'FROM "messages"' in sql and "LIMIT" not in sql:
            execute(
                chat,
                f"INSERT INTO conversations VALUES (9, 'u9', '{AT}')",
                f"INSERT INTO messages VALUES (9, 'u9', 9, 'user', 'late', NULL, '{AT}')",
            )

    monkeypatch.setattr(connect.Snapshot, "batches", written_between)
    chats = read(chat)
    monkeypatch.undo()

    assert ["1", "2"] == sorted(column(chats.conversations, "conversation_id"))
    assert 3 == read(chat).conversations.collect().height


def test_nothing_is_left_behind(chat):
    """
    The connection is closed before anything is looked at.
    """
    others = (
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
        " AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
    )
    with closing(psycopg.connect(chat, autocommit=True)) as connection:
        chats = read(chat)
        for _ in range(100):
            open_ = connection.execute(others).fetchone()
            if open_ == (0,):
                break
            time.sleep(0.02)

        assert (0,) == open_
        assert 2 == chats.messages.collect().height


def test_nothing_can_be_written(chat):
    """
    The transaction refuses to write.
    """
    insert = "INSERT INTO conversations VALUES (9) RETURNING id::int8"

    with (
        connect.open_snapshot(connect.target(chat)) as snapshot,
        pytest.raises(SourceError, match="SQLSTATE 25006"),
    ):
        snapshot.rows(insert)


def test_a_table_of_calls_of_another_type(postgres):
    """
    A table of calls with enumerations, JSON and a clock of its own.
    """
    url = postgres()
    execute(url, "CREATE TYPE outcome AS ENUM ('SUCCESS', 'ERROR')")
    log = table(
        "tool_calls",
        "id UUID PRIMARY KEY, message_id INTEGER REFERENCES messages (id), tool_name TEXT,"
        " arguments JSONB, result JSON, status outcome, started_at TIMESTAMPTZ,"
        " completed_at TIMESTAMPTZ",
        ("11111111-2222-4333-8444-555555555555", 1, "t", '"{\\"a\\": 1}"', '{"b": 2}', "ERROR",
         "2025-03-01 10:00:00+05", "2025-03-01 05:00:01.5+00"),
    )  # fmt: skip
    chats = read(build(url, messages((1, 1, "user", "a"), columns=SIMPLE), log)).check()

    assert [("1", "t", '{"a":1}', '{"b":2}', "error", "explicit", 1.5)] == [
        (*row[:-2], (row[-1] - row[-2]).total_seconds())
        for row in rows(
            chats.tool_calls,
            *("message_id", "name", "arguments", "result", "status", "error_source"),
            *("started_at", "ended_at"),
        )
    ]


@pytest.mark.parametrize(
    ("declared", "stored", "expected"),
    [
        ("tools_used TEXT[]", "{add,del}", [("add", None), ("del", None)]),
        ("tool_calls JSONB[]", r'{"{\"name\": \"add\", \"args\": {\"a\": 1}}"}',
         [("add", '{"a":1}')]),
        ("tool_calls JSON[]", r'{"{\"name\": \"add\"}","{\"name\": \"del\"}"}',
         [("add", None), ("del", None)]),
    ],
)  # fmt: skip
@pytest.mark.parametrize("scope", [{}, {"text": False}, {"user_id": "u"}])
def test_arrays_of_calls(postgres, declared, stored, expected, scope):
    """
    An array of names or of JSON in a column of calls is the list of calls that it is.
    """
    url = build(
        postgres(),
        conversations((1, "u", AT)),
        messages(
            (1, 1, "user", "a", None),
            (2, 1, "assistant", "b", stored),
            (3, 1, "assistant", "c", "{}"),
            columns=f"{SIMPLE}, {declared}",
        ),
    )
    chats = read(url, **scope).check()
    hidden = [(tool, None if scope.get("text") is False else said) for tool, said in expected]

    assert hidden == rows(chats.tool_calls, "name", "arguments", by="position")
    assert 0 == chats.rejects.collect().height

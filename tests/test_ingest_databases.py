"""Importing databases again and again: what went on is read, and the lake holds what there is."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta

import polars as pl
import pytest
from chat_tables import build, conversations, messages, table
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.database import read
from chatdata.ingest import databases, ingest

START = datetime(2025, 3, 1, 10)  # noqa: DTZ001 - as applications store it
STEPS = (40, 41, 75, 90)


def key(number, *, hexed):
    return f"{number:08}aaaa4bbb8cccdddddddddddd" if hexed else number


def shop(n, *, hexed=False, calls="column", listed=True, since=0, timed=True):
    """
    The tables of a chat after `n` messages: seven conversations that take turns, one message each
    twenty minutes, now and then without a time or with calls that nobody can read.
    """
    said, log = [], []
    for number in range(since, n):
        at = None if number % 17 == 5 or not timed else str(START + timedelta(minutes=20 * number))
        call = [{"tool": "find", "parameters": {"n": number}, "result": {"success": True}}]
        stored = "[broken" if number % 11 == 7 else json.dumps(call) if number % 3 else None
        if calls == "table" and number % 3:
            found = (len(log) + 1, number, "find", json.dumps({"n": number}), "done", at)
            log.append(found)
        text = stored if calls == "column" else None
        speaker = "assistant" if number % 2 else "user"
        row = (number, key(number % 7, hexed=hexed), speaker, f"Said {number}", text, at)
        said.append(row)
    kind = "CHAR(32)" if hexed else "INTEGER"
    tables = [
        messages(
            *said,
            columns=f"id INTEGER PRIMARY KEY, conversation_id {kind}, role TEXT, content TEXT,"
            " tool_calls TEXT, created_at TIMESTAMP",
        )
    ]
    if listed:
        rows = [
            (
                key(k, hexed=hexed),
                f"u{k}",
                f"Talk {k}",
                str(START),
                str(START + timedelta(minutes=20 * n)),
            )
            for k in range(min(n, 7))
        ]
        columns = (
            f"id {kind} PRIMARY KEY, user_id TEXT, title TEXT, created_at TIMESTAMP,"
            " updated_at TIMESTAMP"
        )
        tables.append(conversations(*rows, columns=columns))
    if calls == "table":
        columns = (
            "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT,"
            " result TEXT, created_at TIMESTAMP"
        )
        tables.append(table("calls", columns, *log))
    return tables


SHOPS = {
    "calls in a column": {},
    "ids in hex": {"hexed": True},
    "a table of calls": {"calls": "table"},
    "no table of conversations": {"listed": False},
    "no times": {"timed": False},
}


def assert_same(expected, found):
    """
    Two `Chats` have the same rows, in whatever order.
    """
    for name in expected.frames:
        one, other = (
            chats.frames[name].collect().sort(pl.all(), nulls_last=True)
            for chats in (expected, found)
        )
        assert_frame_equal(one, other)


@pytest.mark.parametrize("options", SHOPS.values(), ids=SHOPS)
def test_in_steps_or_at_once(tmp_path, new_database, options):
    """
    A database that is imported while it grows gives what it gives at once: order, parents, calls,
    rejects and the accounting.
    """
    whole = build(new_database(), *shop(STEPS[-1], **options))
    ingest([whole], tmp_path / "whole", origin="shop")
    for n in STEPS:
        ingest([build(new_database(), *shop(n, **options))], tmp_path / "lake", origin="shop")

    assert_same(cd.scan(tmp_path / "whole").check(), cd.scan(tmp_path / "lake").check())


@pytest.mark.parametrize("options", SHOPS.values(), ids=SHOPS)
def test_larger_than_memory(tmp_path, monkeypatch, options):
    """
    A database of which nothing fits into memory is imported in parts, and the lake holds what a
    scan of it gives.
    """
    url = build(tmp_path / "app.db", *shop(90, **options))
    monkeypatch.setattr(databases, "HELD_BYTES", 1)
    ingest([url], tmp_path / "lake", origin="shop")

    assert_same(cd.concat(shop=cd.scan(url, name="shop")), cd.scan(tmp_path / "lake").check())


def test_few_rows_are_read_again(tmp_path):
    """
    After one percent more an import reads two percent of the rows at most.
    """

    def grown(first, n):
        days = [str(START + timedelta(days=number)) for number in range(n)]
        said = [(k, k, "user", f"Said {k}", days[k]) for k in range(first, n)]
        talks = [(k, "mona", days[k]) for k in range(first, n)]
        return said, talks

    said, talks = grown(0, 1000)
    url = build(
        tmp_path / "app.db",
        messages(*said, columns=f"{COLUMNS}, created_at DATETIME"),
        conversations(*talks),
    )
    first = ingest([url], tmp_path / "lake", origin="shop")
    said, talks = grown(1000, 1010)
    with closing(sqlite3.connect(url)) as connection, connection:
        connection.executemany("INSERT INTO messages VALUES (?, ?, ?, ?, ?)", said)
        connection.executemany("INSERT INTO conversations VALUES (?, ?, ?)", talks)
    again = ingest([url], tmp_path / "lake", origin="shop")

    # Times in text are compared by the day, and one more.
    assert (2000, 2 * 12) == (first.n_rows, again.n_rows)
    assert 1010 == cd.scan(tmp_path / "lake").check().messages.collect().height


@pytest.mark.parametrize("options", SHOPS.values(), ids=SHOPS)
@pytest.mark.parametrize("hours", [-30, 3, 20, 40])
def test_conversations_that_went_on(new_database, options, hours):
    """
    Whole conversations are read, as they stand in the whole, and all in which something is new.
    """
    url, since = build(new_database(), *shop(90, **options)), START + timedelta(hours=hours)
    whole, active = read(url).check(), read(url, active_since=since).check()
    everything = whole.messages.collect()
    new = everything.filter(
        (pl.col("created_at") >= since) | pl.col("created_at").is_null()
    ).select("conversation_id")
    for name in ("messages", "tool_calls"):
        found = active.frames[name].collect()
        read_again = whole.frames[name].join(
            active.messages.select("conversation_id"), on="conversation_id", how="semi"
        )

        assert_frame_equal(read_again.collect(), found, check_row_order=False)
    assert new.join(active.messages.collect(), on="conversation_id", how="anti").is_empty()


def test_only_what_went_on_is_read(tmp_path):
    """
    A conversation in which nothing is new is not read again.
    """
    url = build(tmp_path / "app.db", *shop(90))
    quiet = [str(START - timedelta(days=9))]
    with closing(sqlite3.connect(url)) as connection, connection:
        connection.execute("UPDATE messages SET created_at = ? WHERE conversation_id = 3", quiet)
        connection.execute("UPDATE conversations SET created_at = ?1, updated_at = ?1", quiet)
    found = read(url, active_since=START).messages.collect()

    assert [str(k) for k in (0, 1, 2, 4, 5, 6)] == sorted(found["conversation_id"].unique())


def test_what_an_application_deletes_within_a_conversation_goes(tmp_path):
    """
    A conversation that went on is as the database has it; others stay as they were imported.
    """
    url = build(tmp_path / "app.db", *shop(20))
    ingest([url], tmp_path / "lake", origin="shop")
    with closing(sqlite3.connect(url)) as connection, connection:
        connection.execute("DELETE FROM messages WHERE id = 0")
        connection.execute(
            "INSERT INTO messages VALUES (100, 0, 'user', 'New', NULL, ?)",
            [str(START + timedelta(days=2))],
        )
    ingest([url], tmp_path / "lake", origin="shop")
    kept = cd.scan(tmp_path / "lake").check().messages.filter(pl.col("conversation_id") == "shop:0")

    assert [(0, "Said 7"), (1, "Said 14"), (2, "New")] == (
        kept.sort("position").select("position", "content").collect().rows()
    )


def test_databases_do_not_mix(tmp_path):
    """
    Databases that count their ids from 1 stay apart, under the names of their origins.
    """
    one, two = (build(tmp_path / f"{name}.db", *hundred()) for name in ("one", "two"))
    lake = tmp_path / "lake"
    ingest([f"sqlite:///{one}", f"sqlite:///{two}"], lake)
    found = cd.scan(lake).check().conversations.collect()["conversation_id"]

    assert 200 == len(found)
    assert {"one:1", "two:1"} <= set(found)


COLUMNS = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"


def hundred():
    rows = [(n, n, "user", "Hi", str(START)) for n in range(1, 101)]
    return (
        messages(
            *rows,
            columns="id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT,"
            " created_at TIMESTAMP",
        ),
        conversations(*((n, "mona", str(START)) for n in range(1, 101))),
    )


def test_another_database_of_the_same_name(tmp_path):
    """
    A database of a name that another has is refused, and with a name of its own imported; in a
    folder it gets one.
    """
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        build(tmp_path / name / "app.db", *hundred())
    lake = tmp_path / "lake"
    ingest([f"sqlite:///{tmp_path}/one/app.db"], lake)
    with pytest.raises(cd.SourceError, match="another database called 'app'"):
        ingest([f"sqlite:///{tmp_path}/two/app.db"], lake)
    ingest([f"sqlite:///{tmp_path}/two/app.db"], lake, origin="second")
    ingest([tmp_path / "one", tmp_path / "two"], lake)
    found = cd.scan(lake).check().conversations.collect()["conversation_id"]

    assert 200 == len(found)
    assert {"app:1", "second:1"} <= set(found)

"""What is stored is what the kernel gives, call by call, whatever the texts are like."""

from __future__ import annotations

import itertools
import json
import random
import string
import threading
import time

import pytest
from databases import execute, fetch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_migrate_backfill import add, counters, fill, rows

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import backfill, calls, texts

ADD = '[{"tool": "add_task", "parameters": {"t": 1}, "result": {"success": true}}]'
VALUES = (
    None,
    True,
    0,
    -0.0,
    1.50,
    10**30,
    1e300,
    "",
    "null",
    "plain",
    "ü 漢 🙂",
    'a "quoted" \\ \t\r\n\x01 text',
    "\\.",
    "\\N",
    "line\n\\.\nline",
    '{"a": 1}',
    {},
    {"b": 1, "a": [1, {"c": None}]},
    {"success": False, "error": "no"},
    [1, "2"],
)
KEYS = ("tool", "name", "function", "parameters", "arguments", "result", "output", "id", "error")
LITERALS = (
    *("[]", "[ ]", "{}", "null", "None", "", " ", "3", '"add_task"', '["add_task", "b"]'),
    *("{broken", "[{]", '[{"tool": "a"', "[NaN]", '[{"tool": "a", "result": 1e400}]'),
    *('[{"tool": "a", "tool": "b"}]', '[{"tool": "a", "parameters": {"x": 1, "x": 2}}]'),
    *('[{"tool": "a", "parameters": {"x": -0, "y": 1.0, "z": 1E5, "w": 12345678901234567890}}]',),
    *('[{"tool": "\\ud800", "result": "\\ud83d\\ude42 \\u00fc \\/"}]', "[{'tool': 'a', 'id': 1}]"),
    *(
        '{"calls": []}',
        '{"calls": [{"name": "a"}], "model": "m"}',
        '[{"tool": " "}, {"tool": "b"}]',
    ),
)


def items():
    return st.dictionaries(st.sampled_from(KEYS), st.sampled_from(VALUES), max_size=4)


def corpus():
    """
    Texts as applications store them: lists, wrappers, JSON in JSON, `repr`, and what is broken.
    """
    value = st.lists(items(), max_size=3) | items() | st.sampled_from(VALUES)
    written = value.map(json.dumps) | value.map(repr)
    written |= value.map(lambda each: json.dumps(each, ensure_ascii=False))
    return st.none() | st.sampled_from(LITERALS) | written | st.text(max_size=20)


@pytest.fixture
def url(new_database):
    """
    A database at head with 400 messages.
    """
    url = new_database()
    migrate.upgrade(url)
    add(url, 1, 1)
    execute(
        url,
        "WITH RECURSIVE made(i) AS (SELECT 2 UNION ALL SELECT i + 1 FROM made WHERE i < 400)"
        " INSERT INTO messages (id, user_id, conversation_id, role, created_at)"
        " SELECT i, 'u', 1, 'user', '2026-01-01' FROM made",
    )
    return url


def decoded(stored):
    messages = [(key, "u", 1, text) for key, text in enumerate(stored, start=1)]
    return calls.decode(messages, 0, len(messages))


@pytest.mark.parametrize("n", [60, pytest.param(2_000, marks=pytest.mark.slow)])
def test_what_is_stored_is_what_the_kernel_gives(url, n):
    """
    Every column of every call arrives as the kernel gave it, whatever is in it.
    """
    columns = ", ".join(calls.COLUMNS)
    query = f"SELECT {columns} FROM tool_calls ORDER BY message_id, position"
    with migrate.connect(url) as connection:

        @settings(
            max_examples=n,
            deadline=None,
            derandomize=True,
            suppress_health_check=[HealthCheck.too_slow],
        )
        @given(st.lists(corpus(), max_size=40))
        def check(stored):
            batch = decoded([None if text is None else text.replace("\0", "") for text in stored])
            expected = list(zip(*(c.to_pylist() for c in batch.calls.columns), strict=True))
            with connection.begin() as transaction:
                written = calls.insert(connection, batch.calls)
                found = [tuple(row) for row in connection.exec_driver_sql(query)]
                transaction.rollback()

            assert len(expected) == written
            assert expected == found

        check()


def test_pieces_are_the_whole():
    """
    However a batch is cut, its parts hold every call and every message set aside once, in order,
    and no message is in two of them.
    """
    stored = [ADD, None, "{broken", json.dumps([{"tool": "a"}] * 5), ADD, "{broken", ADD, ADD]
    whole = decoded(stored)
    for n_calls in range(1, 12):
        parts = calls.split(whole, n_calls)
        owners = [part.calls["message_id"].to_pylist() for part in parts]

        assert whole.calls.to_pylist() == [row for p in parts for row in p.calls.to_pylist()]
        assert whole.bad == tuple(itertools.chain.from_iterable(part.bad for part in parts))
        assert sum(map(len, map(set, owners))) == len(set(itertools.chain(*owners)))
        assert [0, *(part.last for part in parts)] == [*(p.after for p in parts), whole.last]
        for part in parts:
            assert all(part.after < key <= part.last for key, _ in part.bad)
            assert all(
                part.after < row["message_id"] <= part.last for row in part.calls.to_pylist()
            )


def test_halves():
    """
    A batch is halved until one message is left.
    """
    batch = decoded([ADD, json.dumps([{"tool": "a"}] * 9), ADD])
    first, second = calls.halve(batch)

    assert [[1], [2, 3]] == [
        sorted(set(half.calls["message_id"].to_pylist())) for half in (first, second)
    ]
    assert [] == calls.halve(first)
    assert 2 == len(calls.halve(second))


LONG_NAME = "".join(random.Random(7).choices(string.ascii_letters, k=9_000))  # noqa: S311 - dice


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        pytest.param("a\0b", "UntranslatableCharacter|CharacterNotInRepertoire", id="NUL"),
        pytest.param(LONG_NAME, "ProgramLimitExceeded", id="longer than an index takes"),
    ],
)
def test_what_the_server_does_not_take(postgres, name, reason):
    """
    A call that PostgreSQL cannot hold is set aside with the reason; all others are written.
    """
    url = postgres()
    fill(url, 70)
    text = json.dumps([{"tool": name}])
    execute(url, f"UPDATE messages SET tool_calls = '{text}' WHERE id IN (9, 30)")
    done = backfill.run(url)
    aside = fetch(url, "SELECT reason FROM chatdata_backfill_error WHERE message_id IN (9, 30)")
    again = backfill.retry_bad(url)
    execute(url, f"UPDATE messages SET tool_calls = '{ADD}' WHERE id = 9")
    mended = backfill.retry_bad(url)

    assert ("done", 70, 36, 12, 0) == counters(done) == counters(again)
    assert 2 == len(aside)
    assert {part.split(": ")[1] for (part,) in aside} <= {*reason.split("|")}
    assert ("done", 70, 37, 11, 0) == counters(mended)


def test_text_that_is_none(tmp_path):
    """
    On SQLite bytes that are no UTF-8 are set aside, and a blob is read as the text it holds.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    fill(url, 14)
    execute(
        url,
        "UPDATE messages SET tool_calls = CAST(x'5bff5d' AS TEXT) WHERE id = 1",
        f"UPDATE messages SET tool_calls = CAST('{ADD}' AS BLOB) WHERE id = 3",
    )
    done = backfill.run(url)

    assert ("done", 14, 8, 3, 0) == counters(done)
    assert [("add_task",)] == fetch(url, "SELECT tool_name FROM tool_calls WHERE message_id = 3")


def test_ids_of_any_size(new_database):
    """
    Messages with ids below one, and those that come below the watermark later, are not passed by.
    """
    url = new_database()
    fill(url, 7)
    message = "INSERT INTO messages VALUES ({}, 'u', 1, 'user', 'x', '{}', '2026-01-01')"
    execute(url, *(message.format(key, ADD) for key in (-(10**9), -1, 0, 3_000)))
    first = backfill.run(url)
    execute(url, *(message.format(key, ADD) for key in (-7, 2_000)))
    second = backfill.run(url)

    assert ("done", 11, 8, 1) == counters(first)[:4]
    assert ("done", 11, 10, 1) == counters(second)[:4]
    assert [-(10**9), -7, -1, 0, 1, 2, 2, 6, 2_000, 3_000] == [row[0] for row in rows(url)]


def test_nothing_to_say_is_read_once(new_database):
    """
    Texts that hold no calls change no counter, however often a run looks at them again.
    """
    url = new_database()
    fill(url, 7)
    execute(url, "UPDATE messages SET tool_calls = '{\"calls\": []}' WHERE id < 4")
    runs = [counters(backfill.run(url)) for _ in range(3)]

    assert [("done", 7, 1, 1, 0)] * 3 == runs


def test_long_texts_end_a_batch_early(new_database, monkeypatch):
    """
    However long the texts are, no more than a few of them are held at a time, and none is missed.
    """
    url = new_database()
    fill(url, 70)
    monkeypatch.setattr(texts, "CHUNK", 1)
    monkeypatch.setattr(texts, "LARGEST_BYTES", 100)
    seen = []
    read = texts.read
    monkeypatch.setattr(texts, "read", lambda *values: seen.append(found := read(*values)) or found)

    assert ("done", 70, 40, 10, 0) == counters(backfill.run(url))
    assert max(len(found.messages) for found in seen) <= 3


def test_a_deletion_under_way_is_waited_for(postgres):
    """
    While the application is deleting a message, the run tries again in short pieces.
    """
    url = postgres()
    fill(url, 70)
    with migrate.connect(url) as other:
        other.exec_driver_sql("DELETE FROM messages WHERE id = 8")
        timer = threading.Timer(0.7, other.commit)
        timer.start()
        began = time.monotonic()
        done = backfill.run(url)
        timer.join()

    assert 0.7 <= time.monotonic() - began
    assert "done" == done.state
    assert 8 not in {row[0] for row in rows(url)}


def test_who_reads_elsewhere_is_not_waited_for(postgres, monkeypatch):
    """
    At the end only those are waited for who have written messages and not yet committed.
    """
    monkeypatch.setattr(backfill, "PATIENCE_S", 0.5)
    url = postgres()
    fill(url, 14)
    with migrate.connect(url) as other:
        other.exec_driver_sql("CREATE TABLE mine (id integer)")
        other.exec_driver_sql("SELECT count(*) FROM messages")

        assert "done" == backfill.run(url).state

        other.exec_driver_sql("UPDATE messages SET content = 'x' WHERE id = 1")

        with pytest.raises(MigrationError, match=r"may hold messages.*run the same"):
            backfill.run(url)

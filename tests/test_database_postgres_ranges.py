"""A large table of Postgres: read in ranges by two readers, and the same rows as read whole."""

from __future__ import annotations

from collections import Counter

import pytest
from chat_tables import as_role, build, conversations, execute, messages
from polars.testing import assert_frame_equal

from chatdata.database import connect, ranges, read

pytestmark = pytest.mark.postgres

N = 3000
AT = "2025-03-01 10:00:00"


@pytest.fixture
def large(postgres):
    """
    A chat of some hundred pages, all of it written in one state.
    """
    said = [
        (n, f"u{n % 3}", n % 100, "user" if n % 2 else "assistant", "state 0" + " " * 200,
         '[{"tool": "t", "args": {"a": 1}}]' if n % 7 == 0 else None, AT)
        for n in range(N)
    ]  # fmt: skip
    owners = [(n, f"u{n % 3}", AT) for n in range(100)]
    return build(postgres(), conversations(*owners), messages(*said))


@pytest.fixture
def asked(monkeypatch):
    """
    The queries of ranges as each connection runs them; `before` is called ahead of every one.
    """
    monkeypatch.setattr(ranges, "PAGES", 2)
    found = Counter()
    before = []
    whole = connect.Snapshot.batches

    def batches(self, sql):
        if "ctid" in sql:
            for call in before:
                call()
            found[self._connection] += 1
        yield from whole(self, sql)

    monkeypatch.setattr(connect.Snapshot, "batches", batches)
    found.before = before
    return found


def test_ranges_give_the_table(large, asked):
    """
    Two readers share the ranges, and the frames are those of one that reads the table whole.
    """
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(ranges, "PAGES", 1 << 20)
        whole = read(large)
    assert 0 == asked.total()

    parted = read(large).check()

    assert 2 == len(asked)
    assert asked.total() > 40
    assert min(asked.values()) > 5
    for name, frame in whole.frames.items():
        assert_frame_equal(frame.collect(), parted.frames[name].collect())


def test_what_is_written_meanwhile(large, asked):
    """
    All ranges see one moment, though rows are changed, moved, added and deleted between them.
    """
    execute(large, "UPDATE messages SET content = 'state 1'")
    states = iter(range(2, 10_000))

    def write():
        state = next(states)
        execute(
            large,
            f"UPDATE messages SET content = 'state {state}' WHERE id % 5 = {state % 5}",
            f"INSERT INTO messages VALUES ({N + state}, 'u1', 1, 'user', 'state {state}')",
            f"DELETE FROM messages WHERE id = {state}",
        )

    asked.before.append(write)
    found = read(large).check().messages.collect()

    assert next(states) > 40
    assert {"state 1"} == set(found["content"])
    assert {str(n) for n in range(N)} == set(found["message_id"])


def test_no_connection_is_left(large, asked):
    """
    A role that may have one connection reads everything with it.
    """
    execute(
        large,
        "CREATE ROLE alone LOGIN CONNECTION LIMIT 1",
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO alone",
    )
    found = read(as_role(large, "alone"))

    assert N == found.messages.collect().height
    assert 1 == len(asked)
    assert asked.total() > 40


@pytest.mark.parametrize("narrow", [{"user_id": "u1"}, {"since": None, "text": False}])
def test_only_whole_tables_are_parted(large, asked, narrow):
    """
    What a condition may find by an index is asked for once; a table without its texts is whole.
    """
    read(large, **narrow)

    assert ("user_id" in narrow) == (asked.total() == 0)

"""A window, one user or no text: the same rows as filtering everything by hand."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime, timedelta, timezone

import polars as pl
import pytest
from chat_tables import build, column, conversations, messages, table
from polars.testing import assert_frame_equal

from chatdata.database import connect, read

START = datetime(2025, 3, 1, 22, 0, 0, 1500)  # noqa: DTZ001 - as applications store it
USERS = tuple(f"abcdef0{n}-1234-4234-8234-abcdefabcdef" for n in range(3))
WORDS = "a secret"
CALL = "id INTEGER PRIMARY KEY, message_id INTEGER, tool_name TEXT, arguments TEXT, result TEXT"


def world(*, hexed=False, own_user=True, calls="column", conversation_table=True):
    """
    Nine conversations of three users over three days, with a message every six hours.
    """

    def key(number):
        text = f"0000000{number}-aaaa-4bbb-8ccc-dddddddddddd"
        return text.replace("-", "") if hexed else number

    talks, said, log = [], [], []
    kind = "CHAR(36)" if hexed else "INTEGER"
    for number in range(9):
        user = USERS[number % 3]
        start = START + timedelta(hours=7 * number)
        talks.append((key(number), user.replace("-", "") if hexed else user, str(start)))
        for turn in range(4):
            at = start + timedelta(hours=6 * turn)
            arguments = {} if number % 3 == 1 else {"text": WORDS}
            stored = [{"tool": "find", "args": arguments, "result": {"text": WORDS, "n": turn}}]
            has_call = calls == "column" and turn % 2
            speaker = user
            if conversation_table and turn % 2 == 0:
                speaker = None if turn else USERS[1] if number == 3 else user
            said.append(
                (
                    4 * number + turn,
                    key(number) if not hexed else f"{key(number)}",
                    *([speaker] if own_user else []),
                    "assistant" if turn % 2 else "user",
                    f"{WORDS} {turn}",
                    json.dumps(stored) if has_call else None,
                    None if (number, turn) == (4, 3) else str(at),
                )
            )
            if calls == "table" and turn % 2:
                log.append((len(log), 4 * number + turn, "find", json.dumps(arguments), WORDS))
    owner = " user_id VARCHAR(36)," if own_user else ""
    tables = [
        messages(
            *said,
            columns=f"id INTEGER PRIMARY KEY, conversation_id {kind},{owner} role TEXT,"
            " content TEXT, tool_calls TEXT, created_at TIMESTAMP",
        )
    ]
    if conversation_table:
        columns = f"id {kind} PRIMARY KEY, user_id VARCHAR(36), created_at TIMESTAMP"
        tables.append(conversations(*talks, (key(9), USERS[0], str(START)), columns=columns))
    if calls == "table":
        tables.append(table("calls", CALL, *log))
    return tables


WORLDS = {
    "the application's own": {},
    "uuids, the owner of a message is its conversation's": {"hexed": True, "own_user": False},
    "a table of calls": {"calls": "table", "own_user": False},
    "a table of calls, users everywhere": {"calls": "table"},
    "no table of conversations": {"conversation_table": False},
}


@pytest.fixture(
    scope="module", params=["sqlite", pytest.param("postgres", marks=pytest.mark.postgres)]
)
def kind(request):
    return request.param


@pytest.fixture(scope="module", params=WORLDS)
def url(request, kind, tmp_path_factory):
    """
    A world to read from, made once for all tests.
    """
    tables = world(**WORLDS[request.param])
    if kind == "postgres":
        return build(request.getfixturevalue("postgres")(), *tables)
    return build(tmp_path_factory.mktemp("world") / "app.db", *tables)


@pytest.fixture
def asked(monkeypatch):
    """
    Every query that is sent to a database.
    """
    queries = []
    batches = connect.Snapshot.batches

    def recorded(snapshot, sql):
        queries.append(sql)
        return batches(snapshot, sql)

    monkeypatch.setattr(connect.Snapshot, "batches", recorded)
    return queries


def of_messages(chats, wanted):
    """
    The frames with only the wanted messages, by hand; positions are left out, they are made anew.
    """
    kept = chats.messages.filter(wanted).drop("position", "parent_message_id").collect()
    calls = chats.tool_calls.collect().join(kept, on="message_id", how="semi")
    return kept.sort("message_id"), calls.sort("tool_call_id")


def found(chats):
    return of_messages(chats.check(), pl.lit(value=True))


def assert_same(expected, got):
    for one, other in zip(expected, got, strict=True):
        assert_frame_equal(one, other)


def with_owner(chats):
    owned = chats.conversations.select("conversation_id", owner="user_id")
    own = pl.col("extra").str.json_path_match("$.user_id")
    joined = chats.messages.join(owned, on="conversation_id", how="left", maintain_order="left")
    return chats.with_frames(messages=joined.with_columns(owner=pl.coalesce(own, "owner")))


@pytest.mark.parametrize("user", USERS)
def test_one_user(url, user):
    """
    A user's messages, calls and conversations, and not a row of anybody else.
    """
    whole = read(url)
    expected = of_messages(with_owner(whole), pl.col("owner") == user)
    expected = (expected[0].drop("owner"), expected[1])
    chats = read(url, user_id=user)
    mine = whole.conversations.filter(user_id=user)

    assert_same(expected, found(chats))
    assert sorted(column(mine, "conversation_id")) == sorted(
        column(chats.conversations, "conversation_id")
    )
    assert {user} == set(column(chats.conversations, "user_id"))


@pytest.mark.parametrize("form", [str.upper, lambda user: user.replace("-", "")])
def test_a_user_in_any_form(url, form):
    """
    A uuid means the same user with or without dashes, in either case.
    """
    expected = found(read(url, user_id=USERS[0]))

    assert 8 < expected[0].height < 36
    assert_same(expected, found(read(url, user_id=form(USERS[0]))))


@pytest.mark.parametrize("hours", [(20, 40), (-100, 1), (0, 0), (6, 6.5), (None, 30), (30, None)])
def test_a_window(url, hours):
    """
    Messages from a moment on, and before another.
    """
    since, until = (None if n is None else START + timedelta(hours=n) for n in hours)
    whole, chats = read(url), read(url, since=since, until=until)
    inside = pl.col("created_at").is_not_null()
    inside &= True if since is None else pl.col("created_at") >= since
    inside &= True if until is None else pl.col("created_at") < until
    expected = of_messages(whole, inside)

    assert_same(expected, found(chats))
    assert set(expected[0]["conversation_id"]) <= set(
        column(chats.conversations, "conversation_id")
    )
    assert any(
        "without a time" in reason
        for reason in chats.explain().filter(became="1 messages left out")["reason"]
    )


def test_positions_in_a_window(url):
    """
    Positions count what is there, from 0.
    """
    chats = read(url, since=START + timedelta(hours=20))
    places = chats.messages.group_by("conversation_id").agg(
        n=pl.len().cast(pl.UInt32),
        last=pl.col("position").max(),
        ways=pl.col("position").n_unique(),
    )

    assert places.filter(pl.col("last") + 1 != pl.col("n")).collect().is_empty()
    assert places.filter(pl.col("ways") != pl.col("n")).collect().is_empty()


def test_moments_with_a_zone(url):
    """
    A moment means the same in any zone.
    """
    since = START + timedelta(hours=20)
    karachi = timezone(timedelta(hours=5))

    assert_same(
        found(read(url, since=since)),
        found(read(url, since=since.replace(tzinfo=UTC).astimezone(karachi))),
    )


@pytest.mark.parametrize("zone", ["Asia/Karachi", "America/New_York"])
def test_a_zone_of_stored_times(url, zone):
    """
    Times without a zone are those of the zone named, in the window too.
    """
    whole, moved = read(url), read(url, time_zone=zone)
    shifted = pl.col("created_at").dt.replace_time_zone(zone).dt.convert_time_zone("UTC")
    since = START + timedelta(hours=20)

    assert (
        whole.messages.select(shifted.dt.replace_time_zone(None)).collect().to_series().to_list()
    ) == column(moved.messages, "created_at")
    assert_same(
        of_messages(moved, pl.col("created_at") >= since),
        found(read(url, time_zone=zone, since=since)),
    )
    assert zone in moved.explain()["became"].to_list()


def test_no_text(url):
    """
    Without text the sizes, names and statuses are the same, and nothing that anybody wrote is left.
    """
    whole, bare = read(url), read(url, text=False).check()

    assert not any(
        WORDS in str(frame.select(pl.col(pl.String)).collect().rows())
        for frame in bare.frames.values()
    )
    assert_frame_equal(
        whole.messages.drop("content", "extra").collect(),
        bare.messages.drop("content", "extra").collect(),
    )
    hidden = ("arguments_raw", "arguments", "result", "extra")
    assert_frame_equal(
        whole.tool_calls.drop(hidden).collect(), bare.tool_calls.drop(hidden).collect()
    )


def test_the_scope_is_in_the_queries(url, asked):
    """
    The database is asked for no more than what is wanted.
    """
    since = START + timedelta(hours=30)
    read(url, since=since, until=since + timedelta(days=1), user_id=USERS[0], text=False)
    table_reads = [sql for sql in asked if 'FROM "messages"' in sql and "LIMIT" not in sql]

    assert table_reads
    assert all(USERS[0] in sql for sql in table_reads)
    assert any("2025-03-0" in sql for sql in table_reads)
    assert not any(re.search(r'"content"( AS TEXT\))?(::text)? AS c\d', sql) for sql in asked)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Karachi", "America/New_York"])
def test_windows_without_bounds(new_database, zone):
    """
    The first and the last moment there is are bounds like any other.
    """
    url = build(new_database(), *world())
    chats = read(url, since=datetime.min, until=datetime.max, time_zone=zone)  # noqa: DTZ901 - the bounds

    assert 35 == chats.messages.collect().height

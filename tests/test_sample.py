"""The sample world: the same everywhere, realistic, and storable as the application stores it."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing

import polars as pl
import pytest

from chatdata import migrate
from chatdata.sample import fill, sample
from chatdata.sample.draws import Dice, log_normal, weighted

DIGEST = "e26275f759090b00d5f96ead27a1aa51d047748afd433c7c66613ce280fa4b83"


@pytest.fixture(scope="module")
def world():
    """
    The world that everybody gets.
    """
    return sample()


@pytest.fixture(scope="module")
def database(world, tmp_path_factory):
    """
    The same world as the application would have stored it.
    """
    path = tmp_path_factory.mktemp("sample") / "app.db"
    migrate.upgrade(f"sqlite:///{path}")
    fill(world, f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        yield connection


def digest(chats):
    """
    A fingerprint of every byte of every frame.
    """
    whole = hashlib.sha256()
    for frame in chats.frames.values():
        whole.update(frame.collect().write_ndjson().encode())
    return whole.hexdigest()


def test_draws_are_splitmix64():
    """
    Random bits are those of the published generator, so no library can change them.
    """
    drawn = pl.select(row=pl.int_range(3)).select(Dice(7).bits("x"))

    assert [splitmix64(splitmix64(7 << 32 ^ 0x8CDC1683) + row) for row in range(3)] == (
        drawn.to_series().to_list()
    )


def splitmix64(state):
    """
    The generator as its authors wrote it.
    """
    state = (state + 0x9E3779B97F4A7C15) % 2**64
    state = (state ^ state >> 30) * 0xBF58476D1CE4E5B9 % 2**64
    state = (state ^ state >> 27) * 0x94D049BB133111EB % 2**64
    return state ^ state >> 31


@pytest.mark.parametrize(
    ("draw", "low", "high", "mean"),
    [
        pytest.param(lambda dice: dice.uniform("x"), 0, 1, 0.5, id="uniform"),
        pytest.param(lambda dice: dice.chance("x", 0.3), 0, 1, 0.3, id="chance"),
        pytest.param(lambda dice: dice.whole("x", 3, 7), 3, 7, 5, id="whole"),
        pytest.param(
            lambda dice: dice.pick("x", weighted({"1": 3, "9": 1}).cast(int)), 1, 9, 3, id="pick"
        ),
        pytest.param(lambda dice: dice.pick("x", log_normal(10, 0.5)), 1, 70, 11.33, id="log"),
    ],
)
def test_draws_are_fair(draw, low, high, mean):
    """
    Draws stay in their range and have the mean they should have.
    """
    drawn = pl.select(row=pl.int_range(20_000)).select(draw(Dice(1)).cast(float)).to_series()

    assert (True, True) == (low <= drawn.min(), drawn.max() <= high)
    assert mean == pytest.approx(drawn.mean(), rel=0.03)


def test_purposes_are_independent():
    """
    What one draw gives says nothing about another.
    """
    dice = Dice(1)
    drawn = pl.select(row=pl.int_range(20_000)).select(
        pl.corr(dice.uniform("one"), dice.uniform("two"))
    )

    assert abs(drawn.item()) < 0.03


@pytest.mark.parametrize("n", [0, 1, 2, 30, 200, 1000])
def test_follows_the_contract(n):
    """
    Worlds of any size are proper chats of as many conversations as asked for.
    """
    chats = sample(n).check()

    assert n == chats.conversations.collect().height


def test_is_the_same_everywhere(world):
    """
    A seed gives the same bytes on every machine and with every version of our libraries.
    """
    assert DIGEST == digest(world)


def test_seeds_differ():
    """
    Another seed is another world, and the same seed the same one.
    """
    assert digest(sample(50, seed=1)) == digest(sample(50, seed=1))
    assert digest(sample(50, seed=1)) != digest(sample(50, seed=2))


def test_refuses_a_negative_size():
    """
    Nobody gets an empty world by a slip.
    """
    with pytest.raises(ValueError, match="found conversations=-1, expected 0 or more"):
        sample(-1)


@pytest.mark.parametrize(
    ("what", "query"),
    [
        ("every tool", "from tool_calls having count(distinct name) = 7"),
        ("every status", "from tool_calls having count(distinct status) = 7"),
        ("a failure the caller is told of", "from tool_calls where error_source = 'explicit'"),
        ("a call that never ran", "from tool_calls where error_source = 'protocol'"),
        ("malformed arguments", "from tool_calls where arguments_status = 'invalid'"),
        ("parallel calls", "from tool_calls where name = 'add_task' and position = 2"),
        ("recorded durations", "from tool_calls where ended_at > started_at"),
        ("a result in a row of its own", "from tool_calls where result_message_id is not null"),
        ("a fork", "from conversations where relation = 'fork'"),
        ("an agent that declares its tools", "from conversations where declared_tools is not null"),
        ("a conversation without a title", "from conversations where title is null"),
        (
            "a conversation without messages",
            "from conversations anti join messages using (conversation_id)",
        ),
        ("an injected message", "from messages where kind = 'injected' and role = 'system'"),
        ("a summary", "from messages where kind = 'summary'"),
        ("a command", "from messages where kind = 'command'"),
        ("an event", "from messages where kind = 'event'"),
        ("an answer that was replaced", "from messages where not is_main_path"),
        ("an answer without text", "from messages where role = 'assistant' and content is null"),
        ("a message without a time", "from messages where created_at is null"),
        ("thinking", "from messages where reasoning is not null"),
        ("reasoning tokens", "from messages where reasoning_tokens > 0"),
        ("cached tokens", "from messages where cache_read_tokens > 0"),
        ("Urdu", "from messages where regexp_matches(content, '[\u0600-\u06ff]')"),
        ("Japanese", "from messages where regexp_matches(content, '[\u3041-\u30ff]')"),
        ("emoji", "from messages where contains(content, '🎉')"),
        (
            "messages at the same time",
            (
                "from messages a join messages b using (conversation_id, created_at)"
                " where a.position < b.position"
            ),
        ),
        (
            "a retry that worked",
            (
                "from tool_calls a join tool_calls b using (message_id, name)"
                " where a.status = 'error' and b.status = 'ok' and b.position = a.position + 1"
            ),
        ),
        ("a message that could not be read whole", "from rejects where record is not null"),
    ],
)
def test_has_everything_that_goes_wrong(world, what, query):
    """
    The small world already holds each thing that an analysis has to survive.
    """
    assert world.sql(f"select count(*) {query}").item() > 0, what


@pytest.mark.parametrize(
    ("what", "query"),
    [
        (
            "tokens belong to the assistant",
            (
                "from messages where role <> 'assistant' and "
                "coalesce(input_tokens, output_tokens, cache_read_tokens) is not null"
            ),
        ),
        (
            "times never go back",
            (
                "from messages a join messages b using (conversation_id)"
                " where a.position < b.position and a.created_at > b.created_at"
            ),
        ),
        (
            "calls have their message",
            "from tool_calls anti join messages using (message_id, conversation_id)",
        ),
        (
            "parents come first",
            (
                "from messages a join messages b"
                " on b.parent_message_id = a.message_id where b.conversation_id = a.conversation_id"
                " and b.position <= a.position"
            ),
        ),
        (
            "parents are on the main path",
            (
                "from messages a join messages b"
                " on b.parent_message_id = a.message_id where not a.is_main_path"
            ),
        ),
        (
            "a fork goes on from a message of its parent",
            (
                "from conversations c"
                " join messages m on m.conversation_id = c.conversation_id and m.position = 0"
                " left join messages p on p.message_id = m.parent_message_id"
                " where c.relation = 'fork' and"
                " p.conversation_id is distinct from c.parent_conversation_id"
            ),
        ),
        (
            "a fork is its parent's user's, and later",
            (
                "from conversations c"
                " join conversations p on p.conversation_id = c.parent_conversation_id"
                " where c.user_id <> p.user_id or c.created_at <= p.created_at"
            ),
        ),
        (
            "sizes are those of the content",
            "from messages where n_chars is distinct from length(content)",
        ),
        (
            "arguments are JSON objects",
            "from tool_calls where arguments is not null and json_type(arguments) <> 'OBJECT'",
        ),
        (
            "only failures have a class",
            "from tool_calls where (error_class is null) <> (status not in ('error', 'timeout'))",
        ),
        (
            "nobody forbids reading",
            "from tool_calls where name = 'list_tasks' and status = 'denied'",
        ),
    ],
)
def test_makes_sense(what, query):
    """
    What holds in every log that was written by a program holds here.
    """
    assert 0 == sample(1500).sql(f"select count(*) {query}").item(), what


def test_accounts_for_every_record(world):
    """
    Every message is kept or an event, and what a log repeats counts nowhere.
    """
    counted = dict(world.sql("select cause, n_records::int from accounting").rows())
    events = world.sql("select count(*) from messages where kind = 'event'").item()
    audit = {row["cause"]: row for row in world.audit().to_dicts()}

    assert world.messages.collect().height == counted["kept"] + counted["event"]
    assert events == counted["event"]
    assert counted["replayed by a fork"] > 0
    assert audit["certified"]["n_tool_calls"] == world.tool_calls.collect().height
    assert audit["naive"]["output_tokens"] > audit["certified"]["output_tokens"]


def test_activity_is_uneven():
    """
    Few users talk most, people sleep at night and rest at the weekend.
    """
    chats = sample(5000)
    top = chats.sql(
        "select sum(n) from (select count(*) n from conversations group by user_id"
        " order by n desc limit 14)"
    ).item()
    by_hour = dict(chats.sql("select hour(created_at), count(*) from messages group by 1").rows())
    by_day = dict(chats.sql("select isodow(created_at), count(*) from messages group by 1").rows())

    assert top > 5000 * 0.4
    assert by_hour[10] > 4 * by_hour[0]
    assert by_day[2] > 2 * by_day[6]


def test_lengths_are_log_normal():
    """
    The logarithms of the lengths are symmetric: the median is far below the mean.
    """
    lengths = sample(5000).sql(
        "select count(*) n from messages where role = 'user' and kind = 'chat'"
        " group by conversation_id"
    )["n"]

    assert 3 == lengths.median()
    assert 4.5 == pytest.approx(lengths.mean(), rel=0.05)


@pytest.mark.parametrize(
    ("expected", "stored"),
    [
        pytest.param(
            "select count(*) from conversations", "select count(*) from conversations", id="all"
        ),
        pytest.param(
            "select count(distinct user_id) from conversations",
            "select count(*) from users",
            id="users",
        ),
        pytest.param(
            "select count(*) from messages where is_main_path and kind = 'chat'",
            "select count(*) from messages",
            id="messages",
        ),
        pytest.param(
            "select sum(n_chars) from messages where is_main_path and kind = 'chat'",
            "select sum(length(content)) from messages",
            id="text",
        ),
        pytest.param(
            "select count(*) from tool_calls",
            "select sum(json_array_length(tool_calls)) from messages where json_valid(tool_calls)",
            id="calls",
        ),
        pytest.param(
            "select count(*) from tool_calls where status = 'denied'",
            "select count(*) from messages, json_each(tool_calls) as call"
            " where json_valid(tool_calls) and call.value ->> 'status' = 'denied'",
            id="denied",
        ),
        pytest.param(
            "select count(*) from rejects",
            "select count(*) from messages"
            " where tool_calls is not null and not json_valid(tool_calls)",
            id="unreadable calls",
        ),
        pytest.param("select 0", "select count(*) from pragma_foreign_key_check", id="references"),
    ],
)
def test_fill_stores_what_the_application_would(world, database, expected, stored):
    """
    The application's tables hold what users and assistants said, and every call.
    """
    assert world.sql(expected).item() == database.execute(stored).fetchone()[0]


def test_fill_writes_calls_in_the_applications_words(world, database):
    """
    A message's calls are a JSON list of tool, parameters and result, in their order.
    """
    stored = dict(
        database.execute("select id, tool_calls from messages where json_valid(tool_calls)")
    )
    expected = world.tool_calls.sort("message_id", "position").collect()

    for message_id, calls in expected.group_by("message_id"):
        items = json.loads(stored[int(message_id[0])])

        assert calls["name"].to_list() == [item["tool"] for item in items]
        assert calls["arguments"].to_list() == [
            compact(item["parameters"]) if isinstance(item["parameters"], dict) else None
            for item in items
        ]
        assert calls["result"].to_list() == [compact(item["result"]) for item in items]


def compact(value):
    """
    JSON as the frames have it.
    """
    return value and json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def test_fill_always_writes_a_time(database):
    """
    Times have the application's form, also where the frames have none.
    """
    form = "????-??-?? ??:??:??.??????".replace("?", "[0-9]")

    assert (0,) == database.execute(
        "select count(*) from messages where created_at is null or created_at not glob ?", [form]
    ).fetchone()


def test_fill_keeps_times_in_order(database):
    """
    No message is stored with a time before that of the message before it.
    """
    assert (0,) == database.execute(
        "select count(*) from messages a join messages b using (conversation_id)"
        " where a.id < b.id and a.created_at > b.created_at"
    ).fetchone()


def test_fill_is_all_or_nothing(world, tmp_path):
    """
    A database that already has one of the rows stays as it was.
    """
    path = tmp_path / "app.db"
    migrate.upgrade(f"sqlite:///{path}")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(
            "insert into messages (id, user_id, conversation_id, role, created_at)"
            " values (1, 'u', 1, 'user', '2025-01-01 00:00:00')"
        )
        connection.commit()
        with pytest.raises(Exception, match=r"(?i)unique"):
            fill(world, f"sqlite:///{path}")

        assert (0,) == connection.execute("select count(*) from users").fetchone()


@pytest.mark.postgres
def test_fill_on_postgres(world, postgres):
    """
    Postgres gets the same rows, and the application's next message the next id.
    """
    psycopg = pytest.importorskip("psycopg")
    url = postgres()
    migrate.upgrade(url)
    fill(world, url)
    with closing(psycopg.connect(url)) as connection:
        (n, last), (following,) = (
            connection.execute("select count(*), max(id) from messages").fetchone(),
            connection.execute(
                "insert into messages (user_id, conversation_id, role, content, created_at)"
                " select user_id, id, 'user', 'x', now() from conversations limit 1 returning id"
            ).fetchone(),
        )
    kept = world.sql("select count(*) from messages where is_main_path and kind = 'chat'").item()

    assert kept == n
    assert last + 1 == following

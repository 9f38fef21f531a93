"""Applications that keep what was said, what was called and what ran in one table of steps."""

from __future__ import annotations

from datetime import datetime

import pytest
from catalogues import bound, found
from catalogues import table as catalogued
from chat_tables import build, column, conversations, extras, messages, rows, table
from databases import fetch

import chatdata as cd
from chatdata import migrate
from chatdata.database import read
from chatdata.errors import LayoutError

THREADS = "id TEXT PRIMARY KEY, name TEXT, {user} TEXT, {created} TEXT"
STEPS = (
    "id TEXT PRIMARY KEY, name TEXT, type {kind}, {thread} TEXT, {parent} TEXT, {is_error} BOOLEAN,"
    " input TEXT, output TEXT, {created} TEXT, {start} TEXT, {end} TEXT, generation TEXT"
)
CAMEL = {
    "user": '"userId"',
    "created": '"createdAt"',
    "thread": '"threadId"',
    "parent": '"parentId"',
    "is_error": '"isError"',
    "start": '"start"',
    "end": '"end"',
    "kind": "TEXT",
}
LONG = {**CAMEL, "start": '"startTime"', "end": '"endTime"'}
T = "2026-05-0{}T10:00:0{}.000Z"
TWO_DAYS = ('{"city":"Oslo","days":2}', '{"t":[9,7]}')


def step(key, name, kind, thread, parent=None, *, texts=("", ""), at=(1, 0), span=None):
    failed = texts[1] == "timed out"
    times = [T.format(at[0], second) for second in span] if span else [None, None]
    made = None if kind != "llm" else '{"model":"m"}'
    return (key, name, kind, thread, parent, failed, *texts, T.format(*at), *times, made)


def of_steps(names=CAMEL):
    """
    Two threads: a question with a run, two calls (stored after the answer, the later one first) and
    a generation; then a thread with a note, and a call that nobody answered.
    """
    return (
        table(
            "threads",
            THREADS.format(**names),
            ("t1", "Weather", "u", T.format(1, 0)),
            ("t2", None, "v", T.format(2, 0)),
        ),
        table(
            "steps",
            STEPS.format(**names),
            step("a", "ann", "user_message", "t1", texts=("", "How warm is Oslo?"), at=(1, 1)),
            step("b", "on_message", "run", "t1", "a", at=(1, 2), span=(2, 9)),
            step("c", "bot", "assistant_message", "t1", "b", texts=("", "9 degrees"), at=(1, 9)),
            step("d", "forecast", "tool", "t1", "b", texts=TWO_DAYS, at=(1, 5), span=(5, 7)),
            step("e", "now", "tool", "t1", "b", texts=("{}", "timed out"), at=(1, 3), span=(3, 4)),
            step("f", "m", "llm", "t1", "b", texts=("[]", "9 degrees"), at=(1, 8)),
            step("g", "app", "system_message", "t2", texts=("", "Be short"), at=(2, 1)),
            step("h", "now", "tool", "t2", at=(2, 2)),
        ),
    )


CALLS = [
    ("steps:d", "t1", 1, "forecast", TWO_DAYS[0], TWO_DAYS[1], "ok"),
    ("steps:e", "t1", 0, "now", "{}", "timed out", "error"),
    ("steps:h", "t2", 0, "now", None, None, "ok"),
]
CALLED = ("tool_call_id", "conversation_id", "position", "name", "arguments", "result", "status")
SAID = [
    ("a", "user", "chat", "How warm is Oslo?"),
    ("b", "system", "event", ""),
    ("c", "assistant", "chat", "9 degrees"),
    ("f", "system", "event", "9 degrees"),
    ("g", "system", "injected", "Be short"),
]


def check(chats):
    assert SAID == rows(chats.messages, "message_id", "role", "kind", "content", by="message_id")
    assert CALLS == rows(chats.tool_calls, *CALLED, by="tool_call_id")
    assert [("t1", "Weather", "u"), ("t2", None, "v")] == rows(
        chats.conversations, "conversation_id", "title", "user_id", by="conversation_id"
    )
    counted = ("cause", "n_records", "n_messages", "n_tool_calls")
    mine = chats.accounting.collect().filter(path=f"{column(chats.accounting, 'origin')[0]}/steps")
    assert [("event", 2, 2, 0), ("kept", 6, 3, 3)] == mine.sort("cause").select(counted).rows()


def test_messages_and_calls_are_steps_of_their_type(scanned):
    """
    A step is a message, a call or an event, by its type, and nothing twice: what a model generated
    is not a second answer. Times make the order, since rows are written over.
    """
    chats = scanned(*of_steps())

    check(chats)
    order = [key for key, *_ in rows(chats.messages, "message_id", by=["created_at"])]
    assert ["a", "b", "f", "c", "g"] == order
    assert [0, 1, 2, 3, 0] == column(chats.messages.sort("created_at"), "position")
    span = ("started_at", "ended_at")
    assert (datetime(2026, 5, 1, 10, 0, 5), datetime(2026, 5, 1, 10, 0, 7)) == rows(  # noqa: DTZ001 - naive UTC
        chats.tool_calls, *span, by="tool_call_id"
    )[0]


def test_what_no_column_takes_is_kept(scanned):
    """
    Parents, generations and the inputs of runs stay in `extra`.
    """
    chats = scanned(*of_steps())
    left = dict(zip("abcfg", extras(chats.messages, by="message_id"), strict=True))

    assert {"generation": '{"model":"m"}', "parentId": "b", "input": "[]"} == {
        name: left["f"][name] for name in ("generation", "parentId", "input")
    }
    assert "b" == extras(chats.tool_calls, by="tool_call_id")[0]["parentId"]


def test_events_are_told(scanned):
    """
    A finding says how many steps are neither messages nor calls.
    """
    (finding,) = [one for one in scanned(*of_steps()).findings if one.became.endswith("events")]

    assert ("2 rows are events", True) == (finding.became, "2 types" in finding.reason)


@pytest.mark.parametrize("names", [CAMEL, LONG], ids=["start", "startTime"])
def test_postgres_gives_the_same(postgres, names):
    """
    The same on Postgres, where the type may be an enumeration.
    """
    import psycopg  # noqa: PLC0415 - only where a Postgres is tested

    url = postgres()
    kinds = ["run", "tool", "llm", "user_message", "assistant_message", "system_message"]
    with psycopg.connect(url) as connection:
        listed = ", ".join(f"'{kind}'" for kind in kinds)
        connection.execute(f'CREATE TYPE "StepType" AS ENUM ({listed})')
    threads, steps = of_steps({**names, "kind": '"StepType"'})

    check(read(build(url, threads, steps)).check())


@pytest.mark.parametrize(
    ("options", "said", "called"),
    [
        pytest.param({"since": datetime(2026, 5, 2)}, "g", "h", id="a window"),  # noqa: DTZ001 - naive means UTC
        pytest.param({"user_id": "u"}, "abcf", "de", id="one user"),
        pytest.param({"user_id": "nobody"}, "", "", id="a user without rows"),
        pytest.param({"text": False}, "abcfg", "deh", id="without text"),
    ],
)
def test_part_of_the_steps(scanned, options, said, called):
    """
    Windows and users narrow messages and calls alike.
    """
    chats = scanned(*of_steps(), **options)

    assert [*said] == sorted(column(chats.messages, "message_id"))
    assert [f"steps:{key}" for key in called] == sorted(column(chats.tool_calls, "tool_call_id"))


def test_steps_without_text(scanned):
    """
    Without text nothing that was said or returned is shown, and the outcomes still are.
    """
    chats = scanned(*of_steps(), text=False)

    shown = "".join(frame.collect().write_ndjson() for frame in (chats.messages, chats.tool_calls))
    assert not any(word in shown for word in ("Oslo", "degrees", "timed out", "Be short"))
    assert ["ok", "error", "ok"] == [
        status for status, _ in rows(chats.tool_calls, "status", "tool_call_id", by="tool_call_id")
    ]


def test_messages_go_before_steps():
    """
    Steps beside a table of messages are not read in its place; alone they are, in any spelling.
    """
    columns = "id name type threadId parentId input output isError createdAt"
    beside = found(catalogued("Step", columns), catalogued("Message", "id threadId role content"))
    alone = found(catalogued("Step", columns), catalogued("Thread", "id name"))

    assert ["Message"] == [binding.table.name for binding in beside.messages]
    assert ("Step", "Step") == (alone.messages[0].table.name, alone.tool_calls.table.name)
    assert "output" == bound(alone.messages[0])["content"]
    assert ("input", "output") == tuple(
        bound(alone.tool_calls)[what] for what in ("arguments", "result")
    )


def test_checkpoints_of_langgraph_are_refused_with_what_to_do():
    """
    Where the state of threads lies in Postgres, the error says how to get at it.
    """
    blobs = catalogued("checkpoint_blobs", "thread_id checkpoint_ns channel version type blob")
    states = catalogued("checkpoints", "thread_id checkpoint_ns checkpoint_id checkpoint metadata")

    with pytest.raises(LayoutError, match=r"LangGraph's checkpoints.*messages_to_dict"):
        found(blobs, states)


def test_chats_beside_checkpoints_of_langgraph_are_read(tmp_path):
    """
    Tables of the application's own go before the states of its graph, which are named as unread.
    """
    states = "thread_id, checkpoint_ns, checkpoint_id, parent_checkpoint_id, type, checkpoint"
    path = tmp_path / "app.db"
    build(path, *of_steps(), table("checkpoints", states, ("t", "", "c", None, "msgpack", b"")))
    chats = cd.scan(path).check()

    assert 5 == len(column(chats.messages, "message_id"))
    assert ["checkpoints"] == [one.subject for one in chats.findings if one.became == "not read"]


def test_a_mapping_says_otherwise(scanned):
    """
    Of steps too a mapping can name the columns.
    """
    threads, steps = of_steps()
    said = scanned(threads, steps, mapping={"messages": "steps", "content": "input"})

    assert "[]" == dict(rows(said.messages, "message_id", "content"))["f"]


def test_steps_arrive_whole_in_a_database_of_ours(tmp_path):
    """
    `copy` takes messages and calls to our own tables.
    """
    source = build(f"sqlite:///{tmp_path / 'app.db'}", *of_steps())
    target = f"sqlite:///{tmp_path / 'ours.db'}"
    fill = {"users.email": "id", "users.name": "id"}
    fill |= {"users.created_at": "first_seen", "users.updated_at": "last_seen"}
    fill |= {"conversations.updated_at": "last_seen"}
    migrate.copy(source, target, fill=fill)

    assert [
        ("user", "How warm is Oslo?"),
        ("run", ""),
        ("llm", "9 degrees"),
        ("assistant", "9 degrees"),
        ("system", "Be short"),
    ] == fetch(target, "SELECT role, content FROM messages ORDER BY created_at")
    assert [(3,)] == fetch(target, "SELECT count(*) FROM tool_calls")


def test_tables_without_rows_whose_ids_are_texts(scanned):
    """
    An application that nobody has used yet is read, and a user without messages is nobody.
    """
    uuids = "id VARCHAR(36) PRIMARY KEY, user_id TEXT, created_at TIMESTAMP"
    texts = "id VARCHAR(36) PRIMARY KEY, conversation_id VARCHAR(36), role TEXT, content TEXT"
    empty = scanned(conversations(columns=uuids), messages(columns=texts))

    assert [[], []] == [
        column(frame, "conversation_id") for frame in (empty.conversations, empty.messages)
    ]

"""From any readable layout into a database of ours."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from copied import ADA, BOB, FILL, SOURCE, differences
from databases import contents, execute, fetch, tables

from chatdata import migrate
from chatdata.errors import MigrationError


@pytest.fixture
def source(tmp_path):
    """
    An application with uuid keys, singular tables, enum names and wrapped JSON.
    """
    url = f"sqlite:///{tmp_path / 'source.db'}"
    execute(url, *SOURCE)
    return url


def test_copy(source, new_database):
    """
    Everything that our tables have columns for arrives, under new ids by time; the rest is named.
    """
    target = new_database()
    done = migrate.copy(source, target)

    assert [] == differences(source, target)
    assert (2, 2, 4, 2, 1) == (
        done.n_users,
        done.n_conversations,
        done.n_messages,
        done.n_tool_calls,
        done.n_malformed,
    )
    assert ("conversations.title",) == done.not_carried
    assert [("0a0b0c0d-0e0f-4041-8283-848586878889", "Ada")] == fetch(
        target, "SELECT id, name FROM users WHERE email = 'a@x'"
    )
    assert [(1, "m1"), (2, "m2"), (3, "m3"), (4, "m4")] == fetch(
        target, "SELECT new_id, old_id FROM chatdata_id_map WHERE kind = 'message' ORDER BY 1"
    )
    assert [(1, "system"), (2, "assistant"), (3, "user"), (4, "assistant")] == fetch(
        target, "SELECT id, role FROM messages ORDER BY id"
    )
    assert [(2, "a", "error"), (2, "b", "no_result")] == fetch(
        target, "SELECT message_id, tool_name, status FROM tool_calls ORDER BY position"
    )


def test_twice_is_once(source, new_database):
    """
    A second copy adds nothing, and a later one what the application has written since.
    """
    target = new_database()
    migrate.copy(source, target)
    before = fetch(target, "SELECT * FROM messages ORDER BY id")
    migrate.copy(source, target)
    again = fetch(target, "SELECT * FROM messages ORDER BY id")
    execute(
        source,
        "INSERT INTO message VALUES ('m0', 'c1', 'USER', 'late', NULL, '2026-01-05 00:00:00')",
    )
    migrate.copy(source, target)

    assert before == again
    assert [(5, "late")] == fetch(target, "SELECT id, content FROM messages WHERE id > 4")
    assert [] == differences(source, target)


def test_new_rows_get_new_ids(source, new_database):
    """
    After a copy an application can write to the target; its ids do not collide.
    """
    target = new_database()
    migrate.copy(source, target)
    execute(
        target,
        "INSERT INTO messages (user_id, conversation_id, role, created_at)"
        " SELECT user_id, id, 'user', '2026-01-09' FROM conversations WHERE id = 1",
    )

    assert [(5,)] == fetch(target, "SELECT max(id) FROM messages")


LOG = (
    (
        "CREATE TABLE toolcalllog"
        " (id INTEGER PRIMARY KEY, user_id CHAR(32), conversation_id CHAR(32),"
        " tool_name TEXT NOT NULL, parameters JSON, result JSON, status TEXT)"
    ),
    *(
        f"INSERT INTO toolcalllog VALUES ({key}, '{ADA}', '{conversation}', 'a{key}', '{{}}', NULL,"
        " 'success')"
        for key, conversation in ((2, "c1"), (10, "c2"))
    ),
)


def test_calls_without_a_message(source, new_database):
    """
    A log of calls that names no message becomes rows without one, once, however often it is copied.
    """
    target = new_database()
    execute(source, "UPDATE message SET tool_calls = NULL", *LOG)
    migrate.copy(source, target)
    execute(
        source,
        "INSERT INTO toolcalllog SELECT 3, user_id, conversation_id, 'a3', parameters,"
        " result, status FROM toolcalllog WHERE id = 2",
    )
    migrate.copy(source, target)

    assert [("a10", None, 2), ("a2", None, 1), ("a3", None, 1)] == fetch(
        target, "SELECT tool_name, message_id, conversation_id FROM tool_calls ORDER BY 1"
    )


def test_fill(source, new_database):
    """
    The owner can say what to take for a column that the source lacks.
    """
    target = new_database()
    execute(source, "DROP TABLE user")
    migrate.copy(source, target, fill=FILL)
    first, last = "2026-01-01 00:00:00.000000", "2026-01-03 00:00:00.000000"

    assert [] == differences(source, target)
    if target.startswith("sqlite"):
        ada = "0a0b0c0d-0e0f-4041-8283-848586878889"
        assert (ada, ada, ada, first, last) in fetch(
            target, "SELECT id, email, name, created_at, updated_at FROM users"
        )


def test_fill_from_a_column_that_only_the_source_has(source, new_database):
    """
    The owner may name any column of the user table.
    """
    target = new_database()
    execute(
        source,
        "ALTER TABLE user RENAME COLUMN name TO called",
        "ALTER TABLE user RENAME COLUMN updatedAt TO seen",
    )
    migrate.copy(source, target, fill={"users.name": "called", "users.updated_at": "created_at"})

    assert [("Ada",), ("Bob",)] == fetch(target, "SELECT name FROM users ORDER BY 1")
    assert [(2,)] == fetch(target, "SELECT count(*) FROM users WHERE created_at = updated_at")


TASKS = (
    (
        "CREATE TABLE todos (id INTEGER PRIMARY KEY, owner_id CHAR(32), title TEXT, notes TEXT,"
        " is_done BOOLEAN, priority INTEGER, created_at DATETIME, updated_at DATETIME)"
    ),
    (
        f"INSERT INTO todos VALUES (7, '{ADA}', 'milk', NULL, 1, 3, '2026-01-02', '2026-01-02'),"
        f" (3, '{BOB}', 'bread', '', 0, 1, '2026-01-03', '2026-01-04')"
    ),
    (
        "INSERT INTO user VALUES ('2a0b0c0d0e0f40418283848586878889', 'c@x', 'Cy', '2026-01-01',"
        " '2026-01-01'), ('3a0b0c0d0e0f40418283848586878889', NULL, 'Di', '2026-01-01', NULL)"
    ),
)


def test_tasks_and_all_users(source, new_database):
    """
    Tasks keep their ids, which tool calls name; a user who owns nothing comes along, unless a row
    cannot be made of what is known of him.
    """
    target = new_database()
    execute(source, *TASKS)
    done = migrate.copy(source, target)
    again = migrate.copy(source, target)

    assert (3, 2) == (done.n_users, done.n_tasks) == (again.n_users, again.n_tasks)
    assert [
        (3, "bread", "", False, "1a0b0c0d-0e0f-4041-8283-848586878889"),
        (7, "milk", None, True, "0a0b0c0d-0e0f-4041-8283-848586878889"),
    ] == fetch(target, "SELECT id, title, description, completed, user_id FROM tasks ORDER BY id")
    assert (
        "1 users who own nothing and have no email or no updated_at",
        "conversations.title",
        "todos.priority",
    ) == done.not_carried


def test_a_table_of_tasks_of_another_meaning(source, new_database):
    """
    A table without an owner or an end is not taken for tasks, and named as left behind.
    """
    target = new_database()
    execute(source, "CREATE TABLE tasks (id INTEGER PRIMARY KEY, title TEXT, created_at DATETIME)")
    done = migrate.copy(source, target)

    assert "tasks, which has no user_id and no completed" in done.not_carried
    assert 0 == done.n_tasks


def test_conversations_that_went_on(source, new_database):
    """
    A later copy moves the time of a conversation on, never back, and adds what was said.
    """
    target = new_database()
    migrate.copy(source, target)
    execute(source, "UPDATE conversation SET updated_at = '2026-02-01' WHERE id = 'c1'")
    migrate.copy(source, target)

    assert [] == differences(source, target)


@pytest.mark.parametrize(
    ("where", "statement", "said"),
    [
        ("source", "UPDATE message SET content = 'other' WHERE id = 'm1'", "1 rows of messages"),
        ("target", "UPDATE messages SET content = 'other' WHERE id = 1", "1 rows of messages"),
        ("target", "UPDATE users SET name = 'other'", "2 rows of users"),
        ("target", "UPDATE tool_calls SET result = 'x'", "2 rows of tool_calls of messages"),
    ],
)
def test_what_was_changed_since(source, new_database, where, statement, said):
    """
    A row that is no longer what was copied, on either side, is told and left as it is.
    """
    target = new_database()
    migrate.copy(source, target)
    execute(source if where == "source" else target, statement)
    before = contents(target)

    with pytest.raises(MigrationError, match=said) as refused:
        migrate.copy(source, target)
    assert (5, "what was copied stays as it is") == (refused.value.exit_code, refused.value.state)
    assert before == contents(target)


@pytest.mark.parametrize(
    ("column", "code", "said"),
    [
        ("users.name", 5, "1 rows of users are not what"),
        ("messages.content", 5, "1 rows of messages are not what"),
        ("tool_calls.result", 5, "1 rows of tool_calls"),
        ("chatdata_id_map.source", 1, "a text in column source is no UTF-8"),
    ],
)
def test_bytes_in_the_target_that_are_no_text(source, tmp_path, column, code, said):
    """
    They are not what the source holds; the column or its table is named, and never the value.
    """
    target, (table, _, name) = f"sqlite:///{tmp_path / 'target.db'}", column.partition(".")
    migrate.copy(source, target)
    first = f"(SELECT min(rowid) FROM {table})"
    execute(
        target, f"UPDATE {table} SET {name} = CAST(x'7363726574ff' AS TEXT) WHERE rowid = {first}"
    )

    with pytest.raises(MigrationError, match=said) as refused:
        migrate.copy(source, target)
    assert code == refused.value.exit_code
    assert "scret" not in str(refused.value)


def test_a_zone_of_the_owners(source, new_database):
    """
    Naive times mean the zone that the owner states, those of users too.
    """
    target = new_database()
    migrate.copy(source, target, time_zone="Asia/Karachi")

    assert [] == differences(source, target, time_zone="Asia/Karachi")
    assert "2026-01-01 05:00:00" == str(
        fetch(target, "SELECT created_at FROM users WHERE name = 'Ada'")[0][0]
    ).removesuffix(".000000")


def test_a_schema_of_postgres(postgres):
    """
    Of a PostgreSQL source the schema that is named is read, users included.
    """
    source, target = postgres(), postgres()
    made = (
        statement.replace(" user ", ' "user" ')
        .replace("edAt ", "ed_at ")
        .replace("DATETIME", "TIMESTAMP")
        .replace(" JSON", " TEXT")
        for statement in SOURCE
    )
    execute(source, "CREATE SCHEMA tenant", "SET search_path = tenant", *made)
    migrate.copy(source, target, schema="tenant")

    assert [] == differences(source, target, schema="tenant")
    assert [("Ada",), ("Bob",)] == fetch(target, "SELECT name FROM users ORDER BY 1")


def test_progress(source, new_database):
    """
    Whoever asks is told how many rows of each table are there.
    """
    told = []
    migrate.copy(source, new_database(), on_rows=lambda table, n: told.append((table, n)))

    assert [("conversations", 2), ("messages", 4)] == told


def unnumbered(found):
    """
    Contents without the ids of calls: a transaction that is undone uses up numbers of a sequence.
    """
    return found | {"tool_calls": sorted(row.partition(", ")[2] for row in found["tool_calls"])}


def test_sigkill_anywhere(source, new_database, killer, monkeypatch):
    """
    A copy that is killed at ten points ends, when it is run again, as an uninterrupted one.
    """
    execute(source, *TASKS, *LOG)
    calm = new_database()
    points = killer("chatdata.migrate:copy", source, calm)["points"]
    for point in range(1, points + 1, max(points // 10, 1)):
        url = new_database()
        first = killer("chatdata.migrate:copy", source, url, kill_at=point)
        if "chatdata_backfill" in tables(url):
            execute(url, "UPDATE chatdata_backfill SET lease_until = 0")
        migrate.copy(source, url)

        assert {"killed": True} == first
        assert unnumbered(contents(calm)) == unnumbered(contents(url))
        query = "SELECT * FROM chatdata_id_map ORDER BY 1, 2, 3"
        assert fetch(calm, query) == fetch(url, query)


MANY = """
    WITH RECURSIVE made(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM made WHERE i < {n})
    INSERT INTO message SELECT printf('%032x', i * 2654435761), 'c' || (1 + i % 2),
    CASE i % 2 WHEN 0 THEN 'USER' ELSE 'ASSISTANT' END, hex(randomblob(150)),
    CASE WHEN i % 5 < 2 THEN '{{"calls": [{{"tool_name": "add", "args": {{"q": ' || i || '}},'
    || ' "result": {{"success": true}}}}]}}' ELSE 'null' END,
    datetime('2026-01-02', '+' || i || ' seconds') FROM made
"""
MEASURED = """
import json, re, sys, time
from pathlib import Path
import chatdata as cd
from chatdata import migrate
def peak():
    found = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())
    return int(found[1]) / 1024
source, target = sys.argv[1:3]
began = time.process_time()
cd.scan(source)
read = time.process_time() - began, peak()
began = time.process_time()
migrate.copy(source, target)
print(json.dumps({"scan": read, "copy": (time.process_time() - began, peak())}))
"""


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sqlite", "postgres"])
def test_a_million_messages(source, request, tmp_path, kind):
    """
    A copy needs hardly more memory than reading its source does.
    """
    execute(source, "DELETE FROM message", MANY.format(n=1_000_000))
    target = (
        f"sqlite:///{tmp_path / 'target.db'}"
        if kind == "sqlite"
        else request.getfixturevalue("postgres")()
    )
    run = subprocess.run(
        [sys.executable, "-c", MEASURED, source, target], capture_output=True, text=True, check=True
    )
    found = json.loads(run.stdout)
    print(kind, found)  # noqa: T201 - the figures of docs/migrations.md

    assert [(1_000_000,)] == fetch(target, "SELECT count(*) FROM messages")
    assert [(400_000,)] == fetch(target, "SELECT count(*) FROM tool_calls")
    assert found["copy"][1] <= found["scan"][1] + 900

"""From any readable layout into a database of ours."""

from __future__ import annotations

import hashlib

import pytest
from databases import execute, fetch, tables

import chatdata as cd
from chatdata import migrate
from chatdata.errors import MigrationError

FILL = {
    "users.email": "id",
    "users.name": "id",
    "users.created_at": "first_seen",
    "users.updated_at": "last_seen",
}
COMPARED = {
    "conversations": ["user_id", "created_at", "updated_at"],
    "messages": ["position", "role", "kind", "content", "n_chars", "created_at"],
    "tool_calls": [
        "position",
        "native_id",
        "name",
        "arguments_raw",
        "arguments",
        "arguments_status",
        "result",
        "status",
        "error_source",
        "error_class",
    ],
}
ADA, BOB = "0a0b0c0d0e0f40418283848586878889", "1a0b0c0d0e0f40418283848586878889"
SOURCE = (
    (
        "CREATE TABLE user (id CHAR(32) PRIMARY KEY, email TEXT, name TEXT, createdAt DATETIME,"
        " updatedAt DATETIME)"
    ),
    (
        f"INSERT INTO user VALUES ('{ADA}', 'a@x', 'Ada', '2026-01-01 10:00:00', '2026-01-02'),"
        f" ('{BOB}', 'b@x', 'Bob', '2026-01-01T10:00:00+05:00', '2026-01-02')"
    ),
    (
        "CREATE TABLE conversation (id CHAR(32) PRIMARY KEY, user_id CHAR(32), title TEXT,"
        " created_at DATETIME, updated_at DATETIME)"
    ),
    (
        f"INSERT INTO conversation VALUES ('c2', '{BOB}', 't', '2026-01-02', '2026-01-03'),"
        f" ('c1', '{ADA}', NULL, '2026-01-01', '2026-01-03')"
    ),
    (
        "CREATE TABLE message (id CHAR(32) PRIMARY KEY, conversation_id CHAR(32), role VARCHAR,"
        " content TEXT, tool_calls JSON, created_at DATETIME)"
    ),
    (
        "INSERT INTO message VALUES ('m3', 'c2', 'USER', 'x', 'null', '2026-01-02 00:00:03'),"
        " ('m1', 'c1', 'SYSTEM', 'be kind', NULL, '2026-01-01 00:00:01'),"
        ' (\'m2\', \'c1\', \'ASSISTANT\', NULL, \'{"calls": [{"tool_name": "a", "args": {"q": "ü"},'
        ' "result": {"success": "False"}}, {"tool_name": "b"}]}\', \'2026-01-01 00:00:02.5\'),'
        " ('m4', 'c2', 'ASSISTANT', 'y', '{broken', '2026-01-02 00:00:04')"
    ),
)


@pytest.fixture
def source(tmp_path):
    """
    An application with uuid keys, singular tables, enum names and wrapped JSON.
    """
    url = f"sqlite:///{tmp_path / 'source.db'}"
    execute(url, *SOURCE)
    return url


def differences(source, target):
    """
    The columns in which the frames of two databases differ.
    """
    one, other = cd.scan(source), cd.scan(target)
    return [
        (name, column)
        for name, columns in COMPARED.items()
        for column in columns
        if not sorted_values(one, name, columns, column).equals(
            sorted_values(other, name, columns, column)
        )
    ]


def sorted_values(chats, name, columns, column):
    frame = getattr(chats, name).select(columns).collect()
    return frame.sort(columns, nulls_last=True)[column]


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


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("UPDATE user SET name = NULL", "users.name"),
        ("UPDATE message SET created_at = NULL WHERE id = 'm1'", "messages.created_at"),
        ("UPDATE conversation SET user_id = NULL", "conversations.user_id"),
        ("DELETE FROM conversation WHERE id = 'c1'", "messages.user_id"),
    ],
)
def test_nothing_is_invented(source, new_database, statement, column):
    """
    Where a column that may not be null has no source, the copy is refused by its name.
    """
    target = new_database()
    execute(source, statement)

    with pytest.raises(MigrationError, match=column) as refused:
        migrate.copy(source, target)
    assert 3 == refused.value.exit_code


def test_fill(source, new_database):
    """
    The owner can say what to take for a column that the source lacks.
    """
    target = new_database()
    execute(source, "DROP TABLE user")
    migrate.copy(source, target, fill=FILL)

    assert [] == differences(source, target)


def test_an_adopted_target_is_refused(source, new_database):
    """
    An application's own database is not filled with another's rows.
    """
    target = new_database()
    migrate.upgrade(target)
    with migrate.connect(target) as connection, connection.begin():
        migrate.history.record(connection, "adopt", "0002")

    with pytest.raises(MigrationError, match="application's own"):
        migrate.copy(source, target)


def test_sigkill_anywhere(source, new_database, killer):
    """
    A copy that is killed at ten points ends, when it is run again, as an uninterrupted one.
    """
    calm = new_database()
    points = killer("chatdata.migrate:copy", source, calm)["points"]
    for point in range(1, points + 1, max(points // 10, 1)):
        url = new_database()
        first = killer("chatdata.migrate:copy", source, url, kill_at=point)
        if "chatdata_backfill" in tables(url):
            execute(url, "UPDATE chatdata_backfill SET lease_until = 0")
        migrate.copy(source, url)

        assert {"killed": True} == first
        for table in ("users", "conversations", "messages", "chatdata_id_map"):
            query = f"SELECT * FROM {table} ORDER BY 1, 2, 3"
            assert fetch(calm, query) == fetch(url, query)
        assert [(2,)] == fetch(url, "SELECT count(*) FROM tool_calls")


def test_every_sample_arrives_whole(samples, tmp_path):
    """
    Every layout that exists arrives whole where its owner names what is missing; its file stays.
    """
    for file in sorted((samples / "app-databases").glob("*.sqlite")):
        before = hashlib.sha256(file.read_bytes()).hexdigest()
        target = f"sqlite:///{tmp_path / file.name}"
        migrate.copy(f"sqlite:///{file}", target, fill=FILL)

        assert [] == differences(f"sqlite:///{file}", target)
        assert before == hashlib.sha256(file.read_bytes()).hexdigest()

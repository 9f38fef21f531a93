"""Copies that are refused before anything is made, by what stands in the way."""

from __future__ import annotations

import pytest
from copied import SOURCE, differences
from databases import contents, execute, tables

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


@pytest.mark.parametrize(
    ("statement", "column"),
    [
        ("UPDATE user SET name = NULL", "users.name"),
        ("UPDATE message SET created_at = NULL WHERE id = 'm1'", "messages.created_at"),
        ("UPDATE conversation SET user_id = NULL", "conversations.user_id"),
        ("DELETE FROM conversation WHERE id = 'c1'", "messages.conversation_id"),
        ("UPDATE message SET role = NULL WHERE id = 'm1'", "messages.role"),
        ("UPDATE user SET email = 'a@x'", "users.email must be unique"),
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
    assert (3, "nothing was copied") == (refused.value.exit_code, refused.value.state)
    assert [] == tables(target)


@pytest.mark.parametrize(
    ("fill", "said", "code"),
    [
        ({"users.age": "id"}, "users.age", 2),
        ({"name": "id"}, "'name'", 2),
        ({"users.name": "nickname"}, "'nickname' for users.name", 2),
    ],
)
def test_fill_of_what_is_not_there(source, new_database, fill, said, code):
    """
    A column that is not ours to fill, or that the source has not, is named.
    """
    with pytest.raises(MigrationError, match=said) as refused:
        migrate.copy(source, new_database(), fill=fill)
    assert code == refused.value.exit_code


def make_adopted(target, source):
    migrate.upgrade(target)
    with migrate.connect(target) as connection, connection.begin():
        migrate.history.record(connection, "adopt", "0002")


def make_another_copy(target, source):
    other = source.replace("source.db", "other.db")
    execute(other, *SOURCE)
    migrate.copy(other, target)


def make_users(target, source):
    migrate.upgrade(target)
    execute(
        target,
        "INSERT INTO users (id, email, name, created_at, updated_at)"
        " VALUES ('u', 'e', 'n', '2026-01-01', '2026-01-01')",
    )


def make_application(target, source):
    execute(target, "CREATE TABLE users (id INTEGER PRIMARY KEY)")


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (make_adopted, "application's own"),
        (make_another_copy, "already holds a copy of .*other.db"),
        (make_users, "already holds users of its own"),
        (make_application, "already holds 1 tables of an application"),
    ],
)
def test_targets_that_hold_something_else(source, new_database, make, said):
    """
    Rows of two sources are never mixed: equal ids need not be the same people.
    """
    target = new_database()
    make(target, source)
    before = contents(target)

    with pytest.raises(MigrationError, match=said) as refused:
        migrate.copy(source, target)
    assert (3, before) == (refused.value.exit_code, contents(target))


def test_a_source_is_no_target(source):
    """
    A database is not copied into itself.
    """
    before = contents(source)

    with pytest.raises(MigrationError, match="is the source itself"):
        migrate.copy(source, source)
    assert before == contents(source)


@pytest.mark.parametrize(
    ("file", "said"), [("none.db", "no such file"), ("empty.db", "no chat tables found")]
)
def test_sources_that_cannot_be_read(tmp_path, new_database, file, said):
    """
    A source that is not there or holds no chats is named, and nothing is made.
    """
    execute(f"sqlite:///{tmp_path / 'empty.db'}", "CREATE TABLE odd (id INTEGER)")
    target = new_database()

    with pytest.raises(MigrationError, match=said) as refused:
        migrate.copy(f"sqlite:///{tmp_path / file}", target)
    assert (2, []) == (refused.value.exit_code, tables(target))


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE message SET content = 'a' || char(0) WHERE id = 'm1'", "NUL character in 1 rows"),
        ("UPDATE user SET name = printf('%.101c', 'x')", r"users.name \(over 100 characters in 2"),
        ("UPDATE message SET role = 'a word of many letters'", r"messages.role \(over 20"),
    ],
)
def test_what_postgres_cannot_hold(source, postgres, tmp_path, statement, said):
    """
    What only SQLite takes is named before anything is made; into SQLite it arrives.
    """
    execute(source, statement)
    target, file = postgres(), f"sqlite:///{tmp_path / 'target.db'}"
    with pytest.raises(MigrationError, match=said):
        migrate.copy(source, target)
    migrate.copy(source, file)

    assert [] == tables(target)
    assert [] == differences(source, file)

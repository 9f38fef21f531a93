"""Taking over an application's database, snapshots and drift."""

from __future__ import annotations

import hashlib
import json
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy as sa
from databases import contents, execute, fetch, tables

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import runner, snapshot
from chatdata.models import Base

USERS = (
    (
        "CREATE TABLE users (id VARCHAR NOT NULL PRIMARY KEY, email VARCHAR(254) NOT NULL,"
        " name VARCHAR(100) NOT NULL, nickname VARCHAR NOT NULL DEFAULT 'n',"
        " created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL)"
    ),
    "INSERT INTO users VALUES ('u', 'e', 'n', 'x', '2026-01-01', '2026-01-01')",
)
CONVERSATIONS = (
    (
        "CREATE TABLE conversations (id {id}, user_id VARCHAR NOT NULL REFERENCES users (id),"
        " created_at TIMESTAMP NOT NULL, updated_at TIMESTAMP NOT NULL)"
    ),
    "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
)
MESSAGES = (
    (
        "CREATE TABLE messages (id {id}, user_id VARCHAR NOT NULL,"
        " conversation_id INTEGER NOT NULL REFERENCES conversations (id),"
        " role VARCHAR(20) NOT NULL, content TEXT, tool_calls TEXT, created_at TIMESTAMP NOT NULL)"
    ),
    "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'hello', NULL, '2026-01-01 00:00:00')",
)
HOST = (
    "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)",
    "INSERT INTO alembic_version VALUES ('0001')",
)


def fill(url, *statements):
    key = "INTEGER NOT NULL PRIMARY KEY" if url.startswith("sqlite") else "SERIAL PRIMARY KEY"
    execute(url, *(statement.replace("{id}", key) for statement in statements))


@pytest.mark.parametrize(
    ("statements", "revision"),
    [
        pytest.param(USERS, "0001", id="users"),
        pytest.param((*USERS, *CONVERSATIONS, *MESSAGES), "0002", id="chat"),
        pytest.param((*USERS, *CONVERSATIONS, *MESSAGES, *HOST), "0002", id="host's Alembic"),
        pytest.param(
            (
                *USERS,
                *CONVERSATIONS,
                *MESSAGES,
                "ALTER TABLE messages ADD COLUMN mood TEXT",
                "CREATE TABLE billing (id INTEGER)",
            ),
            "0002",
            id="extra table and column",
        ),
    ],
)
def test_adopt_and_upgrade(new_database, statements, revision):
    """
    A database is recognised by structure and brought to head with every row of its owner's.
    """
    url = new_database()
    fill(url, *statements)
    before = contents(url)
    looked = migrate.adopt(url)
    untouched = contents(url) == before and "chatdata_version" not in tables(url)
    adopted = migrate.adopt(url, apply=True)
    migrate.upgrade(url)
    after = contents(url)

    assert untouched
    assert (revision, False, revision, True) == (
        looked.revision,
        looked.applied,
        adopted.revision,
        adopted.applied,
    )
    assert before == {name: rows for name, rows in after.items() if name in before}
    assert [] == migrate.drift(url)


def test_what_differs_is_reported(new_database):
    """
    Differences that do no harm are told, one by one.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES)
    soft = migrate.adopt(url).soft

    assert "no index on messages (created_at)" in soft
    assert "users.nickname is an extra column" in soft
    assert "users.password_hash is missing" in soft
    assert "the table tasks is not in this database" in soft


@pytest.mark.parametrize(
    ("old", "new", "reason"),
    [
        pytest.param(" tool_calls TEXT,", "", "messages.tool_calls is missing", id="column"),
        pytest.param("tool_calls TEXT", "tool_calls INTEGER", "messages.tool_calls", id="type"),
        pytest.param(
            "tool_calls TEXT,",
            "tool_calls TEXT, mood TEXT NOT NULL,",
            "messages.mood is an extra column that is NOT NULL",
            id="not null",
        ),
        pytest.param("(id {id},", "(id INTEGER,", "primary key of messages", id="primary key"),
        pytest.param(
            " role VARCHAR(20) NOT NULL,", "", "column messages.role is missing", id="role"
        ),
    ],
)
def test_what_cannot_be_adopted(new_database, old, new, reason):
    """
    A difference that would break an insert refuses the database, which stays as it was.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, MESSAGES[0].replace(old, new))
    before = contents(url)
    found = migrate.adopt(url)

    assert found.revision is None
    assert any(reason in sentence for sentence in found.hard)
    with pytest.raises(MigrationError, match="nothing was changed") as refused:
        migrate.adopt(url, apply=True)
    assert reason in str(refused.value)
    assert (3, before) == (refused.value.exit_code, contents(url))
    assert "chatdata_version" not in tables(url)


def test_another_tool_call_table_is_refused(new_database):
    """
    A table of the name that a later revision needs belongs to somebody else.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES, "CREATE TABLE tool_calls (id INTEGER)")

    assert "the table tool_calls of a later revision" in migrate.adopt(url).hard


def test_nothing_to_adopt(new_database):
    """
    Without a table that we know there is nothing to take over.
    """
    url = new_database()
    execute(url, "CREATE TABLE billing (id INTEGER)")

    assert "expected conversations and messages" in migrate.adopt(url).hard[0]


def test_ours_is_not_adopted_again(new_database):
    """
    A database that has our revision already is named as such.
    """
    url = new_database()
    migrate.upgrade(url)

    with pytest.raises(MigrationError, match="is ours already"):
        migrate.adopt(url)


def test_no_downgrade_below_the_adopted_revision(new_database):
    """
    Undoing stops at the revision at which the application's own tables begin.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES)
    migrate.adopt(url, apply=True)
    migrate.upgrade(url)
    migrate.downgrade(url, "0002", accept_data_loss=True)

    with pytest.raises(MigrationError, match="was adopted at 0002"):
        migrate.downgrade(url, "0001", accept_data_loss=True)
    assert "0002" == migrate.current_revision(url)
    assert [("hello",)] == fetch(url, "SELECT content FROM messages")


def test_every_sample_is_adopted_or_refused(samples, tmp_path):
    """
    Of the layouts that exist only the original's is ours; the others stay byte for byte.
    """
    adopted = []
    for original in sorted((samples / "app-databases").glob("*.sqlite")):
        file = tmp_path / original.name
        file.write_bytes(original.read_bytes())
        found = migrate.adopt(f"sqlite:///{file}")
        digests = {hashlib.sha256(path.read_bytes()).hexdigest() for path in (file, original)}
        assert 1 == len(digests)
        assert bool(found.revision) != bool(found.hard)
        if found.revision:
            adopted.append((original.stem, found.revision))

    assert [("original_app_text_tool_parameters_result", "0002")] == adopted


def test_snapshots_are_what_the_chain_makes(tmp_path):
    """
    The committed snapshots are those of the chain as it is.
    """
    for step in runner.chain().walk_revisions():
        made = snapshot.make(step.revision, "sqlite://")
        stored = snapshot.load(step.revision)

        assert stored["structure"] == json.loads(json.dumps(made["structure"]))
        assert stored["sqlite"] == made["sqlite"]


@pytest.mark.parametrize("server", ["postgres", "postgres_16"])
def test_a_fresh_postgres_has_no_drift(request, server):
    """
    On the oldest and on the newest server every revision is as its snapshot says.
    """
    url = request.getfixturevalue(server)()
    for step in reversed(list(runner.chain().walk_revisions())):
        migrate.upgrade(url, to=step.revision)

        assert [] == migrate.drift(url)


def test_models_and_chain_agree(new_database):
    """
    The classes describe what the chain makes: same tables, columns, keys and indexes.
    """
    url = new_database()
    migrate.upgrade(url)
    with migrate.connect(url) as connection:
        chain = snapshot.structure(connection)
    engine = sa.create_engine("sqlite://")
    with engine.begin() as connection:
        Base.metadata.create_all(connection)
        classes = snapshot.structure(connection)
    engine.dispose()

    assert classes == chain


MUTATIONS = {
    "trigger": "CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM messages; END",
    "view": "CREATE VIEW v AS SELECT * FROM messages",
    "column": "ALTER TABLE users ADD COLUMN extra TEXT",
    "index": "DROP INDEX ix_messages_created_at",
    "predicate": "CREATE INDEX ix_some ON messages (role) WHERE id > 5",
    "table": "DROP TABLE tool_calls",
    "another table": "CREATE TABLE odd (id INTEGER)",
}
REWRITES = {
    "check": ("role VARCHAR(20) NOT NULL", "role VARCHAR(20) NOT NULL CHECK (role <> '')"),
    "foreign key action": ("ON DELETE CASCADE", ""),
    "nullability": ("content TEXT", "content TEXT NOT NULL"),
    "default": ("completed BOOLEAN NOT NULL", "completed BOOLEAN DEFAULT 0 NOT NULL"),
    "collation": ("name VARCHAR(100) NOT NULL", "name VARCHAR(100) COLLATE NOCASE NOT NULL"),
    "type": ("position INTEGER", "position TEXT"),
}


@pytest.mark.parametrize("mutation", [*MUTATIONS, *REWRITES])
def test_drift_on_sqlite(tmp_path, mutation):
    """
    Whatever is changed behind our back is found, by its name.
    """
    file = tmp_path / "app.db"
    migrate.upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as raw, raw:
        if mutation in MUTATIONS:
            raw.execute(MUTATIONS[mutation])
        else:
            raw.execute("PRAGMA writable_schema = ON")
            raw.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", REWRITES[mutation])

    assert 1 <= len(migrate.drift(f"sqlite:///{file}")) <= 5


@pytest.mark.parametrize(
    ("statements", "name"),
    [
        (
            [
                "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END'",
                "CREATE TRIGGER t BEFORE INSERT ON messages EXECUTE FUNCTION f()",
            ],
            "trigger messages.t",
        ),
        (["CREATE VIEW v AS SELECT 1 AS one"], "view v"),
        (
            ["ALTER TABLE messages ADD CONSTRAINT ck CHECK (role <> '') NOT VALID"],
            "constraint messages.ck",
        ),
        (
            [
                "ALTER TABLE tool_calls DROP CONSTRAINT fk_tool_calls_message_id_messages",
                (
                    "ALTER TABLE tool_calls ADD CONSTRAINT fk_tool_calls_message_id_messages"
                    " FOREIGN KEY (message_id) REFERENCES messages (id)"
                ),
            ],
            "constraint tool_calls.fk_tool_calls_message_id_messages",
        ),
        (["ALTER TABLE messages ALTER content SET NOT NULL"], "column messages.content"),
        (["ALTER TABLE tasks ALTER completed SET DEFAULT false"], "column tasks.completed"),
        (['ALTER TABLE users ALTER name TYPE varchar(100) COLLATE "C"'], "column users.name"),
        (["CREATE INDEX ix_some ON messages (role) WHERE id > 5"], "index ix_some"),
        (
            [
                (
                    "UPDATE pg_index SET indisvalid = false"
                    " WHERE indexrelid = 'ix_messages_created_at'::regclass"
                )
            ],
            "index ix_messages_created_at",
        ),
        (["ALTER TABLE users ADD COLUMN extra TEXT"], "column users.extra"),
        (["ALTER TABLE tool_calls ALTER position TYPE bigint"], "column tool_calls.position"),
        (["CREATE TABLE odd (id INTEGER)"], "column odd.id"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_drift_on_postgres(postgres, statements, name):
    """
    The same on PostgreSQL.
    """
    url = postgres()
    migrate.upgrade(url)
    execute(url, *statements)

    assert [name] == [difference.name for difference in migrate.drift(url)]


def test_drift_of_an_adopted_database(new_database):
    """
    What the owner of an adopted database does to his tables is his; our table is watched.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES)
    migrate.adopt(url, apply=True)
    migrate.upgrade(url)
    execute(url, "ALTER TABLE messages ADD COLUMN mood TEXT")
    his = migrate.drift(url)
    execute(url, "DROP INDEX ix_tool_calls_user_id")

    assert [] == his
    assert ["index ix_tool_calls_user_id"] == [found.name for found in migrate.drift(url)]


def test_drift_needs_a_revision(new_database):
    """
    Where our chain has never run there is nothing to compare with.
    """
    url = new_database()
    execute(url, "CREATE TABLE odd (id INTEGER)")

    with pytest.raises(MigrationError, match="never run here"):
        migrate.drift(url)

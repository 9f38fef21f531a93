"""Taking over an application's database, and snapshots."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys

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


# What sqlmodel 0.0.22 makes of the application's classes, and writes: naive times, null content.
SQLMODEL_22 = (
    (
        "CREATE TABLE users (id VARCHAR NOT NULL, email VARCHAR(254) NOT NULL,"
        " name VARCHAR(100) NOT NULL, password_hash VARCHAR(255), created_at {time} NOT NULL,"
        " updated_at {time} NOT NULL, PRIMARY KEY (id))"
    ),
    "CREATE UNIQUE INDEX ix_users_email ON users (email)",
    (
        "CREATE TABLE tasks (id {id}, user_id VARCHAR NOT NULL, title VARCHAR(200) NOT NULL,"
        " description VARCHAR(1000), completed BOOLEAN NOT NULL, created_at {time} NOT NULL,"
        " updated_at {time} NOT NULL, FOREIGN KEY(user_id) REFERENCES users (id))"
    ),
    "CREATE INDEX ix_tasks_user_id ON tasks (user_id)",
    "CREATE INDEX ix_tasks_created_at ON tasks (created_at)",
    (
        "CREATE TABLE conversations (id {id}, user_id VARCHAR NOT NULL, created_at {time} NOT NULL,"
        " updated_at {time} NOT NULL, FOREIGN KEY(user_id) REFERENCES users (id))"
    ),
    "CREATE INDEX ix_conversations_user_id ON conversations (user_id)",
    (
        "CREATE TABLE messages (id {id}, user_id VARCHAR NOT NULL,"
        " conversation_id INTEGER NOT NULL, role VARCHAR(20) NOT NULL, content TEXT,"
        " tool_calls TEXT, created_at {time} NOT NULL,"
        " FOREIGN KEY(user_id) REFERENCES users (id),"
        " FOREIGN KEY(conversation_id) REFERENCES conversations (id))"
    ),
    "CREATE INDEX ix_messages_conversation_id ON messages (conversation_id)",
    "CREATE INDEX ix_messages_created_at ON messages (created_at)",
    "CREATE INDEX ix_messages_user_id ON messages (user_id)",
    (
        "INSERT INTO users VALUES"
        " ('u', 'e', 'n', NULL, '2026-11-26 00:20:14.424734', '2026-11-26 00:20:14.424745')"
    ),
    (
        "INSERT INTO tasks VALUES (1, 'u', 't', NULL, {false}, '2026-11-26 00:20:14.445050',"
        " '2026-11-26 00:20:14.445064')"
    ),
    (
        "INSERT INTO conversations VALUES"
        " (1, 'u', '2026-11-26 00:20:14.445272', '2026-11-26 00:20:14.445278')"
    ),
    (
        "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'x', NULL, '2026-11-26 00:20:14.458926'),"
        " (2, 'u', 1, 'assistant', NULL, '[{\"tool\": \"add_task\", \"parameters\": {}}]',"
        " '2026-11-26 00:20:14.460184')"
    ),
)


def fill(url, *statements):
    words = (
        {"{id}": "INTEGER NOT NULL PRIMARY KEY", "{time}": "DATETIME", "{false}": "0"}
        if url.startswith("sqlite")
        else {"{id}": "SERIAL PRIMARY KEY", "{time}": "TIMESTAMP", "{false}": "false"}
    )
    for word, said in words.items():
        statements = [statement.replace(word, said) for statement in statements]
    execute(url, *statements)


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
        pytest.param(SQLMODEL_22, "0002", id="sqlmodel 0.0.22"),
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


@pytest.mark.parametrize("apply", [False, True])
def test_what_is_adopted_or_ours_needs_no_adopting(new_database, apply):
    """
    A database that has a revision of ours is left as it is, so that adopting can be repeated.
    """
    ours, theirs = new_database(), new_database()
    migrate.upgrade(ours)
    fill(theirs, *USERS, *CONVERSATIONS, *MESSAGES)
    migrate.adopt(theirs, apply=True)
    history = fetch(theirs, "SELECT * FROM chatdata_history")
    found = [migrate.adopt(url, apply=apply) for url in (ours, theirs)]

    assert [("0005", True, False), ("0002", True, False)] == [
        (each.revision, each.is_ours, each.applied) for each in found
    ]
    assert str(found[1]).endswith("is ours already, at 0002, nothing to do")
    assert history == fetch(theirs, "SELECT * FROM chatdata_history")


def test_a_newer_revision_is_not_taken_for_ours(new_database):
    """
    A revision that this chatdata does not know is refused, as by an upgrade.
    """
    url = new_database()
    migrate.upgrade(url)
    execute(url, "UPDATE chatdata_version SET version_num = '9999'")

    with pytest.raises(MigrationError, match="does not know"):
        migrate.adopt(url)


def test_no_downgrade_below_the_adopted_revision(new_database):
    """
    Undoing stops at the revision at which the application's own tables begin.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES)
    migrate.adopt(url, apply=True)
    head = migrate.upgrade(url).after
    with pytest.raises(MigrationError, match="was adopted at 0002"):
        migrate.downgrade(url, "base", accept_data_loss=True)
    assert head == migrate.current_revision(url)
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


@pytest.mark.parametrize(
    "change",
    [
        "CREATE INDEX ix_messages_conversation_id_created_at ON messages (conversation_id)",
        "SELECT 1",
    ],
    ids=["another", "gone"],
)
def test_our_index_on_their_table(new_database, change):
    """
    The index that we made on an adopted application's table is looked at like our own table.
    """
    url = new_database()
    fill(url, *USERS, *CONVERSATIONS, *MESSAGES)
    migrate.adopt(url, apply=True)
    migrate.upgrade(url)
    before = (migrate.drift(url), migrate.status(url)["n_drift"].item())
    execute(url, "DROP INDEX ix_messages_conversation_id_created_at", change)
    found = [each.name for each in migrate.drift(url)]

    assert ([], 0) == before
    assert ["index ix_messages_conversation_id_created_at"] == found
    assert 1 == migrate.status(url)["n_drift"].item()


SEED = """
import sys
from datetime import datetime
from typing import Optional
from sqlalchemy import Column, Text
from sqlmodel import Field, Session, SQLModel, create_engine

class User(SQLModel, table=True):
    __tablename__ = "users"
    id: str = Field(primary_key=True)
    email: str = Field(unique=True, index=True, max_length=254)
    name: str = Field(max_length=100)
    password_hash: Optional[str] = Field(default=None, max_length=255)
    created_at: datetime = Field(default_factory=datetime.utcnow)
    updated_at: datetime = Field(default_factory=datetime.utcnow)

class Task(SQLModel, table=True):
    __tablename__ = "tasks"
    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    title: str = Field(max_length=200)
    description: Optional[str] = Field(default=None, max_length=1000)
    completed: bool = Field(default=False)
    created_at: datetime = Field(default_factory=datetime.utcnow, index=True)
    updated_at: datetime = Field(default_factory=datetime.utcnow)

class Conversation(SQLModel, table=True):
    __tablename__ = "conversations"
    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    created_at: datetime = Field(default_factory=datetime.utcnow)
    updated_at: datetime = Field(default_factory=datetime.utcnow)

class Message(SQLModel, table=True):
    __tablename__ = "messages"
    id: Optional[int] = Field(default=None, primary_key=True)
    user_id: str = Field(foreign_key="users.id", index=True)
    conversation_id: int = Field(foreign_key="conversations.id", index=True)
    role: str = Field(max_length=20)
    content: str = Field(sa_column=Column(Text))
    tool_calls: Optional[str] = Field(default=None, sa_column=Column(Text))
    created_at: datetime = Field(default_factory=datetime.utcnow, index=True)

engine = create_engine(sys.argv[1])
SQLModel.metadata.create_all(engine)
with Session(engine) as session:
    for row in (
        User(id="u", email="e", name="n"),
        Conversation(user_id="u"),
        Message(user_id="u", conversation_id=1, role="user", content="x", tool_calls="[]"),
    ):
        session.add(row)
        session.commit()
"""


@pytest.mark.slow
def test_a_database_made_by_sqlmodel_22(uv, new_database, tmp_path):
    """
    What that version makes today is what the fixture above says, and is adopted with its rows.
    """
    python = tmp_path / "old" / "bin" / "python"
    steps = (
        [uv, "venv", "--quiet", tmp_path / "old", "--python", sys.executable],
        [uv, "pip", "install", "-q", "--python", python, "sqlmodel==0.0.22", "psycopg[binary]"],
    )
    if any(subprocess.run(step, check=False).returncode for step in steps):
        pytest.skip("sqlmodel 0.0.22 cannot be installed here")
    url, fixture = new_database(), new_database()
    driver = url.replace("postgresql://", "postgresql+psycopg://")
    subprocess.run([python, "-W", "ignore", "-c", SEED, driver], check=True)
    fill(fixture, *SQLMODEL_22)
    structures = []
    for each in (url, fixture):
        with migrate.connect(each) as connection:
            structures.append(snapshot.structure(connection))
    before = contents(url)
    adopted = migrate.adopt(url, apply=True)
    migrate.upgrade(url)
    after = contents(url)

    assert structures[0] == structures[1]
    assert "0002" == adopted.revision
    assert before == {name: rows for name, rows in after.items() if name in before}

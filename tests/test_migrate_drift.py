"""What was changed behind our back is found, and nothing else."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import psycopg
import pytest
from databases import execute

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import history, locate, runner, snapshot

CHAIN = Path(__file__).parent / "chain"


def test_a_fresh_sqlite_has_no_drift(tmp_path):
    """
    Every revision is as its snapshot says.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    for step in reversed(list(runner.chain().walk_revisions())):
        migrate.upgrade(url, to=step.revision)

        assert [] == migrate.drift(url)


@pytest.mark.parametrize("server", ["postgres", "postgres_16"])
def test_a_fresh_postgres_has_no_drift(request, server):
    """
    The same on the oldest and on the newest server.
    """
    url = request.getfixturevalue(server)()
    for step in reversed(list(runner.chain().walk_revisions())):
        migrate.upgrade(url, to=step.revision)

        assert [] == migrate.drift(url)


# On SQLite what stands in a table's own SQL can only be changed there.
SQLITE = {
    "check": ("role VARCHAR(20) NOT NULL", "role VARCHAR(20) NOT NULL CHECK (role <> '')"),
    "trigger": "CREATE TRIGGER t AFTER INSERT ON messages BEGIN DELETE FROM messages; END",
    "view": "CREATE VIEW v AS SELECT * FROM messages",
    "foreign key action": ("ON DELETE CASCADE", ""),
    "nullability": ("content TEXT", "content TEXT NOT NULL"),
    "default": ("completed BOOLEAN NOT NULL", "completed BOOLEAN DEFAULT 0 NOT NULL"),
    "collation": ("name VARCHAR(100) NOT NULL", "name VARCHAR(100) COLLATE NOCASE NOT NULL"),
    "index predicate": "CREATE INDEX ix_some ON messages (role) WHERE id > 5",
    "index": "DROP INDEX ix_messages_created_at",
    "extra column": "ALTER TABLE users ADD COLUMN extra TEXT",
    "type": ("position INTEGER", "position TEXT"),
    "missing table": "DROP TABLE tool_calls",
    "extra table": "CREATE TABLE odd (id INTEGER)",
}
SQLITE_FOUND = {
    "check": ["table messages"],
    "trigger": ["trigger t"],
    "view": ["view v"],
    "foreign key action": ["table tool_calls"],
    "nullability": ["table messages"],
    "default": ["table tasks"],
    "collation": ["table users"],
    "index predicate": ["index ix_some"],
    "index": ["index ix_messages_created_at"],
    "extra column": ["table users"],
    "type": ["table tool_calls"],
    "missing table": [
        "index ix_tool_calls_conversation_id",
        "index ix_tool_calls_tool_name",
        "index ix_tool_calls_user_id",
        "table tool_calls",
    ],
    "extra table": ["table odd"],
}


@pytest.mark.parametrize("mutation", SQLITE)
def test_drift_on_sqlite(tmp_path, mutation):
    """
    Whatever is changed behind our back is found, by its name, and nothing else is.
    """
    file, change = tmp_path / "app.db", SQLITE[mutation]
    migrate.upgrade(f"sqlite:///{file}")
    with closing(sqlite3.connect(file)) as raw, raw:
        if isinstance(change, str):
            raw.execute(change)
        else:
            raw.execute("PRAGMA writable_schema = ON")
            raw.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", change)

    assert SQLITE_FOUND[mutation] == [found.name for found in migrate.drift(f"sqlite:///{file}")]


VIRTUAL = (
    "CREATE VIRTUAL TABLE found USING fts5(content, content='messages', content_rowid='id')",
    "CREATE VIRTUAL TABLE notes USING fts4(words)",
    "CREATE VIRTUAL TABLE areas USING rtree(id, low, high)",
    (
        "CREATE TRIGGER fill AFTER INSERT ON messages BEGIN"
        " INSERT INTO found (rowid, content) VALUES (new.id, new.content); END"
    ),
)


def test_virtual_tables(tmp_path):
    """
    A table for searching is one difference, without those that it is kept in, and none in an
    adopted database; and a plan can be made beside it, also one that rebuilds what it searches.
    """
    url, scripts = f"sqlite:///{tmp_path / 'app.db'}", tmp_path / "chain"
    shutil.copytree(locate.scripts(), scripts)
    (scripts / "versions" / "0006_rebuild.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n"
        "revision, down_revision = '0006', '0005'\n"
        "def upgrade():\n    with op.safe_batch('messages') as batch:\n"
        "        batch.add_column(sa.Column('more', sa.Text()))\n"
    )
    migrate.upgrade(url, to="0002", scripts=scripts)
    execute(url, *VIRTUAL, "INSERT INTO notes VALUES ('a')")
    found = [each.name for each in migrate.drift(url)]
    with migrate.connect(url) as connection:
        history.record(connection, "adopt", "0002")
        connection.commit()
    in_adopted = migrate.drift(url)
    migrate.apply(migrate.plan(url, scripts=scripts), scripts=scripts)

    assert ["table areas", "table found", "table notes", "trigger fill"] == found
    assert [] == in_adopted
    assert "0006" == migrate.current_revision(url)


POSTGRES = {
    "check": (
        "ALTER TABLE messages ADD CONSTRAINT ck CHECK (role <> '') NOT VALID",
        "constraint messages.ck",
    ),
    "trigger": (
        (
            "CREATE FUNCTION f() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN RETURN NULL; END';"
            "CREATE TRIGGER t BEFORE INSERT ON messages EXECUTE FUNCTION f()"
        ),
        "trigger messages.t",
    ),
    "view": ("CREATE VIEW v AS SELECT 1 AS one", "view v"),
    "foreign key action": (
        (
            "ALTER TABLE tool_calls DROP CONSTRAINT fk_tool_calls_message_id_messages;"
            "ALTER TABLE tool_calls ADD CONSTRAINT fk_tool_calls_message_id_messages"
            " FOREIGN KEY (message_id) REFERENCES messages (id)"
        ),
        "constraint tool_calls.fk_tool_calls_message_id_messages",
    ),
    "nullability": ("ALTER TABLE messages ALTER content SET NOT NULL", "column messages.content"),
    "default": ("ALTER TABLE tasks ALTER completed SET DEFAULT false", "column tasks.completed"),
    "collation": (
        'ALTER TABLE users ALTER name TYPE varchar(100) COLLATE "C"',
        "column users.name",
    ),
    "index predicate": ("CREATE INDEX ix_some ON messages (role) WHERE id > 5", "index ix_some"),
    "invalid index": (
        (
            "UPDATE pg_index SET indisvalid = false"
            " WHERE indexrelid = 'ix_messages_created_at'::regclass"
        ),
        "index ix_messages_created_at",
    ),
    "extra column": ("ALTER TABLE users ADD COLUMN extra TEXT", "column users.extra"),
    "type": ("ALTER TABLE tool_calls ALTER position TYPE bigint", "column tool_calls.position"),
    "missing table": ("DROP TABLE tool_calls", None),
    "extra table": ("CREATE TABLE odd (id INTEGER)", "column odd.id"),
}


@pytest.fixture(scope="module", params=["postgres", "postgres_16"])
def at_head(request):
    """
    A maker of PostgreSQL databases at head, all of one mould.
    """
    new_database = request.getfixturevalue(request.param)
    mould, other = new_database(), new_database()
    migrate.upgrade(mould)

    def copied():
        url = new_database()
        names = [each.partition("@/")[2].partition("?")[0] for each in (mould, url)]
        with psycopg.connect(other, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {names[1]}")
            connection.execute(f"CREATE DATABASE {names[1]} TEMPLATE {names[0]}")
        return url

    return copied


@pytest.mark.parametrize("mutation", POSTGRES)
def test_drift_on_postgres(at_head, mutation):
    """
    The same on PostgreSQL, the oldest and the newest.
    """
    url, (change, name) = at_head(), POSTGRES[mutation]
    execute(url, change)
    found = [difference.name for difference in migrate.drift(url)]
    gone = [each.name for each in migrate.drift(url) if each.found is None]

    if name is None:
        assert found == gone
        assert "column tool_calls.id" in found
    else:
        assert [name] == found


def test_a_check_that_was_dropped(new_database, tmp_path):
    """
    A CHECK that a revision made and somebody dropped is missed, of a chain of the user's own.
    """
    scripts = Path(shutil.copytree(CHAIN, tmp_path / "chain"))
    url, empty = new_database(), new_database()
    is_sqlite = url.startswith("sqlite")
    snapshot.write(scripts, postgres_url=None if is_sqlite else empty)
    migrate.upgrade(url, scripts=scripts)
    clean = migrate.drift(url, scripts=scripts)
    if is_sqlite:
        change = ("CONSTRAINT ck_notes_kind CHECK (kind IN ('idea', 'fact'))", "CHECK (1)")
        with closing(sqlite3.connect(url.removeprefix("sqlite:///"))) as raw, raw:
            raw.execute("PRAGMA writable_schema = ON")
            raw.execute("UPDATE sqlite_master SET sql = replace(sql, ?, ?)", change)
    else:
        execute(url, "ALTER TABLE notes DROP CONSTRAINT ck_notes_kind")
    found = [difference.name for difference in migrate.drift(url, scripts=scripts)]

    assert [] == clean
    assert [["table notes"], ["constraint notes.ck_notes_kind"]][not is_sqlite] == found


def test_drift_needs_a_revision(new_database):
    """
    Where our chain has never run there is nothing to compare with.
    """
    url = new_database()
    execute(url, "CREATE TABLE odd (id INTEGER)")

    with pytest.raises(MigrationError, match="never run here"):
        migrate.drift(url)

"""What revisions call as `op.*`, on a chain of our own that uses every operation."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest
import sqlalchemy as sa
from databases import contents, execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import history

CHAIN = Path(__file__).parent / "chain"

ROWS = (
    "INSERT INTO people VALUES (1, 'Ada'), (2, 'Bob')",
    "INSERT INTO threads VALUES (1, 1, 'x', '2026-03-29 00:30:00.123456')",
    "INSERT INTO threads VALUES (2, 2, NULL, '2026-07-01 12:00:00')",
    "INSERT INTO notes VALUES (1, 1, 'idea', 'b'), (2, 1, 'fact', NULL), (3, 2, 'fact', 'c')",
)


@pytest.fixture
def url(new_database):
    """
    A database at the first revision of the chain, with rows.
    """
    url = new_database()
    migrate.upgrade(url, to="0001", scripts=CHAIN)
    execute(url, *ROWS)
    return url


@pytest.fixture
def sqlite_url(tmp_path):
    """
    The same on SQLite.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url, to="0001", scripts=CHAIN)
    execute(url, *ROWS)
    return url


@pytest.fixture
def postgres_url(postgres):
    """
    The same on PostgreSQL.
    """
    url = postgres()
    migrate.upgrade(url, to="0001", scripts=CHAIN)
    execute(url, *ROWS)
    return url


def chain_with(tmp_path, body, *, after="0001"):
    """
    The chain up to a revision, and one more whose upgrade is `body`.
    """
    folder = tmp_path / "chain"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(CHAIN, folder)
    for script in (folder / "versions").glob("*.py"):
        if script.name[:4] > after:
            script.unlink()
    (folder / "versions" / "9000_more.py").write_text(
        "import sqlalchemy as sa\nfrom alembic import op\n\n"
        f"revision, down_revision, loses = '9000', {after!r}, None\n\n"
        f"def upgrade():\n    {body}\n\ndef downgrade():\n    pass\n"
    )
    return folder


def times(rows):
    return {name: [row for row in found if name != "threads"] for name, found in rows.items()}


def test_every_operation_keeps_every_row(url):
    """
    The whole chain up, down to the first revision and up again leaves every row as it was.
    """
    before = contents(url)
    up = migrate.upgrade(url, scripts=CHAIN)
    at_head = contents(url)
    migrate.downgrade(url, "0001", scripts=CHAIN)
    down = contents(url)
    migrate.upgrade(url, scripts=CHAIN)

    assert "0007" == up.after
    assert times(before) == times(at_head)
    assert before == down
    assert at_head == contents(url)


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("INSERT INTO notes VALUES (9, 1, 'song', 'b')", id="check"),
        pytest.param("INSERT INTO notes VALUES (9, 77, 'idea', 'b')", id="foreign key"),
        pytest.param("INSERT INTO people VALUES (9, NULL)", id="not null"),
    ],
)
def test_constraints_hold(url, statement):
    """
    What an operation adds is enforced from then on.
    """
    migrate.upgrade(url, scripts=CHAIN)
    engine = sa.create_engine(url)
    if engine.dialect.name == "sqlite":
        sa.event.listen(engine, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))

    with pytest.raises(sa.exc.IntegrityError), engine.begin() as connection:
        connection.exec_driver_sql(statement)
    engine.dispose()


@pytest.mark.parametrize(
    ("statement", "match"),
    [
        pytest.param(
            "INSERT INTO notes VALUES (8, 1, 'song', 'b'), (9, 1, 'song', 'b')",
            r"notes\.kind.*song \(2 rows\)",
            id="check",
        ),
        pytest.param(
            "INSERT INTO notes VALUES (9, 77, 'idea', 'b')", "1 rows whose thread_id", id="key"
        ),
        pytest.param("INSERT INTO people VALUES (9, NULL)", "1 rows without a name", id="null"),
    ],
)
def test_rows_in_the_way_are_counted(url, statement, match):
    """
    A constraint that rows break is refused with what breaks it, and nothing else changes.
    """
    execute(url, statement)
    before = contents(url)

    with pytest.raises(MigrationError, match=match):
        migrate.upgrade(url, scripts=CHAIN)
    assert before == contents(url)


def test_private_text_is_not_shown(url, tmp_path):
    """
    A long value that breaks a CHECK is told by its length.
    """
    execute(url, f"INSERT INTO notes VALUES (9, 1, 'idea', '{'secret ' * 10}')")
    scripts = chain_with(tmp_path, "op.add_check('ck', 'notes', 'body', 'length(body) < 9')")

    with pytest.raises(MigrationError, match=r"\(70 characters\)") as refused:
        migrate.upgrade(url, scripts=scripts)
    assert "secret" not in str(refused.value)


KEPT = (
    "CREATE TABLE log (id INTEGER)",
    "CREATE VIEW named AS SELECT id, name FROM people WHERE name IS NOT NULL",
    "CREATE VIEW shouted AS SELECT upper(name) AS name FROM named",
    "CREATE TRIGGER on_person AFTER DELETE ON people BEGIN INSERT INTO log VALUES (old.id); END",
    "CREATE TRIGGER from_notes AFTER INSERT ON notes BEGIN UPDATE people SET name = 'x'; END",
    "CREATE TRIGGER through INSTEAD OF INSERT ON named BEGIN INSERT INTO log VALUES (1); END",
    "CREATE INDEX ix_lower ON people (lower(name))",
    "CREATE INDEX ix_some ON people (name) WHERE id > 1",
)


def inventory(url):
    return fetch(
        url,
        "SELECT type, name, sql FROM sqlite_master WHERE name NOT LIKE 'chatdata_%'"
        " AND name NOT IN ('people') AND sql IS NOT NULL ORDER BY 1, 2",
    )


def test_a_rebuild_keeps_everything(sqlite_url):
    """
    Rebuilding a parent keeps its children, triggers, views, expression and partial indexes.
    """
    execute(sqlite_url, *KEPT)
    before, objects = contents(sqlite_url), inventory(sqlite_url)
    migrate.upgrade(sqlite_url, to="0002", scripts=CHAIN)

    assert before == contents(sqlite_url)
    assert objects == inventory(sqlite_url)
    assert [("ADA",), ("BOB",)] == fetch(sqlite_url, "SELECT name FROM shouted ORDER BY 1")


def test_a_rebuild_that_would_break_a_view_is_undone(sqlite_url, tmp_path):
    """
    Dropping a column that a view reads fails by the view's name, and nothing changes.
    """
    execute(sqlite_url, *KEPT[:3])
    before = contents(sqlite_url)
    scripts = chain_with(
        tmp_path, "with op.safe_batch('people') as batch: batch.drop_column('name')"
    )

    with pytest.raises(MigrationError, match="named, shouted"):
        migrate.upgrade(sqlite_url, scripts=scripts)
    assert before == contents(sqlite_url)


@pytest.mark.parametrize(
    ("clause", "columns"),
    [
        ("AUTOINCREMENT", "id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT"),
        ("COLLATE", "id INTEGER PRIMARY KEY, name TEXT COLLATE NOCASE"),
        ("DEFERRABLE", "id INTEGER PRIMARY KEY, name INT REFERENCES people DEFERRABLE"),
        ("a generated column", "id INTEGER PRIMARY KEY, name TEXT, n INT AS (id + 1)"),
        ("an unnamed CHECK", "id INTEGER PRIMARY KEY, name TEXT CHECK (length(name) > 0)"),
        ("ON CONFLICT", "id INTEGER PRIMARY KEY, name TEXT UNIQUE ON CONFLICT IGNORE"),
        ("MATCH", "id INTEGER PRIMARY KEY, name INT REFERENCES people MATCH FULL"),
        ("a descending PRIMARY KEY", "id INT, name TEXT, PRIMARY KEY (id DESC)"),
    ],
)
def test_what_a_rebuild_would_lose_is_refused(sqlite_url, tmp_path, clause, columns):
    """
    A clause that the copy would not have is named, and the table stays as it is.
    """
    execute(sqlite_url, f"CREATE TABLE odd ({columns})")
    scripts = chain_with(
        tmp_path,
        "with op.safe_batch('odd') as batch:"
        " batch.alter_column('name', existing_type=sa.Text(), nullable=False)",
    )

    with pytest.raises(MigrationError, match=f"would lose {clause}"):
        migrate.upgrade(sqlite_url, scripts=scripts)


@pytest.mark.parametrize(
    ("key", "is_lost"),
    [
        pytest.param("INTEGER REFERENCES people (id) ON DELETE CASCADE", True, id="of a column"),
        pytest.param("INTEGER REFERENCES people (id) ON UPDATE SET NULL", True, id="on update"),
        pytest.param("INTEGER REFERENCES people (id)", False, id="without any"),
        pytest.param(
            "INTEGER, CONSTRAINT fk FOREIGN KEY (person) REFERENCES people (id) ON DELETE CASCADE",
            False,
            id="of the table",
        ),
    ],
)
def test_what_a_key_does_is_not_lost(sqlite_url, tmp_path, key, is_lost):
    """
    A rebuild keeps what a foreign key does when its parent goes, or is undone and says which.
    """
    execute(sqlite_url, f"CREATE TABLE odd (id INTEGER PRIMARY KEY, name TEXT, person {key})")
    before = fetch(sqlite_url, "PRAGMA foreign_key_list(odd)")
    scripts = chain_with(
        tmp_path,
        "with op.safe_batch('odd') as batch:"
        " batch.alter_column('name', existing_type=sa.Text(), nullable=False)",
    )
    if is_lost:
        with pytest.raises(MigrationError, match="ON UPDATE or ON DELETE of the key of person"):
            migrate.upgrade(sqlite_url, scripts=scripts)
    else:
        migrate.upgrade(sqlite_url, scripts=scripts)

    assert before == fetch(sqlite_url, "PRAGMA foreign_key_list(odd)")


@pytest.mark.parametrize(
    "columns",
    [
        "id INTEGER PRIMARY KEY, name TEXT DEFAULT 'COLLATE, STRICT'",
        "id INTEGER PRIMARY KEY, name TEXT, CONSTRAINT ck_odd CHECK (id > 0)",
        "id INTEGER PRIMARY KEY, name TEXT -- AUTOINCREMENT\n",
    ],
)
def test_what_a_rebuild_keeps_is_not_refused(sqlite_url, tmp_path, columns):
    """
    Words in strings and comments, and named CHECKs, are no reason to refuse.
    """
    execute(sqlite_url, f"CREATE TABLE odd ({columns})", "INSERT INTO odd VALUES (1, 'x')")
    scripts = chain_with(
        tmp_path,
        "with op.safe_batch('odd') as batch:"
        " batch.alter_column('name', existing_type=sa.Text(), nullable=False)",
    )
    migrate.upgrade(sqlite_url, scripts=scripts)

    assert [(1, "x")] == fetch(sqlite_url, "SELECT * FROM odd")
    assert ("CONSTRAINT ck_odd" in columns) == (
        "ck_odd" in fetch(sqlite_url, "SELECT sql FROM sqlite_master WHERE name = 'odd'")[0][0]
    )


def index_is_valid(url, name):
    found = fetch(url, f"SELECT indisvalid FROM pg_index WHERE indexrelid = to_regclass('{name}')")
    return found[0][0] if found else None


def test_an_invalid_index_is_repaired(postgres_url, tmp_path):
    """
    An index that an interrupted build left invalid is rebuilt, not taken for done.
    """
    execute(postgres_url, "INSERT INTO people VALUES (3, 'Ada')")
    scripts = chain_with(tmp_path, "op.add_index('ix_u', 'people', ['name'], unique=True)")

    with pytest.raises(MigrationError, match="could not create unique index"):
        migrate.upgrade(postgres_url, scripts=scripts)
    assert index_is_valid(postgres_url, "ix_u") is False

    execute(postgres_url, "DELETE FROM people WHERE id = 3")
    migrate.upgrade(postgres_url, scripts=scripts)

    assert index_is_valid(postgres_url, "ix_u") is True


# In New York clocks go from 02:00 to 03:00 in March, and show 01:30 twice in November.
AROUND_THE_CHANGE = tuple(
    f"INSERT INTO threads VALUES ({number}, 1, 'x', '{at}')"
    for number, at in enumerate(
        (
            "2026-03-08 02:30:00.000001",
            "2026-03-08 06:59:59.999999",
            "2026-03-08 07:00:00",
            "2026-11-01 01:30:00.5",
            "2026-11-01 05:30:00",
            "2026-11-01 06:30:00",
        ),
        start=10,
    )
)


@pytest.mark.parametrize("zone", ["UTC", "Asia/Karachi", "America/New_York"])
def test_naive_to_utc(postgres_url, zone):
    """
    Whatever zone sessions run in, times keep their UTC value to the microsecond, also those that
    its clocks skip or show twice, and no row is rewritten.
    """
    execute(postgres_url, *AROUND_THE_CHANGE)
    name = postgres_url.rpartition("/chatdata_")[2].partition("?")[0]
    execute(postgres_url, f"ALTER DATABASE chatdata_{name} SET timezone TO '{zone}'")
    naive = fetch(postgres_url, "SELECT started_at FROM threads ORDER BY id")
    node = fetch(postgres_url, "SELECT pg_relation_filenode('threads')")
    migrate.upgrade(postgres_url, scripts=CHAIN)
    aware = fetch(postgres_url, "SELECT started_at AT TIME ZONE 'UTC' FROM threads ORDER BY id")

    assert naive == aware
    assert node == fetch(postgres_url, "SELECT pg_relation_filenode('threads')")


def test_naive_to_utc_of_an_adopted_database(postgres_url):
    """
    Where the application's sessions do not run in UTC, its database is not changed under it.
    """
    name = postgres_url.rpartition("/chatdata_")[2].partition("?")[0]
    execute(postgres_url, f"ALTER DATABASE chatdata_{name} SET timezone TO 'Asia/Karachi'")
    with migrate.connect(postgres_url) as connection, connection.begin():
        history.record(connection, "adopt", "0001")

    with pytest.raises(MigrationError, match=r"Asia/Karachi.*ALTER DATABASE"):
        migrate.upgrade(postgres_url, scripts=CHAIN)
    assert "0005" == migrate.current_revision(postgres_url)


def test_forgotten_indexes_are_refused(postgres_url, tmp_path):
    """
    A change of type names the indexes it drops, so that none is lost.
    """
    scripts = chain_with(tmp_path, "op.naive_to_utc('threads', 'started_at')")

    with pytest.raises(MigrationError, match="ix_threads_started_at"):
        migrate.upgrade(postgres_url, scripts=scripts)


@pytest.mark.parametrize(
    ("state", "ends"), [(None, "not started"), ("running", "which is running"), ("done", None)]
)
def test_requires_backfill(url, tmp_path, state, ends):
    """
    A revision that needs a backfill is refused until that has been run to its end.
    """
    if state:
        execute(
            url,
            "CREATE TABLE chatdata_backfill (name VARCHAR(50), state VARCHAR(20))",
            f"INSERT INTO chatdata_backfill VALUES ('tool_calls', '{state}')",
        )
    scripts = chain_with(tmp_path, "op.requires_backfill('tool_calls')")
    if ends is None:
        assert "9000" == migrate.upgrade(url, scripts=scripts).after
        return

    with pytest.raises(
        MigrationError, match=f"{ends}; .*; run: chatdata db backfill run tool_calls"
    ):
        migrate.upgrade(url, scripts=scripts)


@pytest.mark.parametrize(
    ("calls", "n_behind"),
    [("NULL", 0), ("'[]'", 0), ("""'[{"tool":"f"}]'""", 1)],
    ids=["none", "an empty list", "a call"],
)
def test_what_came_after_a_backfill(url, tmp_path, calls, n_behind):
    """
    Calls that were written after the backfill are not dropped with the column that holds them.
    """
    execute(
        url,
        "CREATE TABLE chatdata_backfill (name VARCHAR(50), state VARCHAR(20), cursor INTEGER)",
        "INSERT INTO chatdata_backfill VALUES ('tool_calls', 'done', 1)",
        "CREATE TABLE messages (id INTEGER PRIMARY KEY, tool_calls TEXT)",
        f"INSERT INTO messages VALUES (1, '[{{}}]'), (2, {calls})",
    )
    scripts = chain_with(tmp_path, "op.requires_backfill('tool_calls')")
    if not n_behind:
        assert "9000" == migrate.upgrade(url, scripts=scripts).after
        return

    with pytest.raises(MigrationError, match="1 messages with calls have been written since"):
        migrate.upgrade(url, scripts=scripts)


def test_a_reader_is_waited_for_in_short_pieces(postgres_url):
    """
    Behind a reader that holds its lock, the run tries again and goes on when it has ended.
    """
    with migrate.connect(postgres_url) as reader:
        reader.exec_driver_sql("SELECT * FROM people")
        timer = threading.Timer(0.6, reader.rollback)
        timer.start()
        run = migrate.upgrade(postgres_url, scripts=CHAIN)
        timer.join()

    assert "0007" == run.after


def test_who_holds_a_lock_is_named(postgres_url, monkeypatch):
    """
    When the attempts are used up, the session in the way is named and exit code 4 given.
    """
    monkeypatch.setattr(migrate.engine, "PATIENCE_S", 0.2)
    with migrate.connect(postgres_url) as reader:
        reader.exec_driver_sql("SELECT * FROM people")
        pid = reader.connection.driver_connection.info.backend_pid

        with pytest.raises(MigrationError, match=f"session {pid} ") as busy:
            migrate.upgrade(postgres_url, scripts=CHAIN)
    assert 4 == busy.value.exit_code

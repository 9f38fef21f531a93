"""Backup, verify and restore."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from types import SimpleNamespace

import pytest
from databases import contents, execute, fetch

from chatdata import migrate
from chatdata.errors import MigrationError
from chatdata.migrate import backups

FILL = (
    "INSERT INTO users (id, email, name, created_at, updated_at) VALUES ('u', 'e', 'n', 'a', 'b')",
    "INSERT INTO conversations VALUES (1, 'u', 'a', 'b')",
    (
        "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'x', NULL, 'a'),"
        " (2, 'u', 1, 'assistant', NULL, NULL, 'a')"
    ),
)


@pytest.fixture
def file(tmp_path):
    """
    An SQLite database at head with rows.
    """
    file = tmp_path / "app.db"
    migrate.upgrade(f"sqlite:///{file}")
    execute(f"sqlite:///{file}", *FILL)
    return file


@pytest.fixture
def url(file):
    """
    Its URL.
    """
    return f"sqlite:///{file}"


def test_a_backup_is_whole(url, file):
    """
    The copy holds every row and nothing half stays beside it, in journal mode and in WAL.
    """
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("UPDATE messages SET content = 'later' WHERE id = 1")
        raw.commit()
        copy = backups.backup(url)

    assert contents(url) == contents(f"sqlite:///{copy}")
    assert [copy] == backups.backups(url)
    assert [] == list(file.parent.glob("*.part"))


def test_prune(url):
    """
    Only the newest copies are kept.
    """
    copies = [backups.backup(url) for _ in range(3)]
    gone = backups.prune(url, keep=1)

    assert copies[1::-1] == gone
    assert copies[2:] == backups.backups(url)


def test_no_room(url, monkeypatch):
    """
    Without room for a backup and a rebuild nothing is begun.
    """
    monkeypatch.setattr(backups.shutil, "disk_usage", lambda _: SimpleNamespace(free=1000))

    with pytest.raises(MigrationError, match="1,000 are free"):
        backups.backup(url)
    assert [] == backups.backups(url)


def test_restore(url, file):
    """
    A damaged file is put aside and the copy takes its place; the copy stays.
    """
    copy = backups.backup(url)
    before = contents(url)
    file.write_bytes(b"damaged" * 1000)
    failed = backups.restore(url, copy)

    assert before == contents(url)
    assert b"damaged" * 1000 == failed.read_bytes()
    assert copy.is_file()


def test_every_broken_file_is_kept(url, file):
    """
    Restoring again puts what is there now aside under a name of its own.
    """
    copy = backups.backup(url)
    kept = []
    for number in range(3):
        file.write_bytes(b"damaged %d" % number)
        kept.append(backups.restore(url, copy))

    assert 3 == len({*kept})
    assert [b"damaged %d" % number for number in range(3)] == [one.read_bytes() for one in kept]


@pytest.mark.parametrize("point", [1, 2, 3])
def test_a_restore_that_is_killed_is_done_again(url, file, killer, point):
    """
    Wherever it is killed there is a database, and a second one puts the copy in its place.
    """
    copy = backups.backup(url)
    before = contents(url)
    file.write_bytes(b"damaged")
    first = killer("databases:restore", url, copy, kill_at=point, watch="files")
    there = file.exists()
    backups.restore(url, copy)

    assert first["killed"]
    assert there
    assert before == contents(url)
    assert copy.is_file()


def test_copies_of_a_database_with_a_longer_name(url, file):
    """
    The copies of `app.db.old` are none of `app.db`.
    """
    other = f"{url}.old"
    migrate.upgrade(other, to="0001")
    theirs, ours = backups.backup(other), backups.backup(url)
    backups.prune(url, keep=0)

    assert [theirs] == backups.backups(other)
    assert [] == backups.backups(url)
    assert not ours.exists()


def test_an_old_journal_is_not_played_into_the_copy(url, file):
    """
    What waited in the old file's log does not reach the restored one.
    """
    copy = backups.backup(url)
    before = contents(url)
    with closing(sqlite3.connect(file)) as raw:
        raw.execute("PRAGMA journal_mode=WAL")
        raw.execute("DELETE FROM messages")
        raw.commit()
        log = file.with_name(file.name + "-wal").read_bytes()
    file.with_name(file.name + "-wal").write_bytes(log)
    backups.restore(url, copy)

    assert before == contents(url)


def test_a_damaged_copy_is_refused(url, tmp_path):
    """
    A copy that is not whole is never put in place.
    """
    bad = tmp_path / "bad"
    bad.write_bytes(b"no database")
    before = contents(url)

    with pytest.raises(MigrationError, match="damaged"):
        backups.restore(url, bad)
    assert before == contents(url)


def test_restore_under_a_writer_is_refused(url, file):
    """
    While another program is in the middle of writing, its file is not swapped.
    """
    copy = backups.backup(url)
    with closing(sqlite3.connect(file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")

        with pytest.raises(MigrationError, match="another program") as busy:
            backups.restore(url, copy)
    assert 4 == busy.value.exit_code


def in_wal(file, *statements):
    """
    A client that has the database open in WAL mode, and whose writes stay in the log.
    """
    raw = sqlite3.connect(file, isolation_level=None)
    raw.execute("PRAGMA journal_mode = WAL")
    raw.execute("PRAGMA wal_autocheckpoint = 0")
    for statement in statements:
        raw.execute(statement)
    return raw


LATER = "UPDATE messages SET content = 'later' WHERE id = 1"


def test_a_copy_with_a_log_of_its_own(url, file, tmp_path):
    """
    A copy that was made with `cp` in WAL mode is put back with what is only in its log.
    """
    copy, other = tmp_path / "copy", tmp_path / "other.db"
    with closing(in_wal(file, LATER)):
        expected = contents(url)
        for ending in ("", "-wal"):
            shutil.copy(f"{file}{ending}", f"{copy}{ending}")
    backups.restore(f"sqlite:///{other}", copy)

    assert expected == contents(f"sqlite:///{other}")
    assert ["other.db"] == [path.name for path in tmp_path.glob("other.db*")]


def test_a_copy_in_wal_mode(url, file, tmp_path):
    """
    One without a log is put back too, and nothing is left beside it or the database.
    """
    in_wal(file, LATER).close()
    expected = contents(url)
    shutil.copy(file, tmp_path / "copy")
    backups.restore(url, tmp_path / "copy")
    beside = [path.name for path in tmp_path.iterdir() if path.name.endswith(("-wal", "-shm"))]

    assert [] == beside
    assert expected == contents(url)


def test_restore_under_an_open_log_is_refused(url, file):
    """
    A client in WAL mode would go on writing into the file that was put aside, so it is kept.
    """
    copy = backups.backup(url)
    with closing(in_wal(file, LATER)) as client:
        expected = contents(url)

        with pytest.raises(MigrationError, match="another program is using it") as busy:
            backups.restore(url, copy)
        client.execute("UPDATE messages SET content = NULL WHERE id = 2")
    assert 4 == busy.value.exit_code
    assert expected == contents(url)
    assert [copy.name] == [path.name for path in file.parent.iterdir() if path.name != file.name]


@pytest.mark.parametrize("there", [True, False], ids=["a link", "a link to nothing"])
def test_restore_through_a_link(url, file, tmp_path, there):
    """
    The link stays one, and what it names is restored and keeps its permissions.
    """
    (tmp_path / "data").mkdir()
    real, link = tmp_path / "data" / "real.db", tmp_path / "link.db"
    link.symlink_to(real)
    copy, expected = backups.backup(url), contents(url)
    if there:
        shutil.copy(file, real)
        real.chmod(0o640)
        execute(f"sqlite:///{real}", "DELETE FROM messages")
    failed = backups.restore(f"sqlite:///{link}", copy)

    assert link.is_symlink()
    assert expected == contents(f"sqlite:///{real}")
    assert real.parent == failed.parent
    assert there == failed.exists()
    assert not there or 0o640 == real.stat().st_mode & 0o777
    assert backups.is_restored(f"sqlite:///{link}", copy)


def test_postgres_is_not_copied():
    """
    For PostgreSQL its own tools are named.
    """
    with pytest.raises(MigrationError, match="pg_dump"):
        backups.backup("postgresql://host/name")


@pytest.mark.parametrize(
    ("statement", "found"),
    [
        pytest.param("SELECT 1", [], id="nothing"),
        pytest.param("CREATE TABLE more (id INTEGER)", [], id="a new table"),
        pytest.param("ALTER TABLE messages ADD COLUMN n INTEGER DEFAULT 1", [], id="a new column"),
        pytest.param(
            "UPDATE messages SET content = 'y' WHERE id = 1",
            ["messages: 2 rows, some with other values"],
            id="a value",
        ),
        pytest.param(
            "DELETE FROM messages WHERE id = 1", ["messages: 2 rows before, 1 now"], id="a row"
        ),
        pytest.param("DROP TABLE tasks", ["tasks: the table is gone"], id="a table"),
        pytest.param(
            "ALTER TABLE messages DROP COLUMN content",
            ["messages: the columns content are gone"],
            id="a column",
        ),
    ],
)
def test_verify(url, statement, found):
    """
    Whatever was there before is compared; what was added is not a difference.
    """
    copy = backups.backup(url)
    execute(url, statement)

    assert found == migrate.verify(url, f"sqlite:///{copy}")


@pytest.mark.parametrize(
    ("value", "other"),
    [
        pytest.param("CAST(x'66ff' AS TEXT)", "CAST(x'66fe' AS TEXT)", id="no UTF-8"),
        pytest.param("CAST(x'66ff' AS TEXT)", "x'66ff'", id="the same bytes as a blob"),
        pytest.param("x'66'", "'66'", id="a blob and its digits"),
        pytest.param("'66'", "66", id="a number as text"),
        pytest.param("66", "66.0", id="another number"),
    ],
)
def test_verify_compares_bytes(url, tmp_path, value, other):
    """
    Texts are compared by their bytes, UTF-8 or not, and never taken for a blob or a number.
    """
    execute(url, "CREATE TABLE odd (v)", f"INSERT INTO odd VALUES ({value})")
    copy = f"sqlite:///{backups.backup(url)}"
    same = migrate.verify(url, copy)
    execute(url, f"UPDATE odd SET v = {other}")

    assert [] == same
    assert ["odd: 1 rows, some with other values"] == migrate.verify(url, copy)


def test_an_upgrade_beside_bytes_that_are_no_text(tmp_path):
    """
    An upgrade with its backup and proof leaves them as they are.
    """
    url, hexed = f"sqlite:///{tmp_path / 'old.db'}", "SELECT hex(name) FROM users"
    migrate.upgrade(url, to="0002")
    execute(url, FILL[0], "UPDATE users SET name = CAST(x'66ff6f' AS TEXT)")
    done = migrate.guard.upgrade(url)

    assert [("66FF6F",)] == fetch(url, hexed) == fetch(f"sqlite:///{done.backup}", hexed)


def test_verify_on_postgres(postgres):
    """
    Two databases with the same rows in another order have the same sums.
    """
    urls = [postgres(), postgres()]
    for url, rows in zip(urls, ["(1, 'a'), (2, NULL)", "(2, NULL), (1, 'a')"], strict=True):
        execute(url, "CREATE TABLE t (id INTEGER, v TEXT)", f"INSERT INTO t VALUES {rows}")
    same = migrate.verify(*urls)
    execute(urls[0], "UPDATE t SET v = 'b' WHERE id = 1")

    assert [] == same
    assert ["t: 2 rows, some with other values"] == migrate.verify(*urls)

"""SQLite files: the bad ones are one clear line, and the good ones are left as they were."""

from __future__ import annotations

import hashlib
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from chat_tables import build, column, conversations, messages, table

from chatdata import load
from chatdata.database import connect, read
from chatdata.errors import AccessError, LayoutError, QueryError, SourceError

AT = "2025-03-01 10:00:00.000123"
SAID = "between us"
FILE_NAMES = (
    "plain.db",
    "with spaces.db",
    "100%25.db",
    "50%.sqlite",
    "a#b.db",
    "what?.db",
    'it\'s "odd" & so.db',
    "گفتگو.sqlite3",
)


def chat(path):
    build(
        path,
        conversations(*((n, "u1", AT) for n in range(50))),
        messages(*((n, "u1", n % 50, "user", SAID, None, AT) for n in range(500))),
    )
    return path


@pytest.fixture
def path(tmp_path):
    return chat(tmp_path / "app.db")


def state(path):
    return hashlib.sha256(path.read_bytes()).hexdigest(), path.stat().st_mtime_ns


def truncated(path):
    chat(path)
    with path.open("r+b") as file:
        file.truncate(path.stat().st_size - 20_000)


def scrambled(path):
    chat(path)
    with path.open("r+b") as file:
        file.seek(8192)
        file.write(b"\xff" * 8192)


@pytest.mark.parametrize(
    ("make", "kind", "message"),
    [
        pytest.param(lambda path: None, SourceError, "no such file; check the path", id="missing"),
        pytest.param(Path.mkdir, SourceError, "a folder, expected a SQLite file", id="a folder"),
        pytest.param(
            lambda path: path.write_text("role,content\nuser," + SAID),
            AccessError,
            "not a SQLite database, or an encrypted one",
            id="text",
        ),
        pytest.param(
            lambda path: path.write_bytes(hashlib.sha256(b"key").digest() * 1024),
            AccessError,
            "not a SQLite database, or an encrypted one",
            id="encrypted",
        ),
        pytest.param(
            lambda path: path.write_bytes(b""), LayoutError, "no chat tables found", id="empty"
        ),
        pytest.param(truncated, SourceError, "a damaged SQLite file", id="cut off"),
        pytest.param(scrambled, SourceError, "a damaged SQLite file", id="overwritten"),
        pytest.param(
            lambda path: build(path, table("tasks", "id INTEGER, title TEXT", (1, SAID))),
            LayoutError,
            "found tasks; name yours with a mapping",
            id="without chats",
        ),
    ],
)
def test_bad_files(tmp_path, make, kind, message):
    """
    A file that is no chat database is one line that says what was found and what to do.
    """
    path = tmp_path / "app.db"
    make(path)

    with pytest.raises(kind) as caught:
        read(path)

    assert message in str(caught.value)
    assert "app.db" in str(caught.value)
    assert "\n" not in str(caught.value)
    assert SAID not in str(caught.value)


@pytest.mark.parametrize(
    "url", ["mysql://u:hunter2@localhost/x", "mysql://u:hunter/2@localhost/x", "http://a/hunter"]
)
def test_other_databases(url):
    """
    A URL of a kind that is not read says which are, and shows nothing of what follows.
    """
    with pytest.raises(SourceError, match="use sqlite:/// or postgresql://") as caught:
        read(url)

    assert "hunter" not in str(caught.value)


@pytest.mark.parametrize("name", FILE_NAMES)
@pytest.mark.parametrize("form", ["{}", "sqlite:///{}", "sqlite+pysqlite:///{}"])
def test_names_of_files(tmp_path, name, form):
    """
    A file is found whatever its name, as a path and as a URL.
    """
    path = chat(tmp_path / name)
    source = form.format(str(path).replace("?", "%3F") if "://" in form else path)

    assert 500 == read(source).messages.collect().height
    assert {name} == set(column(read(source).conversations, "origin"))


def test_relative_paths(path, monkeypatch):
    """
    A URL with three slashes is relative, as SQLAlchemy has it, and a parameter is no part of it.
    """
    monkeypatch.chdir(path.parent)

    assert 500 == read("sqlite:///app.db?timeout=5").messages.collect().height
    assert 500 == read("app.db").messages.collect().height


def test_a_name_of_its_own(path):
    """
    A database goes by the name it is given.
    """
    chats = read(path, name="work")

    assert {"work"} == set(column(chats.conversations, "origin"))
    assert ["work/conversations", "work/messages"] == column(chats.accounting, "path")
    with pytest.raises(LayoutError, match="work: "):
        read(path, name="work", mapping={"messages": "nothing"})


@pytest.mark.parametrize("zone", ["Mars/Olympus", "../etc/passwd", ""])
def test_unknown_time_zones(path, zone):
    """
    A time zone that there is not is named.
    """
    with pytest.raises(QueryError, match="expected one like Europe/Berlin or UTC"):
        read(path, time_zone=zone)


WRITER = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], timeout=0, isolation_level=None)
connection.executescript(sys.argv[2])
print("done", flush=True)
sys.stdin.read()
"""


@contextmanager
def writer(path, script):
    """
    Another program, for locks say nothing within one, that stays connected after its script.
    """
    command = [sys.executable, "-c", WRITER, str(path), script]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert "done\n" == other.stdout.readline()
        yield
        other.stdin.close()


def test_a_locked_file(path, monkeypatch):
    """
    A file that another program keeps to itself is given up after a while.
    """
    monkeypatch.setattr(connect, "_LOCK_TIMEOUT_MS", 50)
    with (
        writer(path, "BEGIN EXCLUSIVE"),
        pytest.raises(AccessError, match="locked by another program"),
    ):
        read(path)

    assert 500 == read(path).messages.collect().height


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_file_is_left_as_it_was(path, mode):
    """
    Reading changes neither the file nor its time, in either journal mode.
    """
    with closing(sqlite3.connect(path)) as connection:
        connection.execute(f"PRAGMA journal_mode = {mode}")
    before = state(path)
    chats = read(path)

    assert before == state(path)
    assert 500 == chats.messages.collect().height


@pytest.mark.parametrize("mode", ["delete", "wal"])
def test_a_writer_goes_on(path, mode):
    """
    Once `read` is back, nothing of it is in a writer's way, whether or not frames were collected.
    """
    chats = read(path)
    with writer(path, f"PRAGMA journal_mode = {mode}; BEGIN EXCLUSIVE; DELETE FROM messages"):
        assert 500 == chats.messages.collect().height


def test_one_snapshot(path, monkeypatch):
    """
    What is written while the tables are read belongs to none of them.
    """
    batches = connect.Snapshot.batches
    late = f"INSERT INTO conversations VALUES (99, 'u9', '{AT}')"

    def written_between(snapshot, sql):
        yield from batches(snapshot, sql)
        if 'FROM "messages"' in sql and "LIMIT" not in sql:
            with writer(path, late):
                pass

    with writer(path, "PRAGMA journal_mode = wal; DELETE FROM conversations WHERE id = 0"):
        monkeypatch.setattr(connect.Snapshot, "batches", written_between)
        chats = read(path)
        monkeypatch.undo()

        assert 49 == chats.conversations.collect().height
        assert 50 == read(path).conversations.collect().height


def test_rows_still_in_the_log_are_read(path):
    """
    Of a file in use, what is only in its write-ahead log is read too.
    """
    late = f"INSERT INTO messages VALUES (999, 'u1', 1, 'user', 'x', NULL, '{AT}')"
    with writer(path, f"PRAGMA journal_mode = wal; PRAGMA wal_autocheckpoint = 0; {late}"):
        assert 501 == read(path).messages.collect().height


def test_nothing_can_be_written(path):
    """
    The connection refuses to write.
    """
    with (
        connect.open_snapshot(connect.target(path)) as snapshot,
        pytest.raises(SourceError),
    ):
        snapshot.rows("DELETE FROM messages RETURNING id")

    assert 500 == read(path).messages.collect().height


@pytest.fixture
def nobody():
    """
    A folder of somebody else's, and no rights beyond those of anybody, as far as the system goes.
    """
    if os.geteuid() != 0:
        pytest.skip("only root can become somebody else")
    folder = Path(tempfile.mkdtemp())
    read(chat(folder / "first.db"))  # what is imported late may not be there for everybody

    @contextmanager
    def become(mode):
        folder.chmod(mode)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)

    yield folder, become
    shutil.rmtree(folder)


def test_a_file_that_may_only_be_read(nobody):
    """
    A file that may only be read, in a folder that may only be read, is read.
    """
    folder, become = nobody
    path = chat(folder / "app.db")
    path.chmod(0o444)
    with become(0o555):
        assert 500 == read(path).messages.collect().height


@pytest.mark.parametrize(("rights", "of_folder"), [(0o000, 0o755), (0o444, 0o700)])
def test_a_file_that_may_not_be_read(nobody, rights, of_folder):
    """
    A file that may not be read is an error that says what is in the way.
    """
    folder, become = nobody
    path = chat(folder / "app.db")
    path.chmod(rights)
    with become(of_folder), pytest.raises(SourceError) as caught:
        read(path)

    assert "you may read the file and its folder" in str(caught.value)


def test_a_log_that_cannot_be_opened(nobody):
    """
    A write-ahead log needs a folder that may be written to; without one, the error says so.
    """
    folder, become = nobody
    path = chat(folder / "app.db")
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = wal")
    with become(0o555), pytest.raises(SourceError, match="copy it to a folder of your own"):
        read(path)


@pytest.mark.parametrize("make", [truncated, scrambled])
def test_bad_files_through_scan(tmp_path, make):
    """
    Through `scan` the same line comes.
    """
    path = tmp_path / "app.db"
    make(path)

    with pytest.raises(SourceError, match="a damaged SQLite file"):
        load.scan(path)

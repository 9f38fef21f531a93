"""Disks that are full, files and folders that may not be written: named, and nothing is changed."""

from __future__ import annotations

import ctypes
import os
import resource
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from contextlib import closing
from pathlib import Path

import pytest
from databases import contents, execute

from chatdata import migrate

PROGRAM = Path(sys.executable).with_name("chatdata")
_DROP_FROM_BOUNDING_SET = 24  # PR_CAPBSET_DROP
_OVERRIDES = (1, 2)  # CAP_DAC_OVERRIDE and CAP_DAC_READ_SEARCH: what lets root pass permissions


def bound_by_permissions():
    """
    Runs before a program starts: give up what lets root write to what may not be written.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    for capability in _OVERRIDES:
        if libc.prctl(_DROP_FROM_BOUNDING_SET, capability, 0, 0, 0):
            raise OSError(ctypes.get_errno(), "prctl")


def at_most(size):
    """
    The same: let no file grow beyond a size, as on a disk that is full.
    """
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))


def run(*words, before):
    return subprocess.run(
        [PROGRAM, "db", *words], capture_output=True, text=True, check=False, preexec_fn=before
    )


@pytest.fixture
def file(tmp_path):
    """
    A database at 0002 with two megabytes of messages.
    """
    file = tmp_path / "folder" / "app.db"
    file.parent.mkdir()
    url = f"sqlite:///{file}"
    migrate.upgrade(url, to="0002")
    execute(
        url,
        "INSERT INTO users (id, email, name, created_at, updated_at)"
        " VALUES ('u', 'e', 'n', 'a', 'b')",
        "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
        "WITH RECURSIVE made(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM made WHERE i < 2000)"
        " INSERT INTO messages SELECT i, 'u', 1, 'user', hex(randomblob(500)), NULL, '2026-01-01'"
        " FROM made",
    )
    return file


def unchanged(file, before):
    """
    Whether a database is as it was, whole, and alone in its folder.
    """
    with closing(sqlite3.connect(file)) as raw:
        whole = raw.execute("PRAGMA quick_check").fetchall()
    url = f"sqlite:///{file}"
    return (
        contents(url),
        migrate.current_revision(url),
        whole,
        sorted(path.name for path in file.parent.iterdir()),
    ) == (
        before,
        "0002",
        [("ok",)],
        [file.name],
    )


@pytest.mark.parametrize(
    ("options", "room", "said"),
    [
        pytest.param(["--no-backup"], 1.0, "I/O error", id="the upgrade"),
        pytest.param([], 0.5, "cannot be copied", id="the backup"),
    ],
)
def test_no_room(file, options, room, said):
    """
    Where a file can grow no more, the cause is named and the database is as it was.
    """
    before = contents(f"sqlite:///{file}")
    limit = at_most(int(file.stat().st_size * room))
    ended = run("upgrade", f"sqlite:///{file}", "--yes", *options, before=limit)

    assert (1, "") == (ended.returncode, ended.stdout)
    assert said in ended.stderr
    assert "run the same command again" in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
    assert unchanged(file, before)
    assert 0 == run("upgrade", f"sqlite:///{file}", "--yes", before=None).returncode


@pytest.fixture
def small_disk():
    """
    A disk of three megabytes, where this user may make one.
    """
    folder = Path(tempfile.mkdtemp(prefix="chatdata-disk-"))
    made = ["mount", "-t", "tmpfs", "-o", "size=3m", "tmpfs", folder]
    if (
        not shutil.which("mount")
        or subprocess.run(made, check=False, capture_output=True).returncode
    ):
        folder.rmdir()
        pytest.skip("this user may not mount a small disk")
    yield folder
    subprocess.run(["umount", folder], check=True)
    folder.rmdir()


@pytest.mark.parametrize("options", [["--no-backup"], []], ids=["the upgrade", "the backup"])
def test_a_full_disk(file, small_disk, options):
    """
    The same on a disk that is really full.
    """
    moved = small_disk / "app.db"
    shutil.copyfile(file, moved)
    (small_disk / "other").write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 40_960))
    before = contents(f"sqlite:///{moved}")
    ended = run("upgrade", f"sqlite:///{moved}", "--yes", *options, before=None)

    assert 1 == ended.returncode
    assert "full" in ended.stderr or "are free" in ended.stderr
    (small_disk / "other").unlink()
    assert unchanged(moved, before)


@pytest.fixture
def shared(file):
    """
    The same database in a folder that every user may enter.
    """
    folder = Path(tempfile.mkdtemp(prefix="chatdata-shared-"))
    folder.chmod(0o755)
    yield Path(shutil.copyfile(file, folder / "app.db"))
    shutil.rmtree(folder)


@pytest.fixture
def nobody():
    """
    The words that run the program as a user who owns nothing.
    """
    words = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", PROGRAM]
    if os.geteuid() != 0 or not shutil.which("setpriv"):
        pytest.skip("only root may run a program as another user")
    if subprocess.run([*words, "--version"], check=False, capture_output=True).returncode:
        pytest.skip("another user may not run this program")
    return words


@pytest.mark.parametrize(
    ("mode", "folder", "said"),
    [
        pytest.param(0o644, 0o777, "cannot be written", id="file"),
        pytest.param(0o666, 0o755, "check the disk, the folder and the file", id="folder"),
        pytest.param(0o600, 0o777, "check", id="neither read"),
    ],
)
def test_what_another_user_may_not_write(shared, nobody, mode, folder, said):
    """
    The same for a user who is not the owner, whatever it is that is not allowed.
    """
    before = contents(f"sqlite:///{shared}")
    shared.chmod(mode)
    shared.parent.chmod(folder)
    ended = subprocess.run(
        [*nobody, "db", "upgrade", f"sqlite:///{shared}", "--yes"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 1 == ended.returncode, ended.stdout
    assert str(shared) in ended.stderr
    assert said in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
    assert unchanged(shared, before)


@pytest.mark.parametrize(
    ("what", "mode", "said"),
    [
        pytest.param("file", 0o400, "check its permissions", id="file"),
        pytest.param("folder", 0o500, "check", id="folder"),
    ],
)
def test_what_may_not_be_written(file, what, mode, said):
    """
    A file or folder that may not be written is named as such, and nothing is changed.
    """
    before = contents(f"sqlite:///{file}")
    place = file if what == "file" else file.parent
    place.chmod(mode)
    try:
        ended = run("upgrade", f"sqlite:///{file}", "--yes", before=bound_by_permissions)
    except subprocess.SubprocessError:
        pytest.skip("this user may not give up passing permissions")
    finally:
        place.chmod(0o700)

    assert 1 == ended.returncode, ended.stdout
    assert str(file) in ended.stderr
    assert said in ended.stderr
    assert 1 == len(ended.stderr.splitlines())
    assert unchanged(file, before)

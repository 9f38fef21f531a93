"""Copies of SQLite databases: taken whole, checked, and put back."""

from __future__ import annotations

import filecmp
import os
import re
import shutil
import sqlite3
from contextlib import closing, suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chatdata.errors import MigrationError
from chatdata.migrate import engine

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

ROOM = 2.5
"""How many times its size a rebuild may need on the disk, beside the backup."""
_JOURNALS = ("-wal", "-shm", "-journal")
_COPY = re.compile(r"\.\d{8}T\d{12}\.backup")
_ASIDE = re.compile(r"(\.\d{8}T\d{12}\.(backup|failed)|\.failed|\.part)(-wal|-shm|-journal)?$")


def backup(url: str | sa.URL, *, to: Path | None = None) -> Path:
    """Copy an SQLite database beside itself while others read it; nothing half is ever left.

    Returns:
        The copy, checked and on the disk, named `<file>.<time>.backup` unless `to` says otherwise.

    Raises:
        MigrationError: not SQLite, no room, or the database is damaged.
    """
    file = _file(url)
    _refuse_no_room(file)
    target = to or file.with_name(f"{file.name}.{_now()}.backup")
    part = target.with_name(target.name + ".part")
    part.unlink(missing_ok=True)
    try:
        with closing(engine.peek(file)) as source:
            source.execute("VACUUM INTO ?", (str(part),))
        check(part)
        _settle(part, target)
    except sqlite3.Error as error:
        if engine.damages(error):
            raise engine.explain(error, str(file), "nothing was changed") from error
        raise MigrationError(
            f"cannot be copied ({error})",
            then="check the disk, the folder and the file, and run the same command again",
            source=str(file),
        ) from error
    finally:
        part.unlink(missing_ok=True)
    shutil.copymode(file, target)
    return target


def backups(url: str | sa.URL) -> list[Path]:
    """List the copies that `backup` made of a database, newest first."""
    file = _file(url)
    # "app" has no part in the copies of "app.old".
    found = [
        beside
        for beside in file.parent.iterdir()
        if beside.name.startswith(file.name) and _COPY.fullmatch(beside.name[len(file.name) :])
    ]
    return sorted(found, reverse=True)


def is_left_beside(file: Path) -> bool:
    """Whether it is what we or SQLite leave beside a database, and no database of its own."""
    if _ASIDE.search(file.name):
        return True
    if not file.name.endswith(_JOURNALS):
        return False
    with file.open("rb") as raw:
        return raw.read(16) != b"SQLite format 3\0"


def prune(url: str | sa.URL, *, keep: int) -> list[Path]:
    """Delete all but the newest `keep` copies, and say which."""
    old = backups(url)[keep:]
    for file in old:
        file.unlink()
    return old


def restore(url: str | sa.URL, copy: Path) -> Path:
    """Put a copy in the place of a database; what was there is kept.

    What stands in the log beside a copy comes along, and a database that is a link stays one.

    Returns:
        Where it is kept: `<file>.<time>.failed`, each under a name of its own.

    Raises:
        MigrationError: the copy is damaged or missing, or somebody is writing, or has the database
            open in WAL mode (exit code 4).
    """
    file = _file(url, must_exist=False).resolve()
    if not copy.is_file():
        raise MigrationError(
            f"there is no backup {copy}",
            then="run the same command with one that `ls` shows beside the database: *.backup",
            source=str(file),
        )
    check(copy, still=not _has_log(copy))
    part = file.with_name(file.name + ".part")
    part.unlink(missing_ok=True)
    try:
        _copy(copy, part)
        shutil.copymode(file if file.exists() else copy, part)
        _refuse_clients(file)
        failed = file.with_name(f"{file.name}.{_now()}.failed")
        _keep(file, failed)
        for ending in _JOURNALS:
            # Left in place, a journal of the old file would be played into the new one.
            beside = file.with_name(file.name + ending)
            if beside.exists():
                beside.replace(failed.with_name(failed.name + ending))
        _settle(part, file)
    finally:
        part.unlink(missing_ok=True)
    return failed


def is_restored(url: str | sa.URL, copy: Path) -> bool:
    """Whether a database is a copy already, byte for byte, so that there is nothing to put back."""
    file = _file(url, must_exist=False).resolve()
    journals = (file.with_name(file.name + ending) for ending in _JOURNALS)
    return (
        file.is_file()
        and not any(beside.exists() for beside in journals)
        and filecmp.cmp(file, copy, shallow=False)
    )


def check(file: Path, *, still: bool = False) -> None:
    """Read a whole SQLite file and refuse it if it is damaged.

    Args:
        file: the database.
        still: as for `engine.peek`.

    Raises:
        MigrationError: with what is wrong.
    """
    try:
        with closing(engine.peek(file, still=still)) as raw:
            found = raw.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.DatabaseError as error:
        found = str(error)
    if found != "ok":
        raise MigrationError(
            f"is damaged ({found})",
            then="use another copy: chatdata db restore URL BACKUP",
            source=str(file),
        )


def _now() -> str:
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%S%f")


def _keep(file: Path, failed: Path) -> None:
    """Give a file a second name; it goes from its first one when the copy takes its place."""
    if not file.exists():
        return
    with suppress(OSError):
        failed.hardlink_to(file)
        return
    # A disk without links: for a moment there is no database, as after a failed rename.
    file.replace(failed)


def _has_log(file: Path) -> bool:
    """Whether some of what a database in WAL mode holds is still in its log."""
    place = file.resolve()
    log = place.with_name(f"{place.name}-wal")
    return log.exists() and log.stat().st_size > 0


def _copy(copy: Path, part: Path) -> None:
    """Copy a database that nobody writes, with what is in its log, on to the disk."""
    if _has_log(copy):
        with closing(engine.peek(copy)) as source:
            source.execute("VACUUM INTO ?", (str(part),))
    else:
        shutil.copyfile(copy, part)
    # Before others are kept out, for it may take long.
    _flush(part)


def _flush(file: Path) -> None:
    with file.open("rb+") as written:
        os.fsync(written.fileno())


def _settle(part: Path, target: Path) -> None:
    _flush(part)
    part.replace(target)
    folder = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def _refuse_no_room(file: Path) -> None:
    needed = round(file.stat().st_size * (ROOM + 1))
    free = shutil.disk_usage(file.parent).free
    if free < needed:
        raise MigrationError(
            f"a backup and a rebuild may need {needed:,} bytes on this disk, and {free:,} are free",
            then="make room, and run the same command again, or run it with --no-backup",
            source=str(file),
        )


def _refuse_clients(file: Path) -> None:
    """Refuse a database that others write, or have open in WAL mode: there they would go on.

    Without WAL an idle client notices at its next write that the file is another one.
    """
    if not file.exists():
        return
    try:
        with closing(sqlite3.connect(file, timeout=1, isolation_level=None)) as raw:
            raw.execute("PRAGMA locking_mode = EXCLUSIVE")
            raw.execute("BEGIN EXCLUSIVE")
            raw.execute("ROLLBACK")
    except sqlite3.OperationalError as error:
        if "locked" in str(error):
            raise MigrationError(
                "another program is using it",
                then="stop it, and run the same command again",
                source=str(file),
                exit_code=4,
            ) from error
    except sqlite3.DatabaseError:
        return


def _file(url: str | sa.URL, *, must_exist: bool = True) -> Path:
    file = engine.file_of(url)
    if file is None:
        raise MigrationError(
            "only SQLite files are copied by chatdata",
            then="for PostgreSQL run: pg_dump, and pg_restore to put it back",
            source=engine.label(url),
            exit_code=2,
        )
    if must_exist and not file.is_file():
        raise MigrationError(
            "there is no such file",
            then="run the same command with the path of the database",
            source=str(file),
            exit_code=2,
        )
    return file

"""Changing a lake: one writer at a time, and all of a change or nothing of it.

New files are staged inside the lake. The moment that counts is the commit of the manifest, an
SQLite file whose transaction is also the lock between writers; with it goes the name of the plan
that was written before: which staged files move where, and which files go. Then the plan becomes
the journal, which readers follow, and is done, the lake's mark last. A writer that was killed
before the commit has changed nothing; after it, whoever comes next does what is left.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import sqlite3
import uuid
from contextlib import closing, contextmanager
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from chatdata import schema
from chatdata.errors import AccessError, SourceError
from chatdata.formats.lake import JOURNAL, MANIFEST, MARK, OWN, is_lake, read_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAIT_S = 600
_PLAN = "plan.json"
_URL = re.compile(r"([a-z][a-z0-9+.-]+):/")


class Change:
    """Files staged for one commit of a lake."""

    def __init__(self, lake: Path, manifest: sqlite3.Connection) -> None:
        self.lake = lake
        self.manifest = manifest
        self.name = uuid.uuid4().hex
        self.staging = lake / OWN / f"staging-{self.name}"
        self.staging.mkdir(parents=True)
        self._add: dict[str, str] = {}
        self._remove: set[str] = set()

    def files(self, folder: str, pattern: str = "*.parquet") -> list[Path]:
        """List the files below a folder of the lake as the commit would leave them."""
        kept = [
            path
            for path in sorted((self.lake / folder).rglob(pattern))
            if path.relative_to(self.lake).as_posix() not in self._remove
        ]
        return kept + [
            self.lake / staged
            for staged, place in self._add.items()
            if place.startswith(f"{folder}/") and fnmatchcase(place.rsplit("/", 1)[-1], pattern)
        ]

    def place(self, path: Path) -> str:
        """Say where a file of the lake, staged or not, lies or will lie, below the lake."""
        within = path.relative_to(self.lake).as_posix()
        return self._add.get(within, within)

    def stage(self, place: str) -> Path:
        """Name the file to write for a place in the lake."""
        path = self.staging / place
        path.parent.mkdir(parents=True, exist_ok=True)
        self._add[path.relative_to(self.lake).as_posix()] = place
        return path

    def remove(self, path: Path) -> None:
        """Drop a file at the commit; a staged one is dropped now."""
        within = path.relative_to(self.lake).as_posix()
        if self._add.pop(within, None) is None:
            self._remove.add(within)
        else:
            path.unlink()

    def commit(self) -> None:
        """Make the staged files the lake's, with what the manifest notes: all of it or nothing."""
        if self._add or self._remove or not is_lake(self.lake):
            mark = {"contract": schema.VERSION, "commit": self.name}
            self.stage(MARK).write_text(json.dumps(mark), encoding="utf-8")
            plan = {"add": self._add, "remove": sorted(self._remove)}
            (self.lake / OWN / _PLAN).write_text(json.dumps(plan), encoding="utf-8")
            for path in (*(self.lake / staged for staged in self._add), self.lake / OWN / _PLAN):
                _to_disk(path)
            _to_disk(self.lake / OWN)
            self.manifest.execute("update last_commit set name = ?", (self.name,))
        self.manifest.execute("commit")
        self.manifest.execute("begin exclusive")
        finish(self.lake, self.manifest)


@contextmanager
def changing(lake: Path) -> Iterator[Change]:
    """Hold a lake alone, finish what a killed writer left, and commit at the end.

    Raises:
        SourceError: the folder holds something that is no lake, or is none of this machine.
        AccessError: another writer held the lake for too long.
    """
    if found := _URL.match(str(lake)):
        raise SourceError(
            "a lake is written into a folder of this machine: a bucket cannot change several files "
            "at once; write it here, and copy it there",
            source=f"{found.group(1)}://…",
        )
    if lake.exists() and not is_lake(lake) and any(lake.iterdir()) and not (lake / OWN).is_dir():
        raise SourceError("the folder is not empty and no lake; name another", source=str(lake))
    (lake / OWN).mkdir(parents=True, exist_ok=True)
    with closing(_manifest(lake)) as manifest:
        finish(lake, manifest)
        change = Change(lake, manifest)
        try:
            yield change
        except BaseException:
            manifest.execute("rollback")
            shutil.rmtree(change.staging, ignore_errors=True)
            raise
        change.commit()


def finish(lake: Path, manifest: sqlite3.Connection) -> None:
    """Do what a committed plan says, and clear away what never was one; twice changes nothing."""
    plan = lake / OWN / _PLAN
    if plan.exists():
        staging = f"{OWN}/staging-{manifest.execute('select name from last_commit').fetchone()[0]}/"
        moves = json.loads(plan.read_text(encoding="utf-8"))["add"]
        if all(staged.startswith(staging) for staged in moves):
            plan.replace(lake / OWN / JOURNAL)
        else:
            plan.unlink()
    journal = read_journal(lake)
    for staged, place in journal["add"].items():
        target = lake / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if (lake / staged).exists():
            (lake / staged).replace(target)
    for place in journal["remove"]:
        (lake / place).unlink(missing_ok=True)
        _without_empty(lake, place)
    if journal["add"]:
        (lake / OWN / JOURNAL).unlink()
    for left in (lake / OWN).glob("staging-*"):
        shutil.rmtree(left, ignore_errors=True)


def _without_empty(lake: Path, place: str) -> None:
    """Remove the folders that a removed file leaves empty, up to that of its frame."""
    for folder in list((lake / place).parents)[: place.count("/") - 1]:
        if folder.is_dir() and any(folder.iterdir()):
            return
        if folder.is_dir():
            folder.rmdir()


def _to_disk(path: Path) -> None:
    """Wait until a file, or a folder's list of names, is where a power cut leaves it."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _manifest(lake: Path) -> sqlite3.Connection:
    """Open the manifest inside a transaction, which is also the lock between writers."""
    connection = sqlite3.connect(lake / OWN / MANIFEST, timeout=_WAIT_S, isolation_level=None)
    try:
        connection.execute("begin exclusive")
    except sqlite3.OperationalError as error:
        connection.close()
        raise AccessError(
            "another chatdata is writing; wait for it or stop it", source=str(lake)
        ) from error
    connection.execute("create table if not exists last_commit (name text)")
    if connection.execute("select count(*) from last_commit").fetchone()[0] == 0:
        connection.execute("insert into last_commit values ('')")
    return connection

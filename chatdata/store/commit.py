"""Changing a lake: one writer at a time, and all of a change or nothing of it.

New files are staged inside the lake. A commit writes a journal (one atomic rename), then moves and
removes files as it says, the lake's mark last, then removes the journal. A writer that was killed
before the journal has changed nothing; after it, whoever comes next finishes the moves.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
import uuid
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING

from chatdata import schema
from chatdata.errors import AccessError, SourceError
from chatdata.formats.lake import JOURNAL, MANIFEST, MARK, OWN, is_lake, parts, read_journal

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_WAIT_S = 600


class Change:
    """Files staged for one commit of a lake."""

    def __init__(self, lake: Path, manifest: sqlite3.Connection) -> None:
        self.lake = lake
        self.manifest = manifest
        self.staging = lake / OWN / f"staging-{uuid.uuid4().hex}"
        self.staging.mkdir(parents=True)
        self._add: dict[str, str] = {}
        self._remove: list[str] = []

    def files(self, name: str) -> list[Path]:
        """List the files of a frame as the commit would leave them."""
        removed = {self.lake / place for place in self._remove}
        kept = [path for path in parts(self.lake)[name] if path not in removed]
        added = (staged for staged, place in self._add.items() if place.split("/")[0] == name)
        return kept + [self.lake / staged for staged in added]

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
            self._remove.append(within)
        else:
            path.unlink()

    def commit(self) -> None:
        """Make the staged files the lake's, all of them or none."""
        if not self._add and not self._remove and is_lake(self.lake):
            return
        mark = {"contract": schema.VERSION, "commit": uuid.uuid4().hex}
        self.stage(MARK).write_text(json.dumps(mark), encoding="utf-8")
        draft = self.staging / JOURNAL
        draft.write_text(json.dumps({"add": self._add, "remove": self._remove}), encoding="utf-8")
        for path in (*(self.lake / staged for staged in self._add), draft):
            _to_disk(path)
        draft.replace(self.lake / OWN / JOURNAL)
        _to_disk(self.lake / OWN)
        finish(self.lake)


@contextmanager
def changing(lake: Path) -> Iterator[Change]:
    """Hold a lake alone, finish what a killed writer left, and commit at the end.

    Raises:
        SourceError: the folder holds something that is no lake.
        AccessError: another writer held the lake for too long.
    """
    if lake.exists() and not is_lake(lake) and any(lake.iterdir()) and not (lake / OWN).is_dir():
        raise SourceError("the folder is not empty and no lake; name another", source=str(lake))
    (lake / OWN).mkdir(parents=True, exist_ok=True)
    with closing(_manifest(lake)) as manifest:
        finish(lake)
        for left in (lake / OWN).glob("staging-*"):
            shutil.rmtree(left, ignore_errors=True)
        change = Change(lake, manifest)
        try:
            yield change
            change.commit()
            manifest.execute("commit")
        finally:
            # With a journal, what is staged is the lake's: the next writer moves it into place.
            if not (lake / OWN / JOURNAL).exists():
                shutil.rmtree(change.staging, ignore_errors=True)


def finish(lake: Path) -> None:
    """Do what a journal says; doing it twice changes nothing."""
    journal = read_journal(lake)
    for staged, place in journal["add"].items():
        target = lake / place
        target.parent.mkdir(parents=True, exist_ok=True)
        if (lake / staged).exists():
            (lake / staged).replace(target)
    for place in journal["remove"]:
        (lake / place).unlink(missing_ok=True)
    (lake / OWN / JOURNAL).unlink(missing_ok=True)


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
    return connection

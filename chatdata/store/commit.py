"""Changing a lake: one writer at a time, and all of a change or nothing of it.

New files are staged inside the lake. A commit writes a journal (one atomic rename), then moves and
removes files as it says, then removes the journal. A writer that was killed before the journal has
changed nothing; after it, whoever comes next finishes the moves.
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
from chatdata.formats.lake import JOURNAL, MANIFEST, MARK, OWN, is_lake, read_journal

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

    def stage(self, place: str) -> Path:
        """Name the file to write for a place in the lake."""
        path = self.staging / f"{len(self._add)}-{place.rsplit('/', 1)[-1]}"
        self._add[path.relative_to(self.lake).as_posix()] = place
        return path

    def remove(self, place: str) -> None:
        """Drop a file at the commit."""
        self._remove.append(place)

    def commit(self) -> None:
        """Make the staged files the lake's, all of them or none."""
        if not self._add and not self._remove:
            return
        journal = self.lake / OWN / JOURNAL
        draft = self.staging / JOURNAL
        draft.write_text(json.dumps({"add": self._add, "remove": self._remove}), encoding="utf-8")
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        draft.replace(journal)
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
            (lake / MARK).write_text(json.dumps({"contract": schema.VERSION}), encoding="utf-8")
            manifest.execute("commit")
        finally:
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

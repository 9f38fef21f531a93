"""A lake: a folder of Parquet that chatdata wrote, one folder a frame.

```
lake.json                   contract version, and which commit was the last
<frame>/source=…/month=…/   Parquet files of conversations, messages and tool_calls
<frame>/                    those of rejects and accounting
.chatdata/                  what a writer needs: manifest, journal, originals
```
Every engine reads the Parquet as it lies. A commit replaces several files at once: until all of
them are in place, a journal names the files to add and to remove, and readers here follow it, so
that they see the state before or after, never between.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, TypedDict

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.errors import FormatError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from datetime import datetime
    from pathlib import Path

    from narwhals.typing import IntoLazyFrameT as Frame

MARK = "lake.json"
OWN = ".chatdata"
JOURNAL = "journal.json"
MANIFEST = "manifest.sqlite"
UNKNOWN = "__HIVE_DEFAULT_PARTITION__"
"""What the folder of rows without a month, or a source, is called: engines read it as null."""
_MONTH = re.compile(r"/month=(\d{4}-\d{2})/[^/]*$")


class Journal(TypedDict):
    """What a commit still has to do: files to move into their places, files to remove."""

    add: dict[str, str]
    remove: list[str]


def is_lake(folder: Path) -> bool:
    """Whether a folder is a lake."""
    return (folder / MARK).is_file() or MARK in read_journal(folder)["add"].values()


def is_ours(folder: Path) -> bool:
    """Whether a writer keeps a lake there, finished or not: then all of it is copies of logs."""
    return (folder / OWN / MANIFEST).is_file()


@dataclass(frozen=True)
class Stored:
    """What a lake holds.

    Attributes:
        name: what it is called.
        where: where it lies.
        mark: the text of its mark.
        files: of each frame, as what reads them takes them.
    """

    name: str
    where: str
    mark: str
    files: Mapping[str, Sequence[Any]]


def stored(folder: Path) -> Stored:
    """Say what a lake in a folder holds, as the last commit left it."""
    return Stored(folder.name, str(folder), _mark(folder), parts(folder))


def open_lake(
    lake: Stored,
    read: Callable[[list[Any], schema.Table], Frame],
    since: datetime | None = None,
    until: datetime | None = None,
) -> Chats[Frame]:
    """Give the frames of a lake, lazily, as `read` makes them of files: `scan_files`, for one.

    With a window (naive, in UTC), files of messages and of tool calls are left out where their
    folder names a month outside; conversations are given whole, for they may go on for months.

    Raises:
        FormatError: a newer chatdata wrote it.
    """
    contract = json.loads(lake.mark).get("contract")
    if contract != schema.VERSION:
        raise FormatError(
            f"the lake follows contract {contract}, this chatdata reads {schema.VERSION}; "
            "upgrade chatdata",
            source=lake.where,
        )
    files = {table.name: list(lake.files.get(table.name, ())) for table in schema.TABLES}
    n_files = sum(len(paths) for paths in files.values())
    for name in ("messages", "tool_calls"):
        files[name] = [path for path in files[name] if _may_hold(str(path), since, until)]
    frames = {table.name: read(files[table.name], table) for table in schema.TABLES}
    reason = f"{MARK} names contract {contract}; {n_files} Parquet files"
    if (n_opened := sum(len(paths) for paths in files.values())) < n_files:
        reason += f", {n_opened} of them in the window"
    return from_frames(frames, [Finding(lake.name, lake.where, "lake", reason)])


def frame_of(folder: Path, table: schema.Table) -> pl.LazyFrame:
    """Give one frame of a lake."""
    return scan_files(parts(folder)[table.name], table)


def scan_files(
    files: list[Path], table: schema.Table, *, include_file_paths: str | None = None
) -> pl.LazyFrame:
    """Give the rows of some files of a frame, on request with the path of each row's file."""
    if not files:
        return pl.LazyFrame(schema=table.schema)
    return pl.scan_parquet(
        files, glob=False, hive_partitioning=False, include_file_paths=include_file_paths
    )


def parts(folder: Path) -> dict[str, list[Path]]:
    """List the files of each frame as one commit left them, also while the next is being made."""
    while True:
        state = _mark(folder), read_journal(folder)
        files = {
            table.name: {
                path.relative_to(folder).as_posix(): path
                for path in (folder / table.name).rglob("*.parquet")
            }
            for table in schema.TABLES
        }
        if state == (_mark(folder), read_journal(folder)):
            break
    for place in state[1]["remove"]:
        files.get(place.split("/")[0], {}).pop(place, None)
    for staged, place in state[1]["add"].items():
        if (named := files.get(place.split("/")[0])) is not None:
            named[place] = path if (path := folder / place).exists() else folder / staged
    return {name: [named[place] for place in sorted(named)] for name, named in files.items()}


def read_journal(folder: Path) -> Journal:
    """Read what an unfinished commit still has to do: nothing, as a rule."""
    try:
        found: Journal = json.loads((folder / OWN / JOURNAL).read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {"add": {}, "remove": []}
    return found


def _mark(folder: Path) -> str:
    """Read the mark of a lake, also where its first commit has not moved it into place yet."""
    staged = {place: staged for staged, place in read_journal(folder)["add"].items()}
    for path in (folder / staged.get(MARK, MARK), folder / MARK):
        if path.is_file():
            return path.read_text(encoding="utf-8")
    return "{}"


def _may_hold(path: str, since: datetime | None, until: datetime | None) -> bool:
    """Whether a file may hold rows of a window: its folder names no month, or one inside."""
    named = _MONTH.search(path)
    if named is None:
        return True
    month = named.group(1)
    last = until and until - timedelta(microseconds=1)
    return not (since and month < _month(since)) and not (last and month > _month(last))


def _month(moment: datetime) -> str:
    return f"{moment.year:04}-{moment.month:02}"

"""A lake: a folder of Parquet that chatdata wrote, one folder a frame.

```
lake.json                   contract version
<frame>/*.parquet           conversations, messages, tool_calls, rejects, accounting
.chatdata/                  what a writer needs: manifest, journal, originals
```
Every engine reads the Parquet as it lies. A commit replaces several files at once: until all of
them are in place, a journal names the files to add and to remove, and readers here follow it, so
that they see the state before or after, never between.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.errors import FormatError

if TYPE_CHECKING:
    from pathlib import Path

MARK = "lake.json"
OWN = ".chatdata"
JOURNAL = "journal.json"
MANIFEST = "manifest.sqlite"


def is_lake(folder: Path) -> bool:
    """Whether a folder is a lake."""
    return (folder / MARK).is_file()


def is_ours(folder: Path) -> bool:
    """Whether a writer keeps a lake there, finished or not: then all of it is copies of logs."""
    return (folder / OWN / MANIFEST).is_file()


def open_lake(folder: Path) -> Chats[pl.LazyFrame]:
    """Give the frames of a lake, lazily.

    Raises:
        FormatError: a newer chatdata wrote it.
    """
    found = json.loads((folder / MARK).read_text(encoding="utf-8")).get("contract")
    if found != schema.VERSION:
        raise FormatError(
            f"the lake follows contract {found}, this chatdata reads {schema.VERSION}; "
            "upgrade chatdata",
            source=str(folder),
        )
    frames = {table.name: frame_of(folder, table) for table in schema.TABLES}
    n_files = sum(len(parts(folder, name)) for name in frames)
    reason = f"{MARK} names contract {found}; {n_files} Parquet files"
    return from_frames(frames, [Finding(folder.name, str(folder), "lake", reason)])


def frame_of(folder: Path, table: schema.Table) -> pl.LazyFrame:
    """Give one frame of a lake."""
    files = parts(folder, table.name)
    return pl.scan_parquet(files) if files else pl.LazyFrame(schema=table.schema)


def parts(folder: Path, name: str) -> list[Path]:
    """List the files of a frame as the last commit left them, also while it is being finished."""
    files = {path.name: path for path in (folder / name).glob("*.parquet")}
    journal = read_journal(folder)
    for place in journal["remove"]:
        if place.startswith(f"{name}/"):
            files.pop(place.split("/")[1], None)
    for staged, place in journal["add"].items():
        if place.startswith(f"{name}/") and (folder / staged).exists():
            files[place.split("/")[1]] = folder / staged
    return [files[key] for key in sorted(files)]


def read_journal(folder: Path) -> dict[str, dict[str, str]]:
    """Read what an unfinished commit still has to do: nothing, as a rule."""
    try:
        return dict(json.loads((folder / OWN / JOURNAL).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {"add": {}, "remove": {}}

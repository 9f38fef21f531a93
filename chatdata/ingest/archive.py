"""Originals: every imported file, compressed, by its hash, to be given back byte for byte."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pyarrow as pa

from chatdata.errors import SourceError
from chatdata.formats.lake import OWN

if TYPE_CHECKING:
    from pathlib import Path

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Original:
    """One archived file: the path it was imported from, its size and its hash."""

    path: str
    n_bytes: int
    sha256: str


def digest(file: Path) -> str:
    """Hash a file."""
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def keep(file: Path, lake: Path, sha256: str) -> None:
    """Archive a file, unless one of the same content is there."""
    target = _place(lake, sha256)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    with file.open("rb") as source, pa.CompressedOutputStream(str(draft), "zstd") as packed:
        while data := source.read(_CHUNK):
            packed.write(data)
    draft.replace(target)


def originals(lake: Path) -> list[Original]:
    """List the files that a lake can give back, also those that are gone from where they were.

    Raises:
        SourceError: nothing was imported into it.
    """
    path = lake / OWN / "manifest.sqlite"
    if not path.is_file():
        raise SourceError("no originals here: nothing was imported into it", source=str(lake))
    with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as manifest:
        rows = manifest.execute("select path, n_bytes, sha256 from versions order by path, version")
        return [Original(*row) for row in rows]


def restore(lake: Path, sha256: str, target: Path) -> None:
    """Write an archived file back, byte for byte.

    Raises:
        SourceError: the lake has no original of that hash.
    """
    packed = _place(lake, sha256)
    if not packed.is_file():
        raise SourceError(f"no original {sha256[:12]}… in the archive", source=str(lake))
    with pa.CompressedInputStream(str(packed), "zstd") as source, target.open("wb") as stream:
        shutil.copyfileobj(source, stream)


def _place(lake: Path, sha256: str) -> Path:
    return lake / OWN / "originals" / sha256[:2] / f"{sha256}.zst"

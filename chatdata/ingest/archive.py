"""Originals: every imported file, compressed, by its hash, to be given back byte for byte."""

from __future__ import annotations

import hashlib
import shutil
import sqlite3
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import AccessError, SourceError
from chatdata.formats.lake import MANIFEST, OWN

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

_CHUNK = 1 << 20


@dataclass(frozen=True)
class Original:
    """One archived file: the path it was imported from, its size and its hash."""

    path: str
    n_bytes: int
    sha256: str


def digest(file: Path, n_bytes: int | None = None) -> str:
    """Hash a file, or its first bytes.

    Raises:
        SourceError: it cannot be opened.
    """
    found = hashlib.sha256()
    for data in _chunks(file, n_bytes):
        found.update(data)
    return found.hexdigest()


def keep(file: Path, n_bytes: int, lake: Path, sha256: str) -> None:
    """Archive the first bytes of a file, unless the same content is there.

    Raises:
        SourceError: they are not any more what was hashed.
    """
    import pyarrow as pa

    target = _place(lake, sha256)
    if target.exists():
        return
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_suffix(".part")
    found = hashlib.sha256()
    with pa.CompressedOutputStream(str(draft), "zstd") as packed:
        for data in _chunks(file, n_bytes):
            found.update(data)
            packed.write(data)
    if found.hexdigest() != sha256:
        draft.unlink()
        raise SourceError("it was rewritten while it was read; import it again", source=str(file))
    draft.replace(target)


def _chunks(file: Path, n_bytes: int | None) -> Iterator[bytes]:
    """Give a file, or its first bytes, piece by piece."""
    try:
        with file.open("rb") as stream:
            while data := stream.read(_CHUNK if n_bytes is None else min(_CHUNK, n_bytes)):
                n_bytes = None if n_bytes is None else n_bytes - len(data)
                yield data
    except OSError as error:
        raise SourceError(f"cannot be read: {error.strerror}", source=str(file)) from error


def forget(lake: Path, wanted: set[str]) -> None:
    """Clear away what an import that was interrupted archived and nothing names."""
    for path in (lake / OWN / "originals").glob("*/*"):
        if path.stem not in wanted or path.suffix != ".zst":
            path.unlink()


def originals(lake: Path) -> list[Original]:
    """List the files that a lake can give back, also those that are gone from where they were.

    Raises:
        SourceError: nothing was imported into it.
        AccessError: another import holds it, or one was killed.
    """
    path = lake / OWN / MANIFEST
    if not path.is_file():
        raise SourceError("no originals here: nothing was imported into it", source=str(lake))
    query = "select path, n_bytes, sha256 from versions order by path, version"
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as manifest:
            return [Original(*row) for row in manifest.execute(query)]
    except sqlite3.DatabaseError as error:
        raise AccessError(
            "the list of originals cannot be read now: wait for the import that is running, or "
            "run one that was interrupted again",
            source=str(lake),
        ) from error


def give_back(lake: Path, wanted: Iterable[Original], folder: Path) -> dict[Path, Original]:
    """Write originals below a folder, each under the whole path that it was imported from.

    The newest version of a file has its name; an earlier one has its hash in front.

    Returns:
        Where each original lies now.

    Raises:
        SourceError: another file is in the way, or an original is damaged.
    """
    newest = {original.path: original.sha256 for original in originals(lake)}
    written = {}
    for original in wanted:
        path = Path(original.path)
        parts = [part for part in path.parts if part not in (path.anchor, "..")]
        target = folder.joinpath(*parts)
        if original.sha256 != newest.get(original.path):
            target = target.with_name(f"{original.sha256[:12]}-{target.name}")
        if target.exists() and digest(target) != original.sha256:
            raise SourceError("another file is in the way; name another folder", source=str(target))
        target.parent.mkdir(parents=True, exist_ok=True)
        restore(lake, original.sha256, target)
        written[target] = original
    return written


def restore(lake: Path, sha256: str, target: Path) -> None:
    """Write an archived file back, byte for byte.

    Raises:
        SourceError: the lake has no original of that hash, or a damaged one.
    """
    import pyarrow as pa

    packed = _place(lake, sha256)
    if not packed.is_file():
        raise SourceError(f"no original {sha256[:12]}… in the archive", source=str(lake))
    draft = target.with_name(f".{target.name}.unfinished")
    try:
        with pa.CompressedInputStream(str(packed), "zstd") as source, draft.open("wb") as stream:
            shutil.copyfileobj(source, stream)
    except OSError as error:
        # Arrow's word for damaged data has no number, a full disk's has one; the hash tells.
        if error.errno:
            raise
    if digest(draft) != sha256:
        draft.unlink()
        raise SourceError(f"the original {sha256[:12]}… is damaged", source=str(lake))
    draft.replace(target)


def _place(lake: Path, sha256: str) -> Path:
    return lake / OWN / "originals" / sha256[:2] / f"{sha256}.zst"

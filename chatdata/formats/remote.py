"""Logs and lakes in a bucket, behind `s3://`, read through Arrow's file systems.

Keys come from where the AWS tools look for them: the environment, a profile, the machine's role.
The URL may say more, in Arrow's words: `?region=…`, `?endpoint_override=…&scheme=http`. Whatever
stands there beside bucket and path is never shown.
"""

from __future__ import annotations

import io
import re
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, BinaryIO, cast
from urllib.parse import urlsplit

import polars as pl

from chatdata.errors import SourceError
from chatdata.formats.lake import JOURNAL, MANIFEST, MARK, OWN, Stored
from chatdata.formats.sources import Document

if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import ExitStack

    from pyarrow import NativeFile
    from pyarrow.dataset import Dataset
    from pyarrow.fs import FileSystem

    from chatdata import schema

SCHEME = "s3"
_READ_BYTES = 1 << 20
_UNREADABLE = "cannot be read; check bucket, path and region, and that your keys may list and read"


def is_remote(source: str) -> bool:
    """Whether a source is the URL of something in a bucket."""
    return source.startswith(f"{SCHEME}://")


@dataclass(frozen=True)
class Place:
    """A path in a bucket.

    Attributes:
        system: the file system, which has the keys.
        path: bucket and path, as the file system wants them.
    """

    system: FileSystem = field(repr=False)
    path: str

    @property
    def shown(self) -> str:
        """The URL without anything but bucket and path."""
        return f"{SCHEME}://{self.path}"

    def files(self) -> list[str]:
        """List the paths of all objects below this one, in a stable order."""
        from pyarrow.fs import FileSelector, FileType

        chosen = FileSelector(self.path, recursive=True, allow_not_found=True)
        with _explained(self.shown):
            found = self.system.get_file_info(chosen)
        return sorted(info.path for info in found if info.type == FileType.File)

    def is_file(self, name: str = "") -> bool:
        """Whether this is an object, or one of that name lies below it."""
        from pyarrow.fs import FileType

        with _explained(self.shown):
            info = self.system.get_file_info(f"{self.path}/{name}" if name else self.path)
        return bool(info.type == FileType.File)

    def read(self, name: str) -> bytes:
        """Give the bytes of a small object below this one."""
        with _explained(self.shown), self.system.open_input_file(f"{self.path}/{name}") as stream:
            return bytes(stream.read())


def place(url: str) -> Place:
    """Say where a URL points.

    Raises:
        SourceError: it is no usable URL.
    """
    from pyarrow.fs import FileSystem

    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    path = f"{host}{parts.path}".rstrip("/")
    with _explained(f"{SCHEME}://{path}"):
        query = f"?{parts.query}" if parts.query else ""
        system, _ = FileSystem.from_uri(f"{SCHEME}://{parts.netloc}{query}")
    return Place(system, path)


def documents(url: str) -> list[Document]:
    """List the documents of an object, of all below a path, or of a pattern, in a stable order.

    Raises:
        SourceError: nothing is there, or it cannot be listed.
    """
    where = place(url)
    if where.is_file():
        return [_document(where, where.path, where.path.rpartition("/")[0])]
    root = where.path
    while any(mark in root for mark in "*?["):
        root = root.rpartition("/")[0]
    found = Place(where.system, root).files()
    if root != where.path:
        fits = re.compile(_pattern(where.path))
        found = [path for path in found if fits.fullmatch(path)]
    lakes = [path[: -len(_LAKE)] for path in found if path.endswith(_LAKE)]
    found = [path for path in found if not path.startswith(tuple(f"{lake}/" for lake in lakes))]
    if not found:
        raise SourceError("no such object, folder or pattern; check the URL", source=where.shown)
    return [_document(where, path, root) for path in found]


def stored(where: Place) -> Stored:
    """Say what a lake holds that was copied into a bucket.

    Raises:
        SourceError: it was copied while it was being written.
    """
    if where.is_file(f"{OWN}/{JOURNAL}"):
        raise SourceError(
            "the lake was copied while it was written; copy it again", source=where.shown
        )
    files: dict[str, list[str]] = {}
    for path in where.files():
        within = PurePosixPath(path).relative_to(where.path)
        if within.suffix == ".parquet":
            files.setdefault(within.parts[0], []).append(path)
    return Stored(PurePosixPath(where.path).name, where.shown, where.read(MARK).decode(), files)


def dataset(where: Place, files: list[str], table: schema.Table) -> Dataset:
    """Give some Parquet files of a frame, for any engine that scans Arrow datasets."""
    import pyarrow as pa
    from pyarrow.dataset import dataset

    if not files:
        return dataset(pa.table(table.schema.to_frame().to_arrow()))
    with _explained(where.shown):
        return dataset(files, filesystem=where.system, format="parquet")


def scan_files(where: Place, files: list[str], table: schema.Table) -> pl.LazyFrame:
    """Give the rows of some Parquet files of a frame, to be read when they are asked for."""
    return pl.scan_pyarrow_dataset(dataset(where, files, table))


class _Object(io.RawIOBase):
    """An object as a file; what goes wrong with the network is no damage of what is read."""

    def __init__(self, file: NativeFile, shown: str) -> None:
        self._file = file
        self._shown = shown

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        return int(self._file.seek(offset, whence))

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever memory it is
        with _explained(self._shown):
            data = self._file.read(len(buffer))
        buffer[: len(data)] = data
        return len(data)


_LAKE = f"/{OWN}/{MANIFEST}"


def _document(where: Place, path: str, root: str) -> Document:
    shown = f"{SCHEME}://{path}"

    def start(stack: ExitStack) -> BinaryIO:
        with _explained(shown):
            file = stack.enter_context(where.system.open_input_file(path))
        return cast("BinaryIO", io.BufferedReader(_Object(file, shown), _READ_BYTES))

    name = PurePosixPath(path).relative_to(root).as_posix()
    return Document(shown, name, Path(path), start, is_here=False)


def _pattern(path: str) -> str:
    """Write a pattern of paths as a regular expression: `*` stays within a folder, `**` does not.

    A `**` between slashes may be no folder at all.
    """
    tokens = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    parts = re.split(r"(\*\*/|\*\*|\*|\?|\[[^]]*\])", path)
    return "".join(
        tokens.get(part, part.replace("[!", "[^") if part[:1] == "[" else re.escape(part))
        for part in parts
    )


@contextmanager
def _explained(shown: str) -> Iterator[None]:
    """Turn what Arrow says into one line that names no keys."""
    import pyarrow as pa

    try:
        yield
    except (OSError, pa.ArrowException):
        raise SourceError(_UNREADABLE, source=shown) from None

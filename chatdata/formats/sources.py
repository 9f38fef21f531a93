"""Where records come from: files, folders, globs, archives, each as documents that can be opened.

A document is one file, or one member of a zip archive. Compression (gzip, zstd) and UTF-16 are
undone by what the bytes say, never by the name.
"""

from __future__ import annotations

import codecs
import glob
import gzip
import hashlib
import io
import os
import shutil
import struct
import tempfile
import zipfile
import zlib
from collections import Counter
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import cache, cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from chatdata.errors import SourceError
from chatdata.formats.lake import MARK, is_ours

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

BROKEN_STREAM = (EOFError, zlib.error, OSError, zipfile.BadZipFile)
_STEP = 16 * 1024
_BUFFER = 64 * 1024
_GZIP = b"\x1f\x8b"
_ZSTD = b"\x28\xb5\x2f\xfd"
_ZIP = b"PK\x03\x04"
_ZSTD_MEMBER = 93
_UTF16 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_MAGIC = {b"SQLite format 3\0": "sqlite", b"PAR1": "parquet"}


@dataclass(frozen=True)
class Document:
    """One file, or one member of an archive.

    Attributes:
        path: how it is shown: the path, with the member after it.
        name: the part below the scanned folder; a single file's own name.
        file: the file it lies in.
        start: opens the stored bytes, still compressed, and leaves closing to the stack.
        is_here: whether the file is one of this machine.
    """

    path: str
    name: str
    file: Path
    start: Callable[[ExitStack], BinaryIO]
    is_here: bool = True

    @cached_property
    def place(self) -> str:
        """The path of the file itself, links followed."""
        return os.path.realpath(self.file)

    @contextmanager
    def open(self) -> Iterator[BinaryIO]:
        """Open the unpacked bytes for reading."""
        with ExitStack() as stack:
            try:
                stream = _unpack(self.start(stack), stack)
            except BROKEN_STREAM as error:
                raise SourceError(
                    "compressed data ends early or is damaged; copy it again", source=self.path
                ) from error
            yield stream

    def head(self, n_bytes: int) -> bytes:
        """Read the first bytes, and on to the end of the first line if it starts an object."""
        with self.open() as stream:
            return head(stream, n_bytes)

    @cached_property
    def kind(self) -> str:
        """What the bytes are: sqlite, parquet, zip, or text."""
        with self.open() as stream:
            head = _read(stream, 16)
        if head.startswith(_ZIP):
            return "zip"
        return next((kind for magic, kind in _MAGIC.items() if head.startswith(magic)), "text")

    def is_plain_text(self) -> bool:
        """Whether the stored bytes are the text itself, packed in no way."""
        with ExitStack() as stack:
            stored = stack.enter_context(_buffered(self.start(stack)))
            return _codec(stored) is None and self.kind == "text"

    def local(self) -> Path:
        """Give a path where the unpacked bytes lie, for readers that need a file."""
        with ExitStack() as stack:
            stored = stack.enter_context(_buffered(self.start(stack)))
            own = self.is_here and self.name.endswith(self.file.name)
            if own and _codec(stored) is None:
                return self.file
        from chatdata.spool import folder

        with self.open() as stream:
            handle, path = tempfile.mkstemp(dir=folder())
            with os.fdopen(handle, "wb") as copy:
                shutil.copyfileobj(stream, copy)
        return Path(path)


def documents(source: str | Path) -> list[Document]:
    """List the documents of a file, folder or glob, in a stable order.

    Archives are not opened here; `members` does that once nobody wants them whole. Of a lake below
    the folder only its mark is listed: its rows and originals are copies of logs.

    Raises:
        SourceError: nothing is named or there, or a folder holds no file.
    """
    from chatdata.formats import remote

    if remote.is_remote(str(source)):
        return remote.documents(str(source))
    text = os.path.expanduser(source)  # noqa: PTH111 - globs are no paths
    _check(text)
    path = Path(text)
    if path.is_dir():
        found = [_document(file, path) for file in _outside_lakes(_walk(path), path)]
    elif path.exists():
        found = [_document(path, path.parent)]
    else:
        matches = sorted(glob.glob(text, recursive=True, include_hidden=True))  # noqa: PTH207
        files = [path for match in matches if (path := Path(match)).is_file()]
        root = _fixed_part(text)
        found = [_document(file, root) for file in _outside_lakes(files, root)]
        if not found:
            raise SourceError("no such file, folder or pattern; check the path", source=text)
    if not found:
        raise SourceError("the folder holds no files", source=text)
    return found


def together(sources: Iterable[str | Path]) -> list[Document]:
    """List the documents of several sources, each once, named below the folder they all lie in.

    Raises:
        SourceError: as `documents`.
    """
    each = (found for source in sources for found in documents(source))
    listed = {found.place if found.is_here else found.path: found for found in each}
    here = [found for found in listed.values() if found.is_here]
    root = os.path.commonpath([os.path.dirname(found.place) for found in here]) if here else ""  # noqa: PTH120 - they are texts
    return [
        replace(found, name=os.path.relpath(place, root)) if found.is_here else found
        for place, found in listed.items()
    ]


def without_copies(listed: Iterable[Document]) -> tuple[list[Document], list[tuple[Document, str]]]:
    """Part files of this machine from those that hold the very bytes of one before them.

    Returns:
        The first of each, and the copies with the name of what they are a copy of.
    """
    listed = list(listed)
    sizes = [_size(found.file) if found.is_here else 0 for found in listed]
    alike = Counter(sizes)
    first: dict[str, str] = {}
    kept, copies = [], []
    for found, n_bytes in zip(listed, sizes, strict=True):
        content = _digest(found.file) if n_bytes and alike[n_bytes] > 1 else None
        if content and first.setdefault(content, found.name) != found.name:
            copies.append((found, first[content]))
        else:
            kept.append(found)
    return kept, copies


def _size(file: Path) -> int:
    """Give the size of a file; 0 where it cannot be asked, which whoever reads it is told."""
    with suppress(OSError):
        return file.stat().st_size
    return 0


def _digest(file: Path) -> str | None:
    with suppress(OSError), file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
    return None


def _check(source: str) -> None:
    """Refuse what names no files; an empty path would mean the current folder."""
    scheme, url, _ = source.partition("://")
    if not source.strip():
        raise SourceError(
            "an empty source; name a file, folder, pattern or database, or . for this folder"
        )
    if url:
        raise SourceError(
            f"no reader for {scheme}:// URLs; use a path, s3://, sqlite:/// or postgresql://",
            source=f"{scheme}://…",
        )


def members(document: Document) -> Iterator[Document]:
    """Yield the members of a zip archive, itself opened from the archive each time.

    Raises:
        SourceError: the archive is damaged or encrypted.
    """
    try:
        with document.open() as stream, zipfile.ZipFile(stream) as archive:
            infos = sorted(archive.infolist(), key=lambda info: info.filename)
    except (zipfile.BadZipFile, OSError) as error:
        raise SourceError(
            "damaged zip archive; export or copy it again", source=document.path
        ) from error
    for info in infos:
        if info.flag_bits & 1:
            raise SourceError("the archive is encrypted; unpack it first", source=document.path)
        if not info.is_dir():
            yield Document(
                path=f"{document.path}/{info.filename}",
                name=f"{document.name}/{info.filename}",
                file=document.file,
                start=_member_opener(document, info),
                is_here=document.is_here,
            )


def _walk(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        folders.sort()
        for name in sorted(names):
            path = Path(parent, name)
            if path.is_file():
                yield path


def _outside_lakes(files: Iterable[Path], root: Path) -> Iterator[Path]:
    @cache
    def lake_of(folder: Path) -> Path | None:
        if folder in (root, folder.parent):
            return None
        return lake_of(folder.parent) or (folder if is_ours(folder) else None)

    for file in files:
        lake = lake_of(file.parent)
        if lake is None or file == lake / MARK:
            yield file


def _fixed_part(pattern: str) -> Path:
    parts = Path(pattern).parts
    fixed = []
    for part in parts[:-1]:
        if glob.has_magic(part):
            break
        fixed.append(part)
    return Path(*fixed)


class _Beginning(io.RawIOBase):
    """The first bytes of a file, which may grow while it is read."""

    def __init__(self, file: BinaryIO, n_bytes: int) -> None:
        self._file = file
        self._n_bytes = n_bytes

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET, /) -> int:
        if whence == io.SEEK_END:
            offset, whence = offset + self._n_bytes, io.SEEK_SET
        return self._file.seek(offset, whence)

    def readinto(self, buffer: Any, /) -> int:  # noqa: ANN401 - whatever memory it is
        data = self._file.read(max(0, min(len(buffer), self._n_bytes - self._file.tell())))
        buffer[: len(data)] = data
        return len(data)


def beginning(document: Document, n_bytes: int) -> Document:
    """Give the first bytes of a file as a document."""

    def start(stack: ExitStack) -> BinaryIO:
        return cast("BinaryIO", _Beginning(document.start(stack), n_bytes))

    return replace(document, start=start)


def document(file: Path, name: str, path: str) -> Document:
    """Give a file as a document."""
    return Document(path, name, file, lambda stack: stack.enter_context(_open(file)))


def _document(file: Path, folder: Path) -> Document:
    return document(file, file.relative_to(folder).as_posix(), str(file))


def _open(file: Path) -> BinaryIO:
    try:
        # What unpacks it buffers.
        return cast("BinaryIO", file.open("rb", buffering=0))
    except OSError as error:
        raise SourceError(
            f"cannot be opened: {error.strerror or 'unknown reason'}", source=str(file)
        ) from error


def head(stream: BinaryIO, n_bytes: int) -> bytes:
    """Read the first bytes, and on to the end of the first line if it starts an object."""
    first = _read(stream, n_bytes)
    if len(first) == n_bytes and b"\n" not in first and first.lstrip()[:1] == b"{":
        with suppress(*BROKEN_STREAM):
            first += stream.readline()
    return first


def _read(stream: BinaryIO, n_bytes: int) -> bytes:
    """Read what can be read; damaged compressed data simply ends."""
    head = b""
    with suppress(*BROKEN_STREAM):
        while len(head) < n_bytes and (data := stream.read(min(_STEP, n_bytes - len(head)))):
            head += data
    return head


def _codec(stream: io.BufferedReader) -> str | None:
    head = stream.peek(4)[:4]
    if head.startswith(_GZIP):
        return "gzip"
    if head.startswith(_ZSTD):
        return "zstd"
    return "utf-16" if head.startswith(_UTF16) else None


def _buffered(stream: BinaryIO) -> io.BufferedReader:
    return io.BufferedReader(cast("io.RawIOBase", stream), _BUFFER)


def _unpack(stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    buffered = stack.enter_context(_buffered(stream))
    codec = _codec(buffered)
    if codec == "gzip":
        unzipped = stack.enter_context(gzip.GzipFile(fileobj=buffered))
        return _unpack(cast("BinaryIO", unzipped), stack)
    if codec == "zstd":
        import pyarrow as pa

        unpacked = stack.enter_context(pa.CompressedInputStream(buffered, "zstd"))
        inner = stack.enter_context(_buffered(cast("BinaryIO", unpacked)))
        return _seekable(inner, stack) if inner.peek(4).startswith(_ZIP) else _unpack(inner, stack)
    if codec == "utf-16":
        with io.TextIOWrapper(buffered, "utf-16", errors="backslashreplace", newline="") as text:
            return io.BytesIO(text.read().encode("utf-8", "backslashreplace"))
    return buffered


def _seekable(stream: BinaryIO, stack: ExitStack) -> BinaryIO:
    """Copy an archive out of a stream that only goes forward: its list of members is at the end."""
    from chatdata.spool import folder

    copy = stack.enter_context(tempfile.TemporaryFile(dir=folder()))  # noqa: SIM115 - the stack closes it
    shutil.copyfileobj(stream, copy)
    copy.seek(0)
    return cast("BinaryIO", copy)


def _member_opener(document: Document, info: zipfile.ZipInfo) -> Callable[[ExitStack], BinaryIO]:
    def start(stack: ExitStack) -> BinaryIO:
        try:
            if info.compress_type == _ZSTD_MEMBER:
                return _zstd_member(stack.enter_context(document.open()), info, stack)
            archive = zipfile.ZipFile(stack.enter_context(document.open()))
            return cast("BinaryIO", stack.enter_context(stack.enter_context(archive).open(info)))
        except (zipfile.BadZipFile, NotImplementedError, OSError) as error:
            raise SourceError(
                "the archive member is damaged or packed in an unknown way",
                source=f"{document.path}/{info.filename}",
            ) from error

    return start


def _zstd_member(stream: BinaryIO, info: zipfile.ZipInfo, stack: ExitStack) -> BinaryIO:
    """Open a member packed with zstd, which `zipfile` reads only from Python 3.14 on."""
    import pyarrow as pa

    stream.seek(info.header_offset)
    header = stream.read(30)
    # The local header ends with the lengths of two fields that stand before the data.
    stream.seek(sum(struct.unpack("<HH", header[26:30])), io.SEEK_CUR)
    stored = io.BytesIO(stream.read(info.compress_size))
    return cast("BinaryIO", stack.enter_context(pa.CompressedInputStream(stored, "zstd")))

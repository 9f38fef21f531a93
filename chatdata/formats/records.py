"""Records of a JSON document, streamed: lines, elements of one array, or whole values.

A record is decoded by msgspec, then by the standard library for what msgspec refuses (lone
surrogates, NaN, invalid UTF-8); what neither reads is a `Bad` record with its place and a fixed
reason. Nothing here holds a whole document, unless the document is one value.
"""

from __future__ import annotations

import codecs
import json
import math
import re
import sys
from itertools import islice
from typing import TYPE_CHECKING, Any, BinaryIO

import msgspec

from chatdata.formats.sources import BROKEN_STREAM

if TYPE_CHECKING:
    from collections.abc import Iterator

HEAD_BYTES = 256 * 1024
CHUNK = 1 << 20
TRUNCATED = "truncated_tail"
_LOOKED_AT = 40
_ROOM = 4_000
_STRUCTURE = re.compile(r'"[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?$)|[\[\]{}]', re.DOTALL)
_BOUNDARY = re.compile(r"[,\]{\[]")
_SUSPECT = re.compile(r"NaN|Infinity|\\u[dD][89a-fA-F]|[\ud800-\udfff]")
_SCANNER = json.JSONDecoder()
_SPACE = re.compile(r"[\s,\ufeff\0]*")
_decode = msgspec.json.Decoder().decode


class Stretch(msgspec.Struct, frozen=True):
    """Some of a document's lines: from a byte on, after so many lines, to before another byte."""

    start: int = 0
    n_lines: int = 0
    end: float = math.inf


WHOLE = Stretch()


class Record(msgspec.Struct, gc=False):
    """One decoded record and its place: 1-based number, byte offset in the unpacked document."""

    value: Any
    number: int
    offset: int
    lenient: bool = False


class Bad(msgspec.Struct, gc=False):
    """One record that nothing could decode; rows of tables begin at no byte of their document."""

    number: int
    offset: int | None
    reason: str


def shape(head: bytes, *, whole: bool) -> str:
    """Tell lines, one array, or values apart by the beginning of a document.

    Args:
        head: the first bytes, at least the whole first line unless it starts with `[`.
        whole: whether `head` is all there is.
    """
    # What follows the lines that are looked at stays in one piece.
    lines = head.lstrip(codecs.BOM_UTF8).split(b"\n", _LOOKED_AT)
    complete = lines if whole or head.endswith(b"\n") else lines[:-1]
    lines, complete = (
        [line for line in some if line.strip(b"\0 \r\t")] for some in (lines, complete)
    )
    first = lines[0].lstrip() if lines else b""
    records = (line for line in complete[:_LOOKED_AT] if line[:1] in b"{[" and _parses(line))
    record = next(records, None)
    if first.startswith(b"["):
        return "lines" if len(lines) > 1 and record is lines[0] else "array"
    if record is not None or len(lines) == 1:
        return "lines"
    return "values" if first[:1] == b"{" else "lines"


def read(stream: BinaryIO, form: str, stretch: Stretch = WHOLE) -> Iterator[Record | Bad]:
    """Yield every record of a document of the given shape, bad ones included, in order.

    Of lines a stretch may be asked for, where the stream can be sought.
    """
    if form == "lines":
        yield from _lines(stream, stretch)
    else:
        yield from _values(stream, array=form == "array")


def sample(stream: BinaryIO, form: str) -> Iterator[Any]:
    """Decode the first values: up to 40 lines, or 3 elements of an array."""
    found = islice(read(stream, form), _LOOKED_AT if form == "lines" else 3)
    for record in found:
        if isinstance(record, Record):
            yield record.value


def encode(value: Any) -> str:  # noqa: ANN401 - any JSON value
    """Write a value as compact JSON: source key order, non-ASCII unescaped."""
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, UnicodeEncodeError, RecursionError):
        pass
    # What was decoded under few calls may be nested too deep to be encoded under more.
    limit = sys.getrecursionlimit()
    sys.setrecursionlimit(limit + _ROOM)
    try:
        return msgspec.json.encode(value).decode()
    except (OverflowError, UnicodeEncodeError):
        # Integers beyond 64 bits, which msgspec reads exactly but does not write.
        return json.dumps(plain(value), ensure_ascii=False, separators=(",", ":"))
    finally:
        sys.setrecursionlimit(limit)


def plain(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    """Replace what no valid UTF-8 or JSON can hold: lone surrogates by escapes, NaN by its name."""
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, list):
        return [plain(item) for item in value]
    if isinstance(value, dict):
        return {plain(key): plain(item) for key, item in value.items()}
    return value


def _parses(line: bytes) -> bool:
    try:
        _decode(line)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return False
    return True


def _lines(stream: BinaryIO, stretch: Stretch) -> Iterator[Record | Bad]:
    offset, number = stretch.start, stretch.n_lines
    if offset:
        stream.seek(offset)
    lines = iter(stream)
    while True:
        try:
            line = next(lines, None)
        except BROKEN_STREAM:
            yield Bad(number + 1, offset, "compressed data ends early or is damaged")
            return
        if line is None or offset >= stretch.end:
            return
        start = offset
        offset += len(line)
        number += 1
        if start == 0 and line.startswith(codecs.BOM_UTF8):
            line = line[3:]
        try:
            yield Record(_decode(line), number, start)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            if line.strip(b"\0 \r\n\t"):
                yield _lenient(line, number, start)


def _lenient(line: bytes, number: int, start: int) -> Record | Bad:
    text = line.decode("utf-8", "surrogateescape").strip("\0 \r\n\t\ufeff")
    try:
        return Record(plain(json.loads(text)), number, start, lenient=True)
    except RecursionError:
        return Bad(number, start, "nested too deep")
    except ValueError:
        return Bad(number, start, "not JSON" if line.endswith(b"\n") else TRUNCATED)


class _Window:
    """Text read ahead from a stream; `at` is the next character, `offset` its byte."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self.text = ""
        self.at = 0
        self.offset = 0
        self.ended = False
        self.broken = False

    def fill(self) -> bool:
        """Drop what was read and read at least as much again as is left; False at the end."""
        self.text = self.text[self.at :]
        self.at = 0
        try:
            data = self.stream.read(max(CHUNK, len(self.text)))
        except BROKEN_STREAM:
            data, self.broken = b"", True
        self.ended = not data
        self.text += self.decoder.decode(data, final=self.ended)
        return not self.ended

    def advance(self, end: int) -> str:
        """Take the text up to a character."""
        taken = self.text[self.at : end]
        self.at = end
        self.offset += len(taken.encode("utf-8", "surrogateescape"))
        return taken

    def skip_space(self) -> bool:
        """Go to the next value; False when there is none."""
        while True:
            match = _SPACE.match(self.text, self.at)
            if match and match.end() > self.at:
                self.advance(match.end())
            if self.at < len(self.text):
                return True
            if self.ended or not self.fill():
                return False


def _values(stream: BinaryIO, *, array: bool) -> Iterator[Record | Bad]:
    window = _Window(stream)
    number = 0
    cut = False
    if array and window.skip_space():
        window.advance(window.at + 1)
    while window.skip_space():
        if array and window.text[window.at] == "]":
            window.advance(window.at + 1)
            array = False
            continue
        number += 1
        record = _next_value(window, number)
        cut = isinstance(record, Bad) and record.reason == TRUNCATED
        yield record
    if window.broken:
        yield Bad(number + 1, window.offset, "compressed data ends early or is damaged")
    elif array and not cut:
        yield Bad(number + 1, window.offset, TRUNCATED)


def _next_value(window: _Window, number: int) -> Record | Bad:
    start = window.offset
    while True:
        try:
            value, end = _SCANNER.raw_decode(window.text, window.at)
        except RecursionError:
            _skip_value(window)
            return Bad(number, start, "nested too deep")
        except json.JSONDecodeError as error:
            cut = _may_go_on(error, window.text)
            if cut and not window.ended:
                window.fill()
                continue
            _skip_value(window)
            cut = cut and window.at >= len(window.text)
            return Bad(number, start, TRUNCATED if cut else "not JSON")
        if end == len(window.text) and not window.ended:
            window.fill()
            continue
        text = window.advance(end)
        lenient = _SUSPECT.search(text) is not None and not _strict(text)
        try:
            return Record(plain(value) if lenient else value, number, start, lenient=lenient)
        except RecursionError:
            return Bad(number, start, "nested too deep")


def _strict(text: str) -> bool:
    return _parses(text.encode("utf-8", "surrogateescape"))


def _may_go_on(error: json.JSONDecodeError, text: str) -> bool:
    """Whether more text could mend the error: it lies in an open string or at the very end."""
    return error.msg.startswith("Unterminated string") or error.pos >= len(text) - 12


def _skip_value(window: _Window) -> None:
    """Go past a value that cannot be decoded: to where its brackets close, or to the end."""
    if window.text[window.at] not in '{["':
        match = _BOUNDARY.search(window.text, window.at + 1)
        window.advance(match.start() if match else len(window.text))
        return
    depth = 0
    while True:
        for match in _STRUCTURE.finditer(window.text, window.at):
            mark = match.group()
            if mark[0] == '"' and not _closed(mark):
                break
            window.advance(match.end())
            depth += (mark in "{[") - (mark in "}]")
            if depth <= 0:
                return
        if window.ended or not window.fill():
            window.advance(len(window.text))
            return


def _closed(text: str) -> bool:
    return len(text) > 1 and text[-1] == '"'

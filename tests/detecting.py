"""Logs in the disguises in which people have them: packed, cut short, renamed, re-encoded."""

from __future__ import annotations

import gzip
import io
import json
import zipfile
from pathlib import Path

import pyarrow as pa

from chatdata.formats.base import sniff
from chatdata.formats.sources import Document, members

CONTAINERS = (b"SQLite", b"PK", b"PAR1")
WRONG = {".jsonl": ".csv", ".json": ".txt", ".md": ".log", ".db": ".json", ".parquet": ".jsonl"}


def zipped(name, data):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"export/{name}", data)
    return target.getvalue()


def records_of(data):
    """
    Give the records of a document and how they are written: lines, or elements of one array.
    """
    text = data.decode("utf-8-sig", "replace").strip()
    try:
        whole = json.loads(text)
    except ValueError:
        return "lines", [line for line in text.splitlines() if line.strip()]
    return ("array", whole) if isinstance(whole, list) and whole else ("value", [text])


def first(form, records, n):
    chosen = records[:n]
    return "\n".join(chosen).encode() if form == "lines" else json.dumps(chosen, indent=1).encode()


def disguises(name, data):
    """
    Yield a log as it is and in every disguise that suits it: what was done, its name, its bytes.
    """
    stem, suffix = Path(name).with_suffix("").as_posix(), Path(name).suffix
    yield "as it is", name, data
    yield "gzip", f"{name}.gz", gzip.compress(data, 1)
    yield "zstd", f"{name}.zst", pa.compress(data, codec="zstd", asbytes=True)
    yield "zip", f"{stem}.zip", zipped(name, data)
    yield "wrong extension", stem + WRONG.get(suffix, ".bin"), data
    yield "no extension", stem, data
    if data.startswith(CONTAINERS):
        return
    yield "byte order mark", name, b"\xef\xbb\xbf" + data.removeprefix(b"\xef\xbb\xbf")
    yield "CRLF", name, data.replace(b"\r\n", b"\n").replace(b"\n", b"\r\n")
    if data[:1] not in b"[{":
        return
    form, records = records_of(data)
    if form == "value":
        return
    if len(records) > 1:
        yield "first record", name, first(form, records, 1)
    if len(records) > 3:
        yield "first 3 records", name, first(form, records, 3)
    if form == "lines" and len(records) > 1:
        garbled = [records[0][len(records[0]) // 2 :], *records[1:]]
        yield "garbled first line", name, "\n".join(garbled).encode()


def document(name, data):
    return Document(name, name, Path(name), lambda stack: stack.enter_context(io.BytesIO(data)))


def detected(name, data, folder):
    """
    Say what a log is taken for, and how surely; of an archive that nobody wants, its member.
    """
    if data.startswith((b"SQLite", b"PAR1")):
        path = folder / "held"
        path.write_bytes(data)
        return taken(Document(name, name, path, lambda stack: stack.enter_context(path.open("rb"))))
    return taken(document(name, data))


def taken(held):
    found = sniff(held)
    if found.format is not None or held.kind != "zip":
        return (found.format.name if found.format else None), found.confidence
    inside = [taken(member) for member in members(held)]
    return next((each for each in inside if each[0]), (None, 0.0))

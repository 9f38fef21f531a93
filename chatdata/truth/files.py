"""Records as the bytes of files."""

from __future__ import annotations

import io
import json
import sqlite3
import tempfile
import zipfile
from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence


def compact(value: object) -> str:
    """Write a value as compact JSON."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def lines(records: Iterable[object]) -> bytes:
    """Write records a line each."""
    return "".join(f"{compact(record)}\n" for record in records).encode()


def whole(value: object) -> bytes:
    """Write one value."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode()


def zipped(files: Mapping[str, bytes]) -> bytes:
    """Write an archive; its times are fixed, so that the same files give the same bytes."""
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in files.items():
            archive.writestr(zipfile.ZipInfo(name), data)
    return target.getvalue()


def database(schema: str, rows: Mapping[str, Sequence[Sequence[Any]]]) -> bytes:
    """Write an SQLite file."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "made.db")
        with closing(sqlite3.connect(path)) as connection, connection:
            connection.executescript(schema)
            for table, listed in rows.items():
                if listed:
                    marks = ", ".join("?" * len(listed[0]))
                    connection.executemany(f'insert into "{table}" values ({marks})', listed)
        return path.read_bytes()

"""What a lake has imported: files with size, time and hash, databases with their watermark.

Lives in the manifest that is also the writers' lock, so that it changes with the commit. A file
keeps the number and the name under which its content was first seen: imported alone first and with
its folder later, it gives the same keys.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import sqlite3

_TABLES = (
    """create table if not exists files (
        number integer primary key, path text unique not null, name text not null,
        n_bytes integer not null, mtime_ns integer not null, sha256 text not null,
        twin_of integer, batch text)""",
    "create index if not exists files_by_content on files (sha256)",
    """create table if not exists versions (
        version integer primary key, path text not null, n_bytes integer not null,
        sha256 text not null, unique (path, sha256))""",
    "create table if not exists databases (origin text primary key, watermark text)",
)


@dataclass(frozen=True)
class Seen:
    """One file: where it lies, what it is called in ids, and what it held when it was read."""

    path: str
    name: str
    n_bytes: int
    mtime_ns: int
    sha256: str
    number: int = 0


class Manifest:
    """The tables of what was imported, inside the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        for statement in _TABLES:
            connection.execute(statement)

    def files(self) -> dict[str, Seen]:
        """Give every file by its path."""
        rows = self.connection.execute(
            "select path, name, n_bytes, mtime_ns, sha256, number from files"
        )
        return {row[0]: Seen(*row) for row in rows}

    def same_content(self, sha256: str) -> Seen | None:
        """Find a file of that content whose rows are read."""
        row = self.connection.execute(
            "select path, name, n_bytes, mtime_ns, sha256, number from files "
            "where sha256 = ? and twin_of is null order by number",
            (sha256,),
        ).fetchone()
        return None if row is None else Seen(*row)

    def note(self, seen: Seen, *, twin_of: int | None = None) -> int:
        """Write down a file, new or changed, and give its number.

        Files of the content that it had before are no twins of it any more; the next import
        reads them for themselves.
        """
        self.connection.execute(
            "update files set twin_of = null, mtime_ns = -1 where twin_of = "
            "(select number from files where path = ? and sha256 <> ?)",
            (seen.path, seen.sha256),
        )
        self.connection.execute(
            "insert into files (path, name, n_bytes, mtime_ns, sha256, twin_of) "
            "values (?, ?, ?, ?, ?, ?) on conflict (path) do update set "
            "n_bytes = excluded.n_bytes, mtime_ns = excluded.mtime_ns, "
            "sha256 = excluded.sha256, twin_of = excluded.twin_of",
            (seen.path, seen.name, seen.n_bytes, seen.mtime_ns, seen.sha256, twin_of),
        )
        self.connection.execute(
            "insert or ignore into versions (path, n_bytes, sha256) values (?, ?, ?)",
            (seen.path, seen.n_bytes, seen.sha256),
        )
        row = self.connection.execute("select number from files where path = ?", (seen.path,))
        return int(row.fetchone()[0])

    def read_in(self, number: int, batch: str) -> None:
        """Say which batch holds the rows of a file's newest content."""
        self.connection.execute("update files set batch = ? where number = ?", (batch, number))

    def live(self) -> dict[str, list[int]]:
        """Give the files that count, by the batch that holds their rows."""
        found: dict[str, list[int]] = {}
        rows = self.connection.execute(
            "select batch, number from files where batch is not null and twin_of is null "
            "order by batch, number"
        )
        for batch, number in rows:
            found.setdefault(batch, []).append(number)
        return found

    def watermark(self, origin: str) -> str | None:
        """Give the newest message time that was read of a database."""
        row = self.connection.execute(
            "select watermark from databases where origin = ?", (origin,)
        ).fetchone()
        return None if row is None else row[0]

    def set_watermark(self, origin: str, watermark: str | None) -> None:
        """Note how far a database was read."""
        self.connection.execute(
            "insert or replace into databases values (?, ?)", (origin, watermark)
        )

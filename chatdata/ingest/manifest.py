"""What a lake has imported: files with size, time and hash, databases with their watermark.

Lives in the manifest that is also the writers' lock, so that it changes with the commit. A file
keeps the number and the name under which its content was first seen: imported alone first and with
its folder later, it gives the same keys. The rows that a reading of a file gave are a part, or
several; the newest reading replaces those before it.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import TYPE_CHECKING

import polars as pl

from chatdata.ingest.asked import Asked

if TYPE_CHECKING:
    import sqlite3
    from collections.abc import Iterable, Iterator

_TABLES = (
    """create table if not exists files (
        number integer primary key, path text unique not null, name text unique not null,
        n_bytes integer not null, mtime_ns integer not null, sha256 text not null,
        twin_of integer)""",
    "create index if not exists files_by_content on files (sha256)",
    """create table if not exists versions (
        version integer primary key, path text not null, n_bytes integer not null,
        sha256 text not null, unique (path, sha256))""",
    """create table if not exists parts (
        part integer primary key, number integer not null references files)""",
    "create index if not exists parts_by_file on parts (number)",
    """create table if not exists lines (
        number integer primary key references files, format text not null,
        origin text not null, time_zone text not null, n_bytes integer not null,
        n_lines integer not null, stands integer not null)""",
    """create table if not exists databases (
        origin text primary key, place text not null, watermark text)""",
    "create table if not exists asked (source text primary key, how text not null)",
    "create table if not exists counters (name text primary key, next integer not null)",
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


@dataclass(frozen=True)
class Lines:
    """The whole lines of a file that were read, where each stands alone.

    Attributes:
        format: as which they were read.
        origin: as whose.
        time_zone: in which their times were, where they name none.
        n_bytes: where the last of them ends.
        n_lines: how many there are.
        stands: the first part that is not of whole lines.
    """

    format: str
    origin: str
    time_zone: str
    n_bytes: int = 0
    n_lines: int = 0
    stands: int = 0

    @property
    def how(self) -> tuple[str, str, str]:
        """Give what they were read as; lines that are read otherwise give other rows."""
        return self.format, self.origin, self.time_zone


@dataclass(frozen=True)
class Database:
    """One database: its name in ids, where it is, how far it was read; unknown at first."""

    origin: str
    place: str | None = None
    watermark: str | None = None


class Manifest:
    """The tables of what was imported, inside the writer's transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        for statement in _TABLES:
            connection.execute(statement)

    @contextmanager
    def all_or_nothing(self) -> Iterator[None]:
        """Forget what a block notes, if it raises."""
        self.connection.execute("savepoint block")
        try:
            yield
        except BaseException:
            self.connection.execute("rollback to block")
            raise
        finally:
            self.connection.execute("release block")

    def files(self) -> dict[str, Seen]:
        """Give every file by its path."""
        rows = self.connection.execute(
            "select path, name, n_bytes, mtime_ns, sha256, number from files"
        )
        return {row[0]: Seen(*row) for row in rows}

    def free_name(self, name: str) -> str:
        """Give a name that no other file or database has: ids are made of it."""
        taken = (
            "select 1 from files where name = ?1 union select 1 from databases where origin = ?1"
        )
        numbered = (name if n == 1 else f"{name}~{n}" for n in count(1))
        return next(
            each for each in numbered if not self.connection.execute(taken, (each,)).fetchone()
        )

    def same_content(self, sha256: str) -> Seen | None:
        """Find a file of that content whose rows are read."""
        row = self.connection.execute(
            "select path, name, n_bytes, mtime_ns, sha256, number from files "
            "where sha256 = ? and twin_of is null order by number",
            (sha256,),
        ).fetchone()
        return None if row is None else Seen(*row)

    def heir(self, number: int) -> Seen | None:
        """Let one of a file's twins take its place among them; gives that one, if there is any."""
        row = self.connection.execute(
            "select path, name, n_bytes, mtime_ns, sha256, number from files "
            "where twin_of = ? order by number",
            (number,),
        ).fetchone()
        if row is None:
            return None
        heir = Seen(*row)
        self.connection.execute("update files set twin_of = null where number = ?", (heir.number,))
        self.connection.execute(
            "update files set twin_of = ? where twin_of = ?", (heir.number, number)
        )
        return heir

    def note(self, seen: Seen, *, twin_of: int | None = None) -> int:
        """Write down a file, new or changed, and give its number."""
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

    def contents(self) -> set[str]:
        """Give the hash of every content that was imported."""
        return {row[0] for row in self.connection.execute("select sha256 from versions")}

    def take_numbers(self, name: str, n: int) -> int:
        """Give the first of some numbers that nothing had before."""
        self.connection.execute("insert or ignore into counters values (?, 1)", (name,))
        first = self.connection.execute("select next from counters where name = ?", (name,))
        start = int(first.fetchone()[0])
        self.connection.execute("update counters set next = next + ? where name = ?", (n, name))
        return start

    def lines(self, number: int) -> Lines | None:
        """Give the lines of a file that were read."""
        row = self.connection.execute(
            "select format, origin, time_zone, n_bytes, n_lines, stands from lines "
            "where number = ?",
            (number,),
        ).fetchone()
        return None if row is None else Lines(*row)

    def note_lines(self, number: int, lines: Lines | None) -> None:
        """Note which lines of a file were read; None where it was read as a whole."""
        self.connection.execute("delete from lines where number = ?", (number,))
        if lines is not None:
            self.connection.execute(
                "insert into lines values (?, ?, ?, ?, ?, ?, ?)", (number, *vars(lines).values())
            )

    def replace_parts(self, number: int, parts: Iterable[int], *, since: int = 0) -> list[int]:
        """Say which parts are a file's rows from one of them on; gives those that were before."""
        own = "from parts where number = ? and part >= ?"
        before = self.connection.execute(f"select part {own}", (number, since))
        gone = [int(row[0]) for row in before.fetchall()]
        self.connection.execute(f"delete {own}", (number, since))
        self.connection.executemany(
            "insert into parts values (?, ?)", ((part, number) for part in parts)
        )
        return gone

    def live(self) -> pl.DataFrame:
        """List the parts that count (`_document`) in their order by file and reading (`_order`)."""
        rows = self.connection.execute(
            "select part, row_number() over (order by files.number, part) from parts "
            "join files using (number) where twin_of is null order by 2"
        )
        return pl.DataFrame(
            rows.fetchall(),
            schema={"_document": pl.UInt64(), "_order": pl.UInt64()},
            orient="row",
        )

    def asked(self, source: str) -> Asked:
        """Say how a file, by its path, or a database, by its name, was to be read."""
        row = self.connection.execute("select how from asked where source = ?", (source,))
        found = row.fetchone()
        return Asked() if found is None else Asked.read(found[0])

    def note_asked(self, source: str, asked: Asked) -> None:
        """Note how a file or a database is to be read."""
        self.connection.execute("insert or replace into asked values (?, ?)", (source, str(asked)))

    def database(self, origin: str) -> Database:
        """Give what is known of a database by its name."""
        row = self.connection.execute(
            "select origin, place, watermark from databases where origin = ?", (origin,)
        ).fetchone()
        return Database(origin) if row is None else Database(*row)

    def database_at(self, place: str) -> str | None:
        """Give the name under which a database was imported from a place."""
        row = self.connection.execute(
            "select origin from databases where place = ? order by origin", (place,)
        ).fetchone()
        return None if row is None else str(row[0])

    def note_database(self, database: Database) -> None:
        """Note where a database is and how far it was read."""
        self.connection.execute(
            "insert or replace into databases values (?, ?, ?)",
            (database.origin, database.place, database.watermark),
        )

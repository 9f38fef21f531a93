"""What state a database is in, at one glance: fleets have thousands.

SQLite files are read through `sqlite3` itself, a few queries each, for SQLAlchemy takes ten times
as long to open one as to read it. Our chain is read once for all of them.
"""

from __future__ import annotations

import sqlite3
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatdata.errors import MigrationError
from chatdata.migrate import checkpoint, engine, history, runner, snapshot
from chatdata.migrate.differences import between

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from chatdata.migrate.targets import Target

_TABLES = {
    "sqlite": "SELECT name FROM sqlite_master WHERE type = 'table'",
    "postgresql": "SELECT tablename FROM pg_tables WHERE schemaname = current_schema()",
}
_ADOPTED = (
    f"SELECT revision FROM {history.HISTORY.name} WHERE action = 'adopt' ORDER BY id DESC LIMIT 1"
)
_APPLIED = (
    f"SELECT revision, script_sha256 FROM {history.HISTORY.name} WHERE id IN"
    f" (SELECT max(id) FROM {history.HISTORY.name} WHERE action = 'upgrade' GROUP BY revision)"
)
_BACKFILL = f"SELECT state, cursor FROM {checkpoint.BACKFILL.name} WHERE name = 'tool_calls'"


@dataclass(frozen=True)
class Chain:
    """Our chain, newest revision first: the digest of each script, and its snapshot."""

    digests: dict[str, str]
    snapshots: dict[str, dict[str, Any]]

    @property
    def head(self) -> str:
        """The newest revision."""
        return next(iter(self.digests))


@dataclass(frozen=True)
class Reader:
    """What answers queries to one database, and of which kind it is."""

    kind: str
    ask: Callable[[str], Sequence[Any]]


def chain() -> Chain:
    """Read our chain."""
    steps = list(runner.chain().walk_revisions())
    return Chain(
        {step.revision: history.digest(Path(step.path)) for step in steps},
        {step.revision: snapshot.load(step.revision) for step in steps},
    )


def revision(target: Target) -> str | None:
    """Read the revision of a database; None where our chain has never run.

    Raises:
        MigrationError: it cannot be read.
    """
    with _reader(target) as reader:
        return _revision(reader, _tables(reader), target.name)


def look(target: Target, known: Chain) -> dict[str, Any]:
    """Look at a database without writing to it; one row of `chatdata.migrate.status`."""
    seen: dict[str, Any] = {"source": "(no database URL)", "state": "unreadable"}
    seen["head"] = known.head
    try:
        seen["source"] = target.name
        with _reader(target) as reader:
            seen |= _read(reader, known, target.name)
    except MigrationError as error:
        seen["error"] = f"{error.message}; {error.then}"
        if engine.damages(error.__cause__):
            seen["state"] = "damaged"
    return seen


def _read(reader: Reader, known: Chain, source: str) -> dict[str, Any]:
    tables = _tables(reader)
    current = _revision(reader, tables, source)
    if current is None:
        return {"state": "not ours"}
    seen = {"revision": current, "adopted_at": _first(reader, tables, _ADOPTED)}
    if current not in known.digests:
        error = "this chatdata does not know its revision; install the one that wrote it"
        return seen | {"state": "unknown revision", "error": error}
    n_pending = list(known.digests).index(current)
    owned = history.compared(seen["adopted_at"])
    found = snapshot.described(reader.ask, reader.kind, owned)
    expected = known.snapshots[current][reader.kind]
    return (
        seen
        | {"state": "behind" if n_pending else "at head", "n_pending": n_pending}
        | {"n_drift": len(between(found, expected, owned)), "error": _edited(reader, tables, known)}
        | _progress(reader, tables)
    )


def _revision(reader: Reader, tables: set[str], source: str) -> str | None:
    if history.VERSION_TABLE not in tables:
        return None
    found = [name for (name,) in reader.ask(f"SELECT version_num FROM {history.VERSION_TABLE}")]
    return history.only(found, source)


def _edited(reader: Reader, tables: set[str], known: Chain) -> str | None:
    if history.HISTORY.name not in tables:
        return None
    edited = sorted(
        name for name, sha in reader.ask(_APPLIED) if sha and known.digests.get(name, sha) != sha
    )
    if not edited:
        return None
    return f"revision {', '.join(edited)} was applied with another script; put the old one back"


def _progress(reader: Reader, tables: set[str]) -> dict[str, Any]:
    if "tool_calls" not in tables or "messages" not in tables:
        return {}
    found = reader.ask(_BACKFILL) if checkpoint.BACKFILL.name in tables else []
    state, cursor = found[0] if found else ("not started", 0)
    ((behind,),) = reader.ask(f"SELECT count(*) FROM messages WHERE id > {int(cursor)}")
    return {"backfill": state, "n_behind": behind}


def _first(reader: Reader, tables: set[str], query: str) -> Any:  # noqa: ANN401 - whatever the column holds
    found = reader.ask(query) if history.HISTORY.name in tables else []
    return found[0][0] if found else None


def _tables(reader: Reader) -> set[str]:
    return {name for (name,) in reader.ask(_TABLES[reader.kind])}


@contextmanager
def _reader(target: Target) -> Iterator[Reader]:
    file = engine.file_of(target.url)
    if file is None:
        with engine.read(target.url, schema=target.schema) as connection:
            kind = connection.dialect.name
            yield Reader(kind, lambda query: connection.exec_driver_sql(query).all())
        return
    try:
        with closing(engine.peek(file)) as raw:
            # All of it from one moment, whatever others commit.
            raw.execute("BEGIN")
            yield Reader("sqlite", lambda query: raw.execute(query).fetchall())
    except sqlite3.Error as error:
        raise engine.explain(error, target.name, "nothing was changed") from error

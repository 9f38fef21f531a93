"""How a database differs from what its revision made: columns, constraints, triggers, views, all.

`alembic check` calls a database clean whose CHECK was dropped, or that has a trigger which deletes
every message. Here the definitions themselves are compared, object by object.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chatdata.errors import MigrationError
from chatdata.migrate import engine, history, snapshot

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa


@dataclass(frozen=True)
class Difference:
    """One object that is not as the revision made it; `found` or `expected` is None if absent."""

    name: str
    found: str | None
    expected: str | None

    def __str__(self) -> str:
        return (
            f"{self.name}: found {self.found or 'nothing'}, expected {self.expected or 'nothing'}"
        )


def drift(
    url: str | sa.URL, *, schema: str | None = None, scripts: Path | None = None
) -> list[Difference]:
    """Compare a database with the snapshot of its revision; reads only.

    In an adopted database only our own table and index are compared; the rest is its owner's.

    Raises:
        MigrationError: the chain has never run there (exit code 3).
    """
    with engine.read(url, schema=schema) as connection:
        current = history.revision(connection)
        if current is None:
            raise MigrationError(
                "our chain has never run here, so there is nothing to compare with",
                then="to see whether it can be taken over, run: chatdata db adopt URL",
                source=engine.label(url),
                exit_code=3,
            )
        owned = history.compared(history.adopted(connection))
        found = snapshot.definitions(connection, owned)
        kind = connection.dialect.name
    return between(found, snapshot.load(current, scripts)[kind], owned)


def between(
    found: dict[str, str], expected: dict[str, str], owned: frozenset[str] | None
) -> list[Difference]:
    """Compare definitions with those of a snapshot; in an adopted database only what we own."""
    if owned is not None:
        expected = {name: sql for name, sql in expected.items() if {*_of(name, sql), name} & owned}
    return [
        Difference(name, found.get(name), expected.get(name))
        for name in sorted({*found, *expected})
        if found.get(name) != expected.get(name)
    ]


def _of(name: str, sql: str) -> frozenset[str]:
    """The table that an object belongs to, from its name or its definition."""
    kind, _, rest = name.partition(" ")
    if kind == "index":
        return frozenset({sql.partition(" ON ")[2].split("(")[0].split()[0].strip('"')})
    return frozenset({rest.partition(".")[0]})

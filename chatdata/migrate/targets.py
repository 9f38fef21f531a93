"""Which databases a fleet is made of: URLs, patterns of files, lists of these, schemas."""

from __future__ import annotations

import glob
import re
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import backups, engine

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

N_SHOWN = 5
_SCHEMAS = sa.text(
    "SELECT nspname FROM pg_namespace WHERE nspname LIKE :pattern"
    " AND NOT starts_with(nspname, 'pg_') AND nspname <> 'information_schema' ORDER BY 1"
)


@dataclass(frozen=True)
class Target:
    """One database, or one PostgreSQL schema of it."""

    url: str | sa.URL
    schema: str | None = None

    @property
    def name(self) -> str:
        """The name that reports use, without credentials."""
        place = engine.label(self.url)
        return place if self.schema is None else f"{place}#{self.schema}"


def targets(
    places: Iterable[str], *, schemas: str | None = None, shard: str | None = None
) -> list[Target]:
    """Find the databases of a fleet, each once, in a fixed order.

    Folders, and what chatdata and SQLite leave beside a database (backups, files put aside,
    journals), are passed over; one of these is named by its URL.

    Args:
        places: URLs, files, patterns of files, or text files with one of these per line (`@file`).
        schemas: for PostgreSQL URLs, a LIKE pattern: each schema of that name is a target.
        shard: "i/n": only every n-th target, beginning with the i-th.

    Raises:
        MigrationError: a place holds nothing, or the shard is no "i/n" (exit code 2).
    """
    found: dict[object, Target] = {}
    empty = []
    for place in chain.from_iterable(map(_listed, places)):
        here = _targets(place, schemas)
        if here is None:
            empty.append(_shown(place))
        for target in here or ():
            found.setdefault(_identity(target), target)
    if empty or not found:
        # A name that is wrong in a long list would otherwise be a database left behind.
        more = f" and {len(empty) - N_SHOWN:,} more" if len(empty) > N_SHOWN else ""
        raise MigrationError(
            f"no database was found at {', '.join(empty[:N_SHOWN]) or 'these places'}{more}",
            then="run the same command with a URL, a pattern of SQLite files, or @FILE of these",
            exit_code=2,
        )
    return _share(list(found.values()), shard)


def _share(found: list[Target], shard: str | None) -> list[Target]:
    if shard is None:
        return found
    part, _, parts = shard.partition("/")
    if not (part.isdigit() and parts.isdigit() and 1 <= int(part) <= int(parts)):
        raise MigrationError(
            f"found shard {shard!r}, expected i/n such as 3/10",
            then="run the same command with such a shard",
            exit_code=2,
        )
    return found[int(part) - 1 :: int(parts)]


def _listed(place: str, above: tuple[Path, ...] = ()) -> Iterator[str]:
    if not place.startswith("@"):
        yield place
        return
    file = Path(place[1:]).resolve()
    if file in above:
        raise MigrationError(
            "a list of databases that names itself",
            then="take that line out, and run the same command again",
            source=str(file),
            exit_code=2,
        )
    for line in file.read_text(encoding="utf-8", errors="replace").splitlines():
        if line.strip() and not line.startswith("#"):
            yield from _listed(line.strip(), (*above, file))


def _targets(place: str, schemas: str | None) -> list[Target] | None:
    """The databases at a place; None where nothing is there, not even what is passed over."""
    if "://" in place:
        return [Target(place)] if schemas is None else _schemas(place, schemas) or None
    found = [*map(Path, sorted(glob.glob(place, recursive=True)))]  # noqa: PTH207 - a pattern of the user's
    files = [file for file in found if not file.is_dir() and not backups.is_left_beside(file)]
    return [Target(engine.url_of(file)) for file in files] if found else None


def _schemas(url: str, pattern: str) -> list[Target]:
    if engine.parse(url).get_backend_name() == "sqlite":
        return [Target(url)]
    with engine.read(url) as connection:
        names = connection.scalars(_SCHEMAS, {"pattern": pattern})
        return [Target(url, name) for name in names]


def _identity(target: Target) -> object:
    file = engine.file_of(target.url)
    place = engine.parse(target.url) if file is None else file.resolve()
    return place, target.schema


def _shown(place: str) -> str:
    """A place as it was written, without what may be the password of a URL written wrongly."""
    return engine.label(place) if "://" in place else re.sub(r"[^/@]*:.*@", "…@", place)

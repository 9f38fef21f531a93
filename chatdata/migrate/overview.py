"""What state databases are in, as a frame for notebooks and tables."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import engine, glance, history, runner
from chatdata.migrate.targets import Target, targets

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

_SQLITE = b"SQLite format 3"
SCHEMA = pl.Schema(
    {
        "source": pl.String(),
        "state": pl.String(),
        "revision": pl.String(),
        "head": pl.String(),
        "n_pending": pl.Int64(),
        "adopted_at": pl.String(),
        "backfill": pl.String(),
        "n_behind": pl.Int64(),
        "n_drift": pl.Int64(),
        "error": pl.String(),
    }
)


def status(
    databases: str | sa.URL | Target | Iterable[str | sa.URL | Target], *, schema: str | None = None
) -> pl.DataFrame:
    """Look at databases without writing to any.

    Args:
        databases: URLs, or what `fleet.targets` found.
        schema: PostgreSQL only: the schema to look at, where a URL is given.

    Returns:
        One row per database, in the order given: `source` (str, without credentials), `state`
        (str: "at head", "behind", "not ours", "unknown revision", "damaged" or "unreadable"),
        `revision`, `head` (str), `n_pending` (i64, revisions), `adopted_at` (str, a revision),
        `backfill` (str), `n_behind` (i64, messages), `n_drift` (i64, objects), `error` (str).
    """
    several = [databases] if isinstance(databases, (str, sa.URL, Target)) else databases
    found = [each if isinstance(each, Target) else Target(each, schema) for each in several]
    known = glance.chain()
    return pl.DataFrame([glance.look(target, known) for target in found], schema=SCHEMA)


def databases_of(source: str, folder: Path) -> Sequence[Target | str]:
    """Name the databases of a source; where a log or a sample holds none, those of `example`.

    Raises:
        MigrationError: the source is a list of databases, and one is not there.
    """
    if _is_log(Path(source)):
        return example(folder)
    try:
        return targets([source])
    except MigrationError:
        if source.startswith("@"):
            raise
        return example(folder)


def _is_log(path: Path) -> bool:
    """Whether it is a file, and none of SQLite's."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return not _SQLITE.startswith(file.read(len(_SQLITE)))


def example(folder: Path) -> list[str]:
    """Make a small fleet in a folder, one database in each state, for trying things."""
    names = ("at_head", "at_0003", "at_0002", "altered", "newer", "strange", "damaged")
    urls = {name: f"sqlite:///{folder / name}.db" for name in names}
    for name in names[:5]:
        runner.upgrade(urls[name], to=name.removeprefix("at_") if name in names[1:3] else "head")
    changes = {
        "altered": "CREATE VIEW recent AS SELECT * FROM messages",
        "newer": f"UPDATE {history.VERSION_TABLE} SET version_num = '9999'",
        "strange": "CREATE TABLE billing (id INTEGER PRIMARY KEY)",
    }
    for name, statement in changes.items():
        with engine.connect(urls[name]) as connection, connection.begin():
            connection.exec_driver_sql(statement)
    (folder / "damaged.db").write_bytes(b"no database" * 100)
    return list(urls.values())

"""What state databases are in, as a frame for notebooks and tables."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import sqlalchemy as sa

from chatdata.errors import MigrationError
from chatdata.migrate import backfill, engine, history, runner
from chatdata.migrate.differences import drift

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

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
    urls: str | sa.URL | Iterable[str | sa.URL], *, schema: str | None = None
) -> pl.DataFrame:
    """Look at databases without writing to any.

    Returns:
        One row per database, in the order given: `source` (str, without credentials), `state`
        (str: "at head", "behind", "not ours", "unknown revision" or "unreadable"), `revision`,
        `head` (str), `n_pending` (i64, revisions), `adopted_at` (str, a revision), `backfill`
        (str), `n_behind` (i64, messages), `n_drift` (i64, objects), `error` (str).
    """
    targets = [urls] if isinstance(urls, (str, sa.URL)) else list(urls)
    return pl.DataFrame([_look(url, schema) for url in targets], schema=SCHEMA)


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


def _look(url: str | sa.URL, schema: str | None) -> dict[str, object]:
    head = runner.chain().get_current_head()
    seen: dict[str, object] = {"source": "(no database URL)", "state": "unreadable", "head": head}
    try:
        seen["source"] = engine.label(url)
        with engine.read(url, schema=schema) as connection:
            seen["revision"] = history.revision(connection)
            seen["adopted_at"] = history.adopted(connection)
            has_calls = sa.inspect(connection).has_table("tool_calls")
        seen["state"] = _state(seen["revision"], head)
        if seen["state"] in ("at head", "behind"):
            seen["n_pending"] = len(runner.pending(url, schema=schema))
            seen["n_drift"] = len(drift(url, schema=schema))
            if has_calls:
                progress = backfill.status(url, backfill.NAME, schema=schema)
                seen |= {"backfill": progress.state, "n_behind": progress.lag}
    except MigrationError as error:
        seen["error"] = f"{error.message}; {error.then}"
    return seen


def _state(revision: object, head: str | None) -> str:
    if revision is None:
        return "not ours"
    if revision == head:
        return "at head"
    known = {step.revision for step in runner.chain().walk_revisions()}
    return "behind" if revision in known else "unknown revision"

"""An upgrade with every safety on: backup, run, proof, and the way back.

SQLite: the copy is taken and the proof is given while the run holds its write lock, so nothing that
an application writes meanwhile can be mistaken for damage, and a proof that fails rolls the run
back. PostgreSQL: each revision is a transaction of its own on live tables, so a copy of the whole
is left to the server's own tools.
"""

from __future__ import annotations

import os
import time
from dataclasses import dataclass, replace
from itertools import groupby
from operator import itemgetter
from typing import TYPE_CHECKING

from chatdata.errors import MigrationError
from chatdata.migrate import backups, checksums, engine, lock, runner
from chatdata.migrate.runner import Run

if TYPE_CHECKING:
    from pathlib import Path

    import sqlalchemy as sa

    from chatdata.migrate.checksums import Sum


BUSY = 4
PROOFS = {
    "expand": checksums.differences,
    "backfill": checksums.gone,
    "contract": checksums.changed,
}
"""What would be wrong after revisions of a phase: a backfill is there to change values, a contract
to drop what nobody reads any more, and what it leaves stays as it is."""


@dataclass(frozen=True)
class Guarded:
    """A run, and the copy that was taken before it; None where there was nothing to copy."""

    run: Run
    backup: Path | None

    def __str__(self) -> str:
        return f"{self.run}" + (f"; backup {self.backup}" if self.backup else "")


def upgrade(  # noqa: PLR0913 - keywords, each with a default
    url: str | sa.URL,
    *,
    to: str = "head",
    schema: str | None = None,
    backup: bool = True,
    auto_restore: bool = False,
    keep: int | None = None,
    scripts: Path | None = None,
) -> Guarded:
    """Upgrade a database as `migrate.upgrade` does, with a backup before and a proof after.

    Args:
        url: the database.
        to: the revision to stop at.
        schema: PostgreSQL only: the schema to work in.
        backup: copy an SQLite file first.
        auto_restore: put the copy back where the file turns out damaged after the run.
        keep: delete all but so many copies afterwards.
        scripts: the folder of another chain than ours.

    Raises:
        MigrationError: refused or failed; exit code 5 where a value changed, rolled back.
    """
    file = engine.file_of(url)
    pending = runner.pending(url, to=to, schema=schema, scripts=scripts)
    if file is None or not file.is_file() or not pending:
        return Guarded(runner.upgrade(url, to=to, schema=schema, scripts=scripts), None)
    if not os.access(file, os.W_OK):
        # SQLite says so only at the first write, after the backup.
        raise MigrationError(
            "the file cannot be written",
            then="check its permissions, and run the same command again",
            source=str(file),
        )
    with lock.exclusive(url) as connection:
        copy = backups.backup(url) if backup else None
        run = _run(connection, to, scripts, str(file))
    _inspect(url, file, copy, auto_restore=auto_restore)
    if keep is not None:
        backups.prune(url, keep=keep)
    return Guarded(replace(run, after=runner.current_revision(url)), copy)


def _run(connection: sa.Connection, to: str, scripts: Path | None, source: str) -> Run:
    """Apply what is pending, in stretches of one phase, each with the proof that it owes."""
    began, before = time.monotonic(), runner.current_revision(connection)
    steps: list[str] = []
    for phase, last in _stretches(runner.pending(connection, to=to, scripts=scripts), scripts):
        orphans, sums = _orphans(connection), _sums(connection, phase)
        steps += runner.upgrade(connection, to=last, scripts=scripts).steps
        found = [one for each in sums for one in PROOFS[phase](connection, each)]
        _refuse([*dict.fromkeys(found)], len(_orphans(connection) - orphans), source)
    after = runner.current_revision(connection)
    return Run(source, before, after, tuple(steps), time.monotonic() - began)


def _stretches(pending: tuple[str, ...], scripts: Path | None) -> list[tuple[str, str]]:
    """Give, in order, each phase that revisions stand in and the last one that does."""
    chain = runner.chain(scripts)
    named = [(_phase(chain.get_revision(name).module), name) for name in pending]
    return [
        (phase, [name for _, name in these][-1]) for phase, these in groupby(named, itemgetter(0))
    ]


def _phase(module: object) -> str:
    phase = getattr(module, "phase", None)
    return phase if phase in PROOFS else "expand"


def _sums(connection: sa.Connection, phase: str) -> list[dict[str, Sum]]:
    if phase == "contract":
        return checksums.sums_by_column(connection)
    return [checksums.sums(connection)]


def _refuse(found: list[str], n_lost: int, source: str) -> None:
    if n_lost:
        found.append(f"{n_lost} references to rows that are not there")
    if found:
        raise MigrationError(
            f"the upgrade would have changed rows ({'; '.join(found)})",
            state="it was rolled back and the database is as it was",
            then="look at the revision with: chatdata db lint",
            source=source,
            exit_code=5,
        )


def _inspect(url: str | sa.URL, file: Path, copy: Path | None, *, auto_restore: bool) -> None:
    try:
        backups.check(file)
    except MigrationError as error:
        failed = _put_back(url, copy) if auto_restore else None
        if failed is None:
            way = copy or "BACKUP, with one of your own"
            raise MigrationError(
                "is damaged after the upgrade",
                state="the upgrade was committed",
                then=f"run: chatdata db restore URL {way}",
                source=str(file),
                exit_code=5,
            ) from error
        raise MigrationError(
            f"was damaged after the upgrade; the damaged file is {failed.name}",
            state="the backup was put back",
            then="check the disk, and run the same command again",
            source=str(file),
            exit_code=5,
        ) from error


def _put_back(url: str | sa.URL, copy: Path | None) -> Path | None:
    """Restore a copy; None where there is none, or others have the database open."""
    try:
        return copy and backups.restore(url, copy)
    except MigrationError as error:
        if error.exit_code != BUSY:
            raise
        return None


def _orphans(connection: sa.Connection) -> set[object]:
    return set(map(tuple, connection.exec_driver_sql("PRAGMA foreign_key_check").all()))

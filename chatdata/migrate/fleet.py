"""The same verb over many databases: supervised processes, one database at a time in each.

Alembic in threads crashes the interpreter, and a process pool gives up when one worker dies. Here
each lane is a spawned process that is watched through its pipe: one that dies costs the database it
was working on, by name, and is replaced. What is done is written line by line, so that a run that
is itself killed is resumed by running it again.
"""

from __future__ import annotations

import glob
import json
import multiprocessing
import os
import sqlite3
import time
from collections import deque
from contextlib import closing
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sqlalchemy as sa

from chatdata.errors import ChatdataError, MigrationError
from chatdata.migrate import backups, engine, guard, history, runner
from chatdata.migrate.adoption import adopt
from chatdata.migrate.plans import plan

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess

VERBS = ("plan", "upgrade", "adopt", "backfill", "restore")


@dataclass(frozen=True)
class Target:
    """One database, or one PostgreSQL schema of it."""

    url: str
    schema: str | None = None

    @property
    def name(self) -> str:
        """The name that reports use, without credentials."""
        place = engine.label(self.url)
        return place if self.schema is None else f"{place}#{self.schema}"


@dataclass(frozen=True)
class Outcome:
    """What became of one target: "done", "nothing to do", "failed" or "not started"."""

    name: str
    outcome: str
    detail: str
    seconds: float


@dataclass
class _Lane:
    process: SpawnProcess
    pipe: Connection
    target: Target | None = None
    began: float = 0.0


def targets(
    places: Iterable[str], *, schemas: str | None = None, shard: str | None = None
) -> list[Target]:
    """Find the databases of a fleet, in a fixed order.

    Args:
        places: URLs, globs of SQLite files, or text files with one of these per line (`@file`).
        schemas: for PostgreSQL URLs, a LIKE pattern: each schema of that name is a target.
        shard: "i/n": only every n-th target, beginning with the i-th.

    Raises:
        MigrationError: nothing was found, or the shard is no "i/n" (exit code 2).
    """
    urls = dict.fromkeys(url for place in places for url in _expand(place))
    found = [target for url in urls for target in _schemas(url, schemas)]
    if not found:
        raise MigrationError(
            "no database was found there",
            then="run the same command with a URL, a glob of SQLite files, or @FILE of these",
            exit_code=2,
        )
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


def run(  # noqa: PLR0913 - keywords, each with a default
    verb: str,
    fleet: list[Target],
    *,
    jobs: int | None = None,
    canary: int = 0,
    max_failures: int | None = None,
    keep: int | None = None,
    backup: bool = True,
    report: Path | None = None,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> list[Outcome]:
    """Run a verb over a fleet; a failure stops nothing but its own database.

    Args:
        verb: one of `VERBS`.
        fleet: what `targets` found.
        jobs: how many at a time; by default as many as there are cores.
        canary: do so many first, one by one, and stop if one fails.
        max_failures: start no more once so many have failed.
        keep: for upgrades: delete all but so many backups of each database.
        backup: for upgrades: copy each SQLite file first.
        report: append one JSON object per database, flushed as it is done.
        on_outcome: told as each is done.
    """
    if report is not None:
        # A report that cannot be written is known before the first database is touched.
        report.open("a", encoding="utf-8").close()
    options = {"keep": keep, "backup": backup}
    ready, waiting = _split(verb, fleet)
    outcomes: list[Outcome] = []

    def note(outcome: Outcome) -> None:
        outcomes.append(outcome)
        if report is not None:
            with report.open("a", encoding="utf-8") as lines:
                lines.write(json.dumps(asdict(outcome), ensure_ascii=False) + "\n")
                lines.flush()
        on_outcome(outcome)

    for outcome in ready:
        note(outcome)
    first, rest = waiting[:canary], waiting[canary:]
    _work(verb, first, options, 1, 1, note)
    if any(outcome.outcome == "failed" for outcome in outcomes) and canary:
        for target in rest:
            note(Outcome(target.name, "not started", "the canary failed", 0.0))
        return outcomes
    _work(verb, rest, options, jobs or os.cpu_count() or 1, max_failures, note)
    return outcomes


def version(target: Target) -> str | None:
    """Read a revision as cheaply as can be: SQLite files without SQLAlchemy, in 0.1 ms."""
    file = engine.file_of(target.url)
    if file is None:
        return runner.current_revision(target.url, schema=target.schema)
    try:
        with closing(sqlite3.connect(f"{file.absolute().as_uri()}?mode=ro", uri=True)) as raw:
            found = raw.execute(f"SELECT version_num FROM {history.VERSION_TABLE}").fetchone()
    except sqlite3.Error:
        return None
    return str(found[0]) if found else None


def _split(verb: str, fleet: list[Target]) -> tuple[list[Outcome], list[Target]]:
    """Set apart what an upgrade has nothing to do for, without starting a process."""
    if verb not in VERBS:
        raise MigrationError(
            f"found {verb!r}, expected one of {', '.join(VERBS)}",
            then="see: chatdata db fleet --help",
            exit_code=2,
        )
    if verb != "upgrade":
        return [], fleet
    head = runner.chain().get_current_head()
    ready, waiting = [], []
    for target in fleet:
        if engine.file_of(target.url) is not None and version(target) == head:
            ready.append(Outcome(target.name, "nothing to do", f"at {head}", 0.0))
        else:
            waiting.append(target)
    return ready, waiting


def _work(  # noqa: PLR0913, PLR0917 - one caller, above
    verb: str,
    fleet: list[Target],
    options: dict[str, Any],
    jobs: int,
    max_failures: int | None,
    note: Callable[[Outcome], None],
) -> None:
    todo, failures = deque(fleet), 0
    lanes = [_start(verb, options) for _ in range(min(jobs, len(todo)))]
    try:
        while todo or any(lane.target for lane in lanes):
            for lane in lanes:
                if lane.target is None and todo and failures != max_failures:
                    lane.target, lane.began = todo.popleft(), time.monotonic()
                    lane.pipe.send(lane.target)
            busy = [lane for lane in lanes if lane.target]
            if not busy:
                break
            heard = wait([lane.pipe for lane in busy])
            for place, lane in enumerate(lanes):
                if lane.target and lane.pipe in heard:
                    outcome = _hear(lane)
                    failures += outcome.outcome == "failed"
                    note(outcome)
                    lane.target = None
                    if not lane.process.is_alive() and todo:
                        lanes[place] = _start(verb, options)
    finally:
        for lane in lanes:
            lane.pipe.close()
            lane.process.join()
    for target in todo:
        note(Outcome(target.name, "not started", f"{failures} failures before it", 0.0))


def _start(verb: str, options: dict[str, Any]) -> _Lane:
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_lane, args=(theirs, verb, options), daemon=True)
    process.start()
    theirs.close()
    return _Lane(process, ours)


def _hear(lane: _Lane) -> Outcome:
    target, spent = lane.target, time.monotonic() - lane.began
    assert target is not None  # noqa: S101 - only busy lanes are heard
    try:
        kind, detail = lane.pipe.recv()
    except (EOFError, ConnectionResetError):
        lane.process.join()
        detail = f"its worker died (exit {lane.process.exitcode}); run the same command again"
        return Outcome(target.name, "failed", detail, spent)
    return Outcome(target.name, kind, detail, spent)


def _lane(pipe: Connection, verb: str, options: dict[str, Any]) -> None:
    """What a worker process does: take a target, do the verb, say what became of it."""
    while True:
        try:
            target = pipe.recv()
        except EOFError:
            return
        try:
            pipe.send(_do(verb, target, options))
        except ChatdataError as error:
            pipe.send(("failed", str(error)))
        except Exception as error:  # noqa: BLE001 - one database's surprise must not stop the others
            pipe.send(("failed", f"{target.name}: {type(error).__name__}; nothing more is known"))


def _do(verb: str, target: Target, options: dict[str, Any]) -> tuple[str, str]:
    url, schema = target.url, target.schema
    if verb == "plan":
        made = plan(url)
        return ("done" if made.pending else "nothing to do"), f"pending: {', '.join(made.pending)}"
    if verb == "adopt":
        return "done", str(adopt(url, apply=True, schema=schema))
    if verb == "backfill":
        from chatdata.migrate import backfill

        return "done", str(backfill.run(url, schema=schema))
    if verb == "restore":
        copies = backups.backups(url)
        if not copies:
            raise MigrationError(
                "has no backup",
                then="put back one of your own: chatdata db restore URL BACKUP",
                source=target.name,
            )
        backups.restore(url, copies[0])
        return "done", f"restored {copies[0].name}"
    done = guard.upgrade(url, schema=schema, backup=options["backup"], keep=options["keep"])
    return ("done" if done.run.steps else "nothing to do"), str(done)


def _expand(place: str) -> Iterator[str]:
    if place.startswith("@"):
        lines = Path(place[1:]).read_text(encoding="utf-8", errors="replace").splitlines()
        for line in lines:
            if line.strip() and not line.startswith("#"):
                yield from _expand(line.strip())
    elif "://" in place:
        yield place
    else:
        yield from (f"sqlite:///{Path(file).absolute()}" for file in sorted(glob.glob(place)))  # noqa: PTH207 - a pattern of the user's


def _schemas(url: str, pattern: str | None) -> list[Target]:
    if pattern is None or engine.file_of(url) is not None:
        return [Target(url)]
    with engine.read(url) as connection:
        names = connection.scalars(
            sa.text("SELECT nspname FROM pg_namespace WHERE nspname LIKE :p ORDER BY 1"),
            {"p": pattern},
        )
        return [Target(url, name) for name in names]

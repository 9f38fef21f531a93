"""The same verb over many databases: supervised processes, one database at a time in each.

Alembic in threads crashes the interpreter, and a process pool gives up when one worker dies. Here
each lane is a spawned process that is watched through its pipe: one that dies costs the database it
was working on, by name, and is replaced. What is done is written line by line, so that a run that
is itself killed is resumed by running it again.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import time
from collections import deque
from contextlib import suppress
from dataclasses import asdict, dataclass
from multiprocessing.connection import wait
from typing import TYPE_CHECKING, Any

from chatdata.errors import ChatdataError, MigrationError
from chatdata.migrate import backups, engine, glance, guard, runner
from chatdata.migrate.adoption import adopt
from chatdata.migrate.plans import plan
from chatdata.migrate.targets import Target, targets

if TYPE_CHECKING:
    from collections.abc import Callable
    from multiprocessing.connection import Connection
    from multiprocessing.context import SpawnProcess
    from pathlib import Path

__all__ = ["VERBS", "Outcome", "Target", "run", "targets", "version"]

VERBS = ("plan", "upgrade", "adopt", "backfill", "restore")


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


def run(  # noqa: PLR0913 - keywords, each with a default
    verb: str,
    fleet: list[Target],
    *,
    jobs: int | None = None,
    canary: int = 0,
    max_failures: int | None = None,
    keep: int | None = None,
    backup: bool = True,
    scripts: Path | None = None,
    report: Path | None = None,
    on_outcome: Callable[[Outcome], None] = lambda _outcome: None,
) -> list[Outcome]:
    """Run a verb over a fleet; a failure stops nothing but its own database.

    Args:
        verb: one of `VERBS`.
        fleet: what `targets` found.
        jobs: how many at a time; by default as many as there are cores.
        canary: do so many first, one by one, and stop if one fails.
        max_failures: start no more once so many have failed. Of those at work any may fail, so
            there are never more at work than may still fail: so many is the most that ever do.
        keep: for upgrades: delete all but so many backups of each database.
        backup: for upgrades: copy each SQLite file first.
        scripts: for plans and upgrades: the folder of another chain than ours.
        report: append one JSON object per database, flushed as it is done.
        on_outcome: told as each is done.
    """
    if report is not None:
        # A report that cannot be written is known before the first database is touched.
        report.open("a", encoding="utf-8").close()
    options = {"keep": keep, "backup": backup, "scripts": scripts}
    ready, waiting = _split(verb, fleet, scripts)
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
    if any(outcome.outcome == "failed" for outcome in outcomes):
        for target in rest:
            note(Outcome(target.name, "not started", "the canary failed", 0.0))
        return outcomes
    allowed = len(rest) if max_failures is None else max_failures
    _work(verb, rest, options, jobs or os.cpu_count() or 1, allowed, note)
    return outcomes


def version(target: Target) -> str | None:
    """Read a revision as cheaply as can be; None where there is none, or it cannot be read."""
    try:
        return glance.revision(target)
    except MigrationError:
        return None


def _split(
    verb: str, fleet: list[Target], scripts: Path | None
) -> tuple[list[Outcome], list[Target]]:
    """Set apart what there is nothing to do for, without starting a process."""
    if verb not in VERBS:
        raise MigrationError(
            f"found {verb!r}, expected one of {', '.join(VERBS)}",
            then="see: chatdata db fleet --help",
            exit_code=2,
        )
    revisions = [step.revision for step in runner.chain(scripts).walk_revisions()]
    done = {"upgrade": revisions[:1], "plan": revisions[:1], "adopt": revisions}.get(verb, [])
    ready, waiting = [], []
    for target in fleet:
        # A server answers as quickly to a worker.
        found = version(target) if done and engine.file_of(target.url) is not None else None
        if found in done:
            ready.append(Outcome(target.name, "nothing to do", f"at {found}", 0.0))
        else:
            waiting.append(target)
    return ready, waiting


def _work(  # noqa: PLR0913, PLR0917 - one caller, above
    verb: str,
    fleet: list[Target],
    options: dict[str, Any],
    jobs: int,
    allowed: int,
    note: Callable[[Outcome], None],
) -> None:
    todo, failures = deque(fleet), 0
    lanes = [_start(verb, options) for _ in range(min(jobs, len(todo), allowed))]
    try:
        while True:
            for place, lane in enumerate(lanes):
                n_busy = sum(lane.target is not None for lane in lanes)
                if lane.target is None and todo and failures + n_busy < allowed:
                    lanes[place] = _send(lane, todo.popleft(), verb, options)
            busy = [lane for lane in lanes if lane.target]
            if not busy:
                break
            heard = wait([lane.pipe for lane in busy])
            for lane in busy:
                if lane.pipe in heard:
                    outcome = _hear(lane)
                    failures += outcome.outcome == "failed"
                    note(outcome)
    finally:
        # Also where this is interrupted, who is at work comes to an end and is told of.
        for lane in lanes:
            if lane.target:
                note(_hear(lane))
            lane.pipe.close()
            lane.process.join()
    for target in todo:
        note(Outcome(target.name, "not started", f"failures before it: {failures}", 0.0))


def _send(lane: _Lane, target: Target, verb: str, options: dict[str, Any]) -> _Lane:
    """Give a lane its next database; one that died at rest is replaced, and costs none."""
    try:
        lane.pipe.send(target)
    except OSError:
        lane.pipe.close()
        lane = _start(verb, options)
        lane.pipe.send(target)
    lane.target, lane.began = target, time.monotonic()
    return lane


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
    lane.target = None
    try:
        kind, detail = lane.pipe.recv()
    except (EOFError, OSError):
        lane.process.join()
        detail = f"its worker died (exit {lane.process.exitcode}); run the same command again"
        return Outcome(target.name, "failed", detail, spent)
    return Outcome(target.name, kind, detail, spent)


def _lane(pipe: Connection, verb: str, options: dict[str, Any]) -> None:
    """What a worker process does: take a target, do the verb, say what became of it."""
    # Ctrl-C reaches every process of a terminal; what is begun is finished all the same.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # When nobody is there to tell or be told any more, the pipe says so, and this is the end.
    with suppress(EOFError, OSError):
        while True:
            pipe.send(_answer(verb, pipe.recv(), options))


def _answer(verb: str, target: Target, options: dict[str, Any]) -> tuple[str, str]:
    try:
        return _do(verb, target, options)
    except ChatdataError as error:
        return "failed", str(error)
    except Exception as error:  # noqa: BLE001 - one database's surprise must not stop the others
        return "failed", f"{target.name}: {type(error).__name__}; nothing more is known"


def _do(verb: str, target: Target, options: dict[str, Any]) -> tuple[str, str]:
    url, schema, scripts = target.url, target.schema, options["scripts"]
    if verb == "plan":
        made = plan(url, schema=schema, scripts=scripts)
        return ("done" if made.pending else "nothing to do"), f"pending: {', '.join(made.pending)}"
    if verb == "adopt":
        found = adopt(url, apply=True, schema=schema)
        return ("nothing to do" if found.is_ours else "done"), str(found)
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
        if backups.is_restored(url, copies[0]):
            return "nothing to do", f"is {copies[0].name} already"
        backups.restore(url, copies[0])
        return "done", f"restored {copies[0].name}"
    done = guard.upgrade(url, schema=schema, **options)
    return ("done" if done.run.steps else "nothing to do"), str(done)

"""Measure chatdata beside its peers and say which targets are met.

Every case runs in a process of its own, the cases of a group by turns, several rounds in one run:
the machine may be slow or busy, the ratios hold. What a group found is kept in `benchmarks/data/`,
and `benchmarks/RESULTS.md` is written from all that is kept: a run that was stopped goes on with
`--resume`, and a group that is named is measured again, alone.

    python benchmarks/run.py [--rounds 2] [--messages 1000000] [--resume] [GROUP …]
"""

from __future__ import annotations

import argparse
import json
import os
import pkgutil
import platform
import time
from importlib import import_module
from typing import TYPE_CHECKING, Any

import topics
import world
from measure import HERE, Group, Verdict, measure, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

_KEPT = world.FOLDER / "results"
_HEAD = """# Benchmarks

Written by `make bench`: each case in its own process, those of a group by turns. Medians of
several rounds, with the smallest and the largest ratio in brackets, or one round where cases take
long. Read the ratios: the seconds are those of the machine and of what else it did. Where a target
is not met, the least that any reader has to do was measured in the same rounds, where there is
such a limit; a target that it does not meet either is out of reach on that machine.
"""


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups of all topics, each made only when it is asked for."""
    for found in pkgutil.iter_modules(topics.__path__):
        yield from import_module(f"topics.{found.name}").groups(n_messages)


def main() -> None:
    """Measure the groups asked for and write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("groups", nargs="*", help="names of groups, all of them by default")
    asked.add_argument("--rounds", type=int, default=2)
    asked.add_argument("--messages", type=int, default=1_000_000)
    asked.add_argument("--resume", action="store_true", help="keep what was measured before")
    wanted = asked.parse_args()
    makers = {make.__name__.replace("_", "-"): make for make in groups(wanted.messages)}
    unknown = sorted({*wanted.groups} - makers.keys())
    if unknown:
        asked.error(f"no group is called {unknown[0]!r}; there are {', '.join(makers)}")
    _KEPT.mkdir(parents=True, exist_ok=True)
    kept = {name: _KEPT / f"{name}-{wanted.messages}.json" for name in makers}
    with world.servers():
        for name, make in makers.items():
            if (wanted.groups and name not in wanted.groups) or (
                wanted.resume and kept[name].exists()
            ):
                continue
            found = _measured(make(), wanted.rounds)
            print("\n".join(found["lines"]), flush=True)
            kept[name].write_text(json.dumps(found))
    done = [json.loads(path.read_text()) for path in kept.values() if path.exists()]
    (HERE / "RESULTS.md").write_text(page(done))


def _measured(group: Group, rounds: int) -> dict[str, Any]:
    start = time.perf_counter()
    results = measure(group, rounds)
    told = (target.verdict(results) for target in group.targets)
    return {
        "lines": table(group, results),
        "verdicts": [_row(group, verdict) for verdict in told],
        "seconds": time.perf_counter() - start,
    }


def _row(group: Group, verdict: Verdict) -> list[str]:
    target = verdict.target
    return [target.number, target.text, group.name, f"{verdict.found:.2f}", verdict.words]


def page(done: Iterable[dict[str, Any]]) -> str:
    """Write the page: every target first, then what was measured, group by group."""
    listed = list(done)
    rows = sorted(row for each in listed for row in each["verdicts"])
    minutes = sum(each["seconds"] for each in listed) / 60
    machine = f"{os.cpu_count()} cores, {platform.machine()}, {minutes:.0f} minutes in all."
    lines = [
        _HEAD,
        f"Python {platform.python_version()}, {machine}",
        "",
        "| # | target | group | found | |",
        "|---|---|---|---:|---|",
        *(f"| {' | '.join(row)} |" for row in rows),
        "",
        *(line for each in listed for line in each["lines"]),
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()

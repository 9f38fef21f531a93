"""Measure chatdata beside its peers and say which targets are met.

Every case runs in a process of its own, the cases of a group by turns, several rounds in one run:
the machine may be slow or busy, the ratios hold. Writes `benchmarks/RESULTS.md`.

    python benchmarks/run.py [--rounds 5] [--messages 1000000] [GROUP …]
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import world

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One way to do the work of a group: a function of `cases.py` and what it works on."""

    name: str
    source: str
    scale: float = 1.0  # what its figures are multiplied by, where it works on less


@dataclass(frozen=True)
class Target:
    """A bound on a ratio to a peer, or on a figure of chatdata's own."""

    number: str
    text: str
    met: Callable[[Results], tuple[float, bool]]


@dataclass(frozen=True)
class Results:
    """What the cases of a group took: per case the rounds, each with wall, cpu, rss, answer."""

    rounds: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def median(self, case: str, what: str) -> float:
        """The median over the rounds."""
        return statistics.median(one[what] for one in self.rounds[case])

    def ratio(self, case: str, peer: str, what: str) -> float:
        """The median over the rounds of how many times as much the case takes as its peer."""
        pairs = zip(self.rounds[case], self.rounds[peer], strict=True)
        return statistics.median(one[what] / other[what] for one, other in pairs)


@dataclass(frozen=True)
class Group:
    """Cases whose answers have to agree, chatdata's own first."""

    name: str
    title: str
    cases: tuple[Case, ...]
    targets: tuple[Target, ...]


def at_least(peer: str, what: str, times: float) -> Callable[[Results], tuple[float, bool]]:
    """The peer takes so many times as much."""

    def met(results: Results) -> tuple[float, bool]:
        own = next(iter(results.rounds))
        found = 1 / results.ratio(own, peer, what)
        return found, found >= times

    return met


def at_most(peer: str, what: str, times: float) -> Callable[[Results], tuple[float, bool]]:
    """Chatdata takes at most so many times as much as the peer."""

    def met(results: Results) -> tuple[float, bool]:
        own = next(iter(results.rounds))
        found = results.ratio(own, peer, what)
        return found, found <= times

    return met


def below(what: str, bound: float) -> Callable[[Results], tuple[float, bool]]:
    """The figure itself is at most that."""

    def met(results: Results) -> tuple[float, bool]:
        found = results.median(next(iter(results.rounds)), what)
        return found, found <= bound

    return met


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def sqlite() -> Group:
        url = f"sqlite:///{world.sqlite(n_messages)}"
        few = f"sqlite:///{world.sqlite(n_messages // 10)}"
        return Group(
            "sqlite",
            f"SQLite to frames, {n_messages:,} messages",
            (
                Case("chatdata_frames", url),
                Case("plain_adbc", url),
                Case("pandas_read_sql", url),
                Case("pandas_script", url),
                Case("orm_objects", few, scale=10),
            ),
            (
                Target("1", "≥ 3 x pandas.read_sql, CPU", at_least("pandas_read_sql", "cpu", 3)),
                Target("1", "≥ 10 x ORM objects, CPU", at_least("orm_objects", "cpu", 10)),
            ),
        )

    def sqlite_base() -> Group:
        url = f"sqlite:///{world.sqlite(n_messages, base=True)}"
        return Group(
            "sqlite-base",
            f"SQLite to frames, base columns alone, {n_messages:,} messages",
            (Case("chatdata_frames", url), Case("plain_adbc", url), Case("pandas_read_sql", url)),
            (Target("1", "≤ 1.15 x plain ADBC, wall", at_most("plain_adbc", "wall", 1.15)),),
        )

    def postgres() -> Group:
        url = world.postgres(n_messages)
        return Group(
            "postgres",
            f"Postgres to frames, {n_messages:,} messages",
            (
                Case("chatdata_frames", url),
                Case("plain_adbc", url),
                Case("pandas_read_sql", url),
                Case("pandas_script", url),
            ),
            (Target("2", "≥ 4 x pandas.read_sql, wall", at_least("pandas_read_sql", "wall", 4)),),
        )

    def postgres_base() -> Group:
        url = world.postgres(n_messages, base=True)
        return Group(
            "postgres-base",
            f"Postgres to frames, base columns alone, {n_messages:,} messages",
            (Case("chatdata_frames", url), Case("copy_binary", url), Case("plain_adbc", url)),
            (Target("2", "≤ 1.2 x COPY BINARY, wall", at_most("copy_binary", "wall", 1.2)),),
        )

    def kernel() -> Group:
        n_calls = n_messages * 14 // 100
        return Group(
            "kernel",
            f"The kernel: {n_calls:,} calls of six shapes in {n_messages:,} messages",
            (Case("kernel", f"{n_messages}/{n_calls}"),),
            (Target("3", "≤ 1.5 CPU s", below("cpu", 1.5 * n_messages / 1e6)),),
        )

    def start() -> Group:
        return Group(
            "start",
            "Cold start of the command line",
            (Case("cli_help", "--help"), Case("cli_version", "--version")),
            (Target("8", "--help ≤ 0.1 CPU s", below("cpu", 0.1)),),
        )

    def start_scan() -> Group:
        return Group(
            "start-scan",
            "Cold start: chatdata scan of a small file",
            (Case("cli_scan", str(world.sqlite(1000))),),
            (Target("8", "≤ 0.6 CPU s", below("cpu", 0.6)),),
        )

    yield from (sqlite, sqlite_base, postgres, postgres_base, kernel, start, start_scan)


def measure(group: Group, rounds: int) -> Results:
    """Run the cases by turns; the first round of all is thrown away, it warms the caches."""
    results = Results({case.name: [] for case in group.cases})
    for turn in range(rounds + 1):
        for case in group.cases:
            command = [sys.executable, str(HERE / "cases.py"), case.name, case.source]
            done = subprocess.run(command, capture_output=True, text=True, check=False)
            if done.returncode:
                raise SystemExit(f"{group.name}/{case.name} failed:\n{done.stderr[-2000:]}")
            one = json.loads(done.stdout.splitlines()[-1])
            one |= {what: one[what] * case.scale for what in ("wall", "cpu")}
            one["answer"] = {} if case.scale != 1 else one["answer"]
            if turn:
                results.rounds[case.name].append(one)
    agree(group, results)
    return results


def agree(group: Group, results: Results) -> None:
    """Stop if two cases of a group give different answers to the same question."""
    answers: dict[str, Any] = {}
    for case in group.cases:
        for key, value in results.rounds[case.name][0]["answer"].items():
            if answers.setdefault(key, value) != value:
                raise SystemExit(
                    f"{group.name}: {case.name} says {key} is {value}, not {answers[key]}"
                )


def table(group: Group, results: Results) -> list[str]:
    """Write a group as a Markdown table: medians, and ratios to chatdata with their spread."""
    own = group.cases[0].name
    lines = [f"## {group.title}", ""]
    lines += ["| case | wall s | CPU s | peak MB | CPU ÷ chatdata | wall ÷ chatdata |"]
    lines += ["|---|---:|---:|---:|---:|---:|"]
    for case in group.cases:
        figures = [f"{results.median(case.name, what):.2f}" for what in ("wall", "cpu")]
        figures.append(f"{results.median(case.name, 'rss'):.0f}")
        for what in ("cpu", "wall"):
            pairs = zip(results.rounds[case.name], results.rounds[own], strict=True)
            ratios = sorted(one[what] / other[what] for one, other in pairs)
            middle = statistics.median(ratios)
            figures.append(f"{middle:.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})")
        lines.append(f"| {case.name} | {' | '.join(figures)} |")
    lines.append("")
    for target in group.targets:
        found, met = target.met(results)
        verdict = "met" if met else "not met"
        lines.append(f"- Target {target.number}, {target.text}: {found:.2f}, **{verdict}**")
    return [*lines, ""]


def main() -> None:
    """Measure the groups asked for and write the page."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("groups", nargs="*", help="names of groups, all of them by default")
    asked.add_argument("--rounds", type=int, default=5)
    asked.add_argument("--messages", type=int, default=1_000_000)
    wanted = asked.parse_args()
    lines = [
        "# Benchmarks",
        "",
        "Written by `make bench`: each case in its own process, those of a group by turns.",
        f"Medians of {wanted.rounds} rounds, with the smallest and the largest ratio in brackets.",
        "Read the ratios: the seconds are those of the machine and of what else it did.",
        "",
        f"Python {platform.python_version()}, {os.cpu_count()} cores, {platform.machine()}.",
        "",
    ]
    with world.servers():
        for make in groups(wanted.messages):
            name = make.__name__.replace("_", "-")
            if wanted.groups and name not in wanted.groups:
                continue
            group = make()
            written = table(group, measure(group, wanted.rounds))
            print("\n".join(written), flush=True)
            lines += written
    if not wanted.groups:
        (HERE / "RESULTS.md").write_text("\n".join(lines))


if __name__ == "__main__":
    main()

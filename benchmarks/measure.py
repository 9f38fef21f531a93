"""How a piece of work is measured: cases by turns, each in a process of its own, and targets."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

HERE = Path(__file__).parent


@dataclass(frozen=True)
class Case:
    """One way to do the work of a group: a function of its topic and what it works on."""

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

    topic: str  # the module of `topics` that has its cases
    name: str
    title: str
    cases: tuple[Case, ...]
    targets: tuple[Target, ...] = ()


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


def environment() -> dict[str, str]:
    """Give the variables of a measuring process: bytecode is kept, as on anybody's machine."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def measure(group: Group, rounds: int) -> Results:
    """Run the cases by turns; the first round of all is thrown away, it warms the caches."""
    results = Results({case.name: [] for case in group.cases})
    for turn in range(rounds + 1):
        for case in group.cases:
            command = [sys.executable, str(HERE / "case.py"), group.topic, case.name, case.source]
            done = subprocess.run(
                command, capture_output=True, text=True, check=False, env=environment()
            )
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

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
    """A bound on a ratio to a peer, or on a figure of chatdata's own.

    Attributes:
        number: which of the nine targets it is part of.
        text: what is asked.
        met: given the results and whose they are: what was found, and whether that will do.
        limit: a case that does the least that any reader has to do; where it does not meet the
            target, nothing on this machine can.
    """

    number: str
    text: str
    met: Callable[[Results, str], tuple[float, bool]]
    limit: str | None = None

    def verdict(self, results: Results) -> Verdict:
        """Say whether chatdata met it, and else whether the limit did."""
        found, met = self.met(results, next(iter(results.rounds)))
        at_most = None if met or self.limit is None else self.met(results, self.limit)
        return Verdict(self, found, met, at_most)


@dataclass(frozen=True)
class Verdict:
    """What became of a target; `at_most` is what its limit found, where that was asked."""

    target: Target
    found: float
    met: bool
    at_most: tuple[float, bool] | None

    @property
    def words(self) -> str:
        """In a few words."""
        if self.at_most is None:
            return "met" if self.met else "not met"
        found, possible = self.at_most
        verdict = "within reach" if possible else "out of reach here"
        return f"not met, {verdict}: {self.target.limit} alone {found:.2f}"


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
    once: bool = False  # whether one round is enough, as it is where cases take long


def at_least(peer: str, what: str, times: float) -> Callable[[Results, str], tuple[float, bool]]:
    """The peer takes so many times as much."""

    def met(results: Results, own: str) -> tuple[float, bool]:
        found = 1 / results.ratio(own, peer, what)
        return found, found >= times

    return met


def at_most(peer: str, what: str, times: float) -> Callable[[Results, str], tuple[float, bool]]:
    """Chatdata takes at most so many times as much as the peer."""

    def met(results: Results, own: str) -> tuple[float, bool]:
        found = results.ratio(own, peer, what)
        return found, found <= times

    return met


def below(what: str, bound: float) -> Callable[[Results, str], tuple[float, bool]]:
    """The figure itself is at most that."""

    def met(results: Results, own: str) -> tuple[float, bool]:
        found = results.median(own, what)
        return found, found <= bound

    return met


def environment() -> dict[str, str]:
    """Give the variables of a measuring process: bytecode is kept, as on anybody's machine."""
    return {key: value for key, value in os.environ.items() if key != "PYTHONDONTWRITEBYTECODE"}


def measure(group: Group, rounds: int) -> Results:
    """Run the cases by turns; the first round of several is thrown away, it warms the caches."""
    results = Results({case.name: [] for case in group.cases})
    warming = 0 if group.once else 1
    for turn in range(1 if group.once else rounds + 1):
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
            if turn >= warming:
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
        verdict = target.verdict(results)
        lines.append(
            f"- Target {target.number}, {target.text}: {verdict.found:.2f}, **{verdict.words}**"
        )
    return [*lines, ""]

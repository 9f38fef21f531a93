"""Measure chatdata beside its peers and say which targets are met.

Every case runs in a process of its own, the cases of a group by turns, several rounds in one run:
the machine may be slow or busy, the ratios hold. Writes `benchmarks/RESULTS.md`.

    python benchmarks/run.py [--rounds 5] [--messages 1000000] [GROUP …]
"""

from __future__ import annotations

import argparse
import os
import pkgutil
import platform
from importlib import import_module
from typing import TYPE_CHECKING

import topics
import world
from measure import HERE, Group, measure, table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups of all topics, each made only when it is asked for."""
    for found in pkgutil.iter_modules(topics.__path__):
        yield from import_module(f"topics.{found.name}").groups(n_messages)


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

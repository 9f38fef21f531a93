"""Cold starts of the command line."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import world
from measure import HERE, Case, Group, Target, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator


def groups(_n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def start() -> Group:
        return Group(
            "start",
            "start",
            "Cold start of the command line",
            (Case("cli_help", "--help"), Case("cli_version", "--version")),
            (Target("8", "--help ≤ 0.1 CPU s", below("cpu", 0.1)),),
        )

    def start_scan() -> Group:
        return Group(
            "start",
            "start-scan",
            "Cold start: chatdata scan of a small file",
            (
                Case("cli_scan", str(world.sqlite(1000))),
                Case("cli_scan_all", str(world.sqlite(1000))),
            ),
            (Target("8", "≤ 0.6 CPU s", below("cpu", 0.6)),),
        )

    yield from (start, start_scan)


def cli_help(argument: str) -> Callable[[], dict[str, Any]]:
    """The command line in a process of its own."""
    return _command(argument)


def cli_version(argument: str) -> Callable[[], dict[str, Any]]:
    """As above."""
    return _command(argument)


def cli_scan(source: str) -> Callable[[], dict[str, Any]]:
    """`chatdata scan` of a small database, in an environment of nothing but the base install."""
    base = _base()
    return _command("scan", source, "--json", program=base)


def cli_scan_all(source: str) -> Callable[[], dict[str, Any]]:
    """The same where every extra is installed."""
    return _command("scan", source, "--json")


def _base() -> str:
    """Give the program of a base install, made once and kept in `benchmarks/data/`."""
    folder = world.FOLDER / "base"
    if not folder.exists():
        uv = shutil.which("uv") or str(HERE.parent / ".uv/bin/uv")
        where = os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)}
        sync = [uv, "sync", "--frozen", "--no-dev", "--quiet", "--compile-bytecode"]
        subprocess.run(sync, cwd=HERE.parent, env=where, check=True)
    return str(folder / "bin" / "chatdata")


def _command(
    *arguments: str, program: str = str(Path(sys.executable).with_name("chatdata"))
) -> Callable[[], dict[str, Any]]:
    def work() -> dict[str, Any]:
        subprocess.run([program, *arguments], check=True, capture_output=True)
        return {}

    return work

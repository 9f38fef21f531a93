"""Session files of a coding agent to frames, beside other tools that read them; import, again."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sessions
import world
from measure import Case, Group, Results, Target, at_least, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_FILES_PER_MESSAGE = 2750 / 1e6
_MB_PER_CPU_S = 40
_PEAK_MB = 500


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""
    n_files = max(1, int(n_messages * _FILES_PER_MESSAGE))

    def session_files() -> Group:
        folder = sessions.folder(n_files)
        size_mb = sum(path.stat().st_size for path in folder.rglob("*.jsonl")) / 1e6

        def rate(results: Results, own: str) -> tuple[float, bool]:
            found = size_mb / results.median(own, "cpu")
            return found, found >= _MB_PER_CPU_S

        own = [Case("frames", str(folder)), Case("duckdb_script", str(folder))]
        peers = [Case("ccusage", str(folder))] if _peer("ccusage") else []
        return Group(
            "sessions",
            "session-files",
            f"{n_files:,} session files, {size_mb:,.0f} MB, to frames",
            (*own, *peers),
            (
                Target("5", f"≥ {_MB_PER_CPU_S} MB per CPU second", rate),
                Target("5", f"≤ {_PEAK_MB} MB of memory", below("rss", _PEAK_MB)),
            ),
        )

    def session_readers() -> Group:
        folder = str(sessions.folder(n_files))
        faster = {"agentsview": ("agentsview", 4), "inspect_scout": ("scout", 14)}
        there = {case: times for case, (program, times) in faster.items() if _peer(program)}
        return Group(
            "sessions",
            "session-readers",
            f"{n_files:,} session files, beside readers that take minutes",
            (Case("frames", folder), *(Case(case, folder) for case in there)),
            tuple(
                Target("5", f"≥ {times} x {case}, CPU", at_least(case, "cpu", times))
                for case, times in there.items()
            ),
            once=True,
        )

    def session_again() -> Group:
        folder = sessions.folder(n_files)
        return Group(
            "sessions",
            "session-again",
            f"Import of {n_files:,} session files of which none has changed",
            (Case("import_again", str(folder)),),
            (Target("5", "≤ 0.6 CPU s", below("cpu", 0.6)),),
        )

    yield from (session_files, session_readers, session_again)


def frames(source: str) -> Callable[[], dict[str, Any]]:
    """cd.scan, all frames collected."""
    import polars as pl

    import chatdata as cd

    cd.scan(str(sessions.folder(1))).collect()

    def work() -> dict[str, Any]:
        chats = cd.scan(source).collect()
        calls = chats.tool_calls
        failed = calls.filter(pl.col("status") == "error").select(pl.len())
        return {
            "tool_calls": calls.select(pl.len()).collect().item(),
            "errors": failed.collect().item(),
        }

    return work


def duckdb_script(source: str) -> Callable[[], dict[str, Any]]:
    """Calls and failures as a careful analyst counts them by hand, each id of a call once."""
    import duckdb

    columns = "{type: 'VARCHAR', message: 'STRUCT(role VARCHAR, id VARCHAR, content JSON)'}"

    def work() -> dict[str, Any]:
        query = f"""
            WITH blocks AS (
                SELECT unnest(from_json(message.content, '[{{"type":"VARCHAR","id":"VARCHAR",
                       "tool_use_id":"VARCHAR","is_error":"BOOLEAN"}}]')) AS block
                FROM read_json('{source}/**/*.jsonl', columns = {columns},
                               format = 'newline_delimited', maximum_object_size = 33554432)
                WHERE json_type(message.content) = 'ARRAY'
            )
            SELECT count(DISTINCT block.id) FILTER (block.type = 'tool_use'),
                   count(DISTINCT block.tool_use_id) FILTER (block.is_error)
            FROM blocks
        """
        found = duckdb.sql(query).fetchone() or (0, 0)
        return {"tool_calls": found[0], "errors": found[1]}

    return work


def agentsview(source: str) -> Callable[[], dict[str, Any]]:
    """`agentsview sync` into an empty archive of its own."""
    home = Path(tempfile.mkdtemp(prefix="agentsview-"))
    quiet = {"HOME": str(home), "AGENTSVIEW_NO_DAEMON": "1", "CLAUDE_PROJECTS_DIR": source}

    def work() -> dict[str, Any]:
        command = [str(_peer("agentsview")), "sync"]
        subprocess.run(command, env=os.environ | quiet, check=True, capture_output=True)
        shutil.rmtree(home)
        return {}

    return work


def ccusage(source: str) -> Callable[[], dict[str, Any]]:
    """`ccusage daily`, which reads the records with usage and nothing else."""
    config = os.environ | {"CLAUDE_CONFIG_DIR": str(Path(source).parent)}

    def work() -> dict[str, Any]:
        command = [str(_peer("ccusage")), "daily", "--json", "--offline"]
        subprocess.run(command, env=config, check=True, capture_output=True)
        return {}

    return work


def inspect_scout(source: str) -> Callable[[], dict[str, Any]]:
    """`scout import` into a transcript database of its own."""
    home = Path(tempfile.mkdtemp(prefix="scout-"))
    program = [str(_peer("scout")), "import", "claude_code", "-P", f"path={source}"]
    command = [*program, "-T", str(home / "transcripts"), "--display", "none"]

    def work() -> dict[str, Any]:
        subprocess.run(command, check=True, capture_output=True, cwd=home)
        shutil.rmtree(home)
        return {}

    return work


def import_again(source: str) -> Callable[[], dict[str, Any]]:
    """`chatdata import` of files that the lake knows."""
    lake = world.FOLDER / "lake-of-sessions"
    program = str(Path(sys.executable).with_name("chatdata"))
    command = [program, "import", source, "--into", str(lake), "--json"]
    subprocess.run(command, check=True, capture_output=True)

    def work() -> dict[str, Any]:
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        return {"answer": json.loads(done.stdout)}

    return work


def _peer(name: str) -> str | None:
    """Find another tool's program, where it is installed: beside this Python, or on the path."""
    return shutil.which(name, path=f"{Path(sys.executable).parent}:{os.environ['PATH']}")

"""Where known tools keep their logs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_KNOWN = (
    ("claude-code", "~/.claude/projects"),
    ("codex", "~/.codex/sessions"),
    ("codex", "~/.codex/archived_sessions"),
    ("gemini-cli", "~/.gemini/tmp"),
    ("llm-logs-db", "~/.config/io.datasette.llm/logs.db"),
    ("llm-logs-db", "~/Library/Application Support/io.datasette.llm/logs.db"),
)


@dataclass(frozen=True)
class Place:
    """One place with logs: whose, where, how many files and bytes."""

    tool: str
    path: Path
    n_files: int
    n_bytes: int


def places() -> list[Place]:
    """Find the places that exist; nothing is read but names and sizes."""
    found = []
    for tool, written in _KNOWN:
        path = Path(written).expanduser()
        files = [path] if path.is_file() else [file for file in path.rglob("*") if file.is_file()]
        if files:
            found.append(Place(tool, path, len(files), sum(file.stat().st_size for file in files)))
    return found

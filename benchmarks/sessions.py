"""Session files of a coding agent, made here and seeded: questions, answers in parts, calls, forks.

An answer is written as several records with one id and growing usage, as the agent does; one file
in twenty begins with the records of another, as a resumed session does.
"""

from __future__ import annotations

import json
import random
import uuid
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from world import FOLDER

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_START = datetime(2025, 6, 1, tzinfo=UTC)
_TOOLS = ("Bash", "Read", "Edit", "Grep", "Write")
_TEXT = "read the file and fix what the test says about the parser then run it again"
_WORDS = _TEXT.split()
_SHARE_FORKED = 0.05
_SHARE_FAILED = 0.06


def folder(n_files: int) -> Path:
    """Give a folder of that many session files, about 115 kB each."""
    path = FOLDER / f"sessions-{n_files}"
    if path.exists():
        return path / "projects"
    dice = random.Random(7)  # noqa: S311 - a benchmark's data is no secret
    part = path.with_suffix(".part") / "projects" / "-home-user-project"
    part.mkdir(parents=True, exist_ok=True)
    before: list[dict[str, Any]] = []
    for number in range(n_files):
        copied = before[: len(before) // 2] if dice.random() < _SHARE_FORKED else []
        session = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        records = [*copied, *_session(dice, session, number, copied)]
        lines = (json.dumps(record, ensure_ascii=False) for record in records)
        (part / f"{session}.jsonl").write_text("\n".join(lines) + "\n")
        before = records
    path.with_suffix(".part").rename(path)
    return path / "projects"


def _session(
    dice: random.Random, session: str, number: int, copied: list[dict[str, Any]]
) -> Iterator[dict[str, Any]]:
    """Write a session: a question, then answers that call tools until one does not."""
    at = _START + timedelta(minutes=7 * number)
    parent = copied[-1]["uuid"] if copied else None
    shared = {"sessionId": session, "cwd": "/home/user/project", "version": "2.0.1"}
    shared |= {"isSidechain": False, "userType": "external", "gitBranch": "main"}

    def record(kind: str, message: dict[str, Any], **more: object) -> dict[str, Any]:
        nonlocal parent, at
        own = str(uuid.UUID(int=dice.getrandbits(128), version=4))
        at += timedelta(seconds=dice.uniform(0.2, 20))
        stamp = at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
        made = {"parentUuid": parent, **shared, "type": kind, "uuid": own, "timestamp": stamp}
        parent = own
        return {**made, "message": message, **more}

    for _ in range(max(1, int(dice.lognormvariate(0.9, 0.7)))):
        yield record("user", {"role": "user", "content": _text(dice, 40)})
        for _ in range(int(dice.lognormvariate(1.6, 0.7))):
            yield from _answer(dice, record)
        yield record("assistant", _message(dice, [{"type": "text", "text": _text(dice, 90)}], 1))


def _answer(dice: random.Random, record: Any) -> Iterator[dict[str, Any]]:  # noqa: ANN401 - the function above
    """Write an answer in two records of one id, and the result of the call that it makes."""
    call = f"toolu_{dice.getrandbits(80):020x}"
    tool = dice.choice(_TOOLS)
    whole = _message(dice, [{"type": "text", "text": _text(dice, 60)}], 1)
    yield record("assistant", whole)
    use = {"type": "tool_use", "id": call, "name": tool, "input": {"path": _text(dice, 6)}}
    grown = {**whole["usage"], "output_tokens": whole["usage"]["output_tokens"] * 2}
    yield record("assistant", {**whole, "content": [use], "usage": grown})
    failed = dice.random() < _SHARE_FAILED
    output = _text(dice, int(dice.lognormvariate(5.7, 0.9)))
    result = {"type": "tool_result", "tool_use_id": call, "content": output}
    if failed:
        result["is_error"] = True
    yield record(
        "user", {"role": "user", "content": [result]}, toolUseResult={"stdout": output, "code": 0}
    )


def _message(dice: random.Random, content: list[Any], output: int) -> dict[str, Any]:
    usage = {"input_tokens": dice.randrange(1, 50), "output_tokens": output + dice.randrange(200)}
    usage |= {"cache_read_input_tokens": dice.randrange(50_000), "cache_creation_input_tokens": 0}
    return {
        "id": f"msg_{dice.getrandbits(80):020x}",
        "type": "message",
        "role": "assistant",
        "model": "claude-sonnet-4-5",
        "content": content,
        "stop_reason": "tool_use",
        "usage": usage,
    }


def _text(dice: random.Random, n_words: int) -> str:
    return " ".join(dice.choices(_WORDS, k=n_words))

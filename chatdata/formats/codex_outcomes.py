"""How calls of a Codex rollout ended, as far as their outputs and servers say."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats.content import text

if TYPE_CHECKING:
    from chatdata.formats.rows import Call

_EXIT_CODE = re.compile(
    r"\AExit code: (-?\d{1,9})$|^Process exited with code (-?\d{1,9})$", re.MULTILINE
)
_STOPPED = re.compile(
    r"(?:Wall time: [\d.]+ seconds\n)?(?:((?:exec command|patch) rejected)|aborted) by user"
)


def exit_code(result: str | None) -> int | None:
    """Find an exit code in an output: in its metadata, or on the fixed line before the output."""
    if result is None:
        return None
    if result.startswith("{"):
        try:
            code = msgspec.json.decode(result)["metadata"]["exit_code"]
        except (ValueError, KeyError, TypeError, RecursionError):
            return None
        return code if isinstance(code, int) else None
    found = _EXIT_CODE.search(result.split("\nOutput:", 1)[0])
    return int(found.group(1) or found.group(2)) if found else None


def stopped_by(result: str | None) -> str | None:
    """Say how the user kept a call from running to its end, by the program's own fixed words."""
    if result is None or not (found := _STOPPED.match(result)):
        return None
    return "denied" if found.group(1) else "cancelled"


def judge_by_server(call: Call, outcome: dict[str, Any]) -> None:
    """Set a call's status by what its server answered; no answer means that it never ran."""
    answer = outcome.get("Ok")
    if isinstance(answer, dict) and not (answer.get("isError") or answer.get("is_error")):
        call.status, call.error_source, call.error_class = "ok", None, None
    elif isinstance(answer, dict) or "Err" in outcome:
        call.status, call.error_class = "error", "unknown"
        call.error_source = "explicit" if isinstance(answer, dict) else "protocol"


def agent_id(result: str | None) -> str | None:
    """Read the id of a sub-agent out of what starting it gave."""
    try:
        return text(msgspec.json.decode(result or "").get("agent_id"))
    except (ValueError, AttributeError, RecursionError):
        return None

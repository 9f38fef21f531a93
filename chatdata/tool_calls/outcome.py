"""How a call ended: by its flags, by the fields of its result, by the words of its result."""

from __future__ import annotations

import re
from typing import Any, NamedTuple

SUCCESS = ("success", "is_success", "was_successful", "is_successful", "isSuccess", "succeeded")
FLAGS = (*SUCCESS, "is_error", "isError", "status", "error")
"""Fields of a call, or of the row it is stored in, that tell how it ended."""

_WORDS = {
    **dict.fromkeys(("success", "succeeded", "ok", "completed", "complete", "done"), "ok"),
    **dict.fromkeys(("error", "failed", "failure"), "error"),
    **dict.fromkeys(("denied", "rejected"), "denied"),
    **dict.fromkeys(("cancelled", "canceled"), "cancelled"),
    **dict.fromkeys(("timeout", "timed_out"), "timeout"),
    **dict.fromkeys(("pending", "running", "in_progress"), "no_result"),
}
_ERROR_CLASSES = frozenset(
    {
        "cancelled",
        "invalid_arguments",
        "limit",
        "not_found",
        "permission",
        "rate_limit",
        "sandbox",
        "timeout",
        "transport",
        "unknown",
    }
)
_MAY_FAIL = frozenset({"is_error", "isError", "error"})
_FAILED_TEXT = re.compile(r"\s*(?:Tool \S+ failed|Error\b)")
# Responses items say by it only that they were written, before anything was executed.
_WRITTEN_TYPES = ("function_call", "custom_tool_call")
_WRITTEN = ("completed", "in_progress")
_TRUTH = {"true": True, "1": True, "false": False, "0": False}
_NO_ERROR = frozenset({"", "none", "null", "false", "0", "[]", "{}"})


class Outcome(NamedTuple):
    """A status, what it rests on, and what it would be if the call's flags were not believed."""

    status: str
    evidence: str | None
    below: str


def outcome(flags: dict[str, Any] | None, value: object, *, has_result: bool) -> Outcome:
    """Say how a call ended.

    Args:
        flags: the call's own fields, or None if it has none of `FLAGS`.
        value: its result, decoded.
        has_result: whether a result is stored.

    Returns:
        Evidence "flag", "result" or "text", in that order; null where only the presence of a
        result is known.
    """
    below, evidence = "unknown" if has_result else "no_result", None
    if isinstance(value, dict):
        told = _told_by_result(value)
        if told is not None:
            below, evidence = told, "result"
    elif isinstance(value, str) and _FAILED_TEXT.match(value):
        below, evidence = "error", "text"
    flagged = None if flags is None else _told_by_flags(flags)
    return Outcome(below, evidence, below) if flagged is None else Outcome(flagged, "flag", below)


def is_told(key: str, value: object) -> bool:
    """Whether a flag is wholly said by the status, so that nothing of it need be kept."""
    if key not in FLAGS or key == "error":
        return False
    return _truth(value) is not None or _word(value) is not None


def error_class(told: Outcome, value: object) -> str | None:
    """Map a failed call's own code to the known classes; null where only words say it failed."""
    if told.status == "timeout":
        return "timeout"
    if told.status != "error" or told.evidence == "text":
        return None
    if isinstance(value, dict):
        for key in ("error_class", "error_type", "error_code", "code"):
            word = str(value.get(key, "")).strip().lower()
            if word in _ERROR_CLASSES:
                return word
    return "unknown"


def _told_by_result(value: dict[str, Any]) -> str | None:
    if value.get("success") is True and _MAY_FAIL.isdisjoint(value):
        return "ok"
    success = _truth(value.get("success"))
    if success is False or _is_error(value) is True or _says_error(value.get("error")):
        return "error"
    # A result of MCP has its content beside the flag, which is always there.
    is_fine = "content" in value and _truth(value.get("isError")) is False
    return "ok" if success or is_fine else None


def _told_by_flags(flags: dict[str, Any]) -> str | None:
    status = None if _is_only_written(flags) else flags.get("status")
    word = _word(status)
    if word is not None and word != "ok":
        return word
    told = (_truth(flags[key]) for key in SUCCESS if key in flags)
    success, is_error = next((one for one in told if one is not None), None), _is_error(flags)
    if success is False or is_error is True or _says_error(flags.get("error")):
        return "error"
    succeeded = _truth(status)
    if succeeded is False:
        return "error"
    return "ok" if word or success or succeeded or is_error is False else None


def _is_only_written(flags: dict[str, Any]) -> bool:
    return flags.get("type") in _WRITTEN_TYPES and flags.get("status") in _WRITTEN


def _word(value: object) -> str | None:
    """Read a status word, also an enumeration's member as `Status.SUCCESS`."""
    return _WORDS.get(value.strip().lower().rpartition(".")[2]) if isinstance(value, str) else None


def _is_error(fields: dict[str, Any]) -> bool | None:
    snake = _truth(fields.get("is_error"))
    return _truth(fields.get("isError")) if snake is None else snake


def _truth(value: object) -> bool | None:
    """Read a flag stored as a bool, as 0 or 1, or as the text of one; None where it is no flag."""
    if isinstance(value, str):
        return _TRUTH.get(value.strip().lower())
    return bool(value) if isinstance(value, int) and value in (0, 1) else None


def _says_error(value: object) -> bool:
    return value.strip().lower() not in _NO_ERROR if isinstance(value, str) else bool(value)

"""Tokens of a Codex rollout: running totals taken apart, and kept until an answer takes them."""

from __future__ import annotations

from bisect import bisect_left
from functools import reduce
from typing import TYPE_CHECKING, Any

from chatdata.formats.rows import Usage, added

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chatdata.formats.rows import Message

_COUNTERS = (
    ("input_tokens", "input"),
    ("output_tokens", "output"),
    ("cached_input_tokens", "cache_read"),
    ("reasoning_output_tokens", "reasoning"),
)


class Tokens:
    """What a conversation has spent so far, and what of it no row has yet."""

    def __init__(self) -> None:
        self._total: dict[str, int] | None = None
        self._waiting: list[tuple[int, Usage]] = []

    def since(self, info: Any, *, inherits: bool) -> Usage | None:  # noqa: ANN401 - as logged
        """Give what was spent since the total before, if anything.

        Args:
            info: what the log says of tokens.
            inherits: whether the first total has what the conversation's parent spent.
        """
        info = info if isinstance(info, dict) else {}
        total = info.get("total_token_usage")
        if not isinstance(total, dict):
            return None
        now = {key: total[key] for key, _ in _COUNTERS if isinstance(total.get(key), int)}
        before = self._total
        if before is None and inherits:
            last = info.get("last_token_usage")
            last = last if isinstance(last, dict) else {}
            before = {key: value - _number(last.get(key)) for key, value in now.items()}
        if before and any(value < before.get(key, 0) for key, value in now.items()):
            before = None
        self._total = now
        delta = {key: value - (before or {}).get(key, 0) for key, value in now.items()}
        if not any(delta.values()):
            return None
        read = Usage(**{name: delta[key] for key, name in _COUNTERS if key in delta})
        if read.input is not None and read.cache_read is not None:
            read.input -= min(read.cache_read, read.input)
        return read

    def keep(self, usage: Usage, place: int) -> None:
        """Keep what was spent before there was an answer; `place` counts the texts before it."""
        self._waiting.append((place, usage))

    def spend_on(self, row: Message | None) -> None:
        """Give all that waits to one row, if there is one."""
        if row is not None and self._waiting:
            row.usage = added(row.usage, self.take())

    def spend_by_place(self, texts: Sequence[Message]) -> None:
        """Give what waits to the answer before it, or to the first one."""
        answers = [place for place, row in enumerate(texts) if row.role_raw == "assistant"]
        for n_before, usage in self._waiting if answers else ():
            row = texts[answers[max(0, bisect_left(answers, n_before) - 1)]]
            row.usage = added(row.usage, usage)
        if answers:
            self._waiting.clear()

    def take(self) -> Usage:
        """Give all that still waits, which may be nothing."""
        waiting, self._waiting = self._waiting, []
        return reduce(added, (usage for _, usage in waiting), Usage())


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0

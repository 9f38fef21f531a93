"""Answers that several questions need, found once for each log and kept as long as it is."""

from __future__ import annotations

import weakref
from functools import wraps
from typing import TYPE_CHECKING, Any, TypeVar

if TYPE_CHECKING:
    from collections.abc import Callable

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

Answer = TypeVar("Answer")
_kept: dict[int, dict[Any, Any]] = {}


def once(question: Callable[..., Answer]) -> Callable[..., Answer]:
    """Keep what a question about a log answers, by its other arguments.

    For small answers only, a row per conversation at the most: they stay in memory. A `Chats` and
    its frames do not change, so neither does the answer.
    """

    @wraps(question)
    def asked(chats: Chats[Frame], *arguments: Any) -> Answer:  # noqa: ANN401 - whatever it takes
        if id(chats) not in _kept:
            _kept[id(chats)] = {}
            weakref.finalize(chats, _kept.pop, id(chats), None)
        known = _kept[id(chats)]
        if (question, *arguments) not in known:
            known[question, *arguments] = question(chats, *arguments)
        answer: Answer = known[question, *arguments]
        return answer

    return asked

"""How alike the arguments of two calls are.

A kernel: Arrow columns in, an Arrow column out, nothing of an engine, one pair at a time.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import msgspec
import pyarrow as pa

if TYPE_CHECKING:
    from collections.abc import Sequence

EXACT, NEAR, CHANGED = "exact", "near", "changed"
_NEAR_DISTANCE = 0.15
_WORD = re.compile(r"\w+", re.ASCII)


def likeness(ours: Sequence[str | None], theirs: Sequence[str | None]) -> pa.StringArray:
    """Call each pair of arguments exact, near or changed.

    Exact is equal JSON, whatever the order of keys; near, at most 15 % of the distinct words of
    both are in one alone. Arguments that are missing on both sides are exact.
    """
    return pa.array(map(_likeness, ours, theirs), pa.string())


def _likeness(one: str | None, other: str | None) -> str:
    if one == other:
        return EXACT
    if one is None or other is None:
        return CHANGED
    if _canonical(one) == _canonical(other):
        return EXACT
    words, others = set(_WORD.findall(one)), set(_WORD.findall(other))
    either = words | others
    distance = len(words ^ others) / len(either) if either else 1.0
    return NEAR if distance <= _NEAR_DISTANCE else CHANGED


def _canonical(text: str) -> object:
    try:
        return msgspec.json.decode(text)
    except (msgspec.DecodeError, RecursionError):
        return text

"""Trees of messages: the path a reader saw, and an order in which parents come first."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


def path(parents: Mapping[str, str | None], leaf: str | None) -> set[str]:
    """Walk from a leaf to its root over parent links; cycles end the walk."""
    seen: set[str] = set()
    while leaf is not None and leaf in parents and leaf not in seen:
        seen.add(leaf)
        leaf = parents[leaf]
    return seen


def newest_leaf(parents: Mapping[str, str | None], times: Mapping[str, int | None]) -> str | None:
    """Find the leaf that was written last; in source order where times are equal or missing."""
    inner = set(parents.values())
    leaves = [name for name in parents if name not in inner] or list(parents)
    if not leaves:
        return None
    order = {name: place for place, name in enumerate(leaves)}
    return max(leaves, key=lambda name: (times.get(name) or 0, order[name]))


def preorder(parents: Mapping[str, str | None]) -> list[str]:
    """Order nodes depth first, siblings as they stand in the source.

    A node whose parent is missing is a root; nodes of a cycle come last, in source order.
    """
    children: dict[str | None, list[str]] = {}
    for name, parent in parents.items():
        children.setdefault(parent if parent in parents else None, []).append(name)
    ordered: dict[str, None] = {}
    waiting = children.get(None, [])[::-1]
    while waiting:
        name = waiting.pop()
        if name not in ordered:
            ordered[name] = None
            waiting.extend(reversed(children.get(name, [])))
    return [*ordered, *(name for name in parents if name not in ordered)]


def nearest(
    parents: Mapping[str, str | None], name: str | None, wanted: Iterable[str]
) -> str | None:
    """Find the closest ancestor, the node itself included, that is wanted."""
    found = set(wanted)
    seen: set[str] = set()
    while name is not None and name in parents and name not in seen:
        if name in found:
            return name
        seen.add(name)
        name = parents[name]
    return name if name not in parents else None

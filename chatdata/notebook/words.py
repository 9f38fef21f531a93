"""Findings in sentences, shown where a chart or table would be."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterable


@dataclass(frozen=True)
class Words:
    """Sentences, one a line, the same every time they are shown."""

    sentences: tuple[str, ...]

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's protocol
        lines = "\n".join(f"<li>{escape(each)}</li>" for each in self.sentences)
        return {"text/html": f"<ul>\n{lines}\n</ul>", "text/plain": str(self)}

    def __str__(self) -> str:
        return "\n".join(self.sentences)

    def __repr__(self) -> str:
        return str(self)


def words(sentences: Iterable[str]) -> Words:
    """Put sentences together, those that are empty left out."""
    return Words(tuple(filter(None, sentences)))

"""What many formats share: text out of content, parts, names of tools, keys nobody took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chatdata.formats.media import without_bytes

_TEXT_KEYS = {
    "text": ("text", "value"),
    "input_text": ("text",),
    "output_text": ("text",),
    "refusal": ("refusal",),
}
_CLAIMED = ("tool_use", "tool_result", "tool_call")
_REASONING_KEYS = {
    "reasoning": ("value", "text", "reasoning"),
    "thinking": ("thinking", "value", "text"),
}


@dataclass
class Content:
    """A message's content taken apart.

    Attributes:
        parts: None for plain text; else the parts as found, with every text that went to `text` or
            `reasoning` replaced by its length, so that the list can be put together again.
        others: the parts that are neither text nor reasoning, for the format to look at.
    """

    texts: list[str] = field(default_factory=list)
    reasonings: list[str] = field(default_factory=list)
    parts: list[Any] | None = None
    others: list[dict[str, Any]] = field(default_factory=list)

    @property
    def text(self) -> str | None:
        """Visible text, the parts joined by line ends; None without a text part."""
        return "\n".join(self.texts) if self.texts else None

    @property
    def is_plain(self) -> bool:
        """Whether the parts are one that says nothing but its text."""
        parts = self.parts or []
        return len(parts) == 1 and len(self.texts) == 1 and parts[0].keys() == {"type", "text"}

    @property
    def reasoning(self) -> str | None:
        """Thinking text, the parts joined by line ends."""
        return "\n".join(self.reasonings) if self.reasonings else None


def split(content: Any) -> Content:  # noqa: ANN401 - whatever the log holds
    """Take content apart: null, text, or a list of typed parts.

    Calls and results leave only their type in `parts`: the format makes rows of them.

    Raises:
        TypeError: it is none of these.
    """
    if content is None:
        return Content()
    if isinstance(content, str):
        return Content(texts=[content])
    if not isinstance(content, list):
        raise TypeError("content is neither text nor a list")
    found = Content()
    found.parts = [_part(found, part) for part in content]
    return found


def text(value: Any) -> str | None:  # noqa: ANN401 - whatever the log holds
    """Give text that says something, or None."""
    return value if isinstance(value, str) and value else None


def rest(record: dict[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """Give the keys that no column took; nulls too, they are what the source said."""
    return {key: value for key, value in record.items() if key not in taken}


def tool_names(tools: Any) -> list[str] | None:  # noqa: ANN401 - whatever the log holds
    """Name the declared tools, in any of the shapes that providers use."""
    if not isinstance(tools, list):
        return None
    names = []
    for tool in tools:
        declared = tool.get("function", tool) if isinstance(tool, dict) else tool
        name = declared.get("name") if isinstance(declared, dict) else declared
        if isinstance(name, str):
            names.append(name)
    return names


def _part(found: Content, part: Any) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(part, str):
        found.texts.append(part)
        return {"n_chars": len(part)}
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    for keys, texts in ((_TEXT_KEYS, found.texts), (_REASONING_KEYS, found.reasonings)):
        for key in keys.get(kind, ()) if isinstance(kind, str) else ():
            if isinstance(part.get(key), str):
                texts.append(part[key])
                return {**part, key: {"n_chars": len(part[key])}}
    found.others.append(part)
    if isinstance(kind, str) and kind.endswith(_CLAIMED):
        return {"type": kind}
    return without_bytes(part)

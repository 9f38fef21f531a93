"""What many formats share: text out of content, parts, names of tools, keys nobody took."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from chatdata.formats.media import without_bytes

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

SHORTEST = 48
"""Shorter texts are written out: a reference would be no shorter."""
_SPEECH = {
    "text": ("text", "value"),
    "input_text": ("text",),
    "output_text": ("text",),
    "refusal": ("refusal",),
}
_THOUGHT = {
    "reasoning": ("value", "text", "reasoning"),
    "thinking": ("thinking", "value", "text"),
    "think": ("think",),
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
        """Whether the parts are one of type text, which says nothing else."""
        parts = self.parts or []
        plain = len(parts) == 1 and len(self.texts) == 1 and parts[0].keys() == {"type", "text"}
        return plain and parts[0]["type"] == "text"

    @property
    def reasoning(self) -> str | None:
        """Thinking text, the parts joined by line ends."""
        return "\n".join(self.reasonings) if self.reasonings else None


def split(content: Any, claims: Callable[[str], bool] | None = None) -> Content:  # noqa: ANN401 - whatever the log holds
    """Take content apart: null, text, or a list of typed parts.

    Args:
        content: what the log holds.
        claims: says of a part's type whether the format makes a call or a result of such parts;
            these leave only their type in `parts`, as `claimed`, and which call they answer.

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
    found.parts = [_part(found, part, claims) for part in content]
    return found


def listed(value: Any) -> list[Any]:  # noqa: ANN401 - whatever the log holds
    """Give a list.

    Raises:
        TypeError: it is none; iterating over text or an object would seem to work.
    """
    if not isinstance(value, list):
        raise TypeError("no list")
    return value


def text(value: Any) -> str | None:  # noqa: ANN401 - whatever the log holds
    """Give text that says something, or None."""
    return value if isinstance(value, str) and value else None


def rest(record: dict[str, Any], taken: frozenset[str]) -> dict[str, Any]:
    """Give the keys that no column took; nulls too, they are what the source said."""
    return {key: value for key, value in record.items() if key not in taken}


def absent(source: dict[str, Any], expected: Collection[str]) -> dict[str, list[str]]:
    """Note which keys a record lacks although a column will be filled from elsewhere."""
    missing = [key for key in expected if key not in source]
    return {"absent": missing} if missing else {}


def is_claimed(part: Any) -> bool:  # noqa: ANN401 - any JSON value
    """Whether a part of the shape stands for a call or a result that the format made a row of."""
    return isinstance(part, dict) and "claimed" in part


def untold(source: dict[str, Any], told: dict[str, Any]) -> dict[str, Any]:
    """Give what of a record its columns do not tell, so that both together give it back.

    That is each key that no column took, each null, and each value that its column does not hold
    as it was: text in a place of another type, an empty id.

    Args:
        source: the record.
        told: what the columns hold, by the record's keys; None where they hold nothing.
    """
    return {
        key: value
        for key, value in source.items()
        if value is None
        or key not in told
        or (told[key] is not value and (type(told[key]) is not type(value) or told[key] != value))
    }


def cut(value: Any, text: str) -> Any:  # noqa: ANN401 - any JSON value
    """Replace in a value what a text holds by where it stands there."""
    if isinstance(value, str) and len(value) >= SHORTEST and (place := text.find(value)) >= 0:
        return {"at": place, "n_chars": len(value)}
    if isinstance(value, dict):
        return {key: cut(item, text) for key, item in value.items()}
    return value


def mcp_server(name: str | None) -> str | None:
    """Tell the server out of a tool's name, `mcp__server__tool`."""
    return name.split("__")[1] or None if name and name.startswith("mcp__") else None


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


def _part(found: Content, part: Any, claims: Callable[[str], bool] | None) -> Any:  # noqa: ANN401 - any JSON value
    if isinstance(part, str):
        found.texts.append(part)
        return {"n_chars": len(part)}
    if not isinstance(part, dict):
        return part
    kind = part.get("type")
    kind = kind if isinstance(kind, str) else ""
    for key in _SPEECH.get(kind) or _THOUGHT.get(kind) or ():
        said = part.get(key)
        if isinstance(said, str):
            (found.texts if kind in _SPEECH else found.reasonings).append(said)
            return {**part, key: {"n_chars": len(said)}}
        if isinstance(said, dict) and isinstance(said.get("value"), str):
            # Messages of threads have their text beside its annotations.
            found.texts.append(said["value"])
            return {**part, key: {**said, "value": {"n_chars": len(said["value"])}}}
    found.others.append(part)
    if claims and claims(kind):
        answered = {"tool_use_id": part["tool_use_id"]} if part.get("tool_use_id") else {}
        return {"claimed": kind, **answered}
    return without_bytes(part)


def keep(extra: dict[str, Any], name: str, value: Any) -> None:  # noqa: ANN401 - any JSON value
    """Add to a list of notes; where the log has a key of that name itself, it keeps it."""
    notes = extra.setdefault(name, [])
    if isinstance(notes, list):
        notes.append(value)
    else:
        keep(extra, f"{name}~2", value)

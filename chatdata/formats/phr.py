"""Prompt history records of Spec-Kit-Plus: Markdown with front matter, one prompt a file.

`history/prompts/<feature>/<id>-<slug>.<stage>.prompt.md`. One file is one conversation of at most
two rows: the section whose heading begins with "Prompt" (also "Original prompt", "User input",
"User prompt") and the one that begins with "Response"; headings of level 2 outside code fences, in
any case. About 3 % keep the texts in the front matter (`prompt_text`, `response_text`). A file with
neither is a conversation without rows.

Gives: users, models, days. Does not give: times of day, calls, tokens. Front matter is read line by
line, because some is not valid YAML and `id: 0012` must stay text. `none`, `null` and unfilled
`{{…}}` are null;
the front matter stays in `extra` as it is written, and the headings beside it.
"""

from __future__ import annotations

import re
import textwrap
from collections import deque
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, POSSIBLE, SURE, Evidence, Format, Reading
from chatdata.formats.content import rest
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRONT = re.compile(r"\A\s*---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_PAIR = re.compile(r"([A-Za-z_][\w-]*):(?:\s+(.*?))?\s*\Z")
_BLOCK = re.compile(r"[|>][-+\d]{0,2}\Z")
_FOLD = re.compile(r"(?<!\n)\n(?!\n)")
_PARTS = {"user": "prompt", "assistant": "response"}
_PROMPTS = ("prompt", "original prompt", "user input", "user prompt")
_NOTHING = re.compile(r"(none|null|~|\{\{.*\}\})?\Z", re.IGNORECASE)
_TAKEN = frozenset({"id", "title", "model", "user", "feature", "prompt_text", "response_text"})
_SURE_OF = ("surface", "command", "feature", "prompt_text")


@dataclass(frozen=True)
class _Section:
    """Text below a heading of level 2; `part` says which message it is, if one."""

    heading: str
    text: str
    part: str | None


def _parse(reading: Reading) -> Iterator[Conversation]:
    block, body = _halves(reading.text())
    front = _front_matter(block or "")
    sections = _sections(body)
    moment = next(
        (iso(front[key]) for key in ("date", "date_iso") if isinstance(front.get(key), str)), None
    )
    conversation = Conversation(
        id=reading.name,
        native_id=_one(front.get("id")),
        title=_one(front.get("title")),
        model=_one(front.get("model")),
        user_id=_one(front.get("user")),
        project=_one(front.get("feature")),
        extra=rest(front, _TAKEN),
    )
    for role, part in _PARTS.items():
        said, extra = next((s.text for s in sections if s.part == part), None), {}
        if said is None:
            said, extra = _one(front.get(f"{part}_text")), {"place": "front matter"}
        if said is not None:
            conversation.messages.append(
                Message(
                    role_raw=part,
                    role=role,
                    kind="chat",
                    native_id=part,
                    content=said,
                    at=moment,
                    extra=extra,
                )
            )
    if block is not None:
        conversation.extra["front_matter"] = block
    if sections:
        conversation.extra["sections"] = [_kept(section) for section in sections]
    yield conversation


def _halves(document: str) -> tuple[str | None, str]:
    """Split a document into front matter, if it has one, and body."""
    document = document.replace("\r\n", "\n")
    found = _FRONT.match(document)
    return (found.group(1), document[found.end() :]) if found else (None, document)


def _kept(section: _Section) -> dict[str, str]:
    told = {"part": section.part} if section.part else {"text": section.text}
    return {"heading": section.heading, **told}


def _sections(body: str) -> list[_Section]:
    """Split at level-2 headings outside fences; text before the first has none."""
    found: list[tuple[str, list[str]]] = [("", [])]
    fence = None
    for line in body.split("\n"):
        mark = line.lstrip()[:3]
        if mark in {"```", "~~~"} and fence in {None, mark}:
            fence = None if fence else mark
        if fence is None and line.startswith("## "):
            found.append((line[3:].strip(), []))
        else:
            found[-1][1].append(line)
    sections: list[_Section] = []
    for heading, lines in found:
        part = _part(heading)
        taken = any(section.part == part for section in sections)
        text = "\n".join(lines).strip()
        if heading or text:
            sections.append(_Section(heading, text, None if taken else part))
    return sections


def _part(heading: str) -> str | None:
    lowered = heading.strip("*_ ").lower()
    if lowered.startswith(_PROMPTS):
        return "prompt"
    return "response" if lowered.startswith("response") else None


def _front_matter(block: str) -> dict[str, Any]:
    """Read `key: value` lines, lists and one level of nesting; values stay text."""
    found: dict[str, Any] = {}
    key = ""
    lines = deque(block.split("\n"))
    while lines:
        line = lines.popleft()
        inner = line.strip()
        pair = _PAIR.match(inner)
        if not line[:1].isspace() and pair:
            key, written = pair.group(1), pair.group(2) or ""
            is_block = _BLOCK.match(written)
            found[key] = (is_block and _block(written, lines)) or _value(written)
        elif key and inner.startswith("- "):
            items = found[key] if isinstance(found[key], list) else []
            found[key] = [*items, _unquoted(inner[2:])]
        elif key and pair and not isinstance(found[key], str | list):
            found[key] = {**(found[key] or {}), pair.group(1): _value(pair.group(2) or "")}
        elif key and inner and isinstance(found[key], str):
            found[key] = f"{found[key]}\n{inner}".removeprefix("|\n").removeprefix(">\n")
    return found


def _block(mark: str, lines: deque[str]) -> str:
    """Take the indented lines that follow, as they are, or folded where the mark says so."""
    taken = []
    while lines and (not lines[0].strip() or lines[0][0].isspace()):
        taken.append(lines.popleft())
    text = textwrap.dedent("\n".join(taken)).strip("\n")
    return _FOLD.sub(" ", text) if mark.startswith(">") else text


def _value(written: str) -> Any:  # noqa: ANN401 - text, a list of texts, or None
    if _NOTHING.match(written):
        return None
    if written.startswith("[") and written.endswith("]"):
        items = (_unquoted(item) for item in written[1:-1].split(","))
        return [item for item in items if item]
    return _unquoted(written)


def _unquoted(written: str) -> str:
    inner = written.strip()
    quoted = len(inner) > 1 and inner[0] == inner[-1] and inner[0] in "\"'"
    return inner[1:-1] if quoted else inner


def _one(value: Any) -> str | None:  # noqa: ANN401 - text, a list of texts, or None
    return value if isinstance(value, str) and not _NOTHING.match(value) else None


def _sniff(evidence: Evidence) -> float:
    if evidence.kind != "text":
        return 0.0
    block, body = _halves(evidence.text)
    front = _front_matter(block or "")
    if "stage" in front and any(key in front for key in _SURE_OF):
        return SURE
    parts = {section.part for section in _sections(body)}
    if parts >= set(_PARTS.values()):
        return LIKELY
    named = evidence.path.endswith(".prompt.md") and ".github/" not in evidence.path
    return POSSIBLE if named and ("prompt" in parts or "history/prompts/" in evidence.path) else 0.0


FORMAT = Format("phr", "Prompt history records (Spec-Kit-Plus)", _sniff, _parse, __doc__)

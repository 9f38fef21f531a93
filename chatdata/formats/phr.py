"""Prompt history records of Spec-Kit-Plus: Markdown with front matter, one prompt a file.

`history/prompts/<feature>/<id>-<slug>.<stage>.prompt.md`. One file is one conversation of at most
two rows: the section whose heading begins with "Prompt" (also "Original prompt", "User input",
"User prompt") and the one that begins with "Response"; headings of level 2 outside code fences, in
any case. About 3 % keep the texts in the front matter (`prompt_text`, `response_text`). A file with
neither is a conversation without rows.

Gives: users, models, days. Does not give: times of day, calls, tokens. Front matter is read line by
line, because some is not valid YAML and `id: 0012` must stay text. `none`, `null` and unfilled
`{{…}}` are null.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from chatdata.formats.base import LIKELY, POSSIBLE, SURE, Evidence, Format, Reading
from chatdata.formats.content import rest
from chatdata.formats.rows import Conversation, Message
from chatdata.formats.times import iso

if TYPE_CHECKING:
    from collections.abc import Iterator

_FRONT = re.compile(r"\A---[ \t]*\n(.*?)\n---[ \t]*(?:\n|\Z)", re.DOTALL)
_PAIR = re.compile(r"([A-Za-z_][\w-]*):(?:\s+(.*?))?\s*\Z")
_PROMPTS = ("prompt", "original prompt", "user input", "user prompt")
_NOTHING = re.compile(r"(none|null|~|\{\{.*\}\})?\Z", re.IGNORECASE)
_TAKEN = frozenset({"id", "title", "model", "user", "feature", "prompt_text", "response_text"})
_SURE_OF = ("surface", "command", "feature", "prompt_text")


def _parse(reading: Reading) -> Iterator[Conversation]:
    body = reading.text().replace("\r\n", "\n")
    found = _FRONT.match(body)
    front = _front_matter(found.group(1)) if found else {}
    sections = _sections(body[found.end() :] if found else body)
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
    for role, name in (("user", "prompt"), ("assistant", "response")):
        said, extra = sections.pop(name, None), {}
        if said is None:
            said, extra = _one(front.get(f"{name}_text")), {"place": "front matter"}
        if said is not None:
            conversation.messages.append(
                Message(
                    role_raw=name,
                    role=role,
                    kind="chat",
                    native_id=name,
                    content=said,
                    at=moment,
                    extra=extra,
                )
            )
    if sections:
        conversation.extra["sections"] = sections
    yield conversation


def _sections(body: str) -> dict[str, str]:
    """Split at level-2 headings outside fences; the prompt's and response's get their own names."""
    sections: dict[str, list[str]] = {}
    lines: list[str] = sections.setdefault("", [])
    fence = None
    for line in body.split("\n"):
        mark = line.lstrip()[:3]
        if mark in {"```", "~~~"} and fence in {None, mark}:
            fence = None if fence else mark
        if fence is None and line.startswith("## "):
            lines = sections.setdefault(_name(line[3:].strip(), sections), [])
        else:
            lines.append(line)
    texts = {name: "\n".join(lines).strip() for name, lines in sections.items()}
    return {name: said for name, said in texts.items() if name or said}


def _name(heading: str, known: dict[str, list[str]]) -> str:
    lowered = heading.strip("*_ ").lower()
    name = heading
    if lowered.startswith(_PROMPTS):
        name = "prompt"
    elif lowered.startswith("response"):
        name = "response"
    return heading if name in known and name != heading else name


def _front_matter(block: str) -> dict[str, Any]:
    """Read `key: value` lines, lists and one level of nesting; values stay text."""
    found: dict[str, Any] = {}
    key = ""
    for line in block.split("\n"):
        inner = line.strip()
        pair = _PAIR.match(inner)
        if not line[:1].isspace() and pair:
            key = pair.group(1)
            found[key] = _value(pair.group(2) or "")
        elif key and inner.startswith("- "):
            items = found[key] if isinstance(found[key], list) else []
            found[key] = [*items, _unquoted(inner[2:])]
        elif key and pair and not isinstance(found[key], str | list):
            found[key] = {**(found[key] or {}), pair.group(1): _value(pair.group(2) or "")}
        elif key and inner and isinstance(found[key], str):
            found[key] = f"{found[key]}\n{inner}".removeprefix("|\n").removeprefix(">\n")
    return found


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
    body = evidence.text.replace("\r\n", "\n")
    found = _FRONT.match(body)
    front = _front_matter(found.group(1)) if found else {}
    if "stage" in front and any(key in front for key in _SURE_OF):
        return SURE
    sections = _sections(body[found.end() :] if found else body)
    if {"prompt", "response"} <= sections.keys():
        return LIKELY
    named = evidence.path.endswith(".prompt.md") and ".github/" not in evidence.path
    return (
        POSSIBLE if named and ("prompt" in sections or "history/prompts/" in evidence.path) else 0.0
    )


FORMAT = Format("phr", "Prompt history records (Spec-Kit-Plus)", _sniff, _parse, __doc__)

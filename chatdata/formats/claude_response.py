"""One API response of Claude Code while its records come in: one per content block, merged."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from chatdata.formats.content import Content, absent, text, untold
from chatdata.formats.rows import At, Message, Usage

_TOKENS = {
    "input_tokens": "input",
    "output_tokens": "output",
    "cache_read_input_tokens": "cache_read",
    "cache_creation_input_tokens": "cache_write",
}


@dataclass
class Response:
    """An API response while its records come in.

    Attributes:
        row: the message they become.
        records: what the row does not tell of each record, in order.
        usage: that of the record with most output tokens, as found.
        spoken: hashes of every text and thought so far.
        uuid: of the last record.
    """

    row: Message
    records: list[dict[str, Any]] = field(default_factory=list)
    usage: Any = None
    spoken: set[int] = field(default_factory=set)
    uuid: str | None = None


def response_row(
    source: dict[str, Any], body: dict[str, Any], id_: str | None, moment: At | None
) -> Message:
    """Begin the row of a response with its first record."""
    model = text(body.get("model"))
    failed = model == "<synthetic>" or bool(source.get("isApiErrorMessage"))
    return Message(
        role_raw="assistant",
        role="assistant",
        kind="event" if failed else "chat",
        key=id_,
        native_id=id_,
        twin=id_,
        model=None if failed else model,
        at=moment,
    )


def merge(
    response: Response,
    content: Content,
    body: dict[str, Any],
    usage: Usage | None,
    extra: dict[str, Any],
) -> int:
    """Add a record to its response; an exact repetition of a text or thought adds nothing.

    Args:
        response: what the records so far have given.
        content: of the record.
        body: the record's `message`.
        usage: what of it is usage.
        extra: what the record says outside `message` that no column tells; grows.

    Returns:
        The output tokens that adding up the records would count too much.
    """
    row = response.row
    shape = _shape(response, content)
    row.content = _appended(row.content, content.texts)
    row.reasoning = _appended(row.reasoning, content.reasonings)
    reason = text(body.get("stop_reason"))
    if reason and row.finish_reason and reason != row.finish_reason:
        _back_fill(response, "stop_reason", row.finish_reason)
    row.finish_reason = reason or row.finish_reason
    tokens = _use(response, body, usage)
    told = {
        "role": "assistant",
        "type": "message",
        "id": row.native_id,
        "model": row.model,
        "stop_reason": row.finish_reason,
        "content": body.get("content") if shape is None else None,
        "usage": response.usage,
    }
    if more := untold(body, told) | absent(body, told):
        extra["message"] = more
    if shape is not None:
        extra["message"]["content"] = shape
    response.records.append(extra)
    return tokens


def _shape(response: Response, content: Content) -> Any:  # noqa: ANN401 - any JSON value
    """Give the shape of a record's content, and take out what an earlier record said already.

    None is what most first records are: one block of nothing but text.
    """
    parts = content.parts
    if parts is None:
        return {"n_chars": len(content.texts[0])} if content.texts else None
    if response.records:
        texts, thoughts = iter(content.texts), iter(content.reasonings)
        content.texts, content.reasonings = [], []
        for place, part in enumerate(parts):
            key = _text_key(part)
            if key is None:
                continue
            thinks = part.get("type") in {"thinking", "reasoning"}
            said = next(thoughts if thinks else texts, None)
            if said is None:
                continue
            if hash((thinks, said)) not in response.spoken:
                (content.reasonings if thinks else content.texts).append(said)
            else:
                parts[place] = {**part, key: said} if key else said
    response.spoken.update(hash((False, said)) for said in content.texts)
    response.spoken.update(hash((True, said)) for said in content.reasonings)
    return None if content.is_plain and not response.records else parts


def _text_key(part: Any) -> str | None:  # noqa: ANN401 - any JSON value
    """Find under which key of a part only the length of a text is left; "" is the part itself."""
    if not isinstance(part, dict):
        return None
    if "n_chars" in part:
        return ""
    sizes = (key for key, value in part.items() if isinstance(value, dict) and "n_chars" in value)
    return next(sizes, None)


def _use(response: Response, body: dict[str, Any], usage: Usage | None) -> int:
    """Take the usage of the record with most output tokens; the others keep theirs."""
    if usage is None:
        return 0
    found = body["usage"]
    row = response.row
    before = _number(row.usage.output) if row.usage else -1
    now = _number(usage.output)
    if row.usage is None or now > before:
        if response.usage is not None and response.usage != found:
            _back_fill(response, "usage", response.usage)
        row.usage, response.usage = usage, found
        told = {key: getattr(usage, name) for key, name in _TOKENS.items()}
        row.extra["usage"] = untold(found, told)
    return max(min(before, now), 0)


def _back_fill(response: Response, key: str, value: object) -> None:
    """Note in the records so far what a later one replaces in their row."""
    for extra in response.records:
        more = extra.setdefault("message", {})
        if key not in more.get("absent", ()):
            more.setdefault(key, value)


def _appended(before: str | None, texts: list[str]) -> str | None:
    if not texts:
        return before
    return "\n".join(texts if before is None else [before, *texts])


def _number(value: object) -> int:
    return value if isinstance(value, int) else -1

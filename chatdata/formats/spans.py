"""Conversations out of traces: spans that repeat the whole history with every generation.

A generation's input is the history so far, so only what it adds makes rows: its messages are
aligned, in order, with those that the conversation has. Its output is one row with the model, the
tokens and the time of the span. A generation around another one (a wrapper that traces the same
request) makes no row. Of a conversation without any generation, as of an export of outermost spans
alone, what went into the outermost span of a trace and came out of it are the messages. Spans of
tools give calls their times, status and, where no message does, their result.
"""

from __future__ import annotations

from hashlib import blake2b
from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import shapes
from chatdata.formats.base import UNEXPECTED
from chatdata.formats.media import without_bytes
from chatdata.formats.records import Bad, encode
from chatdata.formats.rows import ROLES, At, Call, Conversation, Message, Result, Usage
from chatdata.identity.copies import BY_HISTORY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from chatdata.formats.base import Reading

    Print = tuple[str | None, str, tuple[str | None, ...]]


class Span(msgspec.Struct, kw_only=True):
    """One span, in the words of no particular tracer.

    Attributes:
        kind: llm, tool or anything else.
        session: the conversation it names; spans of its trace that name none are of the same one.
        input: the messages that went in, history included.
        output: the messages that came out.
        asked, answered: of a span that is no generation: what went in and came out, as traced.
        call: for a tool: what was called, with its result and status.
        n_records: physical records of its own.
    """

    id: str | None
    trace: str
    parent: str | None = None
    kind: str = "other"
    name: str | None = None
    session: str | None = None
    user_id: str | None = None
    title: str | None = None
    agent: str | None = None
    project: str | None = None
    tools: list[str] | None = None
    model: str | None = None
    started: At | None = None
    ended: At | None = None
    input: list[Message] = []
    output: list[Message] = []
    asked: Any = None
    answered: Any = None
    usage: Usage | None = None
    finish_reason: str | None = None
    call: Call | None = None
    n_records: int = 1
    extra: dict[str, Any] = {}


def conversations(spans: Iterable[Span], reading: Reading) -> Iterator[Conversation]:
    """Group spans by the conversation they name, else by trace, and read each group once."""
    spans = list(spans)
    sessions = {span.trace: span.session for span in spans if span.session}
    groups: dict[str, list[Span]] = {}
    for span in spans:
        groups.setdefault(span.session or sessions.get(span.trace) or span.trace, []).append(span)
    for ordinal, (id_, group) in enumerate(groups.items(), 1):
        try:
            yield _conversation(id_, ordinal, group)
        except UNEXPECTED:
            for _ in range(sum(span.n_records for span in group)):
                reading.reject(
                    Bad(ordinal, None, ""), f"of a trace that {reading.source} never writes"
                )


def _conversation(id_: str, ordinal: int, spans: list[Span]) -> Conversation:
    spans = sorted(spans, key=lambda span: span.started.us if span.started else 0)
    starts = [span.started for span in spans if span.started]
    ends = [span.ended for span in spans if span.ended]
    conversation = Conversation(
        id=id_,
        native_id=id_,
        ordinal=ordinal,
        joins=True,
        created_at=min(starts, key=lambda moment: moment.us, default=None),
        updated_at=max(ends, key=lambda moment: moment.us, default=None),
        n_records=sum(span.n_records for span in spans),
    )
    for name in ("user_id", "title", "agent", "project"):
        found = (getattr(span, name) for span in spans)
        setattr(conversation, name, next((value for value in found if value), None))
    conversation.declared_tools = next((span.tools for span in spans if span.tools), None)
    _speak_for(spans)
    wrapping = _wrapping(spans)
    prints: list[Print] = []
    for span in spans:
        if span.kind == "llm" and span.id not in wrapping:
            _add(conversation.messages, prints, span)
    _mark_copies(conversation.messages, prints, id_)
    _answer(conversation, [span for span in spans if span.kind == "tool" and span.call])
    others = [s for s in spans if s.kind not in {"llm", "tool"} or s.id in wrapping]
    # A trace's own row has no id; it is around the spans of that trace that have no other parent.
    above = {span.parent or span.trace for span in spans if span.id is not None}
    listed = [_kept(span, is_innermost=(span.id or span.trace) not in above) for span in others]
    conversation.extra = {"spans": listed} if listed else {}
    return conversation


def _kept(span: Span, *, is_innermost: bool) -> dict[str, Any]:
    """Keep a span that makes no row; what passes through those around others is theirs."""
    kept = {"id": span.id or span.trace, "parent": span.parent, "name": span.name, **span.extra}
    through = {"input": span.asked, "output": span.answered} if is_innermost else {}
    return kept | {key: without_bytes(v) for key, v in through.items() if v is not None}


def _speak_for(spans: list[Span]) -> None:
    """Where there is no generation at all, let each trace's outermost span tell what was said.

    With some, the outermost spans of other traces may only be around them.
    """
    if any(span.kind == "llm" for span in spans):
        return
    spoken: set[str] = set()
    known = {span.id for span in spans if span.id}
    for span in spans:
        says = span.asked is not None or span.answered is not None
        if span.kind == "other" and says and span.trace not in spoken and span.parent not in known:
            spoken.add(span.trace)
            asked = shapes.messages(_plainly(span.asked), "user")
            answers = shapes.messages(_plainly(span.answered), "assistant")
            if len(answers) > 1:
                # A state: all that was said, what was asked first.
                repeats = list(map(_print, answers[: len(asked)])) == list(map(_print, asked))
                asked = (answers if repeats else asked + answers)[:-1]
                answers = answers[-1:]
            span.kind, span.input, span.output = "llm", asked, answers


def _plainly(value: Any) -> Any:  # noqa: ANN401 - whatever was traced
    """Give the text of an object that holds nothing else."""
    value = shapes.decoded(value)
    only = next(iter(value.values())) if isinstance(value, dict) and len(value) == 1 else None
    return only if isinstance(only, str) else value


def _wrapping(spans: list[Span]) -> set[str | None]:
    """Find the generations that have a generation below them."""
    parents = {span.id: span.parent for span in spans if span.id}
    found: set[str | None] = set()
    for span in spans:
        above = span.parent if span.kind == "llm" else None
        seen: set[str] = set()
        while above is not None and above not in seen:
            seen.add(above)
            above = parents.get(above)
        found |= seen
    return found


def _add(rows: list[Message], prints: list[Print], span: Span) -> None:
    """Add what a generation has that the conversation lacks."""
    place = 0
    told = {(kind, id_) for row in rows for kind, id_ in _ids(row)}
    for message in span.input:
        print_ = _print(message)
        known = next((i for i in range(place, len(prints)) if prints[i] == print_), None)
        if known is not None:
            place = known + 1
            continue
        ids = _ids(message)
        if ids and told.issuperset(ids):
            continue
        if place < len(rows) and _is_blank(rows[place]) and print_[0] == "assistant":
            # The tracer missed what that generation said; the history of a later one has it.
            blank = rows[place]
            blank.content, blank.reasoning = message.content, message.reasoning
            blank.calls, prints[place] = message.calls, print_
            place += 1
            continue
        rows.append(message)
        prints.append(print_)
        place = len(prints)
    written = _merged(span.output)
    written.model, written.usage, written.at = span.model, span.usage, span.ended or span.started
    written.finish_reason = span.finish_reason
    written.native_id = span.id
    written.extra |= span.extra
    rows.append(written)
    prints.append(_print(written))


def _mark_copies(rows: list[Message], prints: list[Print], id_: str) -> None:
    """Say by all that was said before it what a message is, wherever else the history stands.

    The spans of one conversation may lie in several files, and each repeats what went before.
    """
    said = blake2b(id_.encode("utf-8", "replace"), digest_size=16)
    for row, print_ in zip(rows, prints, strict=True):
        said.update(encode(print_).encode("utf-8", "replace"))
        if not _is_blank(row):
            row.twin = f"{BY_HISTORY}{said.hexdigest()}"


def _ids(message: Message) -> list[tuple[str, str]]:
    """List the calls that a message makes and answers, by id; some tracers split one message."""
    made = [("call", call.native_id) for call in message.calls if call.native_id]
    return made + [("result", r.native_id) for r in message.results if r.native_id]


def _is_blank(row: Message) -> bool:
    return row.role_raw == "assistant" and row.content is None and not row.calls


def _merged(output: list[Message]) -> Message:
    """Make one row of a generation's output, which some tracers list item by item."""
    if len(output) == 1:
        return output[0]
    merged = Message(role_raw=output[0].role_raw if output else "assistant")
    for part in output:
        if part.content is not None:
            merged.content = "\n".join(p for p in (merged.content, part.content) if p is not None)
        if part.reasoning:
            merged.reasoning = "\n".join(p for p in (merged.reasoning, part.reasoning) if p)
        merged.calls += part.calls
        merged.results += part.results
        merged.extra |= part.extra
    return merged


def _print(message: Message) -> Print:
    """Tell messages apart, however a tracer writes them down: role, text and calls."""
    named = [call.native_id or f"{call.name}{_plain(call.arguments)}" for call in message.calls]
    named += [result.native_id or "" for result in message.results if result.native_id]
    role = ROLES.get(message.role_raw.lower())
    said = "" if any(result.native_id for result in message.results) else message.content
    return role, (said or "").strip(), tuple(named)


def _plain(value: Any) -> str:  # noqa: ANN401 - any arguments
    if value is msgspec.UNSET or value is None:
        return ""
    return value if isinstance(value, str) else encode(value)


def _answer(conversation: Conversation, spans: list[Span]) -> None:
    """Give calls what their spans recorded; a span of no call here is a call of its own."""
    calls = [call for message in conversation.messages for call in message.calls]
    results = {
        result.native_id: (message, result)
        for message in conversation.messages
        for result in message.results
        if result.native_id
    }
    for span in spans:
        told = span.call
        if told is None:
            continue
        call = _asked(calls, told)
        if call is None:
            told.started_at, told.ended_at = span.started, span.ended
            told.extra |= span.extra
            conversation.calls.append(told)
            continue
        calls.remove(call)
        call.started_at, call.extra = span.started, call.extra | span.extra
        carried = results.get(call.native_id) if call.native_id else None
        if carried is None:
            call.ended_at = span.ended
            for name in ("has_result", "result", "status", "error_source", "error_class"):
                setattr(call, name, getattr(told, name))
        else:
            _complete(*carried, told, span.ended)


def _complete(message: Message, result: Result, told: Call, ended: At | None) -> None:
    """Tell a result, which a message carries, what the span knows of it."""
    message.at = result.ended_at = ended
    result.status = told.status or "unknown"
    result.error_source, result.error_class = told.error_source, told.error_class


def _asked(calls: list[Call], told: Call) -> Call | None:
    if told.native_id:
        return next((call for call in calls if call.native_id == told.native_id), None)
    named = [call for call in calls if call.name and (told.name or "").endswith(call.name)]
    same = (call for call in named if _plain(call.arguments) == _plain(told.arguments))
    return next(same, named[0] if named else None)

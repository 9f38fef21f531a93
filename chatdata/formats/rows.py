"""What a reader yields: conversations with their messages, calls and results, as plain values.

A reader fills in what its format says and leaves the rest; `frames.py` derives ids, order, roles,
argument statuses and the pairing of calls with results the same way for every format. None of them
refers to what refers to it, so the garbage collector need not look at them (`gc=False`).
"""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, Struct, UnsetType, field

ROLES = {
    **dict.fromkeys(("user", "human", "prompter"), "user"),
    **dict.fromkeys(
        (
            "assistant",
            "gpt",
            "chatgpt",
            "bing",
            "bard",
            "ai",
            "aimessagechunk",
            "gemini",
            "model",
            "agent",
            "bot",
        ),
        "assistant",
    ),
    **dict.fromkeys(("tool", "function", "observation", "tool_response", "ipython"), "tool"),
    **dict.fromkeys(("system", "developer", "info", "error", "warning"), "system"),
}
SAME_MESSAGE = ""
_LARGEST = 2**63
KINDS = {"user": "chat", "assistant": "chat", "tool": "tool_result", "system": "injected"}


def tokens(value: object) -> int | None:
    """Give a count of tokens that fits its column."""
    fits = isinstance(value, int) and not isinstance(value, bool) and abs(value) < _LARGEST
    return value if fits else None  # type: ignore[return-value]


class At(Struct, frozen=True, gc=False):
    """A moment: microseconds since 1970 in UTC, and what its text resolves."""

    us: int
    precision: str


class Usage(Struct, gc=False):
    """Tokens of one model response; `input` is the uncached part."""

    input: int | None = None
    output: int | None = None
    cache_read: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None


def added(before: Usage | None, more: Usage) -> Usage:
    """Add up what two responses spent; what neither counts stays unknown."""
    if before is None:
        return more
    pairs = ((name, getattr(before, name), getattr(more, name)) for name in Usage.__struct_fields__)
    return Usage(**{n: (a or 0) + (b or 0) for n, a, b in pairs if a is not None or b is not None})


class Call(Struct, kw_only=True, gc=False):
    """One tool invocation.

    Attributes:
        key: an id that is unique in the world, where the format has one.
        arguments: text as found, or a decoded value; unset or None where the log has none.
        arguments_status: "invalid" where the log says so; None lets them speak for themselves.
        result: set where the format keeps result and call together, else paired by the builder.
        has_result: whether `result` was recorded, even as null.
        result_key: the message that carries the result, or SAME_MESSAGE; None where none does.
        n_records: physical records of its own (0 where its message's record holds it).
        stamped: whether the log itself marks the call as a copy.
        twin: what identifies a copy of a call without a message.
        status: as the format says; None lets the pairing decide.
    """

    name: str | None = None
    native_id: str | None = None
    key: str | None = None
    server: str | None = None
    arguments: Any = UNSET
    arguments_status: str | None = None
    result: str | None = None
    has_result: bool = False
    result_key: str | None = None
    status: str | None = None
    error_source: str | None = None
    error_class: str | None = None
    started_at: At | None = None
    ended_at: At | None = None
    n_records: int = 0
    stamped: bool = False
    twin: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Result(Struct, kw_only=True, gc=False):
    """What came back for a call that stands elsewhere; without an id it is paired by order."""

    native_id: str | None = None
    text: str | None = None
    status: str = "unknown"
    error_source: str | None = None
    error_class: str | None = None
    ended_at: At | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Message(Struct, kw_only=True, gc=False):
    """One logical message.

    Attributes:
        key: an id that is unique in the world; such messages collapse wherever they are copied.
        native_id: the source's id; unique within its conversation, or use `ordinal_key`.
        parent: key or native id of the message before it; unset means the previous row.
        aliases: other ids under which parents may name this message.
        n_records: physical records of its own (0 where one record holds a whole conversation).
        stamped: whether the log itself marks the message as a copy.
        twin: what identifies a copy whose ids were rewritten.
    """

    role_raw: str
    role: str | None = None
    kind: str | None = None
    content: str | None = None
    reasoning: str | None = None
    key: str | None = None
    native_id: str | None = None
    parent: str | UnsetType | None = UNSET
    is_main_path: bool = True
    model: str | None = None
    generation_id: str | None = None
    at: At | None = None
    finish_reason: str | None = None
    usage: Usage | None = None
    calls: list[Call] = field(default_factory=list)
    results: list[Result] = field(default_factory=list)
    aliases: tuple[str, ...] = ()
    n_records: int = 0
    stamped: bool = False
    twin: str | None = None
    extra: dict[str, Any] = field(default_factory=dict)


class Conversation(Struct, kw_only=True, gc=False):
    """One conversation and all that the document has of it, in order.

    Attributes:
        id: the conversation's id in the frames; None makes `<name>#<ordinal>`.
        ordinal: 1-based record of the document.
        calls: calls whose message the log does not tell.
        calls_by_place: whether ids of calls repeat, so that message and place name a call.
        n_records: records of its own, not counting those of its messages.
        joins: whether another one of the same id is a part of it, not a different one.
        part: where a conversation has one record of each kind (a batch's request and its outcome),
            which one this is; a second one of a kind is of a different conversation.
        hint: whether this only adds to a conversation that others have; alone it is no row.
        of_message: for a hint without an id, a message of the conversation that it is about.
        title_rank: of several titles of one conversation the highest rank is taken.
    """

    ordinal: int = 1
    id: str | None = None
    native_id: str | None = None
    user_id: str | None = None
    title: str | None = None
    model: str | None = None
    agent: str | None = None
    project: str | None = None
    created_at: At | None = None
    updated_at: At | None = None
    parent_id: str | None = None
    relation: str | None = None
    parent_call: str | None = None
    declared_tools: list[str] | None = None
    messages: list[Message] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    calls_by_place: bool = False
    n_records: int = 1
    joins: bool = False
    part: str | None = None
    hint: bool = False
    of_message: str | None = None
    title_rank: int = 0
    extra: dict[str, Any] = field(default_factory=dict)


def started(agent: str, parent: str, call: str | None) -> Conversation:
    """Hint at the sub-agent that a conversation started; `call` is the native id of the call."""
    return Conversation(
        id=agent,
        hint=True,
        joins=True,
        n_records=0,
        parent_id=parent,
        relation="subagent",
        parent_call=f"{parent}:{call}" if call else None,
    )

"""Attributes of spans in the vocabularies that tracers of language models use.

`gen_ai.*` of OpenTelemetry in its three generations (numbered attributes, events, JSON), `llm.*` of
OpenInference, and `ai.*` of the Vercel AI SDK. The newest one that a span has is read.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.formats import attribute_names as names
from chatdata.formats import shapes
from chatdata.formats.content import text, tool_names
from chatdata.formats.items import output_text
from chatdata.formats.rows import Call, Message, Usage
from chatdata.formats.spans import Span

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chatdata.formats.rows import At

    Attributes = dict[str, Any]

_GENERATES = ("chat", "text_completion", "generate_content", "completion")
_KINDS = {"LLM": "llm", "TOOL": "tool"}
_SDK = ("ai.generateText", "ai.streamText", "ai.generateObject", "ai.streamObject")
_ROLE_OF_EVENT = {"gen_ai.choice": "assistant"}
_TEXTS = (
    "messages",
    "prompt",
    "completion",
    "value",
    "text",
    "instructions",
    "arguments",
    "result",
)


class Raw(msgspec.Struct, kw_only=True):
    """A span as its envelope has it, attributes flattened to dotted names.

    `record` is the place of the document where it stands.
    """

    id: str | None
    trace: str
    parent: str | None = None
    name: str | None = None
    started: At | None = None
    ended: At | None = None
    failed: bool = False
    attributes: dict[str, Any] = {}
    events: list[tuple[str, Any]] = []
    extra: dict[str, Any] = {}
    record: int = 0


def flat(value: Any, prefix: str = "") -> Attributes:  # noqa: ANN401 - any JSON value
    """Flatten nested attributes to dotted names; lists of plain values stay lists."""
    found: Attributes = {}
    inner: Iterable[tuple[Any, Any]]
    if isinstance(value, dict):
        inner = value.items()
    elif isinstance(value, list) and value and all(isinstance(item, dict) for item in value):
        inner = enumerate(value)
    else:
        return {prefix: value}
    for key, item in inner:
        found |= flat(item, f"{prefix}.{key}" if prefix else str(key))
    return found


def described(raw: Raw) -> Span:
    """Say what a span is in words of no particular tracer."""
    own = raw.attributes
    taken = (*names.TAKEN, names.NOTED) if _noted(own) else names.TAKEN
    others = {key: value for key, value in own.items() if not key.startswith(taken)}
    span = Span(
        id=raw.id,
        trace=raw.trace,
        parent=raw.parent,
        kind=_kind(raw),
        name=raw.name,
        session=_text(own, names.SESSION),
        user_id=_text(own, names.USER),
        agent=_text(own, names.AGENT),
        project=_text(own, ("service.name",)),
        started=raw.started,
        ended=raw.ended,
        extra=raw.extra | ({"attributes": others} if others else {}),
    )
    if span.kind == "llm":
        span.model = _text(own, names.MODEL)
        span.tools = _tools(own)
        span.input, span.output = _said(raw)
        span.finish_reason = _finish_reason(own, span.output)
        span.usage, note = _usage(own)
        span.extra = span.extra | note
    elif span.kind == "tool":
        span.call = _call(raw)
    else:
        span.asked, span.answered = (_first(own, keys) for keys in (names.ASKED, names.ANSWERED))
    return span


def is_cut(raw: Raw) -> bool:
    """Whether an attribute that holds messages or arguments as JSON was cut off."""
    return any(
        isinstance(value, str)
        and value[:1] in {"[", "{"}
        and isinstance(shapes.decoded(value), str)
        and key.startswith(("gen_ai.", "llm.", "ai."))
        and key.rsplit(".", 1)[-1] in _TEXTS
        for key, value in raw.attributes.items()
    )


def _kind(raw: Raw) -> str:
    own = raw.attributes
    operation = own.get("gen_ai.operation.name")
    named = own.get("openinference.span.kind") or own.get("traceloop.span.kind")
    sdk = str(own.get("ai.operationId") or "")
    if isinstance(named, str) and named.upper() in _KINDS:
        return _KINDS[named.upper()]
    if operation == "execute_tool" or sdk == "ai.toolCall" or "gen_ai.tool.name" in own:
        return "tool"
    generates = operation in _GENERATES or sdk.startswith(_SDK)
    if generates or (operation is None and not sdk and named is None and _is_traced(raw)):
        return "llm"
    return "other"


def _is_traced(raw: Raw) -> bool:
    signs = ("gen_ai.prompt", "gen_ai.completion", "gen_ai.input.messages", "gen_ai.usage.")
    return any(key.startswith(signs) for key in raw.attributes) or any(
        name in {"gen_ai.choice", "gen_ai.user.message"} for name, _ in raw.events
    )


def _said(raw: Raw) -> tuple[list[Message], list[Message]]:
    """Read what went in and came out, in the newest form that the span has."""
    own = raw.attributes
    if "gen_ai.input.messages" in own or "gen_ai.output.messages" in own:
        system = shapes.messages(own.get("gen_ai.system_instructions"), "system")
        return (
            system + shapes.messages(own.get("gen_ai.input.messages"), "user"),
            shapes.messages(own.get("gen_ai.output.messages"), "assistant"),
        )
    if events := raw.events or _noted(own):
        heard = [(name, body) for name, body in events if name not in _ROLE_OF_EVENT]
        chosen = [(name, body) for name, body in events if name in _ROLE_OF_EVENT]
        return _of_events(heard), _of_events(chosen)
    if own.keys() & {*names.ADK}:
        request, response = (own.get(key) for key in names.ADK)
        return shapes.messages(request, "user"), shapes.messages(response, "assistant")
    for before, after in (
        ("gen_ai.prompt", "gen_ai.completion"),
        ("llm.input_messages", "llm.output_messages"),
    ):
        heard_, said = _numbered(own, before), _numbered(own, after)
        if heard_ or said:
            return shapes.messages(heard_, "user"), shapes.messages(said, "assistant")
    if any(key.startswith("ai.") for key in own):
        heard_ = own.get("ai.prompt.messages", own.get("ai.prompt"))
        return shapes.messages(heard_, "user"), _of_sdk(own)
    return (
        shapes.messages(own.get("input.value"), "user"),
        shapes.messages(own.get("output.value"), "assistant"),
    )


def _noted(own: Attributes) -> list[tuple[str, Any]]:
    """Read the events that stand in an attribute as JSON, each with its name."""
    listed = shapes.decoded(own.get(names.NOTED))
    if not isinstance(listed, list):
        return []
    named = [(body.get("event.name"), body) for body in listed if isinstance(body, dict)]
    return [(name, body) for name, body in named if isinstance(name, str)]


def _of_events(events: list[tuple[str, Any]]) -> list[Message]:
    found = []
    for name, body in events:
        role = _ROLE_OF_EVENT.get(name) or name.removeprefix("gen_ai.").removesuffix(".message")
        inner = shapes.decoded(body.get("message", body)) if isinstance(body, dict) else body
        if isinstance(inner, dict) and "role" not in inner:
            inner = {**inner, "role": role}
        if isinstance(inner, dict):
            inner = {key: shapes.decoded(value) for key, value in inner.items()}
            inner.setdefault("finish_reason", body.get("finish_reason"))
        found += shapes.messages(inner, role)
    return found


def _of_sdk(own: Attributes) -> list[Message]:
    parts: list[Any] = []
    if text(own.get("ai.response.reasoning")):
        parts.append({"type": "reasoning", "text": own["ai.response.reasoning"]})
    said = (own.get(key) for key in ("ai.response.text", "ai.response.object"))
    parts += [{"type": "text", "text": part} for part in said if text(part)]
    called = shapes.decoded(own.get("ai.response.toolCalls"))
    message = {"role": "assistant", "content": parts, "tool_calls": called or []}
    return shapes.messages(message, "assistant") if parts or called else []


def _numbered(own: Attributes, prefix: str) -> Any:  # noqa: ANN401 - messages in any shape
    """Put `prefix.0.role`, `prefix.0.content`, … together again."""
    if prefix in own:
        return own[prefix]
    tree: dict[str, Any] = {}
    for key, value in own.items():
        if key.startswith(f"{prefix}."):
            node = tree
            *steps, last = key.removeprefix(f"{prefix}.").split(".")
            for step in steps:
                node = node.setdefault(step, {})
            node[last] = value
    return _listed(tree) if tree else None


def _listed(value: Any) -> Any:  # noqa: ANN401 - any JSON value
    if not isinstance(value, dict):
        return value
    inner = {key: _listed(item) for key, item in value.items()}
    if inner and all(key.isdecimal() for key in inner):
        return [inner[key] for key in sorted(inner, key=int)]
    return inner


def _call(raw: Raw) -> Call:
    own = {name: _first(raw.attributes, keys) for name, keys in names.TOOL.items()}
    call = Call(
        name=text(own["name"]) or raw.name,
        native_id=text(own["id"]),
        arguments=own["arguments"],
        result=output_text(own["result"]),
        has_result=own["result"] is not None,
    )
    if raw.failed or raw.attributes.get("error.type") is not None:
        timed_out = str(raw.attributes.get("error.type")).lower() == "timeout"
        call.status, call.error_source = "timeout" if timed_out else "error", "explicit"
        call.error_class = "timeout" if timed_out else "unknown"
    elif raw.ended is not None:
        call.status = "ok"
    return call


def _usage(own: Attributes) -> tuple[Usage | None, Attributes]:
    """Read tokens; what was cached comes out of the input, unless it cannot be inside."""
    counts = {name: _number(_first(own, keys)) for name, keys in names.USAGE.items()}
    if all(count is None for count in counts.values()):
        return None, {}
    cached = (counts["cache_read"] or 0) + (counts["cache_write"] or 0)
    total = counts["input"]
    if cached and total is not None and total >= cached:
        counts["input"] = total - cached
    apart = total is not None and total < cached
    return Usage(**counts), {"usage": "cached tokens apart"} if apart else {}


def _finish_reason(own: Attributes, output: list[Message]) -> str | None:
    reasons = shapes.decoded(own.get("gen_ai.response.finish_reasons"))
    if isinstance(reasons, list) and reasons:
        return text(reasons[0])
    told = (message.finish_reason for message in output if message.finish_reason)
    numbered = own.get("gen_ai.completion.0.finish_reason")
    return text(own.get("ai.response.finishReason")) or text(numbered) or next(told, None)


def _tools(own: Attributes) -> list[str] | None:
    declared = shapes.decoded(own.get("gen_ai.tool.definitions"))
    declared = declared or own.get("ai.prompt.tools") or _numbered(own, "llm.tools")
    if not isinstance(declared, list):
        return None
    schemas = [tool.get("tool", tool) if isinstance(tool, dict) else tool for tool in declared]
    return tool_names(
        [
            shapes.decoded(schema.get("json_schema", schema))
            if isinstance(schema, dict)
            else shapes.decoded(schema)
            for schema in schemas
        ]
    )


def _first(own: Attributes, keys: Iterable[str]) -> Any:  # noqa: ANN401 - any JSON value
    return next((own[key] for key in keys if own.get(key) is not None), None)


def _text(own: Attributes, keys: Iterable[str]) -> str | None:
    return text(_first(own, keys))


def _number(value: Any) -> int | None:  # noqa: ANN401 - any JSON value
    if isinstance(value, str) and value.isdecimal():
        return int(value)
    return int(value) if isinstance(value, int | float) else None

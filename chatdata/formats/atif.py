"""ATIF trajectories: `{schema_version: "ATIF-v1.x", session_id, agent, steps: […]}`.

One trajectory is one conversation, embedded sub-agents' are conversations of their own; one step is
one row. Results stand in the step that called: a result without `source_call_id` is paired by order
where counts match, else it stays in the step's `extra`; one that refers to a sub-agent's trajectory
makes its step's call that one's parent. What was copied from another trajectory
(`is_copied_context`) is `injected`, and its tokens count there.

Gives: times, models, tokens (the cached part taken out of the prompt's), calls with results. Does
not give: outcomes of calls. Wrapped pairs `{parent, child}` are walked.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats.base import SURE, Evidence, Format, Reading
from chatdata.formats.blocks import result_text
from chatdata.formats.content import keep, rest, split, text, tool_names
from chatdata.formats.rows import SAME_MESSAGE, Call, Conversation, Message, Usage, started
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.records import Record

_TAKEN = frozenset({"steps", "agent", "subagent_trajectories", "session_id"})
_STEP_TAKEN = frozenset(
    {"step_id", "timestamp", "source", "message", "reasoning_content", "model_name"}
    | {"tool_calls", "observation", "metrics"}
)
_CALL_TAKEN = frozenset({"tool_call_id", "function_name", "arguments"})


def _parse(reading: Reading) -> Iterator[Conversation]:
    return reading.each(lambda record: _conversations(record, reading))


def _conversations(record: Record, reading: Reading) -> list[Conversation]:
    found = []
    waiting: list[tuple[dict[str, Any], str | None]] = [(record.value, None)]
    while waiting:
        source, parent = waiting.pop(0)
        if "steps" not in source:
            waiting += [(source[key], parent) for key in ("parent", "child") if key in source]
            continue
        conversation = _trajectory(source, record.number, reading)
        if parent is not None:
            conversation.parent_id, conversation.relation = parent, "subagent"
        found += [conversation, *_hints(source, conversation.id)]
        inner = source.get("subagent_trajectories") or []
        listed = inner.values() if isinstance(inner, dict) else inner
        name = conversation.id or f"{reading.name}#{record.number}"
        waiting += [(item, name) for item in listed]
    found[0].n_records = 1
    return found


def _hints(source: dict[str, Any], id_: str | None) -> Iterator[Conversation]:
    """Tell which trajectories of their own the steps started, and which call did."""
    results = (
        result
        for step in source["steps"]
        for result in (step.get("observation") or {}).get("results") or ()
    )
    for result in results:
        call = text(result.get("source_call_id"))
        for told in result.get("subagent_trajectory_ref") or ():
            named = text(told.get("trajectory_id")) or text(told.get("session_id"))
            if id_ and named:
                yield started(named, id_, call)


def _trajectory(source: dict[str, Any], ordinal: int, reading: Reading) -> Conversation:
    agent = source.get("agent") or {}
    native = text(source.get("trajectory_id")) or text(source.get("session_id"))
    extra = rest(source, _TAKEN)
    extra["agent"] = rest(agent, frozenset({"name", "model_name"}))
    return Conversation(
        ordinal=ordinal,
        id=native,
        native_id=native,
        model=text(agent.get("model_name")),
        agent=text(agent.get("name")),
        declared_tools=tool_names(agent.get("tool_definitions")),
        messages=[_step(step, reading.time_zone) for step in source["steps"]],
        n_records=0,
        extra=extra,
    )


def _step(step: dict[str, Any], time_zone: str) -> Message:
    content = split(step.get("message"))
    extra = rest(step, _STEP_TAKEN)
    if content.parts is not None:
        extra["message"] = content.parts
    metrics = step.get("metrics")
    row = Message(
        role_raw=step["source"],
        content=content.text,
        reasoning=text(step.get("reasoning_content")),
        native_id=None if step.get("step_id") is None else str(step["step_id"]),
        model=text(step.get("model_name")),
        at=at(step.get("timestamp"), time_zone),
        usage=_usage(metrics),
        calls=[_call(call) for call in step.get("tool_calls") or ()],
        extra=extra,
    )
    if isinstance(metrics, dict):
        row.extra["metrics"] = metrics
    if step.get("is_copied_context") is True:
        row.kind, row.usage = "injected", None
    _answer(row, (step.get("observation") or {}).get("results") or [])
    return row


def _answer(row: Message, results: list[dict[str, Any]]) -> None:
    by_order = len(results) == len(row.calls)
    for place, result in enumerate(results):
        id_ = result.get("source_call_id")
        asked = next((call for call in row.calls if id_ and call.native_id == id_), None)
        if asked is None and id_ is None and by_order:
            asked = row.calls[place]
        if asked is None or asked.has_result:
            keep(row.extra, "results", result)
            continue
        asked.has_result, asked.result_key, asked.status = True, SAME_MESSAGE, "unknown"
        asked.result = result_text(result.get("content"))
        asked.extra |= rest(result, frozenset({"source_call_id", "content"}))


def _call(source: dict[str, Any]) -> Call:
    return Call(
        name=text(source.get("function_name")),
        native_id=text(source.get("tool_call_id")),
        arguments=source.get("arguments"),
        extra=rest(source, _CALL_TAKEN),
    )


def _usage(metrics: Any) -> Usage | None:  # noqa: ANN401 - whatever the log holds
    if not isinstance(metrics, dict):
        return None
    total, cached = metrics.get("prompt_tokens"), metrics.get("cached_tokens")
    if isinstance(total, int) and isinstance(cached, int) and total >= cached:
        total -= cached
    return Usage(input=total, output=metrics.get("completion_tokens"), cache_read=cached)


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if evidence.kind == "prefix":
        return SURE if '"ATIF-' in evidence.text and '"steps"' in evidence.text else 0.0
    if not isinstance(value, dict):
        return 0.0
    for source in (value, value.get("parent"), value.get("child")):
        if isinstance(source, dict) and str(source.get("schema_version")).startswith("ATIF"):
            return SURE
    return 0.0


FORMAT = Format("atif", "ATIF trajectories", _sniff, _parse, __doc__)

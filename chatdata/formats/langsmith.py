"""LangSmith runs: one run a record, alone, in a list, or in the batches that its SDK sends.

A run is `{id, trace_id, dotted_order, parent_run_id, run_type, inputs, outputs, error}`; a batch is
`{post: [...], patch: [...]}`, where a patch adds to the run that was posted. A conversation is what
the metadata name (`thread_id`, `session_id`, `conversation_id`), else a trace. A run of type `llm`
is one assistant message; its inputs are the history, of which only what is new makes rows (a run
around another one makes none). A `tool` run gives a call its result, times and outcome; chains and
others are named in the conversation's `extra`.

Gives: times, models, tokens, calls with results and outcomes (ended without an error is ok). Does
not give: users, times of prompts.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.formats import shapes
from chatdata.formats.base import SURE, UNEXPECTED, Evidence, Format, Reading
from chatdata.formats.content import rest, text, tool_names
from chatdata.formats.items import output_text
from chatdata.formats.langchain import usage
from chatdata.formats.records import Bad
from chatdata.formats.rows import Call, Conversation, Message, Usage
from chatdata.formats.spans import Span, conversations
from chatdata.formats.times import at

if TYPE_CHECKING:
    from collections.abc import Iterator

_TAKEN = frozenset(
    {"id", "trace_id", "parent_run_id", "run_type", "name", "start_time", "end_time"}
    | {"inputs", "outputs", "dotted_order"}
)
_RUNS = frozenset({"llm", "chain", "tool", "retriever", "embedding", "prompt", "parser"})
_THREADS = ("thread_id", "session_id", "conversation_id")
_MODELS = ("ls_model_name", "model", "model_name")


def _parse(reading: Reading) -> Iterator[Conversation]:
    runs: dict[str, tuple[dict[str, Any], int]] = {}
    for record in reading.records():
        try:
            for run in _runs(record.value):
                if run["id"] in runs:
                    reading.count("part of another record")
                before = runs.get(run["id"], ({}, 0))[0]
                told = {key: value for key, value in run.items() if value is not None}
                runs[run["id"]] = {**before, **told}, record.number
        except UNEXPECTED:
            reading.reject(record, "not a langsmith record")
    spans = []
    for run, number in sorted(runs.values(), key=lambda found: str(found[0].get("dotted_order"))):
        try:
            spans.append(_span(run))
        except UNEXPECTED:
            reading.reject(Bad(number, None, ""), "not a langsmith run")
    yield from conversations(spans, reading)


def _runs(value: dict[str, Any]) -> list[dict[str, Any]]:
    if "post" in value or "patch" in value:
        return [*(value.get("post") or ()), *(value.get("patch") or ())]
    if isinstance(value.get("runs"), list):
        return list(value["runs"])
    return [value]


def _span(run: dict[str, Any]) -> Span:
    extra = run.get("extra") or {}
    metadata = extra.get("metadata") or {}
    kind = run["run_type"]
    span = Span(
        id=text(run["id"]),
        trace=str(run.get("trace_id") or run["id"]),
        parent=text(run.get("parent_run_id")),
        kind=kind if kind in {"llm", "tool"} else "other",
        name=text(run.get("name")),
        session=next((text(metadata.get(key)) for key in _THREADS if metadata.get(key)), None),
        project=text(run.get("session_name")),
        started=at(run.get("start_time")),
        ended=at(run.get("end_time")),
        extra={**rest(run, _TAKEN), "run_type": kind},
    )
    if kind == "llm":
        outputs = run.get("outputs") or {}
        invocation = extra.get("invocation_params") or {}
        span.input = shapes.messages(run.get("inputs"), "user")
        span.output = shapes.messages(outputs, "assistant") if outputs else []
        told = {**invocation, **metadata}
        span.model = next((text(told.get(key)) for key in _MODELS if told.get(key)), None)
        span.tools = tool_names(invocation.get("tools"))
        span.usage = _usage(run, outputs)
        span.finish_reason = _finish_reason(outputs, span.output)
    elif kind == "tool":
        span.call = _call(run, span)
    else:
        span.asked, span.answered = run.get("inputs") or None, run.get("outputs") or None
    return span


def _call(run: dict[str, Any], span: Span) -> Call:
    inputs, outputs = run.get("inputs") or {}, run.get("outputs")
    asked = inputs.get("input") if inputs.keys() == {"input"} else inputs
    answer = outputs.get("output", outputs) if isinstance(outputs, dict) else outputs
    call = Call(name=span.name, arguments=asked, has_result=answer is not None)
    if isinstance(answer, dict):
        inner = answer.get("kwargs") if isinstance(answer.get("kwargs"), dict) else answer
        call.native_id = text((inner or {}).get("tool_call_id"))
        answer = (inner or {}).get("content", answer)
    call.result = output_text(answer)
    if run.get("error"):
        call.status, call.error_source, call.error_class = "error", "explicit", "unknown"
    elif span.ended is not None:
        call.status = "ok"
    return call


def _finish_reason(outputs: dict[str, Any], output: list[Message]) -> str | None:
    for choice in outputs.get("choices") or ():
        return text(choice.get("finish_reason"))
    if told := text((_generation(outputs).get("generation_info") or {}).get("finish_reason")):
        return told
    return next((message.finish_reason for message in output if message.finish_reason), None)


def _generation(outputs: dict[str, Any]) -> dict[str, Any]:
    """Give the first of the generations of LangChain, or nothing."""
    for batch in outputs.get("generations") or ():
        for one in batch if isinstance(batch, list) else [batch]:
            return one if isinstance(one, dict) else {}
    return {}


def _usage(run: dict[str, Any], outputs: dict[str, Any]) -> Usage | None:
    """Read tokens: of the outputs, of the message in them, else of the run."""
    said = _generation(outputs).get("message")
    said = said if isinstance(said, dict) else {}
    kept = (said.get("kwargs") or said.get("data") or said).get("usage_metadata")
    found = usage(outputs.get("usage_metadata")) or usage(kept)
    if found is not None:
        return found
    found = Usage(input=run.get("prompt_tokens"), output=run.get("completion_tokens"))
    return found if (found.input, found.output) != (None, None) else None


def _is_run(value: Any) -> bool:  # noqa: ANN401 - any JSON value
    return isinstance(value, dict) and (
        "dotted_order" in value
        or ({"trace_id", "inputs"} <= value.keys() and value.get("run_type") in _RUNS)
    )


def _sniff(evidence: Evidence) -> float:
    value = evidence.value
    if not isinstance(value, dict):
        return 0.0
    batches = [value.get(key) for key in ("post", "patch", "runs")]
    listed = [run for batch in batches if isinstance(batch, list) for run in batch[:1]]
    return SURE if _is_run(value) or any(_is_run(run) for run in listed) else 0.0


FORMAT = Format("langsmith", "LangSmith runs", _sniff, _parse, __doc__)

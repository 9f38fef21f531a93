"""Traces: every span of a model repeats the history, which is to be counted once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chatdata.truth.files import compact, lines, whole
from chatdata.truth.frameworks import langchain_answer
from chatdata.truth.script import Call, Case, Tally, iso

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from chatdata.truth.script import Answer, Script, Talk


@dataclass(frozen=True)
class _Span:
    """A response with what came before it, or a call; and when it ran."""

    history: tuple[tuple[str, str | Answer | Call], ...]
    done: Answer | Call
    begun: datetime
    ended: datetime


def _spans(talk: Talk, tally: Tally) -> Iterator[_Span]:
    """Give a talk's spans in order of time; what they hold together is counted here."""
    clock = talk.clock()
    history: list[tuple[str, str | Answer | Call]] = []
    tally.conversations += 1
    for turn in talk.turns:
        history.append(("user", turn.prompt))
        tally.say("user")
        for answer in turn.answers:
            yield _Span(tuple(history), answer, next(clock), next(clock))
            history.append(("assistant", answer))
            tally.say("assistant")
            tally.call(*answer.calls)
            tally.spend(answer)
            for call in answer.results:
                yield _Span((), call, next(clock), next(clock))
                history.append(("tool", call))
                tally.say("tool")


def langfuse(script: Script) -> Case:
    """Observations of a trace: generations with their history, tools with their results."""
    tally = Tally()
    files = {}
    for talk in script.talks(4):
        observations: list[dict[str, Any]] = []
        for span in _spans(talk, tally):
            about: dict[str, Any] = {
                "id": script.id(),
                "traceId": talk.id,
                "startTime": iso(span.begun),
                "endTime": iso(span.ended),
                "level": "DEFAULT",
            }
            if isinstance(span.done, Call):
                tool = {"type": "TOOL", "name": span.done.tool, "input": span.done.arguments}
                observations.append({**about, **tool, "output": span.done.result})
                continue
            answer = span.done
            usage = {"input": answer.n_input, "output": answer.n_output}
            observations.append(
                {
                    **about,
                    "type": "GENERATION",
                    "name": "chat",
                    "model": talk.model,
                    "input": [_openai(role, said) for role, said in span.history],
                    "output": _openai("assistant", answer),
                    "usageDetails": usage,
                }
            )
        trace = {"id": talk.id, "sessionId": talk.id, "userId": talk.user, "name": talk.title}
        trace["timestamp"] = iso(talk.start)
        files[f"{talk.id}.json"] = whole({"trace": trace, "observations": observations})
        tally.records += len(observations)
    return Case("langfuse", files, tally, "every generation repeats the history")


def _openai(role: str, said: str | Answer | Call) -> dict[str, Any]:
    if isinstance(said, str):
        return {"role": role, "content": said}
    if isinstance(said, Call):
        return {"role": "tool", "tool_call_id": said.id, "content": said.result}
    calls = [
        {
            "id": c.id,
            "type": "function",
            "function": {"name": c.tool, "arguments": compact(c.arguments)},
        }
        for c in said.calls
    ]
    return {"role": "assistant", "content": said.text or "", "tool_calls": calls}


def langsmith(script: Script) -> Case:
    """Runs with their history, not in order; the thread is in the metadata."""
    tally = Tally()
    runs: list[dict[str, Any]] = []
    for talk in script.talks(4):
        trace = script.uuid()
        for number, span in enumerate(_spans(talk, tally)):
            moment = span.begun.strftime("%Y%m%dT%H%M%S%f")
            run: dict[str, Any] = {
                "id": script.uuid(),
                "trace_id": trace,
                "dotted_order": f"{moment}Z{number:04}",
                "start_time": span.begun.replace(tzinfo=None).isoformat(),
                "end_time": span.ended.replace(tzinfo=None).isoformat(),
                "extra": {"metadata": {"thread_id": talk.id, "ls_model_name": talk.model}},
            }
            if isinstance(span.done, Call):
                tool = {"run_type": "tool", "name": span.done.tool, "inputs": span.done.arguments}
                said = {"content": span.done.result, "tool_call_id": span.done.id}
                runs.append({**run, **tool, "outputs": {"output": said}})
                continue
            asked = [_langchain(said, talk.model) for _, said in span.history]
            message = _constructed("AIMessage", langchain_answer(span.done, talk.model))
            outputs = {"generations": [[{"text": span.done.text or "", "message": message}]]}
            model = {"run_type": "llm", "name": "Chat", "inputs": {"messages": [asked]}}
            runs.append({**run, **model, "outputs": outputs})
    script.random.shuffle(runs)
    tally.records = len(runs)
    return Case(
        "langsmith", {"runs.jsonl": lines(runs)}, tally, "runs repeat the history, unordered"
    )


def _langchain(said: str | Answer | Call, model: str) -> dict[str, Any]:
    if isinstance(said, str):
        return _constructed("HumanMessage", {"type": "human", "content": said})
    if isinstance(said, Call):
        kept = {"type": "tool", "content": said.result, "tool_call_id": said.id}
        return _constructed("ToolMessage", kept)
    return _constructed("AIMessage", langchain_answer(said, model))


def _constructed(name: str, kwargs: dict[str, Any]) -> dict[str, Any]:
    id_ = ["langchain", "schema", "messages", name]
    return {"lc": 1, "type": "constructor", "id": id_, "kwargs": kwargs}


def openinference(script: Script) -> Case:
    """Spans with flattened attributes."""
    tally = Tally()
    spans = []
    for talk in script.talks(4):
        for span in _spans(talk, tally):
            attributes: dict[str, Any] = {"session.id": talk.id, "user.id": talk.user}
            if isinstance(span.done, Call):
                kind, name = "TOOL", span.done.tool
                attributes |= {
                    "tool.name": name,
                    "tool_call.id": span.done.id,
                    "input.value": compact(span.done.arguments),
                    "output.value": span.done.result,
                }
            else:
                kind, name = "LLM", "chat"
                asked = [_openai(role, said) for role, said in span.history]
                attributes |= _flat("llm.input_messages", asked)
                attributes |= _flat("llm.output_messages", [_openai("assistant", span.done)])
                attributes |= {
                    "llm.model_name": talk.model,
                    "llm.token_count.prompt": span.done.n_input + span.done.n_cached,
                    "llm.token_count.prompt_details.cache_read": span.done.n_cached,
                    "llm.token_count.completion": span.done.n_output,
                }
            spans.append(
                {
                    "name": name,
                    "context": {"trace_id": script.id(32), "span_id": script.id(16)},
                    "span_kind": kind,
                    "parent_id": None,
                    "start_time": span.begun.isoformat(),
                    "end_time": span.ended.isoformat(),
                    "status_code": "OK",
                    "attributes": attributes,
                }
            )
    tally.records = len(spans)
    return Case("openinference", {"spans.jsonl": lines(spans)}, tally, "spans repeat the history")


def _flat(prefix: str, messages: list[dict[str, Any]]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for number, message in enumerate(messages):
        at = f"{prefix}.{number}.message"
        flat |= {f"{at}.role": message["role"], f"{at}.content": message["content"]}
        if "tool_call_id" in message:
            flat[f"{at}.tool_call_id"] = message["tool_call_id"]
        for nth, call in enumerate(message.get("tool_calls", ())):
            inner = f"{at}.tool_calls.{nth}.tool_call"
            flat[f"{inner}.id"] = call["id"]
            flat[f"{inner}.function.name"] = call["function"]["name"]
            flat[f"{inner}.function.arguments"] = call["function"]["arguments"]
    return flat


def otel_genai(script: Script) -> Case:
    """OTLP requests, one a line; messages are JSON text in attributes."""
    tally = Tally()
    requests = []
    for talk in script.talks(4):
        trace = script.id(32)
        spans = []
        for span in _spans(talk, tally):
            attributes: dict[str, Any] = {"gen_ai.conversation.id": talk.id}
            if isinstance(span.done, Call):
                name = f"execute_tool {span.done.tool}"
                attributes |= {
                    "gen_ai.operation.name": "execute_tool",
                    "gen_ai.tool.name": span.done.tool,
                    "gen_ai.tool.call.id": span.done.id,
                    "gen_ai.tool.call.result": span.done.result,
                }
            else:
                name = f"chat {talk.model}"
                asked = [_genai(role, said) for role, said in span.history]
                attributes |= {
                    "gen_ai.operation.name": "chat",
                    "gen_ai.response.model": talk.model,
                    "gen_ai.input.messages": compact(asked),
                    "gen_ai.output.messages": compact([_genai("assistant", span.done)]),
                    "gen_ai.usage.input_tokens": span.done.n_input + span.done.n_cached,
                    "gen_ai.usage.cache_read.input_tokens": span.done.n_cached,
                    "gen_ai.usage.output_tokens": span.done.n_output,
                }
            spans.append(
                {
                    "traceId": trace,
                    "spanId": script.id(16),
                    "name": name,
                    "startTimeUnixNano": f"{int(span.begun.timestamp())}000000000",
                    "endTimeUnixNano": f"{int(span.ended.timestamp())}000000000",
                    "attributes": [_attribute(key, value) for key, value in attributes.items()],
                    "status": {},
                }
            )
        scope = {"scope": {"name": "errands"}, "spans": spans}
        requests.append({"resourceSpans": [{"resource": {}, "scopeSpans": [scope]}]})
        tally.records += len(spans)
    return Case("otel-genai", {"traces.jsonl": lines(requests)}, tally, "spans repeat the history")


def _genai(role: str, said: str | Answer | Call) -> dict[str, Any]:
    if isinstance(said, str):
        return {"role": role, "parts": [{"type": "text", "content": said}]}
    if isinstance(said, Call):
        part = {"type": "tool_call_response", "id": said.id, "response": said.result}
        return {"role": "tool", "parts": [part]}
    parts: list[dict[str, Any]] = [{"type": "text", "content": said.text}] if said.text else []
    parts += [
        {"type": "tool_call", "id": c.id, "name": c.tool, "arguments": c.arguments}
        for c in said.calls
    ]
    return {"role": "assistant", "parts": parts, "finish_reason": "stop"}


def _attribute(key: str, value: object) -> dict[str, Any]:
    kind = "intValue" if isinstance(value, int) else "stringValue"
    return {"key": key, "value": {kind: str(value)}}

"""Messages as agent frameworks keep them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec

from chatdata.truth.files import compact, database, lines, whole
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from chatdata.truth.script import Answer, Call, Script, Talk


def langchain(script: Script) -> Case:
    """Message lists in which `additional_kwargs` repeats the calls."""
    tally = Tally()
    files = {}
    for talk in script.talks(4):
        messages = langchain_messages(talk, tally)
        files[f"{talk.id}.json"] = whole([{"type": m["type"], "data": m} for m in messages])
        tally.conversations += 1
        tally.records += 1
    return Case("langchain", files, tally, "additional_kwargs repeats the calls")


def langchain_messages(talk: Talk, tally: Tally) -> list[dict[str, Any]]:
    """Write a talk as LangChain messages, and count them."""
    written: list[dict[str, Any]] = []
    for turn in talk.turns:
        written.append({"type": "human", "content": turn.prompt})
        tally.say("user")
        for answer in turn.answers:
            written.append(langchain_answer(answer, talk.model))
            tally.say("assistant")
            tally.call(*answer.calls)
            tally.spend(answer)
            for call in answer.results:
                status = "error" if call.failed else "success"
                said = {"type": "tool", "content": call.result, "status": status}
                written.append({**said, "tool_call_id": call.id})
                tally.say("tool")
    return written


_CHECKPOINTS = """
create table checkpoints (thread_id text, checkpoint_ns text, checkpoint_id text,
  parent_checkpoint_id text, type text, checkpoint blob, metadata blob);
"""
_DUMPED = {"human": "HumanMessage", "ai": "AIMessage", "tool": "ToolMessage"}


def langgraph(script: Script) -> Case:
    """A checkpoint for each step of a thread: all messages so far; one thread goes back, and on."""
    tally = Tally()
    rows: list[list[Any]] = []
    for nth, talk in enumerate(script.talks(4)):
        messages = langchain_messages(talk, tally)
        for place, message in enumerate(messages):
            message.setdefault("id", f"{talk.id}-{place}")
        states = [messages[: place + 1] for place in range(len(messages))]
        parents: list[int | None] = [None, *range(len(states) - 1)]
        if nth == 0:
            states.append([messages[0], {"type": "human", "content": "No.", "id": f"{talk.id}-no"}])
            parents.append(0)
            tally.say("user")
        for place, (state, parent) in enumerate(zip(states, parents, strict=True)):
            stored = {
                "ts": iso(talk.start),
                "channel_values": {"messages": list(map(_object, state))},
            }
            before = None if parent is None else f"{parent:04}"
            blob = msgspec.msgpack.encode(stored)
            rows.append([talk.id, "", f"{place:04}", before, "msgpack", blob, b"{}"])
        tally.conversations += 1
    tally.records = len(rows)
    files = {"threads.db": database(_CHECKPOINTS, {"checkpoints": rows})}
    return Case("langgraph", files, tally, "each checkpoint repeats all messages so far")


def _object(message: dict[str, Any]) -> msgspec.msgpack.Ext:
    """Write a message as the object of Python that it was."""
    kind = message["type"]
    parts = [f"langchain_core.messages.{kind}", _DUMPED[kind], message, "model_validate_json"]
    return msgspec.msgpack.Ext(5, msgspec.msgpack.encode(parts))


def langchain_answer(answer: Answer, model: str) -> dict[str, Any]:
    """Write one response as a LangChain message."""
    calls = [
        {"name": c.tool, "args": c.arguments, "id": c.id, "type": "tool_call"} for c in answer.calls
    ]
    repeated = [
        {"id": c.id, "function": {"name": c.tool, "arguments": compact(c.arguments)}}
        for c in answer.calls
    ]
    return {
        "type": "ai",
        "content": answer.text or "",
        "id": answer.id,
        "tool_calls": calls,
        "invalid_tool_calls": [],
        "additional_kwargs": {"tool_calls": repeated} if repeated else {},
        "response_metadata": {"model_name": model, "finish_reason": "stop"},
        "usage_metadata": {
            "input_tokens": answer.n_input + answer.n_cached,
            "output_tokens": answer.n_output,
            "input_token_details": {"cache_read": answer.n_cached},
        },
    }


def pydantic_ai(script: Script) -> Case:
    """Requests and responses; all results of a round share one request."""
    tally = Tally()
    files = {}
    for talk in script.talks(4):
        clock = talk.clock()
        written: list[dict[str, Any]] = []

        def request(parts: list[dict[str, Any]], moment: str, talk: Talk = talk) -> dict[str, Any]:
            about = {"timestamp": moment, "conversation_id": talk.id}
            return {"kind": "request", "parts": parts, **about}

        for turn in talk.turns:
            prompt = {"part_kind": "user-prompt", "content": turn.prompt}
            written.append(request([prompt], iso(next(clock))))
            tally.say("user")
            for answer in turn.answers:
                written.append(_pydantic_response(answer, talk, iso(next(clock))))
                tally.say("assistant")
                tally.call(*answer.calls)
                tally.spend(answer)
                if answer.results:
                    returns = [_pydantic_return(call) for call in answer.results]
                    written.append(request(returns, iso(next(clock))))
                    tally.say("tool")
        files[f"{talk.id}.json"] = whole(written)
        tally.conversations += 1
        tally.records += len(written)
    return Case("pydantic-ai", files, tally, "the results of a round share a message")


def _pydantic_response(answer: Answer, talk: Talk, moment: str) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if answer.thought:
        parts.append({"part_kind": "thinking", "content": answer.thought})
    if answer.text:
        parts.append({"part_kind": "text", "content": answer.text})
    parts += [
        {
            "part_kind": "tool-call",
            "tool_name": c.tool,
            "args": compact(c.arguments),
            "tool_call_id": c.id,
        }
        for c in answer.calls
    ]
    return {
        "kind": "response",
        "parts": parts,
        "model_name": talk.model,
        "timestamp": moment,
        "conversation_id": talk.id,
        "usage": {
            "input_tokens": answer.n_input + answer.n_cached,
            "cache_read_tokens": answer.n_cached,
            "output_tokens": answer.n_output,
        },
    }


def _pydantic_return(call: Call) -> dict[str, Any]:
    return {
        "part_kind": "tool-return",
        "tool_name": call.tool,
        "content": call.result,
        "tool_call_id": call.id,
        "outcome": "failed" if call.failed else "success",
    }


def vercel_ai(script: Script) -> Case:
    """UI messages: all of a turn's responses, calls and results are one message."""
    tally = Tally()
    chats = []
    for talk in script.talks(4):
        messages: list[dict[str, Any]] = []
        for turn in talk.turns:
            asked = [{"type": "text", "text": turn.prompt}]
            messages.append({"id": script.id(), "role": "user", "parts": asked})
            tally.say("user")
            parts: list[dict[str, Any]] = []
            for answer in turn.answers:
                parts.append({"type": "step-start"})
                parts += [{"type": "text", "text": answer.text}] if answer.text else []
                parts += [_vercel_call(call) for call in answer.calls]
                tally.call(*answer.calls)
            messages.append({"id": script.id(), "role": "assistant", "parts": parts})
            tally.say("assistant")
        chats.append({"id": talk.id, "messages": messages})
        tally.conversations += 1
    tally.records = len(chats)
    return Case("vercel-ai", {"chats.jsonl": lines(chats)}, tally, "a turn is one message")


def _vercel_call(call: Call) -> dict[str, Any]:
    part = {"type": f"tool-{call.tool}", "toolCallId": call.id, "input": call.arguments}
    if call.result is None:
        return {**part, "state": "input-available"}
    if call.failed:
        return {**part, "state": "output-error", "errorText": call.result}
    return {**part, "state": "output-available", "output": {"said": call.result}}


def gemini_api(script: Script) -> Case:
    """Requests beside their responses, and rows for tuning whose results come by order."""
    tally = Tally()
    logged, rows = [], []
    for number, talk in enumerate(script.talks(4, calls=False)):
        answer = talk.turns[0].answers[0]
        asked = [{"role": "user", "parts": [{"text": talk.turns[0].prompt}]}]
        counted = {
            # Cached tokens are part of the prompt's here.
            "promptTokenCount": answer.n_input + answer.n_cached,
            "cachedContentTokenCount": answer.n_cached,
            "candidatesTokenCount": answer.n_output,
        }
        candidate = {"content": _gemini_answer(answer), "finishReason": "STOP"}
        response = {"candidates": [candidate], "usageMetadata": counted, "responseId": answer.id}
        key = f"row-{number}"
        logged.append({"key": key, "request": {"contents": asked}, "response": response})
        tally.conversations += 1
        tally.say("user")
        tally.say("assistant")
        tally.spend(answer)
    for talk in script.talks(4):
        contents: list[dict[str, Any]] = []
        for turn in talk.turns:
            contents.append({"role": "user", "parts": [{"text": turn.prompt}]})
            tally.say("user")
            for answer in turn.answers:
                contents.append(_gemini_answer(answer))
                tally.say("assistant")
                answered = [
                    {
                        "functionResponse": {
                            "id": c.id,
                            "name": c.tool,
                            "response": {"out": c.result},
                        }
                    }
                    for c in answer.results
                ]
                tally.call(*answer.calls)
                if answered:
                    contents.append({"role": "user", "parts": answered})
                    tally.say("tool")
        rows.append({"contents": contents})
        tally.conversations += 1
    tally.records = len(logged) + len(rows)
    files = {"logged.jsonl": lines(logged), "rows.jsonl": lines(rows)}
    return Case("gemini-api", files, tally, "results of one response come in one message")


def _gemini_result(call: Call) -> dict[str, Any]:
    response = {"output": call.result}
    return {"functionResponse": {"id": call.id, "name": call.tool, "response": response}}


def _gemini_answer(answer: Answer) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    if answer.thought:
        parts.append({"text": answer.thought, "thought": True})
    if answer.text:
        parts.append({"text": answer.text})
    parts += [
        {"functionCall": {"id": c.id, "name": c.tool, "args": c.arguments}} for c in answer.calls
    ]
    return {"role": "model", "parts": parts}

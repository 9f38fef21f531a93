"""Bodies of model APIs, and the benchmark runs that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.truth.files import compact, lines, whole, zipped
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from chatdata.truth.script import Answer, Call, Script, Talk


def chat_messages(talk: Talk, tally: Tally) -> list[dict[str, Any]]:
    """Write a talk as chat messages of the OpenAI kind, and count them."""
    written: list[dict[str, Any]] = [{"role": "system", "content": "Keep it short."}]
    for turn in talk.turns:
        written.append({"role": "user", "content": turn.prompt})
        for answer in turn.answers:
            written.append(_chat_answer(answer))
            tally.call(*answer.calls)
            # Results come back in another order than they were asked for.
            written += [
                {"role": "tool", "tool_call_id": call.id, "name": call.tool, "content": call.result}
                for call in reversed(answer.results)
            ]
    for message in written:
        tally.say(message["role"])
    return written


def _chat_answer(answer: Answer) -> dict[str, Any]:
    message: dict[str, Any] = {"role": "assistant", "content": answer.text}
    if answer.calls:
        message["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.tool, "arguments": compact(call.arguments)},
            }
            for call in answer.calls
        ]
    return message


def openai_chat(script: Script) -> Case:
    """Fine-tuning rows, a batch with its output, a result that nobody asked for."""
    tally = Tally()
    rows: list[dict[str, Any]] = []
    for talk in script.talks(6):
        rows.append({"messages": chat_messages(talk, tally)})
        tally.conversations += 1
    stray = {"role": "tool", "tool_call_id": "call_of_nobody", "content": "a stray result"}
    rows[0]["messages"].append(stray)
    tally.say("tool")
    asked, answered = [], []
    for number, talk in enumerate(script.talks(3, calls=False)):
        turn = talk.turns[0]
        answer = turn.answers[0]
        asked.append(
            {
                "custom_id": f"row-{number}",
                "method": "POST",
                "url": "/v1/chat/completions",
                "body": {
                    "model": talk.model,
                    "messages": [{"role": "user", "content": turn.prompt}],
                },
            }
        )
        answered.append(
            {
                "id": script.id(),
                "custom_id": f"row-{number}",
                "response": {"status_code": 200, "body": _completion(talk, answer)},
                "error": None,
            }
        )
        tally.conversations += 1
        tally.say("user")
        tally.say("assistant")
        tally.spend(answer)
    tally.records = len(rows) + len(asked) + len(answered)
    files = {
        "rows.jsonl": lines(rows),
        "batch-input.jsonl": lines(asked),
        "batch-output.jsonl": lines(answered),
    }
    return Case("openai-chat", files, tally, "a batch's request and output are one conversation")


def _completion(talk: Talk, answer: Answer) -> dict[str, Any]:
    return {
        "id": answer.id,
        "object": "chat.completion",
        "created": int(talk.start.timestamp()),
        "model": talk.model,
        "choices": [{"index": 0, "message": _chat_answer(answer), "finish_reason": "stop"}],
        "usage": {
            # Cached tokens are part of the prompt's here.
            "prompt_tokens": answer.n_input + answer.n_cached,
            "completion_tokens": answer.n_output,
            "prompt_tokens_details": {"cached_tokens": answer.n_cached},
        },
    }


def tau_bench(script: Script) -> Case:
    """Trials of one task, which share its id."""
    tally = Tally()
    trials = []
    for number, talk in enumerate(script.talks(5)):
        trial = {"task_id": number // 2, "trial": number % 2, "reward": 1.0, "info": {}}
        trials.append({**trial, "traj": chat_messages(talk, tally)})
        tally.conversations += 1
        tally.relate("trial")
    tally.records = len(trials)
    return Case("tau-bench", {"run.json": whole(trials)}, tally, "a task's id repeats per trial")


def tau2_bench(script: Script) -> Case:
    """Simulations in which the user calls tools too, and several results share a message."""
    tally = Tally()
    simulations = []
    for talk in script.talks(4):
        messages: list[dict[str, Any]] = []
        for turn in talk.turns:
            messages.append({"role": "user", "content": turn.prompt})
            for answer in turn.answers:
                messages.append(_tau2_message("assistant", answer.text, answer.calls))
                results = [_tau2_result(call, "assistant") for call in answer.results]
                if len(results) > 1:
                    messages.append({"role": "tool", "tool_messages": results})
                else:
                    messages += results
                tally.call(*answer.calls)
        own = script.call()
        messages.append(_tau2_message("user", None, (own,)))
        messages += [_tau2_result(own, "user")] if own.result is not None else []
        tally.call(own)
        for place, message in enumerate(messages):
            message["turn_idx"] = place
            tally.say(message["role"])
        simulations.append(
            {
                "id": talk.id,
                "task_id": "7",
                "trial": tally.conversations,
                "termination_reason": "user_stop",
                "messages": messages,
            }
        )
        tally.conversations += 1
        tally.relate("trial")
    tally.records = len(simulations)
    run = {"timestamp": "2025-03-01T10:00:00", "info": {}, "tasks": [], "simulations": simulations}
    return Case("tau2-bench", {"results.json": whole(run)}, tally, "the user calls tools too")


def _tau2_message(role: str, content: str | None, calls: tuple[Call, ...]) -> dict[str, Any]:
    listed = [
        {"id": call.id, "name": call.tool, "arguments": call.arguments, "requestor": role}
        for call in calls
    ]
    return {"role": role, "content": content, "tool_calls": listed or None}


def _tau2_result(call: Call, requestor: str) -> dict[str, Any]:
    return {
        "id": call.id,
        "role": "tool",
        "content": call.result,
        "requestor": requestor,
        "error": call.failed,
    }


def blocks(answer: Answer) -> list[dict[str, Any]]:
    """Write a response as content blocks of the Messages API."""
    written: list[dict[str, Any]] = []
    if answer.thought:
        written.append({"type": "thinking", "thinking": answer.thought, "signature": "c2lnbmVk"})
    if answer.text:
        written.append({"type": "text", "text": answer.text})
    return written + [
        {"type": "tool_use", "id": call.id, "name": call.tool, "input": call.arguments}
        for call in answer.calls
    ]


def result_block(call: Call) -> dict[str, Any]:
    """Write a call's result as a content block."""
    failed = {"is_error": True} if call.failed else {}
    return {"type": "tool_result", "tool_use_id": call.id, "content": call.result, **failed}


def block_usage(answer: Answer) -> dict[str, int]:
    """Write a response's tokens as the Messages API counts them: cached ones apart."""
    return {
        "input_tokens": answer.n_input,
        "cache_read_input_tokens": answer.n_cached,
        "cache_creation_input_tokens": 0,
        "output_tokens": answer.n_output,
    }


def anthropic_messages(script: Script) -> Case:
    """Requests whose results come as messages of the user, and responses with their tokens."""
    tally = Tally()
    requests = []
    for talk in script.talks(5):
        messages: list[dict[str, Any]] = []
        for turn in talk.turns:
            messages.append({"role": "user", "content": turn.prompt})
            tally.say("user")
            for answer in turn.answers:
                messages.append({"role": "assistant", "content": blocks(answer)})
                tally.say("assistant")
                tally.call(*answer.calls)
                if results := [result_block(call) for call in answer.results]:
                    messages.append({"role": "user", "content": results})
                    tally.say("tool")
        requests.append({"model": talk.model, "system": "Be kind.", "messages": messages})
        tally.conversations += 1
    responses = []
    for answer in (script.answer(n_calls=0) for _ in range(4)):
        responses.append(
            {
                "id": answer.id,
                "type": "message",
                "role": "assistant",
                "model": "large-2",
                "content": blocks(answer),
                "stop_reason": "end_turn",
                "usage": block_usage(answer),
            }
        )
        tally.conversations += 1
        tally.say("assistant")
        tally.spend(answer)
    tally.records = len(requests) + len(responses)
    files = {"requests.jsonl": lines(requests), "responses.jsonl": lines(responses)}
    return Case("anthropic-messages", files, tally, "results are messages of the user")


def openai_responses(script: Script) -> Case:
    """Bodies that continue each other: results arrive with the next request."""
    tally = Tally()
    bodies = []
    for talk in script.talks(4):
        clock, previous = talk.clock(), None
        waiting: list[dict[str, Any]] = []
        tally.conversations += 1
        for turn in talk.turns:
            asked: list[dict[str, Any]] = [{"role": "user", "content": turn.prompt}]
            tally.say("user")
            for answer in turn.answers:
                body = _response(answer, talk, int(next(clock).timestamp()))
                body |= {"input": waiting + asked, "previous_response_id": previous}
                bodies.append(body)
                waiting = [
                    {"type": "function_call_output", "call_id": call.id, "output": call.result}
                    for call in answer.results
                ]
                asked, previous = [], answer.id
                # An output that comes with a later request is a row of its own.
                tally.say("tool", len(waiting))
                tally.say("assistant")
                tally.call(*answer.calls)
                tally.spend(answer)
    tally.records = len(bodies)
    return Case("openai-responses", {"bodies.jsonl": lines(bodies)}, tally, "results come later")


def _response(answer: Answer, talk: Talk, created: int) -> dict[str, Any]:
    output: list[dict[str, Any]] = []
    if answer.thought:
        summary = [{"type": "summary_text", "text": answer.thought}]
        output.append({"type": "reasoning", "summary": summary})
    said = [{"type": "output_text", "text": answer.text or "…"}]
    output.append({"type": "message", "id": f"m{answer.id}", "role": "assistant", "content": said})
    output += [
        {
            "type": "function_call",
            "id": f"fc_{call.id}",
            "call_id": call.id,
            "name": call.tool,
            "arguments": compact(call.arguments),
            "status": "completed",
        }
        for call in answer.calls
    ]
    return {
        "id": answer.id,
        "object": "response",
        "created_at": created,
        "status": "completed",
        "model": talk.model,
        "output": output,
        "usage": {
            "input_tokens": answer.n_input + answer.n_cached,
            "input_tokens_details": {"cached_tokens": answer.n_cached},
            "output_tokens": answer.n_output,
        },
    }


def inspect_ai(script: Script) -> Case:
    """An archive of samples; one sample ran twice."""
    tally = Tally()
    header = {
        "version": 2,
        "status": "success",
        "eval": {"eval_id": script.id(), "task": "errands", "config": {"epochs": 2}},
        "plan": {"name": "plan"},
    }
    samples = {}
    for number, talk in enumerate(script.talks(4)):
        messages: list[dict[str, Any]] = []
        for turn in talk.turns:
            messages.append({"role": "user", "content": turn.prompt, "source": "input"})
            for answer in turn.answers:
                messages.append(
                    {
                        "role": "assistant",
                        "content": answer.text or "",
                        "tool_calls": _calls(answer),
                    }
                )
                messages += [_inspect_result(call) for call in answer.results]
                tally.call(*answer.calls)
        for place, message in enumerate(messages):
            message["id"] = f"m{place}"
            tally.say(message["role"])
        sample = {"id": number // 2, "epoch": 1 + number % 2, "messages": messages, "scores": {}}
        samples[f"samples/{number // 2}_epoch_{1 + number % 2}.json"] = whole(sample)
        tally.conversations += 1
        tally.relate("trial")
    tally.records = len(samples)
    archive = zipped({"header.json": whole(header), **samples})
    return Case("inspect-ai", {"run.eval": archive}, tally, "a sample's id repeats per epoch")


def _calls(answer: Answer) -> list[dict[str, Any]]:
    return [
        {"id": call.id, "function": call.tool, "arguments": call.arguments, "type": "function"}
        for call in answer.calls
    ]


def _inspect_result(call: Call) -> dict[str, Any]:
    error = {"error": {"type": "unknown", "message": "failed"}} if call.failed else {}
    return {
        "role": "tool",
        "content": call.result,
        "tool_call_id": call.id,
        "function": call.tool,
        **error,
    }


def atif(script: Script) -> Case:
    """Trajectories with a sub-agent inside; results are part of their step."""
    tally = Tally()
    files = {}
    for talk in script.talks(3):
        inner = _trajectory(script.talk(), tally)
        outer = {**_trajectory(talk, tally), "subagent_trajectories": [inner]}
        tally.relate("subagent")
        files[f"{talk.id}.json"] = whole(outer)
    tally.records = len(files)
    return Case("atif", files, tally, "sub-agents lie inside their parents")


def _trajectory(talk: Talk, tally: Tally) -> dict[str, Any]:
    clock = talk.clock()
    steps: list[dict[str, Any]] = []
    for turn in talk.turns:
        steps.append({"source": "user", "message": turn.prompt, "timestamp": iso(next(clock))})
        tally.say("user")
        for answer in turn.answers:
            step: dict[str, Any] = {
                "source": "agent",
                "message": answer.text or "",
                "timestamp": iso(next(clock)),
            }
            calls = [
                {"tool_call_id": c.id, "function_name": c.tool, "arguments": c.arguments}
                for c in answer.calls
            ]
            results = [{"source_call_id": c.id, "content": c.result} for c in answer.results]
            step |= {"tool_calls": calls, "observation": {"results": results}} if calls else {}
            step["metrics"] = {
                "prompt_tokens": answer.n_input + answer.n_cached,
                "cached_tokens": answer.n_cached,
                "completion_tokens": answer.n_output,
            }
            steps.append(step)
            tally.say("assistant")
            tally.call(*answer.calls)
            tally.spend(answer)
    tally.conversations += 1
    numbered = [{"step_id": number, **step} for number, step in enumerate(steps, 1)]
    agent = {"name": "errands", "version": "1", "model_name": talk.model}
    return {
        "schema_version": "ATIF-v1.6",
        "session_id": talk.id,
        "agent": agent,
        "steps": numbered,
    }

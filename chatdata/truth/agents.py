"""Logs of other agents: Codex, Gemini, OpenHands, SWE-agent."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.truth.files import compact, lines, whole
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    from chatdata.truth.script import Answer, Call, Script, Talk


class _Rollout:
    """A Codex file that is being written, with its running totals."""

    def __init__(self, clock: Iterator[datetime]) -> None:
        self.clock = clock
        self.lines: list[dict[str, Any]] = []
        self.total = {"input_tokens": 0, "cached_input_tokens": 0, "output_tokens": 0}

    def add(self, kind: str, **payload: object) -> None:
        self.lines.append({"timestamp": iso(next(self.clock)), "type": kind, "payload": payload})

    def say(self, role: str, text: str) -> None:
        """Write a message, and the event that mirrors it."""
        part = "output_text" if role == "assistant" else "input_text"
        content = [{"type": part, "text": text}]
        self.add("response_item", type="message", role=role, content=content)
        mirror = "agent_message" if role == "assistant" else "user_message"
        self.add("event_msg", type=mirror, message=text)

    def answer(self, answer: Answer) -> None:
        self.say("assistant", answer.text or "On it.")
        for call in answer.calls:
            self.add(
                "response_item",
                type="function_call",
                name=call.tool,
                arguments=compact(call.arguments),
                call_id=call.id,
            )
        for call in answer.results:
            self.add(
                "response_item", type="function_call_output", call_id=call.id, output=call.result
            )
        self.count(answer)

    def count(self, answer: Answer) -> None:
        """Write the running total, and write it again."""
        last = {
            "input_tokens": answer.n_input + answer.n_cached,
            "cached_input_tokens": answer.n_cached,
            "output_tokens": answer.n_output,
        }
        self.total = {key: value + last[key] for key, value in self.total.items()}
        info = {"total_token_usage": dict(self.total), "last_token_usage": last}
        self.add("event_msg", type="token_count", info=info)
        self.add("event_msg", type="token_count", info=info)


def codex(script: Script) -> Case:
    """Rollouts, one of them a fork that begins by replaying its parent; mirrors; running totals."""
    tally = Tally()
    files = {}
    talks = script.talks(3)
    rollouts = []
    for talk in talks:
        rollout = _Rollout(talk.clock())
        rollout.add("session_meta", id=talk.id, cwd="/home/mona/app", cli_version="0.150.0")
        _talk(rollout, talk, script, tally)
        rollout.add(
            "response_item", type="function_call_output", call_id="call_of_nobody", output="stray"
        )
        tally.say("tool")
        rollouts.append(rollout)
        tally.conversations += 1
        files[f"sessions/2025/03/01/rollout-2025-03-01-{talk.id}.jsonl"] = lines(rollout.lines)
    parent, last = talks[-1], rollouts[-1]
    own = script.talk()
    fork = _Rollout(last.clock)
    fork.add("session_meta", id=own.id, cwd="/home/mona/app", forked_from_id=parent.id)
    # Times may be rewritten to the fork's start, so they do not tell what was replayed.
    moment = iso(next(fork.clock))
    fork.lines += [{**line, "timestamp": moment} for line in last.lines]
    fork.total = dict(last.total)
    _talk(fork, own, script, tally)
    tally.conversations += 1
    tally.relate("fork")
    files[f"sessions/2025/03/02/rollout-2025-03-02-{own.id}.jsonl"] = lines(fork.lines)
    tally.records = sum(data.count(b"\n") for data in files.values())
    return Case("codex", files, tally, "running totals, mirrored messages, a fork that replays")


def _talk(rollout: _Rollout, talk: Talk, script: Script, tally: Tally) -> None:
    for turn in talk.turns:
        rollout.add("turn_context", turn_id=script.uuid(), cwd="/home/mona/app", model=talk.model)
        rollout.say("user", turn.prompt)
        tally.say("user")
        for answer in turn.answers:
            rollout.answer(answer)
            tally.say("assistant")
            tally.call(*answer.calls)
            tally.spend(answer)


def gemini_cli(script: Script) -> Case:
    """Recordings whose answers are written again at every step, and a stream of deltas."""
    tally = Tally()
    files = {}
    for talk in script.talks(2):
        messages = list(_gemini_messages(talk, script, tally))
        record = {"sessionId": talk.id, "projectHash": script.id(64), "startTime": iso(talk.start)}
        files[f"chats/session-{talk.id}.json"] = whole({**record, "messages": messages})
        tally.records += 1
    for talk in script.talks(2):
        meta = {"sessionId": talk.id, "projectHash": script.id(64), "kind": "main"}
        written: list[dict[str, Any]] = [meta]
        for message in _gemini_messages(talk, script, tally):
            if message.get("toolCalls"):
                early = [{**c, "status": "executing"} for c in message["toolCalls"]]
                begun = [{k: v for k, v in c.items() if k != "result"} for c in early]
                written.append({**message, "content": "", "toolCalls": begun})
            written.append(message)
        files[f"chats/session-{talk.id}.jsonl"] = lines(written)
        tally.records += len(written)
    files["stream.jsonl"] = lines(stream := list(_gemini_stream(script, tally)))
    tally.records += len(stream)
    return Case("gemini-cli", files, tally, "an answer is written again at every step")


def _gemini_messages(talk: Talk, script: Script, tally: Tally) -> Iterator[dict[str, Any]]:
    clock = talk.clock()
    tally.conversations += 1
    for turn in talk.turns:
        asked = {"id": script.uuid(), "timestamp": iso(next(clock)), "type": "user"}
        yield {**asked, "content": turn.prompt}
        tally.say("user")
        for answer in turn.answers:
            said = {"id": script.uuid(), "timestamp": iso(next(clock)), "type": "gemini"}
            yield {
                **said,
                "content": answer.text or "",
                "model": talk.model,
                "toolCalls": [_gemini_call(call) for call in answer.calls],
                "tokens": {
                    "input": answer.n_input + answer.n_cached,
                    "cached": answer.n_cached,
                    # Thoughts are no part of the output here, though they are output.
                    "output": answer.n_output - 1,
                    "thoughts": 1,
                    "tool": 0,
                },
            }
            tally.say("assistant")
            tally.call(*answer.calls)
            tally.spend(answer)


def _gemini_call(call: Call) -> dict[str, Any]:
    written = {"id": call.id, "name": call.tool, "args": call.arguments, "status": "executing"}
    if call.result is None:
        return written
    key = "error" if call.failed else "output"
    response = {"id": call.id, "name": call.tool, "response": {key: call.result}}
    status = "error" if call.failed else "success"
    return {**written, "status": status, "result": [{"functionResponse": response}]}


def _gemini_stream(script: Script, tally: Tally) -> Iterator[dict[str, Any]]:
    talk = script.talk()
    clock = talk.clock()

    def line(kind: str, **more: object) -> dict[str, Any]:
        return {"type": kind, "timestamp": iso(next(clock)), **more}

    yield line("init", session_id=talk.id, model=talk.model)
    tally.conversations += 1
    turn = talk.turns[0]
    yield line("message", role="user", content=turn.prompt)
    tally.say("user")
    for answer in turn.answers:
        for piece in (answer.text or "On it.").split(" "):
            yield line("message", role="assistant", content=f"{piece} ", delta=True)
        tally.say("assistant")
        for call in answer.calls:
            yield line("tool_use", tool_name=call.tool, tool_id=call.id, parameters=call.arguments)
        for call in answer.results:
            status = "error" if call.failed else "success"
            yield line("tool_result", tool_id=call.id, status=status, output=call.result)
        tally.call(*answer.calls)
    yield line("result", status="success", stats={})


def openhands(script: Script) -> Case:
    """Events in which every action repeats its response; one response may lead to several."""
    tally = Tally()
    files = {}
    for talk in script.talks(3):
        clock = talk.clock()
        events: list[dict[str, Any]] = []
        for turn in talk.turns:
            events.append(_event(clock, "user", "message", args={"content": turn.prompt}))
            tally.say("user")
            for answer in turn.answers:
                if not answer.calls:
                    said = {"content": answer.text}
                    events.append(_event(clock, "agent", "message", args=said))
                    tally.say("assistant")
                    continue
                events += _openhands_actions(answer, clock)
                tally.say("assistant")
                # What a tool returned is an event of its own.
                tally.say("tool", len(answer.results))
                tally.call(*answer.calls)
                tally.spend(answer)
        numbered = [{"id": number, **event} for number, event in enumerate(events)]
        files[f"{talk.id}.json"] = whole(numbered)
        tally.conversations += 1
        tally.records += len(events)
    return Case("openhands", files, tally, "every action repeats its response and its tokens")


def _event(clock: Iterator[datetime], source: str, action: str, **more: object) -> dict[str, Any]:
    moment = next(clock).replace(tzinfo=None).isoformat()
    return {"timestamp": moment, "source": source, "action": action, **more}


def _openhands_actions(answer: Answer, clock: Iterator[datetime]) -> Iterator[dict[str, Any]]:
    listed = [
        {"id": c.id, "function": {"name": c.tool, "arguments": compact(c.arguments)}}
        for c in answer.calls
    ]
    response = {
        "id": answer.id,
        "model": "large-2",
        "choices": [{"message": {"content": answer.text, "tool_calls": listed}}],
        "usage": {
            "prompt_tokens": answer.n_input + answer.n_cached,
            "prompt_tokens_details": {"cached_tokens": answer.n_cached},
            "completion_tokens": answer.n_output,
        },
    }
    for call in answer.calls:
        about = {"function_name": call.tool, "tool_call_id": call.id, "model_response": response}
        yield _event(clock, "agent", "run", args={}, tool_call_metadata=about)
        if call.result is not None:
            seen = _event(clock, "agent", "", tool_call_metadata={"tool_call_id": call.id})
            del seen["action"]
            yield {**seen, "observation": "error" if call.failed else "run", "content": call.result}


def swe_agent(script: Script) -> Case:
    """Trajectories that say everything twice, with a demonstration first."""
    tally = Tally()
    files = {}
    for talk in script.talks(3):
        history: list[dict[str, Any]] = [
            {"role": "system", "content": "Fix it.", "message_type": "system_prompt"},
            {"role": "user", "content": "An example.", "is_demo": True},
        ]
        steps = []
        for turn in talk.turns:
            history.append({"role": "user", "content": turn.prompt})
            for answer in turn.answers:
                said = answer.text or ""
                listed = [
                    {
                        "id": c.id,
                        "type": "function",
                        "function": {"name": c.tool, "arguments": compact(c.arguments)},
                    }
                    for c in answer.calls
                ]
                history.append({"role": "assistant", "content": said, "tool_calls": listed})
                history += [
                    {"role": "tool", "content": c.result, "tool_call_ids": [c.id]}
                    for c in answer.results
                ]
                steps.append({"action": "run", "observation": "", "response": said})
                tally.call(*answer.calls)
        for message in history:
            tally.say(message["role"])
        run = {"environment": "swe", "trajectory": steps, "history": history, "info": {}}
        files[f"{talk.id}.traj"] = whole(run)
        tally.conversations += 1
    tally.records = len(files)
    return Case("swe-agent", files, tally, "history and trajectory say the same")

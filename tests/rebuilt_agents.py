"""Rules by which records of agents' logs come back out of the frames."""

from __future__ import annotations

import json

from rebuilding import Text, moment, refilled, rest, told, whole
from rebuilt_messages import anthropic_call, anthropic_content


def claude_code(conversations):
    """
    Records of every session and sub-agent, and the titles that are about them.
    """
    for conversation in conversations:
        yield from conversation.extra.get("titles", ())
        for message in conversation.messages:
            yield from message["extra"].get("versions", ())
            if message["role_raw"] == "assistant" and message["role"] == "assistant":
                yield from _response(message, conversation)
            else:
                yield _record(message, conversation)


def _outer(message, conversation, extra):
    """
    What stands around a record's message.
    """
    answer = message["role_raw"] == message["role"] == "assistant"
    named = "uuid" in extra if answer else message["native_id"] is not None
    named_session = conversation.row["native_id"] is not None
    session = conversation.row["conversation_id"].split("/")[0] if named_session else None
    steady = conversation.extra.get("record", {}) if named else {}
    columns = {"sessionId": session, "timestamp": moment(message), **steady}
    if named:
        columns["parentUuid"] = message["parent_message_id"] or extra.get("parent")
        if "logicalParentUuid" in extra and extra.get("parentUuid") is None:
            columns["parentUuid"] = None
    return {k: v for k, v in columns.items() if v is not None or k == "parentUuid"}


def _record(message, conversation):
    extra = message["extra"]
    columns = _outer(message, conversation, extra)
    columns |= told(type=message["role_raw"], uuid=message["native_id"])
    if message["role_raw"] == "user":
        columns["message"] = _user(message, conversation)
        columns |= _structured(message, conversation)
        return whole(columns, extra, "message", "parent")
    if message["role_raw"] != "attachment":
        columns |= told(content=message["content"])
    return whole(columns, extra, "parent")


def _user(message, conversation):
    extra = message["extra"].get("message", {})
    if not isinstance(extra, dict):
        return extra
    body = {"role": "user"} | told(content=message["content"])
    shape = extra.get("content")
    if message["kind"] == "tool_result" and shape is None:
        shape = [{"claimed": "tool_result"} | _answered(message, conversation)]
    if isinstance(shape, list):
        body["content"] = anthropic_content(shape, message, conversation)
        return whole(body, extra, "content")
    return whole(body, extra)


def _answered(message, conversation):
    for call in conversation.answered[message["message_id"]]:
        if call["result_message_id"] == message["message_id"]:
            return told(tool_use_id=call["native_id"])
    return told(tool_use_id=message["extra"]["results"][0].get("for"))


def _structured(message, conversation):
    """
    What a tool returned as a structure: with its call, or with what is left of a result.
    """
    found = [(c["extra"], c["result"]) for c in conversation.answered[message["message_id"]]]
    spare = message["extra"].get("results", ())
    found += [(said, said.get("text", message["content"])) for said in spare]
    for extra, text in found:
        if "toolUseResult" in extra:
            return {"toolUseResult": _uncut(extra["toolUseResult"], text or "")}
    return {}


def _response(message, conversation):
    """
    The records of one response, each with its part of the texts and calls.
    """
    extra = message["extra"]
    records = [{k: v for k, v in extra.items() if k != "records"}, *extra.get("records", ())]
    bodies = [record.get("message", {}) for record in records]
    texts = Text(message["content"]), Text(message["reasoning"])
    if _is_plain(bodies[0]):
        later = sum(1 + n for body in bodies[1:] for n in _sizes(body.get("content")))
        length = len(message["content"]) - later
        bodies[0] = {**bodies[0], "content": [{"type": "text", "text": {"n_chars": length}}]}
    calls = iter(message["calls"])
    before = None
    for record, body in zip(records, bodies, strict=True):
        columns = _outer(message, conversation, record)
        if before is not None:
            columns = {**columns, "parentUuid": before} | told(timestamp=record.get("timestamp"))
        columns["type"] = "assistant"
        columns["message"] = _body(message, body, texts, calls, extra.get("usage"))
        before = record.get("uuid")
        yield whole(columns, record, "message", "usage", "parent")


def _is_plain(body):
    return "content" not in body and "content" not in body.get("absent", ())


def _sizes(shape):
    if isinstance(shape, list):
        for part in shape:
            if isinstance(part, dict) and part.get("type") not in {"thinking", "reasoning"}:
                yield from (
                    v["n_chars"] for v in part.values() if isinstance(v, dict) and "n_chars" in v
                )
    elif isinstance(shape, dict):
        yield shape["n_chars"]


def _body(message, extra, texts, calls, usage):
    body = {"role": "assistant", "type": "message"} | told(
        id=message["native_id"], model=message["model"], stop_reason=message["finish_reason"]
    )
    if usage is not None:
        body["usage"] = usage | told(
            input_tokens=message["input_tokens"],
            output_tokens=message["output_tokens"],
            cache_read_input_tokens=message["cache_read_tokens"],
            cache_creation_input_tokens=message["cache_write_tokens"],
        )
    shape = extra.get("content")
    if shape is not None:
        filled = refilled(shape, *texts)
        body["content"] = (
            filled if isinstance(filled, str) else list(_with_calls(filled, message, calls))
        )
    return whole(body, extra, *(["content"] if shape is not None else []))


def _with_calls(parts, message, calls):
    for part in parts:
        if isinstance(part, dict) and "claimed" in part:
            yield anthropic_call(next(calls))
        else:
            yield part


def codex(conversations):
    """
    Lines of a rollout: those of rows and calls, and those that stand beside rows.
    """
    for conversation in conversations:
        yield from conversation.extra.get("titles", ())
        if "started" in conversation.extra:
            yield from _events(conversation)
            continue
        if "session_meta" in _kinds(conversation):
            yield _meta(conversation)
        texts = [(m["content"], m["reasoning"]) for m in conversation.messages]
        for extra in (conversation.extra, *(m["extra"] for m in conversation.messages)):
            for line in extra.get("beside", ()):
                if line.keys() != {"replacement_history"}:
                    yield _unreferred(line, texts)
        for thought in conversation.extra.get("reasoning_unattached", ()):
            yield _line(thought, {}, thought)
        for message in conversation.messages:
            yield from _lines(message, conversation, texts)
        for call in [*conversation.calls, *(c for m in conversation.messages for c in m["calls"])]:
            yield from _call_lines(call)


def _events(conversation):
    """
    What `codex exec --json` printed.
    """
    columns = told(thread_id=conversation.row["native_id"])
    yield {"type": "thread.started", **columns, **conversation.extra["started"]}
    yield from conversation.extra.get("reasoning_unattached", ())
    for message in conversation.messages:
        thoughts = Text(message["reasoning"])
        for thought in message["extra"].get("reasoning", ()):
            yield refilled(thought, thoughts, thoughts)
        yield refilled(message["extra"]["event"], Text(message["content"]))
    for call in [*conversation.calls, *(c for m in conversation.messages for c in m["calls"])]:
        for event in call["extra"]["events"]:
            yield refilled(event, Text(call["result"]))


def _kinds(conversation):
    has_meta = conversation.row["native_id"] is not None or "line" in conversation.extra
    return {"session_meta"} if has_meta else set()


def _meta(conversation):
    extra = conversation.extra
    columns = told(id=conversation.row["native_id"], cwd=conversation.row["project"])
    notes = ("beside", "usage_unattached", "reasoning_unattached", "titles")
    return _line(extra, told(type="session_meta"), {**columns, **rest(extra, "line", *notes)})


def _line(extra, outer, payload):
    """
    A line around its payload.
    """
    around = dict(extra.get("line", {}))
    payload = {key: value for key, value in payload.items() if key not in {"line", "decode"}}
    if around.pop("bare", False):
        stamp = told(timestamp=around.get("timestamp", outer.get("timestamp")))
        return stamp | payload
    return whole({"type": "response_item", **outer, "payload": payload}, around)


def _lines(message, conversation, texts):
    extra = message["extra"]
    stamp = told(timestamp=moment(message))
    thoughts = Text(message["reasoning"])
    for thought in extra.get("reasoning", ()) if message["role_raw"] == "assistant" else ():
        yield _line(thought, {}, refilled(thought, thoughts, thoughts))
    kept = rest(extra, "line", "turn", "reasoning", "beside", "content", "mirror")
    if extra.get("mirror"):
        payload = {"message": message["content"], **kept}
        yield _line(extra, {**stamp, "type": "event_msg"}, payload)
    elif message["role_raw"] == "function_call_output" and message["role"] == "tool":
        yield _line(extra, stamp, _output(extra.get("results", [{}])[0], message["content"]))
    elif message["role_raw"] == "compacted":
        history = [
            b["replacement_history"]
            for b in extra.get("beside", ())
            if len(b) == 1 and "replacement_history" in b
        ]
        payload = told(message=message["content"]) | kept
        if history:
            payload["replacement_history"] = _unreferred(history[0], texts)
        yield _line(extra, {**stamp, "type": "compacted"}, payload)
    elif message["kind"] == "event":
        kind, payload = message["role_raw"], rest(extra, "line", "beside")
        outer = {"type": "response_item" if payload.get("type") == kind else kind}
        usual = extra.get("line", {}).keys().isdisjoint({"type", "bare"})
        if kind != "turn_context" and "type" not in payload and usual:
            outer, payload = {"type": "event_msg"}, whole({"type": kind}, payload)
        yield _line(extra, {**stamp, **outer}, payload)
    else:
        payload = {"type": "message", "role": message["role_raw"]} | told(
            content=message["content"]
        )
        if isinstance(extra.get("content"), list):
            payload["content"] = refilled(extra["content"], Text(message["content"]))
        elif "content" in extra:
            payload["content"] = extra["content"]
        yield _line(extra, stamp, whole(payload, kept))


def _call_lines(call):
    extra = call["extra"]
    own = rest(
        extra, "line", "result", "exit_code", "ends", "arguments_key", "arguments", "result_key"
    )
    kind = extra.get("type", "function_call")
    key = extra.get("arguments_key", {"custom_tool_call": "input"}.get(kind, "arguments"))
    raw = call["arguments_raw"]
    item = {"type": "function_call", extra.get("id_key", "call_id"): call["native_id"]}
    if raw is not None:
        item[key] = json.loads(raw) if extra.get("arguments") == "value" else raw
    if call["name"] != kind.removesuffix("_call"):
        item["name"] = call["name"]
    if not (call["name"] or "").startswith(f"mcp__{call['server']}__"):
        item["namespace"] = call["server"]
    item = {k: v for k, v in item.items() if v is not None} | own
    begun = moment(call, "started_at", "ms")
    yield _line(extra, told(timestamp=begun), item)
    for line in extra.get("ends", ()):
        yield _uncut(line, call["result"])
    if (call["status"] != "no_result" and "result" in extra) or call["result"] is not None:
        ended = moment(call, "ended_at", "ms")
        answer = extra.get("result", {})
        output = {"for": call["native_id"], "result": answer}
        yield _line(answer, told(timestamp=ended), _output(output, call["result"]))


def _output(found, said):
    extra = rest(found.get("result", {}), "line")
    item = told(type="function_call_output", call_id=found.get("for"), output=said)
    if extra.get("output") == "value":
        item["output"] = json.loads(said)
        del extra["output"]
    return item | extra


def _unreferred(value, texts):
    if isinstance(value, list):
        return [_unreferred(item, texts) for item in value]
    if not isinstance(value, dict):
        return value
    if value.keys() == {"row", "column", "at", "n_chars"}:
        text = texts[value["row"] - 1][value["column"] == "reasoning"]
        return text[value["at"] : value["at"] + value["n_chars"]]
    return {key: _unreferred(item, texts) for key, item in value.items()}


def _uncut(value, text):
    if not isinstance(value, dict):
        return value
    if value.keys() == {"at", "n_chars"}:
        return text[value["at"] : value["at"] + value["n_chars"]]
    return {key: _uncut(item, text) for key, item in value.items()}


AGENTS = {"codex": codex, "claude-code": claude_code}

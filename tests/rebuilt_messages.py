"""Rules by which records of data sets, exports and API bodies come back out of the frames."""

from __future__ import annotations

import json

from rebuilding import Text, arguments, moment, number, refilled, rest, told, whole, with_claimed


def openai_message(message, conversation):
    """
    A chat message of the OpenAI kind.
    """
    extra, calls = message["extra"], message["calls"]
    record = told(role=message["role_raw"], content=message["content"])
    if isinstance(extra.get("content"), list):
        parts = [c["extra"]["part"] for c in calls if "part" in c["extra"]]
        content = with_claimed(extra["content"], parts)
        record["content"] = refilled(content, Text(message["content"]), Text(message["reasoning"]))
    if message["reasoning"] and not _thinks(extra.get("content")):
        record["reasoning_content"] = message["reasoning"]
    firsts = [_openai_function(c) for c in calls if c["extra"].get("type") == "function_call"]
    listed = [c for c in calls if c["extra"].keys().isdisjoint({"part"}) and not _is_first(c)]
    record |= told(
        tool_calls=[_openai_call(call) for call in listed] or None,
        function_call=firsts[0] if firsts else None,
    )
    if message["role_raw"] in {"tool", "function"} and not _answers_in_parts(extra.get("content")):
        record |= told(tool_call_id=_answered_id(message, conversation))
    kept = rest(extra, "choice", "completion")
    if isinstance(extra.get("refusal"), dict):
        kept["refusal"] = message["content"]
        record.pop("content", None)
    return record | {
        key: value for key, value in kept.items() if not isinstance(value, list) or key != "content"
    }


def _thinks(content):
    return any(
        isinstance(p, dict) and p.get("type") in {"reasoning", "thinking"} for p in content or ()
    )


def _answers_in_parts(content):
    return any(isinstance(p, dict) and p.get("type") == "tool-result" for p in content or ())


def _is_first(call):
    return call["extra"].get("type") == "function_call"


def _openai_function(call, key="function"):
    given = {call["extra"].get("arguments_key", "arguments"): arguments(call)}
    return told(name=call["name"], **given) | call["extra"].get(key, {})


def _openai_call(call):
    own = rest(call["extra"], "flat", "other_results", "arguments_key")
    if own.get("arguments") == "value":
        del own["arguments"]
    if call["extra"].get("flat"):
        return told(id=call["native_id"]) | _openai_function(call) | own
    key = "custom" if own.get("type") == "custom" else "function"
    return told(id=call["native_id"]) | own | {key: _openai_function(call, key)}


def _answered_id(message, conversation):
    """
    The id of the call that a message answers.
    """
    spare = message["extra"].get("results")
    if spare is not None:
        return spare[0].get("for")
    if message["extra"].get("paired_by") == "order":
        return None
    return next((c["native_id"] for c in conversation.answered[message["message_id"]]), None)


def tau_bench(conversations):
    for conversation in conversations:
        listed = [openai_message(message, conversation) for message in conversation.messages]
        yield {"traj": listed, **rest(conversation.extra)}


def openai_chat(conversations):
    """
    Rows, requests and outputs of a batch, completions; a pair is two conversations.
    """
    listed, envelope = [], {}
    for conversation in conversations:
        if conversation.extra.get("records") == "messages":
            yield from (openai_message(message, conversation) for message in conversation.messages)
        elif conversation.extra.get("pair") == "chosen":
            yield _openai_pair(conversation, conversations)
        elif "list" in conversation.extra:
            listed.append(next(_openai_rows(conversation)))
            envelope = conversation.extra["list"]
        elif "pair" not in conversation.extra:
            yield from _openai_rows(conversation)
    if listed:
        yield {**envelope, "data": listed}


def _openai_row(conversation, extra):
    columns = {extra.get("id_key", "id"): conversation.row["native_id"]}
    columns |= {key: conversation.row[key] for key in ("user_id", "title", "model")}
    notes = ("body", "pair", "prompt", "answer", "input", "list", "newest_first")
    return told(**columns) | rest(extra, *notes)


def _openai_rows(conversation):
    extra = conversation.extra
    answers = [m for m in conversation.messages if "choice" in m["extra"]]
    asked = [m for m in conversation.messages if "choice" not in m["extra"]]
    listed = [openai_message(message, conversation) for message in asked]
    listed = listed[::-1] if extra.get("newest_first") else listed
    choices = [_choice(message, conversation) for message in answers]
    if extra.get("messages_key", "") is None:
        yield listed
        return
    batched = "custom_id" in _id_keys(extra)
    if not batched and ("logged" in extra or "answer" in extra or _is_inside(answers)):
        yield _openai_logged(conversation, listed, choices, answers)
        return
    if not batched:
        key = {extra.get("messages_key", "messages"): listed} if listed or not choices else {}
        yield _openai_row(conversation, extra) | key | told(choices=choices or None)
        return
    if "request" in extra:
        record = _openai_row(conversation, extra["request"])
        model = told(model=record.pop("model", None))
        body = extra["request"]["body"]
        if isinstance(body, dict):
            body = whole({"messages": listed, **model}, body)
        yield record | {"body": body}
    if "outcome" in extra:
        record = _openai_row(conversation, extra["outcome"])
        record.pop("model", None)
        response = extra["outcome"]["response"]
        if choices:
            response = {**response, "body": {"choices": choices, **_completion(answers[0])}}
        yield record | {"response": response}


def _id_keys(extra):
    return {extra.get(part, {}).get("id_key") for part in ("request", "outcome")}


def _is_inside(answers):
    """
    Whether the completion stands below a key of the row.
    """
    return bool(answers) and "completion" in answers[0]["extra"]


def _openai_logged(conversation, listed, choices, answers):
    """
    What a proxy logged: a request and its answer.
    """
    extra = conversation.extra
    record = _openai_row(conversation, rest(extra, "logged"))
    if "answer" in extra:
        answer = listed.pop()
        record[extra["answer"]["key"]] = answer["content"] if extra["answer"]["text"] else answer
    asked = {extra.get("messages_key", "messages"): listed}
    if "logged" in extra:
        model = told(model=record.pop("model", None))
        record["request"] = whole({**asked, **model}, extra["logged"])
    else:
        record |= asked
    if choices:
        record["response"] = {"choices": choices, **_completion(answers[0])}
    return record


def _completion(message):
    columns = told(id=message["native_id"], model=message["model"], created=number(message))
    return columns | message["extra"]["completion"]


def _choice(message, conversation):
    choice = {"message": openai_message(message, conversation)}
    return choice | told(finish_reason=message["finish_reason"]) | message["extra"]["choice"]


def _openai_pair(chosen, conversations):
    other = chosen.row["conversation_id"].replace("/chosen", "/rejected")
    rejected = next(c for c in conversations if c.row["conversation_id"] == other)
    record, how = _openai_row(chosen, chosen.extra), chosen.extra["prompt"]
    names = {"chosen": "chosen", "rejected": "rejected"}
    if how["key"] == "input":
        names = {"chosen": "preferred_output", "rejected": "non_preferred_output"}
    for side, conversation in (("chosen", chosen), ("rejected", rejected)):
        listed = [openai_message(m, conversation) for m in conversation.messages]
        answers = listed[how["n_messages"] :]
        if answers:
            object_ = conversation.extra.get("answer") == "object"
            record[names[side]] = answers[0] if object_ else answers
        if how["key"] == "input":
            asked = {"messages": listed[: how["n_messages"]]}
            record["input"] = asked | conversation.extra["input"]
        elif how["key"]:
            prompt = listed[: how["n_messages"]]
            record[how["key"]] = prompt[0]["content"] if how.get("text") else prompt
    return record


def anthropic_message(message, conversation):
    """
    A message of the Messages API, its calls and results among the content.
    """
    extra = message["extra"]
    record = told(role=message["role_raw"], content=message["content"])
    if isinstance(extra.get("content"), list):
        record["content"] = anthropic_content(extra["content"], message, conversation)
    return record | {key: v for key, v in rest(extra).items() if key != "content" or v is None}


def anthropic_content(parts, message, conversation):
    """
    Content blocks, from their shape and what went to columns, calls and results.
    """
    calls = iter(message["calls"])
    spare = list(message["extra"].get("results", ()))
    named = [message["calls"][p["call"]] for p in parts if isinstance(p, dict) and "call" in p]
    answered = {id(call): call for call in conversation.answered[message["message_id"]]}
    taken = [
        call
        for call in answered.values()
        if call["result_message_id"] == message["message_id"] and call not in named
    ]
    filled = []
    for part in refilled(parts, Text(message["content"]), Text(message["reasoning"])):
        kind = part.get("claimed") if isinstance(part, dict) else None
        if kind is None:
            filled.append(part)
        elif kind.endswith("tool_use"):
            filled.append(anthropic_call(next(calls)))
        elif "call" in part:
            filled.append(anthropic_result(part, message["calls"][part["call"]]))
        else:
            found = _answered_call(part.get("tool_use_id"), taken) or spare.pop(0)
            filled.append(anthropic_result(part, found))
    return filled


def _answered_call(id_, taken):
    """
    Take the call that a result of this id answers; without an id, the next one that is left.
    """
    for place, call in enumerate(taken):
        if id_ is None or call["native_id"] == id_:
            return taken.pop(place)
    return None


def anthropic_call(call):
    """
    A call as a block.
    """
    own = rest(call["extra"], "result", "other_results", "toolUseResult")
    how = own.pop("input", "")
    raw = call["arguments_raw"]
    block = told(type="tool_use", id=call["native_id"], name=call["name"])
    if raw is not None:
        block["input"] = raw if how == "text" else json.loads(raw)
    elif how is None:
        block["input"] = None
    if call["server"] and not (call["name"] or "").startswith("mcp__"):
        block["server_name" if own.get("type") == "mcp_tool_use" else "integration_name"] = call[
            "server"
        ]
    return block | own


def anthropic_result(part, found):
    """
    A result as a block, from the call that took it or from what its message keeps of it.
    """
    spare = "result_message_id" not in found
    extra = dict((found if spare else found["extra"]).get("result", {}))
    said = found.get("text") if spare else found["result"]
    ids = told(tool_use_id=part.get("tool_use_id"))
    block = {"type": part["claimed"], **ids} | told(content=said)
    how = extra.pop("content", "")
    if how == "value":
        block["content"] = json.loads(said)
    elif isinstance(how, list):
        block["content"] = refilled(how, Text(said))
    elif how is None:
        block["content"] = None
    content = block.get("content")
    kind = content.get("type") if isinstance(content, dict) else None
    failed = not str(kind).endswith("_tool_result_error")
    if found["status"] in {"error", "denied"} and failed:
        block["is_error"] = True
    return block | extra


def anthropic_messages(conversations):
    for conversation in conversations:
        extra, row = conversation.extra, conversation.row
        answers = [m for m in conversation.messages if m["native_id"]]
        asked = [
            anthropic_message(m, conversation) for m in conversation.messages if not m["native_id"]
        ]
        request = {"messages": asked} | told(model=row["model"])
        if "logged" in extra:
            logged = dict(extra["logged"], request=whole(request, extra["logged"]["request"]))
            own = {} if answers and row["native_id"] == answers[0]["native_id"] else row
            response = _response(answers[0], conversation) if answers else None
            yield logged | told(id=own.get("native_id"), response=response)
            continue
        if "request" in extra:
            params = whole(request, extra["request"]["params"])
            yield {"custom_id": row["native_id"]} | extra["request"] | {"params": params}
        if "outcome" in extra:
            result = dict(extra["outcome"]["result"])
            if answers:
                result["message"] = _response(answers[0], conversation)
            yield {"custom_id": row["native_id"]} | extra["outcome"] | {"result": result}
        elif answers:
            yield _response(answers[0], conversation)
        elif "request" not in extra:
            yield whole(request, extra)


def _response(message, conversation):
    columns = told(
        id=message["native_id"], model=message["model"], stop_reason=message["finish_reason"]
    )
    return {"type": "message"} | columns | anthropic_message(message, conversation)


def sharegpt(conversations):
    for conversation in conversations:
        extra, row = conversation.extra, conversation.row
        key = extra.get("messages_key", "conversations")
        turns = [_turn(message) for message in conversation.messages]
        if key == "chat":
            ends = {"ASSISTANT": " <|endoftext|>"}
            said = ((m["role_raw"], m["content"]) for m in conversation.messages)
            turns = "\n\n\n".join(f"{who}: {what}{ends.get(who, '')}" for who, what in said)
        yield told(id=row["native_id"]) | {key: turns} | rest(extra)


def _turn(message):
    speaker, said = message["extra"].get("keys", ("from", "value"))
    return told(**{speaker: message["role_raw"], said: message["content"]}) | rest(
        message["extra"], "keys"
    )


def lmsys_chat(conversations):
    """
    Rows of LMSYS-Chat and WildChat; a null in a column of Parquet is a key that is not there.
    """
    for conversation in conversations:
        row = conversation.row
        columns = {conversation.extra.get("id_key", "conversation_id"): row["native_id"]}
        typed = moment(row, "updated_at", "s")
        record = told(**columns, model=row["model"], timestamp=typed)
        turns = [
            told(role=m["role_raw"], content=m["content"], timestamp=moment(m)) | rest(m["extra"])
            for m in conversation.messages
        ]
        yield whole(record | {"conversation": turns}, conversation.extra)


def claude_ai(conversations):
    for conversation in conversations:
        row = conversation.row
        record = told(
            uuid=row["native_id"],
            name=row["title"],
            account=row["user_id"] and {"uuid": row["user_id"]},
            created_at=moment(row, precision="us"),
            updated_at=moment(row, "updated_at", "us"),
        )
        listed = [_claude_ai_message(message, conversation) for message in conversation.messages]
        yield whole(record | {"chat_messages": listed}, conversation.extra)


def _claude_ai_message(message, conversation):
    extra = message["extra"]
    plain = [{"type": "text", "text": message["content"]}]
    shape = extra.get("content", plain)
    record = told(
        uuid=message["native_id"],
        sender=message["role_raw"],
        text=message["content"],
        created_at=moment(message),
        parent_message_uuid=message["parent_message_id"] or extra.get("parent"),
    )
    if isinstance(shape, list):
        record["content"] = anthropic_content(shape, message, conversation)
    kept = {k: v for k, v in extra.items() if k != "content" or not isinstance(v, list)}
    return whole(record, kept, "parent")


def chatgpt(conversations):
    for conversation in conversations:
        row, extra = conversation.row, conversation.extra
        record = told(
            title=row["title"],
            user_id=row["user_id"],
            default_model_slug=row["model"],
            **{extra.get("id_key", "conversation_id"): row["native_id"]},
            create_time=number({**row, "created_at_precision": "us"}),
            update_time=number({**row, "created_at_precision": "us"}, "updated_at"),
        )
        nodes = {m["message_id"]: _node(m) for m in conversation.messages}
        nodes |= extra.get("nodes", {})
        for key, node in nodes.items():
            if node.get("children", ()) is None:
                node["children"] = [k for k, n in nodes.items() if n.get("parent") == key]
        yield whole(record | {"mapping": nodes}, extra, "nodes")


def _shape_key(extra):
    return ["content"] if extra.get("content") is not None else []


def _node(message):
    extra = message["extra"]
    node = {
        "id": message["message_id"],
        "parent": message["parent_message_id"] or extra.get("parent"),
        "children": None,
    }
    texts = Text(message["content"] if message["content"] is not None else message["reasoning"])
    plain = {"content_type": "text", "parts": [message["content"]]}
    shape = extra.get("content", plain)
    record = told(id=message["native_id"], create_time=number(message))
    record["author"] = {"role": message["role_raw"], **extra.get("author", {})}
    record["content"] = refilled(shape, texts)
    record = whole(record, extra, "author", "node", "parent", *_shape_key(extra))
    return whole(node | {"message": record}, extra.get("node", {}))


def phr(conversations):
    """
    Front matter as it is written, and the sections below their headings.
    """
    for conversation in conversations:
        said = {m["role_raw"]: m["content"] for m in conversation.messages}
        yield {
            "front_matter": conversation.extra.get("front_matter"),
            "sections": [
                [section["heading"], section.get("text", said.get(section.get("part")))]
                for section in conversation.extra.get("sections", ())
            ],
        }


MESSAGES = {
    "phr": phr,
    "chatgpt-export": chatgpt,
    "claude-ai-export": claude_ai,
    "lmsys-chat": lmsys_chat,
    "sharegpt": sharegpt,
    "wildchat": lmsys_chat,
    "anthropic-messages": anthropic_messages,
    "tau-bench": tau_bench,
    "openai-chat": openai_chat,
}

"""Exports of chat applications: trees, and what people and bots said to each other."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.truth.api import result_block
from chatdata.truth.files import compact, whole, zipped
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from datetime import datetime

    from chatdata.truth.script import Answer, Call, Script, Talk


def chatgpt_export(script: Script) -> Case:
    """Shards with regenerated answers and hidden nodes; one conversation lies in both of them."""
    tally = Tally()
    exported = []
    for talk in script.talks(5):
        exported.append(_chatgpt_talk(talk, script, tally))
        tally.conversations += 1
    tally.records = len(exported) + 1
    files = {
        "export.zip": zipped(
            {
                "conversations-000.json": whole(exported[:3]),
                "conversations-001.json": whole(exported[2:]),
                "user.json": whole({"id": "user"}),
            }
        )
    }
    return Case(
        "chatgpt-export", files, tally, "branches off the path; one conversation is in twice"
    )


def _chatgpt_talk(talk: Talk, script: Script, tally: Tally) -> dict[str, Any]:
    clock = talk.clock()
    root = script.uuid()
    mapping: dict[str, Any] = {root: {"id": root, "message": None, "parent": None, "children": []}}

    def add(parent: str, role: str, content: dict[str, Any], **more: object) -> str:
        key = script.uuid()
        author = {"role": role, "name": more.pop("name", None), "metadata": {}}
        message = {
            "id": key,
            "author": author,
            "create_time": next(clock).timestamp(),
            "content": content,
            "recipient": more.pop("recipient", "all"),
            "metadata": more,
        }
        mapping[key] = {"id": key, "message": message, "parent": parent, "children": []}
        mapping[parent]["children"].append(key)
        tally.say(role)
        return key

    hidden = {"content_type": "text", "parts": [""]}
    last = add(root, "system", hidden, is_visually_hidden_from_conversation=True)
    for turn in talk.turns:
        last = add(last, "user", _text(turn.prompt))
        for answer in turn.answers:
            for call in answer.calls:
                asked = {
                    "content_type": "code",
                    "language": "json",
                    "text": compact(call.arguments),
                }
                last = add(last, "assistant", asked, recipient=call.tool, model_slug=talk.model)
                tally.call(call)
                if call.result is not None:
                    said = {"content_type": "execution_output", "text": call.result}
                    last = add(last, "tool", said, name=call.tool)
            if answer.text and not answer.calls:
                # Asked for again: the first answer stays as a branch that nobody sees.
                add(last, "assistant", _text(f"First try. {answer.text}"), model_slug=talk.model)
                last = add(last, "assistant", _text(answer.text), model_slug=talk.model)
    return {
        "title": talk.title,
        "create_time": talk.start.timestamp(),
        "update_time": next(clock).timestamp(),
        "mapping": mapping,
        "current_node": last,
        "conversation_id": talk.id,
        "id": talk.id,
        "default_model_slug": talk.model,
    }


def _text(said: str) -> dict[str, Any]:
    return {"content_type": "text", "parts": [said]}


def claude_ai_export(script: Script) -> Case:
    """Calls and results share a message, mostly without ids; an edited prompt left a branch."""
    tally = Tally()
    exported: list[dict[str, Any]] = []
    for talk in script.talks(5):
        clock = talk.clock()
        messages: list[dict[str, Any]] = []
        last = "00000000-0000-4000-8000-000000000000"
        for turn in talk.turns:
            edited = _claude_message("human", f"Earlier: {turn.prompt}", script.uuid(), last)
            asked = _claude_message("human", turn.prompt, script.uuid(), last)
            content: list[dict[str, Any]] = []
            for answer in turn.answers:
                content += [{"type": "text", "text": answer.text}] if answer.text else []
                for call in answer.calls:
                    used = {"type": "tool_use", "id": None, "name": call.tool}
                    content.append({**used, "input": call.arguments})
                # Results without ids are those of the first calls of their name.
                for call in answer.calls:
                    result = {**result_block(call), "tool_use_id": None, "name": call.tool}
                    content.append({**result, "content": f"{call.tool} did it"})
                    tally.tool_calls += 1
                    tally.tool_results += 1
            spoken = _claude_message("assistant", "", script.uuid(), asked["uuid"])
            spoken["content"] = content
            last = spoken["uuid"]
            messages += [edited, asked, spoken]
        for message in messages:
            message["created_at"] = _micro(next(clock))
            tally.say("assistant" if message["sender"] == "assistant" else "user")
        exported.append(_claude_talk(talk, messages))
        tally.conversations += 1
    exported.append(_claude_talk(script.talk(), []))
    tally.conversations += 1
    tally.records = len(exported)
    files = {"data.zip": zipped({"conversations.json": whole(exported), "users.json": b"[]"})}
    return Case(
        "claude-ai-export", files, tally, "calls without ids; a conversation without messages"
    )


def _claude_message(sender: str, said: str, uuid: str, parent: str) -> dict[str, Any]:
    return {
        "uuid": uuid,
        "text": said,
        "content": [{"type": "text", "text": said}],
        "sender": sender,
        "attachments": [],
        "files": [],
        "parent_message_uuid": parent,
    }


def _claude_talk(talk: Talk, messages: list[dict[str, Any]]) -> dict[str, Any]:
    return {
        "uuid": talk.id,
        "name": talk.title,
        "account": {"uuid": talk.user},
        "created_at": _micro(talk.start),
        "updated_at": _micro(talk.start),
        "chat_messages": messages,
    }


def _micro(moment: datetime) -> str:
    return moment.replace(tzinfo=None).isoformat(timespec="microseconds") + "Z"


def open_webui(script: Script) -> Case:
    """Two models answer each question; only one of the answers is on the path."""
    tally = Tally()
    exported = []
    for talk in script.talks(4):
        clock = talk.clock()
        messages: dict[str, Any] = {}
        last = None
        for turn in talk.turns:
            asked, *answers = script.uuid(), script.uuid(), script.uuid()
            messages[asked] = {
                "id": asked,
                "parentId": last,
                "childrenIds": answers,
                "role": "user",
                "content": turn.prompt,
                "timestamp": int(next(clock).timestamp()),
            }
            tally.say("user")
            for key, answer in zip(answers, (turn.answers[0], turn.answers[-1]), strict=True):
                messages[key] = _webui_answer(key, asked, answer, int(next(clock).timestamp()))
                tally.say("assistant")
                tally.call(*answer.calls)
                tally.spend(answer)
            last = answers[-1]
        history = {"messages": messages, "currentId": last}
        exported.append(
            {
                "id": talk.id,
                "user_id": talk.user,
                "title": talk.title,
                "chat": {"title": talk.title, "models": ["a", "b"], "history": history},
                "created_at": int(talk.start.timestamp()),
                "updated_at": int(talk.start.timestamp()),
            }
        )
        tally.conversations += 1
    tally.records = len(exported)
    return Case("open-webui", {"export.json": whole(exported)}, tally, "answers of several models")


def _webui_answer(key: str, asked: str, answer: Answer, moment: int) -> dict[str, Any]:
    output: list[dict[str, Any]] = [
        {
            "type": "function_call",
            "call_id": c.id,
            "name": c.tool,
            "arguments": compact(c.arguments),
        }
        for c in answer.calls
    ]
    output += [
        {
            "type": "function_call_output",
            "call_id": c.id,
            "output": [{"type": "input_text", "text": c.result}],
        }
        for c in answer.results
    ]
    said = answer.text or "…"
    content = [{"type": "output_text", "text": said}]
    output.append({"type": "message", "role": "assistant", "content": content})
    return {
        "id": key,
        "parentId": asked,
        "role": "assistant",
        "content": said,
        "model": "a",
        "timestamp": moment,
        "output": output,
        "usage": {
            "prompt_tokens": answer.n_input + answer.n_cached,
            "prompt_tokens_details": {"cached_tokens": answer.n_cached},
            "completion_tokens": answer.n_output,
        },
    }


def librechat(script: Script) -> Case:
    """A nested tree, saved on Windows: with a byte order mark and CRLF."""
    tally = Tally()
    files = {}
    for talk in script.talks(3):
        clock = talk.clock()
        top: list[dict[str, Any]] = []
        children, parent = top, "00000000-0000-0000-0000-000000000000"
        for turn in talk.turns:
            asked = _libre_message(script.uuid(), parent, turn.prompt, iso(next(clock)), "User")
            children.append(asked)
            tally.say("user")
            for answer in turn.answers:
                said = _libre_message(
                    script.uuid(), asked["messageId"], answer.text or "", iso(next(clock)), "Bot"
                )
                said["content"] = [{"type": "text", "text": answer.text or "…"}] + [
                    {"type": "tool_call", "tool_call": _libre_call(call)} for call in answer.calls
                ]
                asked["children"].append(said)
                tally.say("assistant")
                tally.call(*answer.calls)
            children, parent = said["children"], said["messageId"]
        export = {"conversationId": talk.id, "endpoint": "bot", "title": talk.title}
        text = whole({**export, "recursive": True, "messagesTree": top})
        files[f"{talk.id}.json"] = b"\xef\xbb\xbf" + text.replace(b"\n", b"\r\n")
        tally.conversations += 1
    tally.records = len(files)
    return Case("librechat", files, tally, "siblings; a byte order mark and CRLF")


def _libre_message(id_: str, parent: str, said: str, moment: str, sender: str) -> dict[str, Any]:
    return {
        "messageId": id_,
        "parentMessageId": parent,
        "isCreatedByUser": sender == "User",
        "sender": sender,
        "text": said,
        "createdAt": moment,
        "children": [],
    }


def _libre_call(call: Call) -> dict[str, Any]:
    output = {"output": call.result} if call.result is not None else {}
    return {"id": call.id, "name": call.tool, "args": compact(call.arguments), **output}


def grok(script: Script) -> Case:
    """One object with everything; times in two spellings."""
    tally = Tally()
    talks = []
    for talk in script.talks(4, calls=False):
        clock = talk.clock()
        responses = []
        for turn in talk.turns:
            for sender, said in (("human", turn.prompt), ("ASSISTANT", turn.answers[0].text)):
                moment = next(clock)
                stamp: Any = iso(moment)
                if sender == "human":
                    stamp = {"$date": {"$numberLong": str(int(moment.timestamp() * 1000))}}
                response: dict[str, Any] = {"_id": script.id(), "sender": sender}
                response |= {"message": said, "create_time": stamp}
                responses.append({"response": response})
                tally.say("user" if sender == "human" else "assistant")
        about = {"id": talk.id, "user_id": talk.user, "title": talk.title}
        about["create_time"] = iso(talk.start)
        talks.append({"conversation": about, "responses": responses})
        tally.conversations += 1
    tally.records = len(talks)
    export = {"conversations": talks, "projects": []}
    return Case("grok", {"prod-grok-backend.json": whole(export)}, tally, "two spellings of times")


def slack(script: Script) -> Case:
    """A workspace: threads that go on over the days, joins, a bot."""
    tally = Tally()
    days: dict[str, list[dict[str, Any]]] = {"2025-03-01": [], "2025-03-02": []}
    first, second = days.values()
    first.append(_slack(script, 0, "has joined", subtype="channel_join"))
    for number, talk in enumerate(script.talks(3, calls=False), 1):
        ts = _slack_ts(number * 100)
        first.append({**_slack(script, number * 100, talk.turns[0].prompt), "thread_ts": ts})
        for place, turn in enumerate(talk.turns, 1):
            said = _slack(script, 90_000 + number * 100 + place, turn.answers[0].text or "")
            second.append({**said, "thread_ts": ts, "subtype": "bot_message", "bot_id": "B1"})
            tally.say("assistant")
        tally.say("user")
        tally.conversations += 1
    first.append(_slack(script, 900, "Lunch?"))
    tally.say("user")
    tally.conversations += 1
    tally.records = len(first) + len(second)
    files = {f"general/{day}.json": whole(said) for day, said in days.items()}
    files["channels.json"] = whole([{"id": "C1", "name": "general"}])
    return Case("slack", {"export.zip": zipped(files)}, tally, "threads go on over the days")


def _slack(script: Script, second: int, said: str, **more: str) -> dict[str, Any]:
    user = f"U{script.id(6).upper()}"
    return {"type": "message", "user": user, "text": said, "ts": _slack_ts(second), **more}


def _slack_ts(second: int) -> str:
    return f"{1_740_787_200 + second}.000200"


def discord(script: Script) -> Case:
    """A channel with replies, a bot and a join."""
    tally = Tally()
    messages: list[dict[str, Any]] = [_discord(script, "GuildMemberJoin", "joined", bot=False)]
    for talk in script.talks(3, calls=False):
        for turn in talk.turns:
            asked = _discord(script, "Default", turn.prompt, bot=False)
            said = _discord(script, "Reply", turn.answers[0].text or "", bot=True)
            said["reference"] = {"messageId": asked["id"], "channelId": "7", "guildId": "1"}
            messages += [asked, said]
            tally.say("user")
            tally.say("assistant")
    tally.conversations = tally.records = 1
    export = {
        "guild": {"id": "1", "name": "Errands"},
        "channel": {"id": "7", "type": "GuildTextChat", "name": "help"},
        "messages": messages,
        "messageCount": len(messages),
    }
    return Case("discord", {"help.json": whole(export)}, tally, "joins are no messages")


def _discord(script: Script, kind: str, said: str, *, bot: bool) -> dict[str, Any]:
    return {
        "id": str(script.random.randrange(10**17, 10**18)),
        "type": kind,
        "timestamp": "2025-03-01T10:00:00.123+00:00",
        "timestampEdited": None,
        "content": said,
        "author": {"id": script.id(), "name": "somebody", "isBot": bot},
    }

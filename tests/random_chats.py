"""Logs made at random, in which everything that may be null, tied or loose is so somewhere."""

from __future__ import annotations

import json
import random

from chat_rows import at, chats, conversation

MODELS = ("small", "large", None)
TOOLS = ("read_file", "mcp__hub__search", "add_task", "zap", None)
KINDS = ("chat",) * 12 + ("injected", "summary", "command", "event")
STATUSES = ("ok",) * 6 + ("error", "timeout", "denied", "cancelled", "no_result", "unknown")
CLASSES = ("not_found", "invalid_arguments", "timeout", None)


def random_chats(seed, *, conversations=40, days=30):
    """
    A checked log of so many conversations over so many days; equal seeds give equal logs.
    """
    dice = random.Random(seed)  # noqa: S311 - a log, not a secret
    talks = [_talk(dice, number) for number in range(conversations)]
    said = [row for talk in talks for row in _said(dice, talk, days)]
    called = [
        row
        for message in said
        if message["role"] == "assistant" and dice.random() < 0.5
        for row in _called(dice, message)
    ]
    loose = [{**row, "message_id": None} for row in called if dice.random() < 0.05]
    for position, row in enumerate(loose):
        row["tool_call_id"] += "/loose"
        row["position"] = position
    return chats(conversations=talks, messages=said, tool_calls=[*called, *loose])


def _talk(dice, number):
    parent = dice.randrange(number) if number and dice.random() < 0.3 else None
    return conversation(
        f"c{number}",
        user_id=dice.choice(["ann", "bob", "cho", None]),
        origin=dice.choice(["work", "home"]),
        model=dice.choice(MODELS),
        agent=dice.choice(["explore", "plan", None]),
        parent_conversation_id=None if parent is None else f"c{parent}",
        relation=None if parent is None else dice.choice(["subagent", "subagent", "fork"]),
    )


def _said(dice, talk, days):
    """
    Messages of one conversation, in places that may have gaps, at times that may be missing.
    """
    name = talk["conversation_id"]
    clock = dice.uniform(0, days * 86_400)
    rows = []
    for position in range(dice.choice([0, 1, 2, 3, 5, 8, 13, 21])):
        role = dice.choice(["user", "assistant", "assistant", "tool", "system"])
        kind = dice.choice(KINDS)
        clock += dice.choice([0, 0, 1, 7.5, 60, 400, 4000, -5])
        content = dice.choice([None, "", "ok", "naïve 👋🏽", "a longer text of several words"])
        tokens = role == "assistant" and dice.random() < 0.8
        rows.append(
            {
                "message_id": f"{name}.{position}",
                "conversation_id": name,
                "position": position,
                "is_main_path": dice.random() < 0.92,
                "role": role,
                "kind": "tool_result" if role == "tool" and kind == "chat" else kind,
                "content": content,
                "n_chars": None if content is None else len(content),
                "model": dice.choice(MODELS) if role == "assistant" else None,
                "generation_id": f"{name}/{position // 2}" if tokens else None,
                "created_at": at(round(clock, 3)) if dice.random() < 0.9 else None,
                "created_at_precision": dice.choice(["us", "us", "s", "day", None]),
                "finish_reason": dice.choice(["stop", "length", None]),
                "input_tokens": dice.randrange(2000) if tokens else None,
                "output_tokens": dice.randrange(300) if tokens else None,
                "cache_read_tokens": dice.choice([None, 0, 5000]) if tokens else None,
                "cache_write_tokens": dice.choice([None, 700]) if tokens else None,
                "reasoning_tokens": dice.choice([None, 9]) if tokens else None,
            }
        )
    return rows


def _called(dice, message):
    rows = []
    for position in range(dice.choice([1, 1, 1, 2, 4])):
        status, name = dice.choice(STATUSES), dice.choice(TOOLS)
        failed = status in ("error", "timeout")
        started = dice.uniform(0, 1000) if dice.random() < 0.6 else None
        arguments = {
            key: dice.choice([1, 2.5, "x", "long text", True, None, [1, "a"], {"deep": 1}])
            for key in ("path", "limit", "mode")
            if dice.random() < 0.7
        }
        kind = dice.choice(["ok", "ok", "ok", "ok", "empty", "invalid", None])
        text = json.dumps(arguments) if kind == "ok" else None
        rows.append(
            {
                "tool_call_id": f"{message['message_id']}/{position}",
                "conversation_id": message["conversation_id"],
                "message_id": message["message_id"],
                "position": position,
                "name": name,
                "server": "hub" if name and name.startswith("mcp__") else None,
                "arguments": text,
                "arguments_raw": text if kind != "invalid" else '{"path": ',
                "arguments_status": kind,
                "status": status,
                "result": dice.choice([None, "done", '{"error":"no file 12"}']),
                "error_source": dice.choice(["explicit", "protocol", None]) if failed else None,
                "error_class": dice.choice(CLASSES) if failed else None,
                "started_at": at(started),
                "ended_at": None if started is None else at(started + dice.choice([0, 0.5, 20])),
            }
        )
    return rows

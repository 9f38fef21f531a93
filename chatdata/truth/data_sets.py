"""Published data sets, prompt records, and tables of an analyst's own."""

from __future__ import annotations

import csv
import io
from typing import TYPE_CHECKING, Any

from chatdata.truth.files import compact, lines, whole
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from chatdata.truth.script import Script, Talk


def sharegpt(script: Script) -> Case:
    """Rows with call turns, rows with calls in tags; ids that repeat; a result of nothing."""
    tally = Tally()
    rows = []
    for talk in script.talks(4):
        turns = [{"from": "system", "value": "Be brief."}]
        for turn in talk.turns:
            turns.append({"from": "human", "value": turn.prompt})
            for answer in turn.answers:
                called = [{"name": c.tool, "arguments": c.arguments} for c in answer.calls]
                if called:
                    turns.append({"from": "function_call", "value": compact(called)})
                    # Results have no ids: they answer in order, so here every call has one.
                    turns += [
                        {"from": "observation", "value": call.result or "late"}
                        for call in answer.calls
                    ]
                    tally.tool_calls += len(called)
                    tally.tool_results += len(called)
                else:
                    turns.append({"from": "gpt", "value": answer.text or ""})
        turns.append({"from": "observation", "value": "nobody asked"})
        for written in turns:
            tally.say(_SHAREGPT[written["from"]])
        rows.append({"id": "same", "conversations": turns})
    hermes = [_hermes(talk, tally) for talk in script.talks(2)]
    rows += [{"id": "same", "conversations": turns} for turns in hermes]
    tally.conversations = tally.records = len(rows)
    return Case("sharegpt", {"rows.json": whole(rows)}, tally, "all rows have the same id")


_SHAREGPT = {
    "system": "system",
    "human": "user",
    "gpt": "assistant",
    "function_call": "assistant",
    "observation": "tool",
    "tool": "tool",
}


def _hermes(talk: Talk, tally: Tally) -> list[dict[str, str]]:
    turns = []
    for turn in talk.turns:
        turns.append({"from": "human", "value": turn.prompt})
        for answer in turn.answers:
            tags = [
                f"<tool_call>\n{compact({'name': c.tool, 'arguments': c.arguments})}\n</tool_call>"
                for c in answer.calls
            ]
            turns.append({"from": "gpt", "value": "\n".join([answer.text or "…", *tags])})
            if answer.calls:
                said = [
                    f"<tool_response>{c.result or 'late'}</tool_response>" for c in answer.calls
                ]
                turns.append({"from": "tool", "value": "\n".join(said)})
            tally.tool_calls += len(answer.calls)
            tally.tool_results += len(answer.calls)
    for written in turns:
        tally.say(_SHAREGPT[written["from"]])
    return turns


def _turns(talk: Talk, tally: Tally) -> list[tuple[str, str]]:
    """Give a talk without calls as pairs of role and text."""
    said = []
    for turn in talk.turns:
        said += [("user", turn.prompt), ("assistant", turn.answers[0].text or "")]
    for role, _ in said:
        tally.say(role)
    tally.conversations += 1
    return said


def lmsys_chat(script: Script) -> Case:
    """The same rows as Parquet and as lines are two data sets; here each half is one file."""
    tally = Tally()
    rows = [
        {
            "conversation_id": script.id(32),
            "model": talk.model,
            "conversation": [{"content": t, "role": r} for r, t in _turns(talk, tally)],
            "turn": len(talk.turns),
            "language": "English",
            "openai_moderation": [{"flagged": False}],
            "redacted": False,
        }
        for talk in script.talks(8, calls=False)
    ]
    tally.records = len(rows)
    files = {"first.parquet": _parquet(rows[:4]), "second.jsonl": lines(rows[4:])}
    return Case("lmsys-chat", files, tally, "columns and lines give the same")


def wildchat(script: Script) -> Case:
    """Hashes of content as ids, which repeat where people write the same."""
    tally = Tally()
    rows: list[dict[str, Any]] = []
    for talk in script.talks(6, calls=False):
        clock = talk.clock()
        said = [
            {"content": t, "role": r, "language": "English", "timestamp": iso(next(clock))}
            for r, t in _turns(talk, tally)
        ]
        rows.append(
            {
                "conversation_hash": "the-same-hash" if len(rows) < 2 else script.id(32),  # noqa: PLR2004 - two rows
                "model": talk.model,
                "timestamp": iso(talk.start),
                "conversation": said,
                "turn": len(talk.turns),
                "toxic": False,
                "hashed_ip": script.id(16),
            }
        )
    tally.records = len(rows)
    return Case("wildchat", {"rows.jsonl": lines(rows)}, tally, "a content hash is no id")


def _parquet(rows: list[dict[str, Any]]) -> bytes:
    import pyarrow as pa
    from pyarrow import parquet

    target = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), target)
    return target.getvalue()


def oasst(script: Script) -> Case:
    """Trees: every prompt has three answers, of which the best ranked is on the path."""
    tally = Tally()
    trees = []
    for talk in script.talks(4, calls=False):
        root: dict[str, Any] = {}
        asked = root
        for turn in talk.turns:
            asked |= {"message_id": script.uuid(), "text": turn.prompt, "role": "prompter"}
            tally.say("user")
            replies: list[dict[str, Any]] = [
                {"message_id": script.uuid(), "text": f"{rank}: {turn.answers[0].text}"}
                | {"role": "assistant", "rank": rank, "replies": []}
                for rank in (2, 0, 1)
            ]
            tally.say("assistant", len(replies))
            asked["replies"] = replies
            asked = {}
            replies[1]["replies"].append(asked)
        replies[1]["replies"].pop()
        trees.append({"message_tree_id": root["message_id"], "tree_state": "ready", "prompt": root})
        tally.conversations += 1
    tally.records = len(trees)
    return Case("oasst", {"trees.jsonl": lines(trees)}, tally, "most answers are off the path")


def hh_rlhf(script: Script) -> Case:
    """Pairs: a line is two conversations that begin alike."""
    tally = Tally()
    rows = []
    for talk in script.talks(4, calls=False):
        said = [(role, text.replace("\n", " ")) for role, text in _turns(talk, tally)]
        names = {"user": "Human", "assistant": "Assistant"}
        text = "".join(f"\n\n{names[role]}: {words}" for role, words in said)
        rows.append({"chosen": text, "rejected": f"{text[:-4]} no."})
        tally.conversations += 1
        for role, _ in said:
            tally.say(role)
    tally.records = len(rows)
    return Case("hh-rlhf", {"pairs.jsonl": lines(rows)}, tally, "a line is two conversations")


_PROMPT_RECORD = """---
id: {number:04}
title: "{title}"
stage: plan
date: 2025-03-0{day}
surface: agent
model: {model}
feature: errands
user: {user}
---

# {title}

## Prompt

{prompt}

```md
## Response in a fence
```

## Response snapshot

{answer}

## Outcome

- done
"""


def phr(script: Script) -> Case:
    """Prompt records with headings inside fences, one of them with CRLF, one without a response."""
    tally = Tally()
    files = {}
    for number, talk in enumerate(script.talks(4, calls=False), 1):
        turn = talk.turns[0]
        text = _PROMPT_RECORD.format(
            number=number,
            day=number,
            title=talk.title.replace('"', ""),
            model=talk.model,
            user=talk.user,
            prompt=turn.prompt,
            answer=turn.answers[0].text,
        )
        tally.say("user")
        if number == 1:
            text = text.replace("## Response snapshot", "## Notes")
        else:
            tally.say("assistant")
        data = text.encode()
        data = data.replace(b"\n", b"\r\n") if number == 2 else data  # noqa: PLR2004 - one of them
        files[f"history/prompts/errands/{number:04}-errand.plan.prompt.md"] = data
        tally.conversations += 1
    tally.records = len(files)
    return Case("phr", files, tally, "headings in fences are none")


def mapped(script: Script) -> Case:
    """A CSV table with columns of its own, read by a mapping; calls are JSON text."""
    tally = Tally()
    target = io.StringIO()
    writer = csv.writer(target)
    writer.writerow(["thread", "author", "said", "at", "calls"])
    for talk in script.talks(5):
        clock = talk.clock()
        tally.conversations += 1
        for turn in talk.turns:
            writer.writerow([talk.id, "human", turn.prompt, iso(next(clock)), ""])
            tally.say("user")
            for answer in turn.answers:
                calls = [
                    {"tool": c.tool, "parameters": c.arguments, "result": c.result or "late"}
                    for c in answer.calls
                ]
                said = answer.text or ""
                written = compact(calls) if calls else ""
                writer.writerow([talk.id, "bot", said, iso(next(clock)), written])
                tally.say("assistant")
                tally.tool_calls += len(calls)
                tally.tool_results += len(calls)
    tally.records = tally.messages["user"] + tally.messages["assistant"]
    mapping = {
        "conversation_id": "thread",
        "role": "author",
        "content": "said",
        "created_at": "at",
        "tool_calls": "calls",
    }
    files = {"log.csv": target.getvalue().encode()}
    return Case("mapped", files, tally, "columns that nobody else has", mapping)

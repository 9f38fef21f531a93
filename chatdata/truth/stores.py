"""Databases in which tools keep what was said."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from chatdata.truth.api import block_usage
from chatdata.truth.files import compact, database
from chatdata.truth.script import Case, Tally, iso

if TYPE_CHECKING:
    from chatdata.truth.script import Answer, Script, Talk, Turn

_LLM = """
create table conversations (id text primary key, name text, model text);
create table responses (id text primary key, model text, prompt text, system text,
  prompt_json text, options_json text, response text, response_json text, conversation_id text,
  duration_ms integer, datetime_utc text, input_tokens integer, output_tokens integer,
  token_details text, schema_id text, resolved_model text, reasoning text);
create table tools (id integer primary key, name text);
create table tool_calls (id integer primary key, response_id text, name text, arguments text,
  tool_call_id text);
create table tool_results (id integer primary key, response_id text, name text, output text,
  tool_call_id text, exception text);
create table messages (hash text primary key, parent_hash text, role text, provider_metadata text);
create table parts (id integer primary key, message_hash text, position integer, type text,
  tool_name text, text text, payload text);
create table threads (id text primary key, name text, tip_message_hash text, forked_from text,
  datetime_utc text);
create table turns (id text primary key, thread_id text, parent_message_hash text,
  tip_message_hash text, model text, resolved_model text, options_json text, input_tokens integer,
  output_tokens integer, token_details text, duration_ms integer, datetime_utc text);
create table turn_tools (turn_id text, tool_id integer);
"""


def llm_logs_db(script: Script) -> Case:
    """Threads that share their messages, and responses of older versions."""
    tally = Tally()
    rows: dict[str, list[list[Any]]] = {
        name: [] for name in ("messages", "parts", "threads", "turns", "conversations", "responses")
    }
    tips: list[str] = []
    for talk in script.talks(3, calls=False):
        tip = _thread(talk, None, rows, script, tally)
        stamp = iso(talk.start)
        rows["threads"].append([talk.id, talk.title, tip, None, stamp])
        tips.append(tip)
        tally.conversations += 1
    origin, fork = rows["threads"][0][0], script.talk(calls=False)
    tip = _thread(fork, tips[0], rows, script, tally)
    rows["threads"].append([fork.id, "Fork", tip, origin, "2026-01-01T00:00:00.000Z"])
    tally.conversations += 1
    tally.relate("fork")
    for talk in script.talks(2, calls=False):
        rows["conversations"].append([talk.id, talk.title, talk.model])
        tally.conversations += 1
        for turn, moment in zip(talk.turns, talk.clock(), strict=False):
            rows["responses"].append(_old_response(talk, turn, iso(moment), script))
            tally.say("user")
            tally.say("assistant")
            _spend(turn.answers[0], tally)
    tally.records = sum(len(rows[name]) for name in ("messages", "responses"))
    return Case("llm-logs-db", {"logs.db": database(_LLM, rows)}, tally, "threads share messages")


def _spend(answer: Answer, tally: Tally) -> None:
    tally.input_tokens = (tally.input_tokens or 0) + answer.n_input
    tally.output_tokens = (tally.output_tokens or 0) + answer.n_output


def _thread(
    talk: Talk,
    parent: str | None,
    rows: dict[str, list[list[Any]]],
    script: Script,
    tally: Tally,
) -> str:
    """Write a thread's own messages after the one that it goes on from, and give its last one."""
    for turn, moment in zip(talk.turns, talk.clock(), strict=False):
        asked, said = script.id(32), script.id(32)
        answer = turn.answers[0]
        for key, before, role, text in (
            (asked, parent, "user", turn.prompt),
            (said, asked, "assistant", answer.text),
        ):
            rows["messages"].append([key, before, role, None])
            rows["parts"].append([len(rows["parts"]) + 1, key, 0, "text", None, text, None])
            tally.say(role)
        turn_row = [script.id(), talk.id, asked, said, talk.model, None, None]
        tokens = [answer.n_input, answer.n_output, None, 5, iso(moment)]
        rows["turns"].append([*turn_row, *tokens])
        _spend(answer, tally)
        parent = said
    return parent or ""


def _old_response(talk: Talk, turn: Turn, moment: str, script: Script) -> list[Any]:
    answer = turn.answers[0]
    before = [script.id(), talk.model, turn.prompt, None, None, None, answer.text, None]
    spent = [talk.id, 5, moment.rstrip("Z"), answer.n_input, answer.n_output]
    return [*before, *spent, None, None, None, None]


_AGENTSVIEW = """
create table sessions (id text primary key, project text, agent text, started_at text,
  ended_at text, parent_session_id text, relationship_type text, cwd text);
create table messages (id integer primary key, session_id text, ordinal integer, role text,
  content text, thinking_text text, timestamp text, is_system integer, model text,
  token_usage text, claude_message_id text, source_uuid text, source_parent_uuid text,
  is_sidechain integer, is_compact_boundary integer);
create table tool_calls (id integer primary key, message_id integer, session_id text,
  tool_name text, tool_use_id text, input_json text, result_content text);
"""


def agentsview(script: Script) -> Case:
    """An archive in which a fork has its parent's messages once more, under the same uuids."""
    tally = Tally()
    rows: dict[str, list[list[Any]]] = {"sessions": [], "messages": [], "tool_calls": []}
    for talk in script.talks(3):
        rows["sessions"].append(
            [talk.id, "app", "claude", iso(talk.start), None, None, "", "/home/mona/app"]
        )
        _archived(talk, rows, script, tally)
        tally.conversations += 1
    parent = rows["sessions"][0][0]
    fork = script.talk()
    later = "2026-01-01T00:00:00.000Z"
    rows["sessions"].append([fork.id, "app", "claude", later, None, parent, "fork", ""])
    copied = [row for row in rows["messages"] if row[1] == parent]
    for row in copied:
        rows["messages"].append([len(rows["messages"]) + 1, fork.id, *row[2:]])
    _archived(fork, rows, script, tally, start=len(copied))
    tally.conversations += 1
    tally.relate("fork")
    tally.records = len(rows["messages"])
    files = {"archive.db": database(_AGENTSVIEW, rows)}
    return Case("agentsview", files, tally, "a fork has its parent's messages again")


def _archived(
    talk: Talk,
    rows: dict[str, list[list[Any]]],
    script: Script,
    tally: Tally,
    *,
    start: int = 0,
) -> None:
    clock = talk.clock()
    ordinal = start

    def add(role: str, said: str, answer: Answer | None = None) -> int:
        nonlocal ordinal
        id_ = len(rows["messages"]) + 1
        usage = compact(block_usage(answer)) if answer else ""
        model, message = (talk.model, answer.id) if answer else ("", "")
        before = [id_, talk.id, ordinal, role, said, "", iso(next(clock)), 0, model, usage]
        rows["messages"].append([*before, message, script.uuid(), "", 0, 0])
        ordinal += 1
        tally.say(role)
        return id_

    for turn in talk.turns:
        add("user", turn.prompt)
        for answer in turn.answers:
            id_ = add("assistant", answer.text or "", answer)
            tally.spend(answer)
            tally.call(*answer.calls)
            for call in answer.calls:
                arguments = compact(call.arguments)
                made = [len(rows["tool_calls"]) + 1, id_, talk.id, call.tool, call.id, arguments]
                rows["tool_calls"].append([*made, call.result])


_AGENTS = """
create table agent_sessions (session_id text primary key, created_at text, updated_at text);
create table agent_messages (id integer primary key, session_id text, message_data text,
  created_at text);
"""


def openai_agents(script: Script) -> Case:
    """Sessions of items: a call is none of a message, and a result follows it in the same table."""
    tally = Tally()
    rows: dict[str, list[list[Any]]] = {"agent_sessions": [], "agent_messages": []}
    for talk in script.talks(4):
        stored = talk.start.isoformat(" ", "seconds").removesuffix("+00:00")
        rows["agent_sessions"].append([talk.id, stored, stored])
        tally.conversations += 1
        for turn in talk.turns:
            items: list[dict[str, Any]] = [{"role": "user", "content": turn.prompt}]
            tally.say("user")
            for answer in turn.answers:
                items += _items(answer, tally)
            first = len(rows["agent_messages"]) + 1
            rows["agent_messages"] += [
                [first + place, talk.id, compact(item), stored] for place, item in enumerate(items)
            ]
    tally.records = len(rows["agent_messages"])
    files = {"sessions.db": database(_AGENTS, rows)}
    return Case("openai-agents", files, tally, "calls and results are rows beside the messages")


def _items(answer: Answer, tally: Tally) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = []
    if answer.text:
        said = [{"type": "output_text", "text": answer.text, "annotations": []}]
        items.append({"type": "message", "id": answer.id, "role": "assistant", "content": said})
        tally.say("assistant")
    for call in answer.calls:
        made = {"call_id": call.id, "name": call.tool, "arguments": compact(call.arguments)}
        items.append({"type": "function_call", "id": f"fc_{call.id}", **made})
    for call in answer.results:
        told = {"call_id": call.id, "output": call.result}
        items.append({"type": "function_call_output", **told})
    tally.call(*answer.calls)
    return items

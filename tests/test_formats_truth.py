"""The real logs beside the checkout give their published counts.

`TRUTH.json` counts each file by a rule of its format; how a rule reads over the frames stands in
`RULES`, as queries. `None` there: the rule counts what the frames do not hold as such.
"""

from __future__ import annotations

import json

import pytest
from conftest import SAMPLES

import chatdata as cd
from chatdata.formats.base import formats

ROWS = {
    "conversations": "select count(*) from conversations",
    "messages": "select count(*) from messages",
    "tool_calls": "select count(*) from tool_calls",
    "tool_results": "select count(*) from messages where role = 'tool'",
}
RESULTS = """
    select (select count(*) from tool_calls where result_message_id is not null)
         + (select count(*) from messages where role = 'tool' and message_id not in
            (select result_message_id from tool_calls where result_message_id is not null))
"""
ANSWERED = "select count(*) from tool_calls where result is not null"
SPOKEN = "from messages where role_raw in ('user', 'assistant')"
RULES = {
    "chatgpt-export": ("chatgpt-export", ROWS),
    "claude-ai-export": (
        "claude-ai-export",
        {**ROWS, "tool_results": "select count(result) from tool_calls"},
    ),
    "claude-code": (
        "claude-code",
        {
            "conversations": f"select count(distinct conversation_id) {SPOKEN}",
            "messages": f"select count(*) {SPOKEN}",
            "tool_calls": "select count(*) from tool_calls",
            "tool_results": RESULTS,
        },
    ),
    "codex": (
        "codex",
        {
            "conversations": ROWS["conversations"],
            "messages": "select count(*) from messages where role_raw in "
            "('user', 'assistant', 'developer', 'system')",
            "tool_calls": ROWS["tool_calls"],
            "tool_results": ANSWERED,
        },
    ),
    "anthropic-messages-rows": ("anthropic-messages", ROWS),
    "anthropic-responses": ("anthropic-messages", {**ROWS, "tool_results": ANSWERED}),
    "lmsys-chat": ("lmsys-chat", ROWS),
    # The rule looks for sections only; some files keep their texts in the front matter.
    "phr": ("phr", {**ROWS, "messages": "select count(*) from messages where extra is null"}),
    "sharegpt": ("sharegpt", ROWS),
    "gemini-cli": ("gemini-cli", {**ROWS, "tool_results": ANSWERED}),
    "openai-responses": ("openai-responses", {**ROWS, "tool_results": None}),
    "tau2-bench": ("tau2-bench", ROWS),
    "oasst": ("oasst", ROWS),
    # The rule counts valid calls; invalid ones are calls too.
    "langchain": (
        "langchain",
        {
            **ROWS,
            "tool_calls": "select count(*) from tool_calls where arguments_status <> 'invalid'",
            "tool_results": None,
        },
    ),
    "pydantic-ai": ("pydantic-ai", {**ROWS, "tool_results": ANSWERED}),
    "inspect-ai": ("inspect-ai", ROWS),
    "langfuse": ("langfuse", ROWS),
    "openinference": ("openinference", ROWS),
    # Messages are shared between conversations there: as rows they count once, in the first.
    "llm-logs-db": ("llm-logs-db", {**ROWS, "tool_results": ANSWERED}),
    "swe-agent": ("swe-agent", ROWS),
    "librechat": ("librechat", ROWS),
    "open-webui": ("open-webui", {**ROWS, "tool_results": ANSWERED}),
    # Results that name no call stay in their step's extra.
    "atif": ("atif", {**ROWS, "tool_results": None}),
    # Events are counted, not messages: only the calls are compared.
    "openhands": ("openhands", {**ROWS, "messages": None, "tool_results": None}),
    "openai-chat": ("openai-chat", ROWS),
    "tau-bench": ("tau-bench", ROWS),
}
READERS = {format_.name for format_ in formats()}
# What formats.md reads where a rule stops: a heading spelled PROMPT_TEXT begins with "prompt".
FOUND_MORE = {"001-implement-kafka-dapr-integration.general.prompt.md": {"messages": 2}}
COUNTS = ("conversations", "messages", "tool_calls", "tool_results")


def truths():
    if not SAMPLES.is_dir():
        return []
    files = json.loads((SAMPLES / "formats" / "TRUTH.json").read_text())["files"]
    return [file for file in files if RULES.get(file["format"], ("",))[0] in READERS]


@pytest.mark.parametrize("truth", truths(), ids=lambda truth: truth["file"][-60:])
def test_truth(samples, truth):
    """
    A real log gives the counts that were made without our code, and is known by its content.
    """
    reader, queries = RULES[truth["format"]]
    chats = cd.scan(samples / "formats" / truth["file"]).check().collect()
    expected = {name: truth[name] for name in COUNTS if truth[name] is not None and queries[name]}
    expected |= FOUND_MORE.get(truth["file"].rsplit("/", 1)[-1], {})
    found = {name: chats.sql(queries[name]).item() for name in expected}

    assert expected == found
    assert {reader} >= {finding.became for finding in chats.findings} - {"nothing", "wildchat"}

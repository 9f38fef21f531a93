"""The pack as a folder: a folder per format, `truth.json`, and a page that says what to do."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from chatdata.truth import agents, api, claude_code, data_sets, exports, frameworks, stores, traces
from chatdata.truth.script import Script

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatdata.truth.script import Case

_WRITERS: tuple[Callable[[Script], Case], ...] = (
    api.openai_chat,
    api.tau_bench,
    api.tau2_bench,
    api.anthropic_messages,
    api.openai_responses,
    api.inspect_ai,
    api.atif,
    exports.chatgpt_export,
    exports.claude_ai_export,
    exports.open_webui,
    exports.librechat,
    exports.grok,
    exports.slack,
    exports.discord,
    claude_code.claude_code,
    agents.codex,
    agents.gemini_cli,
    agents.openhands,
    agents.swe_agent,
    frameworks.langchain,
    frameworks.langgraph,
    frameworks.pydantic_ai,
    frameworks.vercel_ai,
    frameworks.gemini_api,
    traces.langfuse,
    traces.langsmith,
    traces.openinference,
    traces.otel_genai,
    stores.llm_logs_db,
    stores.agentsview,
    stores.openai_agents,
    data_sets.sharegpt,
    data_sets.lmsys_chat,
    data_sets.wildchat,
    data_sets.oasst,
    data_sets.hh_rlhf,
    data_sets.phr,
    data_sets.mapped,
)
_MEANINGS = {
    "conversations": "all of them; sub-agents, forks and resumed sessions are conversations too",
    "messages": "by role: what people typed, what models said (one per response, however many"
    " records it takes), results of tools where they are messages, system prompts; also off the"
    " path that a reader saw; no events",
    "tool_calls": "each call once",
    "tool_results": "how many of the calls have a result",
    "input_tokens": "of all responses, each once, without cached tokens; null without tokens",
    "output_tokens": "likewise",
    "relations": "conversations that belong to another one: fork, resume, subagent, trial",
    "records": "lines, elements, files or rows: what naive counting starts from",
    "about": "what is easily counted wrong in this format",
    "mapping": "what the columns of a table without a format mean",
}
_PAGE = """\
# Truth pack

Chat logs in {n} formats, all made up (seed {seed}), and in `truth.json` what they hold. Read the
folder of a format with your tool, as a whole, and compare.

| in `truth.json` | meaning |
|---|---|
{meanings}

What a fork or a resumed session copied belongs to the conversation that it was copied from.
"""


def cases(seed: int = 7) -> Iterator[Case]:
    """Make the cases of every format, in the same order and with the same bytes each time."""
    for write in _WRITERS:
        yield write(Script(seed, write.__name__))


def write_pack(folder: str | Path, *, seed: int = 7) -> list[Path]:
    """Write the pack into a folder.

    Args:
        folder: made if it is not there; files of the same names are replaced.
        seed: other numbers give other logs of the same kinds.

    Returns:
        The files that were written.
    """
    top = Path(folder).expanduser()
    made = list(cases(seed))
    files = {f"{case.format}/{path}": data for case in made for path, data in case.files.items()}
    truths = {case.format: _described(case) for case in made}
    files["truth.json"] = json.dumps(truths, indent=1, ensure_ascii=False).encode() + b"\n"
    meanings = "\n".join(f"| {name} | {meaning} |" for name, meaning in _MEANINGS.items())
    page = _PAGE.format(n=len(made), seed=seed, meanings=meanings)
    files["README.md"] = page.encode()
    written = []
    for path, data in files.items():
        target = top / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(data)
        written.append(target)
    return written


def _described(case: Case) -> dict[str, Any]:
    described = {"about": case.about, **vars(case.truth)}
    return {**described, "mapping": case.mapping} if case.mapping else described

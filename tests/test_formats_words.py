"""No word that a log holds gets lost, in the formats whose records are not put together again.

Whatever text of some words stands in a record of a fixture is somewhere in the frames: a column, or
`extra`. What is left out on purpose is named here, with the reason.
"""

from __future__ import annotations

import json
import re

import polars as pl
import pytest
from rebuilt_agents import AGENTS
from rebuilt_messages import MESSAGES
from test_formats import EXPECTED, case_of

import chatdata as cd

TEXTS = (".json", ".jsonl", ".traj")
BYTES = re.compile(r"data:[\w.+/-]*[^,]{0,200};base64,|attachment://")
# Texts that need not be there, by format, with the reason.
EXCEPTIONS = {
    # Two conversations in one text, which is taken apart.
    "hh-rlhf": lambda text: "Human:" in text or "Assistant:" in text,
    # What a span is called, which its operation and its model or tool say.
    "langfuse": lambda text: text.startswith("execute_tool "),
    "openinference": lambda text: text.startswith(("chat ", "execute_tool ")),
    "otel-genai": lambda text: text.startswith(("chat ", "execute_tool ")),
    # The body of an error is no conversation.
    "openai-responses": lambda text: text == "bad key",
}


def logs():
    """
    Every fixture of such a format that is text.
    """
    for expected in EXPECTED:
        name, case = json.loads(expected.read_text())["format"], case_of(expected)
        if name not in MESSAGES | AGENTS and case.suffix in TEXTS:
            yield pytest.param(name, case, id=f"{case.parent.name}/{case.name}")


def records(path):
    """
    Read a log without our code, by the number of each record.
    """
    text = path.read_bytes().decode("utf-8-sig", "replace")
    try:
        whole = json.loads(text)
    except ValueError:
        for number, line in enumerate(text.split("\n"), 1):
            try:
                yield number, json.loads(line)
            except ValueError:
                continue
    else:
        yield from enumerate(whole if isinstance(whole, list) else [whole], 1)


def leaves(value):
    """
    Every text of a value; JSON that stands as text is opened.
    """
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        for item in value:
            yield from leaves(item)
    elif isinstance(value, str):
        inner = opened(value)
        if isinstance(inner, dict | list):
            yield from leaves(inner)
        else:
            yield value


def opened(text):
    try:
        return json.loads(text)
    except ValueError:
        return None


def held(chats):
    """
    All that the frames hold, as one text.
    """
    columns = (
        series
        for name in ("conversations", "messages", "tool_calls")
        for series in chats.frames[name].collect().select(pl.col(pl.String)).iter_columns()
    )
    return "\n".join(text for series in columns for text in leaves(series.to_list()))


@pytest.mark.parametrize(("name", "path"), [*logs()])
def test_every_word_is_somewhere(name, path):
    """
    Each text with a space in it, of records that are no rejects, is in the frames.
    """
    chats = cd.scan(path)
    frames = held(chats)
    rejected = set(chats.rejects.select("record").collect()["record"])
    left_out = EXCEPTIONS.get(name, lambda text: False)
    lost = [
        text
        for number, record in records(path)
        for text in leaves(record)
        if number not in rejected
        and " " in text.strip()
        and not BYTES.search(text)
        and not left_out(text)
        and text.strip() not in frames
    ]

    assert [] == lost


@pytest.mark.parametrize("own", ["mine", {"mine": 1}, 7])
def test_a_key_of_the_log_that_is_called_as_a_note(tmp_path, own):
    """
    A log's own key stays as it is beside what is noted under that name, here a result for no call.
    """
    answer = {"role": "tool", "tool_call_id": "gone", "content": [], "results": own}
    asked = {"role": "user", "content": "Hi"}
    path = tmp_path / "log.jsonl"
    path.write_text(json.dumps({"messages": [asked, answer]}))
    extra = json.loads(cd.scan(path).check().messages.collect()["extra"][1])

    assert own == extra["results"]
    assert "gone" == extra["results~2"][0]["for"]

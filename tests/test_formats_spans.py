"""One conversation whose spans lie in several files: what each repeats of it counts once."""

from __future__ import annotations

import json

import pytest

import chatdata as cd
from chatdata.ingest import ingest

TRACE = "5b8efff798038103d269b633813fc60c"


def said(role, text):
    return {"role": role, "parts": [{"type": "text", "content": text}]}


def span(id_, second, history, answer, n_tokens):
    """
    A generation as OpenTelemetry writes it: the history that went in, and what came out.
    """
    texts = {
        "gen_ai.operation.name": "chat",
        "gen_ai.input.messages": json.dumps([said(*one) for one in history]),
        "gen_ai.output.messages": json.dumps([said("assistant", answer)]),
    }
    attributes = [{"key": key, "value": {"stringValue": text}} for key, text in texts.items()]
    attributes.append({"key": "gen_ai.usage.output_tokens", "value": {"intValue": str(n_tokens)}})
    start = 1735725600000000000 + second * 10**9
    times = {"startTimeUnixNano": str(start), "endTimeUnixNano": str(start + 10**9)}
    body = {"traceId": TRACE, "spanId": id_, "name": "chat", "attributes": attributes, **times}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [body]}]}]}


FIRST = span("a1", 0, [("user", "hi")], "hello", 3)
SECOND = span("b1", 5, [("user", "hi"), ("assistant", "hello"), ("user", "more")], "bye", 4)
AGAIN = span("c1", 9, [("user", "hi")], "hello", 5)


def write(folder, **files):
    folder.mkdir()
    for name, spans in files.items():
        lines = "".join(json.dumps(one) + "\n" for one in spans)
        (folder / f"{name}.jsonl").write_text(lines)
    return folder


def rows(chats):
    told = chats.messages.sort("conversation_id", "position").collect()
    return told.select("role", "content", "output_tokens").rows()


@pytest.mark.parametrize("names", ["ab", "ba"])
def test_what_later_files_repeat_counts_once(tmp_path, names):
    """
    Whatever the files are called, their spans give what one file of all gives.
    """
    first, second = names
    split = cd.scan(write(tmp_path / "two", **{first: [FIRST], second: [SECOND]})).check()
    whole = cd.scan(write(tmp_path / "one", all=[FIRST, SECOND])).check()
    expected = [
        ("user", "hi", None),
        ("assistant", "hello", 3),
        ("user", "more", None),
        ("assistant", "bye", 4),
    ]

    assert expected == rows(whole) == rows(split)
    began = [chats.conversations.collect()["created_at"].item() for chats in (whole, split)]
    assert began[0] == began[1]
    parents = dict(split.messages.select("message_id", "parent_message_id").collect().rows())
    assert 1 == sum(parent is None for parent in parents.values())
    assert all(parents[parent] != key for key, parent in parents.items() if parent)


def test_a_lake_has_the_same(tmp_path):
    """
    Imported one after the other, the files give the same.
    """
    for name, spans in (("a", [FIRST]), ("b", [SECOND])):
        ingest([write(tmp_path / name, **{name: spans})], tmp_path / "lake")

    assert ["hi", "hello", "more", "bye"] == [
        text for _, text, _ in rows(cd.scan(tmp_path / "lake"))
    ]


def test_the_same_answer_twice_is_two_answers(tmp_path):
    """
    A generation that says again what an earlier one said is one of its own, in whatever file.
    """
    chats = cd.scan(write(tmp_path / "two", a=[FIRST], b=[AGAIN])).check()

    assert [3, 5] == sorted(tokens for role, _, tokens in rows(chats) if role == "assistant")
    assert 1 == sum(role == "user" for role, *_ in rows(chats))


def test_a_trace_without_a_generation_is_kept(tmp_path):
    """
    Beside a trace with generations, what went into another and came out of it stays in `extra`.
    """
    generation = {"id": "o1", "traceId": "t1", "type": "GENERATION", "input": "q", "output": "a"}
    traces = [
        {"trace": {"id": "t1", "sessionId": "s"}, "observations": [generation]},
        {
            "trace": {"id": "t2", "sessionId": "s", "input": "Q2", "output": "A2"},
            "observations": [],
        },
    ]
    (tmp_path / "log.json").write_text(json.dumps(traces))
    chats = cd.scan(tmp_path / "log.json")
    extra = json.loads(chats.conversations.collect()["extra"].item())

    assert [{"id": "t2", "input": "Q2", "output": "A2"}] == [
        {key: kept[key] for key in ("id", "input", "output")}
        for kept in extra["spans"]
        if "input" in kept
    ]


def test_a_title_of_nobody_here_is_an_event(tmp_path):
    """
    A record that adds to a conversation which is not here has no row, and is not counted as kept.
    """
    records = [
        {"type": "summary", "summary": "Of another file", "leafUuid": "zz"},
        {
            "type": "user",
            "uuid": "u1",
            "parentUuid": None,
            "sessionId": "s",
            "timestamp": "2025-10-01T10:00:00.000Z",
            "message": {"role": "user", "content": "hi"},
        },
    ]
    (tmp_path / "log.jsonl").write_text("".join(json.dumps(one) + "\n" for one in records))
    chats = cd.scan(tmp_path / "log.jsonl").check()

    counted = chats.accounting.select("cause", "n_records", "n_messages").sort("cause").collect()
    assert [("event", 1, 0), ("kept", 1, 1)] == counted.rows()


def test_a_refusal_beside_an_empty_text_is_what_was_said(tmp_path):
    """
    An empty text says nothing; the refusal beside it does.
    """
    talk = [{"role": "user", "content": "q"}, {"role": "assistant", "content": "", "refusal": "No"}]
    (tmp_path / "log.json").write_text(json.dumps({"messages": talk}))

    assert ["q", "No"] == [text for _, text, _ in rows(cd.scan(tmp_path / "log.json"))]

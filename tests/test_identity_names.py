"""Conversations that share an id: parts of one, or different ones that are told apart."""

from __future__ import annotations

import json

import polars as pl
import pytest

import chatdata as cd
from chatdata.ingest import ingest


def shared(id_, *said):
    return {"id": id_, "conversations": [{"from": "human", "value": text} for text in said]}


def answered_twice(id_):
    """
    A row whose one call has two results, which only its id tells.
    """
    call = {"id": "t", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    return {
        "id": id_,
        "messages": [
            {"role": "assistant", "content": "", "tool_calls": [call]},
            {"role": "tool", "tool_call_id": "t", "content": "one"},
            {"role": "tool", "tool_call_id": "t", "content": "two"},
        ],
    }


def write(folder, **files):
    folder.mkdir(exist_ok=True)
    for name, rows in files.items():
        (folder / f"{name}.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    return folder


def said(chats):
    rows = chats.check().messages.sort("conversation_id", "position").collect()
    return rows.select("message_id", "content").rows()


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        pytest.param(
            {"a": [shared("x", "A")], "b": [shared("x", "B")], "c": [shared("y", "C")]},
            [("x:1", "A"), ("x~2:1", "B"), ("y:1", "C")],
            id="in two files",
        ),
        pytest.param(
            {"a": [shared("x", "A"), shared("x", "A", "B")]},
            [("x:1", "A"), ("x~2:1", "A"), ("x~2:2", "B")],
            id="in one file, and with the same beginning",
        ),
        pytest.param(
            {"a": [shared("x~2", "A"), shared("x", "B"), shared("x", "C")]},
            [("x:1", "B"), ("x~2:1", "A"), ("x~2~:1", "C")],
            id="beside one that is called so itself",
        ),
    ],
)
def test_different_conversations_of_one_id(tmp_path, files, expected):
    """
    Different conversations that share an id are told apart in source order, and none is lost.
    """
    assert expected == said(cd.scan(write(tmp_path / "logs", **files)))


def test_what_is_named_after_a_conversation_goes_along(tmp_path):
    """
    Parents, calls, results and the ids in `extra` of a renamed conversation are its own.
    """
    rows = [answered_twice("x"), answered_twice("x")]
    chats = cd.scan(write(tmp_path / "logs", a=rows)).check()
    calls = chats.tool_calls.sort("tool_call_id").collect()

    assert ["x:1:0", "x~2:1:0"] == calls["tool_call_id"].to_list()
    assert ["x:2", "x~2:2"] == calls["result_message_id"].to_list()
    assert [["x:3"], ["x~2:3"]] == [json.loads(extra)["other_results"] for extra in calls["extra"]]
    assert [None, "x:1", "x:2", None, "x~2:1", "x~2:2"] == chats.messages.sort(
        "conversation_id", "position"
    ).collect()["parent_message_id"].to_list()


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_files_that_are_imported_apart(tmp_path, order):
    """
    Files whose conversations share an id stay apart in a lake, whichever is imported first.
    """
    write(tmp_path, a=[shared("x", "A")], b=[shared("x", "B")])
    for name in order:
        ingest([tmp_path / f"{name}.jsonl"], tmp_path / "lake")
    first, second = (name.upper() for name in order)

    assert [("x:1", first), ("x~2:1", second)] == said(cd.scan(tmp_path / "lake"))


def test_parts_of_one_conversation_stay_one(tmp_path):
    """
    A request and its answer, which name one conversation, are not told apart.
    """
    request = {"custom_id": "x", "body": {"messages": [{"role": "user", "content": "Hi"}]}}
    answer = {
        "custom_id": "x",
        "response": {"body": {"choices": [{"message": {"role": "assistant", "content": "Hello"}}]}},
    }
    chats = cd.scan(write(tmp_path / "logs", a=[request], b=[answer])).check()

    assert ["x"] == chats.conversations.collect()["conversation_id"].to_list()
    assert ["Hi", "Hello"] == chats.messages.sort("position").collect()["content"].to_list()


def test_parquet_rows_are_told_apart(tmp_path):
    """
    Rows of a Parquet file that share an id are different conversations.
    """
    turns = [[{"role": "user", "content": "A"}], [{"role": "user", "content": "B"}]]
    rows = pl.DataFrame({"conversation_id": ["x", "x"], "model": ["m", "m"], "conversation": turns})
    rows.write_parquet(tmp_path / "a.parquet")

    assert [("x:1", "A"), ("x~2:1", "B")] == said(cd.scan(tmp_path / "a.parquet"))

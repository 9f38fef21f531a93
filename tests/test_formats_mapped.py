"""Tables of the analyst's own, by a mapping or by their columns' names."""

from __future__ import annotations

import json

import polars as pl
import pytest

import chatdata as cd

ROWS = [
    {"thread": "t1", "author": "human", "said": "Hi", "when": "2025-03-01 10:00:00", "lang": "en"},
    {
        "thread": "t1",
        "author": "bot",
        "said": "Hello",
        "when": "2025-03-01 10:00:05",
        "calls": [{"tool": "greet", "parameters": {"name": "Mona"}, "result": {"success": True}}],
    },
    {"thread": "t2", "author": "human", "said": None, "when": None},
]
MAPPING = {
    "conversation_id": "thread",
    "role": "author",
    "content": "said",
    "created_at": "when",
    "tool_calls": "calls",
}


def as_jsonl(path):
    path.write_text("".join(json.dumps(row) + "\n" for row in ROWS))


def as_array(path):
    path.write_text(json.dumps(ROWS))


def frame():
    calls = pl.List(
        pl.Struct(
            {
                "tool": pl.String,
                "parameters": pl.Struct({"name": pl.String}),
                "result": pl.Struct({"success": pl.Boolean}),
            }
        )
    )
    return pl.DataFrame(ROWS, schema_overrides={"calls": calls}, infer_schema_length=None)


def as_parquet(path):
    frame().write_parquet(path)


def as_csv(path):
    rows = [{**row, "calls": json.dumps(row["calls"]) if "calls" in row else None} for row in ROWS]
    pl.DataFrame(rows, infer_schema_length=None).write_csv(path, separator=";")


@pytest.mark.parametrize("write", [as_jsonl, as_array, as_parquet, as_csv])
def test_mapping(tmp_path, write):
    """
    The same rows give the same frames whatever file holds them.
    """
    path = tmp_path / "log"
    write(path)
    chats = cd.scan(path, mapping=MAPPING).check()
    call = chats.tool_calls.collect().row(0, named=True)

    assert [("t1", "mapped"), ("t2", "mapped")] == chats.conversations.select(
        "conversation_id", "source"
    ).sort("conversation_id").collect().rows()
    assert [("t1", 0, "user", "Hi"), ("t1", 1, "assistant", "Hello"), ("t2", 0, "user", None)] == (
        chats.messages.sort("conversation_id", "position")
        .select("conversation_id", "position", "role", "content")
        .collect()
        .rows()
    )
    assert ("greet", '{"name":"Mona"}', "ok") == (call["name"], call["arguments"], call["status"])
    assert ["mapped"] == chats.explain()["became"].to_list()
    assert 3 == chats.audit().filter(pl.col("cause") == "certified")["n_records"].item()


def test_names_that_speak_for_themselves(tmp_path):
    """
    Without a mapping, `format="mapped"` goes by the names of columns, as for a database.
    """
    path = tmp_path / "log.csv"
    path.write_text('conversation_id,role,content\n7,user,Hi\n7,assistant,"Two\nlines"\n')
    chats = cd.scan(path, format="mapped").check()

    assert [("7", "Hi"), ("7", "Two\nlines")] == chats.messages.select(
        "conversation_id", "content"
    ).collect().rows()


def test_bad_rows_are_rejects(tmp_path):
    """
    Records that are no rows become rejects, the others are read.
    """
    path = tmp_path / "log.jsonl"
    as_jsonl(path)
    path.write_text(path.read_text() + "[1]\nbroken\n")
    chats = cd.scan(path, mapping=MAPPING).check()

    assert [4, 5] == chats.rejects.collect()["record"].to_list()
    assert 3 == chats.messages.collect().height


@pytest.mark.parametrize(
    ("text", "mapping", "says"),
    [
        pytest.param("[]", {}, "no rows", id="no rows"),
        pytest.param(
            '{"a": 1}', {"conversation_id": "thread"}, "thread", id="a column that is not there"
        ),
        pytest.param('{"a": 1}', {}, "no", id="nothing that looks like messages"),
    ],
)
def test_what_cannot_be_mapped(tmp_path, text, mapping, says):
    """
    A table without the columns it needs is one clear line.
    """
    path = tmp_path / "log.json"
    path.write_text(text)

    with pytest.raises(cd.SourceError, match=says):
        cd.scan(path, mapping=mapping)

"""Tables of the analyst's own, by a mapping or by their columns' names."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.database import parts
from chatdata.formats import mapped

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


def many(n):
    """
    Rows of conversations that take turns, with a column that begins late.
    """
    return [
        {
            "id": n - k,
            "thread": f"t{k % 7}",
            "author": ("human", "bot")[k % 2],
            "said": f"Said {k}",
            "when": 1_740_823_200 + k * 20.5,
            **({"calls": [{"tool": "find", "parameters": {"k": k}}]} if k > n // 2 else {}),
            **({"note": {"k": [k]}} if k % 5 == 0 else {}),
        }
        for k in range(n)
    ]


@pytest.mark.parametrize("ids", ["once", "twice"])
@pytest.mark.parametrize("kind", ["jsonl", "csv", "parquet"])
def test_larger_than_memory(tmp_path, monkeypatch, kind, ids):
    """
    A file that outgrows memory gives the same rows, in whatever order its conversations come.
    """
    rows = [row | ({"id": row["id"] // 2} if ids == "twice" else {}) for row in many(60)]
    texts = [
        {k: json.dumps(v) if isinstance(v, dict | list) else v for k, v in row.items()}
        for row in rows
    ]
    path = tmp_path / "log"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    elif kind == "csv":
        pl.DataFrame(texts, infer_schema_length=None).write_csv(path)
    else:
        pl.DataFrame(texts, infer_schema_length=None).write_parquet(path)
    whole = cd.scan(path, mapping=MAPPING).check()
    monkeypatch.setattr(mapped, "HELD_BYTES", 1)
    monkeypatch.setattr(mapped, "_BATCH_ROWS", 7)
    monkeypatch.setattr(parts, "PART_BYTES", 2048)
    parted = cd.scan(path, mapping=MAPPING).check()
    order = ("conversation_id", "position")

    for name, frame in whole.frames.items():
        assert_frame_equal(
            *(one.collect().sort(pl.all(), nulls_last=True) for one in (frame, parted.frames[name]))
        )
    assert [f"Said {k}" for k in range(0, 60, 7)] == (
        parted.messages.filter(conversation_id="t0").sort(order).collect()["content"].to_list()
    )
    assert 29 == parted.tool_calls.collect().height
    assert 60 == parted.messages.select(pl.col("message_id").n_unique()).collect().item()


def test_questions_and_answers_larger_than_memory(tmp_path, monkeypatch):
    """
    A row that holds a question and its answer is two messages, in parts too.
    """
    path = tmp_path / "log.jsonl"
    rows = [
        {"conversation_id": k % 4, "prompt": f"Ask {k}", "reply": f"Told {k}" if k % 3 else None}
        for k in range(20)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    mapping = {"question": "prompt", "answer": "reply"}
    whole = cd.scan(path, mapping=mapping).check()
    monkeypatch.setattr(mapped, "HELD_BYTES", 1)
    monkeypatch.setattr(mapped, "_BATCH_ROWS", 3)
    parted = cd.scan(path, mapping=mapping).check()
    columns = ("conversation_id", "position", "role", "content")

    assert {"user": 20, "assistant": 13} == dict(
        whole.messages.group_by("role").len().collect().rows()
    )
    assert_frame_equal(
        *(chats.messages.select(columns).sort(columns[:2]).collect() for chats in (whole, parted))
    )


def test_values_of_any_kind(tmp_path):
    """
    Whatever stands in a column is kept as its text: numbers, truth, lists, what JSON spells oddly.
    """
    path = tmp_path / "log.jsonl"
    odd = '{"conversation_id": 1, "role": "user", "content": "a\\u0000b\\ud83d", "x": NaN}'
    values = [7, -(2**70), 0.5, True, None, [1, {"a": "b"}], "text", ""]
    lines = [
        json.dumps({"conversation_id": 1, "role": "user", "content": "Hi", "x": value})
        for value in values
    ]
    path.write_text("\n".join([*lines, odd]))
    messages = cd.scan(path, format="mapped").check().messages.sort("position").collect()

    assert [
        "7",
        str(-(2**70)),
        "0.5",
        "true",
        None,
        '[1,{"a":"b"}]',
        "text",
        "",
        "nan",
    ] == [None if extra is None else json.loads(extra)["x"] for extra in messages["extra"]]
    assert "a\0b\\ud83d" == messages["content"][-1]


def test_parquet_of_any_type(tmp_path):
    """
    Bytes are text, or hexadecimal where they are none; a missing value of a nested type is none.
    """
    path = tmp_path / "log.parquet"
    pl.DataFrame(
        {
            "conversation_id": [b"\xff\x00", b"plain"],
            "role": ["user", "user"],
            "content": ["Hi", "Hello"],
            "created_at": [datetime(2025, 3, 1, 10, tzinfo=UTC), None],
            "tags": [["a"], None],
        }
    ).write_parquet(path)
    messages = cd.scan(path, format="mapped").check().messages.sort("content").collect()

    assert ["plain", "ff00"] == messages["conversation_id"].to_list()
    assert [None, '{"tags":"[\\"a\\"]"}'] == messages["extra"].to_list()
    assert [None, datetime(2025, 3, 1, 10)] == messages["created_at"].to_list()  # noqa: DTZ001 - as frames have it


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
    path.write_text(path.read_text() + "[1]\nbroken\n{}\n")
    chats = cd.scan(path, mapping=MAPPING).check()

    assert [4, 5, 6] == chats.rejects.collect()["record"].to_list()
    assert 3 == chats.messages.collect().height


@pytest.mark.parametrize(
    ("tail", "reasons", "n_messages"),
    [
        pytest.param('8,user,"cut in', ["truncated_tail"], 1, id="inside quotes"),
        pytest.param('8,user,"whole ""end"""', [], 2, id="closed, without a line end"),
        pytest.param('8,user,5" of it', [], 2, id="a quote inside a plain field"),
    ],
)
def test_a_csv_that_is_cut_off_says_so(tmp_path, tail, reasons, n_messages):
    """
    A last row whose quotes are not closed is a reject, as a cut line of JSON is.
    """
    path = tmp_path / "log.csv"
    path.write_text(f"conversation_id,role,content\n7,user,Hi\n{tail}")
    chats = cd.scan(path, format="mapped").check()

    assert reasons == chats.rejects.collect()["reason"].to_list()
    assert n_messages == chats.messages.collect().height
    assert 2 == chats.accounting.collect()["n_records"].sum()


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

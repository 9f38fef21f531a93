"""Mappings for tables of the analyst's own: proposed, written down, pasted back."""

from __future__ import annotations

import csv
import json
import shlex
import sqlite3
from contextlib import closing

import polars as pl
import pytest

import chatdata as cd
from chatdata.errors import LayoutError, SourceError
from chatdata.load import as_flags, as_toml, read_map, suggest_map

TALK = [
    ("t-1", "human", "Hi there, is anybody in?", "2025-03-01 10:00:00"),
    ("t-1", "bot", "Yes, I am here for you.", "2025-03-01 10:00:05"),
    ("t-2", "human", "What is the time now?", "2025-03-02 09:00:00"),
    ("t-2", "bot", "It is nine in the morning.", "2025-03-02 09:00:04"),
]
# Names that no rule knows, and what they stand for.
NAMES = {
    "conversation_id": "dialogue",
    "role": "voice",
    "content": "utterance",
    "created_at": "spoken",
}
SPANISH = {
    "conversation_id": "hilo_thread",
    "role": "quien",
    "content": "texto",
    "created_at": "fecha",
}


def rows(names):
    return [dict(zip(names.values(), row, strict=True)) for row in TALK]


def as_jsonl(path, names):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows(names)))
    return path


def as_csv(path, names):
    with path.open("w", newline="") as file:
        writer = csv.DictWriter(file, list(names.values()), delimiter=";")
        writer.writeheader()
        writer.writerows(rows(names))
    return path


def as_parquet(path, names):
    pl.DataFrame(rows(names)).write_parquet(path)
    return path


def as_sqlite(path, names):
    columns = ", ".join(names.values())
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute(f"create table log ({columns})")
        connection.executemany("insert into log values (?, ?, ?, ?)", TALK)
        connection.execute("create table settings (name, value)")
        connection.execute("insert into settings values ('theme', 'a dark one with stars')")
    return path


@pytest.mark.parametrize("write", [as_jsonl, as_csv, as_parquet, as_sqlite])
@pytest.mark.parametrize("names", [NAMES, SPANISH], ids=["English", "Spanish"])
def test_proposal(tmp_path, write, names):
    """
    Columns of any names are found by what they hold, and the proposal reads the table.
    """
    path = write(tmp_path / "log", names)
    found = suggest_map(path).mapping
    chats = cd.scan(path, mapping=found).check()

    assert names == {key: column for key, column in found.items() if key != "messages"}
    assert [(row[0], row[2]) for row in TALK] == (
        chats.messages.sort("created_at").select("conversation_id", "content").collect().rows()
    )
    assert ["user", "assistant"] * 2 == (
        chats.messages.sort("created_at").collect()["role"].to_list()
    )


def test_proposal_is_pasted_back(tmp_path, program):
    """
    What is printed works as it stands, as flags and as a file, and shows no value of the table.
    """
    path = as_jsonl(tmp_path / "log.jsonl", NAMES)
    code, printed, _ = program("scan", path, "--suggest-map")
    flags = next(line for line in printed.splitlines() if line.startswith("--map"))
    (tmp_path / "log.toml").write_text(printed.split("--map FILE.toml:\n")[1])
    answers = [
        json.loads(program("scan", path, "--json", *asked)[1])
        for asked in (shlex.split(flags), ("--map", tmp_path / "log.toml"))
    ]

    assert 0 == code
    assert "nine in the morning" not in printed
    assert answers[0] == answers[1]
    assert (4, 2) == (answers[0]["messages"], answers[0]["conversations"])


def test_calls_models_and_tokens_are_proposed(tmp_path):
    """
    Columns of calls, models and tokens are found too, each for one thing.
    """
    row = {
        "chat": "c",
        "who": "assistant",
        "said": "Two words",
        "tool_stuff": [{"name": "find", "arguments": {}}],
        "engine": "small-1",
        "tokens_out": 12,
    }
    path = tmp_path / "log.jsonl"
    path.write_text(f"{json.dumps(row)}\n{json.dumps({**row, 'who': 'user', 'said': 'Go on'})}\n")

    assert {
        "conversation_id": "chat",
        "role": "who",
        "content": "said",
        "tool_calls": "tool_stuff",
        "model": "engine",
        "output_tokens": "tokens_out",
    } == suggest_map(path).mapping


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(
            'role = "who"\n"conversations.title" = "t"\n',
            {"role": "who", "conversations.title": "t"},
            id="flat",
        ),
        pytest.param(
            '[messages]\ntable = "log"\nrole = "who"\n[conversations]\ntable = "talks"\n',
            {"messages": "log", "messages.role": "who", "conversations": "talks"},
            id="nested",
        ),
        pytest.param("", {}, id="empty"),
    ],
)
def test_map_files(tmp_path, text, expected):
    """
    A TOML file says the same flat and nested.
    """
    path = tmp_path / "map.toml"
    path.write_text(text)

    assert expected == read_map(path)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("role = who", "not TOML", id="no quotes"),
        pytest.param("role = 5", "role maps to no name", id="a number"),
        pytest.param(None, "cannot be opened", id="not there"),
    ],
)
def test_bad_map_files(tmp_path, text, expected):
    """
    A file that is no mapping is refused with its name.
    """
    path = tmp_path / "map.toml"
    if text is not None:
        path.write_text(text)

    with pytest.raises(SourceError, match=f"map.toml.*{expected}"):
        read_map(path)


def test_written_maps_are_read_again(tmp_path):
    """
    Names with spaces and quotes survive a shell and a file.
    """
    mapping = {"messages": 'my "log"', "conversations.title": "it's a title"}
    (tmp_path / "map.toml").write_text(as_toml(mapping))
    words = shlex.split(as_flags(mapping))

    assert mapping == read_map(tmp_path / "map.toml")
    assert mapping == dict(word.split("=", 1) for word in words[1::2])


@pytest.mark.parametrize(
    "rows_",
    [
        pytest.param([{"city": "Rome", "n": 1}, {"city": "Oslo", "n": 2}], id="no texts"),
        pytest.param([{"note": "words but no more"}, {"note": "other words"}], id="nobody speaks"),
    ],
)
def test_no_chat_no_proposal(tmp_path, rows_):
    """
    A table that holds no chat gets no mapping, but an error that names its columns.
    """
    path = tmp_path / "other.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows_))

    with pytest.raises(LayoutError, match=r"found (city, n|note)"):
        suggest_map(path)


def test_nothing_of_a_csv_is_lost(tmp_path):
    """
    Long fields, titles that repeat and fields beyond the titles are kept.
    """
    path = tmp_path / "log.csv"
    path.write_text(f'conversation_id,role,content,x,x\nc,user,"{"y" * 200_000}",1,2,3,4\n')
    row = cd.scan(path, format="mapped").messages.collect().row(0, named=True)

    assert 200_000 == row["n_chars"]
    assert {"x": "1", "x_2": "2", "more_fields": '["3","4"]'} == json.loads(row["extra"])


@pytest.mark.parametrize(
    "said",
    [["今天天气怎么样", "请告诉我详细情况"], ["w?", "sunny"], ["Two words", "three more words"]],
)
def test_texts_without_spaces_and_rows_without_an_id(tmp_path, said):
    """
    Not every script writes words apart, not every text has several, and a few rows name nothing.
    """
    roles = ("user", "assistant")
    rows = [
        {"conversation_id": f"c{n // 4}", "role": roles[n % 2], "content": said[n % 2]}
        for n in range(40)
    ]
    rows[7]["conversation_id"] = None
    rows[9]["tool_call_id"] = "t"
    path = tmp_path / "log.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))

    assert {"conversation_id", "role", "content"} == suggest_map(path).mapping.keys()

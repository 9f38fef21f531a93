"""From any source to frames: files, folders, archives, and what was asked of them."""

from __future__ import annotations

import gzip
import json
import sqlite3
import zipfile
from contextlib import closing
from datetime import UTC, datetime

import duckdb
import polars as pl
import pyarrow as pa
import pytest

import chatdata as cd
from chatdata import database
from chatdata.load import names

HELLO = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}
TIMED = {
    "id": "timed",
    "user_id": "mona",
    "title": "A talk",
    "messages": [
        {"role": "user", "content": "One", "created_at": "2025-01-01T00:00:00Z"},
        {
            "role": "assistant",
            "content": None,
            "created_at": "2025-01-02T00:00:00Z",
            "tool_calls": [{"id": "a", "function": {"name": "count", "arguments": '{"to":1}'}}],
        },
        {"role": "tool", "tool_call_id": "a", "content": "1", "created_at": "2025-01-03T00:00:00Z"},
        {"role": "user", "content": "When?"},
    ],
}


def jsonl(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def counts(chats):
    return tuple(
        chats.frames[name].collect().height for name in ("conversations", "messages", "tool_calls")
    )


def zipped(data, path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inside/log.jsonl", data)


@pytest.mark.parametrize(
    ("name", "pack"),
    [
        pytest.param("log.jsonl", lambda data, path: path.write_bytes(data), id="plain"),
        pytest.param(
            "log.txt", lambda data, path: path.write_bytes(data), id="the name says nothing"
        ),
        pytest.param("log.gz", lambda data, path: path.write_bytes(gzip.compress(data)), id="gzip"),
        pytest.param(
            "log.zst",
            lambda data, path: path.write_bytes(pa.compress(data, "zstd", asbytes=True)),
            id="zstd",
        ),
        pytest.param("log.zip", zipped, id="zip"),
        pytest.param(
            "log.bom",
            lambda data, path: path.write_bytes(b"\xef\xbb\xbf" + data.replace(b"\n", b"\r\n")),
            id="byte order mark and CRLF",
        ),
        pytest.param(
            "log.u16",
            lambda data, path: path.write_bytes(data.decode().encode("utf-16")),
            id="UTF-16",
        ),
    ],
)
def test_packing_does_not_matter(tmp_path, name, pack):
    """
    The same log gives the same counts however it is packed and named.
    """
    path = tmp_path / name
    pack(jsonl(HELLO, TIMED), path)

    assert (2, 6, 1) == counts(cd.scan(path).check())


def test_folder_is_read_file_by_file(tmp_path):
    """
    A folder is walked with its hidden folders; what is no chat log is a finding, not an error.
    """
    (tmp_path / ".hidden").mkdir()
    (tmp_path / ".hidden" / "a.jsonl").write_bytes(jsonl(HELLO))
    (tmp_path / "b.json").write_text(json.dumps([HELLO]))
    (tmp_path / "notes.txt").write_text("nothing here")
    (tmp_path / "empty.jsonl").write_bytes(b"")
    chats = cd.scan(tmp_path).check()

    assert (2, 4, 0) == counts(chats)
    assert ["b.json#1", ".hidden/a.jsonl#1"] == chats.conversations.collect()[
        "conversation_id"
    ].to_list()
    assert {"openai-chat": 2, "nothing": 2} == dict(chats.explain().group_by("became").len().rows())


def test_glob_and_folder_name_alike(tmp_path):
    """
    A pattern names files below its fixed part, hidden folders included.
    """
    (tmp_path / ".x").mkdir()
    (tmp_path / ".x" / "a.jsonl").write_bytes(jsonl(HELLO))
    chats = cd.scan(f"{tmp_path}/**/*.jsonl")

    assert [".x/a.jsonl#1"] == chats.conversations.collect()["conversation_id"].to_list()


def test_empty_file_is_an_empty_log(tmp_path):
    """
    A file without a byte has no records and is no error.
    """
    path = tmp_path / "empty.jsonl"
    path.touch()
    chats = cd.scan(path).check()

    assert (0, 0, 0) == counts(chats)
    assert 0 == chats.accounting.collect().height


@pytest.mark.parametrize(
    ("source", "error", "says"),
    [
        pytest.param("missing.jsonl", cd.SourceError, "no such file", id="missing file"),
        pytest.param("", cd.SourceError, "an empty source", id="no source"),
        pytest.param(" ", cd.SourceError, "an empty source", id="a blank source"),
        pytest.param("nothing/*.jsonl", cd.SourceError, "no such file", id="pattern without files"),
        pytest.param("bare", cd.SourceError, "holds no files", id="empty folder"),
        pytest.param(
            "mysql://joe:secret@host/db", cd.SourceError, "no reader for mysql://", id="unknown URL"
        ),
        *(
            pytest.param(name, cd.UnknownFormatError, "may be an encrypted or damaged", id=name)
            for name in ("noise.db", "noise.sqlite", "noise.SQLite3")
        ),
        pytest.param("noise.bin", cd.UnknownFormatError, "confidence 0%; name it", id="noise.bin"),
        pytest.param("prose.txt", cd.UnknownFormatError, "no known format", id="no chat log"),
        pytest.param(
            "prose", cd.UnknownFormatError, "none of 2 files", id="folder without chat logs"
        ),
        pytest.param("broken.zip", cd.SourceError, "damaged zip", id="damaged archive"),
        pytest.param(
            "sample?rows=5",
            cd.SourceError,
            "conversations= and seed=",
            id="unknown part of the sample",
        ),
    ],
)
def test_what_cannot_be_read(tmp_path, monkeypatch, source, error, says):
    """
    A source that cannot be read is one line that says what was found, without a password.
    """
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bare").mkdir()
    (tmp_path / "prose").mkdir()
    for name in ("prose.txt", "prose/a.txt", "prose/b.txt"):
        (tmp_path / name).write_text("Dear diary")
    for name in ("noise.db", "noise.sqlite", "noise.SQLite3", "noise.bin"):
        (tmp_path / name).write_bytes(bytes(range(256)) * 8)
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04nothing")

    with pytest.raises(error, match=says) as raised:
        cd.scan(source)

    assert "\n" not in str(raised.value)
    assert "secret" not in str(raised.value)


def test_format_can_be_named(tmp_path):
    """
    A named format is used without detection, and one that does not exist lists those that do.
    """
    path = tmp_path / "log"
    path.write_bytes(b'{"messages": []}\n{"odd": 1}\n')
    chats = cd.scan(path, format="openai-chat")

    assert (1, 0, 0) == counts(chats)
    assert [(2, 17)] == chats.rejects.select("record", "byte_offset").collect().rows()
    with pytest.raises(cd.UnknownFormatError, match=r"openai-chat, .*tau-bench"):
        cd.scan(path, format="chatlog")


@pytest.mark.parametrize(
    ("asked", "expected"),
    [
        pytest.param({}, (2, 6, 1), id="everything"),
        pytest.param({"since": datetime(2025, 1, 2)}, (1, 2, 1), id="since"),  # noqa: DTZ001 - naive means UTC
        pytest.param(
            {"until": datetime(2025, 1, 2, tzinfo=UTC)}, (1, 1, 0), id="until leaves its moment out"
        ),
        pytest.param(
            {"since": datetime(2030, 1, 1, tzinfo=UTC)}, (0, 0, 0), id="nothing in the window"
        ),
        pytest.param({"user_id": "mona"}, (1, 4, 1), id="one user"),
        pytest.param({"user_id": "nobody"}, (0, 0, 0), id="no such user"),
    ],
)
def test_scope(tmp_path, asked, expected):
    """
    A window keeps its messages, their calls and their conversations; a user keeps their own.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(HELLO, TIMED))

    assert expected == counts(cd.scan(path, **asked).check())


def test_window_says_what_it_left_out(tmp_path):
    """
    Messages without a time lie in no window, and the findings count them.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(HELLO, TIMED))
    last = cd.scan(path, since=datetime(2025, 1, 1, tzinfo=UTC)).explain().row(-1, named=True)

    assert ("messages", "3 left out") == (last["subject"], last["became"])


def test_without_text(tmp_path):
    """
    Without text, sizes, names and statuses stay and nothing that was said does.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(TIMED))
    chats = cd.scan(path, text=False).check()
    message = chats.messages.collect().row(0, named=True)
    call = chats.tool_calls.collect().row(0, named=True)

    assert (None, 3, None) == (message["content"], message["n_chars"], message["extra"])
    assert (None, None, None, "ok", "count") == tuple(
        call[name] for name in ("arguments", "arguments_raw", "result", "arguments_status", "name")
    )
    assert [None] == chats.conversations.collect()["title"].to_list()


def test_name_is_the_origin(tmp_path):
    """
    A name replaces the file's as origin and leaves the ids alone.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(TIMED))
    chats = cd.scan(path, name="work")

    assert [("timed", "work")] == chats.conversations.select(
        "conversation_id", "origin"
    ).collect().rows()


def test_concat_prefixes_every_id(tmp_path):
    """
    Concatenated logs keep apart: names become origins and begin every id and reference.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(TIMED))
    both = cd.concat(work=cd.scan(path), home=cd.scan(path)).check()
    call = both.tool_calls.collect().row(1, named=True)

    assert (2, 8, 2) == counts(both)
    assert ("home:timed:2:0", "home:timed", "home:timed:2", "home:timed:3") == tuple(
        call[name]
        for name in ("tool_call_id", "conversation_id", "message_id", "result_message_id")
    )
    assert (
        {"work", "home"}
        == set(both.accounting.collect()["origin"])
        == set(both.explain()["origin"])
    )
    assert (0, 0, 0) == counts(cd.concat().check())


def test_accounting_adds_up(tmp_path):
    """
    Kept and rejected records are all the records there are, and rejects never quote them.
    """
    path = tmp_path / "log.jsonl"
    path.write_bytes(jsonl(HELLO) + b"secret\n" + jsonl({"secret": 1}, TIMED) + b'{"sec')
    chats = cd.scan(path).check()
    audit = {row["cause"]: row for row in chats.audit().to_dicts()}

    assert (5, 2, 3) == tuple(
        audit[cause]["n_records"] for cause in ("naive", "certified", "rejected")
    )
    assert (6, 1) == (audit["certified"]["n_messages"], audit["certified"]["n_tool_calls"])
    assert [2, 3, 5] == chats.rejects.collect()["record"].to_list()
    assert "secret" not in str(chats.rejects.collect()["reason"].to_list())


def test_damaged_compression_is_counted(tmp_path):
    """
    A compressed file that ends early gives what could be read and one reject.
    """
    rows = jsonl(*({**HELLO, "id": str(n)} for n in range(2000)))
    path = tmp_path / "log.gz"
    path.write_bytes(gzip.compress(rows)[:-200])
    chats = cd.scan(path)

    assert 0 < counts(chats)[0] < 2000
    assert ["compressed data ends early or is damaged"] == chats.rejects.collect()[
        "reason"
    ].to_list()


def test_sqlite_file_is_known_by_its_bytes(tmp_path, monkeypatch):
    """
    A database is known by its first bytes, whatever it is called, and read as one.
    """
    path = tmp_path / "log.jsonl"
    with sqlite3.connect(path) as connection:
        connection.execute("create table messages (id integer)")
    connection.close()
    asked = {}
    monkeypatch.setattr(
        database,
        "read",
        lambda where, **options: asked.update(options, where=where),
        raising=False,
    )
    cd.scan(path, user_id="mona", text=False)

    assert (str(path), "mona", False) == (asked["where"], asked["user_id"], asked["text"])


def test_first_real_input_equals_plain_sql(tmp_path):
    """
    Tool and length counts of an array of trials equal hand-written DuckDB over the raw file.
    """
    trials = [
        {
            "task_id": n % 3,
            "trial": n // 3,
            "reward": 0.0,
            "info": {},
            "traj": [
                {"role": "user", "content": "x" * n},
                *(
                    {
                        "role": "assistant",
                        "content": None,
                        "tool_calls": [
                            {
                                "id": f"c{k}",
                                "function": {"name": f"tool_{k % 2}", "arguments": "{}"},
                            }
                        ],
                    }
                    for k in range(n)
                ),
                {"role": "tool", "tool_call_id": "c0", "content": "done"},
            ],
        }
        for n in range(1, 8)
    ]
    path = tmp_path / "trials.json"
    path.write_text(json.dumps(trials))
    chats = cd.scan(path)
    messages = f"(select unnest(traj) as m from read_json('{path}'))"
    by_tool = (
        "select c['function']['name'] as name, count(*) as n "
        f"from (select unnest(m.tool_calls) as c from {messages}) group by all order by all"
    )
    lengths = f"select len(traj) as n from read_json('{path}') order by all"

    assert (
        duckdb.sql(by_tool).fetchall()
        == chats.sql("select name, count(*) from tool_calls group by all order by all").rows()
    )
    assert (
        duckdb.sql(lengths).fetchall()
        == chats.sql(
            "select count(*) as n from messages group by conversation_id order by n"
        ).rows()
    )
    assert [(7,)] == chats.tool_calls.filter(pl.col("result") == "done").select(
        pl.len().cast(int)
    ).collect().rows()


@pytest.mark.parametrize(
    "odd", [{"type": []}, {"type": {"a": 1}, "payload": 3}, {"role": ["user"]}, 7]
)
def test_odd_records_are_no_chat_log(tmp_path, odd):
    """
    Records that look like nothing known are refused in one line, whatever their types.
    """
    path = tmp_path / "odd.jsonl"
    path.write_bytes(jsonl(odd, odd))

    with pytest.raises(cd.UnknownFormatError, match="no known format"):
        cd.scan(path)


@pytest.mark.parametrize(
    ("sources", "expected"),
    [
        pytest.param(["a/app.db", "b/logs"], ["app", "logs"], id="file and folder"),
        pytest.param(["a/x.db", "b/x.db", "c/x.db"], ["x", "x-2", "x-3"], id="taken"),
        pytest.param(["x.db", "x-2.db", "y/x.db"], ["x", "x-2", "x-3"], id="taken by a number"),
        pytest.param(["x-2.db", "x.db", "y/x.db"], ["x-2", "x", "x-3"], id="a number of its own"),
        pytest.param(["sqlite:///a/todo.db"], ["todo"], id="sqlite"),
        pytest.param(["postgresql://u:pw@host/shop?sslmode=x"], ["shop"], id="postgres"),
        pytest.param([".", "/"], ["source", "source-2"], id="nameless"),
        pytest.param(["sample?seed=1.5"], ["sample"], id="the sample"),
    ],
)
def test_names(sources, expected):
    """
    A source is called after its file or database, never after a password, and names differ.
    """
    assert expected == names(sources)


def test_a_url_may_name_a_driver(tmp_path):
    """
    URLs as SQLAlchemy writes them, with a driver after the dialect, mean the same database.
    """
    path = tmp_path / "app.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE messages (conversation_id INT, role TEXT, content TEXT)")
        connection.execute("INSERT INTO messages VALUES (1, 'user', 'hello')")
        connection.commit()

    assert 1 == cd.scan(f"sqlite+pysqlite:///{path}").messages.collect().height

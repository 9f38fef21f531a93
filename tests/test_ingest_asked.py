"""What an import was told of a source is kept with the lake, and can be said otherwise."""

from __future__ import annotations

import json

import polars as pl
import pytest
from chat_tables import build, messages, table

import chatdata as cd
from chatdata.ingest import ingest

MAP = {"conversation_id": "thread", "role": "who", "content": "said", "created_at": "at"}
ROWS = [
    {"thread": "t1", "who": "user", "said": "Hi", "note": "n1", "at": "2025-03-01 10:00:00"},
    {"thread": "t1", "who": "bot", "said": "Hello", "note": "n2", "at": "2025-03-01 10:00:05"},
    {"thread": "t2", "who": "user", "said": "Bye", "note": "n3", "at": "2025-03-01 11:00:00"},
]


def log(path, rows=ROWS):
    path.parent.mkdir(exist_ok=True)
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def said(lake):
    chats = cd.scan(lake).check()
    order = ("conversation_id", "position")
    return chats.messages.sort(order).select("conversation_id", "content").collect().rows()


def hours(lake):
    return cd.scan(lake).messages.collect()["created_at"].dt.hour().sort().to_list()


EXPECTED = [("t1", "Hi"), ("t1", "Hello"), ("t2", "Bye")]


def test_a_table_by_its_mapping(tmp_path):
    """
    What `scan` reads by a mapping is imported by it, and again without saying it again.
    """
    path, lake = log(tmp_path / "log.jsonl"), tmp_path / "lake"
    ingest([path], lake, mapping=MAP)
    first = said(lake)
    again = ingest([path], lake)
    log(path, [*ROWS, {"thread": "t3", "who": "user", "said": "New", "at": "2025-03-02 10:00:00"}])
    grown = ingest([path], lake)

    assert EXPECTED == first
    assert (0, 1) == (again.n_read, again.n_skipped)
    assert 1 == grown.n_read
    assert [*EXPECTED, ("t3", "New")] == said(lake)


def test_another_mapping_reads_anew(tmp_path):
    """
    A file that did not change is read anew when it is to be read otherwise.
    """
    path, lake = log(tmp_path / "log.jsonl"), tmp_path / "lake"
    ingest([path], lake, mapping=MAP)
    ingest([path], lake, mapping={**MAP, "content": "note"})

    assert [("t1", "n1"), ("t1", "n2"), ("t2", "n3")] == said(lake)


def test_another_time_zone_reads_anew(tmp_path):
    """
    A zone that was forgotten is named later; then it stays without being named.
    """
    path, lake = log(tmp_path / "log.jsonl"), tmp_path / "lake"
    ingest([path], lake, mapping=MAP)
    forgotten = hours(lake)
    ingest([path], lake, time_zone="Asia/Tokyo")
    named = hours(lake)
    again = ingest([path], lake)

    assert [10, 10, 11] == forgotten
    assert [1, 1, 2] == named
    assert [1, 1, 2] == hours(lake)
    assert 1 == again.n_skipped


@pytest.mark.parametrize("wrong", [{"content": "nothing"}, {"nothing": "said"}])
def test_a_wrong_mapping_changes_nothing(tmp_path, wrong):
    """
    A mapping that does not fit is refused, and what was read before stays.
    """
    paths = [log(tmp_path / "logs" / f"{n}.jsonl", ROWS[n : n + 1]) for n in range(2)]
    lake = tmp_path / "lake"
    ingest(paths, lake, mapping=MAP)
    before = said(lake)
    with pytest.raises(cd.LayoutError, match="the mapping"):
        ingest(paths, lake, mapping=MAP | wrong)

    assert before == said(lake)
    assert 2 == ingest(paths, lake, mapping=MAP).n_skipped


def test_a_wrong_mapping_for_one_of_several(tmp_path):
    """
    A file that a mapping does not fit is named, and read once it does.
    """
    fits, other = log(tmp_path / "a.jsonl", ROWS[:2]), log(tmp_path / "b.jsonl", [{"text": "x"}])
    lake = tmp_path / "lake"
    done = ingest([fits, other], lake, mapping=MAP)
    ingest([other], lake, mapping={"content": "text", "conversation_id": "text"})

    assert [str(other)] == [one.subject for one in done.findings if one.became == "nothing"]
    assert 3 == len(said(lake))


@pytest.mark.parametrize("copy_first", [True, False])
def test_a_copy_counts_once_however_it_is_read(tmp_path, copy_first):
    """
    One content in two files is one: read otherwise through either of them, it is so for both.
    """
    paths = [log(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    lake = tmp_path / "lake"
    ingest(paths, lake, mapping=MAP)
    asked = paths[1] if copy_first else paths[0]
    ingest([asked], lake, mapping={**MAP, "content": "note"})
    ingest(paths, lake)

    assert [("t1", "n1"), ("t1", "n2"), ("t2", "n3")] == said(lake)


def test_a_copy_that_goes_on_is_read_as_the_other(tmp_path):
    """
    When the file changes that stood for a content, its copy stands for itself, read as before.
    """
    paths = [log(tmp_path / name / "log.jsonl") for name in ("one", "two")]
    lake = tmp_path / "lake"
    ingest(paths, lake, mapping=MAP)
    log(paths[0], [{"thread": "t9", "who": "user", "said": "Other", "at": None}])
    ingest(paths, lake)

    assert [*EXPECTED, ("t9", "Other")] == said(lake)


def test_messages_of_no_conversation(tmp_path):
    """
    Rows that name no conversation are those of their file alone, imported or scanned, and go with
    it; a file of nothing else is read too.
    """
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    row = {"conversation_id": None, "role": "user"}
    rows = {
        "a.jsonl": [row | {"content": "A1", "conversation_id": "x"}, row | {"content": "A2"}],
        "b.jsonl": [row | {"content": "B1"}, row | {"content": "B2", "conversation_id": "y"}],
        "c.jsonl": [row | {"content": "C1"}, row | {"content": "C2"}],
    }
    for name, own in rows.items():
        ingest([log(logs / name, own)], lake, format="mapped")
    columns = ("message_id", "conversation_id", "position", "content")
    found = cd.scan(lake).check().messages.select(columns).sort("content").collect()
    scanned = cd.scan(logs, format="mapped").check().messages.select(columns).sort("content")
    log(logs / "b.jsonl", rows["b.jsonl"][1:])
    ingest([logs], lake)

    assert ["A1", "A2", "B1", "B2", "C1", "C2"] == found["content"].to_list()
    assert 6 == found["message_id"].n_unique()
    assert scanned.collect().rows() == found.rows()
    assert ["x", "y"] == cd.scan(lake).conversations.collect()["conversation_id"].sort().to_list()
    assert ["A1", "A2", "B2", "C1", "C2"] == sorted(cd.scan(lake).messages.collect()["content"])
    assert 5 == cd.scan(lake).accounting.collect()["n_messages"].sum()


def test_a_format_by_its_name(tmp_path):
    """
    A format that is asked for goes before what the content looks like, and is kept.
    """
    row = {"messages": [{"role": "user", "content": "Hi"}]}
    path, lake = log(tmp_path / "log.jsonl", [row]), tmp_path / "lake"
    ingest([path], lake, format="vercel-ai")
    asked = cd.scan(lake).conversations.collect()["source"].to_list()
    log(path, [row, row])
    ingest([path], lake)

    assert ["vercel-ai"] == asked
    assert {"vercel-ai"} == set(cd.scan(lake).conversations.collect()["source"])
    with pytest.raises(cd.UnknownFormatError, match="no format is called 'nope'"):
        ingest([path], tmp_path / "other", format="nope")
    assert not (tmp_path / "other").exists()


def test_a_database_by_its_mapping(tmp_path):
    """
    A database whose layout is told is imported so, and again; told otherwise, it is read anew, and
    nothing of the other reading stays.
    """
    kinds = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT, sent TEXT"
    own = messages(*((n, 1, "user", f"Said {n}", None) for n in range(3)), columns=kinds)
    logged = table("entries", kinds, *((n, 2, "bot", f"Told {n}", None) for n in range(2)))
    database = build(tmp_path / "app.db", own, logged)
    lake = tmp_path / "lake"
    ingest([f"sqlite:///{database}"], lake, mapping={"messages": "entries"})
    told = said(lake)
    ingest([f"sqlite:///{database}"], lake)
    again = said(lake)
    ingest([f"sqlite:///{database}"], lake, mapping={"messages": "messages"})

    assert [("app:2", "Told 0"), ("app:2", "Told 1")] == told == again
    assert [("app:1", "Said 0"), ("app:1", "Said 1"), ("app:1", "Said 2")] == said(lake)


def test_on_the_command_line(tmp_path, program):
    """
    The options of `scan` that say how to read are those of `import`.
    """
    path, lake = log(tmp_path / "log.jsonl"), tmp_path / "lake"
    options = [f"--map={key}={name}" for key, name in MAP.items()]
    code, _, _ = program("import", path, "--into", lake, *options, "--time-zone", "Asia/Tokyo")
    scanned = cd.scan(path, mapping=MAP, time_zone="Asia/Tokyo")
    columns = ("conversation_id", "content", "created_at")
    order = ("conversation_id", "position")

    assert 0 == code
    assert (
        scanned.messages.sort(order).select(columns).collect().rows()
        == cd.scan(lake).messages.sort(order).select(pl.col(columns)).collect().rows()
    )

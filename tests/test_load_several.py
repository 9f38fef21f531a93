"""Several sources: files are one log, in which each thing counts once."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import polars as pl
import pytest

import chatdata as cd
from chatdata.errors import SourceError
from chatdata.ingest import ingest
from chatdata.load import scan_all

DATA = Path(__file__).with_name("data")
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def spoken(session, uuid, parent, said):
    return {
        "type": "user",
        "sessionId": session,
        "uuid": uuid,
        "parentUuid": parent,
        "timestamp": "2025-03-01T10:00:00.000Z",
        "message": {"role": "user", "content": said},
    }


@pytest.fixture
def sessions(tmp_path):
    """
    A session and one that was resumed from it, which repeats it.
    """
    first = [spoken("A", "u1", None, "One"), spoken("A", "u2", "u1", "Two")]
    again = [{**record, "sessionId": "B"} for record in first]
    folder = tmp_path / "logs"
    folder.mkdir()
    for name, records in (("a", first), ("b", [*again, spoken("B", "u3", "u2", "Three")])):
        text = "".join(json.dumps(record) + "\n" for record in records)
        (folder / f"{name}.jsonl").write_text(text)
    return folder


def frames(chats):
    return {name: frame.collect().rows() for name, frame in chats.frames.items()}


def counts(chats):
    return tuple(
        chats.frames[name].select(pl.len()).collect().item()
        for name in ("conversations", "messages")
    )


def test_files_that_a_shell_names_are_the_folder(sessions, program):
    """
    A folder, a pattern and each file of it are one log, in the library and in the terminal.
    """
    files = sorted(map(str, sessions.iterdir()))
    folder = cd.scan(sessions)

    assert (2, 3) == counts(folder)
    for several in (files, [*files, *files], [str(sessions), *files]):
        assert {name: rows for name, rows in frames(folder).items() if name != "accounting"} == {
            name: rows for name, rows in frames(cd.scan(several)).items() if name != "accounting"
        }
        code, printed, _ = program("scan", *several, "--json")
        assert (0, 3) == (code, json.loads(printed)["messages"])
    assert frames(folder) == frames(scan_all(files))


def test_files_of_one_name_stay_apart(tmp_path):
    """
    Files of two folders that share a name are two origins.
    """
    files = []
    for name in ("x", "y"):
        (tmp_path / name).mkdir()
        files.append(tmp_path / name / "log.jsonl")
        files[-1].write_text(json.dumps(ROW | {"user": name}) + "\n")

    found = cd.scan(files).conversations.collect()
    assert ["x/log.jsonl", "y/log.jsonl"] == sorted(found["origin"])
    assert (2, 4) == counts(cd.scan(files))


def test_a_copy_of_a_file_is_read_once(tmp_path):
    """
    The same bytes under another name count once, as in an import, and are named as left aside.
    """
    for name in ("a.jsonl", "b.jsonl"):
        (tmp_path / name).write_text(json.dumps(ROW) + "\n")
    other = json.dumps(ROW).replace("Hi", "Ho")
    (tmp_path / "c.jsonl").write_text(other + "\n")  # of the same size
    ingest(tmp_path, tmp_path / "lake")
    for name in ("1", "2"):
        (tmp_path / f"empty{name}.jsonl").touch()

    found = cd.scan(tmp_path)
    assert (2, 4) == counts(found) == counts(cd.scan(tmp_path / "lake"))
    aside = found.explain().filter(pl.col("became") == "left aside")
    assert ["it holds the bytes of a.jsonl, read once"] == [
        reason for reason in aside["reason"] if "bytes" in reason
    ]


def test_databases_stand_beside_files(sessions, tmp_path):
    """
    What is no file keeps its own name; files beside it are still one log.
    """
    files = sorted(map(str, sessions.iterdir()))
    beside = scan_all([*files, "sample?conversations=3"])

    assert (
        3 == beside.messages.filter(pl.col("message_id").str.starts_with("files:")).collect().height
    )
    assert {"files", "sample"} == set(beside.conversations.collect()["origin"])
    with pytest.raises(SourceError, match="concat"):
        cd.scan([*files, "sample"])
    with pytest.raises(SourceError, match="only files"):
        cd.scan([])


def test_what_a_folder_holds_beside_logs_is_named(sessions, program):
    """
    A file that nothing was read of is named, with the reason; an empty one is an empty log.
    """
    (sessions / "notes.txt").write_text("Nothing of interest\n")
    (sessions / "empty.jsonl").touch()
    for place in range(6):
        shutil.copy(DATA.parent / "conftest.py", sessions / f"code{place}.txt")
        with (sessions / f"code{place}.txt").open("a") as more:
            more.write(f"# {place}\n")

    _, printed, _ = program("scan", sessions, "--json")
    not_read = json.loads(printed)["not_read"]
    assert 7 == len(not_read)
    assert any("notes.txt: no known format" in line for line in not_read)
    code, printed, _ = program("scan", sessions)
    assert (0, True) == (code, "2 more, which --explain names" in " ".join(printed.split()))


@pytest.mark.parametrize("fixture", ["open-webui/export.json", "inspect-ai/log.json"])
def test_a_later_export_repeats_an_earlier_one(tmp_path, fixture):
    """
    The same conversations written again, with other bytes, count once, in a scan and in a lake.
    """
    first = (DATA / fixture).read_text()
    (tmp_path / "1.json").write_text(first)
    alone = counts(cd.scan(tmp_path))
    (tmp_path / "2.json").write_text(json.dumps(json.loads(first), indent=1))
    ingest(tmp_path, tmp_path / "lake")

    assert alone == counts(cd.scan(tmp_path)) == counts(cd.scan(tmp_path / "lake"))

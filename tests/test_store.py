"""The lake: written whole or not at all, the same however often, readable by anyone."""

from __future__ import annotations

import json

import duckdb
import polars as pl
import pytest

import chatdata as cd
from chatdata.chats import from_rows
from chatdata.formats.lake import JOURNAL, OWN, parts, read_journal
from chatdata.store import write
from chatdata.store.commit import Change, changing
from chatdata.store.write import put


def world(*numbers, content="Hi"):
    return from_rows(
        conversations=[
            {"conversation_id": str(n), "source": "app-db", "origin": "db"} for n in numbers
        ],
        messages=[
            {
                "message_id": f"{n}:1",
                "conversation_id": str(n),
                "position": 0,
                "is_main_path": True,
                "role": "user",
                "role_raw": "user",
                "kind": "chat",
                "content": content,
            }
            for n in numbers
        ],
        accounting=[
            {
                "origin": "db",
                "path": None,
                "cause": "kept",
                "n_records": len(numbers),
                "n_messages": len(numbers),
                "n_tool_calls": 0,
            }
        ],
    )


def rows(lake, name="messages"):
    return sorted(cd.scan(lake).frames[name].collect().rows(), key=str)


def files(lake):
    return {
        path.relative_to(lake).as_posix(): path.stat().st_mtime_ns
        for path in lake.glob("*/**/*.parquet")
    }


def test_written_is_read(tmp_path):
    """
    What is written comes back as it was, through chatdata and through plain Parquet.
    """
    chats = cd.sample(conversations=30, seed=2)
    cd.write(chats, str(tmp_path / "lake"))
    lake = cd.scan(tmp_path / "lake").check()

    for name, frame in chats.frames.items():
        found, wanted = lake.frames[name].collect(), frame.collect()
        assert wanted.sort(wanted.columns).equals(found.sort(found.columns))
    assert (
        chats.messages.collect().height
        == duckdb.sql(f"from '{tmp_path}/lake/messages/**/*.parquet'").count("*").fetchone()[0]
    )
    assert ["lake"] == cd.scan(tmp_path / "lake").explain()["became"].to_list()


def test_writing_twice_changes_nothing(tmp_path):
    """
    The same rows again touch no file.
    """
    lake = tmp_path / "lake"
    write(world(1, 2), lake)
    before = files(lake)
    write(world(1, 2), lake)

    assert before == files(lake)


def test_rows_are_added_and_replaced(tmp_path):
    """
    New rows are added, a row of the same key is replaced, the others stay.
    """
    lake = tmp_path / "lake"
    write(world(1, 2), lake)
    write(world(2, 3, content="Changed"), lake)

    assert {"1": "Hi", "2": "Changed", "3": "Changed"} == dict(
        cd.scan(lake).messages.select("conversation_id", "content").collect().rows()
    )
    assert [2] == cd.scan(lake).accounting.collect()["n_records"].to_list()


def test_order_does_not_matter(tmp_path):
    """
    Two writes give the same rows in either order.
    """
    for name, order in (("ab", (1, 2)), ("ba", (2, 1))):
        for n in order:
            write(world(n), tmp_path / name)

    assert rows(tmp_path / "ab") == rows(tmp_path / "ba")


def test_killed_before_the_journal_changes_nothing(tmp_path, monkeypatch):
    """
    A writer that ends before its journal leaves the lake as it was.
    """
    lake = tmp_path / "lake"
    write(world(1), lake)
    before = rows(lake)
    monkeypatch.setattr(Change, "commit", lambda _: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(world(1, 2), lake)
    monkeypatch.undo()

    assert before == rows(lake)
    write(world(1, 2), lake)
    assert 2 == len(rows(lake))


@pytest.mark.parametrize("n_moved", [0, 1, 3])
def test_killed_after_the_journal_is_finished_by_the_next(tmp_path, n_moved):
    """
    With the journal written, readers see the new state, and the next writer finishes the moves.
    """
    lake, other = tmp_path / "lake", tmp_path / "other"
    for folder in (lake, other):
        write(world(1), folder)
    write(world(1, 2), other)
    with changing(lake) as change:
        put(change, world(1, 2))
        journal = {"add": dict(change._add), "remove": list(change._remove)}
        change._add, change._remove = {}, []
        for staged in list(journal["add"])[:n_moved]:
            target = lake / journal["add"][staged]
            (lake / staged).replace(target)
        keep = lake / OWN / "kept"
        change.staging.rename(keep)
        journal["add"] = {
            staged.replace(change.staging.name, "kept"): place
            for staged, place in journal["add"].items()
        }
    (lake / OWN / JOURNAL).write_text(json.dumps(journal))

    assert rows(other) == rows(lake)
    write(world(1), lake)
    assert rows(other) == rows(lake)
    assert not read_journal(lake)["add"]


def test_folder_with_other_things_is_refused(tmp_path):
    """
    A folder that holds something else is not written into.
    """
    (tmp_path / "thesis.txt").touch()

    with pytest.raises(cd.SourceError, match="not empty and no lake"):
        write(world(1), tmp_path)


def test_newer_lake_is_refused(tmp_path):
    """
    A lake of a newer contract is not guessed at.
    """
    write(world(1), tmp_path / "lake")
    (tmp_path / "lake" / "lake.json").write_text('{"contract": 99}')

    with pytest.raises(cd.FormatError, match="contract 99"):
        cd.scan(tmp_path / "lake")


def test_contract_stands_in_the_files(tmp_path):
    """
    Every file of a lake names the contract it follows.
    """
    write(world(1), tmp_path / "lake")

    assert {"1"} == {
        pl.read_parquet_metadata(path)["chatdata.contract"]
        for path in parts(tmp_path / "lake")["messages"]
    }

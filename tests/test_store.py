"""The lake: written whole or not at all, the same however often, readable by anyone."""

from __future__ import annotations

import shutil
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import duckdb
import polars as pl
import pytest
from lake_work import world

import chatdata as cd
from chatdata.formats.lake import OWN, parts, read_journal
from chatdata.store import write
from chatdata.store.commit import Change


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


@pytest.mark.parametrize("absent", [(), ("conversations",), ("messages",), ("tool_calls",)])
def test_frames_without_rows(tmp_path, absent):
    """
    A log without anything in it is written too, and so are rows whose conversation or message no
    frame holds.
    """
    chats = cd.sample(conversations=3)
    empty = {
        name: frame if absent and name not in absent else frame.head(0)
        for name, frame in chats.frames.items()
    }
    chats = chats.with_frames(**empty)
    cd.write(chats, tmp_path / "lake")

    assert {name: frame.collect().height for name, frame in empty.items()} == {
        name: frame.collect().height for name, frame in cd.scan(tmp_path / "lake").frames.items()
    }


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


def test_killed_anywhere(tmp_path, killer):
    """
    Killed before any change of a folder, a writer leaves the lake as before or as after, and the
    next one makes it whole.
    """
    lake, kept, goal = (tmp_path / name for name in ("lake", "kept", "goal"))
    write(world(1, 2), kept)
    write(world(1, 2), goal)
    write(world(2, 3, content="Changed"), goal)
    before, after = rows(kept), rows(goal)
    seen = []
    for point in count(1):
        shutil.copytree(kept, lake)
        answer = killer(
            "lake_work:write_world", lake, [2, 3], "Changed", kill_at=point, watch="files"
        )
        seen.append(rows(lake))
        write(world(2, 3, content="Changed"), lake)

        assert after == rows(lake)
        assert [] == list((lake / OWN).glob("staging-*"))
        shutil.rmtree(lake)
        if not answer["killed"]:
            break

    assert answer["error"] is None
    assert len(seen) >= 10
    turn = seen.index(after)
    assert [before] * turn + [after] * (len(seen) - turn) == seen


def test_a_commit_that_fails_half_way_loses_nothing(tmp_path, monkeypatch):
    """
    Where files cannot be moved into place, readers see them all the same, and the next writer
    moves them.
    """
    lake = tmp_path / "lake"
    write(world(1), lake)
    monkeypatch.setattr(Path, "unlink", lambda *_, **__: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        write(world(1, content="Changed"), lake)
    monkeypatch.undo()

    assert ["Changed"] == cd.scan(lake).messages.collect()["content"].to_list()
    write(world(1, content="Changed"), lake)
    assert not read_journal(lake)["add"]
    assert ["Changed"] == cd.scan(lake).messages.collect()["content"].to_list()


def test_two_writers_wait_for_each_other(tmp_path):
    """
    Writers at the same time write one after the other, and nothing is lost.
    """
    lake = tmp_path / "lake"
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: write(world(n), lake), range(8)))

    assert {f"{n}:1" for n in range(8)} == set(cd.scan(lake).messages.collect()["message_id"])


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

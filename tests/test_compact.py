"""Few files instead of many, and the same rows."""

from __future__ import annotations

import json
import shutil
from itertools import count

import polars as pl
import pytest
from lake_work import world
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.formats.lake import OWN, parts
from chatdata.ingest import ingest, originals, restore
from chatdata.store import compact as store_compact
from chatdata.store import write


def said(*texts, month=3):
    """
    A session of one message for each text.
    """
    return b"".join(
        json.dumps(
            {
                "type": "user",
                "sessionId": f"S{month}",
                "uuid": f"{month}-{text}",
                "timestamp": f"2025-{month:02}-01T10:00:00.000Z",
                "message": {"role": "user", "content": text},
            }
        ).encode()
        + b"\n"
        for text in texts
    )


def frames(lake):
    chats = cd.scan(lake).check()
    return {
        name: frame.collect().sort(pl.all(), nulls_last=True)
        for name, frame in chats.frames.items()
    }


def n_files(lake):
    return {name: len(paths) for name, paths in parts(lake).items()}


def own(lake, folder):
    return list((lake / OWN / folder).rglob("*.parquet"))


def grown(tmp_path):
    """
    A lake of two sessions, of which one was imported anew again and again.
    """
    lake, log = tmp_path / "lake", tmp_path / "log.jsonl"
    (tmp_path / "other.jsonl").write_bytes(said("x", month=4))
    ingest([tmp_path / "other.jsonl"], lake)
    for n in range(1, 6):
        log.write_bytes(said(*(f"t{k}" for k in range(n))))
        ingest([log], lake)
        write(world(n), lake)
    return lake


def test_rows_stay(tmp_path):
    """
    Compacting changes no row, leaves one file per kind and folder, and a second time nothing to do.
    """
    lake = grown(tmp_path)
    before = frames(lake)
    done = cd.compact(lake)
    after = frames(lake)

    for name, frame in before.items():
        assert_frame_equal(frame, after[name])
    assert done.n_files < done.n_files_before
    assert {"conversations": 3, "messages": 3, "tool_calls": 0, "rejects": 0, "accounting": 2} == (
        n_files(lake)
    )
    again = cd.compact(lake)
    assert (done.n_files, done.n_bytes) == (again.n_files, again.n_bytes)
    assert again.n_files_before == again.n_files


def test_only_what_counts_is_kept(tmp_path):
    """
    Rows of replaced versions are cleared away; every original stays, but for those of no import.
    """
    lake = grown(tmp_path)
    stray = lake / OWN / "originals" / "ab" / f"{'ab' * 32}.zst"
    stray.parent.mkdir(exist_ok=True)
    stray.write_bytes(b"left by an import that was killed")
    cd.compact(lake)
    raw = pl.read_parquet([path for path in own(lake, "raw") if path.name.startswith("messages-")])

    assert 6 == raw.height
    assert 1 == len(own(lake, "ledger"))
    assert not stray.exists()
    for original in originals(lake):
        restore(lake, original.sha256, tmp_path / "back")


def test_an_import_goes_on_after_it(tmp_path):
    """
    What is imported after compacting finds what was imported before.
    """
    lake = grown(tmp_path)
    cd.compact(lake)
    fork = said("t0").replace(b'"S3"', b'"S9"') + said("own", month=9)
    (tmp_path / "fork.jsonl").write_bytes(fork)
    ingest([tmp_path / "fork.jsonl"], lake)
    once = tmp_path / "once"
    ingest([tmp_path / "other.jsonl", tmp_path / "log.jsonl", tmp_path / "fork.jsonl"], once)
    for n in range(1, 6):
        write(world(n), once)
    expected, found = frames(once), frames(lake)

    for name, frame in expected.items():
        assert_frame_equal(frame, found[name])


def test_many_small_files_are_merged_by_a_write(tmp_path, monkeypatch):
    """
    Where many small files have gathered in a folder, a write merges them by itself.
    """
    monkeypatch.setattr(store_compact, "MANY", 4)
    monkeypatch.setattr(store_compact.merge, "__kwdefaults__", {"least": 4})
    most = 0
    for n in range(12):
        write(world(n), tmp_path / "lake")
        most = max(most, n_files(tmp_path / "lake")["messages"])

    assert 3 == most
    assert 12 == cd.scan(tmp_path / "lake").check().messages.collect().height


def test_large_files_stay(tmp_path, monkeypatch):
    """
    A file of good size is not touched.
    """
    monkeypatch.setattr(store_compact, "SMALL_BYTES", 1)
    for n in range(3):
        write(world(n), tmp_path / "lake")
    before = parts(tmp_path / "lake")
    cd.compact(tmp_path / "lake")

    assert before == parts(tmp_path / "lake")


def test_merged_files_fit_into_memory(tmp_path, monkeypatch):
    """
    No more files are merged at once than fit.
    """
    for n in range(6):
        write(world(n), tmp_path / "lake")
    size = max(path.stat().st_size for path in parts(tmp_path / "lake")["messages"])
    monkeypatch.setattr(store_compact, "MERGED_BYTES", 2 * size)
    cd.compact(tmp_path / "lake")

    assert 3 == n_files(tmp_path / "lake")["messages"]


def test_killed_anywhere(tmp_path, killer):
    """
    Killed before any change of a folder, compacting leaves the rows as they are.
    """
    kept, lake = grown(tmp_path), tmp_path / "copy"
    before = frames(kept)
    for point in count(1, 3):
        shutil.copytree(kept, lake)
        answer = killer("chatdata.ingest:compact", lake, kill_at=point, watch="files")
        for _ in range(2):
            for name, frame in frames(lake).items():
                assert_frame_equal(before[name], frame)
            cd.compact(lake)
        shutil.rmtree(lake)
        if not answer["killed"]:
            break

    assert point > 10


def test_no_lake(tmp_path):
    """
    A folder that is no lake is not touched.
    """
    (tmp_path / "thesis.txt").touch()
    with pytest.raises(cd.SourceError, match="no lake"):
        cd.compact(tmp_path)

    assert ["thesis.txt"] == [path.name for path in tmp_path.iterdir()]


def test_from_the_terminal(tmp_path, program):
    """
    The verb says what became of how many files.
    """
    lake = grown(tmp_path)
    code, out, _ = program("compact", lake, "--json")
    told = json.loads(out)

    assert 0 == code
    assert told["n_files"] < told["n_files_before"]
    assert "became" in program("compact", lake)[1]

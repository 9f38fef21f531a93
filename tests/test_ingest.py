"""Importing: once each, whatever the order, the repetitions and the interruptions."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import sqlite3
import subprocess
import sys
import time
import zipfile
from contextlib import suppress
from itertools import count
from pathlib import Path
from random import Random

import polars as pl
import pyarrow as pa
import pytest
from polars.testing import assert_frame_equal

import chatdata as cd
from chatdata.formats.lake import OWN, is_lake
from chatdata.ingest import ingest, originals, places, raw, restore, settle
from chatdata.ingest.archive import digest
from chatdata.store import rows as store_rows

DATA = Path(__file__).with_name("data")
ROW = {"messages": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Hello"}]}


def jsonl(*rows):
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def spoken(session, uuid, parent, said, second):
    return {
        "type": "user",
        "sessionId": session,
        "uuid": uuid,
        "parentUuid": parent,
        "timestamp": f"2025-03-01T10:00:{second:02}.000Z",
        "message": {"role": "user", "content": said},
    }


PARENT = [spoken("A", "u1", None, "One", 1), spoken("A", "u2", "u1", "Two", 2)]
FORK = [{**record, "sessionId": "B"} for record in PARENT] + [spoken("B", "u3", "u2", "Three", 9)]


def rows(lake, name="messages"):
    return sorted(cd.scan(lake).check().frames[name].collect().rows(), key=str)


def state(lake):
    return {
        name: rows(lake, name)
        for name in ("conversations", "messages", "tool_calls", "rejects", "accounting")
    }


def assert_same(expected, found):
    """
    Two `Chats` have the same rows, in whatever order.
    """
    for name in expected.frames:
        assert_frame_equal(
            *(
                chats.frames[name].collect().sort(pl.all(), nulls_last=True)
                for chats in (expected, found)
            )
        )


def files(lake):
    return {path: path.stat().st_mtime_ns for path in lake.glob("*/**/*.parquet")}


def test_imported_equals_scanned(tmp_path):
    """
    A lake holds what a scan of the same folder gives.
    """
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "a.jsonl").write_bytes(jsonl(*PARENT))
    (logs / "b.jsonl").write_bytes(jsonl(*FORK) + b"broken\n")
    (logs / "c.jsonl").write_bytes(jsonl(ROW))
    (logs / "notes.txt").write_text("nothing")
    done = ingest([logs], tmp_path / "lake")
    lake, scanned = cd.scan(tmp_path / "lake").check(), cd.scan(logs)

    assert (4, 0) == (done.n_read, done.n_skipped)
    assert_same(scanned, lake)
    assert scanned.audit().equals(lake.audit())


def test_one_source_or_several(tmp_path):
    """
    A path alone is one source, not the letters of its name.
    """
    log = tmp_path / "log.jsonl"
    log.write_bytes(jsonl(ROW))
    for given in (str(log), log, [log], iter([str(log)])):
        done = ingest(given, tmp_path / "lake")
        assert done.n_read + done.n_skipped == 1
    assert len(rows(tmp_path / "lake")) == len(ROW["messages"])


def test_import_twice_touches_nothing(tmp_path):
    """
    What has not changed is not read again, and no file of the lake is written.
    """
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROW))
    lake = tmp_path / "lake"
    ingest([tmp_path / "a.jsonl"], lake)
    before = files(lake)
    again = ingest([tmp_path / "a.jsonl"], lake)

    assert (0, 1) == (again.n_read, again.n_skipped)
    assert before == files(lake)


def test_file_first_and_folder_later(tmp_path):
    """
    A file keeps the name under which its content was first seen, moved or imported with its folder.
    """
    logs = tmp_path / "logs" / "deep"
    logs.mkdir(parents=True)
    (logs / "a.jsonl").write_bytes(jsonl(ROW))
    lake = tmp_path / "lake"
    ingest([logs / "a.jsonl"], lake)
    before = state(lake)
    ingest([tmp_path / "logs"], lake)
    (logs / "a.jsonl").rename(logs / "b.jsonl")
    ingest([tmp_path / "logs"], lake)

    assert before == state(lake)


def test_growing_file(tmp_path):
    """
    A file that grew gives its new records and keeps the keys of the old ones.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    path.write_bytes(jsonl(ROW) + b'{"mess')
    ingest([path], lake)
    first = rows(lake)
    path.write_bytes(jsonl(ROW, ROW))
    ingest([path], lake)

    assert set(first) < set(rows(lake))
    assert 4 == len(rows(lake))
    assert [] == rows(lake, "rejects")


def test_files_of_one_name_stay_apart(tmp_path):
    """
    Files that are called alike in different folders, imported apart, do not mix.
    """
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "a.jsonl").write_bytes(
            jsonl({"messages": [{"role": "user", "content": name}]})
        )
        ingest([tmp_path / name / "a.jsonl"], tmp_path / "lake")

    assert {"a.jsonl#1": "one", "a.jsonl~2#1": "two"} == dict(
        cd.scan(tmp_path / "lake")
        .check()
        .messages.select("conversation_id", "content")
        .collect()
        .rows()
    )


def test_a_copy_outlives_what_it_is_a_copy_of(tmp_path):
    """
    When one of two files of the same content changes, the other still counts, read or not.
    """
    lake, one, two = (tmp_path / name for name in ("lake", "one.jsonl", "two.jsonl"))
    for path in (one, two):
        path.write_bytes(jsonl(ROW))
    ingest([one, two], lake)
    assert 2 == len(rows(lake))
    one.write_bytes(jsonl({"messages": [{"role": "user", "content": "Else"}]}))
    two.unlink()
    ingest([one], lake)

    assert ["Else", "Hello", "Hi"] == sorted(
        cd.scan(lake).check().messages.collect()["content"].to_list()
    )


def test_what_an_import_does_not_touch_stays(tmp_path):
    """
    An import writes the files of the months that it changes, and leaves the others as they are.
    """
    lake = tmp_path / "lake"
    march, april = tmp_path / "march.jsonl", tmp_path / "april.jsonl"
    first, second = (
        {
            **spoken("C", f"v{n}", before, f"Number {n}", n),
            "timestamp": f"2025-04-01T10:00:0{n}.000Z",
        }
        for n, before in ((1, None), (2, "v1"))
    )
    march.write_bytes(jsonl(*PARENT))
    april.write_bytes(jsonl(first))
    ingest([march, april], lake)
    before = {path: time for path, time in files(lake).items() if "month=2025-03" in str(path)}
    april.write_bytes(jsonl(first, second))
    ingest([april], lake)

    assert 2 == len(before)
    assert before.items() <= files(lake).items()
    assert 4 == len(rows(lake))


def fixtures(folder):
    return sorted(
        path for path in folder.rglob("*") if path.is_file() and ".expected." not in path.name
    )


@pytest.mark.parametrize("folder", sorted(DATA.iterdir()), ids=lambda folder: folder.name)
def test_in_steps_or_at_once(tmp_path, folder):
    """
    Files that come one after the other, growing, give what they give at once, and what a scan does.
    """
    logs, random = tmp_path / "logs", Random(folder.name)  # noqa: S311 - a seed, no secret
    for path in fixtures(folder):
        copy = logs / path.relative_to(folder)
        copy.parent.mkdir(parents=True, exist_ok=True)
        data = path.read_bytes()
        for end in sorted(random.randrange(len(data) + 1) for _ in range(2)):
            copy.write_bytes(data[:end])
            with suppress(cd.ChatdataError):
                ingest([logs], tmp_path / "lake")
        copy.write_bytes(data)
        with suppress(cd.ChatdataError):
            ingest([logs], tmp_path / "lake")
    assert_same(cd.scan(logs), cd.scan(tmp_path / "lake").check())


@pytest.mark.parametrize("name", ["claude-code", "codex", "openai-chat", "chatgpt-export"])
def test_memory_does_not_matter(tmp_path, monkeypatch, name):
    """
    Where nothing fits into memory, lineages are settled one by one, rows wait on disk, and the
    lake holds the same.
    """
    for part in (settle, store_rows, raw):
        for limit in ("_GROUP_BYTES", "HELD_BYTES", "FILE_BYTES", "_HELD_BYTES"):
            if hasattr(part, limit):
                monkeypatch.setattr(part, limit, 2_000)
    ingest([DATA / name], tmp_path / "lake")

    assert_same(cd.scan(DATA / name), cd.scan(tmp_path / "lake").check())


@pytest.mark.parametrize("order", ["ab", "ba"])
def test_parent_and_fork_in_separate_imports(tmp_path, order):
    """
    A fork finds its parent whichever is imported first.
    """
    (tmp_path / "a.jsonl").write_bytes(jsonl(*PARENT))
    (tmp_path / "b.jsonl").write_bytes(jsonl(*FORK))
    lake = tmp_path / "lake"
    for name in order:
        ingest([tmp_path / f"{name}.jsonl"], lake)

    assert {"A": 2, "B": 1} == dict(
        cd.scan(lake).messages.group_by("conversation_id").len().collect().rows()
    )
    assert [("B", "A", "resume")] == cd.scan(lake).conversations.filter(
        pl.col("relation").is_not_null()
    ).select("conversation_id", "parent_conversation_id", "relation").collect().rows()


def test_originals_come_back(tmp_path):
    """
    Every version of an imported file is given back byte for byte, also when it is gone.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    versions = [jsonl(ROW), jsonl(ROW, ROW)]
    for data in versions:
        path.write_bytes(data)
        ingest([path], lake)
    path.unlink()
    kept = originals(lake)
    for original, data in zip(kept, versions, strict=True):
        restore(lake, original.sha256, tmp_path / "back")

        assert data == (tmp_path / "back").read_bytes()
        assert hashlib.sha256(data).hexdigest() == original.sha256
    with pytest.raises(cd.SourceError, match="no original"):
        restore(lake, "0" * 64, tmp_path / "back")
    with pytest.raises(cd.SourceError, match="nothing was imported"):
        originals(tmp_path / "elsewhere")


def zipped(data):
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("deep/a.jsonl", data)
        archive.writestr("b.jsonl.gz", gzip.compress(data))
    return packed.getvalue()


PACKED = {
    "text": bytes,
    "gzip": gzip.compress,
    "zstd": lambda data: pa.compress(data, "zstd", asbytes=True),
    "zip": zipped,
    "utf-16": lambda data: data.decode().encode("utf-16"),
    "with a broken end": lambda data: data + b'{"mess',
}


@pytest.mark.parametrize("pack", PACKED.values(), ids=PACKED)
def test_originals_are_as_they_were_packed(tmp_path, pack):
    """
    However a log is packed, the archive gives back the file itself, and its members with it.
    """
    path, lake = tmp_path / "a.log", tmp_path / "lake"
    data = pack(jsonl(ROW, {**ROW, "id": "ü"}))
    path.write_bytes(data)
    ingest([path], lake)
    (original,) = originals(lake)
    restore(lake, original.sha256, tmp_path / "back")

    assert data == (tmp_path / "back").read_bytes()
    assert (len(data), hashlib.sha256(data).hexdigest()) == (original.n_bytes, original.sha256)
    assert_same(cd.scan(path), cd.scan(lake).check())


def test_archive_members(tmp_path):
    """
    The members of an archive are read each, the archive is kept whole.
    """
    path = tmp_path / "logs.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a.jsonl", jsonl(ROW))
        archive.writestr("b.jsonl", jsonl(ROW) + b"broken\n")
    ingest([path], tmp_path / "lake")

    assert 4 == len(rows(tmp_path / "lake"))
    assert 1 == len(rows(tmp_path / "lake", "rejects"))
    assert [str(path)] == [original.path for original in originals(tmp_path / "lake")]


def database(path, *, start, n):
    with sqlite3.connect(path) as connection:
        connection.execute(
            "create table if not exists conversations "
            "(id integer primary key, user_id text, created_at text)"
        )
        connection.execute(
            "create table if not exists messages "
            "(id integer primary key, conversation_id integer, "
            "role text, content text, created_at text)"
        )
        for number in range(start, start + n):
            moment = f"2025-03-{1 + number // 20:02} 10:{number % 20:02}:00"
            connection.execute("insert into conversations values (?, 'mona', ?)", (number, moment))
            connection.execute(
                "insert into messages values (?, ?, 'user', 'Hi', ?)", (number, number, moment)
            )
    connection.close()
    return path


def test_database_in_an_archive(tmp_path):
    """
    A database that lies in an archive beside logs is imported with them.
    """
    packed = tmp_path / "logs.zip"
    with zipfile.ZipFile(packed, "w") as archive:
        archive.write(database(tmp_path / "app.db", start=1, n=5), "app.db")
        archive.writestr("a.jsonl", jsonl(ROW))
    ingest([packed], tmp_path / "lake")

    assert 7 == len(rows(tmp_path / "lake"))


def many(logs, *, n_files=6, n_rows=40):
    """
    A folder of logs, with forks among them, and of a database.
    """
    logs.mkdir()
    for n in range(n_files):
        (logs / f"{n}.jsonl").write_bytes(
            jsonl(*({**ROW, "id": f"{n % 4}-{k}"} for k in range(n_rows)))
        )
    (logs / "parent.jsonl").write_bytes(jsonl(*PARENT))
    (logs / "fork.jsonl").write_bytes(jsonl(*FORK))
    database(logs / "shop.db", start=1, n=n_rows)
    return logs


@pytest.fixture
def interrupted(tmp_path):
    """
    Import a folder in two steps, each interrupted again and again by what is given: whenever a
    reader looks it finds one of the three states, and at the end what no interruption gives.
    """

    def interrupted(interrupt):
        logs, lake, whole = many(tmp_path / "logs"), tmp_path / "lake", tmp_path / "whole"
        ingest([logs / "0.jsonl", logs / "parent.jsonl"], whole)
        seen = [{name: [] for name in state(whole)}, state(whole)]
        ingest([logs], whole)
        seen.append(state(whole))
        for few in (True, False):
            for _ in interrupt(str(logs), str(lake), few):
                assert (state(lake) if is_lake(lake) else seen[0]) in seen
        ingest([logs], lake)

        assert seen[-1] == state(lake)
        assert [] == list((lake / OWN).glob("staging-*"))
        for original in originals(lake):
            assert original.sha256 == digest(Path(original.path))
            restore(lake, original.sha256, tmp_path / "back")

    return interrupted


def test_killed_import_goes_on(interrupted, killer):
    """
    Killed before any change of a folder and started again, an import gives what one without
    interruption gives.
    """

    def at_changes(*work):
        for point in count(2, 4):
            answer = killer("lake_work:import_logs", *work, kill_at=point, watch="files")
            yield
            if not answer["killed"]:
                return

    interrupted(at_changes)


@pytest.mark.slow
def test_killed_import_goes_on_from_anywhere(interrupted):
    """
    So it does from twenty moments drawn by lot, whatever it was doing.
    """
    random = Random(4)  # noqa: S311 - a seed, no secret
    program = "import sys, lake_work; lake_work.import_logs(sys.argv[1], sys.argv[2], sys.argv[3])"

    def at_moments(logs, lake, few):
        work = [sys.executable, "-c", program, logs, lake, "few" if few else ""]
        place = {"cwd": Path(__file__).parent}
        start = time.monotonic()
        subprocess.run([*work[:4], f"{lake}-timed", work[5]], check=True, **place)
        took = time.monotonic() - start
        for _ in range(10):
            with subprocess.Popen(work, **place) as process:
                time.sleep(took * random.uniform(0.3, 1.1))
                process.kill()
            yield

    interrupted(at_moments)


def test_two_imports_at_once(tmp_path):
    """
    Imports of overlapping folders at the same time give what they give one after the other.
    """
    logs, lake = many(tmp_path / "logs"), tmp_path / "lake"
    program = (
        "import sys; from pathlib import Path; from chatdata.ingest import ingest; "
        "ingest(sys.argv[2:], Path(sys.argv[1]))"
    )
    sources = [[logs], [logs / "fork.jsonl", logs / "3.jsonl"]]
    running = [
        subprocess.Popen([sys.executable, "-c", program, str(lake), *map(str, source)])
        for source in sources
    ]
    codes = [process.wait() for process in running]
    ingest([logs], tmp_path / "whole")
    found = state(lake)

    assert [0, 0] == codes
    for name in ("conversations", "messages"):
        # Whoever is first names the conversations that share an id.
        assert len(state(tmp_path / "whole")[name]) == len(found[name])
    again = ingest([logs], lake)
    # Only the database is looked into.
    assert again.n_databases == again.n_read


def test_known_places(tmp_path, monkeypatch):
    """
    Known tools' folders are found with their sizes, and only those that hold something.
    """
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / ".claude" / "projects" / "x").mkdir(parents=True)
    (tmp_path / ".claude" / "projects" / "x" / "a.jsonl").write_bytes(b"12345")
    (tmp_path / ".codex" / "sessions").mkdir(parents=True)

    assert [("claude-code", 1, 5)] == [
        (place.tool, place.n_files, place.n_bytes) for place in places()
    ]


@pytest.mark.parametrize("pattern", ["", "/**/*"], ids=["folder", "glob"])
def test_a_lake_beside_the_logs_is_no_second_copy(tmp_path, pattern):
    """
    A folder that holds logs and a lake of them is counted once, and the lake is said to be left
    aside; named itself it is read.
    """
    logs = tmp_path / "logs"
    logs.mkdir()
    (logs / "talk.jsonl").write_bytes(jsonl(ROW))
    before = cd.scan(logs)
    ingest([logs], logs / "deep" / "lake")
    after = cd.scan(f"{logs}{pattern}")

    assert 2 == before.messages.collect().height
    assert before.messages.collect().equals(after.messages.collect())
    assert before.accounting.collect().equals(after.accounting.collect())
    assert [(str(logs / "deep" / "lake"), "left aside")] == [
        (finding.subject, finding.became) for finding in after.findings if "lake" in finding.reason
    ]
    assert 2 == cd.scan(logs / "deep" / "lake").messages.collect().height


def test_a_lake_in_the_making_is_no_second_copy(tmp_path):
    """
    What an interrupted import left behind is not read as logs either.
    """
    (tmp_path / "talk.jsonl").write_bytes(jsonl(ROW))
    ingest([tmp_path / "talk.jsonl"], tmp_path / "lake")
    (tmp_path / "lake" / "lake.json").unlink()

    assert 2 == cd.scan(tmp_path).messages.collect().height

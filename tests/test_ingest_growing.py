"""Files that grow are read on, and give what they give when they are read whole."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from random import Random

import pytest
from test_ingest import FORK, PARENT, assert_same, jsonl, rows, state

import chatdata as cd
from chatdata.formats.base import named
from chatdata.ingest import files, ingest, originals

DATA = Path(__file__).with_name("data")
BY_LINE = ("anthropic-messages", "hh-rlhf", "lmsys-chat", "openai-chat", "wildchat")
BY_FILE = ("claude-code", "codex", "gemini-cli", "openai-responses")
SEEDS = [0, *(pytest.param(n, marks=pytest.mark.slow) for n in range(1, 12))]


def said(n, text="Hi"):
    return {"messages": [{"role": "user", "content": f"{text} {n}"}]}


def logs_of(name, random):
    """
    What the files of a format hold in the end: fixtures, their lines repeated under other names,
    among them some that are broken, blank or in between.
    """
    found = []
    for path in sorted((DATA / name).glob("*.jsonl")):
        lines = path.read_bytes().splitlines(keepends=True) * 2
        lines.insert(random.randrange(len(lines)), random.choice([b"{broken\n", b"\n", b"[1]\n"]))
        found.append(b"".join(lines))
    if name == "claude-code":
        found += [jsonl(*PARENT, *PARENT), jsonl(*FORK)]
    return found


def changed(random, data, whole):
    """
    The same file a while later: longer, as a rule, wherever that ends; or shorter, rewritten in
    place, or another one of the same size.
    """
    end = random.randrange(len(whole) + 1)
    match random.choice(("grown", "grown", "grown", "cut", "rewritten", "other")):
        case "grown":
            return data + whole[len(data) : max(end, len(data))]
        case "cut":
            return data[:end]
        case "rewritten":
            return data[:end] + data[end:].replace(b"e", b"3", 1)
        case _:
            return b"".join(reversed(data.splitlines(keepends=True)))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("name", [*BY_LINE, *BY_FILE])
def test_whatever_happens_to_files(tmp_path, name, seed):
    """
    Files that grow, cut anywhere, are truncated, rewritten or replaced give what a scan gives.
    """
    random = Random(f"{name}{seed}")  # noqa: S311 - a seed, no secret
    logs, lake = tmp_path / "logs", tmp_path / "lake"
    logs.mkdir()
    wholes = logs_of(name, random)
    states = {
        logs / f"{n}.jsonl": (whole[: len(whole) // 3], whole) for n, whole in enumerate(wholes)
    }
    for _ in range(5):
        for path, (data, whole) in states.items():
            path.write_bytes(data)
            states[path] = changed(random, data, whole), whole
        with suppress(cd.ChatdataError):
            ingest([logs], lake)
            assert_same(cd.scan(logs), cd.scan(lake).check())


@pytest.mark.parametrize("cut", [0, 1, -1, -9], ids=["at a line", "into one", "before", "within"])
def test_only_what_is_new_is_read(tmp_path, cut):
    """
    Of a file that grew the whole lines that were read are not read again.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    before, after = (jsonl(*(said(n) for n in range(k))) for k in (50, 60))
    stands = before if cut >= 0 else before[: before.rindex(b"\n", 0, -1) + 1]
    path.write_bytes(after[: len(before) + cut])
    ingest([path], lake)
    first = state(lake)
    path.write_bytes(after)
    done = ingest([path], lake)

    assert (1, len(after) - len(stands)) == (done.n_read, done.n_bytes)
    assert 60 == len(rows(lake))
    assert set(first["messages"]) <= set(rows(lake))
    assert_same(cd.scan(path), cd.scan(lake).check())


@pytest.mark.parametrize(
    "grown",
    [
        pytest.param(jsonl(said(1, "Ho"), said(2), said(3)), id="rewritten"),
        pytest.param(jsonl(said(1)), id="shorter"),
        pytest.param(jsonl(said(2), said(1)), id="of the same size"),
    ],
)
def test_what_did_more_than_grow_is_read_whole(tmp_path, grown):
    """
    A file whose beginning is not what it was is read from there.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    path.write_bytes(jsonl(said(1), said(2)))
    ingest([path], lake)
    path.write_bytes(grown)
    done = ingest([path], lake)

    assert len(grown) == done.n_bytes
    assert_same(cd.scan(path), cd.scan(lake).check())


@pytest.mark.parametrize("options", [{"origin": "other"}, {"time_zone": "Asia/Karachi"}], ids=str)
def test_another_question_reads_it_whole(tmp_path, options):
    """
    A file that grew and is imported as something else is that as a whole.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    timed = {**said(1), "created_at": "2025-03-01T10:00:00", "id": "one"}
    path.write_bytes(jsonl(timed))
    ingest([path], lake)
    path.write_bytes(jsonl(timed, {**timed, "id": "two"}))
    ingest([path], lake, **options)
    ingest([path], tmp_path / "once", **options)
    found = [
        cd.scan(place).conversations.select("origin", "created_at").unique().collect().rows()
        for place in (lake, tmp_path / "once")
    ]

    assert found[1] == found[0]


def test_a_copy_of_what_grows_stands_for_itself(tmp_path):
    """
    When one of two files of the same content grows, both are there, and both may go on.
    """
    lake, one, two = (tmp_path / name for name in ("lake", "one.jsonl", "two.jsonl"))
    for path in (one, two):
        path.write_bytes(jsonl(said(1)) + b'{"mess')
    ingest([one, two], lake)
    one.write_bytes(jsonl(said(1), said(2)))
    ingest([one, two], lake)
    two.write_bytes(jsonl(said(1), said(3)))
    done = ingest([one, two], lake)

    assert len(jsonl(said(3))) == done.n_bytes
    assert ["Hi 1", "Hi 1", "Hi 2", "Hi 3"] == sorted(cd.scan(lake).messages.collect()["content"])


def test_a_file_that_grows_while_it_is_read(tmp_path):
    """
    Of a log that is being written an import takes what was there when it looked; the original is
    that too, and the next import takes the rest.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    path.write_bytes(jsonl(said(1)))

    def grow(*_):
        with path.open("ab") as stream:
            stream.write(jsonl(said(2)))

    ingest([path], lake, progress=grow)
    assert 1 == len(rows(lake))
    ingest([path], lake)

    assert 2 == len(rows(lake))
    assert [len(jsonl(said(1))), 2 * len(jsonl(said(1)))] == [
        original.n_bytes for original in originals(lake)
    ]


def test_a_file_that_is_rewritten_while_it_is_read(tmp_path, monkeypatch):
    """
    Where the bytes to be archived are not those that were hashed, the file waits for another time.
    """
    path, lake = tmp_path / "a.jsonl", tmp_path / "lake"
    path.write_bytes(jsonl(said(1)))

    def keep(*work):
        path.write_bytes(jsonl(said(2)))
        files_keep(*work)

    files_keep = files.keep
    monkeypatch.setattr(files, "keep", keep)
    with pytest.raises(cd.SourceError, match="rewritten while it was read"):
        ingest([path], lake)
    monkeypatch.undo()
    ingest([path], lake)

    assert [("Hi 2",)] == cd.scan(lake).messages.select("content").collect().rows()
    assert 1 == len(originals(lake))


def test_who_stands_alone():
    """
    Formats whose lines need each other do not say that they stand alone.
    """
    assert {name for name in BY_LINE if named(name).by_line(said(1))} == set(BY_LINE)
    assert not any(named(name).by_line(said(1)) for name in BY_FILE)
    assert not named("openai-chat").by_line(json.loads('{"role": "user", "content": "Hi"}'))

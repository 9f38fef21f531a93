"""Into a lake and out of it, in the terminal."""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path

import pytest

import chatdata as cd
from chatdata.cli.output import n_bytes
from chatdata.cli.progress import throughput
from chatdata.ingest import originals

ROW = {
    "messages": [{"role": "user", "content": "swordfish"}, {"role": "assistant", "content": "x"}]
}


@pytest.fixture
def run(program):
    """
    The program, as the other tests of verbs run it.
    """
    return program


@pytest.fixture
def logs(tmp_path, monkeypatch):
    """
    A working folder with logs, things that are none, and a home without any.
    """
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "logs" / "deep").mkdir(parents=True)
    (tmp_path / "logs" / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    (tmp_path / "logs" / "deep" / "a.jsonl").write_text((json.dumps(ROW) + "\n") * 2 + "{broken\n")
    (tmp_path / "words.txt").write_text("swordfish\n" * 50)
    (tmp_path / "garbage.db").write_bytes(b"\x93\x01swordfish" * 500)
    return tmp_path / "logs"


def known(home):
    """
    A home in which a tool keeps logs.
    """
    folder = home / ".claude" / "projects"
    folder.mkdir(parents=True)
    (folder / "a.jsonl").write_text(json.dumps(ROW) + "\n")
    return folder


def n_messages(lake):
    return cd.scan(lake).messages.collect().height


def test_import_reads_once(run, logs):
    """
    What was read and what was skipped is said, for people and for programs.
    """
    first = run("import", logs, "--into", "lake", "--json")
    again = run("import", logs, "--into", "lake")
    found = json.loads(first[1])
    size = sum(path.stat().st_size for path in logs.rglob("*.jsonl"))

    assert (0, "") == (first[0], first[2])
    assert (2, 0, size) == (found["n_read"], found["n_skipped"], found["n_bytes"])
    assert (0, "lake: read 0 (0 B), 2 unchanged\n", "") == again
    assert 6 == n_messages("lake")


def test_import_says_what_gave_nothing(run, logs):
    """
    A file among others that is no chat log is counted; the log beside it is read.
    """
    with sqlite3.connect(logs / "cookies.db") as database:
        database.execute("create table cookies (name)")
    (logs / "notes.txt").write_text("nothing")
    _, out, _ = run("import", "logs", "--into", "lake")

    assert "2 of them gave nothing" in out
    assert 6 == n_messages("lake")


def test_a_lake_is_not_imported_into_itself(run, logs):
    """
    A lake inside the folder that is imported adds nothing of its own.
    """
    run("import", "logs", "--into", "logs/lake")
    (logs / "b.jsonl").write_text(json.dumps({**ROW, "id": "b"}))
    run("import", "logs", "--into", "logs/lake")

    assert 8 == n_messages("logs/lake")


@pytest.mark.parametrize("source", ["sqlite:///app.db", "app.db"])
def test_import_names_a_database(run, logs, source):
    """
    `--origin` begins the ids of a database, `--time-zone` places its times.
    """
    path = logs.parent / "app.db"
    with sqlite3.connect(path) as database:
        database.execute(
            "create table messages (id integer, conversation_id, role, content, created_at)"
        )
        row = (1, 7, "user", "swordfish", "2025-03-01 12:00:00")
        database.execute("insert into messages values (?, ?, ?, ?, ?)", row)
    options = ("--origin", "shop", "--time-zone", "Asia/Karachi")
    run("import", source, "--into", "lake", *options)
    (message,) = cd.scan("lake").messages.collect().to_dicts()

    assert "shop:7" == message["conversation_id"]
    assert 7 == message["created_at"].hour


def test_an_empty_source_is_no_lake(run, logs, monkeypatch):
    """
    Inside a lake an empty source does not mean the lake.
    """
    run("import", "logs", "--into", "lake")
    monkeypatch.chdir("lake")
    code, out, err = run("scan", "")

    assert (2, "") == (code, out)
    assert "an empty source" in err


def test_import_names_a_file(run, logs):
    """
    `--origin` begins the ids of a file whose records have none, also when it has grown.
    """
    for n in (1, 2):
        (logs / "a.jsonl").write_text((json.dumps(ROW) + "\n") * n)
        run("import", "logs/a.jsonl", "--into", "lake", "--origin", "shop")
    conversations = cd.scan("lake").conversations.collect()

    assert ["shop#1", "shop#2"] == sorted(conversations["conversation_id"])
    assert {"shop"} == set(conversations["origin"])


def test_import_without_source_needs_a_yes(run, logs, monkeypatch):
    """
    What is in the known places is shown with its size, and read after a yes only.
    """
    folder = known(Path.home())
    size = n_bytes((folder / "a.jsonl").stat().st_size)
    refused = run("import", "--into", "lake")
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("click.confirm", lambda *_, **__: False)
    declined = run("import", "--into", "lake")
    before = Path("lake").exists()
    monkeypatch.setattr("click.confirm", lambda *_, **__: True)
    agreed = run("import", "--into", "lake")

    assert (2, "") == refused[:2]
    assert 1 == len(refused[2].splitlines())
    assert f"claude-code {folder} (1 files, {size})" in refused[2]
    assert (2, "") == declined[:2]
    assert f"claude-code {folder} (1 files, {size})" == declined[2].splitlines()[0]
    assert not before
    assert 0 == agreed[0]
    assert 2 == n_messages("lake")


def test_yes_needs_no_terminal(run, logs):
    """
    `--yes` reads the known places without a question.
    """
    known(Path.home())
    code, _, err = run("import", "--into", "lake", "--yes")

    assert (0, "") == (code, err)
    assert 2 == n_messages("lake")


def test_originals_come_back(run, logs):
    """
    Every version of every file is given back byte for byte, under the path that it had.
    """
    path = logs / "a.jsonl"
    before = path.read_bytes()
    run("import", "logs", "--into", "lake")
    path.write_bytes(before * 2)
    run("import", "logs", "--into", "lake")
    path.unlink()
    code, out, _ = run("export-raw", "lake", "--all", "-o", "out", "--json")
    written = {row["sha256"]: Path(row["file"]) for row in json.loads(out)}
    older = next(o.sha256 for o in originals(Path("lake")) if o.n_bytes == len(before))
    back = Path("out", *path.parts[1:])

    assert 0 == code
    assert 3 == len(written)
    assert before * 2 == back.read_bytes()
    assert before == back.with_name(f"{older[:12]}-a.jsonl").read_bytes()
    deep = logs / "deep" / "a.jsonl"
    assert deep.read_bytes() == Path("out", *deep.parts[1:]).read_bytes()
    assert set(written.values()) == {file for file in Path("out").rglob("*") if file.is_file()}


def test_one_original(run, logs):
    """
    Without a choice the originals are listed; the beginning of a hash chooses one.
    """
    run("import", "logs", "--into", "lake")
    code, listed, _ = run("export-raw", "lake")
    sha256, *_, path = listed.splitlines()[0].split()
    run("export-raw", "lake", sha256[:10], "-o", "out")

    assert 0 == code
    assert 2 == len(listed.splitlines())
    assert Path(path).read_bytes() == Path("out", *Path(path).parts[1:]).read_bytes()
    assert 1 == sum(file.is_file() for file in Path("out").rglob("*"))


def spoil(lake):
    """
    Damage every archived original.
    """
    for file in Path(lake).rglob("*.zst"):
        file.write_bytes(file.read_bytes()[:-5])


def occupy(_):
    """
    Put another file where the originals go.
    """
    for original in originals(Path("lake")):
        target = Path("out", *Path(original.path).parts[1:])
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text("mine")


def lock(lake):
    """
    Leave a list of originals that cannot be read.
    """
    (Path(lake) / ".chatdata" / "manifest.sqlite").write_bytes(b"x" * 5000)


@pytest.mark.parametrize(
    ("harm", "expected"),
    [
        pytest.param(spoil, "is damaged", id="damaged"),
        pytest.param(occupy, "another file is in the way", id="in the way"),
        pytest.param(lock, "cannot be read now", id="unreadable list"),
    ],
)
def test_no_wrong_bytes_come_back(run, logs, harm, expected):
    """
    What is not the original is never given for it, and nothing is overwritten.
    """
    run("import", "logs", "--into", "lake")
    harm("lake")
    before = {file: file.read_bytes() for file in Path("out").rglob("*") if file.is_file()}
    code, out, err = run("export-raw", "lake", "--all", "-o", "out")

    assert (2, "") == (code, out)
    assert expected in err
    assert before == {file: file.read_bytes() for file in Path("out").rglob("*") if file.is_file()}


def test_audit_names_places(run, logs):
    """
    `--cause` lists where the records of a cause lie, with their counts and without their text.
    """
    code, out, _ = run("audit", "logs", "--cause", "rejected", "--output", "json")
    people = run("audit", "logs", "--cause", "rejected")[1]
    (place,) = json.loads(out)

    assert 0 == code
    assert ("logs/deep/a.jsonl", 1) == (place["path"], place["n_records"])
    assert "logs/deep/a.jsonl" in people
    assert "record numbers and reasons" in people
    assert "swordfish" not in out + people


def test_places_add_up():
    """
    The places of every cause have the counts that the audit has for it.
    """
    chats = cd.sample()
    for row in chats.audit().head(-2).to_dicts():
        places = chats.where(row["cause"])

        for name in ("n_records", "n_messages", "n_tool_calls"):
            assert row[name] == places[name].sum()


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        pytest.param(["import", "missing.jsonl", "--into", "lake"], "missing.jsonl", id="missing"),
        pytest.param(["import", "", "--into", "lake"], "an empty source", id="empty"),
        pytest.param(["import", "words.txt", "--into", "lake"], "no known format", id="no log"),
        pytest.param(["import", "garbage.db", "--into", "lake"], "encrypted", id="encrypted"),
        pytest.param(["import", "mysql://me:swordfish@h/x", "--into", "lake"], "mysql", id="URL"),
        pytest.param(["import", "logs", "--into", "logs"], "no lake", id="into another folder"),
        pytest.param(["import", "logs", "--into", "words.txt"], "words.txt", id="into a file"),
        pytest.param(
            ["import", "logs", "--into", "lake", "--origin", "x"],
            "would mix",
            id="one name for two",
        ),
        pytest.param(["import", "logs"], "Missing option '--into'", id="nowhere"),
        pytest.param(["import", "--into", "lake"], "no logs on this machine", id="nothing known"),
        pytest.param(["export-raw", "logs"], "nothing was imported", id="no lake"),
        pytest.param(["export-raw", "missing"], "missing", id="missing lake"),
        pytest.param(["export-raw", "old", "--all"], "Missing option '-o'", id="nowhere to"),
        pytest.param(["export-raw", "old", "a", "--all", "-o", "x"], "not both", id="both"),
        pytest.param(["export-raw", "old", "zz", "-o", "x"], "0 originals", id="unknown hash"),
        pytest.param(["export-raw", "old", "", "-o", "x"], "2 originals", id="several hashes"),
        pytest.param(["audit", "sample", "--cause", "nope"], "expected one of: kept", id="cause"),
    ],
)
def test_bad_input_gets_one_line(run, logs, words, expected):
    """
    What is wrong is said in one line that names it, and exit code 2; nothing leaks.
    """
    run("import", "logs", "--into", "old")
    code, out, err = run(*words)

    assert (2, "") == (code, out)
    assert err.startswith("chatdata: ")
    assert 1 == len(err.splitlines())
    assert expected in err
    assert "swordfish" not in err


def test_bytes_and_rate_are_for_people(monkeypatch, capsys):
    """
    On a terminal's stderr the bytes that went by and their rate are shown, and nowhere else.
    """
    with throughput("Importing") as progress:
        progress("logs/a.jsonl", 5)
    quiet = capsys.readouterr()
    shown = []
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    monkeypatch.setattr("rich.status.Status.update", lambda _, words: shown.append(str(words)))
    clock = iter([0.0, 2.0, 4.0])
    monkeypatch.setattr("time.monotonic", lambda: next(clock, 9.0))
    with throughput("Importing") as progress:
        progress("logs/a.jsonl", 8_000_000)
        progress("logs/b\x1b.jsonl", 500)

    assert ("", "") == (quiet.out, quiet.err)
    assert [
        "Importing file 1 (8.0 MB) after 0 B, 0 B/s: a.jsonl",
        "Importing file 2 (500 B) after 8.0 MB, 2.0 MB/s: b\ufffd.jsonl",
    ] == shown


@pytest.mark.parametrize(
    ("number", "expected"),
    [(0, "0 B"), (999, "999 B"), (1000, "1.0 kB"), (2.5e9, "2.5 GB"), (3e15, "3,000.0 TB")],
)
def test_sizes(number, expected):
    """
    Sizes are written in the unit that fits.
    """
    assert expected == n_bytes(number)

"""`chatdata db fleet` in the terminal: one document, exit codes, and no credentials."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from databases import execute
from rich.status import Status

from chatdata import migrate
from chatdata.cli.progress import tallying

UNREACHABLE = "postgresql://u:secret@127.0.0.1:1/d?password=secret"
VERBS = ("plan", "upgrade", "adopt", "backfill", "restore")


@pytest.fixture
def fleet(tmp_path):
    """
    A folder with a database at 0002, one at head, and one of an application that has none of ours.
    """
    folder = tmp_path / "fleet"
    folder.mkdir()
    migrate.upgrade(f"sqlite:///{folder / 'a.db'}", to="0002")
    migrate.upgrade(f"sqlite:///{folder / 'b.db'}")
    shutil.copyfile(folder / "a.db", folder / "c.db")
    execute(
        f"sqlite:///{folder / 'c.db'}", "DROP TABLE chatdata_version", "DROP TABLE chatdata_history"
    )
    return folder


EXPECTED = {
    "plan": (1, ["done", "nothing to do", "failed"]),
    "upgrade": (1, ["done", "nothing to do", "failed"]),
    "adopt": (0, ["nothing to do", "nothing to do", "done"]),
    "backfill": (1, ["failed", "done", "failed"]),
    "restore": (1, ["failed", "failed", "failed"]),
}


@pytest.mark.parametrize("verb", VERBS)
def test_one_document(program, fleet, verb):
    """
    With `--json` each verb prints one document with an object per database, and its exit code
    says whether all of them are well.
    """
    yes = [] if verb == "plan" else ["--yes"]
    words = ("db", "fleet", verb, fleet / "*", "--jobs", "1", "--json", *yes)
    code, out, err = program(*words)
    said = {row["name"]: row["outcome"] for row in json.loads(out)}
    outcomes = [said[str(fleet / f"{name}.db")] for name in "abc"]

    assert EXPECTED[verb] == (code, outcomes)
    assert "" == err


def test_the_document_of_a_status(program, fleet):
    """
    The state of each database is an object too.
    """
    code, out, _ = program("db", "fleet", "status", fleet / "*", "--json")
    rows = json.loads(out)

    assert 0 == code
    assert [("behind", 3), ("at head", 0), ("not ours", None)] == [
        (row["state"], row["n_pending"]) for row in rows
    ]


@pytest.mark.parametrize("verb", [*VERBS, "status"])
def test_no_credentials(program, tmp_path, verb):
    """
    A password is in no answer, no error and no report, wherever in a URL it stands.
    """
    report = tmp_path / "report.jsonl"
    more = {"status": [], "plan": ["--report", report, "--jobs", "1"]}
    words = more.get(verb, ["--report", report, "--jobs", "1", "--yes"])
    texts = [
        *program("db", "fleet", verb, UNREACHABLE, *words)[1:],
        *program("db", "fleet", verb, UNREACHABLE, "--json", *words)[1:],
        *program("db", "fleet", verb, UNREACHABLE, "--schemas", "t_%", *words)[1:],
        *program("db", "fleet", verb, "postgres//u:secret@h/d", *words)[1:],
        *program("db", "fleet", verb, "postgresql://u:s@secret:x@h/d", *words)[1:],
        *([] if verb == "status" else [report.read_text()]),
    ]

    assert "127.0.0.1/d" in texts[0]
    assert not any("secret" in text for text in texts)


@pytest.mark.parametrize(
    "words",
    [
        ["--jobs", "0"],
        ["--max-failures", "0"],
        ["--canary", "-1"],
        ["--keep", "-1"],
        ["--shard", "0/2"],
    ],
    ids=" ".join,
)
def test_numbers_that_cannot_be(program, fleet, words):
    """
    An option that makes no sense is refused before anything is begun.
    """
    before = {file: file.read_bytes() for file in fleet.iterdir()}

    assert 2 == program("db", "fleet", "upgrade", fleet / "*", "--yes", *words)[0]
    assert before == {file: file.read_bytes() for file in fleet.iterdir()}


def test_a_sign_of_life(monkeypatch):
    """
    On a terminal it is said how many are done and how many of these have failed.
    """
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    shown = []
    monkeypatch.setattr(Status, "update", lambda _self, words: shown.append(str(words)))
    with tallying("upgrade", 1_200) as note:
        note(failed=False)
        note(failed=True)

    assert [
        "upgrade of 1,200: 1 done, 0 of them failed",
        "upgrade of 1,200: 2 done, 1 of them failed",
    ] == shown

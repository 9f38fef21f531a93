"""`chatdata db` in the terminal."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from databases import execute
from test_migrate_backfill import fill

from chatdata import migrate
from chatdata.cli.db import db
from chatdata.errors import MigrationError
from chatdata.migrate import backfill, plans


@pytest.fixture
def run():
    """
    Run a verb without a terminal, as a script would; gives its exit code and what it said.
    """

    def invoke(*arguments):
        result = CliRunner().invoke(db, [str(argument) for argument in arguments])
        if isinstance(result.exception, MigrationError):
            return result.exception.exit_code, str(result.exception)
        if result.exception is not None and not isinstance(result.exception, SystemExit):
            raise result.exception
        return result.exit_code, result.output

    return invoke


@pytest.fixture
def file(tmp_path):
    """
    A file that does not exist yet.
    """
    return tmp_path / "app.db"


@pytest.fixture
def url(file):
    """
    Its URL.
    """
    return f"sqlite:///{file}"


HOST = (
    "CREATE TABLE conversations (id INTEGER PRIMARY KEY NOT NULL, user_id VARCHAR NOT NULL,"
    " created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL)"
)
HOST_MESSAGES = (
    "CREATE TABLE messages (id INTEGER PRIMARY KEY NOT NULL, user_id VARCHAR NOT NULL,"
    " conversation_id INTEGER NOT NULL, role VARCHAR(20) NOT NULL, content TEXT, tool_calls TEXT,"
    " created_at DATETIME NOT NULL)"
)


def test_upgrade(run, url):
    """
    `upgrade --yes` creates a database and says what it did.
    """
    code, said = run("upgrade", url, "--yes")

    assert 0 == code
    assert "base -> " in said
    assert migrate.current_revision(url) is not None


def test_upgrade_as_json(run, url):
    """
    With `--json` the result is one JSON object.
    """
    result = json.loads(run("upgrade", url, "--yes", "--to", "0001", "--json")[1])

    assert (None, "0001", ["0001"]) == (result["before"], result["after"], result["steps"])


def test_an_upgrade_takes_a_backup(run, url, file):
    """
    A file that is there is copied before it is changed, unless that is declined.
    """
    run("upgrade", url, "--yes", "--to", "0001")
    run("upgrade", url, "--yes", "--to", "0002", "--no-backup")
    none = list(file.parent.glob("*.backup"))
    said = json.loads(run("upgrade", url, "--yes", "--json")[1])

    assert [] == none
    assert [said["backup"]] == [str(path) for path in file.parent.glob("*.backup")]


def test_nothing_to_do_needs_no_answer(run, url):
    """
    A database at head is left alone, so nothing has to be confirmed.
    """
    run("upgrade", url, "--yes")
    code, said = run("upgrade", url)

    assert 0 == code
    assert "nothing to do" in said


@pytest.mark.parametrize(
    "verb",
    [
        ["upgrade", "URL"],
        ["downgrade", "OLD", "0001", "--accept-data-loss"],
        ["adopt", "HOST", "--apply"],
        ["restore", "OLD", "BACKUP"],
        ["backfill", "run", "tool_calls", "OLD"],
        ["backfill", "retry-bad", "tool_calls", "OLD"],
        ["backfill", "pause", "tool_calls", "OLD"],
        ["apply", "PLAN"],
        ["copy", "HOST", "URL"],
        ["fleet", "upgrade", "OLD"],
        ["fleet", "adopt", "OLD"],
        ["fleet", "backfill", "OLD"],
        ["fleet", "restore", "OLD"],
    ],
    ids=" ".join,
)
def test_no_terminal_and_no_yes(run, url, tmp_path, verb):
    """
    Without a terminal and without `--yes` no verb writes anything.
    """
    old, host, copy = (f"sqlite:///{tmp_path / name}" for name in ("old.db", "host.db", "copy"))
    migrate.upgrade(old, to="0002")
    migrate.upgrade(copy)
    execute(host, HOST, HOST_MESSAGES)
    (tmp_path / "plan.json").write_text(plans.dump([migrate.plan(old)]))
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    names = {"URL": url, "OLD": old, "HOST": host, "BACKUP": tmp_path / "copy"}
    names["PLAN"] = tmp_path / "plan.json"
    code, said = run(*(names.get(word, word) for word in verb))

    assert 3 == code
    assert "--yes" in said
    assert before == {path.name: path.read_bytes() for path in tmp_path.iterdir()}


def test_errors_are_one_line(url):
    """
    The program itself ends with one line and the exit code for usage, no traceback.
    """
    program = Path(sys.executable).with_name("chatdata")
    result = subprocess.run(
        [program, "db", "upgrade", "mysql://u:secret@host/n", "--yes"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert 2 == result.returncode
    assert 1 == len(result.stderr.splitlines())
    assert "secret" not in result.stdout + result.stderr


def test_status(run, url, tmp_path):
    """
    `status` says where each database is, also one that cannot be read.
    """
    run("upgrade", url, "--yes", "--to", "0002")
    bad = tmp_path / "bad.db"
    bad.write_bytes(b"x" * 1000)
    code, said = run("status", url, f"sqlite:///{bad}", "mysql://u:secret@h/d")

    assert 0 == code
    assert "behind, revision 0002 of 0005" in said
    assert "bad.db: damaged" in said
    assert "secret" not in said


@pytest.mark.parametrize("options", [[], ["--json"]])
def test_status_of_what_cannot_be_read(run, url, tmp_path, options):
    """
    Where not one database could be read the exit code says so, and what is said stays the same.
    """
    (tmp_path / "bad.db").write_bytes(b"x" * 1000)
    code, said = run("status", url, f"sqlite:///{tmp_path / 'bad.db'}", *options)

    assert 1 == code
    assert "unreadable" in said
    assert "damaged" in said


def test_status_in_full(run, url):
    """
    At head the backfill and drift are told too.
    """
    run("upgrade", url, "--yes")
    execute(url, "CREATE VIEW v AS SELECT 1 AS one")
    found = json.loads(run("status", url, "--json")[1])[0]

    assert ("at head", "not started", 1) == (found["state"], found["backfill"], found["n_drift"])


def test_adopt(run, url):
    """
    `adopt` reports first and writes with `--apply`; a hard difference gives exit code 3.
    """
    execute(url, HOST)
    refused = run("adopt", url)
    execute(url, HOST_MESSAGES)
    reported = run("adopt", url)
    applied = run("adopt", url, "--apply", "--yes")

    assert 3 == refused[0]
    assert "table messages is missing" in refused[1]
    assert 0 == reported[0] == applied[0]
    assert "can be adopted at 0002" in reported[1]
    assert "0002" == migrate.current_revision(url)


def test_drift(run, url):
    """
    `drift` names what was changed and gives exit code 3.
    """
    run("upgrade", url, "--yes")
    clean = run("drift", url)
    execute(url, "DROP INDEX ix_messages_created_at")
    code, said = run("drift", url)

    assert 0 == clean[0]
    assert 3 == code
    assert "index ix_messages_created_at: found nothing" in said


def test_check_and_lint(run):
    """
    Our own models, revisions and snapshots agree, and our revisions break no rule.
    """
    assert (0, "models, revisions and snapshots agree\n") == run("check")
    assert (0, "clean\n") == run("lint")


def test_verify_and_restore(run, url, file):
    """
    A changed row is found with exit code 5, and the backup puts it right.
    """
    run("upgrade", url, "--yes")
    copy = migrate.backup(url)
    execute(url, "INSERT INTO users VALUES ('u', 'e', 'n', NULL, NULL, NULL, NULL, 'a', 'b')")
    code, said = run("verify", url, "--against", copy)
    run("restore", url, copy, "--yes")

    assert 5 == code
    assert "users: 0 rows before, 1 now" in said
    assert 0 == run("verify", url, "--against", copy)[0]
    assert 1 == len(list(file.parent.glob("app.db.*.failed")))


def test_plan_and_apply(run, url, tmp_path):
    """
    A plan is carried out once, and refused when the database is no longer what it was made for.
    """
    run("upgrade", url, "--yes", "--to", "0002")
    saved = tmp_path / "plan.json"
    code, said = run("plan", url, "-o", saved)
    applied = run("apply", saved, "--yes")
    again = run("apply", saved, "--yes")

    assert (0, 0, 3) == (code, applied[0], again[0])
    assert "CREATE TABLE tool_calls" in said
    assert "has changed since the plan" in again[1]
    assert "0005" == migrate.current_revision(url)


def test_downgrade(run, url):
    """
    What would be lost is said, and has to be accepted.
    """
    run("upgrade", url, "--yes")
    refused = run("downgrade", url, "0003", "--yes")
    done = run("downgrade", url, "0003", "--yes", "--accept-data-loss")

    assert 3 == refused[0]
    assert "every row of tool_calls" in refused[1]
    assert 0 == done[0]
    assert "0003" == migrate.current_revision(url)


def test_backfill(run, url):
    """
    The backfill's verbs work from the terminal.
    """
    run("upgrade", url, "--yes")
    ran = json.loads(run("backfill", "run", "tool_calls", url, "--yes", "--json")[1])
    told = run("backfill", "status", "tool_calls", url)
    paused = run("backfill", "pause", "tool_calls", url, "--yes")
    retried = run("backfill", "retry-bad", "tool_calls", url, "--yes")

    assert "done" == ran["state"]
    assert "tool_calls: done" in told[1]
    assert (0, 0) == (paused[0], retried[0])


def test_a_backfill_that_nobody_watches_goes_on_telling(url, monkeypatch):
    """
    Without a terminal there is a line now and then: how much of this run is done, and how fast.
    """
    fill(url, 60)
    monkeypatch.setattr(backfill, "FIRST", 15)
    monkeypatch.setattr(backfill, "LARGEST", 15)
    command = ["backfill", "run", "tool_calls", url, "--yes"]
    quiet = CliRunner().invoke(db, command).stderr
    execute(url, "DELETE FROM chatdata_backfill")
    monkeypatch.setattr("chatdata.cli.db_backfill.QUIET_S", 0.0)
    lines = CliRunner().invoke(db, command).stderr.splitlines()

    assert "" == quiet
    assert ["0.0%", "33.3%", "66.7%", "100.0%"] == [line.split()[0] for line in lines[:4]]
    assert all(line.endswith("s left") for line in lines)


def test_fleet(run, url, file):
    """
    A fleet's verbs end with a table of counts, and with exit code 1 and names where some failed.
    """
    run("upgrade", url, "--yes", "--to", "0002")
    bad = file.with_name("bad.db")
    bad.write_bytes(b"no database" * 100)
    code, said = run("fleet", "upgrade", file.parent / "*.db", "--yes", "--jobs", "1")
    counted = run("fleet", "status", file.parent / "*.db")

    assert 1 == code
    assert "1" == said.split("done")[1].split()[0]
    assert "bad.db" in said
    assert ["at head 1 0005", "damaged 1"] == [
        " ".join(line.split()) for line in counted[1].splitlines()[:2]
    ]
    assert "bad.db: is damaged" in counted[1]


def test_copy(run, url, tmp_path):
    """
    A column without a source is refused by name, and taken from where `--fill` says.
    """
    source = f"sqlite:///{tmp_path / 'source.db'}"
    execute(
        source,
        HOST,
        HOST_MESSAGES,
        "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
        "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'x', NULL, '2026-01-01 10:00:00')",
    )
    refused = run("copy", source, url, "--yes")
    fill = {"email": "id", "name": "id", "created_at": "first_seen", "updated_at": "last_seen"}
    filled = [part for key, value in fill.items() for part in ("--fill", f"users.{key}={value}")]
    code, said = run("copy", source, url, "--yes", *filled)

    assert (3, 0) == (refused[0], code)
    assert "users.email" in refused[1]
    assert "1 users, 0 tasks, 1 conversations, 1 messages" in said

"""Every way in which a verb of `chatdata db` fails says what is so now, and what to run next."""

from __future__ import annotations

import ast
import re
import shlex
import shutil
import sqlite3
from collections import Counter
from contextlib import closing
from importlib import import_module
from pathlib import Path

import click
import pytest
from databases import execute

from chatdata import migrate
from chatdata.cli.main import chatdata
from chatdata.errors import MigrationError
from chatdata.migrate import engine, history, plans

PACKAGE = Path(migrate.__file__).parents[1]
USER = (
    "INSERT INTO users (id, email, name, created_at, updated_at) VALUES ('u', 'e', 'n', 'a', 'b')"
)
HOST = (
    (
        "CREATE TABLE conversations (id INTEGER PRIMARY KEY NOT NULL, user_id VARCHAR NOT NULL,"
        " created_at DATETIME NOT NULL, updated_at DATETIME NOT NULL)"
    ),
    (
        "CREATE TABLE messages (id INTEGER PRIMARY KEY NOT NULL, user_id VARCHAR NOT NULL,"
        " conversation_id INTEGER NOT NULL, role VARCHAR(20) NOT NULL, content TEXT,"
        " tool_calls TEXT, created_at DATETIME NOT NULL)"
    ),
    "INSERT INTO conversations VALUES (1, 'u', '2026-01-01', '2026-01-01')",
    "INSERT INTO messages VALUES (1, 'u', 1, 'user', 'x', '{', '2026-01-01 10:00:00')",
)


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """
    A folder of databases, one in each state that a verb may meet.
    """
    folder = tmp_path_factory.mktemp("made")
    urls = {
        name: f"sqlite:///{folder / name}.db"
        for name in ("old", "head", "newer", "two", "edited", "adopted", "taken", "altered")
    }
    for name, url in urls.items():
        migrate.upgrade(url, to="0002" if name == "old" else "head")
    migrate.backup(urls["head"], to=folder / "copy.backup")
    execute(urls["head"], USER)
    execute(urls["newer"], "UPDATE chatdata_version SET version_num = '9999'")
    execute(urls["two"], "INSERT INTO chatdata_version VALUES ('0003')")
    execute(urls["edited"], "UPDATE chatdata_history SET script_sha256 = 'other'")
    execute(urls["edited"], "UPDATE chatdata_version SET version_num = '0003'")
    execute(urls["altered"], "DROP INDEX ix_messages_created_at")
    with migrate.connect(urls["adopted"]) as connection, connection.begin():
        history.record(connection, "adopt", "0002")
    execute(urls["taken"], USER)
    execute(f"sqlite:///{folder / 'host.db'}", *HOST)
    execute(f"sqlite:///{folder / 'odd.db'}", "CREATE TABLE billing (id INTEGER)")
    (folder / "bad.db").write_bytes(b"no database" * 1000)
    (folder / "garbage").write_bytes(b"\xff\x00{")
    (folder / "broken.py").write_text("def upgrade(:")
    (folder / "risky.py").write_text(
        "from alembic import op\ndef upgrade():\n    op.execute('UPDATE t SET c = 1')\n"
    )
    (folder / "plan.json").write_text(
        plans.dump([migrate.plan(urls["old"])]).replace('"fingerprint": "', '"fingerprint": "x')
    )
    execute(urls["old"], USER)
    return folder


@pytest.fixture
def place(made, tmp_path, monkeypatch):
    """
    A copy of that folder, and the program in it; nobody waits long for a lock.
    """
    folder = shutil.copytree(made, tmp_path / "made")
    monkeypatch.chdir(folder)
    monkeypatch.setattr(engine, "BUSY_MS", 50)
    return folder


CASES = {
    "no url": ("upgrade", 2),
    "a verb that is none": ("upgarde sqlite:///old.db", 2),
    "an option that is none": ("upgrade sqlite:///old.db --force", 2),
    "a choice that is none": ("backfill run titles sqlite:///old.db", 2),
    "no url at all": ("upgrade old.db", 2),
    "another kind of database": ("upgrade mysql://u:secret@h/d", 2),
    "no such revision": ("upgrade sqlite:///old.db --to 0099", 2),
    "no such folder": ("upgrade sqlite:///none/app.db --yes", 1),
    "no server": ("upgrade postgresql://u:secret@127.0.0.1:1/d --yes", 1),
    "nobody to ask": ("upgrade sqlite:///old.db", 3),
    "an application's": ("upgrade sqlite:///host.db --yes", 3),
    "newer than we": ("upgrade sqlite:///newer.db --yes", 3),
    "two revisions": ("upgrade sqlite:///two.db --yes", 3),
    "an edited revision": ("upgrade sqlite:///edited.db --yes", 3),
    "no database": ("upgrade sqlite:///bad.db --yes", 1),
    "held by another": ("upgrade sqlite:///held.db --yes", 4),
    "rows would be lost": ("downgrade sqlite:///head.db 0003 --yes", 3),
    "below what was adopted": ("downgrade sqlite:///adopted.db 0001 --yes --accept-data-loss", 3),
    "down to nowhere": ("downgrade sqlite:///head.db 0099 --yes", 2),
    "nothing to adopt": ("adopt sqlite:///none.db", 2),
    "adopt what is newer": ("adopt sqlite:///newer.db", 3),
    "adopt what has no chats": ("adopt sqlite:///odd.db", 3),
    "adopt what has none, and write": ("adopt sqlite:///odd.db --apply --yes", 3),
    "adopt no database": ("adopt sqlite:///bad.db", 1),
    "copy nothing": ("copy sqlite:///none.db sqlite:///new.db --yes", 2),
    "copy what has no chats": ("copy sqlite:///odd.db sqlite:///new.db --yes", 2),
    "copy no database": ("copy sqlite:///bad.db sqlite:///new.db --yes", 2),
    "copy what lacks columns": ("copy sqlite:///host.db sqlite:///new.db --yes", 3),
    "fill what is not ours": ("copy sqlite:///host.db sqlite:///new.db --yes --fill a=b", 2),
    "copy into an application's": ("copy sqlite:///host.db sqlite:///adopted.db --yes", 3),
    "copy into one with rows": ("copy sqlite:///host.db sqlite:///taken.db --yes", 3),
    "copy into itself": ("copy sqlite:///host.db sqlite:///host.db --yes", 2),
    "copy into no folder": ("copy sqlite:///head.db sqlite:///none/new.db --yes", 1),
    "plan for an application's": ("plan sqlite:///host.db", 3),
    "plan for a newer one": ("plan sqlite:///newer.db", 3),
    "plan into no folder": ("plan sqlite:///old.db -o none/plan.json", 2),
    "apply nothing": ("apply none.json --yes", 2),
    "apply no plan": ("apply garbage --yes", 2),
    "apply an old plan": ("apply plan.json --yes", 3),
    "drift of an application's": ("drift sqlite:///host.db", 3),
    "drift": ("drift sqlite:///altered.db", 3),
    "drift of nothing": ("drift sqlite:///none.db", 1),
    "verify against nothing": ("verify sqlite:///head.db --against none.backup", 2),
    "verify against no database": ("verify sqlite:///head.db --against garbage", 1),
    "verify what has changed": ("verify sqlite:///head.db --against copy.backup", 5),
    "restore nothing": ("restore sqlite:///head.db none.backup --yes", 1),
    "restore what is damaged": ("restore sqlite:///head.db garbage --yes", 1),
    "restore what is in use": ("restore sqlite:///held.db copy.backup --yes", 4),
    "restore a server": ("restore postgresql://u:secret@h/d copy.backup --yes", 2),
    "lint nothing": ("lint none.py", 2),
    "lint no python": ("lint broken.py", 2),
    "lint what is no text": ("lint garbage", 2),
    "lint what is risky": ("lint risky.py", 3),
    "a phase that is none": ("new -m x --phase sometime", 2),
    "backfill too early": ("backfill run tool_calls sqlite:///old.db --yes", 3),
    "retry too early": ("backfill retry-bad tool_calls sqlite:///old.db --yes", 3),
    "backfill of nothing": ("backfill status tool_calls sqlite:///odd.db", 3),
    "too many bad": ("backfill run tool_calls sqlite:///filled.db --yes --max-bad 0", 1),
    "fleet of nothing": ("fleet upgrade none/*.db --yes", 2),
    "fleet of a list that is none": ("fleet upgrade @none.txt --yes", 2),
    "fleet with an odd share": ("fleet upgrade *.db --shard 3/2 --yes", 2),
    "fleet with a report nowhere": ("fleet upgrade *.db --report none/r.jsonl --yes", 2),
    "fleet in which one fails": ("fleet upgrade old.db bad.db --yes --jobs 1", 1),
    "fleet without backups": ("fleet restore old.db --yes --jobs 1", 1),
}  # fmt: skip
STATES = (
    "nothing was changed",
    "nothing was copied",
    "what was complete is kept, and what was not is undone",
    "what was written stays",
    "it is as it was before",
    "it is at its last complete revision",
    "the others are done",
)


@pytest.mark.parametrize("case", CASES)
def test_an_error_says_what_is_so_and_what_to_run(place, program, case):
    """
    A failure ends with its exit code, one line that says what the database is like now and which
    command comes next, no traceback and no password.
    """
    line, code = CASES[case]
    execute("sqlite:///filled.db", "SELECT 1")
    shutil.copyfile("old.db", "held.db")
    shutil.copyfile("head.db", "filled.db")
    execute("sqlite:///filled.db", *(sql for sql in HOST if sql.startswith("INSERT")))
    before = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
    with closing(sqlite3.connect("held.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        ended, out, err = program("db", *shlex.split(line))
    said = out + err

    assert code == ended, said
    assert any(state in said for state in STATES), said
    assert [] == wrong_commands(said)
    assert "Traceback" not in said
    assert "secret" not in said
    if "one fails" not in case and "too many bad" not in case:
        after = {path.name: path.read_bytes() for path in place.iterdir() if path.is_file()}
        assert before == {name: after.get(name) for name in before}


def wrong_commands(said):
    """
    The commands in a sentence that are none of ours, or "none" where it names none at all.
    """
    others = ("run the same command", "pip install", "pg_dump", "ALTER DATABASE", "--help")
    found = re.findall(r"chatdata ((?:db|sql|scan)\b[^;,\n]*)", said)
    if not found and not any(words in said for words in others):
        return ["none"]
    return [command for command in found if not is_command(command.split())]


def is_command(words):
    command, ctx = chatdata, click.Context(chatdata)
    while isinstance(command, click.Group) and words and not words[0].startswith("-"):
        command = command.get_command(ctx, words[0])
        words = words[1:]
    if command is None:
        return False
    options = {option for param in command.params for option in param.opts} | {"--help"}
    return {word for word in words if re.match(r"--?\w", word)} <= options


class Anything(str):
    """
    Stands for whatever a sentence puts in at run time.
    """

    __slots__ = ()

    def __getattr__(self, _name):
        return self

    def __call__(self, *_arguments):
        return self


class Names(dict):
    """
    A module's constants; every other name is anything.
    """

    def __missing__(self, _name):
        return Anything("X")


def raised():
    """
    Every place that raises a `MigrationError`, with what it says comes next.
    """
    for file in sorted([*(PACKAGE / "migrate").rglob("*.py"), *(PACKAGE / "cli").glob("db*.py")]):
        name = ".".join(file.relative_to(PACKAGE.parent).with_suffix("").parts)
        names = Names(vars(import_module(name)))
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Call) and getattr(node.func, "id", "") == "MigrationError":
                then = next(word.value for word in node.keywords if word.arg == "then")
                text = eval(compile(ast.Expression(then), name, "eval"), {}, names)  # noqa: S307 - our own
                yield f"{file.name}:{node.lineno}", text


DECIDED = {"engine.py": 1}
"""Where what comes next is looked up in a table."""


def test_every_place_that_raises_names_a_command():
    """
    No error is raised anywhere that does not name a command, and one that exists.
    """
    places = dict(raised())
    decided = Counter(where.partition(":")[0] for where, text in places.items() if text == "X")

    assert len(places) > 60
    assert DECIDED == decided
    assert {} == {w: text for w, text in places.items() if text != "X" and wrong_commands(text)}
    assert [] == [hint for hint in engine._HINTS.values() if wrong_commands(hint)]


READING = {
    *("status", "plan", "drift", "check", "verify", "lint", "new"),
    *("backfill status", "fleet status"),
}
"""Verbs that write no database; `new` writes the files of a revision."""


def verbs(group, before=""):
    for name, command in group.commands.items():
        if isinstance(command, click.Group):
            yield from verbs(command, f"{before}{name} ")
        else:
            yield f"{before}{name}", command


def test_every_verb_that_writes_can_be_answered_in_advance():
    """
    A verb either only reads, or asks, and takes `--yes` where nobody can be asked.
    """
    db = chatdata.get_command(click.Context(chatdata), "db")
    asks = {name for name, command in verbs(db) if any(p.name == "yes" for p in command.params)}

    assert asks == {name for name, _ in verbs(db)} - READING


def test_the_parts_of_an_error():
    """
    What is so now and what comes next can be asked for, and are part of the sentence.
    """
    error = MigrationError("is odd", then="run: x", state="all is well", source="app.db")

    assert "app.db: is odd; all is well; run: x" == str(error)
    assert ("is odd", "all is well", "run: x") == (error.message, error.state, error.then)

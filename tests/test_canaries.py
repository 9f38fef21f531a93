"""What somebody wrote gets into nothing that leaves the house by itself: one canary, every way out.

The logs are our own fixtures of every format, with a canary in each text, and again with the canary
in places where it breaks the format.
"""

from __future__ import annotations

import json
import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from chat_tables import build, conversations, messages
from notebook_cells import opened_shell, run_to

import chatdata as cd
from chatdata.chats import empty
from chatdata.demo import notebooks
from chatdata.errors import ChatdataError
from chatdata.migrate import upgrade
from chatdata.notebook import export

CANARY = "kanarienvogel"
KEY = b"sixteen bytes or more"
# What stays as it is under pseudonyms: names that programs have, not people.
NAMES = ("agent", "model", "name")
DATA = Path(__file__).parent / "data"
LOGS = sorted(p for p in DATA.glob("*/*") if p.suffix in (".json", ".jsonl", ".db"))
LOGS = [path for path in LOGS if not path.name.endswith(".expected.json")]
WAYS = {
    # In every text of words, and in every path.
    "well": lambda text: f"{text} {CANARY}" if " " in text or "/" in text else text,
    # In every string, names, times and ids among them.
    "everywhere": lambda text: f"{text}{CANARY}",
}


def planted(path, folder, plant):
    """
    A copy of a log with canaries in it.
    """
    copy = folder / path.name
    if path.suffix == ".db":
        shutil.copyfile(path, copy)
        plant_rows(copy, plant)
    elif path.suffix == ".json":
        copy.write_text(json.dumps(sown(json.loads(path.read_text()), plant)))
    else:
        lines = path.read_text().splitlines()
        copy.write_text("\n".join(sow_line(line, plant) for line in lines))
    return copy


def sow_line(line, plant):
    """
    A line with canaries; one that is no JSON gets one as it is.
    """
    try:
        return json.dumps(sown(json.loads(line), plant))
    except ValueError:
        return f"{line} {CANARY}"


def sown(value, plant):
    """
    JSON with canaries in its strings, those that hold JSON among them.
    """
    if isinstance(value, dict):
        return {key: sown(each, plant) for key, each in value.items()}
    if isinstance(value, list):
        return [sown(each, plant) for each in value]
    if not isinstance(value, str):
        return value
    return sow_line(value, plant) if value.startswith(("{", "[")) else plant(value)


def plant_rows(database, plant):
    """
    Put canaries into every text column of a SQLite database.
    """
    with closing(sqlite3.connect(database)) as connection:
        names = "select name from sqlite_master where type = 'table' and name not like 'sqlite_%'"
        connection.create_function("sow", 1, lambda text: sow_line(text, plant) if text else text)
        for (table,) in connection.execute(names).fetchall():
            for _, column, kind, _, _, is_key in connection.execute(
                f"pragma table_info({table})"
            ).fetchall():
                if "CHAR" in kind.upper() or ("TEXT" in kind.upper() and not is_key):
                    connection.execute(
                        f'update or ignore "{table}" set "{column}" = sow("{column}")'
                        f" where typeof(\"{column}\") = 'text'"
                    )
        connection.commit()


def leaks(text):
    """
    Where the canary is, with what is around it.
    """
    place = text.lower().find(CANARY)
    return "" if place < 0 else text[max(0, place - 200) : place + 40]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("path", LOGS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_no_canary_of_any_format_gets_out(path, way, tmp_path):
    """
    Not into a reject, a reason, an error or a frame under pseudonyms, whatever the format.
    """
    chats, error = scanned(planted(path, tmp_path, WAYS[way]))
    hidden = [
        frame.drop(NAMES, strict=False).collect().write_json()
        for frame in chats.pseudonymise(KEY).frames.values()
        if way == "well"
    ]

    assert "" == leaks(error)
    assert "" == leaks(chats.rejects.collect().write_json())
    assert "" == leaks(chats.explain().write_json())
    assert "" == leaks(repr(chats) + chats._repr_html_())
    assert [""] * len(hidden) == [leaks(text) for text in hidden]


def test_the_canaries_are_there(tmp_path):
    """
    The test above has something to find: most logs carry the canary into the frames.
    """
    found = []
    for number, path in enumerate(LOGS):
        (tmp_path / str(number)).mkdir()
        chats, _ = scanned(planted(path, tmp_path / str(number), WAYS["well"]))
        found.append("".join(frame.collect().write_json() for frame in chats.frames.values()))

    assert 0.7 * len(LOGS) < sum(leaks(text) != "" for text in found)


def scanned(log):
    """
    What a log gives, and the error where it gives none.
    """
    try:
        return cd.scan(log).collect(), ""
    except ChatdataError as error:
        return empty(), str(error)


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    """
    A folder of logs, an application's database and one of ours, with canaries in all of them.
    """
    folder = tmp_path_factory.mktemp("world")
    (folder / "logs").mkdir()
    for path in LOGS:
        if path.parent.name in ("claude-code", "codex", "openai-chat", "gemini-cli"):
            planted(path, folder / "logs", WAYS["well"])
    (folder / "logs" / "words.jsonl").write_text(f"{CANARY} not JSON\n" * 3)
    (folder / "broken.json").write_text(f'{{"messages": [{{"role": "user", "content": "{CANARY}')
    at = "2025-03-01 10:00:00"
    calls = (
        f'[{{"name": "add", "arguments": {{"title": "{CANARY}"}}, "result": "{CANARY} error"}}]',
        f'[{{"name": "add", "arguments": "{CANARY}"}}]',
        f'{{"{CANARY}": ',
        f"[{{'name': 'add', 'args': '{CANARY}', }}] {CANARY}",
        CANARY,
    )
    rows = [
        (n, CANARY, 1, role, CANARY, call, when)
        for n, (role, call, when) in enumerate(
            [
                ("user", None, at),
                *(("assistant", call, at) for call in calls),
                (CANARY, None, at),
                ("user", None, CANARY),
            ]
        )
    ]
    build(folder / "app.db", conversations((1, CANARY, at)), messages(*rows))
    upgrade(f"sqlite:///{folder / 'ours.db'}")
    with closing(sqlite3.connect(folder / "ours.db")) as ours:
        user = (CANARY, f"{CANARY}@example.org", CANARY, at, at)
        ours.execute(
            "insert into users (id, email, name, created_at, updated_at) values (?, ?, ?, ?, ?)",
            user,
        )
        ours.execute(
            "insert into conversations (id, user_id, created_at, updated_at) values (1, ?, ?, ?)",
            (CANARY, at, at),
        )
        ours.executemany(
            "insert into messages (user_id, conversation_id, role, content, tool_calls, created_at)"
            " values (?, 1, 'assistant', ?, ?, ?)",
            [(CANARY, CANARY, call, at) for call in calls],
        )
        ours.commit()
    return folder


SOURCES = ("logs", "broken.json", "app.db", "ours.db", "lake")
ASKED = (
    ("scan",),
    ("scan", "--json", "--explain"),
    ("scan", "--explain"),
    ("scan", "--since", "2025-01-01", "--no-text"),
    ("tools",),
    ("tools", "--output", "json"),
    ("lengths", "--output", "csv"),
    ("audit",),
    ("audit", "--cause", "rejected"),
    ("show", "nobody"),
    ("sql", "from rejects"),
    ("sql", "select content::int from messages"),
    ("sql", "select error(content) from messages"),
    ("sql", "select json_extract(content, '$.x') from messages"),
    ("sql", "select strptime(title, '%Y') from conversations"),
    ("sql", "select nothing from messages"),
    ("report", "-o", "page.html", "--compare", "2025-03-01"),
    ("report", "-o", "page.html", "--compare", "model", "--min-cell", "2"),
    ("export", "-o", "frames", "--no-text"),
)
OURS, APP, COPY = (f"sqlite:///{name}.db" for name in ("ours", "app", "copy"))
MIGRATED = (
    *((verb, url) for verb in ("status", "plan", "drift", "adopt") for url in (OURS, APP)),
    ("upgrade", APP, "--yes"),
    ("backfill", "run", "tool_calls", OURS, "--yes"),
    ("backfill", "status", "tool_calls", OURS),
    ("backfill", "retry-bad", "tool_calls", OURS, "--yes"),
    ("backfill", "run", "tool_calls", OURS, "--yes", "--max-bad", "0"),
    ("downgrade", OURS, "0003", "--yes", "--accept-data-loss"),
    ("upgrade", OURS, "--yes"),
    ("copy", APP, COPY, "--yes"),
    ("fleet", "upgrade", "*.db", "--yes"),
)


@pytest.fixture
def every_word(world, program, monkeypatch, caplog):
    """
    The program in that folder: words in; all that it printed and logged out.
    """
    monkeypatch.chdir(world)
    caplog.set_level("DEBUG")

    def run(*words):
        caplog.clear()
        code, out, err = program(*words)

        assert "Traceback" not in err
        return code, f"{out}\n{err}\n{caplog.text}"

    return run


def test_no_verb_says_what_somebody_wrote(every_word, world):
    """
    No verb that was not asked for texts prints, logs or writes one, on good input and on bad.
    """
    words = [("import", "logs", "app.db", "--into", "lake")]
    words += [(verb, source, *more) for source in SOURCES for verb, *more in ASKED]
    words += [("db", *more) for more in MIGRATED]
    words += [("export-raw", "lake", "nothing", "-o", "raw")]
    done = [(asked, *every_word(*asked), page_in(world)) for asked in words]

    assert [] == [(asked, leaks(said)) for asked, _, said, _ in done if leaks(said)]
    assert [] == [(asked, leaks(page)) for asked, _, _, page in done if leaks(page)]
    assert 2 * (len(SOURCES) - 1) == sum(page != "" for *_, page in done)
    assert {0, 2, 3} <= {code for _, code, _, _ in done}


def page_in(folder):
    """
    The page that a verb has just written, which is taken away; nothing where it wrote none.
    """
    page = folder / "page.html"
    text = page.read_text(encoding="utf-8") if page.exists() else ""
    page.unlink(missing_ok=True)
    return text


@pytest.mark.usefixtures("unlimited")
@pytest.mark.parametrize("source", ["logs", "app.db", "ours.db"])
def test_no_notebook_shows_what_somebody_wrote(world, source, tmp_path, monkeypatch):
    """
    Notebooks may be handed on: run on a log with canaries, their page holds none.
    """
    monkeypatch.setenv("CHATDATA_SOURCE", str(world / source))
    with opened_shell() as shell:
        ran = [run_to(shell, path, tmp_path / path.name) for path in notebooks()]
    page = export(ran, tmp_path / "page.html").read_text(encoding="utf-8")
    counted = cd.scan(world / source).collect().messages.collect().height

    assert "" == leaks(page)
    assert counted > 0
    assert 10_000 < len(page)

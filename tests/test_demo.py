"""The demo: the whole job, from a database to a page, and the lines it says to try next."""

from __future__ import annotations

import re
import shlex
import subprocess
from pathlib import Path

import pytest

import chatdata as cd
from chatdata import demo
from chatdata.errors import SourceError


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """
    What one run of the demo prints, and where it ran.
    """
    folder = tmp_path_factory.mktemp("demo")
    ended = subprocess.run(
        ["chatdata", "demo"], cwd=folder, capture_output=True, text=True, check=False
    )

    # A notebook's kernel may grumble on stderr where the machine is busy.
    assert 0 == ended.returncode, ended.stderr
    assert "Traceback" not in ended.stderr
    return folder, ended.stdout


def test_makes_a_database_and_a_page(told):
    """
    Everything lies in a folder of its own, and the output says where.
    """
    folder, out = told

    assert ["chatdata-demo"] == [path.name for path in folder.iterdir()]
    for name in (demo.DATABASE, demo.PAGE):
        assert f"chatdata-demo/{name}" in out
        assert (folder / "chatdata-demo" / name).stat().st_size > 10_000


def test_prints_the_two_tables(told):
    """
    The tables are those of the database that it made.
    """
    folder, out = told
    chats = cd.scan(folder / "chatdata-demo" / demo.DATABASE)

    for name, n_calls in cd.analysis.tool_usage(chats).select("name", "n_tool_calls").rows():
        assert re.search(rf"^ {name} +{n_calls:,} ", out, flags=re.MULTILINE)
    assert "turns_prompt" in out
    assert "message rows = " in out


def test_page_needs_no_network(told):
    """
    The page loads nothing from elsewhere, and holds the charts and tables.
    """
    folder, _ = told
    page = (folder / "chatdata-demo" / demo.PAGE).read_text(encoding="utf-8")
    loaded = re.findall(
        r"<(?:script|img|link|iframe)[^>]*(?:src|href)=[\"']?(https?:[^\"'> ]+)", page
    )

    assert [] == loaded
    assert [] == re.findall(r"@import\s+url\((https?:[^)]+)", page)
    assert page.count("<svg") >= 3
    assert "add_task" in page


def test_suggested_lines_work(told):
    """
    Each line under "Try next" does something when it is pasted.
    """
    folder, out = told
    lines = [line.strip() for line in out.partition("Try next:")[2].strip().splitlines()]

    assert len(lines) >= 5
    for line in lines:
        ended = subprocess.run(
            ["bash", "-c", line], cwd=folder, capture_output=True, text=True, check=False
        )

        assert (0, "") == (ended.returncode, ended.stderr), line
        assert ended.stdout


def test_create_may_run_again(tmp_path):
    """
    A demo's folder is used again: the database is new, whatever happened to it.
    """
    database = demo.create(tmp_path / "demo")
    before = cd.scan(database).messages.collect()
    database.write_bytes(b"broken")

    assert database == demo.create(tmp_path / "demo")
    assert before.equals(cd.scan(database).messages.collect())


def test_create_leaves_other_folders_alone(tmp_path):
    """
    A folder with somebody's files is refused, and keeps them.
    """
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(SourceError, match="holds other files; name a folder that is new or empty"):
        demo.create(tmp_path)

    assert ["mine.txt"] == [path.name for path in tmp_path.iterdir()]


def test_suggestions_survive_odd_names():
    """
    Names with spaces are quoted.
    """
    lines = demo.suggestions(Path("my demo") / "todo.db", "chatdata")

    assert "my demo/todo.db" == shlex.split(lines[0])[2]


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        pytest.param({}, "chatdata", id="on the path"),
        pytest.param({"UV": "uv"}, ".venv/bin/chatdata", id="by a runner"),
    ],
)
def test_program_can_be_started_again(monkeypatch, tmp_path, environment, expected):
    """
    The suggested lines name the program as the user can start it.
    """
    started = tmp_path / ".venv" / "bin" / "chatdata"
    started.parent.mkdir(parents=True)
    started.touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("UV", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("sys.argv", [str(started)])

    assert expected == demo.program()

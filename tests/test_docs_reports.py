"""The page about reports does what it says."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

import chatdata as cd
from chatdata.cli.main import chatdata
from chatdata.migrate import upgrade
from chatdata.report import report
from chatdata.sample import fill

PAGE = (Path(__file__).parents[1] / "docs" / "reports.md").read_text(encoding="utf-8")


def blocks(language):
    """
    The code blocks of the page in a language.
    """
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, flags=re.DOTALL | re.MULTILINE)


LINES = "".join(blocks("sh")).splitlines()


@pytest.fixture(scope="module")
def place(tmp_path_factory):
    """
    A folder with an application's database.
    """
    place = tmp_path_factory.mktemp("reports")
    upgrade(f"sqlite:///{place / 'app.db'}")
    fill(cd.sample(12), f"sqlite:///{place / 'app.db'}")
    return place


@pytest.fixture
def folder(place, monkeypatch):
    """
    That folder as the working folder, without the pages of other tests.
    """
    monkeypatch.chdir(place)
    for page in place.rglob("*.html"):
        page.unlink()


@pytest.mark.parametrize("line", LINES)
def test_commands_run(folder, program, line):
    """
    Every line shown for the terminal does what it says, without a word on stderr.
    """
    name, *words = shlex.split(line)
    words = [word.replace("sample", "sample?conversations=12") for word in words]
    code, out, err = program(*words)

    assert ("chatdata", 0, "") == (name, code, err)
    assert out
    assert words[0] != "report" or Path(words[words.index("-o") + 1]).exists()


def test_python_runs(folder, capsys):
    """
    The lines for Python run, write the page and print sentences.
    """
    (lines,) = blocks("python")
    exec(compile(lines, "reports.md", "exec"), {})  # noqa: S102 - our own words

    assert Path("report.html").exists()
    assert "named tools" in capsys.readouterr().out


def test_every_option_is_told():
    """
    The page names each option that the verb has and others have not.
    """
    context = chatdata.make_context("chatdata", [], resilient_parsing=True)
    options, shared = (
        {option for each in chatdata.get_command(context, verb).params for option in each.opts}
        for verb in ("report", "tools")
    )
    own = {option for option in options - shared if option.startswith("--")} - {"--into"}

    assert {"--compare", "--min-cell"} <= own
    assert [] == [option for option in own if f"`{option}" not in PAGE]


def test_every_section_is_told(tmp_path):
    """
    The page names the sections of a report in their order, and no others.
    """
    path = report(cd.sample(30), tmp_path / "p.html", compare="periods", n_examples=1)
    links = re.findall(r'<li><a href="#[^"]*">([^<]*)</a>', path.read_text(encoding="utf-8"))
    table = PAGE.partition("| section |")[2].partition("\n\n")[0]

    assert links == re.findall(r"^\| ([^|-][^|]*) \|", table, flags=re.MULTILINE)

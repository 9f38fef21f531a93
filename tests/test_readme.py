"""The front door does not lie."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from chatdata.cli.main import chatdata

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text(encoding="utf-8")
PAGES = ["README.md", "CONTRIBUTING.md", "docs/architecture.md", "docs/lake.md", "docs/engines.md"]


def blocks(language):
    """
    The code blocks of the README in a language.
    """
    return re.findall(rf"^```{language}\n(.*?)^```$", README, flags=re.DOTALL | re.MULTILINE)


def test_example_prints_what_it_says(capsys):
    """
    The example runs as it stands and prints the output below it.
    """
    (example,), (output,) = blocks("python"), blocks("text")
    exec(compile(example, "README.md", "exec"), {})  # noqa: S102 - our own words

    assert output == capsys.readouterr().out


def test_is_short():
    """
    Nobody reads more than a hundred lines before trying.
    """
    assert len(README.splitlines()) < 100
    assert 10 >= len(blocks("python")[0].strip().splitlines())


@pytest.mark.parametrize("line", blocks("sh")[1].splitlines())
def test_commands_exist(line):
    """
    Every line shown for the terminal is one that the program understands.
    """
    words = shlex.split(line, comments=True)
    context = chatdata.make_context("chatdata", words[1:], resilient_parsing=True)
    verb = chatdata.get_command(context, words[1])

    assert "chatdata" == words[0]
    assert verb.make_context(words[1], words[2:])
    assert 0 == CliRunner().invoke(chatdata, [words[1], "--help"]).exit_code


@pytest.mark.parametrize("target", re.findall(r"^make (\w+)", blocks("sh")[0], flags=re.MULTILINE))
def test_make_targets_exist(target):
    """
    Every target is in the Makefile.
    """
    assert re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), flags=re.MULTILINE)


@pytest.mark.parametrize("page", PAGES)
def test_links_lead_somewhere(page):
    """
    Every relative link is a file of the checkout.
    """
    text = (ROOT / page).read_text(encoding="utf-8")
    links = [link for link in re.findall(r"\]\(([^)#]+)", text) if "://" not in link]

    assert links
    assert [] == [link for link in links if not (ROOT / page).parent.joinpath(link).exists()]


def test_code_map_is_complete():
    """
    The architecture page names every part of the package.
    """
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    table = page.partition("## Code map")[2].partition("**Imports")[0]
    named = {
        name.rstrip("/")
        for cell in re.findall(r"^\| (`.*?) \|", table, flags=re.MULTILINE)
        for name in re.findall(r"`([^`]+)`", cell)
    }
    parts = {
        path.name
        for path in (ROOT / "chatdata").iterdir()
        if not path.name.startswith(("_", ".")) and path.name != "py.typed"
    }

    assert set() == (parts | {"migrations", "notebooks"}) - named

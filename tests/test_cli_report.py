"""
A report from the terminal.
"""

from __future__ import annotations

import html
import subprocess
import sys

import pytest

import chatdata as cd
from chatdata.demo import notebooks


def run(*arguments, cwd):
    command = [sys.executable, "-c", "from chatdata.cli import main; main()", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)


def test_a_report_is_one_page(tmp_path):
    """
    The page is written where it was asked for, under its title, and its path is printed.
    """
    done = run("report", "sample", "-o", "answers/page.html", "--title", "Ours", cwd=tmp_path)
    page = (tmp_path / "answers" / "page.html").read_text()

    assert (0, "answers/page.html\n", "") == (done.returncode, done.stdout, done.stderr)
    assert "<title>Ours</title>" in page
    assert "<svg" in page


def test_what_was_asked_for_is_on_the_page(program, tmp_path):
    """
    Scope, time zone, comparison and examples reach the page; whose conversations they are does not.
    """
    user = cd.sample(30).conversations.collect()["user_id"].drop_nulls()[0]
    words = ("--user", user, "--since", "2025-09-02", "--until", "2025-11-02")
    more = ("--shown-in", "Asia/Karachi", "--compare", "2025-10-01", "--examples", "1")
    page = tmp_path / "page.html"
    code, _, err = program("report", "sample?conversations=30", "-o", page, *words, *more)
    text = page.read_text(encoding="utf-8")

    assert (0, "") == (code, err)
    assert (
        "Only one user's conversations, messages from 2025-09-02 00:00, "
        "messages before 2025-11-02 00:00 (times in UTC)." in html.unescape(text)
    )
    assert "hour of the day (Asia/Karachi)" in text
    assert "In their own words" in text
    assert "What differs" in text
    assert user not in text


@pytest.mark.parametrize("wrong", ["yesterday", "user", ""])
def test_what_cannot_be_compared_is_one_line(program, tmp_path, wrong):
    """
    A word that names no comparison is answered with those that do.
    """
    code, out, err = program("report", "sample", "-o", tmp_path / "p.html", "--compare", wrong)

    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert "expected periods, model, agent, source or a date like 2025-10-01" in err


def test_a_wrong_source_is_one_line(tmp_path):
    """
    A source that is not there ends with one line, and nothing is written.
    """
    done = run("report", "missing.db", "-o", "page.html", cwd=tmp_path)

    assert 2 == done.returncode
    assert 1 == done.stderr.count("\n")
    assert [] == list(tmp_path.iterdir())


def test_lab_refuses_the_notebooks_own_folder(tmp_path):
    """
    Copies never go where the committed notebooks are.
    """
    done = run("lab", "sample", "--folder", str(notebooks()[0].parent), cwd=tmp_path)

    assert 2 == done.returncode
    assert done.stderr.startswith("chatdata: ")
    assert 1 == done.stderr.count("\n")

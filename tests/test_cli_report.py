"""
A report from the terminal.
"""

from __future__ import annotations

import subprocess
import sys

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

"""`chatdata notebooks`: stored outputs that are kept true."""

from __future__ import annotations

import sys

import nbformat
import pytest
from nbformat import v4

from chatdata.cli import main


@pytest.fixture
def run(monkeypatch, capsys):
    """
    The program, in this process.
    """

    def run(*words):
        monkeypatch.setattr(sys, "argv", ["chatdata", "notebooks", *map(str, words)])
        with pytest.raises(SystemExit) as ended:
            main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


@pytest.fixture
def notebook(tmp_path):
    """
    A maker of notebooks with one cell that was never run.
    """

    def make(code):
        path = tmp_path / "question.ipynb"
        kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3"}}
        nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(code)], metadata=kernel), path)
        return path

    return make


def test_refresh_stores_outputs_once(run, notebook):
    """
    The first run stores the output and says so; the second has nothing to do.
    """
    path = notebook("6 * 7")

    assert (0, f"{path} changed\n", "") == run("refresh", path)
    assert "42" == nbformat.read(path, 4).cells[0].outputs[0].data["text/plain"]
    assert (0, "nothing changed\n", "") == run("refresh", path)


def test_refresh_names_the_cell_that_failed(run, notebook):
    """
    A failing cell is one line, without what the cell printed or computed.
    """
    path = notebook("secret = 'swordfish'\nraise ValueError(secret)")
    before = path.read_bytes()
    code, out, err = run("refresh", path)

    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert f"{path}: " in err
    assert "cell 1 " in err
    assert "ValueError" in err
    assert "swordfish" not in err
    assert before == path.read_bytes()


@pytest.mark.parametrize("name", ["missing.ipynb", "folder"])
def test_refresh_of_no_notebook(run, tmp_path, name):
    """
    What is no file is named in one line.
    """
    (tmp_path / "folder").mkdir()
    code, out, err = run("refresh", tmp_path / name)

    assert (2, "", 1) == (code, out, len(err.splitlines()))
    assert name in err

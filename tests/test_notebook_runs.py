"""Notebooks as files, and what they do first."""

from __future__ import annotations

import re

import nbformat
import pytest
from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook
from notebook_cells import opened_shell

import chatdata as cd
from chatdata.errors import ChatdataError
from chatdata.notebook import execute, export, read, refresh, setup

KERNEL = {"name": "python3", "display_name": "Python 3", "language": "python"}


@pytest.fixture
def make(tmp_path):
    """
    A maker of notebooks: code in, path out.
    """

    def write(*cells, name="asked.ipynb"):
        asked = new_markdown_cell("# What is <asked>?", id="asked")
        code = [new_code_cell(cell, id=f"c{place}") for place, cell in enumerate(cells)]
        notebook = new_notebook(cells=[asked, *code], metadata={"kernelspec": KERNEL})
        path = tmp_path / name
        path.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
        return path

    return write


def test_execute_takes_its_source_from_the_environment(make, tmp_path):
    """
    The source reaches the kernel, is stored in no cell, and the notebook itself is untouched.
    """
    path = make("import os\nlen(os.environ['CHATDATA_SOURCE'])")
    before = path.read_text(encoding="utf-8")
    output = execute(path, tmp_path / "new" / "run.ipynb", source="postgresql://u:secret@h/d")
    stored = output.read_text(encoding="utf-8")

    assert path.read_text(encoding="utf-8") == before
    assert "secret" not in stored
    assert "'25'" in str(nbformat.read(output, as_version=4).cells[1].outputs)


def test_execute_names_the_cell_that_fails(make, tmp_path):
    """
    A failing cell is one line that says which and by what error, never what a message said.
    """
    path = make("1", "raise ValueError('private text')", "2")
    with pytest.raises(ChatdataError) as caught:
        execute(path, tmp_path / "run.ipynb")

    assert "code cell 2 failed with ValueError" in str(caught.value)
    assert "private" not in str(caught.value)
    assert not (tmp_path / "run.ipynb").exists()


def test_refresh_writes_only_what_changed(make):
    """
    The first refresh stores outputs, the second changes nothing; ids stay, versions go.
    """
    path = make("print(1)")

    assert [path] == refresh([path])
    assert [] == refresh([path])
    notebook = nbformat.read(path, as_version=4)
    assert ["asked", "c0"] == [cell.id for cell in notebook.cells]
    assert [{}] == [cell.metadata for cell in notebook.cells if cell.cell_type == "code"]
    assert "version" not in notebook.metadata.language_info


def test_export_needs_nothing_from_outside(make, tmp_path):
    """
    One page holds every notebook, in order, with its question, without code or a link outside.
    """
    paths = [make("print('one')", name="a.ipynb"), make("print('two')", name="b.ipynb")]
    refresh(paths)
    text = export(paths, tmp_path / "new" / "page.html", title="A & B").read_text(encoding="utf-8")

    assert 0 < text.index(">one") < text.index(">two")
    assert "print(" not in text
    assert text.count("What is &lt;asked&gt;?") >= 2
    assert "<title>A &amp; B</title>" in text
    assert [] == re.findall(r"(?:src|href)=\"(?!#)[^\"]*|@import|url\(", text)


def test_export_draws_pictures_in_the_page(make, tmp_path):
    """
    A chart is an svg of the page itself.
    """
    path = make(
        "import chatdata as cd\nfrom chatdata import notebook as nb\n"
        "nb.charts.calls_by_tool(cd.analysis.tool_usage(cd.sample(20)))"
    )
    refresh([path])
    text = export([path], tmp_path / "page.html").read_text(encoding="utf-8")

    assert 1 == text.count("<svg")
    assert "data:image" not in text


@pytest.mark.parametrize(
    ("source", "origins"),
    [
        pytest.param("sample?conversations=5", ["sample"], id="one"),
        pytest.param(
            "sample?conversations=5\n\n sample?conversations=5&seed=2 \n",
            ["sample", "sample-2"],
            id="several, one a line",
        ),
    ],
)
def test_read(source, origins):
    """
    A parameter names one source or several, which are put together under names of their own.
    """
    chats = read(source)

    assert origins == sorted(chats.conversations.collect()["origin"].unique())
    assert 5 * len(origins) == chats.conversations.collect().height


def test_sql_magic():
    """
    `%%sql` answers with a frame, or keeps it under a name.
    """
    chats = cd.sample(20)
    with opened_shell() as shell:
        setup(chats)
        shown = shell.run_cell_magic("sql", "", "select count(*) as n from messages")
        kept = shell.run_cell_magic("sql", "answer", "select 1 as one")
        stored = shell.user_ns["answer"]

    assert chats.messages.collect().height == shown["n"].item()
    assert kept is None
    assert [(1,)] == stored.rows()

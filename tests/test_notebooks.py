"""The notebooks of the repository are fresh and keep to the rules; nbval compares their outputs."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parents[1] / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def cells(path, cell_type="code"):
    """
    The cells of one kind.
    """
    notebook = nbformat.read(path, as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == cell_type]


def test_there_are_notebooks():
    """
    The tests below test something.
    """
    assert {"01_overview", "02_tool_calls", "03_conversation_length"} <= {p.stem for p in NOTEBOOKS}


@each_notebook
def test_was_run_once_top_to_bottom(path):
    """
    The stored outputs came from one clean run on the usual kernel.
    """
    code = cells(path)
    outputs = [output for cell in code for output in cell.outputs]

    assert list(range(1, len(code) + 1)) == [cell.execution_count for cell in code]
    assert [] == [o for o in outputs if o.output_type == "error" or o.get("name") == "stderr"]
    assert len(outputs) >= 2
    assert "python3" == nbformat.read(path, as_version=4).metadata.kernelspec.name


@each_notebook
def test_asks_one_question_with_one_parameter(path):
    """
    The first cell asks, one cell is tagged `parameters`, the last asserts, and it stays short.
    """
    notebook = nbformat.read(path, as_version=4)
    tagged = [cell for cell in notebook.cells if "parameters" in cell.metadata.get("tags", [])]
    titles = [line for line in notebook.cells[0].source.splitlines() if line.startswith("# ")]

    assert [True] == [title.endswith("?") for title in titles]
    assert 1 == len(tagged)
    assert 'os.environ.get("CHATDATA_SOURCE", "sample")' in tagged[0].source
    assert "assert " in notebook.cells[-1].source
    assert 15 >= len(notebook.cells)


@each_notebook
def test_imports_only_chatdata(path):
    """
    Logic lives in the package: no functions, and no imports but chatdata and the standard library.
    """
    sources = [cell.source for cell in cells(path) if not cell.source.startswith("%%")]
    nodes = [node for source in sources for node in ast.walk(ast.parse(source))]
    names = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in nodes if isinstance(node, ast.ImportFrom)]

    assert [] == [node for node in nodes if isinstance(node, ast.FunctionDef | ast.Lambda)]
    assert set() == {n.split(".")[0] for n in names} - {"chatdata", *sys.stdlib_module_names}


@each_notebook
def test_outputs_hold_nothing_of_the_machine(path):
    """
    No path or address of the machine they ran on is stored.
    """
    text = path.read_text(encoding="utf-8")

    assert [] == [word for word in ("/home/", "/root/", "/tmp/", " at 0x") if word in text]  # noqa: S108 - looked for, not used

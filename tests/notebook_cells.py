"""Notebooks run in this process, which takes a tenth of the time that a kernel needs to start."""

from __future__ import annotations

import sys
from contextlib import contextmanager

import nbformat
import polars as pl
from IPython.core.interactiveshell import InteractiveShell
from IPython.utils.capture import capture_output


@contextmanager
def opened_shell():
    """
    A shell as a kernel has it, gone when the block is over.
    """
    # It puts itself in the place of the main module, which new processes are started after.
    main = sys.modules["__main__"]
    try:
        with pl.Config():
            yield InteractiveShell.instance(colors="nocolor")
    finally:
        InteractiveShell.clear_instance()
        sys.modules["__main__"] = main


def outputs(shell, path):
    """
    What each code cell of a notebook shows, run top to bottom; what a cell raises is raised.
    """
    return [bundle for _, bundle in _run(shell, nbformat.read(path, as_version=4)) if bundle]


def run_to(shell, path, output):
    """
    Run a notebook and store it, outputs and all, elsewhere.
    """
    notebook = nbformat.read(path, as_version=4)
    for cell, bundle in _run(shell, notebook):
        shown = [nbformat.v4.new_output("display_data", data=bundle)] if bundle else []
        cell.update(outputs=shown)
    nbformat.write(notebook, output)
    return output


def _run(shell, notebook):
    shell.reset(new_session=True)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            with capture_output() as printed:
                ran = shell.run_cell(cell.source)
            ran.raise_error()

            assert "" == printed.stderr
            yield cell, {} if ran.result is None else ran.result._repr_mimebundle_()

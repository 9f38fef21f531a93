"""Notebooks as files: run them, refresh their stored outputs, put them on one page.

What looks like a secret is warned of before anything is written.
"""

# mypy: disable-error-code="no-untyped-call"
# nbformat and nbconvert are typed in part.

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError
from nbconvert import HTMLExporter

from chatdata.errors import ChatdataError
from chatdata.notebook.page import Section, page
from chatdata.notebook.secrets import warn_of_secrets

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from nbformat import NotebookNode

_TIMEOUT_S = 600


def execute(path: Path, output: Path, *, source: str | None = None) -> Path:
    """Run a notebook top to bottom and write the result.

    Args:
        path: the notebook; it is not changed.
        output: where the run one goes; folders are made.
        source: what it reads, instead of its own default; travels in the environment, so that no
            password is stored in a cell.

    Returns:
        `output`.

    Raises:
        ChatdataError: a cell failed; the message says which and by what error.
    """
    text = nbformat.writes(_run(path, source)) + "\n"
    warn_of_secrets(text, output)
    output.parent.mkdir(parents=True, exist_ok=True)
    output.write_text(text, encoding="utf-8")
    return output


def refresh(paths: Iterable[Path]) -> list[Path]:
    """Run notebooks in place on their default source and store their outputs.

    Returns:
        Those whose stored form changed; the others are not written.

    Raises:
        ChatdataError: a cell failed; notebooks before it are refreshed, it and the rest are not.
    """
    changed = []
    for path in paths:
        notebook = _run(path, None)
        notebook.metadata.get("language_info", {}).pop("version", None)
        fresh = nbformat.writes(notebook) + "\n"
        if fresh != path.read_text(encoding="utf-8"):
            warn_of_secrets(fresh, path)
            path.write_text(fresh, encoding="utf-8")
            changed.append(path)
    return changed


def export(paths: Iterable[Path], html: Path, *, title: str = "chatdata") -> Path:
    """Put run notebooks on one HTML page that needs nothing from outside itself.

    Code is left out. Returns `html`.
    """
    exporter = HTMLExporter(
        template_name="basic",
        exclude_input=True,
        exclude_input_prompt=True,
        exclude_output_prompt=True,
        exclude_anchor_links=True,
    )
    sections = []
    for path in paths:
        notebook = nbformat.read(path, as_version=4)
        _inline_pictures(notebook)
        body, _ = exporter.from_notebook_node(notebook)
        sections.append(Section(path.stem, _question(notebook, path), body))
    text = page(title, sections)
    warn_of_secrets(text, html)
    html.parent.mkdir(parents=True, exist_ok=True)
    html.write_text(text, encoding="utf-8")
    return html


def _inline_pictures(notebook: NotebookNode) -> None:
    """Make pictures part of the page, so that their text can be found and copied."""
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    for output in outputs:
        if "image/svg+xml" in output.get("data", {}):
            output.data = {"text/html": output.data["image/svg+xml"]}


def _run(path: Path, source: str | None) -> NotebookNode:
    notebook: NotebookNode = nbformat.read(path, as_version=4)
    for cell in notebook.cells:
        if cell.cell_type == "code":
            cell.update(execution_count=None, outputs=[])
    client = NotebookClient(
        notebook,
        timeout=_TIMEOUT_S,
        kernel_name="python3",
        record_timing=False,
        extra_arguments=["--IPKernelApp.log_level=ERROR"],
        resources={"metadata": {"path": str(path.parent)}},
    )
    environment = {**os.environ, **({} if source is None else {"CHATDATA_SOURCE": source})}
    try:
        client.execute(env=environment)
    except CellExecutionError as error:
        count = sum(cell.get("execution_count") is not None for cell in notebook.cells)
        raise ChatdataError(
            f"code cell {count} failed with {error.ename}; run it in JupyterLab to see why",
            source=str(path),
        ) from None
    return notebook


def _question(notebook: NotebookNode, path: Path) -> str:
    """Give the question that the first cell asks."""
    first = notebook.cells[0].source.splitlines()[0] if notebook.cells else ""
    return str(first.lstrip("# ")) or path.stem

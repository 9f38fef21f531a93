"""The notebooks on logs that they were not made for: of other programs, and at the edges."""

from __future__ import annotations

import json
import re
from pathlib import Path

import nbformat
import pytest
from chat_logs import EDGES
from notebook_cells import opened_shell, outputs

import chatdata as cd
from chatdata.demo import notebooks

SAMPLES = Path(__file__).parents[2] / "shared" / "samples"
REAL = [
    *(f"formats/{name}" for name in ("tau-bench", "claude-code", "codex", "inspect-ai")),
    *(f"app-databases/{path.name}" for path in sorted(SAMPLES.glob("app-databases/*.sqlite"))),
]
DATA = Path(__file__).parent / "data"
USUAL = ("empty", "two sources")
UNKNOWN = re.compile(r"\b(?:None|NaN|nan|inf|null|undefined)\b")


@pytest.fixture(autouse=True)
def shell(unlimited):
    """
    A shell as a kernel has it.
    """
    with opened_shell() as opened:
        yield opened


def words(bundle):
    """
    What a reader of an output can see.
    """
    seen = bundle.get("image/svg+xml", "") + bundle.get("text/html", "") + bundle["text/plain"]
    return re.sub(r"<style.*?</style>|<[^>]*>", " ", seen, flags=re.DOTALL)


def is_empty(bundle):
    """
    Whether an output is a table without rows, a list without sentences, or a chart of nothing.
    """
    html = bundle.get("text/html", "")
    spec = json.dumps(bundle.get("application/vnd.vegalite.v5+json", ""))
    without = ('"datasets": {}', ': []}, "$schema"')
    return ("<table" in html and "<td" not in html) or (
        ("<ul>" in html and "<li>" not in html) or any(each in spec for each in without)
    )


def hold(shell, source, monkeypatch):
    """
    Run every notebook on a source and hold what it shows to the rules.
    """
    monkeypatch.setenv("CHATDATA_SOURCE", str(source))
    for path in notebooks():
        shown = outputs(shell, path)

        assert 2 <= len(shown)
        assert [] == [words(each) for each in shown if UNKNOWN.search(words(each))]
        assert [] == [each["text/plain"] for each in shown if is_empty(each)]


def test_the_rules_see(shell, tmp_path):
    """
    The tests below have something to fail on: a word for nothing, and a table without rows.
    """
    assert UNKNOWN.search(words({"text/html": "<td>None</td>", "text/plain": ""}))
    assert is_empty({"text/html": "<table><th>a</th></table>"})
    path = tmp_path / "n.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 / 0")]), path)
    with pytest.raises(ZeroDivisionError):
        outputs(shell, path)


@pytest.mark.parametrize("log", USUAL)
def test_notebooks_run_on_logs_at_the_edges(shell, log, tmp_path, monkeypatch):
    """
    No notebook fails, shows a word for nothing, or an empty table, whatever the log.
    """
    cd.write(EDGES[log](), tmp_path / "lake")
    hold(shell, tmp_path / "lake", monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("log", [name for name in EDGES if name not in USUAL])
def test_notebooks_run_on_all_logs_at_the_edges(shell, log, tmp_path, monkeypatch):
    """
    So it is on all the others.
    """
    cd.write(EDGES[log](), tmp_path / "lake")
    hold(shell, tmp_path / "lake", monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("name", sorted(path.name for path in DATA.iterdir() if path.is_dir()))
def test_notebooks_run_on_our_fixtures(shell, name, monkeypatch):
    """
    So it is on the fixtures of every format.
    """
    hold(shell, DATA / name, monkeypatch)


@pytest.mark.slow
@pytest.mark.parametrize("path", [path for path in REAL if (SAMPLES / path).exists()])
def test_notebooks_run_on_real_logs(shell, path, monkeypatch):
    """
    So it is on logs of other programs, where there are some.
    """
    hold(shell, SAMPLES / path, monkeypatch)


def test_several_sources_at_once(shell, tmp_path, monkeypatch):
    """
    Several sources, one a line, are read as one log.
    """
    cd.write(EDGES["two sources"](), tmp_path / "lake")
    monkeypatch.setenv("CHATDATA_SOURCE", f"sample?conversations=9\n{tmp_path / 'lake'}")
    first, *_ = notebooks()

    assert "2 sources" in words(outputs(shell, first)[0])

"""Our notebooks over the analyst's own sources."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import chatdata as cd
from chatdata.errors import SourceError
from chatdata.migrate import upgrade
from chatdata.notebook import lab as module
from chatdata.sample import fill


@pytest.fixture
def notebooks(tmp_path):
    """
    Two files that stand for notebooks.
    """
    folder = tmp_path / "ours"
    folder.mkdir()
    paths = [folder / name for name in ("01_a.ipynb", "02_b.ipynb")]
    for path in paths:
        path.write_text("ours", encoding="utf-8")
    return paths


@pytest.fixture
def launched(monkeypatch):
    """
    What JupyterLab would have been started with.
    """
    calls = []

    class Ended:
        returncode = 3

    def run(command, *, env, check):
        sources = env.get("CHATDATA_SOURCE", "").splitlines()
        calls.append((command, sources, [Path(source).exists() for source in sources]))
        return Ended

    monkeypatch.setattr(module.subprocess, "run", run)
    monkeypatch.delenv("CHATDATA_SOURCE", raising=False)
    return calls


def test_copies_leave_alone_what_is_there(notebooks, tmp_path):
    """
    A notebook is copied once; what the analyst made of it stays.
    """
    folder = tmp_path / "new" / "mine"
    first, second = module.copies(notebooks, folder)
    first.write_text("mine", encoding="utf-8")
    second.unlink()
    again = module.copies(notebooks, folder)

    assert ["mine", "ours"] == [path.read_text(encoding="utf-8") for path in again]


def test_the_notebooks_themselves_are_refused(notebooks):
    """
    Stored outputs and private data never meet.
    """
    with pytest.raises(SourceError, match="name another folder"):
        module.copies(notebooks, notebooks[0].parent / ".." / "ours")


def test_lab_opens_the_first_notebook(notebooks, tmp_path, launched):
    """
    JupyterLab starts in the folder, on the first notebook, and its exit code is ours.
    """
    code = module.lab([], notebooks, tmp_path / "mine")
    command, sources, _ = launched[0]

    assert code == 3
    assert [] == sources
    assert f"--ServerApp.root_dir={tmp_path / 'mine'}" in command
    assert any(word.endswith("/tree/01_a.ipynb") for word in command)


def test_sources_travel_in_the_environment(notebooks, tmp_path, launched, monkeypatch):
    """
    Files are absolute, the sample keeps its name, and no source is on the command line.
    """
    monkeypatch.chdir(tmp_path)
    Path("log.jsonl").write_text("{}", encoding="utf-8")
    module.lab(["log.jsonl", "sample"], notebooks, tmp_path / "mine")
    command, sources, _ = launched[0]

    assert [str(tmp_path / "log.jsonl"), "sample"] == sources
    assert [] == [word for word in command if "log.jsonl" in word]


def test_a_database_is_read_once_into_a_lake(notebooks, tmp_path, launched):
    """
    What the notebooks read is a copy that goes with the session, and says what the database said.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    upgrade(url)
    fill(cd.sample(20), url)
    with module.snapshots([url]) as (lake,):
        counts = [cd.scan(source).messages.collect().height for source in (url, lake)]
    module.lab([url], notebooks, tmp_path / "mine")
    _, sources, existed = launched[0]

    assert counts[0] == counts[1] > 0
    assert [True] == existed
    assert not Path(sources[0]).exists()
    assert "app.db" not in sources[0]


def test_options_of_jupyter_pass_through(notebooks, tmp_path, launched):
    """
    Whoever needs another port or no browser says so to JupyterLab itself.
    """
    module.lab([], notebooks, tmp_path / "mine", ["--no-browser", "--port=9"])
    command, _, _ = launched[0]

    assert ["--no-browser", "--port=9"] == command[-2:]


def test_nobody_is_asked_for_news(tmp_path, monkeypatch):
    """
    JupyterLab neither fetches news nor asks whether it may; the analyst's own settings stay.
    """
    monkeypatch.setenv("JUPYTER_CONFIG_PATH", "/theirs")
    told = module.environment(["a", "b"], tmp_path)
    overrides = tmp_path / "labconfig" / "default_setting_overrides.json"
    (quiet,) = json.loads(overrides.read_text()).values()

    assert {"fetchNews": "false", "checkForUpdates": False} == quiet
    assert f"{tmp_path}{os.pathsep}/theirs" == told["JUPYTER_CONFIG_PATH"]
    assert "a\nb" == told["CHATDATA_SOURCE"]

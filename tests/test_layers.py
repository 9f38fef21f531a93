"""Imports go down only."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def lint_imports(folder):
    """
    What import-linter says about the package in a folder.
    """
    program = Path(sys.executable).with_name("lint-imports")
    return subprocess.run(
        [program, "--no-cache"], cwd=folder, capture_output=True, text=True, check=False
    )


@pytest.fixture
def copy(tmp_path):
    """
    A copy of the package and its contract that a test may spoil.
    """
    shutil.copytree(
        ROOT / "chatdata", tmp_path / "chatdata", ignore=shutil.ignore_patterns("*.pyc")
    )
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_layers_hold():
    """
    No module imports one from a higher layer.
    """
    answer = lint_imports(ROOT)

    assert 0 == answer.returncode, answer.stdout


def test_an_upward_import_is_caught(copy):
    """
    A planted upward import fails the check and is named.
    """
    with (copy / "chatdata" / "schema.py").open("a", encoding="utf-8") as module:
        module.write("\nimport chatdata.load\n")
    answer = lint_imports(copy)

    assert 1 == answer.returncode
    assert "chatdata.schema -> chatdata.load" in answer.stdout

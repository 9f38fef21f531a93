"""What users install: the wheel, in a folder without a checkout."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def uv():
    """
    The uv that runs the tests, the one on the path, or the project's own.
    """
    found = os.environ.get("UV") or shutil.which("uv") or ROOT / ".uv" / "bin" / "uv"
    if not Path(found).exists():
        pytest.skip("no uv to build a wheel with")
    return str(found)


@pytest.fixture(scope="module")
def wheel(uv, tmp_path_factory):
    """
    A wheel built from this checkout.
    """
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([uv, "build", "--wheel", "--quiet", "-o", folder, ROOT], check=True)
    return next(folder.glob("*.whl"))


@pytest.fixture(scope="module")
def installed(uv, wheel, tmp_path_factory):
    """
    A runner of Python code in a clean folder in which only the wheel provides chatdata.
    """
    target, clean = tmp_path_factory.mktemp("target"), tmp_path_factory.mktemp("clean")
    install = ["pip", "install", "--quiet", "--no-deps", "--offline", "--target", target, wheel]
    subprocess.run([uv, *install, "--python", sys.executable], check=True)

    def run(code):
        return subprocess.run(
            [sys.executable, "-c", code],
            cwd=clean,
            env={**os.environ, "PYTHONPATH": str(target)},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    assert str(target) in run("import chatdata; print(chatdata.__file__)")
    return run


def test_has_what_travels_with_it(wheel):
    """
    Revisions, notebooks and the type marker are in the wheel; tests are not.
    """
    names = zipfile.ZipFile(wheel).namelist()
    revisions = {path.name for path in (ROOT / "migrations" / "versions").glob("*.py")}
    notebooks = {path.name for path in (ROOT / "notebooks").glob("*.ipynb")}

    assert "chatdata/py.typed" in names
    assert revisions <= {Path(name).name for name in names if "_migrations/versions/" in name}
    assert notebooks <= {Path(name).name for name in names if "_notebooks/" in name}
    assert [] == [name for name in names if "test" in name]


def test_runs_the_demo(installed):
    """
    Somebody who has only the wheel gets the whole demo.
    """
    out = installed(
        "import sys; sys.argv = ['chatdata', 'demo']; from chatdata.cli import main; main()"
    )

    assert "chatdata-demo" in out
    assert "add_task" in out
    assert installed("from pathlib import Path; print(*Path('chatdata-demo').glob('*.html'))")


def test_names_its_parts(wheel):
    """
    The program and the extras that the documents speak of are declared.
    """
    with zipfile.ZipFile(wheel) as archive:
        entries, metadata = (
            archive.read(next(name for name in archive.namelist() if name.endswith(end))).decode()
            for end in ("entry_points.txt", "METADATA")
        )

    assert "chatdata = chatdata.cli:main" in entries
    for extra in ("lab", "postgres", "spark"):
        assert f"Provides-Extra: {extra}" in metadata

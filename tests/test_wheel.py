"""What users install: the wheel, in a folder without a checkout."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import click
import pytest

ROOT = Path(__file__).parents[1]


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


HOSTILE = {
    "migrations/env.py": "raise SystemExit('poisoned')",
    "migrations/__init__.py": "raise SystemExit('poisoned')",
    "env.py": "raise SystemExit('poisoned')",
    "versions/0001_other.py": "raise SystemExit('poisoned')",
    "alembic.ini": "[alembic]\nscript_location = migrations\n",
    "pyproject.toml": "[tool.alembic]\nscript_location = 'migrations'\n",
}


@pytest.fixture(params=["wheel from the sdist", "editable"])
def program(request, uv, tmp_path):
    """
    The program, installed in an environment of its own that has our dependencies and nothing else
    of the checkout.
    """
    environment = tmp_path / "environment"
    subprocess.run([uv, "venv", "--quiet", environment, "--python", sys.executable], check=True)
    chosen = ["--editable", ROOT]
    if request.param != "editable":
        subprocess.run([uv, "build", "--quiet", "-o", tmp_path / "dist", ROOT], check=True)
        assert list((tmp_path / "dist").glob("*.tar.gz"))
        chosen = [next((tmp_path / "dist").glob("*.whl"))]
    install = ["pip", "install", "--quiet", "--no-deps", "--python", environment / "bin" / "python"]
    subprocess.run([uv, *install, *chosen], check=True)
    site = next(environment.glob("lib/python*/site-packages"))
    # A folder on the path is no site folder: what is editable there stays out.
    (site / "dependencies.pth").write_text(f"{Path(click.__file__).parents[1]}\n")
    return environment / "bin" / "chatdata", request.param


def test_migrates_from_a_hostile_folder(program, tmp_path):
    """
    Wherever it runs and whatever lies on the path, an installed chatdata finds its own revisions.
    """
    command, kind = program
    for name, text in HOSTILE.items():
        file = tmp_path / "hostile" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def run(*words):
        return subprocess.run(
            words,
            cwd=tmp_path / "hostile",
            env={**os.environ, "PYTHONPATH": str(tmp_path / "hostile")},
            capture_output=True,
            text=True,
            check=True,
        ).stdout

    said = json.loads(run(command, "db", "upgrade", "sqlite:///app.db", "--yes", "--json"))
    status = json.loads(run(command, "db", "status", "sqlite:///app.db", "--json"))[0]
    asked = "from chatdata.migrate import locate; print(locate.scripts())"
    where = run(command.with_name("python"), "-c", asked).strip()
    revisions = sorted(path.name[:4] for path in (ROOT / "migrations").glob("versions/0*.py"))

    assert revisions == said["steps"]
    assert ("at head", 0) == (status["state"], status["n_drift"])
    assert (str(ROOT / "migrations") == where) == (kind == "editable")
    assert where.endswith(("_migrations", "migrations"))

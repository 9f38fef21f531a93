"""`chatdata lab`: our notebooks over the analyst's own sources, open in JupyterLab.

The notebooks are copied, so that stored outputs of ours and private data never meet. A database is
read once, into a lake that lives as long as the session, and never asked again.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

# JupyterLab would ask whether it may fetch news, and look for updates.
_QUIET = {
    "@jupyterlab/apputils-extension:notification": {"fetchNews": "false", "checkForUpdates": False}
}


def lab(
    sources: Sequence[str], notebooks: Sequence[Path], folder: Path, options: Sequence[str] = ()
) -> int:
    """Open JupyterLab on copies of notebooks that read these sources, until it is closed.

    Args:
        sources: what the notebooks read; none leaves them their own default.
        notebooks: what to copy; the first is open at once.
        folder: where the copies go; one that is there is never overwritten.
        options: of JupyterLab itself, as `--no-browser`.

    Returns:
        JupyterLab's exit code.

    Raises:
        SourceError: the folder is the notebooks' own, or a source cannot be read.
    """
    opened = copies(notebooks, folder)
    with snapshots(sources) as readable, TemporaryDirectory(prefix="chatdata-lab-") as settings:
        words = [*command(folder, opened[0]), *options]
        told = environment(readable, Path(settings))
        return subprocess.run(words, env=told, check=False).returncode  # noqa: S603 - our own words and paths


def copies(notebooks: Sequence[Path], folder: Path) -> list[Path]:
    """Copy notebooks into a folder and leave alone what is there; give their places."""
    if folder.resolve() in {path.resolve().parent for path in notebooks}:
        raise SourceError(
            "these are the notebooks themselves, whose outputs are stored; name another folder",
            source=str(folder),
        )
    folder.mkdir(parents=True, exist_ok=True)
    places = [folder / path.name for path in notebooks]
    for path, place in zip(notebooks, places, strict=True):
        if not place.exists():
            shutil.copyfile(path, place)
    return places


@contextmanager
def snapshots(sources: Sequence[str]) -> Iterator[list[str]]:
    """Read each database once into a lake of its own; give what to read instead of the sources.

    Files are made absolute, since a notebook runs in its own folder.
    """
    from chatdata.load import names_database, scan
    from chatdata.store import write

    with TemporaryDirectory(prefix="chatdata-lab-") as folder:
        readable = []
        for place, source in enumerate(sources):
            if names_database(source):
                lake = Path(folder) / str(place)
                write(scan(source), lake)
                readable.append(str(lake))
            else:
                readable.append(str(Path(source).absolute()) if Path(source).exists() else source)
        yield readable


def environment(sources: Sequence[str], settings: Path) -> dict[str, str]:
    """Give the environment of a JupyterLab that reads the sources and asks nothing of anybody.

    Args:
        sources: what the notebooks read.
        settings: an empty folder, in which the session's defaults are written.
    """
    (settings / "labconfig").mkdir()
    (settings / "labconfig" / "default_setting_overrides.json").write_text(json.dumps(_QUIET))
    others = os.environ.get("JUPYTER_CONFIG_PATH")
    told = {
        **os.environ,
        "JUPYTER_CONFIG_PATH": os.pathsep.join(filter(None, [str(settings), others])),
    }
    return told | ({"CHATDATA_SOURCE": "\n".join(sources)} if sources else {})


def command(folder: Path, notebook: Path) -> list[str]:
    """Give the command that opens JupyterLab on one notebook, without news from outside.

    Whoever saves a notebook is warned of what looks like a secret in it.
    """
    return [
        *(sys.executable, "-m", "jupyterlab"),
        f"--ServerApp.root_dir={folder.resolve()}",
        f"--LabApp.default_url=/lab/workspaces/chatdata/tree/{notebook.name}",
        "--LabApp.news_url=None",
        "--ContentsManager.pre_save_hook=chatdata.notebook.secrets.warn_on_save",
        "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    ]

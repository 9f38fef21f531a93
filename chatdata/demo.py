"""The whole job in a folder of its own: a database by the migrations, filled, read, answered."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterable

DATABASE = "todo.db"
PAGE = "answers.html"

_CONVERSATIONS = 500
NOTEBOOKS = ("01_overview", "02_tool_calls", "03_conversation_length")


def create(folder: Path) -> Path:
    """Create a SQLite database by the migrations and store the sample in it.

    A folder that an earlier demo made is used again, with a new database.

    Returns:
        The database's file.

    Raises:
        SourceError: the folder holds something else than a demo.
    """
    from chatdata import migrate
    from chatdata.sample import fill, sample

    database = folder / DATABASE
    if folder.exists() and not database.exists() and any(folder.iterdir()):
        raise SourceError(
            "holds other files; name a folder that is new or empty", source=str(folder)
        )
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob(f"{DATABASE}*"):
        old.unlink()
    migrate.upgrade(f"sqlite:///{database}")
    fill(sample(_CONVERSATIONS), f"sqlite:///{database}")
    return database


def publish(folder: Path, database: Path) -> Path:
    """Run the first notebooks over the database and put them on a page that needs no network.

    Returns:
        The page's file.
    """
    from chatdata.notebook import execute, export

    ran = [
        execute(path, folder / "notebooks" / path.name, source=str(database.resolve()))
        for path in notebooks()
        if path.stem in NOTEBOOKS
    ]
    return export(ran, folder / PAGE, title="chatdata demo")


def notebooks() -> list[Path]:
    """Find our notebooks: in the installed wheel, or beside the package in a checkout.

    Raises:
        SourceError: the installation is incomplete.
    """
    package = Path(__file__).parent
    for folder in (package / "_notebooks", package.parent / "notebooks"):
        if found := sorted(folder.glob("*.ipynb")):
            return found
    raise SourceError("this installation of chatdata has no notebooks; install it again")


def suggestions(database: Path, program: str) -> list[str]:
    """Give command lines that are worth trying next; each works as it stands."""
    frames = database.parent / "frames"
    query = "select role, count(*) as n from messages group by all order by n desc"
    words: Iterable[tuple[str, ...]] = (
        ("show", str(database), "4"),
        ("scan", str(database), "--explain"),
        ("sql", str(database), query),
        ("tools", str(database), "--output", "csv"),
        ("lengths", str(database), "sample"),
        ("export", str(database), "-o", str(frames)),
        ("db", "status", f"sqlite:///{database}"),
    )
    return [shlex.join((program, *verb)) for verb in words]


def program() -> str:
    """Say how to start this program again: by its name, or by its path if a runner started it."""
    started = Path(sys.argv[0])
    return os.path.relpath(started) if "UV" in os.environ and started.exists() else "chatdata"

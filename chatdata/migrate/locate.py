"""Where the revisions are: in the installed wheel, or beside the package in a checkout."""

from __future__ import annotations

from pathlib import Path

from chatdata.errors import MigrationError


def scripts() -> Path:
    """Find the folder of `env.py`, from the place of this file and never from the current one.

    Raises:
        MigrationError: the installation is incomplete.
    """
    package = Path(__file__).parents[1]
    places = (package / "_migrations", package.parent / "migrations")
    for folder in places:
        if (folder / "env.py").is_file():
            return folder
    raise MigrationError(
        "this installation of chatdata has no migrations; expected them in "
        f"{' or '.join(map(str, places))}",
        then="install it again: pip install --force-reinstall chatdata",
    )

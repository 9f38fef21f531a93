"""`chatdata export`: the five frames as files."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatdata.cli.options import reads_and_writes_files
from chatdata.cli.progress import working

if TYPE_CHECKING:
    import polars as pl

    from chatdata.chats import Chats


@click.command()
@reads_and_writes_files
@click.option(
    "-o",
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    required=True,
    metavar="DIR",
    help="Where the files go; it is made if need be.",
)
@click.option(
    "--format",
    "kind",
    type=click.Choice(["parquet", "csv", "json"]),
    default="parquet",
    show_default=True,
    help="What the files are.",
)
def export(chats: Chats[pl.LazyFrame], folder: Path, kind: str) -> None:
    """Write the five frames to files."""
    with working("Writing"):
        files = write_files(chats, folder, kind)
    for path, n_rows in files.items():
        click.echo(f"{path}  {n_rows:,} rows")


def write_files(chats: Chats[pl.LazyFrame], folder: Path, kind: str) -> dict[Path, int]:
    """Write each frame to a file of its name; a file is complete or not there.

    Returns:
        The files, and how many rows each has.
    """
    folder.mkdir(parents=True, exist_ok=True)
    written = {}
    for name, frame in chats.frames.items():
        rows = frame.collect()
        path = folder / f"{name}.{kind}"
        unfinished = path.with_name(f".{path.name}.unfinished")
        getattr(rows, f"write_{kind}")(unfinished)
        unfinished.replace(path)
        written[path] = rows.height
    return written

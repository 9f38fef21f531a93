"""`chatdata notebooks`: keeping the notebooks' stored outputs true."""

from __future__ import annotations

from pathlib import Path

import click

from chatdata.cli.progress import working


@click.group()
def notebooks() -> None:
    """Run notebooks whose outputs are stored."""


@notebooks.command()
@click.argument(
    "paths",
    metavar="[NOTEBOOK]...",
    nargs=-1,
    type=click.Path(exists=True, dir_okay=False, path_type=Path),
)
def refresh(paths: tuple[Path, ...]) -> None:
    """Run notebooks top to bottom and store their outputs; all of ours by default."""
    from chatdata import demo
    from chatdata.notebook import refresh as run

    with working("Running the notebooks"):
        changed = run(paths or demo.notebooks())
    for path in changed:
        click.echo(f"{path} changed")
    if not changed:
        click.echo("nothing changed")

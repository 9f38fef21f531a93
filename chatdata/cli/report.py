"""`chatdata report` and `chatdata lab`: answers to hand on, and notebooks to go on asking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from chatdata.cli.options import reads, zone
from chatdata.cli.progress import working

if TYPE_CHECKING:
    import polars as pl

    from chatdata.chats import Chats


@click.command()
@reads
@click.option(
    "-o",
    "--into",
    "path",
    required=True,
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the page goes; folders are made if need be.",
)
@click.option("--title", default="What is in this chat log", show_default=True, help="Its title.")
@click.option(
    "--shown-in",
    type=zone,
    metavar="ZONE",
    default="UTC",
    show_default=True,
    help="Whose days, weeks and hours the page shows.",
)
def report(chats: Chats[pl.LazyFrame], *, path: Path, title: str, shown_in: str) -> None:
    """Write one HTML page of findings, without what anybody wrote."""
    from chatdata.report import report as write

    with working("Writing the report"):
        write(chats, path, title=title, about=_asked(), time_zone=shown_in)
    click.echo(path)


def _asked() -> str:
    """Say what part of the sources was asked for; whoever the user is, the page does not say."""
    options = click.get_current_context().params
    parts = [
        "one user's conversations" if options["user_id"] else "",
        f"messages from {options['since']:%Y-%m-%d %H:%M}" if options["since"] else "",
        f"messages before {options['until']:%Y-%m-%d %H:%M}" if options["until"] else "",
    ]
    asked = ", ".join(filter(None, parts))
    return f"Only {asked} (times in UTC)." if asked else ""


@click.command()
@click.argument("sources", nargs=-1)
@click.option(
    "--folder",
    default="chatdata-notebooks",
    show_default=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="Where copies of the notebooks go.",
)
@click.option(
    "--jupyter",
    "options",
    multiple=True,
    metavar="OPTION",
    help="An option of JupyterLab's own, as in --jupyter=--no-browser; may be repeated.",
)
def lab(sources: tuple[str, ...], folder: Path, options: tuple[str, ...]) -> None:
    """Open JupyterLab on notebooks that read the sources."""
    from chatdata.demo import notebooks
    from chatdata.notebook.lab import lab as open_lab

    raise SystemExit(open_lab(sources, notebooks(), folder, options))

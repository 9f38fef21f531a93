"""`chatdata report` and `chatdata lab`: answers to hand on, and notebooks to go on asking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

from chatdata.cli.options import moment, reads, zone
from chatdata.cli.progress import working

if TYPE_CHECKING:
    import polars as pl

    from chatdata.chats import Chats
    from chatdata.report.compared import Compare

_COMPARED: Final = ("periods", "model", "agent", "source")


def _compare(text: str) -> Compare:
    """Read what to compare: a word, or a moment."""
    for word in _COMPARED:
        if text == word:
            return word
    try:
        return moment(text)
    except click.BadParameter:
        expected = f"{', '.join(_COMPARED)} or a date like 2025-10-01"
        raise click.BadParameter(f"found {text!r}, expected {expected}.") from None


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
@click.option(
    "--compare",
    type=_compare,
    metavar="WHAT",
    help="What to set side by side: a date, for the periods before and after it; periods, for the "
    "last ones; model, agent or source.",
)
@click.option(
    "--examples",
    "n_examples",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Quote N errors and the beginnings of N conversations.",
)
@click.option(
    "--min-cell",
    type=click.IntRange(min=0),
    default=0,
    metavar="N",
    help="Let no tool, model, agent or week of fewer than N known users stand alone.",
)
def report(  # noqa: PLR0913 - one argument per option
    chats: Chats[pl.LazyFrame],
    *,
    path: Path,
    title: str,
    shown_in: str,
    compare: Compare | None,
    n_examples: int,
    min_cell: int,
) -> None:
    """Write one HTML page of findings, without what anybody wrote unless it is asked for."""
    from chatdata.report import report as write

    with working("Writing the report"):
        write(
            chats,
            path,
            title=title,
            about=_asked(),
            time_zone=shown_in,
            compare=compare,
            n_examples=n_examples,
            min_cell=min_cell,
        )
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

"""`chatdata demo`: the whole job, once, on this machine."""

from __future__ import annotations

from pathlib import Path

import click

from chatdata.cli.progress import working


@click.command()
@click.option(
    "--into",
    "folder",
    type=click.Path(file_okay=False, path_type=Path),
    default="chatdata-demo",
    show_default=True,
    metavar="DIR",
    help="A folder of its own.",
)
def demo(folder: Path) -> None:
    """Try everything once, in a folder of its own.

    Creates a database, fills it, reads it, answers two questions and makes one page.
    """
    from chatdata import demo as steps
    from chatdata import scan
    from chatdata.cli.scan import print_summary
    from chatdata.cli.tables import print_lengths, print_tools

    with working("Creating a database"):
        database = steps.create(folder)
    click.echo(f"Created {database} by the migrations, and filled it as an application would.\n")
    with working("Reading"):
        chats = scan(database)
    print_summary(chats)
    print_tools(chats)
    print_lengths(chats)
    with working("Running the notebooks"):
        page = steps.publish(folder, database)
    click.echo(
        f"\nAll of it is in {folder}: the database {database.name}, the notebooks that were run "
        f"over it, and their\nanswers on one page that needs no network: {page}\n\nTry next:"
    )
    for line in steps.suggestions(database, steps.program()):
        click.echo(f"  {line}")

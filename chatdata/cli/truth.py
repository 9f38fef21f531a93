"""`chatdata truth-pack`: made-up logs of every format with their exact counts, to check a tool."""

from __future__ import annotations

from pathlib import Path

import click

from chatdata.cli.output import n_bytes, plain


@click.command()
@click.option(
    "-o",
    "--output",
    "folder",
    required=True,
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder to write into; it is made if it is not there.",
)
@click.option("--seed", type=int, default=7, show_default=True, help="Which logs to make up.")
def truth_pack(folder: Path, *, seed: int) -> None:
    """Write made-up logs in every format, and what they hold.

    Read a format's folder with any tool, as a whole, and compare with truth.json.
    """
    from chatdata.truth import write_pack

    written = write_pack(folder, seed=seed)
    total = sum(path.stat().st_size for path in written)
    click.echo(f"{len(written)} files, {n_bytes(total)}, in {plain(str(folder))}")
    click.echo("truth.json says what each format's folder holds")

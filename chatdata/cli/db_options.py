"""What the `db` verbs share: their options, the question before writing, the answer after it."""

from __future__ import annotations

import json
import sys

import click

from chatdata.errors import MigrationError

as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON document.")
yes = click.option("--yes", is_flag=True, help="Do not ask.")
schema = click.option("--schema", metavar="NAME", help="PostgreSQL: the schema to work in.")
direct_url = click.option(
    "--direct-url", metavar="URL", help="The server's own address, past a connection pooler."
)


def confirm(question: str, *, yes: bool) -> None:
    """Ask before writing; without a terminal nobody can answer, so `--yes` has to."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise MigrationError(
            f"{question} There is no terminal to ask",
            then="to answer in advance, run the same command with --yes",
            exit_code=3,
        )
    if not click.confirm(question):
        raise MigrationError(
            "the answer was no", then="to change it after all, run the same command", exit_code=3
        )


def tell(value: object, sentence: str, *, as_json: bool) -> None:
    """Print a result, for people or for programs."""
    click.echo(json.dumps(value, default=str) if as_json else sentence)

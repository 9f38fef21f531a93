"""`chatdata db`: schema changes, from the terminal. Every verb is a call of `chatdata.migrate`.

Exit codes: 0 done or nothing to do, 1 failed, 2 usage, 3 refused or drift, 4 lock busy,
5 verification failed.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import click

from chatdata.errors import ChatdataError, MigrationError


class Verbs(click.Group):
    """A group whose verbs end with one clear line and an exit code instead of a traceback."""

    def invoke(self, ctx: click.Context) -> Any:  # noqa: ANN401 - click's own signature
        """Run the verb."""
        try:
            return super().invoke(ctx)
        except ChatdataError as error:
            click.echo(f"Error: {error}", err=True)
            ctx.exit(error.exit_code if isinstance(error, MigrationError) else 2)


@click.group(cls=Verbs)
def db() -> None:
    """Create and change chat databases, safely."""


as_json = click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
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
            f"{question} Nothing was changed: there is no terminal to ask; add --yes", exit_code=3
        )
    if not click.confirm(question):
        raise MigrationError("nothing was changed", exit_code=3)


def tell(value: dict[str, object], sentence: str, *, as_json: bool) -> None:
    """Print a result, for people or for programs."""
    click.echo(json.dumps(value, default=str) if as_json else sentence)


@db.command()
@click.argument("url")
@click.option("--to", default="head", show_default=True, metavar="REV", help="Where to stop.")
@schema
@direct_url
@yes
@as_json
def upgrade(  # noqa: PLR0913 - one argument per option
    url: str, to: str, schema: str | None, direct_url: str | None, *, yes: bool, as_json: bool
) -> None:
    """Bring the database at URL to the newest revision; an empty one is created."""
    from dataclasses import asdict

    from chatdata import migrate

    target = direct_url or url
    pending = migrate.pending(target, to=to, schema=schema)
    if pending:
        confirm(f"{migrate.label(target)}: apply {', '.join(pending)}?", yes=yes)
    run = migrate.upgrade(target, to=to, schema=schema)
    tell(asdict(run), str(run), as_json=as_json)

"""What the `db` verbs share: their options, the question before writing, the answer after it."""

from __future__ import annotations

import json
import sys

import click

from chatdata.errors import MigrationError

_DONE = "what was complete is kept, and what was not is undone"
_AGAIN = "run the same command again"


class Verbs(click.Group):
    """A group whose verbs end with what the database is like now, also where a file is amiss."""

    def invoke(self, ctx: click.Context) -> object:
        """Run the verb that was named."""
        try:
            return super().invoke(ctx)
        except click.UsageError as error:
            path = error.ctx.command_path if error.ctx else ctx.command_path
            raise MigrationError(
                error.format_message().rstrip("."), then=f"see: {path} --help", exit_code=2
            ) from error
        except click.Abort:
            raise MigrationError("no answer", then=_AGAIN, exit_code=130) from None
        except KeyboardInterrupt:
            raise MigrationError("stopped", state=_DONE, then=_AGAIN, exit_code=130) from None
        except OSError as error:
            raise MigrationError(
                str(error.strerror or error),
                state=_DONE,
                then=f"check the path and its permissions, and {_AGAIN}",
                source=str(error.filename or "a file"),
                exit_code=2,
            ) from error


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
    # Asked on the error stream: what is printed is the answer, with --json one document.
    if not click.confirm(question, err=True):
        raise MigrationError(
            "the answer was no", then="to change it after all, run the same command", exit_code=3
        )


def tell(value: object, sentence: str, *, as_json: bool) -> None:
    """Print a result, for people or for programs."""
    click.echo(json.dumps(value, default=str) if as_json else sentence)


def report(  # noqa: PLR0913 - keywords of one sentence
    value: object, found: list[str], *, clean: str, then: str, as_json: bool, code: int = 3
) -> None:
    """Print what a comparison found and what to do about it, and exit with `code` if it did."""
    lines = [*found, f"nothing was changed; {then}"] if found else [clean]
    tell(value, "\n".join(lines), as_json=as_json)
    if found:
        click.get_current_context().exit(code)

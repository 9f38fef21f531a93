"""`chatdata db backfill`: from the text of `messages.tool_calls` to rows of `tool_calls`."""

from __future__ import annotations

import signal
import sys
import time
from dataclasses import asdict
from typing import TYPE_CHECKING

import click

from chatdata.cli.db_options import as_json, confirm, direct_url, schema, tell, yes

if TYPE_CHECKING:
    from chatdata.migrate.checkpoint import Progress

QUIET_S = 10.0
"""Seconds between two lines where nobody watches, so that a log shows that it goes on."""

name = click.argument("name", type=click.Choice(["tool_calls"]))
url = click.argument("url")


@click.group()
def backfill() -> None:
    """Fill `tool_calls` while the application goes on writing."""


@backfill.command()
@name
@url
@click.option("--max-bad", type=int, metavar="N", help="Stop when more messages are malformed.")
@click.option("--rest", type=float, default=0.0, metavar="S", help="Pause after each batch.")
@schema
@direct_url
@yes
@as_json
def run(  # noqa: PLR0913 - one argument per option
    name: str,
    url: str,
    *,
    max_bad: int | None,
    rest: float,
    schema: str | None,
    direct_url: str | None,
    yes: bool,
    as_json: bool,
) -> None:
    """Run it from where it stands; Ctrl-C stops it after the batch."""
    from chatdata import migrate

    target = direct_url or url
    confirm(f"{migrate.label(target)}: fill {name}?", yes=yes)
    stopped: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, _frame: stopped.append(number))
    try:
        done = migrate.backfill.run(
            target,
            schema=schema,
            max_bad=max_bad,
            rest=rest,
            on_batch=_Line(),
            should_stop=lambda: bool(stopped),
        )
    finally:
        signal.signal(signal.SIGINT, before)
    tell(asdict(done), str(done), as_json=as_json)


@backfill.command()
@name
@url
@schema
@as_json
def status(name: str, url: str, schema: str | None, *, as_json: bool) -> None:
    """Show how far it has come and how far the application is ahead."""
    from chatdata import migrate

    found = migrate.backfill.status(url, name, schema=schema)
    tell(asdict(found), str(found), as_json=as_json)


@backfill.command()
@name
@url
@schema
@yes
@as_json
def pause(name: str, url: str, schema: str | None, *, yes: bool, as_json: bool) -> None:
    """Stop the worker that is running after its batch."""
    from chatdata import migrate

    confirm(f"{migrate.label(url)}: stop filling {name} after the batch?", yes=yes)
    found = migrate.backfill.pause(url, schema=schema)
    tell(asdict(found), str(found), as_json=as_json)


@backfill.command("retry-bad")
@name
@url
@schema
@direct_url
@yes
@as_json
def retry_bad(  # noqa: PLR0913 - one argument per option
    name: str,
    url: str,
    schema: str | None,
    direct_url: str | None,
    *,
    yes: bool,
    as_json: bool,
) -> None:
    """Read the messages that were set aside again."""
    from chatdata import migrate

    target = direct_url or url
    confirm(f"{migrate.label(target)}: read the messages set aside by {name} again?", yes=yes)
    found = migrate.backfill.retry_bad(target, schema=schema)
    tell(asdict(found), str(found), as_json=as_json)


class _Line:
    """How far, how fast and how much longer: one line rewritten on a terminal, lines elsewhere."""

    def __init__(self) -> None:
        self.began = time.monotonic()
        self.told = self.began
        self.first: int | None = None

    def __call__(self, progress: Progress) -> None:
        now, done = time.monotonic(), progress.state == "done"
        self.first = progress.cursor if self.first is None else self.first
        n_done, n_all = progress.cursor - self.first, progress.upper - self.first
        rate = n_done / max(now - self.began, 0.001)
        left = (n_all - n_done) / rate if rate else 0.0
        share = n_done / n_all if n_all else 1.0
        line = f"{share:6.1%}  {rate:,.0f} messages/s  {left:,.0f} s left"
        if sys.stderr.isatty():
            click.echo(f"\r{line} ", err=True, nl=done)
        elif now - self.told >= QUIET_S:
            self.told = now
            click.echo(line, err=True)

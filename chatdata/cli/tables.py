"""Verbs that answer with one table: tools, lengths, audit, sql, formats."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from chatdata.cli.options import reads
from chatdata.cli.output import emit, output_option
from chatdata.cli.progress import working

if TYPE_CHECKING:
    import polars as pl

    from chatdata.chats import Chats


@click.command()
@reads
@output_option
def audit(chats: Chats[pl.LazyFrame], output: str) -> None:
    """Set naive and certified counts side by side, cause by cause."""
    with working("Counting"):
        causes = chats.audit()
    shown = causes.rename(lambda name: name.removeprefix("n_").replace("_", " "))
    emit(causes, output, title="What the source repeats, and what counts", shown=shown)


@click.command()
@reads
@click.argument("query")
@output_option
def sql(chats: Chats[pl.LazyFrame], query: str, output: str) -> None:
    """Run a DuckDB QUERY; the five frames are its tables.

    They are conversations, messages, tool_calls, rejects and accounting.
    """
    with working("Querying"):
        answer = chats.sql(query)
    emit(answer, output, title="")


@click.command()
@output_option
def formats(output: str) -> None:
    """List the formats that can be read."""
    import polars as pl

    from chatdata.formats import formats as registry

    found = pl.DataFrame(
        [(each.name, each.title) for each in registry()],
        schema={"name": pl.String(), "title": pl.String()},
        orient="row",
    )
    emit(found, output, title="Formats")

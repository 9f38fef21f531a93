"""Verbs that answer with one table: tools, lengths, audit, sql, formats."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from chatdata.cli.options import reads_anywhere
from chatdata.cli.output import emit, output_option
from chatdata.cli.progress import working

if TYPE_CHECKING:
    import polars as pl

    from chatdata.chats import Chats


@click.command()
@reads_anywhere
@output_option
def tools(chats: Chats[Any], output: str) -> None:
    """Count the calls of each tool, and how they ended."""
    print_tools(chats, output)


@click.command()
@reads_anywhere
@output_option
def lengths(chats: Chats[Any], output: str) -> None:
    """Say how long conversations are, by every definition of length."""
    print_lengths(chats, output)


def print_tools(chats: Chats[Any], output: str = "table") -> None:
    """Print `analysis.tool_usage`; rates for people come with their interval, or why not."""
    import polars as pl

    from chatdata import analysis

    with working("Counting"):
        usage = analysis.tool_usage(chats)
    low, high = (_percent(f"error_rate_{end}") for end in ("low", "high"))
    rate = pl.format("{}% ({}-{})", _percent("error_rate"), low, high)
    why = pl.col("reason").str.replace(" known outcomes", "", literal=True)
    columns = {
        "tool": pl.col("name"),
        "calls": pl.col("n_tool_calls"),
        "share": pl.col("share"),
        "conv.": pl.col("n_conversations"),
        "users": pl.col("n_users"),
    }
    has_rates = usage["n_known"].sum() > 0
    if has_rates:
        columns["known"] = pl.col("n_known")
    if has_rates or usage["n_errors"].sum():
        columns["errors"] = pl.col("n_errors")
    if has_rates:
        columns["error rate (95 %)"] = pl.coalesce(rate, why)
    emit(usage, output, title="Tools", shown=usage.select(**columns))
    if output == "table" and not has_rates and usage.height:
        click.echo(f"no error rates: {', '.join(usage['reason'].unique().sort())}")


def print_lengths(chats: Chats[Any], output: str = "table") -> None:
    """Print `analysis.length_distribution`; people get the quantiles that fit a terminal."""
    import polars as pl

    from chatdata import analysis
    from chatdata.cli.summary import reconciled

    with working("Measuring"):
        distribution = analysis.length_distribution(chats)
        rows = analysis.message_reconciliation(chats)
    shown = distribution.select(
        pl.col("metric").alias("length"),
        pl.col("n_conversations").alias("conv."),
        *("mean", "p10", "p50", "p90", "p99", "max"),
    )
    emit(distribution, output, title="Lengths of conversations", shown=shown)
    if output == "table":
        click.echo(reconciled(dict(rows.rows())))


def _percent(name: str) -> pl.Expr:
    import polars as pl

    return (pl.col(name) * 100).round(1).cast(pl.String)


def _cause(text: str) -> str:
    """Check the name of a cause."""
    from chatdata.schema import CAUSES

    if text not in CAUSES:
        raise click.BadParameter(f"found {text!r}, expected one of: {', '.join(CAUSES)}.")
    return text


@click.command()
@reads_anywhere
@click.option("--cause", type=_cause, metavar="CAUSE", help="Where the records of this cause lie.")
@output_option
def audit(chats: Chats[Any], cause: str | None, output: str) -> None:
    """Set naive and certified counts side by side, cause by cause."""
    with working("Counting"):
        found = chats.audit() if cause is None else chats.where(cause)
    title = "What the source repeats, and what counts" if cause is None else f"Where: {cause}"
    shown = found.rename(lambda name: name.removeprefix("n_").replace("_", " "))
    emit(found, output, title=title, shown=shown)
    if cause == "rejected" and output == "table":
        click.echo("chatdata sql SOURCE 'from rejects' has record numbers and reasons")


@click.command()
@reads_anywhere
@click.argument("query")
@output_option
def sql(chats: Chats[Any], query: str, output: str) -> None:
    """Run a DuckDB QUERY, one of Spark's SQL with --engine spark.

    Its tables are the frames: conversations, messages, tool_calls, rejects and accounting.
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

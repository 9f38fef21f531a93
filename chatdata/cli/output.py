"""Answers for people, as tables, and for programs, as CSV, JSON or Parquet."""

from __future__ import annotations

import sys
from io import BytesIO
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    import polars as pl

_MOST_ROWS = 100
_NULL = "-"
_READABLE = 20  # characters a column of text needs
_LARGE = 100  # from here on fractions do not matter to people
_KILO = 1000
_UNITS = ("B", "kB", "MB", "GB", "TB")
_MOST_CHARS = 160  # of a text in a table
# What a terminal would obey instead of showing it. Line breaks and tabs are shown as they are.
_CONTROLS = r"[\x00-\x08\x0b-\x1f\x7f-\x9f\x{2028}\x{2029}\x{202a}-\x{202e}\x{2066}-\x{2069}]"

output_option = click.option(
    "--output",
    type=click.Choice(["table", "csv", "json", "parquet"]),
    default="table",
    show_default=True,
    help="How to print the answer.",
)


def emit(
    frame: pl.DataFrame, output: str, *, title: str, shown: pl.DataFrame | None = None
) -> None:
    """Print a frame: as it is for programs, or in another form for people.

    Args:
        frame: the answer.
        output: "table", "csv", "json" (an array of objects) or "parquet".
        title: stands over the table.
        shown: what people see instead of `frame`.
    """
    if output == "table":
        table(frame if shown is None else shown, title=title)
        return
    if output == "parquet" and sys.stdout.isatty():
        raise click.UsageError("Parquet is not for terminals: redirect it, as in > answer.parquet.")
    nested = [name for name, dtype in frame.schema.items() if dtype.is_nested()]
    if output == "csv" and nested:
        raise click.UsageError(f"{nested[0]} holds lists or structs, which CSV cannot: use JSON.")
    # Written whole: Polars reports a reader that left early as an error of its own.
    written = BytesIO()
    getattr(frame, f"write_{output}")(written)
    sys.stdout.buffer.write(written.getbuffer())
    sys.stdout.buffer.flush()


def table(frame: pl.DataFrame, *, title: str, most_rows: int = _MOST_ROWS) -> None:
    """Print a table as wide as the terminal, numbers on the right, and say what it leaves out."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = Console()
    head = frame.head(most_rows)
    cells = _fitting({column.name: _cells(column) for column in head}, console.width)
    shown = Table(
        title=title or None,
        title_style="bold",
        title_justify="left",
        box=SIMPLE_HEAD,
        padding=(0, 1, 0, 0),
    )
    for name in cells:
        numeric = frame.schema[name].is_numeric()
        shown.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in zip(*cells.values(), strict=True):
        shown.add_row(*(Text(cell) for cell in row))
    console.print(shown)
    if frame.is_empty():
        console.print("no rows")
    left_out = [name for name in frame.columns if name not in cells]
    if left_out:
        console.print(f"… {len(left_out)} more columns: {', '.join(left_out)}")
    if frame.height > most_rows:
        console.print(f"… {frame.height - most_rows:,} more rows; --output csv has them all")


def _fitting(cells: dict[str, list[str]], width: int) -> dict[str, list[str]]:
    """Take columns from the left for as long as each can be read; the first is always there."""
    width -= 2
    taken: dict[str, list[str]] = {}
    for name, texts in cells.items():
        width -= 2 + min(_READABLE, max(len(text) for text in [name, *texts]))
        if width < 0 and taken:
            break
        taken[name] = texts
    return taken


def facts(title: str, rows: Iterable[tuple[str, str]]) -> None:
    """Print names and values side by side."""
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(title=title, title_style="bold", title_justify="left", box=None)
    shown.show_header = False
    for name, value in rows:
        shown.add_row(Text(name, style="bold"), Text(value))
    Console().print(shown)


def plain(text: str) -> str:
    """Make a text harmless for a terminal."""
    import polars as pl

    cleaned: str = pl.select(harmless(pl.lit(text))).item()
    return cleaned


def n_bytes(number: float) -> str:
    """Write a size for people."""
    power = next((p for p in range(len(_UNITS) - 1) if number < _KILO ** (p + 1)), len(_UNITS) - 1)
    return f"{number / _KILO**power:,.{min(power, 1)}f} {_UNITS[power]}"


def harmless(text: pl.Expr) -> pl.Expr:
    """Replace what a terminal would obey."""
    return text.str.replace_all(_CONTROLS, "�")


def _cells(column: pl.Series) -> list[str]:
    """Write the values of a column for people; null is a dash."""
    import polars as pl

    if column.dtype == pl.String:
        text = harmless(pl.col(column.name).str.head(_MOST_CHARS).fill_null(_NULL))
        return column.to_frame().select(text).to_series().to_list()
    write = _writer(column)
    return [_NULL if value is None else write(value) for value in column.to_list()]


def _writer(column: pl.Series) -> Callable[[Any], str]:
    name, dtype = column.name, column.dtype
    if dtype.is_float() and ("rate" in name or "share" in name):
        return lambda value: f"{value:.1%}"
    if dtype.is_float():
        return lambda value: f"{value:,.0f}" if abs(value) >= _LARGE else f"{value:,.1f}"
    if dtype.is_integer():
        return lambda value: f"{value:,}"
    return str

"""A frame as a table to be read: rounded, labelled, and never longer than a reader's patience."""

from __future__ import annotations

import re
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl
import polars.selectors as cs
from great_tables import GT, loc, style

if TYPE_CHECKING:
    from collections.abc import Mapping

    from great_tables._text import BaseText

_MINUTE = "%Y-%m-%d %H:%M"
_MISSING = "\N{EN DASH}"
_PERCENT = cs.contains("share", "rate", "survival", "fragility") & cs.float()
_LEAST, _LESS = 0.0005, "<0.1%"
_MOST_ROWS = 25
# JupyterLab's dark theme darkens rows and leaves words as they are.
_ON_WHITE = "#{id} th, #{id} td {{ background-color: #ffffff; color: #333333; }}"


@dataclass(frozen=True)
class Table:
    """A table that is the same every time it is shown: HTML where that is read, else a line."""

    title: str
    html: str
    text: str

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's protocol
        return {"text/html": self.html, "text/plain": self.text}

    def __repr__(self) -> str:
        return self.text


def table(  # noqa: PLR0913 - each is how one thing is shown, all but two by keyword
    frame: pl.DataFrame,
    title: str,
    *,
    note: str = "",
    labels: Mapping[str, str] | None = None,
    decimals: Mapping[str, int] | None = None,
    most: int = _MOST_ROWS,
    empty: str = "The log has nothing of this kind.",
) -> Table:
    """Show a frame; counts get separators, shares become percent, what is unknown a dash.

    A frame without rows is no table but a sentence.

    Args:
        frame: what to show, in its order.
        title: what it shows; tables of one page have different titles.
        note: what a reader must know, under the table.
        labels: headings, instead of the columns' names in words.
        decimals: how many a column shows, instead of one.
        most: how many rows are shown; how many are not is said.
        empty: what is said where there is no row.
    """
    if frame.is_empty():
        html = f"<p><b>{escape(title)}.</b> {escape(empty)}</p>"
        return Table(title, html, f"{title}. {empty}")
    shown, left_out = frame.head(most), len(frame) - most
    notes = [f"and {left_out:,} more rows" if left_out > 0 else "", note]
    headings: dict[str, str | BaseText] = {name: _heading(name) for name in frame.columns}
    headings.update({name: label for name, label in (labels or {}).items() if name in headings})
    drawn = (
        GT(shown.with_columns(_times()), id=_slug(title))
        .tab_header(title)
        .cols_label(headings)
        .fmt_integer(cs.integer())
        .fmt_number(cs.float() - _PERCENT, decimals=1, drop_trailing_zeros=True)
        .fmt_percent(_PERCENT, decimals=1)
        .sub_small_vals(_PERCENT, threshold=_LEAST, small_pattern=_LESS)
        .sub_missing(missing_text=_MISSING)
        .tab_style(style.text(align="left"), loc.title())
        .tab_options(
            table_font_size="13px",
            heading_title_font_size="15px",
            data_row_padding="4px",
            table_margin_left="0",
        )
        .opt_css(_ON_WHITE.format(id=_slug(title)))
    )
    for name, places in (decimals or {}).items():
        if name in headings:
            least = 10**-places
            drawn = drawn.fmt_number(name, decimals=places).sub_small_vals(
                name, threshold=least / 2, small_pattern=f"<{least:.{places}f}"
            )
    for line in filter(None, notes):
        drawn = drawn.tab_source_note(line)
    n_rows = f"{len(frame):,} row{'' if len(frame) == 1 else 's'}"
    words = "; ".join(filter(None, [f"{title}: {n_rows}", *notes]))
    return Table(title, drawn.as_raw_html(), words)


def known(frame: pl.DataFrame) -> pl.DataFrame:
    """Leave out the columns in which nothing is known of any row; users, where none is known."""
    nobody = "n_users" in frame.columns and not frame["n_users"].sum()
    told = frame.drop("n_users") if nobody else frame
    return told.select(column for column in told if column.null_count() < len(column))


def _times() -> tuple[pl.Expr, pl.Expr]:
    """Write days as they are and moments to the minute."""
    return (cs.temporal() - cs.datetime()).cast(pl.String), cs.datetime().dt.strftime(_MINUTE)


def _heading(name: str) -> str:
    words = name.removeprefix("n_").replace("_", " ")
    return re.sub(r" s$", " (s)", words)


def _slug(title: str) -> str:
    return "t-" + re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")

"""How complete a log is."""

from __future__ import annotations

import altair as alt
import polars as pl

from chatdata.notebook.chart import BLUE, Chart, finished

_WIDTH, _ROW = 88, 17
_TITLES = {"conversations": "conversations", "messages": "messages", "tool_calls": "tool calls"}


def completeness(columns: pl.DataFrame) -> Chart:
    """Draw `completeness`: for each frame its columns, and in how many rows each is filled."""
    filled = columns.with_columns(
        share=pl.col("share").fill_null(0.0),
        words=pl.format("{}: {} of {}", "column", "n_present", "n_rows"),
    )
    frames = [_frame(filled.filter(frame=frame), title) for frame, title in _TITLES.items()]
    n_empty = columns.filter(pl.col("n_present") == 0).height
    return finished(
        alt.hconcat(*frames, spacing=24),
        "How much of each column the log fills",
        f"share of rows with a value; {len(columns) - n_empty} of {len(columns)} columns hold any",
    )


def _frame(columns: pl.DataFrame, title: str) -> alt.LayerChart | alt.FacetChart:
    order = columns["column"].to_list()
    heading = f"{title}, n = {columns['n_rows'][0]:,}"
    base = alt.Chart(columns.select("column", "share", "words")).encode(
        alt.Y("column:N", title=None, sort=order).axis(ticks=False, labelFontSize=11, domain=False),
        alt.Description("words:N"),
        alt.Tooltip("words:N", title=None),
    )
    share = alt.X("share:Q", title=heading).scale(domain=[0, 1])
    share = share.axis(orient="top", format=".0%", values=[0, 0.5, 1], labelFontSize=11)
    whole = base.mark_bar(color="#eef1f4", size=_ROW - 6).encode(alt.X(datum=0), alt.X2(datum=1))
    bars = base.mark_bar(color=BLUE, size=_ROW - 6).encode(share)
    return alt.layer(whole, bars).properties(width=_WIDTH, height=_ROW * len(columns))

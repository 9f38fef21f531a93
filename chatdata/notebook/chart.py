"""One chart as every reader wants it: interactive, as a picture, and in words."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass
from hashlib import sha256
from typing import TYPE_CHECKING, Any

import altair as alt
import polars as pl
import vl_convert

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.analysis.periods import Every

# JupyterLab draws version 5; what altair 6 writes for our charts is valid in both.
VEGALITE_5 = "https://vega.github.io/schema/vega-lite/v5.20.1.json"

# Okabe and Ito's colours, which colour-blind readers can tell apart.
BLUE, VERMILLION, GREEN, ORANGE = "#0072B2", "#D55E00", "#009E73", "#E69F00"
SKY, PURPLE, YELLOW, GREY = "#56B4E9", "#CC79A7", "#F0E442", "#999999"
COLOURS = (BLUE, VERMILLION, GREEN, ORANGE, SKY, PURPLE, GREY, YELLOW)

WIDTH, ROW = 560, 24
_LENGTHS = {"day": "1d", "week": "1w", "month": "1mo", "year": "1y"}
_MOST_DAYS = {"day": 31, "week": 2 * 365, "month": 10 * 365}
_MOST_TICKS = 6
_MOST_POWERS = 9
_FEW = 5
_NUMBER = "datum.value < 1 ? '' + datum.value : format(datum.value, ',.0f')"

_FONT = "Liberation Sans, Arial, Helvetica, sans-serif"
# Two versions of one font kern "11" differently. Pictures are laid out with a font that no machine
# has, for which vl-convert allows each letter a little more than Arial's mean width; so they are
# the same everywhere, and nothing is cut.
_NO_FONT = "chatdata-has-no-font"
INK, _SOFT, _FAINT = "#222222", "#555555", "#e4e4e4"
_CONFIG: dict[str, Any] = {
    "font": _FONT,
    "background": "white",
    "padding": 14,
    "view": {"stroke": None},
    "range": {"category": list(COLOURS)},
    "title": {
        "anchor": "start",
        "frame": "bounds",
        "color": INK,
        "fontSize": 15,
        "subtitleColor": _SOFT,
        "subtitleFontSize": 12,
        "subtitlePadding": 5,
        "offset": 14,
    },
    "axis": {
        "labelColor": INK,
        "titleColor": _SOFT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "titlePadding": 10,
        "labelLimit": 240,
        "gridColor": _FAINT,
        "domainColor": "#bbbbbb",
        "tickColor": "#bbbbbb",
    },
    "header": {"labelColor": INK, "labelFontSize": 12, "titleColor": _SOFT},
    "legend": {
        "orient": "top",
        "labelColor": INK,
        "titleColor": _SOFT,
        "labelFontSize": 12,
        "titleFontSize": 12,
        "titleFontWeight": "normal",
        "labelLimit": 240,
        "symbolType": "square",
    },
}


@dataclass(frozen=True)
class Chart:
    """A drawn chart: JupyterLab shows it alive, exported pages as SVG, everything else as text.

    Pictures have a white ground of their own, so they read the same in light and dark themes.
    """

    spec: dict[str, Any]
    text: str

    def svg(self) -> str:
        """Draw the chart; ids in it are its own, so that pictures can share a page."""
        spec = {**self.spec, "config": {**self.spec["config"], "font": _NO_FONT}}
        drawn: str = vl_convert.vegalite_to_svg(spec).replace(_NO_FONT, _FONT)
        digest = sha256(json.dumps(self.spec, sort_keys=True).encode()).hexdigest()[:8]
        # vl-convert numbers ids through all that a process has drawn.
        for place, found in enumerate(dict.fromkeys(re.findall(r' id="([^"]+)"', drawn))):
            drawn = re.sub(
                rf'(id="|url\(#){re.escape(found)}(?=["\)])', rf"\1c{digest}-{place}", drawn
            )
        return drawn

    def _repr_mimebundle_(self, include: object = None, exclude: object = None) -> dict[str, Any]:  # noqa: ARG002 - IPython's protocol
        return {
            "application/vnd.vegalite.v5+json": {**self.spec, "$schema": VEGALITE_5},
            "image/svg+xml": self.svg(),
            "text/plain": self.text,
        }

    def __repr__(self) -> str:
        return self.text


def finished(chart: alt.TopLevelMixin, title: str, *notes: str, text: str = "") -> Chart:
    """Give a chart its title, notes under it, and the look that all of ours share."""
    heading = {"text": title, "subtitle": [note for note in notes if note]}
    spec = {**chart.properties(title=heading).to_dict(), "config": _CONFIG}
    return Chart(
        spec, " ".join([f"{title}.", *(f"{note}." for note in notes if note), text]).strip()
    )


def nothing(title: str, why: str) -> Chart:
    """Say in place of a chart why there is none."""
    words = alt.Chart(pl.DataFrame({"why": [why]})).mark_text(
        align="left", baseline="middle", color=_SOFT, fontSize=13, x=0
    )
    drawn = words.encode(text="why:N").properties(width=560, height=30)
    return finished(drawn, title, text=f"{why}.")


def listed(frame: pl.DataFrame, unit: str = "") -> str:
    """Say the two columns of a frame in words: "add_task 251, list_tasks 222."."""
    words = frame.select(pl.concat_str(*frame.columns, separator=" ") + unit).to_series()
    return f"{', '.join(words)}."


def when(frame: pl.DataFrame) -> alt.X:
    """Put the periods of `layers` on the x axis, with ticks where they begin."""
    begins = frame["begins"].unique().sort()
    ticks = begins.gather_every(-(-len(begins) // _MOST_TICKS)).to_list()
    return alt.X("begins:T", title=None).scale(type="utc").axis(format="%d %b %y", values=ticks)


def whole(counts: pl.Series, n_ticks: int = 8) -> alt.Axis:
    """Give the axis of some counts, which has no halves where they are few."""
    most = max(counts, default=0)
    if most < _FEW:
        return alt.Axis(values=list(range(most + 1)), format="d")
    return alt.Axis(tickCount=n_ticks)


def fitting(periods: pl.DataFrame, every: Every, *by: str) -> tuple[pl.DataFrame, str]:
    """Put days together to weeks, months or years, whichever a picture can show; say which.

    Weeks stay weeks: no month is made of them.
    """
    if every == "week":
        return periods, every
    days = periods["period"]
    n_days = (days.max() - days.min()).days if len(days) else 0  # type: ignore[operator, union-attr] # both are dates
    unit = next((unit for unit, most in _MOST_DAYS.items() if n_days <= most), "year")
    grown = (
        periods.with_columns(pl.col("period").dt.truncate(_LENGTHS[unit]))
        .group_by("period", *by)
        .agg(pl.selectors.integer().sum())
    )
    return grown.sort("period", *by, nulls_last=True), unit


def layers(periods: pl.DataFrame, unit: str, names: Mapping[str, str], *by: str) -> pl.DataFrame:
    """Make columns of counts the layers of a chart over time, one row each.

    The ends of periods are milliseconds, which mean the same in every zone; `words` says what a
    bar is, to those who point at it and those who cannot see it.
    """

    def milliseconds(day: pl.Expr) -> pl.Expr:
        return day.cast(pl.Datetime("ms")).dt.epoch("ms")

    return (
        periods.rename(dict(names))
        .unpivot(list(names.values()), index=["period", *by], variable_name="what", value_name="n")
        .with_columns(
            begins=milliseconds(pl.col("period")),
            ends=milliseconds(pl.col("period").dt.offset_by(_LENGTHS[unit])),
            words=pl.format("{} of {}: {} {}", pl.lit(unit), "period", "n", "what"),
        )
        .drop("period")
    )


def thinned(points: pl.DataFrame, most: int) -> pl.DataFrame:
    """Keep no more points of a curve than a picture can show, the last among them."""
    step = -(-len(points) // most) if len(points) else 1
    return points.filter(
        (pl.int_range(pl.len()) % step == 0) | (pl.int_range(pl.len()) == pl.len() - 1)
    )


def powers(column: str, title: str, most: float, *, least: float = 1.0) -> alt.X:
    """Put numbers from 0 on a scale of powers that tells those above `least` apart."""
    first, last = (math.floor(math.log10(max(each, least))) for each in (least, most))
    ticks = [factor * 10.0**power for power in range(first, last + 1) for factor in (1, 2, 5)]
    inside = [tick for tick in ticks if tick <= most]
    # No more of them than can be read beside each other.
    shown = inside if len(inside) <= _MOST_POWERS else inside[::3]
    return (
        alt.X(column, title=title)
        .scale(type="symlog", constant=least)
        .axis(values=[0, *shown], labelExpr=_NUMBER)
    )

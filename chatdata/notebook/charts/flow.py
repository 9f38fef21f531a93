"""What leads where, as ribbons from each tool to the next."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import altair as alt
import polars as pl

from chatdata.notebook.chart import COLOURS, INK, Chart, finished, nothing

if TYPE_CHECKING:
    from collections.abc import Iterator

_MOST_TOOLS = 7
_REST = "(other tools)"
# A gap has room for a line of text, so that the names of the rarest do not meet.
_WIDTH, _HEIGHT, _GAP, _BAR = 360, 340.0, 14.0, 12
# So many points of a ribbon make a curve for the eye.
_POINTS = 9
_SIDES: tuple[tuple[str, int, Literal["left", "right"]], ...] = (
    ("name", 0, "right"),
    ("next_name", 1, "left"),
)


def flow(pairs: pl.DataFrame) -> Chart:
    """Draw `tool_transitions` as ribbons; a ribbon is as wide as its pair is frequent."""
    title = "From one call to the next"
    if pairs.is_empty():
        return nothing(title, "No call follows another")
    names = _names(pairs)
    places = _placed(_gathered(pairs, names))
    colours = alt.Color("name:N", legend=None).scale(domain=names, range=list(COLOURS))
    ribbons = (
        alt.Chart(_curves(places))
        .mark_area(opacity=0.6, interpolate="monotone")
        .encode(
            alt.X("x:Q", axis=None).scale(domain=[0, 1], nice=False),
            alt.Y("top:Q", axis=None).scale(domain=[0, _HEIGHT], reverse=True, nice=False),
            alt.Y2("bottom:Q"),
            alt.Detail("words:N"),
            colours,
            alt.Description("words:N"),
            alt.Tooltip("words:N", title=None),
        )
    )
    most = pairs.sort("n_transitions", "name", "next_name", descending=[True, False, False])
    first, then, times = most.select("name", "next_name", "n_transitions").row(0)
    drawn = alt.layer(ribbons, *_ends(places, colours)).properties(width=_WIDTH, height=_HEIGHT)
    return finished(
        drawn,
        title,
        "on the left a call, on the right the one after it in the same conversation",
        f"n = {pairs['n_transitions'].sum():,} pairs of calls",
        text=f"Most often {then} after {first}: {times:,}.",
    )


def _names(pairs: pl.DataFrame) -> list[str]:
    """Name the busiest tools, busiest first, and all others as one."""
    n = pl.col("n_transitions")
    sides = [pairs.select(pl.col(side).alias("name"), n) for side, *_ in _SIDES]
    tools = pl.concat(sides).group_by("name").agg(n.sum())
    busiest = tools.sort("n_transitions", "name", descending=[True, False])["name"]
    return [*busiest.head(_MOST_TOOLS), _REST]


def _gathered(pairs: pl.DataFrame, names: list[str]) -> pl.DataFrame:
    """Count the pairs of these names, in their order."""
    named = [
        pl.when(pl.col(side).is_in(names))
        .then(side)
        .otherwise(pl.lit(_REST))
        .cast(pl.Enum(names))
        .alias(side)
        for side, *_ in _SIDES
    ]
    return pairs.group_by(*named).agg(n=pl.col("n_transitions").sum())


def _placed(counts: pl.DataFrame) -> pl.DataFrame:
    """Give each pair its width, and how far down it begins on both sides."""
    n_gaps = max(counts[side].n_unique() for side, *_ in _SIDES) - 1
    room = _HEIGHT - _GAP * n_gaps
    placed = counts.with_columns(width=room * pl.col("n") / pl.col("n").sum())
    for side, other in (("name", "next_name"), ("next_name", "name")):
        above = pl.col("width").cum_sum() - pl.col("width") + pl.col(side).rle_id() * _GAP
        placed = placed.sort(side, other).with_columns(above.alias(f"{side}_at"))
    return placed.sort("name", "next_name")


def _curves(places: pl.DataFrame) -> pl.DataFrame:
    """Follow each ribbon from left to right, along a curve that is level at both ends."""
    x = pl.select(x=pl.int_range(_POINTS) / (_POINTS - 1))
    bend = 3 * pl.col("x") ** 2 - 2 * pl.col("x") ** 3
    top = pl.col("name_at") + (pl.col("next_name_at") - pl.col("name_at")) * bend
    return places.join(x, how="cross").select(
        "name",
        pl.format("{} → {}: {}", "name", "next_name", "n").alias("words"),
        pl.col("x").round(3),
        top=top.round(1),
        bottom=(top + pl.col("width")).round(1),
    )


def _ends(places: pl.DataFrame, colours: alt.Color) -> Iterator[alt.Chart]:
    """Draw the tools of both sides: a bar, and its name with how often it stands there."""
    for side, x, align in _SIDES:
        at = pl.col(f"{side}_at")
        tools = (
            places.group_by(pl.col(side).alias("name"))
            .agg(top=at.min(), bottom=(at + pl.col("width")).max(), n=pl.col("n").sum())
            .sort("name")
            .with_columns(
                middle=(pl.col("top") + pl.col("bottom")) / 2,
                label=pl.format("{} {}", "name", "n"),
            )
        )
        base = alt.Chart(tools).encode(alt.X(datum=x))
        yield base.mark_rect(width=_BAR).encode(alt.Y("top:Q"), alt.Y2("bottom:Q"), colours)
        shift = -_BAR if align == "right" else _BAR
        yield base.mark_text(align=align, dx=shift, color=INK, fontSize=12, limit=220).encode(
            alt.Y("middle:Q"), alt.Text("label:N")
        )

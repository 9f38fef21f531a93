"""One conversation as it went: who spoke when, and which tools ran meanwhile."""

from __future__ import annotations

from typing import TYPE_CHECKING

import altair as alt
import polars as pl

from chatdata import schema
from chatdata.notebook.chart import (
    BLUE,
    GREEN,
    GREY,
    ORANGE,
    ROW,
    SKY,
    VERMILLION,
    WIDTH,
    Chart,
    finished,
    nothing,
    thinned,
)

if TYPE_CHECKING:
    from chatdata.chats import Chats

_MOST_MARKS = 600
_PAUSE_S = 300.0
_MOST_TOOLS = 12
_REST = "(other tools)"
_COLOURS = {
    "message": BLUE,
    "call": SKY,
    "ok": GREEN,
    "failed": VERMILLION,
    "stopped by a person": ORANGE,
    "not known": GREY,
}
_ENDED = {
    "ok": "ok",
    **dict.fromkeys(("error", "timeout"), "failed"),
    **dict.fromkeys(("denied", "cancelled"), "stopped by a person"),
    **dict.fromkeys(("no_result", "unknown"), "not known"),
}


def timeline(chats: Chats[pl.LazyFrame], conversation_id: str) -> Chart:
    """Draw the messages and calls of one conversation, a lane for each role and tool.

    Where no message has a time, they stand in their order.
    """
    title = "One conversation from beginning to end"
    own = pl.col("conversation_id") == conversation_id
    is_counted = pl.col("is_main_path") & pl.col("kind").is_in(["chat", "tool_result"])
    messages = chats.messages.filter(own, is_counted).sort("position", "message_id").collect()
    calls = chats.tool_calls.filter(own).sort("message_id", "position").collect()
    timed = messages["created_at"].count() > 0
    placed = _marks(messages, calls)
    marks = _without_pauses(placed) if timed else placed
    if marks.is_empty():
        return nothing(title, "The conversation has no message whose place is known")
    drawn = thinned(marks, _MOST_MARKS).sort("rank", "lane", "at", "words")
    present = [name for name in _COLOURS if name in drawn["what"]]
    lane = alt.Y("lane:N", title=None, sort=drawn["lane"].unique(maintain_order=True).to_list())
    unit = (
        f"seconds since the first, of each stretch without anything {_PAUSE_S:.0f} at most"
        if timed
        else "message, in order: no message has a time"
    )
    base = alt.Chart(drawn.drop("rank")).encode(
        alt.X("at:Q", title=unit).axis(grid=False),
        lane,
        alt.Color("what:N", title=None).scale(
            domain=present, range=[_COLOURS[name] for name in present]
        ),
        alt.Tooltip("words:N", title=None),
        alt.Description("words:N"),
    )
    ticks = base.mark_tick(thickness=2, size=ROW * 0.6, opacity=1)
    spans = base.mark_bar(size=ROW * 0.4, opacity=1).encode(alt.X2("until:Q"))
    n_lanes = drawn["lane"].n_unique()
    left_out = len(messages) + len(calls) - len(drawn)
    return finished(
        (spans + ticks).properties(width=WIDTH, height=ROW * n_lanes),
        title,
        f"n = {len(messages):,} messages and {len(calls):,} calls",
        f"not drawn: {left_out:,} of them" if left_out else "",
        text=f"{n_lanes} lanes: {', '.join(drawn['lane'].unique(maintain_order=True))}.",
    )


def _marks(messages: pl.DataFrame, calls: pl.DataFrame) -> pl.DataFrame:
    """Give each message and call its lane, and its place in seconds or in messages."""
    first = messages["created_at"].min()
    seconds = [
        (pl.col(name) - pl.lit(first, schema.TIME)).dt.total_microseconds() / 1e6
        for name in ("created_at", "started_at", "ended_at")
    ]
    place = pl.col("position").cast(pl.Float64) if first is None else seconds[0]
    said = messages.select(
        "message_id",
        at=place,
        until=place,
        rank=pl.lit(0),
        lane="role",
        what=pl.lit("message"),
        words=pl.format("{}, {} characters", "role", pl.col("n_chars").fill_null(0)),
    )
    name = pl.col("name").fill_null("(no name)")
    busiest = calls.select(name.value_counts(sort=True).struct.field("name"))["name"]
    ended = pl.col("status").replace_strict(_ENDED, return_dtype=pl.String)
    made = calls.join(said.select("message_id", place="at"), on="message_id", how="left").select(
        "message_id",
        at=pl.coalesce(seconds[1] if first is not None else pl.lit(None), "place"),
        until=pl.coalesce(seconds[2] if first is not None else pl.lit(None), "place"),
        rank=pl.lit(1),
        lane=pl.when(name.is_in(busiest.head(_MOST_TOOLS).to_list()))
        .then(pl.format("{}()", name))
        .otherwise(pl.lit(_REST)),
        what=ended,
        words=pl.format("{}: {}", name, "status"),
    )
    both = pl.concat([said, made], how="vertical_relaxed").drop("message_id")
    return both.drop_nulls("at").sort("at", "rank", "lane", "words")


def _without_pauses(marks: pl.DataFrame) -> pl.DataFrame:
    """Shorten each stretch in which nothing begins or ends, so that the rest can be seen."""
    moments = pl.concat([marks["at"], marks["until"].drop_nulls()]).unique().sort()
    gaps = moments.diff().fill_null(0.0).clip(0.0, _PAUSE_S)
    shortened = gaps.cum_sum().round(3)
    return marks.with_columns(
        pl.col(name).replace_strict(moments, shortened, default=None) for name in ("at", "until")
    )

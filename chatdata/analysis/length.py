"""How long conversations are, by every definition of `docs/metrics.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.endings import running
from chatdata.analysis.rows import (
    conversation_ids,
    counted,
    is_answer,
    is_prompt,
    tally,
    total,
)

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_length", "length_distribution", "length_histogram"]

ACTIVE_CAP_S = 300.0
_ORDER = ("position", "message_id")
_COUNTS = ("n_messages", "n_prompts", "n_tool_calls", "turns_role_switch", "turns_speaker")
_QUANTILES = {
    "p10": 0.1,
    "p25": 0.25,
    "p50": 0.5,
    "p75": 0.75,
    "p90": 0.9,
    "p95": 0.95,
    "p99": 0.99,
}


def conversation_length(chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S) -> Frame:
    """Measure each conversation by every definition of length.

    Args:
        chats: what to measure.
        active_cap_s: the most seconds that one gap adds to `duration_active_s`.

    Returns:
        One row per conversation, by id, those without messages and those that only messages or
        calls name among them: `conversation_id` (str), `n_messages`, `n_prompts`,
        `n_generations` (null where no answer names its generation, and throughout a log whose
        answers never do), `n_tool_calls`,
        `turns_prompt`, `turns_generation` (null as before), `turns_exchange`,
        `turns_role_switch`, `turns_speaker` (i64), `n_chars` (i64, code points, null where
        messages have no text), `duration_wall_s`, `duration_active_s` (f64, seconds, null with
        fewer than two timed messages or where time runs backwards).
    """
    return (
        conversation_ids(chats)
        .join(_lengths(counted(chats)), on="conversation_id", how="left")
        .join(_calls(chats), on="conversation_id", how="left")
        .join(_durations(counted(chats), active_cap_s), on="conversation_id", how="left")
        .join(_told(chats), how="cross")
        .with_columns(nw.col(*_COUNTS).fill_null(0), n_answers=nw.col("n_answers").fill_null(0))
        .with_columns(
            n_generations=nw.when(
                nw.col("n_answers") == 0,
                (nw.col("n_named") > 0) | (nw.col("n_log_answers").fill_null(0) == 0),
            )
            .then(nw.lit(0).cast(nw.Int64))
            .otherwise(nw.when(nw.col("n_generations") > 0).then(nw.col("n_generations"))),
            n_chars=nw.when(nw.col("n_messages") == 0)
            .then(nw.lit(0).cast(nw.Int64))
            .otherwise(nw.when(nw.col("n_texts") > 0).then(nw.col("n_chars"))),
        )
        .select(
            "conversation_id",
            "n_messages",
            "n_prompts",
            "n_generations",
            "n_tool_calls",
            turns_prompt=nw.col("n_prompts"),
            turns_generation=nw.col("n_generations"),
            turns_exchange=nw.col("n_messages") // 2,
            turns_role_switch=nw.col("turns_role_switch"),
            turns_speaker=nw.col("turns_speaker"),
            n_chars=nw.col("n_chars"),
            duration_wall_s=nw.col("duration_wall_s"),
            duration_active_s=nw.col("duration_active_s"),
        )
        .sort("conversation_id")
        .to_native()
    )


def _told(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Count, in one row, the log's answers and the messages that name their generation."""
    return nw.from_native(chats.messages).select(
        n_named=nw.col("generation_id").count().cast(nw.Int64),
        n_log_answers=tally(is_answer()).sum().cast(nw.Int64),
    )


def length_distribution(chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S) -> pl.DataFrame:
    """Summarise each length over all finished conversations, with exact quantiles.

    Conversations that the end of the log cut in the middle of a turn are left out and counted.

    Args:
        chats: what to measure.
        active_cap_s: as in `conversation_length`.

    Returns:
        One row per length, in the order of `conversation_length`: `metric` (str),
        `n_conversations` (i64, with a value), `n_unknown` (i64, finished, without one),
        `n_running` (i64, left out), `mean`, `min`, `p10`, `p25`, `p50`, `p75`, `p90`, `p95`,
        `p99`, `max` (f64, linear between neighbours, null without conversations).
    """
    lengths, n_running = _finished(chats, active_cap_s)
    values = lengths.unpivot(variable_name="metric").group_by("metric", maintain_order=True)
    value = pl.col("value")
    return values.agg(
        value.count().cast(pl.Int64).alias("n_conversations"),
        value.null_count().cast(pl.Int64).alias("n_unknown"),
        pl.lit(n_running, pl.Int64).alias("n_running"),
        value.mean().alias("mean"),
        value.min().alias("min"),
        *(value.quantile(q, "linear").alias(name) for name, q in _QUANTILES.items()),
        value.max().alias("max"),
    )


def length_histogram(chats: Chats[Frame], *, active_cap_s: float = ACTIVE_CAP_S) -> pl.DataFrame:
    """Count finished conversations in bins of each length that double in width.

    Returns:
        One row per length and bin, bins without conversations between others included:
        `metric` (str), `low` and `high` (f64, low <= length < high; the first bin is 0 to 1),
        `n_conversations` (i64), `share` (f64, of those with a value), `share_up_to` (f64, shorter
        than `high`: the cumulative share).
    """
    lengths, _ = _finished(chats, active_cap_s)
    values = lengths.unpivot(variable_name="metric").drop_nulls()
    edges = pl.Series("high", [2.0**power for power in range(63)])
    bins = (
        values.with_columns(bin=edges.search_sorted(values["value"], side="right").cast(pl.Int64))
        .group_by("metric", "bin")
        .agg(pl.len().cast(pl.Int64).alias("n_conversations"))
    )
    spans = bins.group_by("metric").agg(
        pl.int_ranges(pl.col("bin").min(), pl.col("bin").max() + 1).first().alias("bin")
    )
    n = pl.col("n_conversations")
    return (
        pl.DataFrame({"metric": lengths.columns})
        .join(spans.explode("bin"), on="metric", maintain_order="left_right")
        .join(bins, on=["metric", "bin"], how="left", maintain_order="left")
        .sort(pl.col("metric").cast(pl.Enum(lengths.columns)), "bin")
        .select(
            "metric",
            low=pl.when(pl.col("bin") == 0).then(0.0).otherwise(2.0 ** (pl.col("bin") - 1)),
            high=2.0 ** pl.col("bin").cast(pl.Float64),
            n_conversations=n.fill_null(0),
            share=n.fill_null(0) / n.sum().over("metric"),
            share_up_to=n.fill_null(0).cum_sum().over("metric") / n.sum().over("metric"),
        )
    )


def _finished(chats: Chats[Frame], active_cap_s: float) -> tuple[pl.DataFrame, int]:
    """Give the lengths of finished conversations as floats, and how many are not finished."""
    lengths = nw.from_native(conversation_length(chats, active_cap_s=active_cap_s))
    cut = running(chats).with_columns(running=nw.lit(1))
    marked = lengths.join(cut, on="conversation_id", how="left").drop("conversation_id")
    rows = marked.select(nw.all().cast(nw.Float64)).collect("polars").to_polars()
    n_running = int(rows["running"].count())
    return rows.filter(pl.col("running").is_null()).drop("running"), n_running


def _lengths(rows: nw.LazyFrame[Frame]) -> nw.LazyFrame[Frame]:
    previous = nw.col("role").shift(1).over("conversation_id", order_by=_ORDER)
    return (
        rows.with_columns(previous=previous)
        .select(
            "conversation_id",
            "n_chars",
            n_prompts=tally(is_prompt()),
            n_answers=tally(is_answer()),
            n_texts=tally(~nw.col("n_chars").is_null()),
            generation=nw.when(is_answer()).then(nw.col("generation_id")),
            unnamed=tally(~is_answer() | nw.col("generation_id").is_null()),
            turns_role_switch=tally(
                (nw.col("role") == "assistant") & (nw.col("previous") == "user")
            ),
            turns_speaker=tally(
                nw.col("previous").is_null() | (nw.col("role") != nw.col("previous"))
            ),
        )
        .group_by("conversation_id")
        .agg(
            nw.len().cast(nw.Int64).alias("n_messages"),
            *(total(name) for name in ("n_prompts", "n_answers", "n_texts", "n_chars")),
            total("turns_role_switch"),
            total("turns_speaker"),
            # A null among the ids counts as one more of them.
            (nw.col("generation").n_unique().cast(nw.Int64) - nw.col("unnamed").max()).alias(
                "n_generations"
            ),
        )
    )


def _calls(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    calls = nw.from_native(chats.tool_calls)
    return calls.group_by("conversation_id").agg(n_tool_calls=nw.len().cast(nw.Int64))


def _durations(rows: nw.LazyFrame[Frame], cap_s: float) -> nw.LazyFrame[Frame]:
    """Sum the gaps between consecutive timed messages; uncapped, they add up to last - first."""
    timed = rows.filter(~nw.col("created_us").is_null())
    previous = nw.col("created_us").shift(1).over("conversation_id", order_by=_ORDER)
    cap_us = round(cap_s * 1e6)
    return (
        timed.with_columns(gap=nw.col("created_us") - previous)
        .filter(~nw.col("gap").is_null())
        .with_columns(
            capped=nw.when(nw.col("gap") < cap_us).then(nw.col("gap")).otherwise(nw.lit(cap_us))
        )
        .group_by("conversation_id")
        .agg(total("gap"), total("capped"))
        .with_columns(capped=nw.when(nw.col("gap") >= 0).then(nw.col("capped")))
        .select(
            "conversation_id",
            duration_wall_s=nw.when(nw.col("gap") >= 0).then(nw.col("gap") / 1e6),
            duration_active_s=nw.when(nw.col("capped") >= 0).then(nw.col("capped") / 1e6),
        )
    )

"""How long conversations are, by every definition of `docs/metrics.md`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw

from chatdata.analysis.order import with_shifted
from chatdata.analysis.rows import (
    IN_ORDER,
    conversation_ids,
    counted,
    gaps,
    is_answer,
    is_prompt,
    tally,
    total,
)

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_length"]

ACTIVE_CAP_S = 300.0
_COUNTS = ("n_messages", "n_prompts", "n_tool_calls", "turns_role_switch", "turns_speaker")


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
    return measured(chats, active_cap_s).sort("conversation_id").to_native()


def measured(chats: Chats[Frame], active_cap_s: float) -> nw.LazyFrame[Frame]:
    """Give what `conversation_length` gives, in no order."""
    return (
        conversation_ids(chats)
        .join(_lengths(counted(chats)), on="conversation_id", how="left")
        .join(_calls(chats), on="conversation_id", how="left")
        .join(_durations(chats, active_cap_s), on="conversation_id", how="left")
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
    )


def _told(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Count, in one row, the log's answers and the messages that name their generation."""
    return nw.from_native(chats.messages).select(
        n_named=nw.col("generation_id").count().cast(nw.Int64),
        n_log_answers=tally(is_answer()).sum().cast(nw.Int64),
    )


def _lengths(rows: nw.LazyFrame[Frame]) -> nw.LazyFrame[Frame]:
    before = {"previous": ("role", 1)}
    return (
        with_shifted(rows, before, by=["conversation_id"], order=IN_ORDER)
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


def _durations(chats: Chats[Frame], cap_s: float) -> nw.LazyFrame[Frame]:
    """Sum the gaps between consecutive timed messages; uncapped, they add up to last - first."""
    cap_us, gap = round(cap_s * 1e6), nw.col("gap_us")
    return (
        gaps(chats)
        .select(
            "conversation_id",
            gap=gap,
            capped=nw.when(gap < cap_us).then(gap).otherwise(nw.lit(cap_us)),
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

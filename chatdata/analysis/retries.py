"""What happens after a call: tried again, repeated, recovered from."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.likeness import CHANGED, EXACT, NEAR, likeness
from chatdata.analysis.order import with_shifted
from chatdata.analysis.rates import enough, share, wilson_high, wilson_low
from chatdata.analysis.rows import tally, total
from chatdata.analysis.sequence import ORDER, sequenced

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_recovery", "tool_repeats"]

_SAME_TOOL = ("conversation_id", "turn", "name")


def tool_repeats(chats: Chats[Frame]) -> pl.DataFrame:
    """Count calls whose predecessor of the same tool in the same turn was much like them.

    A retry follows an error, a repeat anything else. Arguments are the same as JSON (exact), differ
    in at most 15 % of their words (near), or differ (changed).

    Returns:
        One row per tool, most called first: `name` (str), `n_tool_calls` (i64, on the main path),
        `n_retries`, `n_retries_exact`, `n_retries_near`, `n_retries_changed`, `n_repeats`,
        `n_repeats_exact`, `n_repeats_near`, `n_repeats_changed` (i64).
    """
    calls = (
        sequenced(chats)
        .group_by("name")
        .agg(n_tool_calls=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    again = _again(chats)
    counts = again.group_by("name").agg(
        count
        for kind, of_kind in (("retries", pl.col("failed") > 0), ("repeats", pl.col("failed") == 0))
        for count in (
            of_kind.sum().cast(pl.Int64).alias(f"n_{kind}"),
            *(
                (of_kind & (pl.col("likeness") == level))
                .sum()
                .cast(pl.Int64)
                .alias(f"n_{kind}_{level}")
                for level in (EXACT, NEAR, CHANGED)
            ),
        )
    )
    return (
        calls.join(counts, on="name", how="left")
        .with_columns(pl.exclude("name").fill_null(0))
        .sort("n_tool_calls", "name", descending=[True, False])
    )


def tool_recovery(chats: Chats[Frame], *, min_n: int = 20) -> pl.DataFrame:
    """Say how often an error is followed by a success of the same tool within its turn.

    Returns:
        One row per tool that failed on the main path, most errors first: `name` (str),
        `n_errors`, `n_tried_again` (i64, the tool was called again in the turn), `n_recovered`
        (i64, and once it succeeded), `recovery_rate`, `recovery_rate_low`, `recovery_rate_high`
        (f64, of the errors, with the Wilson 95 % interval, null below `min_n` errors).
    """
    last = {
        "last": nw.col("order").max().over(*_SAME_TOOL),
        "last_ok": nw.col("ok_order").max().over(*_SAME_TOOL),
    }
    counts = (
        sequenced(chats)
        .with_columns(ok_order=nw.when(nw.col("is_ok") == 1).then(nw.col("order")))
        .with_columns(**last)
        .filter(nw.col("is_error") == 1)
        .with_columns(
            n_tried_again=tally(nw.col("last") > nw.col("order")),
            n_recovered=tally(nw.col("last_ok") > nw.col("order")),
        )
        .group_by("name")
        .agg(
            nw.len().cast(nw.Int64).alias("n_errors"), total("n_tried_again"), total("n_recovered")
        )
        .collect("polars")
        .to_polars()
    )
    n, hits = pl.col("n_errors"), pl.col("n_recovered")
    return counts.with_columns(
        recovery_rate=enough(n, min_n, share(hits, n)),
        recovery_rate_low=enough(n, min_n, wilson_low(hits, n)),
        recovery_rate_high=enough(n, min_n, wilson_high(hits, n)),
    ).sort("n_errors", "name", descending=[True, False])


def _again(chats: Chats[Frame]) -> pl.DataFrame:
    """Give each call that has a predecessor of its tool in its turn: did it fail, how alike."""
    calls = sequenced(chats).with_columns(arguments=nw.coalesce("arguments", "arguments_raw"))
    before = {"failed": ("is_error", 1), "previous": ("arguments", 1)}
    pairs = (
        with_shifted(calls, before, by=_SAME_TOOL, order=ORDER)
        .filter(~nw.col("failed").is_null())
        .select("name", "failed", "arguments", "previous")
        .collect("polars")
        .to_polars()
    )
    # Each two texts once, however often they meet.
    texts = pairs.select("arguments", "previous").unique()
    alike = likeness(texts["arguments"].to_list(), texts["previous"].to_list())
    known = texts.with_columns(likeness=pl.Series(pl.from_arrow(alike), dtype=pl.String))
    return pairs.join(known, on=["arguments", "previous"], how="left", nulls_equal=True)

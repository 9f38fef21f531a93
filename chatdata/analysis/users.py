"""When people come back: sessions over all of a user's conversations, and retention by week."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.mixture import threshold
from chatdata.analysis.order import with_running, with_shifted
from chatdata.analysis.periods import period, quarter_hour
from chatdata.analysis.rates import share
from chatdata.analysis.rows import is_counted, is_day, is_prompt, tally, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["session_thresholds", "user_sessions", "weekly_retention"]

SESSION_GAP_S = 1800.0
_NEAR = 0.2
_ORDER = ("created_us", "message_id")


def user_sessions(chats: Chats[Frame], *, gap_s: float = SESSION_GAP_S) -> Frame:
    """Part each user's prompts, over all conversations, where the gap exceeds a threshold.

    Args:
        chats: what to part; prompts of unknown users, and those without a time or with one that
            is only a day, are left out.
        gap_s: the longest pause within a session.

    Returns:
        One row per session, by user, then in order: `user_id` (str), `session` (i64, from 0 for
        each user), `started_at` (time of its first prompt), `duration_s` (f64, to its last
        prompt), `n_prompts`, `n_conversations` (i64).
    """
    gap_us = round(gap_s * 1e6)
    opened = _prompts(chats).with_columns(opens=tally(nw.col("gap") > gap_us))
    return (
        with_running(opened, "session", "opens", by="user_id", order=_ORDER)
        .group_by("user_id", "session")
        .agg(
            started_at=nw.col("created_at").min(),
            first_us=nw.col("created_us").min(),
            last_us=nw.col("created_us").max(),
            n_prompts=nw.len().cast(nw.Int64),
            n_conversations=nw.col("conversation_id").n_unique().cast(nw.Int64),
        )
        .select(
            "user_id",
            "session",
            "started_at",
            ((nw.col("last_us") - nw.col("first_us")) / 1e6).alias("duration_s"),
            "n_prompts",
            "n_conversations",
        )
        .sort("user_id", "session")
        .to_native()
    )


def session_thresholds(chats: Chats[Frame]) -> pl.DataFrame:
    """Show how much the number of sessions depends on the threshold.

    Returns:
        One row per threshold: `threshold` (str: 30 min, 60 min, fitted), `gap_s` (f64, seconds;
        the fitted one is where a gap is as likely to lie within a session as between two, by a
        mixture of two log-normal distributions, null where gaps do not part), `n_gaps` (i64,
        between a user's prompts), `n_sessions` (i64), `fragility` (f64, the share of gaps within
        20 % of the threshold); the last two null without a threshold.
    """
    prompts = _prompts(chats).select("gap").collect("polars").to_polars()["gap"]
    gaps = prompts.drop_nulls().cast(pl.Float64) / 1e6
    thresholds = {"30 min": 1800.0, "60 min": 3600.0, "fitted": threshold(gaps)}
    n_users = prompts.null_count()
    rows = [
        (
            name,
            gap_s,
            len(gaps),
            None if gap_s is None else n_users + int((gaps > gap_s).sum()),
            None
            if gap_s is None or gaps.is_empty()
            else float(gaps.is_between(gap_s * (1 - _NEAR), gap_s * (1 + _NEAR)).mean() or 0.0),  # type: ignore[arg-type] # the mean of booleans
        )
        for name, gap_s in thresholds.items()
    ]
    return pl.DataFrame(
        rows,
        schema={
            "threshold": pl.String(),
            "gap_s": pl.Float64(),
            "n_gaps": pl.Int64(),
            "n_sessions": pl.Int64(),
            "fragility": pl.Float64(),
        },
        orient="row",
    )


def weekly_retention(chats: Chats[Frame], *, time_zone: str = "UTC") -> pl.DataFrame:
    """Follow users from the week of their first prompt.

    Weeks after the log's last are not shown: nobody could have come back in them.

    Returns:
        One row per cohort and week until the log's last, oldest first: `cohort` (date, the Monday
        of the first week), `weeks_later` (i64, 0 is that week), `n_users` (i64, who wrote then),
        `n_cohort` (i64, who began in that week), `share` (f64).
    """
    quarters = (
        _written(chats)
        .select("user_id", "of_day", quarter=quarter_hour("created_us"))
        .unique()
        .collect("polars")
        .to_polars()
    )
    weeks = quarters.select("user_id", week=period("week", time_zone)).unique()
    active = weeks.with_columns(cohort=pl.col("week").min().over("user_id"))
    cohorts = active.group_by("cohort").agg(n_cohort=pl.col("user_id").n_unique().cast(pl.Int64))
    later = (
        cohorts.with_columns(last=pl.lit(weeks["week"].max(), pl.Date))
        .with_columns(week=pl.date_ranges("cohort", "last", "1w"))
        .explode("week")
    )
    counts = active.group_by("cohort", "week").agg(n_users=pl.len().cast(pl.Int64))
    n = pl.col("n_users").fill_null(0)
    return (
        later.join(counts, on=["cohort", "week"], how="left")
        .select(
            "cohort",
            weeks_later=(pl.col("week") - pl.col("cohort")).dt.total_days() // 7,
            n_users=n,
            n_cohort="n_cohort",
            share=share(n, pl.col("n_cohort")),
        )
        .sort("cohort", "weeks_later")
    )


def _prompts(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the prompts of known users that have more than a day, with the gap since the last."""
    prompts = _written(chats).filter(~nw.col("of_day"))
    before = {"previous_us": ("created_us", 1)}
    return with_shifted(prompts, before, by=["user_id"], order=_ORDER).with_columns(
        gap=nw.col("created_us") - nw.col("previous_us")
    )


def _written(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    """Give the timed prompts of known users."""
    users = nw.from_native(chats.conversations).select("conversation_id", "user_id")
    return (
        with_us(chats.messages, "created_at")
        .filter(is_counted(), is_prompt(), ~nw.col("created_us").is_null())
        .select("conversation_id", "message_id", "created_at", "created_us", of_day=is_day())
        .join(users, on="conversation_id", how="left")
        .filter(~nw.col("user_id").is_null())
    )

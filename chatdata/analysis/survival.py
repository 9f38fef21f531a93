"""How far conversations get: survival by prompt, with conversations that may go on censored."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal

import narwhals as nw
import polars as pl

from chatdata.analysis.endings import last_moments, log_end, reaches
from chatdata.analysis.rates import Z_95, positive, share
from chatdata.analysis.rows import counted, is_prompt, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["prompt_survival", "survival_by_cohort"]

CENSORED_S = 86_400.0


def prompt_survival(chats: Chats[Frame], *, censored_s: float = CENSORED_S) -> pl.DataFrame:
    """Estimate the share of conversations that reach each prompt, by Kaplan and Meier.

    A conversation whose last message lies within `censored_s` of the log's last may still go on: it
    counts as long as it lasted, and not as ended.

    Returns:
        One row per prompt from the first: `prompt` (i64, k), `n_at_risk` (i64, conversations that
        reached it), `n_ended`, `n_censored` (i64, at it), `survival` (f64, the share that reaches
        it), `survival_low`, `survival_high` (f64, Greenwood's 95 % interval, null where it says
        nothing: nobody has ended yet, or nobody is left).
    """
    ends = _lives(chats, censored_s).group_by("n_prompts").agg(*_ENDS)
    prompts = ends.select(pl.int_ranges(1, pl.col("n_prompts").max().fill_null(0) + 1).explode())
    curve = _curve(
        prompts.select(n_prompts=pl.first())
        .drop_nulls()
        .join(ends, on="n_prompts", how="left")
        .with_columns(pl.col("n_ended", "n_censored").fill_null(0))
    )
    before = {name: pl.col(name).shift(1) for name in ("after", "variance")}
    reached = before["after"].fill_null(1.0)
    # Where the estimate is 0, Greenwood's formula divides by 0; where it is 1, it gives no width
    # however few there are. All reach the first prompt.
    half = Z_95 * reached * before["variance"].fill_null(0.0).sqrt()
    known = half.is_finite() & ((half > 0) | (pl.col("n_prompts") == 1))
    return curve.select(
        prompt=pl.col("n_prompts"),
        n_at_risk=pl.col("n_at_risk"),
        n_ended=pl.col("n_ended"),
        n_censored=pl.col("n_censored"),
        survival=reached,
        survival_low=pl.when(known).then((reached - half).clip(0.0, 1.0)),
        survival_high=pl.when(known).then((reached + half).clip(0.0, 1.0)),
    )


def survival_by_cohort(
    chats: Chats[Frame],
    *,
    by: Literal["source", "origin", "model", "agent", "project"] = "model",
    censored_s: float = CENSORED_S,
) -> pl.DataFrame:
    """Compare how far the conversations of each cohort get with all the others, by log-rank test.

    Those that name no cohort are none: they are compared with nobody.

    Returns:
        One row per cohort, largest first, and last what names none: `cohort` (str, null for that),
        `n_conversations`, `n_ended` (i64), `median_prompts` (i64, the first prompt that at most
        half go beyond, null where more than half do), `expected_ended` (f64, endings if all cohorts
        were alike), `chi2` (f64, one degree of freedom), `p_value` (f64); the last three null where
        there is nothing to compare, `expected_ended` only without a cohort.
    """
    cohorts = nw.from_native(chats.conversations).select("conversation_id", cohort=nw.col(by))
    named = cohorts.collect("polars").to_polars()
    at = _lives(chats, censored_s).join(named, on="conversation_id", how="left")
    every = _curve(at.group_by("n_prompts").agg(*_ends(pl.col("cohort").is_not_null())))
    # Each cohort at every prompt at which anybody ends.
    grid = at.select(pl.col("cohort").unique()).join(every.select("n_prompts"), how="cross")
    own = grid.join(
        at.group_by("cohort", "n_prompts").agg(*_ENDS),
        on=["cohort", "n_prompts"],
        how="left",
        nulls_equal=True,
    ).with_columns(pl.col("n_ended", "n_censored").fill_null(0))
    curves = _curve(own, "cohort").join(every, on="n_prompts", suffix="_all")
    tested = curves.group_by("cohort").agg(
        n_conversations=pl.col("n_at_risk").max(),
        n_ended=pl.col("n_ended").sum(),
        median_prompts=pl.col("n_prompts").filter(pl.col("after") <= 1 / 2).min(),
        expected_ended=pl.when(pl.col("cohort").first().is_not_null()).then(_EXPECTED.sum()),
        spread=pl.when(pl.col("cohort").first().is_not_null()).then(_SPREAD.sum()),
    )
    difference = pl.col("n_ended") - pl.col("expected_ended")
    chi2 = pl.when(pl.col("spread") > 0).then(difference**2 / pl.col("spread"))
    return (
        tested.with_columns(chi2=chi2)
        .with_columns(p_value=_chi2_tail("chi2"))
        .drop("spread")
        .sort(pl.col("cohort").is_null(), -pl.col("n_conversations"), "cohort")
    )


def _ends(counting: pl.Expr) -> tuple[pl.Expr, pl.Expr]:
    """Count the conversations that ended, and those that may go on, of those that count."""
    return (
        (pl.col("ended") & counting).sum().cast(pl.Int64).alias("n_ended"),
        (~pl.col("ended") & counting).sum().cast(pl.Int64).alias("n_censored"),
    )


_ENDS = _ends(pl.lit(value=True))
_RISK = positive(pl.col("n_at_risk_all"))
_EXPECTED = pl.col("n_ended_all") * pl.col("n_at_risk") / _RISK
_SPREAD = pl.when(_RISK > 1).then(
    _EXPECTED * (1 - pl.col("n_at_risk") / _RISK) * (_RISK - pl.col("n_ended_all")) / (_RISK - 1)
)


def _lives(chats: Chats[Frame], censored_s: float) -> pl.DataFrame:
    """Give each conversation with a prompt its number of prompts, and whether it has ended."""
    prompts = (
        counted(chats)
        .with_columns(n_prompts=tally(is_prompt()))
        .group_by("conversation_id")
        .agg(total("n_prompts"))
    )
    last = last_moments(chats).drop("last_at")
    lives = prompts.join(last, on="conversation_id", how="left").collect("polars").to_polars()
    ended = ~reaches(pl.lit(log_end(chats), pl.Int64), censored_s)
    return lives.with_columns(ended=ended).filter(pl.col("n_prompts") > 0)


def _curve(ends: pl.DataFrame, *by: str) -> pl.DataFrame:
    """Follow the conversations from prompt to prompt: who is at risk, and who goes on."""
    rows = ends.sort(*by, "n_prompts")

    def along(expression: pl.Expr) -> pl.Expr:
        return expression.over(*by) if by else expression

    leaving = pl.col("n_ended") + pl.col("n_censored")
    at_risk = along(leaving.cum_sum(reverse=True)).alias("n_at_risk")
    rows = rows.with_columns(at_risk)
    stay = 1 - share(pl.col("n_ended"), pl.col("n_at_risk"))
    staying = (pl.col("n_at_risk") - pl.col("n_ended")).cast(pl.Float64)
    step = pl.col("n_ended") / (pl.col("n_at_risk") * staying)
    return rows.with_columns(
        after=along(stay.fill_null(1.0).cum_prod()),
        variance=along(pl.when(pl.col("n_ended") > 0).then(step).otherwise(0.0).cum_sum()),
    )


def _chi2_tail(name: str) -> pl.Expr:
    """Give the chance of a larger chi-squared with one degree of freedom."""
    return pl.col(name).map_batches(
        lambda values: pl.Series(
            name,
            [None if value is None else math.erfc(math.sqrt(value / 2)) for value in values],
            dtype=pl.Float64,
        ),
        return_dtype=pl.Float64,
    )

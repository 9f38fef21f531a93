"""Two periods or two models side by side, against independent implementations."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import numpy as np
import polars as pl
import pytest
import statsmodels.api as sm
from chat_rows import START, at, called, chats, conversation, said
from random_chats import random_chats
from scipy import stats
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

import chatdata as cd
from chatdata import analysis
from chatdata.analysis import ratios

DAY = 86_400


def clusters(y, x):
    """
    Sums of each cluster, as ratios take them.
    """
    return pl.DataFrame({"y": y, "x": x})


@pytest.mark.parametrize("degrees", [1, 2, 3.3, 10, 19, 57.5, 1000, 1e6])
def test_student_is_that_of_scipy(degrees):
    """
    The quantile of Student's t equals scipy's.
    """
    assert stats.t.ppf(0.975, degrees) == pytest.approx(ratios.student_97_5(degrees), rel=1e-8)


@pytest.mark.parametrize(("hits", "n"), [(0, 7), (7, 7), (3, 20), (1, 1)])
def test_wilson_is_that_of_statsmodels(hits, n):
    """
    The interval of a share equals that of an independent implementation.
    """
    assert proportion_confint(hits, n, method="wilson") == pytest.approx(
        ratios.wilson(hits / n, n), abs=1e-12
    )


@pytest.mark.parametrize("seed", range(5))
def test_variance_is_that_of_statsmodels(seed):
    """
    A ratio and its variance are those of a weighted regression with clustered errors.
    """
    random = np.random.default_rng(seed)
    size = random.integers(1, 9, 40)
    count = random.poisson(3, 40) * size
    found = ratios.ratio(clusters(count, size), "y", "x")
    fitted = sm.WLS(count / size, np.ones(40), weights=size).fit(
        cov_type="cluster", cov_kwds={"groups": np.arange(40), "use_correction": False}
    )

    assert (found.clusters, found.n) == (40, size.sum())
    assert fitted.params[0] == pytest.approx(found.value)
    assert fitted.bse[0] ** 2 * 40 / 39 == pytest.approx(found.variance)


@pytest.mark.parametrize("seed", range(5))
def test_means_are_compared_as_welch_does(seed):
    """
    Where each case is a cluster of its own, the interval is that of scipy's Welch test.
    """
    random = np.random.default_rng(seed)
    values = random.gamma(2, 3, 30), random.gamma(2, 5, 45)
    sides = [ratios.ratio(clusters(each, np.ones(len(each))), "y", "x") for each in values]
    found = ratios.of_means(*sides)
    expected = stats.ttest_ind(*values[::-1], equal_var=False).confidence_interval()

    assert tuple(expected) == pytest.approx((found.low, found.high))


@pytest.mark.parametrize(
    ("hits", "n", "hits_2", "n_2"), [(5, 40, 20, 50), (0, 30, 0, 20), (30, 30, 1, 25)]
)
def test_shares_are_compared_as_newcombe_does(hits, n, hits_2, n_2):
    """
    Where each case is a cluster of its own, the interval is Newcombe's, also at 0 and 1.
    """
    sides = [
        ratios.ratio(clusters([1] * k + [0] * (m - k), [1] * m), "y", "x")
        for k, m in ((hits, n), (hits_2, n_2))
    ]
    found = ratios.of_shares(*sides)
    expected = confint_proportions_2indep(hits_2, n_2, hits, n, method="newcomb", compare="diff")

    # A share's variance over clusters has n - 1 below the line, and is a little wider for it.
    assert expected == pytest.approx((found.low, found.high), abs=5e-3)


def test_intervals_of_like_cases_hold():
    """
    Where calls of one user are alike, the interval holds the truth about 19 times in 20; counted as
    if each call were on its own, it would not.
    """
    random = np.random.default_rng(0)

    def side(chance):
        n = random.integers(1, 40, 50)
        p = random.beta(chance * 4, (1 - chance) * 4, 50)
        return ratios.ratio(clusters(random.binomial(n, p), n), "y", "x")

    def alone(side):
        return replace(side, variance=0, clusters=side.n)

    rounds = [(side(0.2), side(0.3)) for _ in range(400)]
    held, naive = (
        np.mean([each.low <= 0.1 <= each.high for each in intervals])
        for intervals in (
            [ratios.of_shares(*sides) for sides in rounds],
            [ratios.of_shares(*map(alone, sides)) for sides in rounds],
        )
    )

    assert 0.92 <= held <= 0.98
    assert naive < 0.7


def talks(days, *, model=None, users=10, prefix="", **columns):
    """
    One conversation a day of two prompts, its users taking turns.
    """
    ids = [f"{prefix}{day}" for day in days]
    return (
        [
            conversation(each, user_id=f"u{place % users}", model=model)
            for place, each in enumerate(ids)
        ],
        [
            row
            for day, each in zip(days, ids, strict=True)
            for row in said(
                {"role": "user", "at": day * DAY},
                {"role": "assistant", "at": day * DAY + 2, **columns},
                {"role": "user", "at": day * DAY + 60},
                {"role": "assistant", "at": day * DAY + 70, **columns},
                conversation_id=each,
            )
        ],
    )


def measured(found, measure):
    """
    The row of one measure.
    """
    return found.filter(measure=measure).row(0, named=True)


@pytest.mark.parametrize(
    ("n_days", "options", "expected"),
    [
        pytest.param(100, {}, (28, 28), id="four weeks"),
        pytest.param(21, {}, (7, 7), id="the only whole week that fits"),
        pytest.param(13, {}, (6, 6), id="days, where no week fits"),
        pytest.param(100, {"days": 10}, (10, 10), id="as asked"),
        pytest.param(60, {"split": at(20 * DAY)}, (14, 14), id="around a moment"),
    ],
)
def test_periods_match(n_days, options, expected):
    """
    Both periods are equally long, whole weeks where they fit, and side by side.
    """
    conversations, messages = talks(range(n_days))
    found = analysis.compare_periods(
        chats(conversations=conversations, messages=messages), min_n=1, **options
    )
    row = measured(found, "prompts per conversation")
    lengths = [(row[f"to_{side}"] - row[f"from_{side}"]) / timedelta(days=1) for side in "ab"]

    assert list(expected) == [row["n_a"], row["n_b"]] == lengths
    assert row["to_a"] == row["from_b"]


def test_a_period_is_told_by_its_start():
    """
    A conversation counts where it begins, and what is compared is said.
    """
    conversations, messages = talks(range(28))
    log = chats(
        conversations=conversations,
        messages=messages,
        tool_calls=[
            row
            for day in range(14, 28)
            for row in called(
                "a", {"status": "error", "error_source": "explicit"}, conversation_id=f"{day}"
            )
        ],
    )
    found = analysis.compare_periods(log, split=START + timedelta(days=14), days=14, min_n=14)

    assert ("before", "after", 14, 14, 0.0, 2.0, 2.0, None) == tuple(
        measured(found, "tool calls per conversation")[name]
        for name in ("a", "b", "n_a", "n_b", "value_a", "value_b", "difference", "reason")
    )
    assert (2.0, 2.0, 0.0, "user", 10, 10) == tuple(
        measured(found, "time to the first answer")[name]
        for name in ("value_a", "value_b", "difference", "clustered_by", "clusters_a", "clusters_b")
    )
    assert "no calls with a known outcome on one side" == measured(found, "error rate")["reason"]
    assert "no generations" == measured(found, "output tokens per generation")["reason"]


@pytest.mark.parametrize(
    ("users", "min_n", "clustered_by", "reason"),
    [
        pytest.param(10, 15, "user", "fewer than 15 conversations on one side", id="few cases"),
        pytest.param(4, 1, "conversation", None, id="few users"),
        pytest.param(10, 1, "user", None, id="enough"),
    ],
)
def test_what_cannot_be_said(users, min_n, clustered_by, reason):
    """
    A difference that nobody should rely on is not shown, and the reason is.
    """
    conversations, messages = talks(range(28), users=users)
    log = chats(conversations=conversations, messages=messages)
    row = measured(analysis.compare_periods(log, min_n=min_n), "messages per conversation")

    assert (clustered_by, reason) == (row["clustered_by"], row["reason"])
    assert (reason is None) == (row["difference"] is not None)


@pytest.mark.parametrize(
    "log",
    [
        pytest.param(chats(), id="empty"),
        pytest.param(chats(messages=said("user", "assistant")), id="no times"),
        pytest.param(chats(messages=said({"role": "user", "at": 0})), id="less than two days"),
    ],
)
def test_no_two_periods(log):
    """
    Where no two periods or models are, there is nothing to compare.
    """
    assert analysis.compare_periods(log).is_empty()
    assert analysis.compare_cohorts(log).is_empty()


def test_models_are_compared_while_both_were_in_use():
    """
    Conversations begun before or after the other model was in use count on neither side.
    """
    small = talks(range(30), model="small", prefix="s", output_tokens=10)
    large = talks(range(20, 60), model="large", prefix="l", output_tokens=30)
    log = chats(conversations=[*small[0], *large[0]], messages=[*small[1], *large[1]])
    found = analysis.compare_cohorts(log, min_n=10)
    tokens = measured(found, "output tokens per generation")

    assert ("large", "small", 20, 20, 30.0, 10.0, -20.0) == tuple(
        tokens[name] for name in ("a", "b", "n_a", "n_b", "value_a", "value_b", "difference")
    )
    assert (at(20 * DAY), at(20 * DAY)) == (tokens["from_a"], tokens["from_b"])
    assert analysis.compare_cohorts(log, cohorts=("small", "none")).is_empty()


def test_models_without_times_are_compared_all_the_same():
    """
    Where no conversation has a time, all count, and no window is named.
    """
    log = chats(
        conversations=[conversation(f"{n}", model="ab"[n % 2]) for n in range(40)],
        messages=[row for n in range(40) for row in said("user", conversation_id=f"{n}")],
    )
    row = measured(analysis.compare_cohorts(log), "prompts per conversation")

    assert (20, 20, None, "conversation") == (
        row["n_a"],
        row["n_b"],
        row["from_a"],
        row["clustered_by"],
    )


def test_sums_are_those_of_other_analyses():
    """
    What is compared adds up to what the other analyses count.
    """
    log = random_chats(3, conversations=120)
    found = analysis.compare_cohorts(log, cohorts=("small", "large"), min_n=1)
    window = measured(found, "messages per conversation")
    each = analysis.conversation_length(log).collect()
    models = log.conversations.collect().select("conversation_id", "model")
    began = (
        log.messages.filter(
            pl.col("is_main_path"),
            pl.col("kind").is_in(["chat", "tool_result"]),
            pl.col("created_at_precision").fill_null("us") != "day",
        )
        .group_by("conversation_id")
        .agg(pl.col("created_at").min())
    )
    inside = (
        each.join(models, on="conversation_id")
        .join(began.collect(), on="conversation_id")
        .filter(pl.col("created_at").is_between(window["from_a"], window["to_a"], closed="left"))
    )
    sums = [inside.filter(model=model)["n_messages"].sum() for model in ("small", "large")]

    assert [window[f"value_{side}"] * window[f"n_{side}"] for side in "ab"] == pytest.approx(sums)


def test_the_sample_compares():
    """
    The sample world says something about every measure.
    """
    found = analysis.compare_periods(cd.sample(400))

    assert 0 == found["reason"].count()
    assert found.filter(pl.col("difference_low") > pl.col("difference")).is_empty()
    assert found.filter(pl.col("difference_high") < pl.col("difference")).is_empty()

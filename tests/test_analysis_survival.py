"""How far conversations get, against an independent implementation."""

from __future__ import annotations

import numpy as np
import pytest
from chat_rows import chats, conversation, said
from scipy import stats

import chatdata as cd
from chatdata import analysis

LATE = 10 * 86_400


def lives(n_prompts, censored, models=None):
    """
    Conversations of so many prompts, some of them so late that they may go on.
    """
    ids = [f"{place:05}" for place in range(len(n_prompts))]
    messages = [
        row
        for each, n, late in zip(ids, n_prompts, censored, strict=True)
        for row in said(*[{"role": "user", "at": LATE if late else 0}] * n, conversation_id=each)
    ]
    # Somebody must have spoken last, in a conversation without prompts.
    last = said({"role": "assistant", "at": LATE}, conversation_id="last")
    models = models or [None] * len(ids)
    rows = [conversation(each, model=model) for each, model in zip(ids, models, strict=True)]
    return chats(conversations=[*rows, conversation("last")], messages=[*messages, *last])


def censored_data(n_prompts, censored):
    """
    The same lives, as scipy takes them.
    """
    n_prompts, censored = np.asarray(n_prompts), np.asarray(censored)
    return stats.CensoredData(uncensored=n_prompts[~censored], right=n_prompts[censored])


@pytest.mark.filterwarnings("ignore:The confidence interval is undefined:RuntimeWarning")
@pytest.mark.parametrize("seed", range(5))
def test_survival_is_that_of_scipy(seed):
    """
    Kaplan-Meier estimates and Greenwood intervals equal scipy's on random lives.
    """
    random = np.random.default_rng(seed)
    n_prompts = random.geometric(0.3, size=60)
    censored = random.random(60) < 0.25
    found = analysis.prompt_survival(lives(n_prompts.tolist(), censored.tolist()))
    expected = stats.ecdf(censored_data(n_prompts, censored)).sf
    interval = expected.confidence_interval(method="linear")
    beyond = found.filter(found["prompt"] > 1)

    assert n_prompts.max() == found.height
    assert expected.evaluate(beyond["prompt"].to_numpy() - 1) == pytest.approx(
        beyond["survival"].to_numpy(), rel=1e-9
    )
    known = beyond.drop_nulls()
    for ours, theirs in (("survival_low", interval.low), ("survival_high", interval.high)):
        assert theirs.evaluate(known["prompt"].to_numpy() - 1) == pytest.approx(
            known[ours].to_numpy(), rel=1e-9, abs=1e-12
        )


@pytest.mark.parametrize("seed", range(5))
def test_log_rank_is_that_of_scipy(seed):
    """
    Two cohorts differ by chance as often as scipy says.
    """
    random = np.random.default_rng(seed)
    n_prompts = np.concatenate([random.geometric(0.3, 40), random.geometric(0.45, 30)])
    censored = random.random(70) < 0.2
    models = ["a"] * 40 + ["b"] * 30
    log = lives(n_prompts.tolist(), censored.tolist(), models)
    found = analysis.survival_by_cohort(log, by="model")
    ours = [censored_data(n_prompts[part], censored[part]) for part in (slice(40), slice(40, 70))]
    expected = stats.logrank(*ours)

    assert ["a", "b"] == found["cohort"].to_list()
    assert [40, 30] == found["n_conversations"].to_list()
    assert [expected.statistic**2] * 2 == pytest.approx(found["chi2"].to_list(), rel=1e-9)
    assert [expected.pvalue] * 2 == pytest.approx(found["p_value"].to_list(), rel=1e-9)
    assert found["n_ended"].sum() == pytest.approx(found["expected_ended"].sum())


@pytest.mark.parametrize(
    ("n_prompts", "censored", "expected"),
    [
        pytest.param([], [], [], id="nobody"),
        pytest.param([2, 3], [False, False], [(1, 2, 1.0), (2, 2, 1.0), (3, 1, 0.5)], id="all end"),
        pytest.param([1, 3], [True, False], [(1, 2, 1.0), (2, 1, 1.0), (3, 1, 1.0)], id="censored"),
        pytest.param([1, 1], [True, True], [(1, 2, 1.0)], id="nobody has ended"),
    ],
)
def test_survival(n_prompts, censored, expected):
    """
    The share that reaches a prompt is that of those who could have.
    """
    found = analysis.prompt_survival(lives(n_prompts, censored))

    assert expected == found.select("prompt", "n_at_risk", "survival").rows()


def test_one_cohort_has_nothing_to_compare():
    """
    What names no cohort has no test statistic, and says so by null.
    """
    found = analysis.survival_by_cohort(lives([1, 2], [False, False]), by="model")

    assert [(None, 2, None, None)] == found.select(
        "cohort", "n_conversations", "chi2", "p_value"
    ).rows()


def test_cohorts_part_the_sample():
    """
    Cohorts together are all conversations with a prompt.
    """
    log = cd.sample(80)
    whole = analysis.prompt_survival(log)

    assert whole["n_at_risk"][0] == (
        analysis.survival_by_cohort(log, by="project")["n_conversations"].sum()
    )
    assert whole["n_at_risk"][0] == whole["n_ended"].sum() + whole["n_censored"].sum()


@pytest.mark.parametrize(
    ("censored_s", "n_censored"),
    [
        pytest.param(LATE, 1, id="exactly within"),
        pytest.param(LATE - 1, 0, id="just before"),
    ],
)
def test_censoring_has_an_edge(censored_s, n_censored):
    """
    A last message exactly as old as the threshold lies within it.
    """
    found = analysis.prompt_survival(lives([1], [False]), censored_s=censored_s)

    assert [n_censored] == found["n_censored"].to_list()


def test_certainty_is_not_made_of_few():
    """
    Where nobody has ended yet Greenwood's formula has no width, and there is no interval.
    """
    found = analysis.prompt_survival(lives([2, 3, 3], [False, False, False]))

    assert [(1, 1.0, 1.0), (2, None, None)] == (
        found.head(2).select("prompt", "survival_low", "survival_high").rows()
    )


def test_what_names_no_cohort_is_compared_with_nobody():
    """
    Two cohorts differ as they do without the conversations that name none.
    """
    n_prompts, censored = [1, 2, 2, 5, 6, 7], [False] * 6
    models = ["a", "a", "a", "b", "b", "b"]
    alone = analysis.survival_by_cohort(lives(n_prompts, censored, models))
    beside = analysis.survival_by_cohort(
        lives([*n_prompts, 9, 1], [*censored, False, True], [*models, None, None])
    )

    assert alone.rows() == beside.head(2).rows()
    assert [(None, 2, 1, None, None, None)] == (
        beside.tail(1)
        .select("cohort", "n_conversations", "n_ended", "expected_ended", "chi2", "p_value")
        .rows()
    )

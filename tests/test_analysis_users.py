"""When people write, come back, and how sessions are told apart."""

from __future__ import annotations

from datetime import date

import numpy as np
import polars as pl
import pytest
from chat_rows import at, chats, conversation, said

import chatdata as cd
from chatdata import analysis
from chatdata.analysis.mixture import threshold

MINUTE, DAY = 60, 86_400


def prompts(*seconds, user_id="u", conversation_id="c"):
    """
    A conversation of prompts at these seconds, as its row and its messages.
    """
    rows = said(
        *({"role": "user", "at": each} for each in seconds), conversation_id=conversation_id
    )
    return conversation(conversation_id, user_id=user_id), rows


def together(*talks):
    """
    Several of them as one log.
    """
    return chats(
        conversations=[row for row, _ in talks],
        messages=[message for _, messages in talks for message in messages],
    )


@pytest.mark.parametrize(
    ("talks", "expected"),
    [
        pytest.param([prompts(0, 30 * MINUTE)], [("u", 0, 2, 1)], id="a gap of the threshold"),
        pytest.param(
            [prompts(0, 30 * MINUTE + 1)], [("u", 0, 1, 1), ("u", 1, 1, 1)], id="a longer gap"
        ),
        pytest.param(
            [prompts(0, 20 * MINUTE), prompts(10 * MINUTE, conversation_id="d")],
            [("u", 0, 3, 2)],
            id="over conversations",
        ),
        pytest.param(
            [prompts(0), prompts(1, user_id="v", conversation_id="d")],
            [("u", 0, 1, 1), ("v", 0, 1, 1)],
            id="each user's own",
        ),
        pytest.param([prompts(0, None)], [("u", 0, 1, 1)], id="no time"),
        pytest.param([prompts(0, user_id=None)], [], id="nobody known"),
    ],
)
def test_user_sessions(talks, expected):
    """
    A session is a user's prompts without a longer gap between them than the threshold.
    """
    sessions = analysis.user_sessions(together(*talks)).collect()

    assert expected == sessions.select("user_id", "session", "n_prompts", "n_conversations").rows()


def test_thresholds_count_the_sessions_that_there_are():
    """
    What the table of thresholds says is what parting by them gives; fragility counts near gaps.
    """
    log = together(prompts(0, 25 * MINUTE, 2 * 3600), prompts(9 * DAY, conversation_id="d"))
    thirty, sixty, fitted = analysis.session_thresholds(log).rows()
    parted = [analysis.user_sessions(log, gap_s=gap).collect().height for gap in (1800, 3600)]

    assert ("30 min", 1800.0, 3, 3, 1 / 3) == thirty
    assert ("60 min", 3600.0, 3, 3, 0.0) == sixty
    assert ("fitted", None, 3, None, None) == fitted
    assert [3, 3] == parted


def test_fitted_threshold_parts_what_was_mixed():
    """
    Of two log-normal kinds of gaps, nearly all lie on their own side.
    """
    random = np.random.default_rng(1)
    within, between = random.lognormal(4, 0.8, 4000), random.lognormal(11, 1.0, 2000)
    found = threshold(pl.Series(np.concatenate([within, between])))
    wrong = (within > found).mean() + (between < found).mean()

    assert wrong < 0.01


@pytest.mark.parametrize(
    "gaps",
    [
        pytest.param([], id="none"),
        pytest.param([1.0] * 10, id="too few"),
        pytest.param([0.0] * 100, id="all at once"),
        pytest.param([60.0] * 100, id="all alike"),
        pytest.param(np.random.default_rng(2).lognormal(5, 1, 2000).tolist(), id="of one kind"),
    ],
)
def test_fitted_threshold_needs_two_kinds(gaps):
    """
    Where gaps are of one kind there is no threshold.
    """
    assert threshold(pl.Series(gaps, dtype=pl.Float64)) is None


def test_retention():
    """
    Users are followed from their first week to the log's last, absent weeks included.
    """
    log = together(
        prompts(0, 14 * DAY),
        prompts(DAY, user_id="v", conversation_id="d"),
        prompts(7 * DAY, user_id="w", conversation_id="e"),
    )
    first, second = date(2025, 3, 3), date(2025, 3, 10)

    assert [
        (first, 0, 2, 2, 1.0),
        (first, 1, 0, 2, 0.0),
        (first, 2, 1, 2, 0.5),
        (second, 0, 1, 1, 1.0),
        (second, 1, 0, 1, 0.0),
    ] == analysis.weekly_retention(log).rows()


def test_hour_of_week_is_that_of_the_time_zone():
    """
    A prompt falls on the hour of the week that a clock in the zone shows.
    """
    log = together(prompts(0))
    found = [
        analysis.hour_of_week(log, time_zone=zone)
        .filter(n_prompts=1)
        .select("weekday", "hour")
        .row(0)
        for zone in ("UTC", "Asia/Karachi", "Pacific/Honolulu")
    ]

    assert [(1, 9), (1, 14), (7, 23)] == found


def test_activity_counts_conversations_once():
    """
    A conversation belongs to the period of its first message, its messages to their own.
    """
    log = together(prompts(0, DAY), prompts(DAY, conversation_id="d"))
    found = analysis.activity_over_time(log, every="day")

    assert [(date(2025, 3, 3), 1, 1), (date(2025, 3, 4), 1, 2)] == (
        found.select("period", "n_conversations", "n_messages").rows()
    )


def test_sessions_hold_every_timed_prompt_of_a_known_user():
    """
    Sessions part the prompts of the sample.
    """
    log = cd.sample(80)
    known = log.messages.join(log.conversations, on="conversation_id").filter(
        pl.col("user_id").is_not_null(),
        pl.col("created_at").is_not_null(),
        pl.col("is_main_path"),
        role="user",
        kind="chat",
    )

    assert known.collect().height == analysis.user_sessions(log).collect()["n_prompts"].sum()
    assert at(0) < analysis.user_sessions(log).collect()["started_at"].min()

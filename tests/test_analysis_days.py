"""Times that are only a day: which day is known, which hour is not."""

from __future__ import annotations

from datetime import date
from itertools import chain

import polars as pl
import pytest
from chat_rows import called, chats, conversation, said

from chatdata import analysis

DAY_S = 86_400
MIDNIGHT_S = -9 * 3600  # before the start of `chat_rows`, which is nine o'clock


def talk(conversation_id, *turns, day=0, is_day=True):
    """
    A conversation of one day, whose messages say the day alone.
    """
    precision = "day" if is_day else "s"
    at = MIDNIGHT_S + day * DAY_S
    rows = [{"role": role, "at": at, "created_at_precision": precision} for role in turns]
    return said(*rows, conversation_id=conversation_id)


def log(*talks, **frames):
    """
    A log of conversations.
    """
    ids = [rows[0]["conversation_id"] for rows in talks]
    return chats(
        conversations=[conversation(each) for each in ids], messages=list(chain(*talks)), **frames
    )


def test_a_day_has_no_hour():
    """
    No hour of the week is known of prompts that say only the day.
    """
    assert analysis.hour_of_week(log(talk("a", "user"))).is_empty()
    both = log(talk("a", "user"), talk("b", "user", is_day=False))
    assert 1 == analysis.hour_of_week(both)["n_prompts"].sum()


@pytest.mark.parametrize("zone", ["UTC", "America/New_York", "Asia/Tokyo"])
def test_a_day_is_the_same_in_every_zone(zone):
    """
    Messages, calls and users of a day stay on it, wherever the analyst is.
    """
    days = log(talk("a", "user", "assistant"), tool_calls=called("f", message_id="a.1"))
    monday = date(2025, 3, 3)

    for found in (
        analysis.activity_over_time(days, every="day", time_zone=zone)["period"],
        analysis.tool_usage_over_time(days, every="day", time_zone=zone)["period"],
        analysis.weekly_retention(days, time_zone=zone)["cohort"],
    ):
        assert [monday] == found.to_list()


def test_days_part_no_sessions():
    """
    Whether a pause is longer than half an hour cannot be told from days.
    """
    days = log(talk("a", "user", "user"), talk("b", "user", day=3))

    assert analysis.user_sessions(days).collect().is_empty()
    assert [0, 0, 0] == analysis.session_thresholds(days)["n_gaps"].to_list()


@pytest.mark.parametrize(
    ("end", "n_running"),
    [
        pytest.param(talk("z", "assistant"), 1, id="the log ends that day"),
        pytest.param(talk("z", "assistant", day=1), 0, id="it ends a day later"),
        pytest.param(
            said({"role": "assistant", "at": 3600}, conversation_id="z"), 1, id="at an hour of it"
        ),
    ],
)
def test_what_ends_on_the_last_day_may_go_on(end, n_running):
    """
    A prompt of the log's last day may still be answered; one of an earlier day was not.
    """
    found = analysis.length_distribution(log(talk("a", "user"), end))

    assert {n_running} == set(found["n_running"])


def test_survival_goes_by_days():
    """
    Conversations of the last two days may go on, those of earlier days have ended.
    """
    days = log(*(talk(name, "user", day=day) for name, day in (("a", 0), ("b", 8), ("c", 9))))

    assert [(1, 2)] == analysis.prompt_survival(days).select("n_ended", "n_censored").rows()


def test_the_log_ends_with_its_last_row():
    """
    What is censored depends on the log's last message, also on one that no length counts.
    """
    event = said({"role": "user", "kind": "event", "at": 9 * DAY_S}, conversation_id="z")
    found = analysis.prompt_survival(log(said({"role": "user", "at": 0}), event))

    assert [(1, 0)] == found.select("n_ended", "n_censored").rows()


def test_a_log_that_is_all_running_has_rows():
    """
    Where every conversation may go on there is a row for each length, of none.
    """
    found = analysis.length_distribution(log(talk("a", "user")))

    assert [(0, 1, None)] == (
        found.filter(pl.col("metric") == "n_messages")
        .select("n_conversations", "n_running", "p50")
        .rows()
    )

"""How often tools are called and fail."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from chat_rows import at, called, chats, conversation, said
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from chatdata import analysis
from chatdata.analysis.rates import wilson_high, wilson_low

OK = {"status": "ok"}
FAILED = {"status": "error", "error_source": "explicit"}
TIMED_OUT = {"status": "timeout", "error_source": "protocol"}
GUESSED = {"status": "error"}
DENIED = {"status": "denied"}
UNKNOWN = {"status": "unknown"}


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param([], [], id="nothing called"),
        pytest.param(["b", "a"], [("a", 1, 0.5), ("b", 1, 0.5)], id="ties go by name"),
        pytest.param(
            ["a", "b", "b", "b"], [("b", 3, 0.75), ("a", 1, 0.25)], id="most called first"
        ),
        pytest.param([None, "a"], [("a", 1, 0.5), (None, 1, 0.5)], id="nameless last"),
    ],
)
def test_calls_are_counted_by_tool(names, expected):
    """
    Each tool is counted once per call, most called first.
    """
    usage = analysis.tool_usage(chats(tool_calls=called(*names)))

    assert expected == usage.select("name", "n_tool_calls", "share").rows()


def test_who_calls():
    """
    Conversations and users are counted once each, calls of unknown conversations too.
    """
    log = chats(
        conversations=[conversation("1"), conversation("2"), conversation("3", user_id=None)],
        tool_calls=[
            row
            for each in ("1", "1", "2", "3", "gone")
            for row in called("a", conversation_id=each)
        ][1:],
    )
    usage = analysis.tool_usage(log)

    assert [("a", 4, 4, 1)] == usage.select(
        "name", "n_tool_calls", "n_conversations", "n_users"
    ).rows()


@pytest.mark.parametrize(
    ("calls", "n_errors", "n_known", "rate", "reason"),
    [
        pytest.param([OK, OK, OK, FAILED], 1, 4, 0.25, None, id="a quarter failed"),
        pytest.param([OK, TIMED_OUT, DENIED, UNKNOWN], 1, 2, 0.5, None, id="timeouts fail"),
        pytest.param(
            [OK, GUESSED], 0, 1, None, "fewer than 2 known outcomes", id="by own word only"
        ),
        pytest.param([FAILED, FAILED], 2, 0, None, "only failures recorded", id="only failures"),
        pytest.param([UNKNOWN, DENIED], 0, 0, None, "no outcomes recorded", id="no outcomes"),
        pytest.param([OK], 0, 1, None, "fewer than 2 known outcomes", id="too few"),
    ],
)
def test_error_rate(calls, n_errors, n_known, rate, reason):
    """
    Errors over known outcomes, or the reason why there is no rate.
    """
    usage = analysis.tool_usage(chats(tool_calls=called(*calls)), min_n=2)

    assert [(n_errors, n_known, rate, reason)] == usage.select(
        "n_errors", "n_known", "error_rate", "reason"
    ).rows()


def test_a_source_of_failures_enters_no_rate():
    """
    Where one source records only failures, the rate is that of the others.
    """
    log = chats(
        conversations=[conversation("full"), conversation("failures", origin="other")],
        tool_calls=[
            *called(OK, OK, OK, FAILED, conversation_id="full"),
            *called(FAILED, FAILED, FAILED, FAILED, conversation_id="failures"),
        ],
    )
    usage = analysis.tool_usage(log, min_n=1)

    assert [(5, 4, 0.25)] == usage.select("n_errors", "n_known", "error_rate").rows()


def test_a_tool_that_always_fails_is_rated():
    """
    A tool that never succeeds has a rate of 1 where the source records successes of others.
    """
    log = chats(tool_calls=called({"name": "good", **OK}, {"name": "bad", **FAILED}))
    usage = analysis.tool_usage(log, min_n=1)

    assert [("bad", 1.0), ("good", 0.0)] == usage.select("name", "error_rate").rows()


@given(st.integers(1, 10_000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_that_of_scipy(hits_of_n):
    """
    The interval equals an independent implementation's, and lies within 0 and 1.
    """
    hits, n = hits_of_n
    expected = binomtest(hits, n).proportion_ci(0.95, method="wilson")
    frame = pl.DataFrame({"hits": [hits], "n": [n]})
    found = frame.select(
        low=wilson_low(pl.col("hits"), pl.col("n")), high=wilson_high(pl.col("hits"), pl.col("n"))
    ).row(0)

    assert tuple(expected) == pytest.approx(found, rel=1e-9, abs=1e-12)
    assert 0 <= found[0] <= found[1] <= 1


@pytest.mark.parametrize(
    ("seconds", "every", "zone", "expected"),
    [
        pytest.param(0, "day", "UTC", date(2025, 3, 3), id="its day"),
        pytest.param(6 * 86_400, "week", "UTC", date(2025, 3, 3), id="weeks begin on Monday"),
        pytest.param(-1 - 9 * 3600, "day", "UTC", date(2025, 3, 2), id="the day before"),
        pytest.param(
            -1 - 9 * 3600, "day", "Asia/Karachi", date(2025, 3, 3), id="already Monday there"
        ),
        pytest.param(
            -9 * 3600, "week", "America/New_York", date(2025, 2, 24), id="still Sunday there"
        ),
        pytest.param(-9 * 3600, "day", "Asia/Kathmandu", date(2025, 3, 3), id="quarter-hour zones"),
        pytest.param(-2_000_000_000, "day", "UTC", date(1961, 10, 17), id="before 1970"),
        pytest.param(None, "day", "UTC", None, id="no time"),
    ],
)
def test_periods_are_those_of_the_time_zone(seconds, every, zone, expected):
    """
    A call falls on the day or week that a clock on the wall of that zone shows.
    """
    log = chats(
        messages=said("user", {"role": "assistant", "at": seconds}),
        tool_calls=called("a", message_id="c.1"),
    )
    found = analysis.tool_usage_over_time(log, every=every, time_zone=zone)

    assert [(expected, "a", 1)] == found.select("period", "name", "n_tool_calls").rows()


def test_over_time_adds_up_to_usage():
    """
    Periods part the calls: nothing is counted twice or lost, times missing or not.
    """
    calls = [{**OK, "started_at": at(86_400 * day), "name": "ab"[day % 2]} for day in range(9)]
    log = chats(tool_calls=called(*calls, {"name": "a", **FAILED}))
    over_time = analysis.tool_usage_over_time(log)
    usage = analysis.tool_usage(log)
    names = ("n_tool_calls", "n_ok", "n_errors")

    assert usage.select(names).sum().rows() == over_time.select(names).sum().rows()
    assert [date(2025, 3, 3), date(2025, 3, 10), None] == (
        over_time["period"].unique(maintain_order=True).to_list()
    )


def test_nothing_and_all_are_ends_of_their_intervals():
    """
    No hit has a lower end of exactly 0, and nothing but hits an upper end of exactly 1.
    """
    n = pl.DataFrame({"n": range(1, 200)}, schema={"n": pl.Int64})
    ends = n.select(
        low=wilson_low(pl.lit(0, pl.Int64), pl.col("n")), high=wilson_high(pl.col("n"), pl.col("n"))
    )

    assert ([0.0], [1.0]) == (ends["low"].unique().to_list(), ends["high"].unique().to_list())

"""Every analysis on every kind of log that breaks things: nothing raises, and no number is none.

The analyses are found by themselves, so that a new one is held to all of it.
"""

from __future__ import annotations

from functools import cache

import narwhals as nw
import polars as pl
import pytest
from chat_rows import chats, said

import chatdata as cd
from chatdata import analysis

ANALYSES = sorted(analysis.__all__)
MANY_TOOLS, MANY_MESSAGES = 10_000, 100_000


def one_user():
    """
    Somebody's own log.
    """
    log = cd.sample(60)
    return log.with_frames(conversations=log.conversations.with_columns(user_id=pl.lit("me")))


def no_times():
    """
    A log that records no time anywhere.
    """
    log = cd.sample(60)
    return log.with_frames(
        **{
            name: frame.with_columns(pl.lit(None, pl.Datetime("us")).alias(column) for column in at)
            for name, frame, at in (
                ("conversations", log.conversations, ("created_at", "updated_at")),
                ("messages", log.messages, ("created_at",)),
                ("tool_calls", log.tool_calls, ("started_at", "ended_at")),
            )
        }
    )


def no_tool_calls():
    """
    People and a model, and nothing else.
    """
    log = cd.sample(60)
    return log.with_frames(
        tool_calls=log.tool_calls.filter(pl.lit(value=False)),
        conversations=log.conversations.with_columns(declared_tools=pl.lit(None, pl.String)),
    )


def only_failures():
    """
    A source that writes down errors and nothing about what went well.
    """
    log = cd.sample(60)
    failed = pl.col("status") == "error"
    return log.with_frames(
        tool_calls=log.tool_calls.with_columns(
            status=pl.when(failed).then(pl.lit("error")).otherwise(pl.lit("unknown")),
            error_source=pl.when(failed).then(pl.lit("explicit")),
        )
    )


def many_tools():
    """
    Ten thousand tools, each called a time or two.
    """
    log = cd.sample(3_500)
    number = pl.int_range(pl.len()) % MANY_TOOLS
    return log.with_frames(
        tool_calls=log.tool_calls.with_columns(name=pl.format("tool_{}", number)),
    )


def long_conversation():
    """
    One conversation of a hundred thousand messages.
    """
    log = cd.sample(10_000)
    one = pl.lit("1").alias("conversation_id")
    messages = log.messages.sort("created_at", "message_id", nulls_last=True).head(MANY_MESSAGES)
    kept = messages.select("message_id")
    return log.with_frames(
        conversations=log.conversations.filter(conversation_id="1"),
        messages=messages.with_columns(one, position=pl.int_range(pl.len(), dtype=pl.UInt32)),
        tool_calls=log.tool_calls.join(kept, on="message_id", how="semi").with_columns(one),
    )


WORLDS = {
    "empty": chats,
    "one message": lambda: chats(messages=said({"role": "user", "at": 0})),
    "one user": one_user,
    "no times": no_times,
    "no tool calls": no_tool_calls,
    "only failures": only_failures,
    "ten thousand tools": many_tools,
    "a conversation of 100,000 messages": long_conversation,
}


@cache
def world(name):
    """
    Each log is made once.
    """
    return WORLDS[name]().check().collect()


def answer(name, log):
    """
    Ask one question, and hold all of the answer.
    """
    found = getattr(analysis, name)(log)
    if isinstance(found, pl.DataFrame):
        return found
    return nw.from_native(found).collect("polars").to_polars()


@pytest.mark.parametrize("name", ANALYSES)
@pytest.mark.parametrize("kind", WORLDS)
def test_every_analysis_answers(kind, name):
    """
    No exception, no NaN, no infinity, and no word for nothing where a text should be.
    """
    found = answer(name, world(kind))
    floats = found.select(pl.selectors.float()).iter_columns()
    texts = found.select(pl.selectors.string()).iter_columns()

    assert [] == [each.name for each in floats if (each.is_nan() | each.is_infinite()).any()]
    assert [] == [each.name for each in texts if each.is_in(["None", "nan", "NaN", ""]).any()]


@pytest.mark.parametrize(
    ("kind", "name", "column", "expected"),
    [
        pytest.param(
            "only failures", "call_outcomes", "reason", ["only failures recorded"], id="failures"
        ),
        pytest.param(
            "no tool calls", "call_outcomes", "reason", ["no outcomes recorded"], id="none"
        ),
        pytest.param("empty", "call_outcomes", "reason", ["no outcomes recorded"], id="empty"),
        pytest.param("no times", "response_times", "n", [0, 0, 0], id="no waits without times"),
        pytest.param("no times", "compare_periods", "measure", [], id="no periods without times"),
        pytest.param("no tool calls", "tool_usage", "name", [], id="no tools without calls"),
        pytest.param("no times", "session_thresholds", "n_gaps", [0, 0, 0], id="no gaps"),
        pytest.param("one message", "prompt_survival", "n_at_risk", [1], id="one conversation"),
    ],
)
def test_what_cannot_be_said_is(kind, name, column, expected):
    """
    Where a log does not record something, the answer says so, and claims nothing.
    """
    assert expected == answer(name, world(kind))[column].to_list()


def test_counts_hold_where_things_are_many():
    """
    Ten thousand tools are ten thousand rows, and a long conversation is all there.
    """
    assert MANY_TOOLS == answer("tool_usage", world("ten thousand tools")).height
    assert [MANY_MESSAGES] == list(
        world("a conversation of 100,000 messages").messages.select(pl.len()).collect().row(0)
    )


def test_only_failures_have_no_rate():
    """
    Where only failures are recorded, no tool, server or group has a rate, and each says why.
    """
    log = world("only failures")
    for name in ("tool_usage", "tool_usage_by_server", "tool_usage_by_group"):
        found = answer(name, log)

        assert 0 == found["error_rate"].count()
        assert found.height == found["reason"].count()
        assert found["n_errors"].sum() > 0

"""What is missing, loose, out of order or unreadable."""

from __future__ import annotations

import polars as pl
import pytest
from chat_rows import at, called, chats, conversation, said
from random_chats import random_chats

import chatdata as cd
from chatdata import analysis, schema


@pytest.mark.parametrize(
    ("problem", "log", "expected"),
    [
        pytest.param(
            "conversations without messages",
            chats(
                conversations=[conversation("a"), conversation("b")],
                messages=said("user", conversation_id="a"),
            ),
            (1, 2),
            id="silent",
        ),
        pytest.param(
            "messages of unknown conversations",
            chats(
                conversations=[conversation("a")],
                messages=said("user", "user", conversation_id="b"),
            ),
            (2, 2),
            id="orphans",
        ),
        pytest.param(
            "calls of unknown messages",
            chats(tool_calls=[*called("a", message_id="gone"), *called("b")]),
            (1, 1),
            id="loose calls",
        ),
        pytest.param(
            "calls that name no message",
            chats(tool_calls=[*called("a", message_id="gone"), *called("b")]),
            (1, 2),
            id="free calls",
        ),
        pytest.param(
            "messages in the place of another",
            chats(messages=said("user", "user", {"role": "user", "position": 1})),
            (1, 3),
            id="one place for two",
        ),
        pytest.param(
            "results in unknown messages",
            chats(
                messages=said("user"),
                tool_calls=called({"result_message_id": "c.0"}, {"result_message_id": "gone"}, "b"),
            ),
            (1, 2),
            id="results nowhere",
        ),
        pytest.param(
            "calls of unknown conversations",
            chats(
                conversations=[conversation("a")],
                tool_calls=[*called("x", conversation_id="a"), *called("y", conversation_id="b")],
            ),
            (1, 2),
            id="calls nowhere",
        ),
        pytest.param(
            "messages older than the one before them",
            chats(messages=said(*({"role": "user", "at": each} for each in (5, 9, None, 7)))),
            (1, 2),
            id="backwards",
        ),
        pytest.param(
            "messages dated before 2000",
            chats(messages=said({"role": "user", "at": -1e9}, {"role": "user", "at": 0}, "user")),
            (1, 2),
            id="absurd times",
        ),
        pytest.param(
            "messages without a time",
            chats(messages=said({"role": "user", "at": 0}, "user")),
            (1, 2),
            id="no time",
        ),
        pytest.param(
            "errors that only words suggest",
            chats(
                tool_calls=called(
                    {"status": "error"}, {"status": "error", "error_source": "explicit"}
                )
            ),
            (1, 2),
            id="guessed",
        ),
    ],
)
def test_quality_checks(problem, log, expected):
    """
    Each problem is found as often as it is there, among what could have it.
    """
    found = analysis.quality_checks(log).filter(problem=problem)

    assert [expected] == found.select("n", "n_checked").rows()


def test_completeness_names_every_column():
    """
    Every column of the three frames is there, and never more present than there are rows.
    """
    log = cd.sample(40)
    found = analysis.completeness(log)
    tables = (schema.CONVERSATIONS, schema.MESSAGES, schema.TOOL_CALLS)

    assert [(t.name, c.name) for t in tables for c in t.columns] == found.select(
        "frame", "column"
    ).rows()
    assert found.filter(found["n_present"] > found["n_rows"]).is_empty()
    assert [1.0] == found.filter(column="message_id", frame="messages")["share"].to_list()


def test_rejects_are_all_counted():
    """
    Reasons part the rejects.
    """
    log = cd.sample(200)

    assert log.rejects.collect().height == analysis.rejects_by_reason(log)["n_records"].sum() > 0


def test_coverage():
    """
    Days are counted from the first message to the last, and the longest silence between them.
    """
    day = 86_400
    log = chats(
        conversations=[conversation("c"), conversation("d"), conversation("e", origin="other")],
        messages=[
            *said({"role": "user", "at": 0}, {"role": "user", "at": 4 * day}),
            *said({"role": "user", "at": 5 * day}, "user", conversation_id="d"),
            *said("user", conversation_id="e"),
            *said({"role": "user", "at": 0}, conversation_id="gone"),
        ],
    )

    assert [
        ("other", 1, 1, 1, None, None, 0, 0, None, 0),
        ("test", 2, 4, 1, at(0), at(5 * day), 6, 3, 0.5, 3),
        (None, 1, 1, 0, at(0), at(0), 1, 1, 1.0, 0),
    ] == analysis.coverage(log).rows()


@pytest.mark.parametrize("seed", range(3))
def test_coverage_is_that_of_sql(seed):
    """
    Coverage equals that of a query written by hand, on random logs.
    """
    log = random_chats(seed)
    expected = log.sql("""with days as (
      select distinct origin, messages.created_at::date as day
      from messages left join conversations using (conversation_id)
      where messages.created_at is not null
    ), gaps as (
      select origin, day - lag(day) over (partition by origin order by day) - 1 as gap from days
    )
    select origin, count(distinct conversation_id), count(*),
      count(*) filter (messages.created_at is null), min(messages.created_at),
      max(messages.created_at), max(messages.created_at)::date - min(messages.created_at)::date + 1,
      (select count(*) from days d where d.origin = conversations.origin),
      (select max(gap) from gaps g where g.origin = conversations.origin)
    from messages left join conversations using (conversation_id)
    group by origin order by origin""")

    assert expected.rows() == analysis.coverage(log).drop("share").rows()


def test_records_by_cause():
    """
    Causes of all origins add up to the audit, and to one within each.
    """
    log = cd.concat(a=cd.sample(30), b=cd.sample(20, seed=1))
    found = analysis.records_by_cause(log)
    naive = log.audit().row(by_predicate=pl.col("cause") == "naive", named=True)

    assert naive["n_records"] == found["n_records"].sum()
    assert naive["n_messages"] == found["n_messages"].sum()
    assert {"a", "b"} == set(found["origin"])
    assert [1.0, 1.0] == pytest.approx(
        found.group_by("origin").agg(pl.col("share").sum())["share"].to_list()
    )

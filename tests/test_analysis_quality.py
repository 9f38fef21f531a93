"""What is missing, loose, out of order or unreadable."""

from __future__ import annotations

import pytest
from chat_rows import called, chats, conversation, said

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

"""What follows what, what is tried again, and what fails."""

from __future__ import annotations

import numpy as np
import pytest
from chat_rows import at, called, chats, said

import chatdata as cd
from chatdata import analysis
from chatdata.analysis.likeness import likeness

FAILED = {"status": "error", "error_source": "explicit"}


def one_turn(*calls, turns=1):
    """
    A conversation whose calls are made one answer each, so many of them in each turn.
    """
    spoken, made = [], []
    for place, call in enumerate(calls):
        if place % (len(calls) // turns) == 0:
            spoken.append("user")
        made += called(call, message_id=f"c.{len(spoken)}")
        spoken.append("assistant")
    return chats(messages=said(*spoken), tool_calls=made)


def test_transitions_follow_the_conversation():
    """
    Calls follow each other by message, then by place in it, and never across conversations.
    """
    log = chats(
        messages=[*said("user", "assistant", "assistant"), *said("assistant", conversation_id="d")],
        tool_calls=[
            *called("c", message_id="c.2"),
            *called("a", {"name": "b", **FAILED}, message_id="c.1"),
            *called("z", conversation_id="d", message_id="d.0"),
        ],
    )

    assert [("a", "b", 1, 1.0, 1, 0), ("b", "c", 1, 1.0, 0, 1)] == (
        analysis.tool_transitions(log).rows()
    )


def test_calls_off_the_main_path_follow_nothing():
    """
    An answer that was replaced takes its calls with it; calls without a message stay.
    """
    log = chats(
        messages=said("user", "assistant", {"role": "assistant", "is_main_path": False}),
        tool_calls=[
            *called("loose"),
            *called("a", message_id="c.1"),
            *called("replaced", message_id="c.2"),
        ],
    )

    assert [("loose", "a")] == analysis.tool_transitions(log).select("name", "next_name").rows()


@pytest.mark.parametrize(
    ("names", "n", "expected"),
    [
        pytest.param("abab", 2, [("a → b", 2), ("b → a", 1)], id="runs overlap"),
        pytest.param("aba", 3, [("a → b → a", 1)], id="as long as all"),
        pytest.param("ab", 3, [], id="too short"),
        pytest.param("ab", 1, [("a", 1), ("b", 1)], id="single calls"),
    ],
)
def test_ngrams(names, n, expected):
    """
    Every run of n consecutive calls is counted.
    """
    runs = analysis.tool_ngrams(one_turn(*names), n=n)

    assert expected == runs.select("tools", "n_times").rows()


def test_transitions_count_what_bigrams_count():
    """
    Two ways to the same pairs agree.
    """
    log = cd.sample(60)

    assert analysis.tool_ngrams(log, n=2)["n_times"].sum() == (
        analysis.tool_transitions(log)["n_transitions"].sum()
    )


def test_fan_out():
    """
    Messages are counted by how many calls each makes.
    """
    log = chats(
        messages=said("assistant", "assistant", "assistant"),
        tool_calls=[*called("a", "b", message_id="c.0"), *called("a", message_id="c.1")],
    )

    assert [(1, 1, 1, 0.5), (2, 1, 2, 0.5)] == analysis.parallel_calls(log).rows()


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        pytest.param('{"a":1,"b":2}', '{"b":2,"a":1}', "exact", id="order of keys"),
        pytest.param(None, None, "exact", id="none at all"),
        pytest.param(None, "{}", "changed", id="none and some"),
        pytest.param("not json", "not json", "exact", id="same text"),
        pytest.param("{", "}", "changed", id="no words"),
        pytest.param(
            '{"text":"one two three four five six seven eight nine ten eleven twelve"}',
            '{"text":"one two three four five six seven eight nine ten eleven dozen"}',
            "near",
            id="one word of many",
        ),
        pytest.param('{"id":1}', '{"id":2}', "changed", id="one word of two"),
    ],
)
def test_likeness(one, other, expected):
    """
    Arguments are the same as JSON, nearly so by their words, or changed.
    """
    assert [expected] == likeness([one], [other]).to_pylist()


@pytest.mark.parametrize(
    ("calls", "turns", "expected"),
    [
        pytest.param([FAILED, {}], 1, (1, 0), id="after an error"),
        pytest.param([{}, {}], 1, (0, 1), id="after a success"),
        pytest.param([FAILED, {}], 2, (0, 0), id="in another turn"),
        pytest.param([FAILED, {"name": "other"}, {}], 1, (1, 0), id="another tool between"),
        pytest.param([{"status": "denied"}, {}], 1, (0, 1), id="after a refusal"),
    ],
)
def test_repeats(calls, turns, expected):
    """
    A retry follows an error of the same tool in the same turn, a repeat anything else.
    """
    found = analysis.tool_repeats(one_turn(*calls, turns=turns)).filter(name="tool")

    assert [expected] == found.select("n_retries", "n_repeats").rows()


@pytest.mark.parametrize(
    ("calls", "turns", "expected"),
    [
        pytest.param([FAILED, {}], 1, (1, 1, 1), id="tried again and recovered"),
        pytest.param([FAILED, FAILED, {}], 1, (2, 2, 2), id="both recovered by one"),
        pytest.param([{}, FAILED], 1, (1, 0, 0), id="a success before does not count"),
        pytest.param([FAILED, FAILED], 1, (2, 1, 0), id="tried again in vain"),
        pytest.param([FAILED, {}], 2, (1, 0, 0), id="in another turn"),
    ],
)
def test_recovery(calls, turns, expected):
    """
    An error is recovered from by a later success of the same tool in its turn.
    """
    found = analysis.tool_recovery(one_turn(*calls, turns=turns), min_n=1)

    assert [expected] == found.select("n_errors", "n_tried_again", "n_recovered").rows()
    assert [expected[2] / expected[0]] == found["recovery_rate"].to_list()


@pytest.mark.parametrize(
    ("result", "expected"),
    [
        pytest.param("Task 17 not found", "Task <n> not found", id="numbers"),
        pytest.param("No file /home/ann/x.txt here", "No file <path> here", id="paths"),
        pytest.param("unknown key 'secret'", "unknown key <text>", id="quotations"),
        pytest.param("mail to ann@example.org failed", "mail to <address> failed", id="addresses"),
        pytest.param(
            "row 0f8fad5b-d9cb-469f-a165-70867728950e is gone", "row <id> is gone", id="ids"
        ),
        pytest.param('{"success":false,"error":"No task 3"}', "No task <n>", id="JSON error"),
        pytest.param('{"error":{"message":"Too late"}}', "Too late", id="nested JSON error"),
        pytest.param("Boom\n  at line 3", "Boom", id="first line"),
        pytest.param(None, None, id="no result"),
        pytest.param("", None, id="an empty result"),
        pytest.param('{"message": ""}', None, id="an empty message"),
    ],
)
def test_error_signatures(result, expected):
    """
    Errors are grouped by what is left when what varies is masked.
    """
    log = chats(tool_calls=called({"result": result, **FAILED}, {"result": "fine"}))

    assert [("tool", expected, 1)] == analysis.tool_error_signatures(log).rows()


def test_latency_is_that_of_numpy():
    """
    Quantiles are exact; calls that end together in one message have no latency of their own.
    """
    seconds = [1, 2, 4, 8, 16, 32.5]
    alone = [
        row
        for place, each in enumerate(seconds)
        for row in called({"started_at": at(0), "ended_at": at(each)}, message_id=f"c.{place}")
    ]
    together = called(*[{"started_at": at(0), "ended_at": at(99)}] * 2, message_id="c.9")
    backwards = called({"started_at": at(5), "ended_at": at(0)}, message_id="c.10")
    untimed = called("tool", message_id="c.11")
    log = chats(tool_calls=[*alone, *together, *backwards, *untimed])
    found = analysis.tool_latency(log).row(0, named=True)

    assert (10, 6) == (found["n_tool_calls"], found["n_timed"])
    assert np.quantile(seconds, [0.5, 0.9, 0.95, 0.99, 1]).tolist() == pytest.approx(
        [found[name] for name in ("p50_s", "p90_s", "p95_s", "p99_s", "max_s")]
    )


def test_errors_by_class_add_up():
    """
    Classes part the errors that usage counts.
    """
    log = cd.sample(120)

    assert analysis.tool_usage(log)["n_errors"].sum() == analysis.tool_errors(log)["n_errors"].sum()

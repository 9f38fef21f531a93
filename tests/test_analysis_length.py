"""Lengths of conversations and their distributions."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from chat_rows import called, chats, conversation, said
from random_chats import random_chats
from scipy import stats

import chatdata as cd
from chatdata import analysis

TIMED = [{"role": "user", "at": 0}, {"role": "assistant", "at": 10}]


def length(log, **options):
    """
    The length of the only conversation, by name.
    """
    return analysis.conversation_length(log, **options).collect().row(0, named=True)


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        pytest.param(
            ["user", "assistant"],
            {"n_messages": 2, "n_prompts": 1, "turns_exchange": 1, "turns_role_switch": 1},
            id="one exchange",
        ),
        pytest.param(
            ["assistant", "user", "user", "assistant", "tool", "assistant"],
            {
                "n_messages": 6,
                "turns_prompt": 2,
                "turns_exchange": 3,
                "turns_role_switch": 1,
                "turns_speaker": 5,
            },
            id="turns differ by definition",
        ),
        pytest.param(
            [
                "user",
                {"role": "user", "kind": "injected"},
                {"role": "user", "kind": "command"},
                {"role": "system", "kind": "summary"},
                {"role": "system", "kind": "event"},
                {"role": "assistant", "is_main_path": False},
                "assistant",
            ],
            {"n_messages": 2, "n_prompts": 1, "turns_role_switch": 1, "turns_speaker": 2},
            id="what is not counted separates nothing",
        ),
        pytest.param(
            ["user", "assistant"],
            {"n_generations": None, "turns_generation": None},
            id="generations unknown",
        ),
        pytest.param(["user"], {"n_generations": 0, "turns_generation": 0}, id="no answer yet"),
        pytest.param(
            [
                {"role": "assistant", "generation_id": "a"},
                {"role": "assistant", "generation_id": "a"},
                {"role": "assistant", "generation_id": None},
                {"role": "assistant", "generation_id": "b"},
                {"role": "user", "generation_id": "c"},
            ],
            {"n_generations": 2, "turns_generation": 2},
            id="generations are distinct ids of answers",
        ),
        pytest.param(
            [{"role": "user", "content": "naïve 👋"}, {"role": "assistant", "content": None}],
            {"n_chars": 7},
            id="code points of what has text",
        ),
        pytest.param(
            [{"role": "user", "content": None}], {"n_chars": None}, id="no text, no length"
        ),
        pytest.param(TIMED, {"duration_wall_s": 10, "duration_active_s": 10}, id="short gap"),
        pytest.param(
            [*TIMED, {"role": "user", "at": 1010}],
            {"duration_wall_s": 1010, "duration_active_s": 310},
            id="long gap is capped",
        ),
        pytest.param(
            [*TIMED, "user", {"role": "assistant", "at": 30}],
            {"duration_wall_s": 30, "duration_active_s": 30},
            id="a message without a time is passed over",
        ),
        pytest.param(
            reversed(TIMED),
            {"duration_wall_s": None, "duration_active_s": None},
            id="backwards is unknown, not 0",
        ),
        pytest.param(
            [{**turn, "created_at_precision": "day"} for turn in TIMED],
            {"duration_wall_s": None},
            id="days have no duration",
        ),
        pytest.param(TIMED[:1], {"duration_wall_s": None}, id="one time has no duration"),
    ],
)
def test_conversation_length(turns, expected):
    """
    Each definition of length counts what it says.
    """
    found = length(chats(messages=said(*turns)))

    assert expected == {name: found[name] for name in expected}


def test_cap_is_a_choice():
    """
    A gap adds at most the cap that was asked for.
    """
    found = length(chats(messages=said(*TIMED)), active_cap_s=2.5)

    assert (10, 2.5) == (found["duration_wall_s"], found["duration_active_s"])


def test_nobody_is_dropped():
    """
    Conversations without messages have zeros, and messages without a conversation are counted.
    """
    log = chats(
        conversations=[conversation("silent")],
        messages=said("user", conversation_id="orphan"),
        tool_calls=called("a", "b", conversation_id="calls only"),
    )
    lengths = analysis.conversation_length(log).collect()

    assert [("calls only", 0, 2), ("orphan", 1, 0), ("silent", 0, 0)] == (
        lengths.select("conversation_id", "n_messages", "n_tool_calls").rows()
    )


def test_lengths_add_up_to_the_reconciliation():
    """
    Counted messages are the same number wherever they are shown, and the parts make the whole.
    """
    log = cd.sample(80)
    lengths = analysis.conversation_length(log).collect()
    parts = dict(analysis.message_reconciliation(log).rows())
    roles = analysis.messages_by_role(log)

    assert parts["counted"] == lengths["n_messages"].sum() == roles["n_messages"].sum()
    assert parts["all"] == log.messages.collect().height == sum(parts.values()) - parts["all"]
    assert min(parts.values()) > 0


def test_quantiles_are_exact():
    """
    Quantiles are those of numpy's linear definition, the mean that of all values.
    """
    log = cd.sample(150, seed=3)
    lengths = analysis.conversation_length(log).collect()
    found = analysis.length_distribution(log).rows_by_key("metric", named=True, unique=True)

    for metric in ("n_messages", "n_chars", "duration_active_s"):
        values = lengths[metric].drop_nulls().to_numpy()
        for name, q in {
            "min": 0,
            "p10": 0.1,
            "p50": 0.5,
            "p95": 0.95,
            "p99": 0.99,
            "max": 1,
        }.items():
            assert np.quantile(values, q) == pytest.approx(found[metric][name], rel=1e-12)
        assert stats.tmean(values) == pytest.approx(found[metric]["mean"], rel=1e-12)
        assert lengths.height == found[metric]["n_conversations"] + found[metric]["n_unknown"]


@pytest.mark.parametrize(
    ("last", "n_running"),
    [
        pytest.param({"role": "user", "at": 5}, 1, id="a prompt waits for its answer"),
        pytest.param({"role": "tool", "at": 5}, 1, id="a result waits for its answer"),
        pytest.param({"role": "assistant", "at": 5}, 0, id="answered"),
        pytest.param({"role": "user", "at": -7200}, 0, id="given up long ago"),
        pytest.param({"role": "user"}, 0, id="no time, no cut"),
    ],
)
def test_running_conversations_are_left_out(last, n_running):
    """
    What the end of the log cut in the middle of a turn is counted apart, not as short.
    """
    other = said(
        {"role": "user", "at": 0}, {"role": "assistant", "at": 10}, conversation_id="other"
    )
    log = chats(messages=[*other, *said("assistant", last)])
    found = analysis.length_distribution(log).row(0, named=True)

    assert (2 - n_running, n_running) == (found["n_conversations"], found["n_running"])


@pytest.mark.parametrize(
    ("n_messages", "expected"),
    [
        pytest.param([0], [(0, 1, 1, 1.0)], id="nothing said"),
        pytest.param([1], [(1, 2, 1, 1.0)], id="lower edge is in"),
        pytest.param([7, 8], [(4, 8, 1, 0.5), (8, 16, 1, 1.0)], id="upper edge is out"),
        pytest.param(
            [1, 9], [(1, 2, 1, 0.5), (2, 4, 0, 0.5), (4, 8, 0, 0.5), (8, 16, 1, 1.0)], id="gaps"
        ),
    ],
)
def test_histogram(n_messages, expected):
    """
    Bins double in width, hold their lower edge, and say how many are shorter.
    """
    ids = [str(place) for place in range(len(n_messages))]
    messages = [
        said(*itertools.repeat("assistant", n), conversation_id=each)
        for each, n in zip(ids, n_messages, strict=True)
    ]
    log = chats(
        conversations=[conversation(each) for each in ids],
        messages=list(itertools.chain(*messages)),
    )
    bins = analysis.length_histogram(log).filter(metric="n_messages")

    assert expected == bins.select("low", "high", "n_conversations", "share_up_to").rows()
    assert bins["n_conversations"].sum() * bins["share"].sum() == pytest.approx(len(ids))


@pytest.mark.parametrize(
    ("turns", "calls", "expected"),
    [
        pytest.param([], [], "nothing", id="nothing said"),
        pytest.param(["user"], [], "user", id="unanswered"),
        pytest.param(["user", "assistant"], [], "assistant", id="answered"),
        pytest.param(["user", "assistant", "tool"], [], "tool_result", id="result unread"),
        pytest.param(
            ["user", {"role": "assistant", "finish_reason": "max_tokens"}],
            [],
            "cut_by_length",
            id="ran into its limit",
        ),
        pytest.param(
            ["user", "assistant"],
            called({"status": "ok"}, {"status": "no_result"}, message_id="c.1"),
            "pending_tool",
            id="a call has no result",
        ),
        pytest.param(
            ["user", "assistant", "assistant"],
            called({"status": "no_result"}, message_id="c.1"),
            "assistant",
            id="an earlier call had none",
        ),
        pytest.param(["system"], [], "other", id="only the system spoke"),
        pytest.param(
            ["assistant", {"role": "system", "kind": "event"}], [], "assistant", id="events aside"
        ),
    ],
)
def test_conversation_ending(turns, calls, expected):
    """
    A conversation ends on its last counted message.
    """
    log = chats(conversations=[conversation()], messages=said(*turns), tool_calls=calls)

    assert [expected] == analysis.conversation_ending(log).collect()["ending"].to_list()


@pytest.mark.parametrize("seed", range(1, 4))
def test_ecdf_is_that_of_scipy(seed):
    """
    Each point of the curve is exact, by an independent implementation.
    """
    log = random_chats(seed)
    found = analysis.length_ecdf(log)
    running = analysis.length_distribution(log)["n_running"][0]
    lengths = analysis.conversation_length(log).collect()

    assert 0 == running
    for (metric,), points in found.group_by("metric"):
        values = lengths[metric].drop_nulls().to_numpy()
        expected = stats.ecdf(values).cdf
        band = np.sqrt(np.log(40) / (2 * len(values)))

        assert expected.quantiles.tolist() == points["value"].to_list()
        assert expected.probabilities == pytest.approx(points["share"].to_numpy())
        assert np.clip(expected.probabilities - band, 0, 1) == pytest.approx(
            points["share_low"].to_numpy()
        )


@pytest.mark.parametrize("most", [2, 3, 7, 39, 40, 41])
def test_ecdf_shows_a_few_points(most):
    """
    Of many values, some at even ranks are shown, both ends among them, as exact as all.
    """
    talks = [said(*["user"] * (n + 1), conversation_id=f"{n:02}") for n in range(40)]
    log = chats(messages=[row for talk in talks for row in talk])
    whole, few = (analysis.length_ecdf(log, most=n).filter(metric="n_messages") for n in (99, most))

    assert min(most, 40) == few.height
    assert [1.0, 40.0] == [few["value"][0], few["value"][-1]]
    assert set(few.rows()) <= set(whole.rows())

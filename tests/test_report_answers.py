"""What notebooks and reports say in sentences, on logs that are counted by hand."""

from __future__ import annotations

import pytest
from chat_rows import called, chats, conversation, said

from chatdata.report import answers
from chatdata.report.figure import percent

FAILED = {"status": "error", "error_source": "explicit"}
DAY = 86_400


def talks(*lengths, model="m", first=0):
    """
    Conversations of one model with so many prompts, each answered; the next begins a day later.
    """
    rows, turns = [], []
    for place, n in enumerate(lengths, first):
        name = f"c{place}"
        rows.append(conversation(name, user_id=f"u{place}", model=model))
        spoken = [
            {"role": role, "at": place * DAY + 2 * prompt + late}
            for prompt in range(n)
            for late, role in enumerate(("user", "assistant"))
        ]
        turns += said(*spoken, conversation_id=name)
    return rows, turns


def turn(*calls):
    """
    One turn with calls.
    """
    messages = said({"role": "user", "at": 0}, {"role": "assistant", "at": 3})
    return chats(messages=messages, tool_calls=called(*calls, message_id="c.1"))


def two_models():
    """
    Forty conversations of one prompt by one model, and forty of six by another.
    """
    rows, turns = talks(*[1] * 40, model="brief")
    more, others = talks(*[6] * 40, model="lasting", first=40)
    return chats(conversations=rows + more, messages=turns + others)


@pytest.mark.parametrize(
    ("ask", "log", "expected"),
    [
        pytest.param(
            answers.error_classes,
            turn({**FAILED, "error_class": "not_found"}, {**FAILED, "error_class": "timeout"}, {}),
            "Of 2 errors, most often the cause is not found: 1 (50%), then timeout (1).",
            id="why calls fail",
        ),
        pytest.param(
            answers.error_classes,
            turn(FAILED),
            "The log does not tell why 1 call failed.",
            id="it does not tell why",
        ),
        pytest.param(answers.error_classes, turn("a"), "", id="nothing failed"),
        pytest.param(
            answers.after_errors,
            turn(FAILED, {}, {**FAILED, "name": "other"}),
            "After 1 of 2 errors the tool is tried again in the same turn, after 1 (50% of all) "
            "with success.",
            id="tried again",
        ),
        pytest.param(
            answers.after_errors,
            turn(FAILED, "other"),
            "After none of 1 error the tool is tried again in the same turn.",
            id="given up",
        ),
        pytest.param(
            answers.next_call,
            turn("a", "b", "b", "b"),
            "Of 3 pairs of calls, the most frequent is b after b (2); in 66.7% a tool follows "
            "itself.",
            id="what follows what",
        ),
        pytest.param(
            answers.repeats,
            turn({"arguments": "{}"}, {"arguments": "{}"}),
            "Of 2 calls on main paths, 1 repeats one of the same turn to the letter though it had "
            "not failed; none is a retry.",
            id="the same again",
        ),
        pytest.param(
            answers.waiting,
            turn(),
            "In half of 1 turn people wait 3 s or less for the first answer, in nine of ten 3 s or "
            "less.",
            id="an answer after three seconds",
        ),
        pytest.param(
            answers.cohorts,
            two_models(),
            "Models differ by more than chance in how far conversations get (log-rank of each "
            "against the others, over 80 conversations of 2 models): those of lasting (p < 0.001) "
            "get further, those of brief (p < 0.001) end sooner.",
            id="models differ",
        ),
        pytest.param(
            answers.cohorts,
            chats(),
            "No two models can be compared in how far their conversations get.",
            id="no models",
        ),
        pytest.param(
            answers.silence,
            chats(messages=said({"role": "user", "at": 0}, {"role": "user", "at": 4 * DAY})),
            "The longest stretch without a message is 3 days.",
            id="three days of silence",
        ),
        pytest.param(answers.silence, turn(), "There is no day without", id="no silence"),
        pytest.param(answers.silence, chats(messages=said("user")), "", id="no times"),
        pytest.param(
            answers.filled,
            chats(),
            "The log fills 0 of 57 columns; nothing can be said about who wrote, when, models, "
            "tokens, tool calls or how long calls take.",
            id="nothing recorded",
        ),
        pytest.param(
            answers.checks, chats(), "Not one of 17 checks found anything amiss.", id="no problems"
        ),
        pytest.param(
            answers.reach,
            chats(messages=talks(1, 3, 3)[1]),
            "Half of 3 conversations with a prompt reach prompt 3 or more.",
            id="how far",
        ),
    ],
)
def test_sentences(ask, log, expected):
    """
    Each says what was counted, with its n, or why nothing can be said, or nothing.
    """
    told = ask(log)

    assert told.startswith(expected)
    assert bool(told) == bool(expected)


@pytest.mark.parametrize(
    ("share", "expected"),
    [
        pytest.param(0.0, "0%", id="none"),
        pytest.param(0.0004, "less than 0.1%", id="hardly any"),
        pytest.param(0.045, "4.5%", id="some"),
        pytest.param(0.9996, "more than 99.9%", id="nearly all"),
        pytest.param(1.0, "100%", id="all"),
    ],
)
def test_percent(share, expected):
    """
    What is not quite nothing or all is not rounded to it.
    """
    assert expected == percent(share)

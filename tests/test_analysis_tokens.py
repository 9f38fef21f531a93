"""Tokens, each generation once, and what they cost."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from chat_rows import chats, said

import chatdata as cd
from chatdata import analysis
from chatdata.analysis.prices import read
from chatdata.errors import SourceError

PRICES = """
[prices.small]
id = "list"
date = 2025-09-01
tokens_in = 3
tokens_out = 0.15
"""


def answer(output, generation=None, **columns):
    """
    An answer of so many tokens.
    """
    return {
        "role": "assistant",
        "model": "small",
        "output_tokens": output,
        "generation_id": generation,
        **columns,
    }


@pytest.mark.parametrize(
    ("turns", "expected"),
    [
        pytest.param([answer(5), answer(7)], (2, 12, None), id="each row its own"),
        pytest.param([answer(5, "g"), answer(7, "g")], (1, 7, None), id="one generation once"),
        pytest.param(
            [answer(5), answer(7, is_main_path=False)], (2, 12, None), id="spent off path"
        ),
        pytest.param([answer(None), "user"], (0, None, None), id="not recorded is null"),
        pytest.param([answer(5, reasoning_tokens=0)], (1, 5, 0), id="nought is recorded"),
    ],
)
def test_conversation_tokens(turns, expected):
    """
    Usage is taken once per generation, by maximum; what is not recorded is null.
    """
    found = analysis.conversation_tokens(chats(messages=said(*turns))).collect()

    assert [expected] == found.select("n_generations", "tokens_out", "tokens_reasoning").rows()


def test_one_generation_id_in_two_conversations_is_two():
    """
    Ids of generations are those of their conversation.
    """
    messages = [*said(answer(5, "g")), *said(answer(5, "g"), conversation_id="d")]

    assert [10] == analysis.tokens_by_model(chats(messages=messages))["tokens_out"].to_list()


def test_models_part_the_tokens():
    """
    Models, conversations and the accounting of what was kept have the same tokens.
    """
    log = cd.sample(80)
    by_model = analysis.tokens_by_model(log)
    by_conversation = analysis.conversation_tokens(log).collect()
    kept = log.accounting.filter(pl.col("cause") == "kept").collect()["output_tokens"].sum()

    assert kept == by_model["tokens_out"].sum() == by_conversation["tokens_out"].sum()


def test_cost(tmp_path):
    """
    Prices are exact, per kind and model, and carry their id and date.
    """
    path = tmp_path / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    log = chats(messages=said(answer(1_000_001, input_tokens=2)))
    found = analysis.token_cost(log, read(path))

    assert [("small", 1, 150_006, "list", date(2025, 9, 1), None)] == found.rows()


@pytest.mark.parametrize(
    ("turn", "reason"),
    [
        pytest.param(answer(5, model="large"), "no price for this model", id="unlisted"),
        pytest.param(answer(5, model=None), "no price for this model", id="unnamed"),
        pytest.param(
            answer(5, cache_read_tokens=1), "no price for a kind of token that was used", id="kind"
        ),
        pytest.param(answer(5, cache_read_tokens=0), None, id="a kind that was not used"),
    ],
)
def test_unpriced_is_never_free(turn, reason, tmp_path):
    """
    What has no price has no cost, and says why.
    """
    path = tmp_path / "prices.toml"
    path.write_text(PRICES, encoding="utf-8")
    found = analysis.token_cost(chats(messages=said(turn)), read(path)).row(0, named=True)

    assert reason == found["reason"]
    assert (reason is None) == (found["cost_micro"] is not None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("not toml", "found no TOML", id="no TOML"),
        pytest.param('[prices.a]\nid = "x"\n', "prices.a lacks `id`", id="no date"),
        pytest.param(PRICES.replace("0.15", '"free"'), "expected numbers", id="no number"),
        pytest.param(PRICES.replace("0.15", "-1"), "expected numbers", id="negative"),
        pytest.param(None, "cannot be read", id="no file"),
    ],
)
def test_bad_prices_say_what_is_wrong(text, expected, tmp_path):
    """
    A price table that cannot be used is one line that names the file and the model.
    """
    path = tmp_path / "prices.toml"
    if text is not None:
        path.write_text(text, encoding="utf-8")

    with pytest.raises(SourceError, match=expected):
        read(path)

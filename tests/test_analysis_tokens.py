"""Tokens, each generation once, and what they cost."""

from __future__ import annotations

from datetime import date

import polars as pl
import pytest
from chat_rows import called, chats, said
from random_chats import random_chats

import chatdata as cd
from chatdata import analysis
from chatdata.analysis import costs
from chatdata.analysis.prices import bundled, read
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


def test_tool_turns():
    """
    Turns are binned by their calls; what was spent before the first prompt is in no turn.
    """
    log = chats(
        messages=said(
            answer(1),
            "user",
            answer(10),
            "user",
            answer(20),
            answer(30, "g"),
            answer(35, "g"),
            "user",
            {**answer(40), "is_main_path": False},
        ),
        tool_calls=[*called("a", "b", message_id="c.4"), *called("c", message_id="c.5")],
    )

    assert [
        (0, 0, 2, 0, 2, 50, 25.0),
        (2, 3, 1, 3, 2, 55, 55.0),
        (None, None, None, 0, 1, 1, None),
    ] == analysis.tokens_by_tool_turn(log).select(
        *("from_calls", "to_calls", "n_turns", "n_tool_calls", "n_generations", "tokens_out"),
        "tokens_out_per_turn",
    ).rows()


@pytest.mark.parametrize("seed", range(3))
def test_tool_turns_are_those_of_sql(seed):
    """
    Turns, generations and tokens of each bin equal those of a query written by hand.
    """
    log = random_chats(seed)
    found = analysis.tokens_by_tool_turn(log)
    expected = log.sql("""with placed as (
      select *, coalesce(generation_id, message_id) as g, coalesce(input_tokens, output_tokens,
          cache_read_tokens, cache_write_tokens, reasoning_tokens) is not null as told,
        sum((is_main_path and role = 'user' and kind = 'chat')::int) over (
          partition by conversation_id order by position, message_id) as turn,
        (select count(*) from tool_calls t where t.message_id = messages.message_id) as n
      from messages
    ), spent as (
      select conversation_id, turn, g, bool_or(told) as told, sum(n) as n,
        max(output_tokens) as tokens_out, max(cache_read_tokens) as tokens_cache_read
      from placed group by all
    ), turns as (
      select conversation_id, turn, sum(n) as n, count(*) filter (told) as n_generations,
        sum(tokens_out) as tokens_out, sum(tokens_cache_read) as tokens_cache_read
      from spent group by all
    )
    select case when turn > 0 then case when n = 0 then 0 else 2 ** floor(log2(n)) end end
        as from_calls,
      case when from_calls is not null then count(*) end, sum(n), sum(n_generations),
      sum(tokens_out), sum(tokens_cache_read)
    from turns group by from_calls order by from_calls nulls last""")

    assert (
        expected.rows()
        == found.select(
            *("from_calls", "n_turns", "n_tool_calls", "n_generations"),
            *("tokens_out", "tokens_cache_read"),
        ).rows()
    )


DATED = """
[[prices.small]]
id = "new"
date = 2025-03-05
tokens_out = 2

[[prices.small]]
id = "old"
date = 2025-03-04
names = ["tiny"]
max_context = 100
tokens_in = 0
tokens_out = 1
"""


@pytest.mark.parametrize(
    ("turn", "expected"),
    [
        pytest.param({}, ("old", 1_000_000, None), id="no time"),
        pytest.param({"at": 0}, ("old", 1_000_000, None), id="before all prices"),
        pytest.param({"at": 86_400}, ("old", 1_000_000, None), id="the day after"),
        pytest.param({"at": 2 * 86_400}, ("new", 2_000_000, None), id="since the newer"),
        pytest.param({"model": "tiny"}, ("old", 1_000_000, None), id="another name"),
        pytest.param({"input_tokens": 100}, ("old", 1_000_000, None), id="as long as it may be"),
        pytest.param({"input_tokens": 101}, ("old", None, costs.TOO_LONG), id="too long"),
        pytest.param(
            {"at": 2 * 86_400, "input_tokens": 1}, ("new", None, costs.NO_KIND), id="no such price"
        ),
        pytest.param({"model": "big"}, (None, None, costs.NO_MODEL), id="no such model"),
    ],
)
def test_prices_have_dates(turn, expected, tmp_path):
    """
    A generation has the newest price that is not younger than it is, or the oldest, or none.
    """
    path = tmp_path / "prices.toml"
    path.write_text(DATED, encoding="utf-8")
    log = chats(messages=said(answer(1_000_000, **turn)))
    found = analysis.token_cost(log, read(path))
    each = analysis.conversation_cost(log, read(path)).collect()

    assert [expected] == found.select("price_id", "cost_micro", "reason").rows()
    assert [(1, int(expected[1] is None), expected[1])] == each.drop("conversation_id").rows()


@pytest.mark.parametrize("seed", range(4))
def test_costs_are_those_of_sql(seed, tmp_path):
    """
    Costs by model and by conversation equal those of queries written by hand, and each other.
    """
    path = tmp_path / "prices.toml"
    path.write_text(
        '[prices.small]\nid = "a"\ndate = 2025-01-01\ntokens_in = 0.15\ntokens_out = 0.6\n'
        "tokens_cache_read = 0.075\ntokens_cache_write = 1.3\n",
        encoding="utf-8",
    )
    log = random_chats(seed)
    priced = """with spent as (
      select conversation_id, coalesce(generation_id, message_id) as g, max(model) as model,
        max(input_tokens) as i, max(output_tokens) as o, max(cache_read_tokens) as r,
        max(cache_write_tokens) as w, max(reasoning_tokens) as t
      from messages group by all
    ), priced as (
      select *, case when model = 'small' then (coalesce(i, 0) * 150000 + coalesce(o, 0) * 600000
        + coalesce(r, 0) * 75000 + coalesce(w, 0) * 1300000 + 500000) // 1000000 end as micro
      from spent where coalesce(i, o, r, w, t) is not null
    )"""
    models = log.sql(f"""{priced} select model, count(*), sum(micro) from priced group by model
      order by sum(micro) desc nulls last, model nulls last""")
    each = log.sql(f"""{priced} select conversation_id, count(*), count(*) - count(micro),
      case when count(*) = count(micro) then sum(micro) end from priced group by all order by 1""")
    found = analysis.token_cost(log, read(path))

    assert models.rows() == found.select("model", "n_generations", "cost_micro").rows()
    assert each.rows() == analysis.conversation_cost(log, read(path)).collect().rows()


def test_bundled_prices():
    """
    Every bundled price has a source, a date and more for output than for input.
    """
    found = bundled()

    assert found.height == found["model"].n_unique() > 40
    assert (
        0
        == found.select("price_id", "price_date", "source", "tokens_out")
        .null_count()
        .sum_horizontal()[0]
    )
    assert found.filter(pl.col("tokens_in") >= pl.col("tokens_out")).is_empty()
    assert found.filter(pl.col("tokens_cache_read") >= pl.col("tokens_in")).is_empty()


def test_bundled_prices_are_used_unless_asked_otherwise():
    """
    A model of the bundled list has a cost, one that is not has the reason.
    """
    log = chats(messages=said(answer(1_000_000, model="claude-haiku-4-5-20251001"), answer(1)))

    assert [
        ("claude-haiku-4-5-20251001", 5_000_000, None),
        ("small", None, costs.NO_MODEL),
    ] == analysis.token_cost(log).select("model", "cost_micro", "reason").rows()

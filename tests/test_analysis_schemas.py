"""What arguments are made of, how that changes, and what is wrong with some."""

from __future__ import annotations

import json
import random

import jsonschema
import pytest
from chat_rows import at, called, chats, said
from random_chats import random_chats
from statsmodels.stats.proportion import confint_proportions_2indep

from chatdata import analysis
from chatdata.analysis.defects import defect

REFUSED = {
    "status": "error",
    "error_source": "explicit",
    "error_class": "invalid_arguments",
}


def calls(*arguments, **columns):
    """
    Calls of one tool with these arguments.
    """
    return called(*({"arguments": json.dumps(each), **columns} for each in arguments))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([{}], {"type": "object"}, id="no arguments"),
        pytest.param(
            [{"a": 1}, {"a": "x", "b": None}],
            {
                "type": "object",
                "properties": {"a": {"type": ["integer", "string"]}, "b": {"type": "null"}},
                "required": ["a"],
            },
            id="required is what all have",
        ),
        pytest.param(
            [{"a": 1}, {"a": 2.5}],
            {"type": "object", "properties": {"a": {"type": "number"}}, "required": ["a"]},
            id="integers are numbers",
        ),
        pytest.param(
            [{"a": [{"x": 1}, {"x": 2, "y": True}, "z"]}],
            {
                "type": "object",
                "properties": {
                    "a": {
                        "type": "array",
                        "items": {
                            "type": ["object", "string"],
                            "properties": {"x": {"type": "integer"}, "y": {"type": "boolean"}},
                            "required": ["x"],
                        },
                    }
                },
                "required": ["a"],
            },
            id="items of arrays together",
        ),
        pytest.param(
            [{"a": []}],
            {"type": "object", "properties": {"a": {"type": "array"}}, "required": ["a"]},
            id="nothing is known of items that never were",
        ),
    ],
)
def test_schema(arguments, expected):
    """
    The schema is the narrowest that every call keeps to.
    """
    found = analysis.tool_schemas(chats(tool_calls=calls(*arguments)))

    assert [("tool", len(arguments))] == found.select("name", "n_tool_calls").rows()
    assert expected == json.loads(found["schema"].item())


def _value(dice, depth=0):
    kinds = ["text", 1, 1.5, None, True]
    kind = dice.choice([*kinds, [], {}] if depth < 3 else kinds)
    if kind == []:
        return [_value(dice, depth + 1) for _ in range(dice.randrange(3))]
    if kind == {}:
        return {dice.choice("abc"): _value(dice, depth + 1) for _ in range(dice.randrange(3))}
    return kind


@pytest.mark.parametrize("seed", range(6))
def test_every_call_keeps_to_the_schema(seed):
    """
    A validator of its own accepts all calls, and refuses each without a member that is required.
    """
    dice = random.Random(seed)  # noqa: S311 - arguments, not a secret
    arguments = [{key: _value(dice) for key in "pq"} for _ in range(30)]
    for each in arguments[:10]:
        each.pop("q")
    found = analysis.tool_schemas(chats(tool_calls=calls(*arguments)))
    validator = jsonschema.Draft202012Validator(json.loads(found["schema"].item()))

    assert all(validator.is_valid(each) for each in arguments)
    assert not any(validator.is_valid({"q": each.get("q")}) for each in arguments)


def test_schemas_show_no_value():
    """
    Names and types get out, values do not.
    """
    found = analysis.tool_schemas(chats(tool_calls=calls({"to": "CANARY", "l": ["CANARY"]})))

    assert "CANARY" not in found.write_json()


ARGUMENTS = """
with members as (
  select tool_call_id, name, unnest(json_keys(arguments)) as key, arguments
  from tool_calls where arguments is not null
), typed as (
  select name, key, json_extract(arguments, '$.' || key)::varchar as value,
    json_extract_string(arguments, '$.' || key) as text
  from members
)
"""


@pytest.mark.parametrize("seed", range(3))
def test_arguments_are_those_of_sql(seed):
    """
    Presence, variety and sizes equal those of a query written by hand, on random logs.
    """
    log = random_chats(seed)
    query = f"""{ARGUMENTS}
    select t.name, key, count(*), count(distinct t.value), quantile_cont(length(
      case when t.value like '"%' then t.text else replace(t.value, ' ', '') end), 0.5)
    from typed t group by all order by t.name nulls last, count(*) desc, key"""
    found = analysis.tool_arguments(log)

    assert (
        log.sql(query).rows()
        == found.select("name", "argument", "n_present", "n_values", "p50_chars").rows()
    )


@pytest.mark.parametrize("seed", range(3))
def test_values_are_those_of_sql(seed):
    """
    Enumerations and their counts equal those of a query written by hand.
    """
    dice = random.Random(seed)  # noqa: S311 - arguments, not a secret
    arguments = [
        {
            "mode": dice.choice(["low", "high", None]),
            "flag": dice.random() < 0.3,
            "size": dice.choice([1, 2, 3.5]),
            "path": f"/{dice.randrange(10**6)}",
            "list": [1],
        }
        for _ in range(60)
    ]
    log = chats(tool_calls=calls(*arguments))
    query = f"""{ARGUMENTS}
    select key, coalesce(text, 'null'), count(*) from typed
    where key in ('mode', 'flag') group by all order by key, count(*) desc, 2"""
    found = analysis.tool_argument_values(log)

    assert log.sql(query).rows() == found.select("argument", "value", "n_tool_calls").rows()
    assert [n / 60 for n in found["n_tool_calls"]] == pytest.approx(found["share"].to_list())


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([{"a": "x"}] * 4, [], id="too rare"),
        pytest.param([{"a": "x"}] * 5, [("a", "string", "x", 5, 1.0)], id="often enough"),
        pytest.param([{"a": "x" * 65}] * 5, [], id="too long"),
        pytest.param([{"a": n} for n in range(13)] * 5, [], id="too many"),
        pytest.param(
            [{"a": 1}, {"a": "1"}] * 5,
            [("a", "integer", "1", 5, 0.5), ("a", "string", "1", 5, 0.5)],
            id="a number is no text",
        ),
        pytest.param([{"a": 1}, {"a": [1]}] * 5, [], id="sometimes a list"),
    ],
)
def test_enumerations(arguments, expected):
    """
    An argument whose values are few, short and met again is an enumeration.
    """
    found = analysis.tool_argument_values(chats(tool_calls=calls(*arguments)))

    assert expected == found.drop("name").rows()


def drifting(before, after, **options):
    """
    Drift between calls at the first minute and calls an hour later.
    """
    rows = calls(*before, *after)
    for place, row in enumerate(rows):
        row["started_at"] = at(60 if place < len(before) else 3600 + 60)
    return analysis.argument_drift(chats(tool_calls=rows), at=at(3600), **options)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        pytest.param([{"a": 1}], [{"a": 2}], "none", id="other values"),
        pytest.param([{}], [{"a": 2}], "appeared", id="new"),
        pytest.param([{"a": 1}], [{}], "vanished", id="gone"),
        pytest.param([{"a": 1}], [{"a": "1"}], "other types", id="a text now"),
    ],
)
def test_drift(before, after, expected):
    """
    What became of an argument is said in a word.
    """
    assert [expected] == drifting(before * 20, after * 20)["drift"].to_list()
    assert [None] == drifting(before * 19, after * 20)["drift"].to_list()
    assert [expected] == drifting(before, after, min_n=1)["drift"].to_list()


def test_drift_of_a_share():
    """
    A share that differs by more than chance is drift; sizes are those of each side.
    """
    found = drifting([{"a": "x"}] * 30 + [{"b": 1}] * 10, [{"a": "yyy"}] * 5 + [{"b": 1}] * 35)

    assert [
        ("a", 40, 40, 0.75, 0.125, "string", "string", 1.0, 3.0, "other share"),
        ("b", 40, 40, 0.25, 0.875, "integer", "integer", 1.0, 1.0, "other share"),
    ] == found.drop("name", "difference", "difference_low", "difference_high").rows()


@pytest.mark.parametrize(
    ("hits", "n", "hits_2", "n_2"),
    [(30, 40, 5, 40), (20, 20, 0, 21), (1, 25, 3, 99), (0, 20, 0, 30)],
)
def test_difference_is_that_of_statsmodels(hits, n, hits_2, n_2):
    """
    Newcombe's interval on the difference equals that of an independent implementation.
    """
    sides = [[{"a": 1, "z": 1}] * k + [{"z": 1}] * (m - k) for k, m in ((hits, n), (hits_2, n_2))]
    found = drifting(*sides).filter(argument="a")
    expected = confint_proportions_2indep(
        hits_2, n_2, hits, n, method="newcomb", compare="diff", correction=False
    )

    assert hits + hits_2 == 0 or expected == pytest.approx(
        found.select("difference_low", "difference_high").row(0)
    )
    assert (hits + hits_2 == 0) == found.is_empty()


def test_drift_parts_at_the_middle_call():
    """
    Without a moment, both sides have as many calls; those without a time are in neither.
    """
    rows = calls(*[{"a": 1}] * 7)
    for place, row in enumerate(rows[:6]):
        row["started_at"] = at(place * place)
    found = analysis.argument_drift(chats(tool_calls=rows))

    assert [("a", 3, 3)] == found.select("argument", "n_before", "n_after").rows()


def test_drift_takes_the_time_of_the_message():
    """
    A call without a start of its own was made when its message was written.
    """
    spoken = said({"role": "assistant", "at": 0}, {"role": "assistant", "at": 99})
    rows = [
        row
        for place in range(2)
        for row in called({"arguments": '{"a":1}'}, message_id=f"c.{place}")
    ]
    found = analysis.argument_drift(chats(messages=spoken, tool_calls=rows), at=at(99))

    assert [(1, 1)] == found.select("n_before", "n_after").rows()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param(None, "nothing", id="null"),
        pytest.param("  ", "nothing", id="spaces"),
        pytest.param('```json\n{"a":1}\n```', "in a code fence", id="fence"),
        pytest.param("*** Begin Patch", "plain text", id="a patch"),
        pytest.param("trials = 1000", "plain text", id="code"),
        pytest.param("[1]", "an array", id="array"),
        pytest.param('"x"', "a text in quotes", id="text"),
        pytest.param("3", "a number", id="number"),
        pytest.param("3.5", "another value", id="a broken number"),
        pytest.param("true", "another value", id="boolean"),
        pytest.param('{"a": ', "cut short", id="cut"),
        pytest.param('{"a":"b', "cut short", id="cut in a text"),
        pytest.param('{"a":1}{"b":2}', "text after its end", id="two objects"),
        pytest.param('{"a":1,}', "a comma too many", id="comma"),
        pytest.param("{bad", "keys without double quotes", id="bare key"),
        pytest.param("{'a': 1}", "keys without double quotes", id="single quotes"),
        pytest.param("{\"a\":'b'}", "single quotes", id="value in single quotes"),
        pytest.param('{"a":None}', "a word of Python or JavaScript", id="None"),
        pytest.param('{"a":undefined}', "a word of Python or JavaScript", id="undefined"),
        pytest.param('{"é":"x\ty"}', "a raw control character", id="tab, after two bytes"),
        pytest.param(r'{"a":"\q"}', "a bad escape", id="escape"),
        pytest.param("[" * 100_000, "nested too deeply", id="deep"),
        pytest.param('{"a" 1}', "malformed", id="no colon"),
        pytest.param('{"a": @}', "malformed", id="anything"),
    ],
)
def test_defects(text, expected):
    """
    What keeps a text from being an object is told from its form alone.
    """
    assert expected == defect(text)


GOOD = [{"path": "a", "n": 1}, {"path": "b"}] * 3


@pytest.mark.parametrize(
    ("refused", "expected"),
    [
        pytest.param({"n": 1}, "an argument is missing", id="always there before"),
        pytest.param({"path": "a", "m": 1}, "an unknown argument", id="never there before"),
        pytest.param({"path": "a", "n": "1"}, "another type", id="a text now"),
        pytest.param({"path": "zz", "n": 7}, "only a value differs", id="same form"),
    ],
)
def test_refused_arguments(refused, expected):
    """
    A refused call is compared with those that the tool took.
    """
    rows = calls(*GOOD, refused)
    rows[-1] |= REFUSED
    log = chats(tool_calls=rows)

    assert [("tool", f"refused: {expected}", 1, 1, 1 / 7)] == (
        analysis.invalid_arguments(log).rows()
    )
    assert ["refused: nothing to compare with"] == (
        analysis.invalid_arguments(log, min_accepted=7)["cause"].to_list()
    )


def test_invalid_arguments_are_counted():
    """
    Causes are counted by tool, with the conversations they come from, most calls first.
    """
    broken = {"arguments_raw": '{"a":', "arguments_status": "invalid"}
    listed = {"arguments_raw": "[1]", "arguments_status": "not_object"}
    rows = [
        *called(broken, broken, listed, {"name": "b", **listed}, "b", conversation_id="c"),
        *called(broken, conversation_id="d"),
    ]

    assert [
        ("tool", "cut short", 3, 2, 0.75),
        ("b", "an array", 1, 1, 0.5),
        ("tool", "an array", 1, 1, 0.25),
    ] == analysis.invalid_arguments(chats(tool_calls=rows)).rows()


def test_invalid_arguments_are_not_shown():
    """
    Causes are fixed phrases: no word of an argument or a result gets out.
    """
    rows = called({"arguments_raw": "{CANARY", "arguments_status": "invalid"})
    rows += calls({"CANARY": "CANARY"}, result="CANARY", conversation_id="d", **REFUSED)
    for row in rows[1:]:
        row["tool_call_id"] += "/2"

    assert "CANARY" not in analysis.invalid_arguments(chats(tool_calls=rows)).write_json()

"""Stored text to values: JSON, JSON inside JSON, Python literals, and back to JSON."""

from __future__ import annotations

import json
import math

import pytest

from chatdata.tool_calls.decode import (
    Decoded,
    as_found,
    as_json,
    as_loose_json,
    as_text,
    decode,
    unquote,
)

LONE = "\ud83d"


def encoded(value, times):
    for _ in range(times):
        value = json.dumps(value)
    return value


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize("times", [1, 2, 3, 4])
@pytest.mark.parametrize("value", [[], {}, [{"name": "a"}], {"a": "é"}, None, 3])
def test_decodes_json_inside_json(value, times):
    """
    JSON is decoded, and what it holds three times more while that is text.
    """
    assert Decoded(value, exact=True) == decode(encoded(value, times))


def test_decodes_no_further():
    """
    A text that is still text after that stays text.
    """
    assert Decoded("[]", exact=True) == decode(encoded([], 5))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "[{'name': 'a', 'done': False, 'note': None}]",
            [{"name": "a", "done": False, "note": None}],
        ),
        (r"""[{'title': 'O\'Brien', 'more': "it's"}]""", [{"title": "O'Brien", "more": "it's"}]),
        (" \n[True]", [True]),
        ("({'name': 'a'},)", ({"name": "a"},)),
        ("{'a', 'b'}", {"a", "b"}),
        ("[b'x']", [b"x"]),
        ("{1: 2}", {1: 2}),
        (r"['\d']", ["\\d"]),
        ("[(1, 2)]", [(1, 2)]),
    ],
)
def test_decodes_python_literals(text, expected):
    """
    The text of a Python list, tuple, dict or set is read as what it spells.
    """
    assert Decoded(expected, exact=False) == decode(text)


def test_decodes_python_inside_json():
    """
    A JSON string may hold a Python literal; the two together are not exact.
    """
    assert Decoded([None], exact=False) == decode(json.dumps("[None]"))


def test_exactness_is_lost_for_good():
    """
    What the outer text loses, the inner text does not bring back.
    """
    outer = json.dumps(json.dumps([LONE]), ensure_ascii=False)

    assert Decoded([LONE], exact=False) == decode(outer)
    assert Decoded([1], exact=False) == decode("('[1]')")


@pytest.mark.parametrize("word", ["", " ", "None", " None\n", "null"])
def test_a_string_of_nothing_is_nothing(word):
    """
    A JSON string that holds an empty text or a null is null.
    """
    assert Decoded(None, exact=True) == decode(json.dumps(word))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (r'["\ud83d"]', [LONE]),
        ("[1e999]", [math.inf]),
        ("[Infinity]", [math.inf]),
        ("[123456789012345678901234567890]", [123456789012345678901234567890]),
        ('{"a": 1, "a": 2}', {"a": 2}),
    ],
)
def test_reads_what_writers_produce(text, expected):
    """
    Lone surrogates, infinities, long integers and doubled keys are read.
    """
    assert expected == decode(text).value


@pytest.mark.parametrize(
    "text",
    [
        "",
        "  ",
        "add_task",
        "add_task was called",
        '[{"tool": "add_task", "parameters": {"ti',
        "[ResponseFunctionToolCall(name='a')]",
        "[{'x': nan}]",
        "__import__('os')",
        "'a string'",
        "(1",
        "[" + "9" * 5000 + "]",
        "[" * 100_000,
        "[" * 200_000 + "]" * 200_000,
        "(" * 5000 + ")" * 5000,
        "[" + "-" * 5000 + "1]",
        "['\0']",
        "[None, '" + LONE + "']",
        json.dumps("plain words"),
        "{[]: 1}",
        "{{}: 1}",
    ],
)
def test_refuses_the_rest(text):
    """
    Anything else is an error of one kind, however the parsers fail, and the error quotes nothing.
    """
    with pytest.raises(ValueError, match=r"^neither JSON nor a Python literal$") as raised:
        decode(text)

    assert raised.value.__cause__ is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('"words"', "words"),
        (' "words"', "words"),
        ('"\\ud83d"', LONE),
        ('"[1]"', "[1]"),
        ('"not closed', '"not closed'),
        ('"one" and "two"', '"one" and "two"'),
        ("words", "words"),
        ("3", "3"),
        ("[1]", "[1]"),
        ("", ""),
    ],
)
def test_unquotes_json_strings(text, expected):
    """
    Only a JSON string is taken out of its quotes.
    """
    assert expected == unquote(text)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("é", "é"),
        ("x" + LONE, "x\\ud83d"),
        ("", ""),
        (7, "7"),
        (None, "None"),
        ([LONE], "['\\ud83d']"),
    ],
)
def test_text_is_valid_unicode(value, expected):
    """
    Text keeps its characters, and lone surrogates as escapes.
    """
    assert expected == as_text(value)


@pytest.mark.parametrize("exact", [True, False])
@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": 1, "a": [True, None, "é"]}, '{"b":1,"a":[true,null,"é"]}'),
        ([12345678901234567890123], "[12345678901234567890123]"),
        ("x", '"x"'),
    ],
)
def test_json_is_compact(value, expected, exact):
    """
    JSON has no spaces, keeps the order of keys, and writes characters, not escapes.
    """
    assert expected == as_json(value, exact=exact)
    assert expected == as_loose_json(value, exact=exact)


@pytest.mark.parametrize(
    ("value", "found", "loose"),
    [
        ([math.nan, math.inf], "[NaN,Infinity]", '["nan","inf"]'),
        ([1.5, -math.inf], "[1.5,-Infinity]", '[1.5,"-inf"]'),
        ({"x": {"b", "a"}}, '{"x":["a","b"]}', '{"x":["a","b"]}'),
        (frozenset({1}), "[1]", "[1]"),
        ([{1, "a", None}], '[["a",1,null]]', '[["a",1,null]]'),
        ([b"x"], """["b'x'"]""", """["b'x'"]"""),
        ({(1, 2): ({3},)}, '{"(1, 2)":[[3]]}', '{"(1, 2)":[[3]]}'),
        ({"a": {1}, "b": [None, True, 2, "é"]}, '{"a":[1],"b":[null,true,2,"é"]}', None),
        ([1j], '["1j"]', '["1j"]'),
        ([..., math.nan], '["Ellipsis","nan"]', '["Ellipsis","nan"]'),
    ],
)
def test_what_has_no_json(value, found, loose):
    """
    What JSON has no word for is refused, written as Python does, or put as text, as asked.
    """
    assert None is as_json(value, exact=False)
    assert found == as_found(value)
    assert (loose or found) == as_loose_json(value, exact=False)


def test_python_keys_become_text():
    """
    Numbers and words of Python as keys are written as JSON does.
    """
    assert '{"1":2,"null":3}' == as_json({1: 2, None: 3}, exact=False)


def test_lone_surrogates_stay_escapes():
    """
    A lone surrogate is written as the escape that JSON has for it.
    """
    assert '["\\ud83d"]' == as_json([LONE], exact=False)


@pytest.mark.parametrize("value", [[16**5000], nested(100_000)], ids=["digits", "depth"])
def test_what_cannot_be_written(value):
    """
    A number of too many digits or too deep a nesting is no JSON, and says so.
    """
    assert None is as_json(value, exact=False)
    with pytest.raises((ValueError, RecursionError)):
        as_loose_json(value, exact=False)
    with pytest.raises((ValueError, RecursionError)):
        as_found(value)

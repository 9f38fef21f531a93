"""No text of any depth, length or content raises, breaks the contract, or is quoted."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_calls import call, calls, read, read_row, wrong

from chatdata.tool_calls import NO_CALL_FOR_RESULT, NOT_A_CALL, NOT_DECODABLE, NOT_WRITABLE
from chatdata.tool_calls.decode import Decoded
from chatdata.tool_calls.items import only_list
from chatdata.tool_calls.kernel import _read_closely, _read_plain

REASONS = {NO_CALL_FOR_RESULT, NOT_A_CALL, NOT_DECODABLE, NOT_WRITABLE}


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


SHAPES = {
    "list": "[]",
    "arguments": '[{"name":"a","arguments":[]}]',
    "plain result": '[{"name":"a","result":[]}]',
    "typed": '[{"type":"x","name":"a","arguments":[],"result":[]}]',
    "outputs": '[{"name":"a","outputs":[]}]',
    "extra": '[{"name":"a","more":[]}]',
    "lenient extra": '[{"name":"a","more":[NaN]}]',
    "id": '[{"name":"a","id":[]}]',
    "wrapper": '{"calls":[]}',
    "python": "[{'name':'a','arguments':[]}]",
    "python set": "[{'name':'a','arguments':({1},[])}]",
    "nested call": '[{"call":{"name":"a","arguments":[]}}]',
}


def deep(shape, depth, opened="[", closed="]"):
    return (
        SHAPES[shape]
        .replace("[]", opened * depth + closed * depth, 1)
        .replace("[NaN]", opened * depth + "NaN" + closed * depth)
    )


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("depth", [1, 90, 900, 5000, 100_000])
def test_depth(shape, depth):
    """
    Nesting of any depth is read or malformed, and never an error.
    """
    for opened, closed in (("[", "]"), ('{"a":', "}")):
        text = deep(shape, depth, opened, closed)
        rows = read(text)
        stored = json.dumps([{"name": "a", "arguments": text, "result": text}])

        assert {row["reason"] for row in rows} <= {None, *REASONS}
        assert text == call(stored)["arguments_raw"]
        assert None is not call(stored)["result"]


def edge():
    """
    The depths around the one that this Python can no longer decode.
    """
    low, high = 1, 1_000_000
    while high - low > 1:
        middle = (low + high) // 2
        decodes = wrong("[" * middle + "]" * middle) != [NOT_DECODABLE]
        low, high = (middle, high) if decodes else (low, middle)
    return range(max(high - 120, 1), high + 20)


@pytest.mark.parametrize("shape", SHAPES)
def test_depth_at_the_edge(shape):
    """
    What can just be decoded but perhaps no longer be written is read or malformed, never an error.
    """
    depths = edge()
    reasons = {reason for depth in depths for reason in wrong(deep(shape, depth))}

    assert {NOT_DECODABLE} <= reasons <= REASONS


def test_depth_of_texts_at_the_edge():
    """
    Arguments and results in texts keep those texts where they can no longer be written.
    """
    for depth in edge():
        text = "[" * depth + "]" * depth
        row = call(json.dumps([{"name": "a", "arguments": text, "result": text}]))

        assert (text, text) == (row["arguments_raw"], row["result"])
        assert text == read_row(name="a", result=text)["result"]
        assert calls([{"name": "a"}], json.dumps([text]))


@pytest.mark.parametrize("key", ["arguments", "result", "id", "server", "more"])
def test_numbers_too_long(key):
    """
    A number that Python reads but will not write makes its text malformed.
    """
    digits = "f" * 5000

    assert [NOT_WRITABLE] == wrong(f"[{{'name': 'a', '{key}': 0x{digits}}}]")
    assert [NOT_WRITABLE] == wrong(f"[{{'name': 'a', '{key}': [0x{digits}]}}]")


def test_huge_texts():
    """
    A text of megabytes is one argument like any other.
    """
    title = "x" * 5_000_000
    row = call([{"name": "a", "args": {"title": title}, "result": title}])

    assert compact({"title": title}) == row["arguments"]
    assert title == row["result"]


def test_long_lists():
    """
    A message of many calls keeps them all, in order.
    """
    found = calls([{"name": f"t{i}"} for i in range(5000)])

    assert [(i, f"t{i}") for i in range(5000)] == [(row["position"], row["name"]) for row in found]


PRIVATE = "kd83h2"


@pytest.mark.parametrize(
    "text",
    [
        PRIVATE,
        f"['{PRIVATE}",
        f'["{PRIVATE} words"]',
        f'[{{"{PRIVATE}": "{PRIVATE}"}}]',
        f'{{"calls": "{PRIVATE} words", "{PRIVATE}": 1}}',
        f"[{PRIVATE}(name='a')]",
        f'[{{"type": "tool_result", "call_id": "{PRIVATE}", "content": "{PRIVATE}"}}]',
        f"[{{'name': 'a', 'arguments': ['{PRIVATE}', 0x{'f' * 5000}]}}]",
    ],
)
def test_reasons_quote_nothing(text):
    """
    What is malformed gives a fixed reason, without a word of what it holds.
    """
    rows = read(text, results=f"['{PRIVATE}', '{PRIVATE}']")

    assert {"malformed"} == {row["outcome"] for row in rows}
    assert PRIVATE not in str([[v for k, v in row.items() if k != "message_id"] for row in rows])


KEYS = st.sampled_from(
    [
        "name", "tool", "function", "call", "calls", "tools", "tool_calls", "type", "id", "call_id",
        "arguments", "args", "input", "result", "output", "outputs", "content", "status", "success",
        "is_error", "error", "server", "code", "\0", "",
    ]
)  # fmt: skip
WORDS = st.sampled_from(
    [
        "add_task", "function_call", "function_call_output", "tool_result", "c1", "success",
        "failed", "Error: x", "null", "None", "[]", "{}", '{"a": 1}', "{'a': None}", '"x"', "[1",
        "\ud83d", "True",
    ]
)  # fmt: skip
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | WORDS | st.text()
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(KEYS | st.text(max_size=3), inner, max_size=5)
        | inner.map(json.dumps)
        | inner.map(repr)
    ),
    max_leaves=25,
)
PYTHON = st.recursive(
    SCALARS | st.binary(max_size=3) | st.complex_numbers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.dictionaries(KEYS | st.integers() | st.none() | st.booleans(), inner, max_size=4)
    ),
    max_leaves=15,
)
TEXTS = st.one_of(VALUES.map(json.dumps), VALUES.map(repr), PYTHON.map(repr), st.text())


def unicode_only(text):
    return text.encode("utf-8", "replace").decode()


def check(rows):
    for row in rows:
        wanted = {"call": {None}, "kept": {None}, "malformed": REASONS}[row["outcome"]]

        assert row["reason"] in wanted
        if row["outcome"] != "call":
            assert not {k for k in row if row[k] is not None} - {"message_id", "outcome", "reason"}
            continue
        assert row["name"].strip()
        assert row["native_id"] != ""
        assert row["result"] is None or row["result"].strip() not in ("", "{}", "null")
        assert (row["arguments_raw"] is None) == (row["arguments_status"] is None)
        assert (row["arguments"] is not None) == (row["arguments_status"] == "ok")
        assert row["arguments"] is None or isinstance(json.loads(row["arguments"]), dict)
        assert row["extra"] is None or isinstance(json.loads(row["extra"]), dict)
    found = [row["position"] for row in rows if row["outcome"] == "call"]

    assert list(range(len(found))) == found


@settings(max_examples=400, deadline=None)
@given(TEXTS, st.none() | TEXTS, st.sampled_from([None, "calls", "tool_calls"]))
def test_any_text(text, results, inside):
    """
    Any text gives rows that keep the contract, whatever stands beside it.
    """
    check(read(unicode_only(text), results and unicode_only(results), inside))


@settings(max_examples=200, deadline=None)
@given(st.lists(st.none() | TEXTS.map(unicode_only), min_size=6, max_size=6))
def test_any_row(values):
    """
    Any row of a tool table gives one row that keeps the contract.
    """
    columns = ("name", "native_id", "arguments", "result", "status", "error")
    row = read_row(**dict(zip(columns, values, strict=True)))

    check([row])


PLAIN = {
    **dict.fromkeys(("args", "result", "output", "id", "server", "status", "error", "zz"), VALUES),
    "type": st.sampled_from(["function", "mcp_call", "tool_result", "function_call_output", 1, []]),
}
FLAT_ITEMS = st.fixed_dictionaries({"name": st.text(max_size=4)}, optional=PLAIN)
NESTED_ITEMS = st.fixed_dictionaries(
    {"function": FLAT_ITEMS | VALUES},
    optional={**PLAIN, "name": st.text(max_size=4), "call": FLAT_ITEMS | VALUES},
)
PLAIN_ITEMS = st.lists(FLAT_ITEMS | NESTED_ITEMS, max_size=3)
WRAPPERS = st.sampled_from(["calls", "tools", "tool_calls", "function", "zz"])


@settings(max_examples=600, deadline=None)
@given(
    PLAIN_ITEMS
    | VALUES.map(lambda value: [value])
    | st.dictionaries(WRAPPERS, PLAIN_ITEMS | VALUES, min_size=1, max_size=2)
)
def test_the_short_way_is_the_long_way(stored):
    """
    A list of plain calls, bare or wrapped, gives the same rows by the short way and the long one.
    """
    # Through strict JSON, as the short way gets them.
    stored = json.loads(json.dumps(stored).replace("NaN", "1").replace("Infinity", "2"))
    try:
        short = _read_plain(only_list(stored))
    except UnicodeEncodeError:
        return
    if short is not None:
        assert list(map(tuple, short)) == list(
            map(tuple, _read_closely(Decoded(stored, exact=True), None, None))
        )


def test_plain_lists_take_the_short_way():
    """
    What most applications store takes the short way, and nothing that is more than it seems.
    """
    plain = {"tool": "a", "args": {}, "result": "x", "id": 1, "server": "s", "status": "ok", "n": 1}

    assert _read_plain(only_list([])) == []
    assert _read_plain(only_list("[]")) is None
    assert _read_plain(only_list({"calls": [plain], "n": 1})) is None
    assert _read_plain(only_list({"results": [plain]})) is None
    for item in (
        {"name": "b"},
        {"name": "a", "type": "function"},
        {"id": "c", "type": "function", "function": {"name": "a", "arguments": "{}"}},
        {"call": {"name": "a"}, "outputs": [1]},
    ):
        assert len(_read_plain(only_list([plain, item]))) == 2
        assert len(_read_plain(only_list({"calls": [item]}))) == 1
    for item in (
        {"name": "a", "tool": "b"},
        {"name": "a", "args": {}, "input": {}},
        {"name": "a", "call": None},
        {"name": "a", "type": "tool_result"},
        {"name": 5},
        {"name": " "},
        {"name": ""},
        {"n": 1},
        {},
        "a",
        None,
        [],
    ):
        assert _read_plain([plain, item]) is None


WRITABLE = st.text(st.characters(codec="utf-8"), max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
    | WRITABLE,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(WRITABLE, inner, max_size=3),
    max_leaves=8,
)  # fmt: skip
JSON_OBJECTS = st.dictionaries(WRITABLE, JSON_VALUES, max_size=3)


@settings(max_examples=100, deadline=None)
@given(JSON_OBJECTS, JSON_OBJECTS.filter(bool))
def test_round_trip(arguments, result):
    """
    Arguments and results come out as they went in, however they were stored.
    """
    for store in (lambda v: v, json.dumps, lambda v: json.dumps(json.dumps(v)), repr):
        row = call([{"tool": "a", "parameters": store(arguments), "result": store(result)}])

        assert (arguments, result) == (json.loads(row["arguments"]), json.loads(row["result"]))
    row = call(repr([{"tool": "a", "parameters": arguments, "result": result}]))

    assert (arguments, result) == (json.loads(row["arguments"]), json.loads(row["result"]))

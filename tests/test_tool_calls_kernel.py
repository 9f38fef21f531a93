"""The kernel: whatever text a message holds, calls come out typed, counted and never quoted."""

from __future__ import annotations

import json
from itertools import pairwise

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from stored_calls import batch, call, calls, read, read_row

from chatdata.tool_calls import (
    NOT_A_CALL,
    NOT_DECODABLE,
    OUTPUT,
    extract_tool_calls,
    extract_tool_rows,
)


def compact(value):
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


@pytest.mark.parametrize(
    ("value", "raw", "arguments", "status"),
    [
        pytest.param({"b": "é", "a": [1]}, '{"b":"é","a":[1]}', "=", "ok", id="object"),
        pytest.param({}, "{}", "=", "ok", id="empty object"),
        pytest.param('{"a": 1}', '{"a": 1}', '{"a":1}', "ok", id="text"),
        pytest.param(" {} ", " {} ", "{}", "ok", id="text of an empty object"),
        pytest.param('"{\\"a\\": 1}"', '"{\\"a\\": 1}"', '{"a":1}', "ok", id="text twice"),
        pytest.param('"{}"', '"{}"', "{}", "ok", id="text twice, empty"),
        pytest.param("{'a': None}", "{'a': None}", '{"a":null}', "ok", id="python"),
        pytest.param('{"a": "\\ud83d"}', '{"a": "\\ud83d"}', '{"a":"\\ud83d"}', "ok", id="lone"),
        pytest.param('{"n": ' + "9" * 30 + "}", '{"n": ' + "9" * 30 + "}",
                     '{"n":' + "9" * 30 + "}", "ok", id="long integer"),
        pytest.param("", "", None, "empty", id="no text"),
        pytest.param(" \n", " \n", None, "empty", id="whitespace"),
        pytest.param([], "[]", None, "not_object", id="list"),
        pytest.param([{"a": 1}], '[{"a":1}]', None, "not_object", id="list of an object"),
        pytest.param(3, "3", None, "not_object", id="number"),
        pytest.param(False, "false", None, "not_object", id="truth value"),
        pytest.param("[]", "[]", None, "not_object", id="text of a list"),
        pytest.param("null", "null", None, "not_object", id="text of a null"),
        pytest.param("3", "3", None, "not_object", id="text of a number"),
        pytest.param('""', '""', None, "not_object", id="text of a text"),
        pytest.param("('a',)", "('a',)", None, "not_object", id="text of a tuple"),
        pytest.param('{"a": 1', '{"a": 1', None, "invalid", id="cut off"),
        pytest.param("Buy milk", "Buy milk", None, "invalid", id="words"),
        pytest.param('"Buy milk"', '"Buy milk"', None, "invalid", id="words in quotes"),
        pytest.param("*** Begin Patch", "*** Begin Patch", None, "invalid", id="patch"),
        pytest.param('{"a": NaN}', '{"a": NaN}', None, "invalid", id="NaN"),
        pytest.param("{'a': {1}}", "{'a': {1}}", None, "invalid", id="python without JSON"),
        pytest.param("{" * 5000, "{" * 5000, None, "invalid", id="deep"),
        pytest.param(None, None, None, None, id="null"),
    ],
)  # fmt: skip
def test_arguments(value, raw, arguments, status):
    """
    Arguments are given as found, as a compact object where they are one, and as what they are.
    """
    expected = (raw, raw if arguments == "=" else arguments, status)
    for item in ({"tool": "a", "args": value}, {"type": "function", "tool": "a", "args": value}):
        row = call([item])

        assert expected == (row["arguments_raw"], row["arguments"], row["arguments_status"])
    if value is None or isinstance(value, str):
        row = read_row(name="a", arguments=value if value != "null" else None)

        assert value == "null" or expected[0] == row["arguments_raw"]
        assert value == "null" or expected[1:] == (row["arguments"], row["arguments_status"])


@pytest.mark.parametrize(
    ("literal", "raw", "status"),
    [
        ("{'a': (1, None)}", '{"a":[1,null]}', "ok"),
        ("{1: True}", '{"1":true}', "ok"),
        ("('a',)", '["a"]', "not_object"),
        ("{'a': 1e999}", '{"a":Infinity}', "invalid"),
        ("{'a': {2, 1}}", '{"a":[1,2]}', "invalid"),
        ("b'a'", "\"b'a'\"", "invalid"),
    ],
)
def test_arguments_of_python(literal, raw, status):
    """
    Objects of a Python literal are as good as objects of JSON, where JSON can hold them.
    """
    row = call(f"[{{'name': 'a', 'args': {literal}}}]")

    assert (raw, status) == (row["arguments_raw"], row["arguments_status"])
    assert (raw if status == "ok" else None) == row["arguments"]


def test_missing_arguments_are_not_empty():
    """
    Without a key there are no arguments, which is not the same as an empty object.
    """
    row = call(["add_task"])

    assert [None] * 3 == [row[name] for name in row if name.startswith("arguments")]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ({"b": "é", "a": [1]}, '{"b":"é","a":[1]}'),
        ('{"b": 1, "a": [1]}', '{"b":1,"a":[1]}'),
        ('"{\\"a\\": 1}"', '{"a":1}'),
        ("{'a': True}", '{"a":true}'),
        ("[1, 2]", "[1,2]"),
        ("(1, 2)", "[1,2]"),
        ("[]", "[]"),
        ([], "[]"),
        (["x"], '["x"]'),
        (0, "0"),
        (False, "false"),
        (1.5, "1.5"),
        ("3", "3"),
        ("true", "true"),
        ("Task added", "Task added"),
        (" Task added\n", " Task added\n"),
        ('"Task added"', "Task added"),
        ('"Task" added', '"Task" added'),
        ("(see above)", "(see above)"),
        ("{cut off", "{cut off"),
        ("[1, 2", "[1, 2"),
        ("{1, 2}", "{1, 2}"),
        ('"3"', "3"),
        ('"\\ud83d"', "\\ud83d"),
        ('{"a": NaN}', '{"a":"nan"}'),
        ("[" * 5000 + "]" * 5000, "[" * 5000 + "]" * 5000),
        *((nothing, None) for nothing in ({}, None, "", "  ", "null", "None", " null\n", "{}")),
        *((json.dumps(nothing), None) for nothing in ("", "null", "{}", " None ")),
    ],
)
def test_results(value, expected):
    """
    A result is text, or compact JSON where it is an object or a list; `{}` is no result.
    """
    for item in ({"tool": "a", "result": value}, {"type": "f", "tool": "a", "result": value}):
        row = call([item])

        assert expected == row["result"]
        assert ("no_result" if expected is None else "unknown") == row["status"]
    if value is None or isinstance(value, str):
        assert expected == read_row(name="a", result=value)["result"]


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ([{"success": True}], '{"success":true}'),
        (['{"success": true}'], '{"success":true}'),
        ('[{"success": true}]', '{"success":true}'),
        ("({'success': True},)", '{"success":true}'),
        ([[1]], "[1]"),
        (["x"], "x"),
        ([None], None),
        ([{}], None),
        (["null"], None),
        ([], "[]"),
        ([{"a": 1}, {"b": 2}], '[{"a":1},{"b":2}]'),
        ({"success": True}, '{"success":true}'),
    ],
)
def test_outputs(value, expected):
    """
    A list of one output stands for that output, under that key alone.
    """
    assert expected == call([{"name": "a", "outputs": value}])["result"]
    if isinstance(value, list) and len(value) == 1:
        assert compact(value) == call([{"name": "a", "output": value}])["result"]


EXACT = '{"name":"a","args":{"x":1e22},"result":{"x":1e22},"more":1e22}'


@pytest.mark.parametrize(
    ("text", "results", "inside"),
    [
        (f"[{EXACT}]", None, None),
        (f'["b!", "b", {EXACT}]', None, None),
        (f'[{EXACT}, {{"type": "x"}}]', None, None),
        (EXACT, None, None),
        (f'{{"calls": {EXACT}}}', None, None),
        (f'{{"calls": [{EXACT}]}}', None, None),
        (json.dumps({"calls": f"[{EXACT}]"}), None, None),
        (json.dumps(f"[{EXACT}]"), None, None),
        (json.dumps([EXACT]), None, None),
        (f'{{"more": 1, "tool_calls": [{EXACT}]}}', None, "tool_calls"),
        (json.dumps({"tool_calls": f"[{EXACT}]"}), None, "tool_calls"),
        (f"[{EXACT}]", "words", None),
        (f"[{EXACT}]", "null", None),
        (f"[{EXACT}]", '"null"', None),
        (f"[{EXACT}]", '[{"x": 1e22}]', None),
    ],
)
def test_numbers_are_written_alike(text, results, inside):
    """
    However calls are wrapped in JSON, their numbers are written in the same way.
    """
    (row,) = [row for row in calls(text, results, inside) if row["name"] == "a"]

    assert '{"x":1e22}' == row["arguments"] == row["arguments_raw"] == row["result"]
    assert '{"more":1e22}' == row["extra"]


def test_numbers_elsewhere_are_written_alike():
    """
    So they are in lists, in texts and in results from a column.
    """
    assert "[1e22]" == call('[{"name": "a", "args": [1e22]}]')["arguments_raw"]
    assert '{"x":1e22}' == call([{"name": "a", "args": '{"x": 1e22}'}])["arguments"]
    assert '[{"x":1e22}]' == call([{"name": "a", "result": '[{"x": 1e22}]'}])["result"]
    assert '{"x":1e22}' == call(["a"], '[{"x": 1e22}]')["result"]


@pytest.mark.parametrize(
    ("value", "raw", "status"),
    [
        (r'{"x": "\ud83d"}', '{"x":"\\ud83d"}', "ok"),
        ('{"x": NaN}', '{"x":NaN}', "invalid"),
    ],
)
def test_lenient_texts_inside(value, raw, status):
    """
    What strict JSON does not allow is seen in whatever text it lies, inside others or beside them.
    """
    item = f'{{"name": "a", "arguments": {value}}}'
    for text in (
        f"[{item}]",
        json.dumps(f"[{item}]"),
        json.dumps([item]),
        json.dumps([item, "b"]),
        json.dumps([item, json.dumps({"name": "b"})]),
        json.dumps({"calls": f"[{item}]"}),
        json.dumps({"calls": item}),
    ):
        row = calls(text)[0]

        assert (raw, status) == (row["arguments_raw"], row["arguments_status"])
    row = call(json.dumps({"tool_calls": f"[{item}]"}), inside="tool_calls")

    assert (raw, status) == (row["arguments_raw"], row["arguments_status"])


def test_output_columns():
    """
    The output has the promised columns and types, also where there is nothing.
    """
    some = extract_tool_calls(batch(text=['["a"]']))
    rows = extract_tool_rows(batch(name=["a"]))
    none = extract_tool_calls(batch(text=[None, "null", ""]))
    types = {name: "uint32" if name == "position" else "string" for name in OUTPUT.names}

    assert OUTPUT == some.schema == rows.schema == none.schema
    assert OUTPUT == extract_tool_calls(batch(text=[])).schema
    assert OUTPUT == extract_tool_rows(batch(name=[])).schema
    assert types == {field.name: str(field.type) for field in OUTPUT}
    assert (1, 1, 0) == (some.num_rows, rows.num_rows, none.num_rows)


def test_a_whole_row():
    """
    Every column of a call is where it belongs.
    """
    item = {
        "id": "c1",
        "tool": "add_task",
        "server": "todo",
        "args": '{"a": 1}',
        "result": {"success": False, "code": "limit"},
        "is_error": "False",
        "ms": 5,
    }

    assert {
        "message_id": "0",
        "outcome": "call",
        "reason": None,
        "position": 0,
        "native_id": "c1",
        "name": "add_task",
        "server": "todo",
        "arguments_raw": '{"a": 1}',
        "arguments": '{"a":1}',
        "arguments_status": "ok",
        "result": '{"success":false,"code":"limit"}',
        "status": "ok",
        "status_evidence": "flag",
        "status_below": "error",
        "error_class": None,
        "extra": '{"ms":5}',
    } == call([item])


def test_a_whole_row_of_a_table():
    """
    Every column of a tool table's row is where it belongs; its caller keeps what is left.
    """
    row = read_row(
        native_id="c1", name="add_task", arguments='{"a": 1}', result="x", success="0", error="boom"
    )

    assert {
        "message_id": "0",
        "outcome": "call",
        "reason": None,
        "position": 0,
        "native_id": "c1",
        "name": "add_task",
        "server": None,
        "arguments_raw": '{"a": 1}',
        "arguments": '{"a":1}',
        "arguments_status": "ok",
        "result": "x",
        "status": "error",
        "status_evidence": "flag",
        "status_below": "unknown",
        "error_class": "unknown",
        "extra": None,
    } == row


@pytest.mark.parametrize("name", [None, "", "  "])
def test_rows_without_a_name(name):
    """
    A row of a tool table without a name is malformed.
    """
    row = read_row(name=name, arguments="{}", native_id="c1")

    assert ("malformed", NOT_A_CALL) == (row["outcome"], row["reason"])
    assert {"message_id", "outcome", "reason"} == {k for k, v in row.items() if v is not None}


@pytest.mark.parametrize("word", ["null", "None", " null "])
def test_rows_of_null_text(word):
    """
    The text `null` in a tool table's columns is null.
    """
    row = read_row(name="a", native_id="", arguments=word, result=word, error=word)

    assert {"message_id", "outcome", "position", "name", "status", "status_below"} == {
        key for key, value in row.items() if value is not None
    }
    assert "no_result" == row["status"]


def test_rows_keep_other_words():
    """
    Only the columns that may be JSON are read so; a name may be any word.
    """
    assert "null" == read_row(name="null")["name"]
    assert "c1" == read_row(name="a", native_id="c1", arguments="null")["native_id"]


def test_order_and_positions():
    """
    Rows come in the order of the input; positions count the calls of each message from 0.
    """
    texts = ['["a", 5, "b"]', None, "oops", "null", '{"calls": ["c"], "n": 1}', '"[]"', '["d"]']
    found = extract_tool_calls(batch(text=texts)).to_pylist()

    assert [
        ("0", "call", "a", 0),
        ("0", "call", "b", 1),
        ("0", "malformed", None, None),
        ("2", "malformed", None, None),
        ("4", "call", "c", 0),
        ("4", "kept", None, None),
        ("6", "call", "d", 0),
    ] == [(row["message_id"], row["outcome"], row["name"], row["position"]) for row in found]
    assert [NOT_A_CALL, NOT_DECODABLE, None] == [
        row["reason"] for row in found if row["outcome"] != "call"
    ]


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.string_view(), pa.null()])
def test_kinds_of_text(kind):
    """
    Any kind of Arrow text is read, and a column of nothing but nulls.
    """
    texts = [None] if kind == pa.null() else ['["a"]', "null", None]
    columns = {"message_id": [str(i) for i in range(len(texts))], "text": pa.array(texts, kind)}
    found = extract_tool_calls(pa.RecordBatch.from_pydict(columns))

    assert ([] if kind == pa.null() else ["a"]) == found["name"].to_pylist()


def test_results_beside_nulls():
    """
    A message without results beside it is read as if there were no such column.
    """
    found = extract_tool_calls(batch(text=['["a"]', '["b"]'], results=[None, '["x"]']))

    assert [None, "x"] == found["result"].to_pylist()


STORED = [
    '[{"tool": "a", "args": {"x": 1}, "result": "Error"}]',
    None,
    "oops",
    '["a", "b", 5]',
    "[{'name': 'c', 'arguments': {'done': None}}]",
    '{"calls": [], "n": 1}',
    '"[]"',
    '[{"name": "d", "id": "c1"}]',
]
BESIDE = [None, "x", None, '["one", "two"]', "null", None, None, '[{"id": "c9", "result": 1}]']


@settings(deadline=None)
@given(st.lists(st.integers(0, len(STORED)), max_size=4))
def test_slices_change_nothing(cuts):
    """
    A batch gives the same rows whole or in slices.
    """
    whole = batch(text=STORED, results=BESIDE)
    edges = [0, *sorted(cuts), len(STORED)]
    parts = [whole.slice(a, b - a) for a, b in pairwise(edges)]

    assert extract_tool_calls(whole).to_pylist() == [
        row for part in parts for row in extract_tool_calls(part).to_pylist()
    ]


def test_slices_of_rows_change_nothing():
    """
    Rows of a tool table too are the same whole or in slices.
    """
    whole = batch(name=["a", None, "b"], arguments=["{}", None, "[]"], result=["x", "y", None])
    parts = [extract_tool_rows(whole.slice(i, 1)).to_pylist() for i in range(3)]

    assert extract_tool_rows(whole).to_pylist() == [row for part in parts for row in part]


def as_found_in(shape):
    """
    What the kernel finds in one of the shapes, by the column that it was found in.
    """
    beside = shape.get("companion") or {}
    if shape["column"] == "tool_used":
        return [
            read_row(
                name=shape["stored"],
                arguments=beside["tool_parameters"],
                result=beside["tool_result"],
            )
        ]
    inside = "tool_calls" if shape["column"] == "message_metadata" else None
    return read(shape["stored"], results=beside.get("tool_results"), inside=inside)


def test_shapes(samples):
    """
    Every shape that was seen gives its names, arguments, results, ids and outcomes.
    """
    shapes = json.loads((samples / "app-databases" / "shapes.json").read_text())
    for shape in shapes:
        rows = as_found_in(shape)
        found = [row for row in rows if row["outcome"] == "call"]
        known = [json.loads(row["arguments"] or "null") for row in found]
        outcomes = [{"ok": True, "error": False}.get(row["status"]) for row in found]
        results = [row["result"] and json.loads(row["result"]) for row in found]
        malformed = {"bad_truncated_json": 1, "bad_not_json": 1, "mixed_bad_item": 2}

        assert shape["names"] == [row["name"] for row in found], shape["id"]
        assert malformed.get(shape["id"], 0) == len(rows) - len(found), shape["id"]
        assert (shape["results"] or [None] * len(found)) == results, shape["id"]
        # Placeholders of a whole database, and an example that leaves its arguments out.
        if shape["id"] not in ("list_tool_status_empty", "mixed_bad_item"):
            assert (shape["arguments"] or [None] * len(found)) == known, shape["id"]
            assert (shape["ok"] or [None] * len(found)) == outcomes, shape["id"]
        if shape["call_ids"]:
            assert shape["call_ids"] == [row["native_id"] for row in found], shape["id"]

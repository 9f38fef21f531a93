"""Where the calls are in a stored value, and which key of a call holds what."""

from __future__ import annotations

import json
from itertools import pairwise

import pytest
from stored_calls import call, calls, read, wrong

from chatdata.tool_calls import NOT_A_CALL, NOT_DECODABLE, NOTHING

ADD = {"tool": "add_task", "parameters": {"title": "Buy milk"}}
NAMES = [
    "tool_name",
    "name",
    "tool",
    "function_name",
    "tool_used",
    "toolName",
    "function",
    "operation",
]
ARGUMENTS = [
    "arguments", "parameters", "params", "args", "input",
    "tool_input", "input_json", "args_json", "tool_parameters", "parameters_json",
]  # fmt: skip
RESULTS = [
    "result", "output", "outputs", "tool_output", "output_json",
    "result_json", "execution_result", "tool_result", "response",
    "tool_response", "toolResponse", "function_response", "return_value", "returned", "observation",
]  # fmt: skip
IDS = ["id", "call_id", "tool_call_id", "toolCallId"]
SERVERS = ["server", "mcp_server", "server_name", "server_label"]
CONTAINERS = ["calls", "tools", "tool_calls", "tools_called"]


def names(*args, **kwargs):
    return [row["name"] for row in calls(*args, **kwargs)]


@pytest.mark.parametrize(
    "value",
    [
        None,
        *NOTHING,
        *(f" {text}\n" for text in NOTHING),
        *(json.dumps(text) for text in NOTHING),
        json.dumps(json.dumps("null")),
        "()",
        *(
            {key: nothing}
            for key in CONTAINERS
            for nothing in (None, [], {}, "", " ", "null", "[]")
        ),
    ],
)
def test_no_calls(value):
    """
    A null, nothing in words, an empty list or an empty wrapper are no calls, and no error.
    """
    assert [] == read(value)


@pytest.mark.parametrize("style", [lambda v: v, json.dumps, str, lambda v: str(tuple(v))])
@pytest.mark.parametrize("n", [1, 2])
def test_lists(style, n):
    """
    A list of calls is read as JSON, JSON inside JSON, or Python, in its order.
    """
    items = [{**ADD, "tool": f"tool_{i}"} for i in range(n)]
    found = calls(style(items))

    assert [f"tool_{i}" for i in range(n)] == [row["name"] for row in found]
    assert list(range(n)) == [row["position"] for row in found]
    assert {'{"title":"Buy milk"}'} == {row["arguments"] for row in found}


@pytest.mark.parametrize("key", CONTAINERS)
@pytest.mark.parametrize("style", [lambda v: v, json.dumps, str, tuple])
def test_wrappers(key, style):
    """
    The list may be one key of an object, and may be encoded again there.
    """
    assert ["add_task", "b"] == names({key: style([ADD, {"name": "b"}])})
    assert ["add_task"] == names({key: ADD})
    assert ["add_task"] == names(str({key: ADD}))


@pytest.mark.parametrize(
    ("value", "expected", "others"),
    [
        ({"calls": [ADD], "model": "m"}, ["add_task"], ["kept"]),
        ({"calls": [], "model": "m"}, [], ["kept"]),
        ({"calls": None, "model": "m"}, [], ["kept"]),
        ({"tool_calls": [ADD], "role": "assistant", "content": ""}, ["add_task"], ["kept"]),
        ({"calls": [], "tools_called": ["b"]}, ["b"], ["kept"]),
        ({"tools": ["a"], "calls": ["b"]}, ["b"], ["kept"]),
        ({"calls": [ADD, 5], "model": "m"}, ["add_task"], ["kept", NOT_A_CALL]),
        ({"tool_calls": 2}, [], ["kept"]),
        ({"tool_calls": "2"}, [], ["kept"]),
        ({"tool_calls": 2.5}, [], ["kept"]),
        (2, [], ["kept"]),
        ("2", [], ["kept"]),
        ({"calls": "add_task, list_tasks"}, [], [NOT_A_CALL]),
        ({"calls": {"add_task": 1}}, [], [NOT_A_CALL]),
        ({"model": "m"}, [], [NOT_A_CALL]),
        ("{'a', 'b'}", [], [NOT_A_CALL]),
        ({"calls": "{'a', 'b'}"}, [], [NOT_A_CALL]),
        ("add_task", [], [NOT_DECODABLE]),
        ('"add_task"', [], [NOT_DECODABLE]),
        (json.dumps(json.dumps(json.dumps(json.dumps(json.dumps([]))))), [], [NOT_A_CALL]),
        ('[{"tool": "add_task", "parameters": {"ti', [], [NOT_DECODABLE]),
        ("add_task was called", [], [NOT_DECODABLE]),
        ("[ResponseFunctionToolCall(name='add_task')]", [], [NOT_DECODABLE]),
        ("[{'tool': 'a', 'args': {'x': nan}}]", [], [NOT_DECODABLE]),
    ],
)
def test_wrappers_with_more(value, expected, others):
    """
    Further keys of a wrapper and a count in place of the list are kept; the rest is malformed.
    """
    assert expected == names(value)
    assert others == wrong(value)


@pytest.mark.parametrize(
    "value",
    [
        ADD,
        json.dumps(ADD),
        str(ADD),
        {"name": "add_task"},
        {"call": {"name": "add_task"}},
        {"function": {"name": "add_task"}, "type": "function"},
    ],
)
def test_lone_object(value):
    """
    An object with a name is one call.
    """
    assert "add_task" == call(value)["name"]


@pytest.mark.parametrize(
    ("item", "expected"),
    [
        ("add_task", "add_task"),
        ("_private", "_private"),
        ("mcp__todo__add-task", "mcp__todo__add-task"),
        ("functions.add:task/v2", "functions.add:task/v2"),
        (json.dumps(ADD), "add_task"),
        (str(ADD), "add_task"),
        (json.dumps("add_task"), None),
        ("2fast", None),
        ("add task", None),
        ("add_task\n", None),
        ("задача", None),
        ("None", None),
        ("null", None),
        ("", None),
        ('{"tool": "ad', None),
        (None, None),
        (5, None),
        (True, None),
        ([], None),
        (["add_task"], None),
        ({}, None),
        ({"foo": 1}, None),
        ({"tool": None}, None),
        ({"tool": ""}, None),
        ({"tool": "  "}, None),
        ({"tool": 5}, None),
        ({"tool": {"name": "x"}}, None),
        ({"call": "add_task"}, None),
        ({"call": {}}, None),
    ],
)
def test_items(item, expected):
    """
    An item is a name or an object with one; the unusable are counted, their neighbours kept.
    """
    found = ["first", *([expected] if expected else []), "last"]

    assert found == names(["first", item, {"tool": "last"}])
    assert ([] if expected else [NOT_A_CALL]) == wrong(["first", item, {"tool": "last"}])


def test_python_items_that_are_no_calls():
    """
    Bytes and sets among the items of a Python list are unusable.
    """
    assert ["a"] == names("['a', b'add_task', {'x'}, ('y',)]")
    assert [NOT_A_CALL] * 3 == wrong("['a', b'add_task', {'x'}, ('y',)]")


@pytest.mark.parametrize("key", ["call", "function", "toolInvocation"])
def test_nested_calls(key):
    """
    The fields of a call inside an item are merged upwards, over those of the item.
    """
    inner = {"name": "add_task", "arguments": {"a": 1}, "status": "failed"}
    row = call([{key: inner, "id": "c1", "outputs": [{"success": True}], "status": "ok", "n": 1}])

    assert ("add_task", "c1", '{"a":1}') == (row["name"], row["native_id"], row["arguments"])
    assert ('{"success":true}', "error", '{"n":1}') == (row["result"], row["status"], row["extra"])


def test_calls_nested_twice():
    """
    Nested objects are merged in a fixed order; a text in their place is left alone.
    """
    assert "b" == call([{"call": {"function": {"name": "b"}}}])["name"]
    assert "b" == call([{"function": "b", "call": {"arguments": {}}}])["name"]
    assert '{"call":"x"}' == call([{"call": "x", "tool": "b"}])["extra"]


@pytest.mark.parametrize("key", NAMES)
def test_name_synonyms(key):
    """
    Every synonym of the name is known.
    """
    assert "add_task" == call([{key: "add_task"}])["name"]
    assert "add_task" == call({key: "add_task"})["name"]


@pytest.mark.parametrize("key", ARGUMENTS)
def test_argument_synonyms(key):
    """
    Every synonym of the arguments is known.
    """
    row = call([{"tool": "a", key: {"x": 1}}])

    assert ('{"x":1}', "ok", None) == (row["arguments"], row["arguments_status"], row["extra"])


@pytest.mark.parametrize("key", RESULTS)
def test_result_synonyms(key):
    """
    Every synonym of the result is known.
    """
    row = call([{"tool": "a", key: {"x": 1}}])

    assert ('{"x":1}', "unknown", None) == (row["result"], row["status"], row["extra"])


@pytest.mark.parametrize("key", IDS)
def test_id_synonyms(key):
    """
    Every synonym of the call's id is known; an empty id is none.
    """
    assert "c1" == call([{"tool": "a", key: "c1"}])["native_id"]
    assert "15" == call([{"tool": "a", key: 15}])["native_id"]
    assert None is call([{"tool": "a", key: ""}])["native_id"]


@pytest.mark.parametrize("key", SERVERS)
def test_server_synonyms(key):
    """
    Every synonym of the server is known; an empty one is none.
    """
    assert "todo" == call([{"tool": "a", key: "todo"}])["server"]
    assert "7" == call([{"tool": "a", key: 7}])["server"]
    assert None is call([{"tool": "a", key: ""}])["server"]


@pytest.mark.parametrize(
    ("synonyms", "column", "write"),
    [
        (NAMES, "name", "{}".format),
        (ARGUMENTS, "arguments_raw", lambda text: {"v": text}),
        (RESULTS, "result", lambda text: {"v": text}),
        (IDS, "native_id", "{}".format),
        (SERVERS, "server", "{}".format),
    ],
)
def test_first_synonym_with_a_value(synonyms, column, write):
    """
    Of several keys that can mean the same, the first that has a value does; the rest is kept.
    """
    name = {} if column == "name" else {"name": "a"}
    for first, second in pairwise(synonyms):
        one, two = write("one"), write("two")
        expected = one if isinstance(one, str) else json.dumps(one, separators=(",", ":"))

        row = call([{**name, second: two, first: one}])
        assert expected == row[column]
        assert {second: two} == json.loads(row["extra"])

        row = call([{**name, first: None, second: one}])
        assert expected == row[column]
        assert None is row["extra"]


def test_no_synonym_has_a_value():
    """
    Keys without a value mean nothing, whether one or several.
    """
    several = {key: None for keys in (ARGUMENTS, RESULTS, IDS, SERVERS) for key in keys}
    row = call([{"tool": "a", **several}])
    found = {key for key, value in row.items() if value is not None}

    assert {"message_id", "outcome", "position", "name", "status", "status_below"} == found


@pytest.mark.parametrize("kind", ["function_call", "custom_tool_call", "mcp_call"])
def test_ids_of_responses(kind):
    """
    A Responses item has an id of its own; the call's is `call_id`, where there is one.
    """
    row = call([{"type": kind, "id": "fc_1", "call_id": "c1", "name": "a"}])

    assert "c1" == row["native_id"]
    assert {"type": kind, "id": "fc_1"} == json.loads(row["extra"])
    assert "fc_1" == call([{"type": kind, "id": "fc_1", "name": "a"}])["native_id"]
    assert "x" == call([{"type": "call", "id": "x", "call_id": "c1", "name": "a"}])["native_id"]
    assert "x" == call([{"type": ["y"], "id": "x", "call_id": "c1", "name": "a"}])["native_id"]


@pytest.mark.parametrize(
    ("item", "extra"),
    [
        ({}, None),
        ({"type": "function"}, {"type": "function"}),
        ({"note": None, "success": True, "status": "ok"}, None),
        ({"status": "ready"}, {"status": "ready"}),
        ({"error": "boom"}, {"error": "boom"}),
        ({"duration_ms": 12, "x": {"y": [1]}}, {"duration_ms": 12, "x": {"y": [1]}}),
        ({"\0": 1, "": 2}, {"\0": 1, "": 2}),
    ],
)
def test_extra_keeps_the_rest(item, extra):
    """
    What no column took is kept as JSON, without nulls and without flags that the status says.
    """
    found = call([{"name": "a", "arguments": {}, "result": "x", "id": "c1", **item}])["extra"]

    assert extra == (found and json.loads(found))


def test_extra_of_python():
    """
    What a Python literal holds besides is kept as JSON too.
    """
    row = call("[{'name': 'a', 1: {2}, 0: 'zero', None: b'x', (1, 2): 3}]")

    assert {"1": [2], "0": "zero", "None": "b'x'", "(1, 2)": 3} == json.loads(row["extra"])


@pytest.mark.parametrize(
    ("value", "expected", "others"),
    [
        ({"tool_calls": ["add_task", "list_tasks"], "ms": 812}, ["add_task", "list_tasks"], []),
        ({"tool_calls": json.dumps([ADD])}, ["add_task"], []),
        ({"tool_calls": str([ADD])}, ["add_task"], []),
        ({"tool_calls": {"calls": [ADD], "n": 1}}, ["add_task"], []),
        (json.dumps({"tool_calls": [ADD]}), ["add_task"], []),
        (str({"tool_calls": [ADD]}), ["add_task"], []),
        ({"tool_calls": None}, [], []),
        ({"tool_calls": " null "}, [], []),
        ({"tool_calls": ""}, [], []),
        ({"ms": 812}, [], []),
        ([ADD], [], []),
        ("null", [], []),
        ("  ", [], []),
        ("imported by hand", [], []),
        ({"tool_calls": 2}, [], ["kept"]),
        ({"tool_calls": ["a", 5]}, ["a"], [NOT_A_CALL]),
        ({"tool_calls": "add_task was called"}, [], [NOT_DECODABLE]),
        ('{"tool_calls": ["add_task", "li', [], [NOT_DECODABLE]),
    ],
)
def test_calls_inside_metadata(value, expected, others):
    """
    Of an object that holds other things too, one key is looked into; its other keys are no calls.
    """
    assert expected == names(value, inside="tool_calls")
    assert others == wrong(value, inside="tool_calls")


@pytest.mark.parametrize(
    "key",
    ["tool_args", "tool_arguments", "tool_params", "function_args", "function_arguments", "kwargs",
     "payload", "input_params", "action_input"],
)  # fmt: skip
def test_further_names_of_arguments(key):
    """
    An item has its arguments under any name that a table has them under, the plain ones first.
    """
    assert '{"k":1}' == call([{"name": "a", key: {"k": 1}}])["arguments"]
    assert '{"k":2}' == call([{"name": "a", key: {"k": 1}, "args": {"k": 2}}])["arguments"]

"""Results that stand apart from their calls find them, by id or by order, and none is lost."""

from __future__ import annotations

import json

import pytest
from stored_calls import call, calls, wrong

from chatdata.tool_calls import NO_CALL_FOR_RESULT, NOTHING

ONE = [{"name": "a", "id": "c1"}]
TWO = [{"name": "a", "id": "c1"}, {"name": "b", "id": "c2"}]
PLAIN = [{"name": "a"}, {"name": "b"}]


def results(*args):
    return [row["result"] for row in calls(*args)]


@pytest.mark.parametrize("key", ["tool_call_id", "call_id", "toolCallId", "tool_use_id", "id"])
@pytest.mark.parametrize(
    "answer",
    ["result", "content", "output", "outputs", "tool_output", "output_json", "result_json",
     "execution_result", "tool_result", "response"],
)  # fmt: skip
@pytest.mark.parametrize("of_call", ["id", "call_id", "tool_call_id", "toolCallId"])
def test_by_id(key, answer, of_call):
    """
    A result goes to the call that it names, whatever their order and the names of their keys.
    """
    stored = [{"name": "a", of_call: "c1"}, {"name": "b", of_call: 2}]
    beside = [{key: "2", answer: "two"}, {key: "c1", answer: {"n": 1}}]

    assert ['{"n":1}', "two"] == results(stored, beside)
    assert [] == wrong(stored, beside)


@pytest.mark.parametrize("style", [lambda v: v, str, json.dumps, lambda v: str(tuple(v))])
def test_any_encoding(style):
    """
    The column of results is decoded as the column of calls is.
    """
    row = call(ONE, style([{"tool_call_id": "c1", "result": {"success": True}, "is_error": False}]))

    assert ('{"success":true}', "ok", "flag") == (
        row["result"],
        row["status"],
        row["status_evidence"],
    )


@pytest.mark.parametrize(
    ("stored", "beside", "expected", "n_unmatched"),
    [
        pytest.param(PLAIN, ["x", {"n": 1}], ["x", '{"n":1}'], 0, id="by order"),
        pytest.param(PLAIN, "('x', None)", ["x", None], 0, id="a null holds its place"),
        pytest.param(PLAIN, [{"result": 1}, {"result": 2}], ["1", "2"], 0, id="wrapped"),
        pytest.param(PLAIN, [{"id": 7, "result": 1}, {"id": 8, "result": 2}], ["1", "2"], 0,
                     id="ids that no call has"),
        pytest.param(PLAIN, ["x"], [None, None], 1, id="too few"),
        pytest.param(PLAIN, ["x", "y", "z"], [None, None], 3, id="too many"),
        pytest.param(PLAIN, "one text", [None, None], 1, id="one text for two"),
        pytest.param(ONE, "one text", ["one text"], 0, id="one text for one"),
        pytest.param(ONE, {"task": 5}, ['{"task":5}'], 0, id="one object for one"),
        pytest.param(ONE, ["x"], ["x"], 0, id="by order though the call has an id"),
        pytest.param(ONE, {"id": "c9", "result": 1}, [None], 1, id="the id of no call"),
        pytest.param(ONE, {"call_id": "c9"}, [None], 1, id="the id of no call, no result"),
        pytest.param(
            ONE, [{"id": n, "result": n} for n in range(3)], [None], 3, id="ids of no calls"
        ),
        pytest.param(
            ONE,
            {"id": "c1", "success": 1, "is_error": 0, "isError": 0, "status": "ok", "error": ""},
            [None],
            0,
            id="every flag and no result",
        ),
        pytest.param(ONE, {"id": 15, "title": "x"}, ['{"id":15,"title":"x"}'], 0, id="own id"),
        pytest.param(ONE, {"id": "c1", "title": "x"}, ['{"id":"c1","title":"x"}'], 0,
                     id="a result with the id of its call"),
        pytest.param(ONE, {"id": "c1", "is_error": False}, [None], 0, id="a flag and no result"),
        pytest.param(ONE, {"call_id": "c1", "is_error": 0, "n": 1}, [None], 0, id="not a result"),
        pytest.param(TWO, [{"id": "c2", "result": 2}, "x"], ["x", "2"], 0, id="the rest by order"),
        pytest.param(TWO, [{"id": "c2", "result": 2}], [None, "2"], 0, id="one of two"),
        pytest.param(TWO, [{"id": "c2", "result": 2}, "x", "y"], [None, "2"], 2, id="one too many"),
        pytest.param([ONE[0], ONE[0]], [{"id": "c1", "result": 1}], ["1", None], 0,
                     id="the first of two calls with one id"),
        pytest.param([], [], [], 0, id="nothing at all"),
    ],
)  # fmt: skip
def test_pairs(stored, beside, expected, n_unmatched):
    """
    Results without a known id go by order, where there is one for each call left.
    """
    assert expected == results(stored, beside)
    assert [NO_CALL_FOR_RESULT] * n_unmatched == wrong(stored, beside)


@pytest.mark.parametrize(
    ("stored", "beside", "expected", "n_unmatched"),
    [
        pytest.param(
            PLAIN,
            [{"name": "b", "success": False}, {"tool": "a", "result": 1}],
            ["1", '{"name":"b","success":false}'],
            0,
            id="in another order",
        ),
        pytest.param(TWO, [{"name": "b", "result": 2}], [None, "2"], 0, id="one of two"),
        pytest.param(TWO, [{"name": "b", "result": 2}, "x"], ["x", "2"], 0, id="the rest by order"),
        pytest.param(TWO, [{"tool": "b", "output": "y"}], [None, "y"], 0, id="its output alone"),
        pytest.param(PLAIN, [{"name": "z", "result": 1}, 2], ["1", "2"], 0, id="the name of none"),
        pytest.param([*PLAIN, *PLAIN], [{"name": n, "result": n} for n in "aabb"],
                     ["a", "a", "b", "b"], 0, id="names that several have go by order"),
        pytest.param([{"name": "a"}, *PLAIN], [{"name": "b", "result": 1}, "x", "y"],
                     ["x", "y", "1"], 0, id="only names of one call"),
    ],
)  # fmt: skip
def test_by_name(stored, beside, expected, n_unmatched):
    """
    Without an id a result goes to the one call of its name, before any goes by order.
    """
    assert expected == results(stored, beside)
    assert [NO_CALL_FOR_RESULT] * n_unmatched == wrong(stored, beside)


@pytest.mark.parametrize("calls_in", ["calls", "tools", "tool_calls", "tools_called"])
@pytest.mark.parametrize("key", ["results", "tool_results", "tool_outputs", "tool_responses"])
def test_results_within_the_wrapper(calls_in, key):
    """
    Results that stand beside the calls in one object go to them as those of a column do.
    """
    told = [{"tool_call_id": "c2", "result": 2}, {"tool_call_id": "c1", "is_error": True}]
    stored = {calls_in: TWO, key: told}

    assert [None, "2"] == results(stored)
    assert ["error", "unknown"] == [row["status"] for row in calls(stored)]
    assert [] == wrong(stored)
    assert ["one"] == results({calls_in: ONE, key: ["one"]})
    assert [NO_CALL_FOR_RESULT] == wrong({calls_in: ONE, key: [{"tool_call_id": "c9"}]})


def test_a_failure_by_name():
    """
    What a named result says of the outcome is said of its own call.
    """
    told = calls(PLAIN, [{"name": "b", "success": False}, {"name": "a", "success": True}])

    assert [("a", "ok"), ("b", "error")] == [(row["name"], row["status"]) for row in told]


@pytest.mark.parametrize("nothing", [*NOTHING, "  ", " null", '"null"', "{}\n"])
def test_no_results(nothing):
    """
    A column of results that holds nothing is no result without a call.
    """
    assert [None, None] == results(PLAIN, nothing)
    assert [] == wrong(PLAIN, nothing)


@pytest.mark.parametrize(
    ("own", "other", "expected", "others"),
    [
        ({}, {"result": 1}, "1", []),
        ({"result": None}, {"result": 1}, "1", []),
        ({"result": {}}, {"result": 1}, "1", []),
        ({"output": {}}, {"result": 1}, "1", []),
        ({"result": ""}, {"result": 1}, "1", []),
        ({"result": 1}, {"result": 1}, "1", []),
        ({"output": 1}, {"result": 1}, "1", []),
        ({"result": 1}, {"result": None}, "1", []),
        ({"result": 1}, {"is_error": True}, "1", []),
        ({"result": 1}, {"result": 2}, "1", ["kept"]),
        ({"output": 1}, {"content": 2}, "1", ["kept"]),
    ],
)
def test_second_result(own, other, expected, others):
    """
    A call keeps its own result; what differs from it is kept in the stored text, not lost.
    """
    stored, beside = [{**ONE[0], **own}], [{"tool_call_id": "c1", **other}]

    assert [expected] == results(stored, beside)
    assert others == wrong(stored, beside)
    assert (
        others == wrong([{"name": "a", **own}], [{"result": None, **other}]) or "content" in other
    )


def test_second_result_is_kept_once():
    """
    However many results are kept, and a wrapper's keys with them, one row says so.
    """
    again = [{"id": "c1", "result": n} for n in (1, 2, 3)]

    assert ["kept"] == wrong(ONE, again)
    assert ["kept"] == wrong({"calls": ONE, "model": "m"}, again)
    assert ["kept"] == wrong({"calls": ONE, "model": "m"}, again[:1])
    assert ["kept"] == wrong({"calls": [{"name": "a", "result": 1}]}, ["x"])


@pytest.mark.parametrize(
    ("beside", "others"),
    [
        ([9, 2], ["kept"]),
        ([1, 9], ["kept"]),
        ([1, 2], []),
        ([{"id": "c1", "result": 9}, {"id": "c1", "result": 1}], ["kept"]),
        ([{"id": "c1", "result": 9}, {"id": "c9", "result": 1}], ["kept", NO_CALL_FOR_RESULT]),
        ([{"id": "c1", "result": 9}, 2, 3], ["kept", *[NO_CALL_FOR_RESULT] * 2]),
    ],
)
def test_one_second_result_among_others(beside, others):
    """
    One result that differs is kept, whatever comes before and after it.
    """
    stored = [{**TWO[0], "result": 1}, {**TWO[1], "result": 2}]

    assert others == wrong(stored, beside)


def test_what_a_result_brings():
    """
    A result brings its flags and its further keys; those of the call stay.
    """
    stored = [{"name": "a", "id": "c1", "status": None, "ms": 1, "error": None}]
    beside = [
        {
            "tool_call_id": "c1",
            "id": "r1",
            "type": "tool_result",
            "name": "b",
            "arguments": {"x": 1},
            "server": "s",
            "result": "x",
            "output": "y",
            "content": "z",
            "status": "failed",
            "error": "boom",
            "ms": 2,
            "cost": 3,
        }
    ]
    row = call(stored, beside)

    assert ("a", "x", "error", None) == (
        row["name"],
        row["result"],
        row["status"],
        row["arguments_raw"],
    )
    assert ("c1", None) == (row["native_id"], row["server"])
    assert {"ms": 1, "cost": 3, "content": "z", "error": "boom"} == json.loads(row["extra"])


def test_bare_results_tell_by_themselves():
    """
    A result that names no call is whole: its success is the result's word, not a flag.
    """
    row = call([{"name": "a"}], [{"id": 15, "success": True, "note": "n"}])

    assert ("ok", "result", None) == (row["status"], row["status_evidence"], row["extra"])


@pytest.mark.parametrize("kind", ["function_call_output", "custom_tool_call_output", "tool_result"])
def test_items_that_are_results(kind):
    """
    Among the items, results are no calls: they go to theirs by its id, also before it.
    """
    one = {"type": "function_call", "id": "fc_1", "call_id": "c1", "name": "a"}
    out = {"type": kind, "id": "out_1", "call_id": "c1", "output": '{"success": true}'}
    for items in ([one, out], [out, one], [one, json.dumps(out)]):
        row = call(items)

        assert ('{"success":true}', "ok") == (row["result"], row["status"])
    assert [NO_CALL_FOR_RESULT] == wrong([one, {**out, "call_id": "c9"}])
    assert [NO_CALL_FOR_RESULT] == wrong([out])
    assert ["kept"] == wrong([one, out, {**out, "output": "else"}])
    assert ["x"] == results([{"name": "a"}, {"type": kind, "content": "x"}])


def test_items_and_column():
    """
    Results among the items and in a column are both used.
    """
    items = [
        *TWO,
        {"type": "tool_result", "tool_use_id": "c1", "content": "x"},
        {"type": "tool_result"},
    ]
    beside = [{"id": "c2", "result": "y"}, {"id": "c9", "result": "z"}]

    assert ["x", "y"] == results(items, beside)
    assert [NO_CALL_FOR_RESULT] == wrong(items, beside)


@pytest.mark.parametrize(
    ("beside", "expected"),
    [
        (r'[{"result": {"x": "\ud83d"}}]', '{"x":"\\ud83d"}'),
        ('[{"result": {"x": NaN}}]', '{"x":"nan"}'),
        ("[{'result': {'x': {2, 1}, 3: b'4'}}]", '{"x":[1,2],"3":"b\'4\'"}'),
        ("[{'result': {(1, 2): 3}}]", '{"(1, 2)":3}'),
        ("cut off: [1, 2", "cut off: [1, 2"),
        ("[1, 2", "[1, 2"),
    ],
)
def test_results_without_json(beside, expected):
    """
    What JSON has no word for does no harm in a column of results, nor to the arguments beside it.
    """
    row = call([{"name": "a", "arguments": {"y": 1}}], beside)

    assert (expected, '{"y":1}') == (row["result"], row["arguments"])

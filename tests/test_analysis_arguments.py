"""What tools are offered, called with, and called with again and again."""

from __future__ import annotations

import json

import pytest
from chat_rows import called, chats, conversation, said

import chatdata as cd
from chatdata import analysis


def test_funnel():
    """
    Declared tools are called or never called; what is called all the same is listed.
    """
    log = chats(
        conversations=[
            conversation("c", declared_tools='["a","b","a"]'),
            conversation("d", declared_tools='["a"]'),
            conversation("e", declared_tools="broken"),
        ],
        tool_calls=called(
            {"name": "a", "result": "x"},
            {"name": "a", "status": "denied"},
            {"name": "a", "status": "timeout"},
            {"name": "z", "status": "no_result"},
        ),
    )

    assert [
        ("a", 2, 3, 2, 1, "called"),
        ("z", 0, 1, 0, 0, "not declared"),
        ("b", 1, 0, 0, 0, "never called"),
    ] == analysis.tool_funnel(log).rows()


def test_funnel_without_declarations():
    """
    Where no conversation says what it offers, nothing is called undeclared.
    """
    found = analysis.tool_funnel(chats(tool_calls=called("a")))

    assert [("a", None, 1, None)] == found.select(
        "name", "n_declared", "n_emitted", "standing"
    ).rows()


def test_funnel_emits_what_usage_counts():
    """
    Two ways to the number of calls agree.
    """
    log = cd.sample(80)

    assert analysis.tool_usage(log)["n_tool_calls"].sum() == (
        analysis.tool_funnel(log)["n_emitted"].sum()
    )


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        pytest.param([], [], id="no calls"),
        pytest.param([{}], [], id="no arguments"),
        pytest.param(
            [{"a": 1}, {"a": "xyz"}, {}],
            [("a", 3, 2, "integer, string", 2, 2.0, 3.0)],
            id="types and sizes",
        ),
        pytest.param(
            [{"a": "é👋"}] * 3, [("a", 3, 3, "string", 1, 2.0, 2.0)], id="one value, code points"
        ),
        pytest.param(
            [{"b": None, "a": [1, 2]}, {"b": True}],
            [("b", 2, 2, "boolean, null", 2, 4.0, 4.0), ("a", 2, 1, "array", 1, 5.0, 5.0)],
            id="most often present first",
        ),
    ],
)
def test_tool_arguments(arguments, expected):
    """
    Presence, types, variety and sizes of each argument are inferred from the calls.
    """
    rows = called(*({"arguments": json.dumps(each)} for each in arguments))
    found = analysis.tool_arguments(chats(tool_calls=rows)).drop("name", "share")

    assert expected == found.rows()


def test_arguments_show_no_value():
    """
    What was passed to a tool does not get out.
    """
    log = chats(tool_calls=called({"arguments": '{"to":"CANARY","list":["CANARY"]}'}))

    assert "CANARY" not in analysis.tool_arguments(log).write_json()


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        pytest.param("aa", [], id="twice is no cycle"),
        pytest.param("aaa", [(1, "a", 3)], id="one tool three times"),
        pytest.param("xababab", [(2, "a → b", 6)], id="a rotation of two"),
        pytest.param("ababa", [], id="two rounds and a half"),
        pytest.param("abcabcabc", [(3, "a → b → c", 9)], id="a rotation of three"),
        pytest.param("aaaaaa", [(1, "a", 6)], id="not also a rotation of itself"),
        pytest.param("aaabbb", [(1, "a", 3), (1, "b", 3)], id="one after the other"),
    ],
)
def test_cycles(names, expected):
    """
    The same calls round after round are found once, by their shortest period.
    """
    spoken = said("user", *["assistant"] * len(names))
    calls = [
        row
        for place, name in enumerate(names, start=1)
        for row in called({"name": name, "arguments": "{}"}, message_id=f"c.{place}")
    ]
    found = analysis.tool_cycles(chats(messages=spoken, tool_calls=calls))

    assert expected == found.select("n_steps", "tools", "n_tool_calls").rows()


def test_new_arguments_are_no_cycle():
    """
    The same tool with other arguments goes forward.
    """
    calls = called(*({"arguments": json.dumps({"page": n})} for n in range(5)), message_id="c.0")

    assert analysis.tool_cycles(chats(messages=said("assistant"), tool_calls=calls)).is_empty()

"""Calls under a key that says what they are."""

from __future__ import annotations

import pytest
from stored_calls import calls, wrong

from chatdata.tool_calls import NOT_A_CALL


@pytest.mark.parametrize(
    "item",
    [
        {"functionCall": {"name": "a", "args": {"k": 1}}},
        {"function_call": {"name": "a", "arguments": '{"k":1}'}},
        {"toolUse": {"toolUseId": "x", "name": "a", "input": {"k": 1}}},
        {"tool_call": {"name": "a", "args": {"k": 1}}},
        {"toolCall": {"name": "a", "args": {"k": 1}}},
        {"tool": {"name": "a", "arguments": {"k": 1}}},
        {"tool": {"name": "a", "description": "b"}, "arguments": {"k": 1}},
        {"action": "a", "action_input": {"k": 1}},
        {"action": "a", "action_input": '{"k":1}', "log": "b"},
    ],
)
def test_more_ways_to_nest_a_call(item):
    """
    A call is found under the key that says what it is, alone or in a list.
    """
    for stored in ([item], item, [{"name": "b"}, item]):
        assert ("a", '{"k":1}') == tuple(calls(stored)[-1][key] for key in ("name", "arguments"))
        assert [] == wrong(stored)


@pytest.mark.parametrize(
    "item", [{"action": "open"}, {"tool": {}}, {"tool": {"name": "a"}}, {"functionCall": "a b"}]
)
def test_what_is_no_nested_call(item):
    """
    Without a name under it such a key makes no call; nor does an action without an input.
    """
    assert [] == calls([item])
    assert [NOT_A_CALL] == wrong([item])

"""
The page on application databases names what the code looks for.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from chatdata.database import names

PAGE = Path(__file__).parents[1] / "docs" / "databases.md"


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(names.CONVERSATION_KEYS, id="conversation keys"),
        pytest.param(names.TEXTS, id="texts"),
        pytest.param(names.ROLES, id="roles"),
        pytest.param(names.TIMES[:3], id="times"),
        pytest.param(names.CALL_COLUMNS, id="columns of calls"),
    ],
)
def test_the_page_lists_the_names_in_their_order(listed):
    """
    A list of names on the page is the list that is tried, in that order.
    """
    assert ", ".join(f"`{name}`" for name in listed) in PAGE.read_text()

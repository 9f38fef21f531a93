"""Small cells, and the cells that would give them away."""

from __future__ import annotations

import itertools

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

import chatdata as cd
from chatdata import analysis, publish


def line(*users):
    """
    Cells of one line, named by their place.
    """
    return pl.DataFrame(
        {
            "name": [str(place) for place in range(len(users))],
            "n_users": users,
            "n_calls": [n * 10 for n in users],
        },
        schema={"name": pl.String(), "n_users": pl.Int64(), "n_calls": pl.Int64()},
    )


@pytest.mark.parametrize(
    ("users", "expected"),
    [
        pytest.param([], [], id="no cells"),
        pytest.param([10, 11], [None, None], id="all large enough"),
        pytest.param([50, 9, 30, 40], [None, "small", "complementary", None], id="the smallest"),
        pytest.param([50, 3, 3, 40], [None, "small", "small", "complementary"], id="six are few"),
        pytest.param([50, 5, 5, 40], [None, "small", "small", None], id="two hide each other"),
        pytest.param([0, 20, 30], ["small", "complementary", None], id="nobody is few too"),
        pytest.param([4], ["small"], id="nothing to hide it with"),
        pytest.param([20, 4, 20], ["complementary", "small", None], id="ties go by place"),
    ],
)
def test_a_line(users, expected):
    """
    A small cell is hidden, and not alone.
    """
    found = publish.suppressed(line(*users), by=["name"], values=["n_calls"])

    assert expected == found["suppressed"].to_list()
    assert [None if why else n * 10 for n, why in zip(users, expected, strict=True)] == (
        found["n_calls"].to_list()
    )
    assert [None if why else n for n, why in zip(users, expected, strict=True)] == (
        found["n_users"].to_list()
    )


@given(
    st.lists(st.integers(0, 40), min_size=1, max_size=24),
    st.integers(1, 5),
    st.integers(1, 20),
)
def test_no_total_gives_a_cell_away(users, width, k):
    """
    In each row and column, what is hidden is nothing, everything, or two cells of k users.
    """
    cells = pl.DataFrame(
        [(place // width, place % width, n) for place, n in enumerate(users)],
        schema=["row", "column", "n_users"],
        orient="row",
    )
    found = publish.suppressed(cells, by=["row", "column"], values=[], k=k)
    hidden = cells.with_columns(hidden=found["suppressed"].is_not_null())

    assert found.filter(suppressed="small").height == sum(n < k for n in users)
    for along in ("row", "column"):
        for _, cut in hidden.group_by(along):
            away = cut.filter("hidden")
            assert (
                away.is_empty()
                or away.height == cut.height
                or (away.height >= 2 and away["n_users"].sum() >= k)
            )


def test_rows_and_other_columns_stay():
    """
    Nothing but the values changes, in their order.
    """
    table = line(50, 3, 40).with_columns(note=pl.lit("x")).reverse()
    found = publish.suppressed(table, by=["name"], values=["n_calls"])

    assert table.select("name", "note").equals(found.select("name", "note"))
    assert [*table.columns, "suppressed"] == found.columns


@pytest.mark.parametrize(
    ("table", "values", "said"),
    [
        pytest.param(line(1), ["gone"], "no column gone", id="no such column"),
        pytest.param(pl.concat([line(1), line(2)]), [], "two rows of one cell", id="twice"),
        pytest.param(
            line(1).with_columns(n_users=pl.lit(None, pl.Int64)), [], "without n_users", id="null"
        ),
    ],
)
def test_a_table_that_is_none(table, values, said):
    """
    What cannot be protected is refused.
    """
    with pytest.raises(ValueError, match=said):
        publish.suppressed(table, by=["name"], values=values)


def test_usage_can_be_published():
    """
    The table of tools goes through as it comes.
    """
    usage = analysis.tool_usage(cd.sample(60))
    found = publish.suppressed(usage, by=["name"], values=["n_tool_calls", "share"], k=20)

    assert 0 < found["suppressed"].count() < len(found)
    assert set() == set(
        itertools.compress(found["n_tool_calls"].drop_nulls(), found["n_users"].drop_nulls() < 20)
    )


@pytest.mark.parametrize(
    ("members", "expected"),
    [
        pytest.param({}, [], id="no groups"),
        pytest.param({"a": "123", "b": "123"}, [], id="all large enough"),
        pytest.param({"a": "1234", "b": "12", "c": "345"}, ["b", "c"], id="the next smallest"),
        pytest.param({"a": "1234", "b": "12", "c": "3"}, ["c", "b"], id="three together"),
        pytest.param({"a": "1234", "b": "12", "c": "12"}, ["b", "c", "a"], id="the same two twice"),
        pytest.param({"a": "12"}, ["a"], id="nothing to put it with"),
        pytest.param({"a": "123", "b": "???"}, ["b", "a"], id="who is not known is nobody"),
    ],
)
def test_rare(members, expected):
    """
    Groups of few stand together with the next smallest until enough different people are behind.
    """
    rows = [(group, None if who == "?" else who) for group in members for who in members[group]]
    frame = pl.DataFrame(rows, schema={"g": pl.String(), "who": pl.String()}, orient="row")

    assert expected == publish.rare(frame, by="g", user="who", k=3).to_list()


@given(
    st.lists(st.tuples(st.sampled_from("abcdefg"), st.sampled_from([*"123456", None]))),
    st.integers(1, 4),
)
def test_no_rare_group_can_be_told_apart(members, k):
    """
    Whatever the groups: those that stand alone have k people, and so have the others together,
    unless these are all there are.
    """
    frame = pl.DataFrame(members, schema={"g": pl.String(), "who": pl.String()}, orient="row")
    together = set(publish.rare(frame, by="g", user="who", k=k))
    behind = {group: {who for g, who in members if g == group and who} for group, _ in members}
    alone = behind.keys() - together

    assert [] == [group for group in alone if len(behind[group]) < k]
    assert (
        not together or not alone or k <= len(set().union(*(behind[group] for group in together)))
    )

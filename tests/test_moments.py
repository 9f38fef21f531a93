"""Times, zones and users as people name them in a notebook."""

from datetime import UTC, date, datetime, timedelta, timezone

import pytest

import chatdata as cd
from chatdata.errors import QueryError
from chatdata.moments import moment, zone

MIDNIGHT = datetime.fromisoformat("2025-09-15T00:00")


@pytest.mark.parametrize(
    "given",
    [
        pytest.param("2025-09-15", id="a day as text"),
        pytest.param("2025-09-15T05:00+05:00", id="a time as text"),
        pytest.param(date(2025, 9, 15), id="a day"),
        pytest.param(MIDNIGHT, id="a naive time"),
        pytest.param(datetime(2025, 9, 15, tzinfo=UTC), id="a time in UTC"),
        pytest.param(
            datetime(2025, 9, 14, 20, tzinfo=timezone(timedelta(hours=-4))), id="a time elsewhere"
        ),
    ],
)
def test_moments_in_every_spelling(given):
    """
    A time, a day and text say the same moment, and `scan` keeps the same messages.
    """
    assert moment(given) == MIDNIGHT
    whole = cd.sample(60).messages.collect()
    n_since = cd.scan("sample?conversations=60", since=given).messages.collect().height
    n_until = cd.scan("sample?conversations=60", until=given).messages.collect().height
    assert n_since == (whole["created_at"] >= MIDNIGHT).sum()
    assert n_until == (whole["created_at"] < MIDNIGHT).sum()
    assert 0 < n_since < whole.height


@pytest.mark.parametrize("given", ["yesterday", "", 20250915, 3.5], ids=str)
def test_what_is_no_moment_is_refused(given):
    """
    What is no time raises an error that says what is expected.
    """
    with pytest.raises(QueryError, match="expected"):
        cd.scan("sample", since=given)


@pytest.mark.parametrize("name", ["Nowhere/City", "", "/etc/passwd", None], ids=str)
def test_what_is_no_zone_is_refused(name):
    """
    A zone that nobody knows is refused, by `scan` and by analyses.
    """
    for ask in (
        lambda: zone(name),
        lambda: cd.scan("sample", time_zone=name),
        lambda: cd.analysis.hour_of_week(cd.sample(3), time_zone=name),
    ):
        with pytest.raises(QueryError, match="no time zone named"):
            ask()


def test_a_period_that_is_none_is_refused():
    """
    `every` is a day or a week; anything else is refused by name.
    """
    with pytest.raises(QueryError, match="every='fortnight', expected 'day' or 'week'"):
        cd.analysis.tool_usage_over_time(cd.sample(3), every="fortnight")


def test_a_user_may_be_a_number(tmp_path):
    """
    Applications number their users; the number finds them as its text does.
    """
    path = tmp_path / "log.jsonl"
    lines = (f'{{"talk": {n}, "who": {n % 2}, "role": "user", "content": "x"}}' for n in range(5))
    path.write_text("\n".join(lines))
    mapping = {"conversation_id": "talk", "user_id": "who"}
    counts = [
        cd.scan(path, mapping=mapping, user_id=user).messages.collect().height for user in (1, "1")
    ]
    assert counts == [2, 2]


def test_a_window_that_ends_before_it_begins_is_refused():
    """
    Nothing lies in such a window, and that is no answer; an empty one is.
    """
    with pytest.raises(QueryError, match="expected until after since"):
        cd.scan("sample", since="2025-10-01", until="2025-09-02")
    assert cd.scan("sample", since="2025-10-01", until="2025-10-01").messages.collect().is_empty()

"""Every reader over its fixtures, and the truth of the real logs beside the checkout.

A fixture is `data/<format>/<case>.<anything>` with `<case>.expected.json`: the rows in order, each
with the columns it is about. A new format adds files there and touches no test.
"""

from __future__ import annotations

import json
from pathlib import Path

import polars as pl
import pytest

import chatdata as cd
from chatdata.formats.base import formats

DATA = Path(__file__).parent / "data"
EXPECTED = sorted(DATA.glob("*/*.expected.json"))
KEYS = ("conversations", "messages", "tool_calls")


def case_of(expected):
    name = expected.name.removesuffix(".expected.json")
    return next(p for p in sorted(expected.parent.glob(f"{name}*")) if p != expected)


def as_json(value):
    return (
        value.isoformat(timespec="milliseconds" if value.microsecond else "seconds")
        if hasattr(value, "isoformat")
        else value
    )


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_fixture(expected):
    """
    A fixture gives the rows written beside it, and its accounting adds up.
    """
    truth = json.loads(expected.read_text())
    chats = cd.scan(case_of(expected)).check()
    found = {
        key: [
            {name: as_json(row[name]) for name in wanted}
            for row, wanted in zip(chats.frames[key].collect().to_dicts(), truth[key], strict=True)
        ]
        for key in KEYS
    }
    causes = dict(chats.accounting.select("cause", pl.col("n_records").cast(int)).collect().rows())

    assert {key: truth[key] for key in KEYS} == found
    assert truth["accounting"] == {cause: n for cause, n in causes.items() if n}
    assert {truth["format"]} == {finding.became for finding in chats.findings}


@pytest.mark.parametrize("format_", formats(), ids=lambda format_: format_.name)
def test_format_is_documented_and_has_fixtures(format_):
    """
    Every format says what it is and has at least one fixture.
    """
    assert format_.notes
    if format_.name == "mapped":
        pytest.skip("asked for, never detected: test_formats_mapped.py")
    assert (DATA / format_.name).is_dir()


@pytest.mark.parametrize("expected", EXPECTED, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_reading_twice_gives_the_same(expected):
    """
    The same file gives the same rows and keys, however often it is read.
    """
    case = case_of(expected)
    once, twice = (cd.scan(case).collect() for _ in range(2))

    for name, frame in once.frames.items():
        assert frame.collect().equals(twice.frames[name].collect())


@pytest.mark.parametrize("name", ["lmsys-chat", "wildchat"])
def test_parquet_equals_jsonl(tmp_path, name):
    """
    Reading columns gives the same messages as reading records, and the same conversations.
    """
    rows = DATA / name / "rows.jsonl"
    frame = pl.read_ndjson(rows)
    frame.write_parquet(tmp_path / "rows.jsonl")
    records, columns = cd.scan(rows).check(), cd.scan(tmp_path / "rows.jsonl").check()
    asked = pl.exclude("extra")

    assert {name} == {finding.became for finding in columns.findings}
    assert records.messages.select(asked).collect().equals(columns.messages.select(asked).collect())
    assert (
        records.conversations.select(asked)
        .collect()
        .equals(columns.conversations.select(asked).collect())
    )
    assert [present(text) for text in records.conversations.collect()["extra"]] == [
        present(text) for text in columns.conversations.collect()["extra"]
    ]


def present(extra):
    """
    Leave out what is null: a column of Parquet cannot say that a key is missing.
    """
    return {key: value for key, value in json.loads(extra).items() if value is not None}

"""Records of JSON documents, good and bad."""

from __future__ import annotations

import io
import json
import random

import pytest

from chatdata.formats import records
from chatdata.formats.records import Bad, Record, encode, read, shape
from chatdata.formats.times import at


def found(data, form):
    return [
        (
            record.number,
            record.offset,
            record.value if isinstance(record, Record) else record.reason,
        )
        for record in read(io.BytesIO(data), form)
    ]


@pytest.mark.parametrize(
    ("data", "form", "expected"),
    [
        pytest.param(b"", "lines", [], id="empty"),
        pytest.param(
            b'{"a":1}\r\n\r\n{"a":2}',
            "lines",
            [(1, 0, {"a": 1}), (3, 11, {"a": 2})],
            id="CRLF and a blank line",
        ),
        pytest.param(b'\xef\xbb\xbf{"a":1}\n', "lines", [(1, 0, {"a": 1})], id="byte order mark"),
        pytest.param(b'{"a":1}\n\0\0\0', "lines", [(1, 0, {"a": 1})], id="NULs after a crash"),
        pytest.param(
            b'{"a":1}\n{"a', "lines", [(1, 0, {"a": 1}), (2, 8, "truncated_tail")], id="cut line"
        ),
        pytest.param(
            b"{'a':1}\n{}\n", "lines", [(1, 0, "not JSON"), (2, 8, {})], id="single quotes"
        ),
        pytest.param(b'{"a":NaN}\n', "lines", [(1, 0, {"a": "nan"})], id="NaN"),
        pytest.param(
            b'{"a":"\\ud83d"}\n', "lines", [(1, 0, {"a": "\\ud83d"})], id="lone surrogate"
        ),
        pytest.param(b'{"a":"\xff"}\n', "lines", [(1, 0, {"a": "\\udcff"})], id="not UTF-8"),
        pytest.param(
            b'{"a":1,"a":2}\n', "lines", [(1, 0, {"a": 2})], id="the last of equal keys wins"
        ),
        pytest.param(
            b'{"a":123456789012345678901234567890}',
            "lines",
            [(1, 0, {"a": 123456789012345678901234567890})],
            id="large integer",
        ),
        pytest.param(b"[" * 5000, "lines", [(1, 0, "nested too deep")], id="deep nesting"),
        pytest.param(b"[]", "array", [], id="empty array"),
        pytest.param(
            b' [ {"a":1} , {"a":2} ] ', "array", [(1, 3, {"a": 1}), (2, 13, {"a": 2})], id="array"
        ),
        pytest.param(
            b'[{"a":1},{"b":"x',
            "array",
            [(1, 1, {"a": 1}), (2, 9, "truncated_tail")],
            id="cut element",
        ),
        pytest.param(
            b'[{"a":1}',
            "array",
            [(1, 1, {"a": 1}), (2, 8, "truncated_tail")],
            id="array without an end",
        ),
        pytest.param(
            b'[{"a":1},{"b":tru,"c":"]}"},{"c":3}]',
            "array",
            [(1, 1, {"a": 1}), (2, 9, "not JSON"), (3, 28, {"c": 3})],
            id="one bad element",
        ),
        pytest.param(
            b'[{"a":NaN},{"a":"\xff"}]',
            "array",
            [(1, 1, {"a": "nan"}), (2, 11, {"a": "\\udcff"})],
            id="lenient elements",
        ),
        pytest.param(
            b'{\n"a":1\n}\n{"b":2}',
            "values",
            [(1, 0, {"a": 1}), (2, 10, {"b": 2})],
            id="values over lines",
        ),
    ],
)
def test_read(data, form, expected):
    """
    Every record is yielded with its place, decoded or with a fixed reason.
    """
    assert expected == found(data, form)


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        pytest.param(b'{"a":1}\n{"b":2}\n', "lines", id="lines"),
        pytest.param(b'{"a":1}', "lines", id="one object"),
        pytest.param(b'{"a":1\n{"b":2}\n{"c":3}\n', "lines", id="lines, the first broken"),
        pytest.param(b'[{"a":1},\n{"b":2}]', "array", id="array over lines"),
        pytest.param(b'[{"a":1}]', "array", id="array on one line"),
        pytest.param(b'[{"a":1}]\n[{"a":2}]\n', "lines", id="an array a line"),
        pytest.param(b'{\n  "a": [\n    {"b": 1}\n  ]\n}\n', "values", id="indented object"),
        pytest.param(b'\xef\xbb\xbf\r\n{"a":1}\r\n', "lines", id="mark and blank line"),
    ],
)
def test_shape(head, expected):
    """
    Lines, arrays and values are told apart by how a document begins.
    """
    assert expected == shape(head, whole=True)


def test_array_is_streamed(monkeypatch):
    """
    Elements come out right wherever the windows of a long single-line array end.
    """
    monkeypatch.setattr(records, "CHUNK", 7)
    values = [{"text": "é" * n, "list": [n, {"x": '"]}\\'}]} for n in range(40)]
    data = json.dumps(values, ensure_ascii=False).encode()
    offsets = [offset for _, offset, _ in found(data, "array")]

    assert values == [value for _, _, value in found(data, "array")]
    assert all(data[offset : offset + 1] == b"{" for offset in offsets)


@pytest.mark.parametrize("form", ["lines", "array"])
def test_damage_never_raises(form):
    """
    Whatever byte is changed or wherever the end is cut off, records and rejects come out.
    """
    values = [{"n": n, "text": 'a "quoted" {brace}'} for n in range(20)]
    data = json.dumps(values).encode()
    if form == "lines":
        data = b"\n".join(json.dumps(value).encode() for value in values)
    random_ = random.Random(7)  # noqa: S311 - a seeded test
    for _ in range(300):
        place = random_.randrange(len(data))
        cut = data[:place]
        mutated = cut + bytes([random_.randrange(256)]) + data[place + 1 :]
        for damaged in (cut, mutated):
            numbers = [record.number for record in read(io.BytesIO(damaged), form)]

            assert sorted(set(numbers)) == numbers


def test_encode_keeps_what_json_holds():
    """
    Large integers, NaN and surrogates, which the fast encoder refuses, are written all the same.
    """
    assert '{"a":123456789012345678901234567890}' == encode({"a": 123456789012345678901234567890})
    assert '{"a":"\\\\ud83d"}' == encode({"a": "\ud83d"})


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        pytest.param("2025-03-01T10:00:00.250Z", (1740823200250000, "ms"), id="milliseconds"),
        pytest.param(
            "2025-03-01T10:00:00.250001+00:00", (1740823200250001, "us"), id="microseconds"
        ),
        pytest.param("2025-03-01T15:00:00+05:00", (1740823200000000, "s"), id="offset"),
        pytest.param("2025-03-01", (1740787200000000, "day"), id="day"),
        pytest.param(1740823200, (1740823200000000, "s"), id="seconds"),
        pytest.param(1740823200.5, (1740823200500000, "us"), id="float seconds"),
        pytest.param(1740823200250, (1740823200250000, "ms"), id="integer milliseconds"),
        pytest.param(0, None, id="zero"),
        pytest.param(-5, None, id="negative"),
        pytest.param(float("nan"), None, id="NaN"),
        pytest.param(True, None, id="no number"),
        pytest.param("soon", None, id="no time"),
        pytest.param("9999-01-01T00:00:00Z", None, id="far future"),
        pytest.param("0001-01-01T00:00:00+14:00", None, id="before the calendar"),
    ],
)
def test_at(value, expected):
    """
    Times are read in every spelling, and what is none is None, never a guess.
    """
    moment = at(value)

    assert expected == (moment and (moment.us, moment.precision))


def test_at_takes_naive_text_in_the_named_zone():
    """
    Naive text means UTC unless a zone is named.
    """
    assert at("2025-03-01T10:00:00Z").us == at("2025-03-01T15:00:00", "Asia/Karachi").us


def test_bad_has_a_place():
    """
    A record that cannot be decoded keeps its number and offset, never its text.
    """
    bad = next(iter(read(io.BytesIO(b"{secret\n"), "lines")))

    assert Bad(1, 0, "not JSON") == bad

"""Logs that broke, or that something else wrote: every oddity that a JSON document can have."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import polars as pl
import pytest

import chatdata as cd
from chatdata.formats.times import at

RECORD = {
    "type": "user",
    "sessionId": "A",
    "uuid": "u1",
    "parentUuid": None,
    "timestamp": "2025-03-01T10:00:00.000Z",
    "message": {"role": "user", "content": "Hi"},
}
LINE = json.dumps(RECORD)
OTHER = LINE.replace("u1", "u2").replace("10:00:00", "10:00:01")
DEEP = '{"a":' * 10_000 + "1" + "}" * 10_000


def read(folder, data):
    """
    Give the contents, and the reasons of rejects; the accounting must add up.
    """
    path = folder / "log.jsonl"
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    chats = cd.scan(path).check().collect()
    rejects = chats.rejects.collect()["reason"].to_list()
    causes = chats.accounting.collect()

    assert len(rejects) == causes.filter(pl.col("cause") == "rejected")["n_records"].sum()
    return chats.messages.collect()["content"].to_list(), rejects


@pytest.mark.parametrize(
    ("data", "contents", "rejects"),
    [
        pytest.param(f"{LINE}\n{OTHER[:-9]}", ["Hi"], ["truncated_tail"], id="last line cut off"),
        pytest.param(f"{LINE[:-9]}\n{OTHER}", ["Hi"], ["not JSON"], id="first line cut off"),
        pytest.param(f"{LINE}\n{DEEP}\n{OTHER}", ["Hi", "Hi"], ["nested too deep"], id="deep"),
        pytest.param(f"{DEEP}\n{LINE}", ["Hi"], ["nested too deep"], id="deep at once"),
        pytest.param(f"[{LINE},{DEEP},{OTHER}]", ["Hi", "Hi"], ["nested too deep"], id="in a list"),
        pytest.param(LINE.encode() + b"\0" * 512, ["Hi"], [], id="NULs at the end"),
        pytest.param(LINE.replace("Hi", "a\\u0000b"), ["a\0b"], [], id="a NUL in a text"),
        pytest.param(LINE.replace("Hi", "x\\ud83d"), ["x\\ud83d"], [], id="half a character"),
        pytest.param(LINE.encode().replace(b"Hi", b"H\xff"), ["H\\udcff"], [], id="no UTF-8"),
        pytest.param(f"\ufeff{LINE}\r\n\r\n{OTHER}\r\n", ["Hi", "Hi"], [], id="mark, CRLF, blanks"),
        pytest.param(f"{LINE}\n{OTHER}".encode("utf-16"), ["Hi", "Hi"], [], id="UTF-16"),
        pytest.param(LINE.replace('"A"', '"B", "sessionId": "A"'), ["Hi"], [], id="a key twice"),
        pytest.param(LINE.replace("null", "NaN"), ["Hi"], [], id="NaN"),
        pytest.param(LINE.replace("null", "9" * 40), ["Hi"], [], id="a huge number"),
        pytest.param(LINE.replace("null", "1e999"), ["Hi"], [], id="a number beyond any"),
        pytest.param(LINE.replace("Hi", "x" * 800_000), ["x" * 800_000], [], id="a long line"),
        pytest.param(b"", [], [], id="nothing"),
        pytest.param(b"\0" * 512, [], [], id="only NULs"),
    ],
)
def test_damage(tmp_path, data, contents, rejects):
    """
    What can be read is read; what cannot is a reject with a reason, and nothing raises.
    """
    assert (contents, rejects) == read(tmp_path, data)


@pytest.mark.parametrize("depth", [400, 700, 900, *range(950, 1000)])
@pytest.mark.parametrize(
    ("name", "record"),
    [
        ("claude-code", LINE[:-1] + ', "z": DEEP}'),
        ("openai-chat", '{"messages": [{"role": "user", "content": "Hi"}], "z": DEEP}'),
        ("codex", '{"type": "event_msg", "payload": {"type": "token_count", "info": DEEP}}'),
        ("claude-ai-export", '[{"chat_messages": [], "uuid": "u", "z": [NaN, DEEP]}]'),
    ],
)
def test_nested_as_deep_as_can_be(tmp_path, name, record, depth):
    """
    However deep a value is nested, its record is read or a reject, and nothing raises.
    """
    path = tmp_path / "log.jsonl"
    path.write_text(record.replace("DEEP", '{"a":' * depth + "1" + "}" * depth))
    chats = cd.scan(path, format=name).check().collect()

    assert chats.accounting.collect()["n_records"].sum() == 1


def test_reasoning_that_is_a_number(tmp_path):
    """
    Codex reasoning with something else where a list belongs still gives its summary.
    """
    thought = {
        "type": "reasoning",
        "summary": [{"type": "summary_text", "text": "So"}],
        "content": 7,
    }
    said = {"type": "message", "role": "assistant", "content": []}
    path = tmp_path / "log.jsonl"
    lines = [{"type": "response_item", "payload": payload} for payload in (thought, said)]
    path.write_text("\n".join(map(json.dumps, lines)))

    assert ["So"] == cd.scan(path).check().messages.collect()["reasoning"].to_list()


NOON = datetime(2025, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("value", "precision"),
    [
        pytest.param("2025-03-01T12:00:00.000Z", "ms", id="ISO"),
        pytest.param("2025-03-01T17:30:00+05:30", "s", id="ISO elsewhere"),
        pytest.param("2025-03-01 12:00:00", "s", id="naive"),
        pytest.param(1740830400, "s", id="seconds"),
        pytest.param(1740830400.0, "us", id="seconds with a fraction"),
        pytest.param(1740830400_000, "ms", id="milliseconds"),
        pytest.param(1740830400_000000, "us", id="microseconds"),
        pytest.param(1740830400_000000000, "us", id="nanoseconds"),
        pytest.param("1740830400", "s", id="seconds as text"),
        pytest.param("1740830400000", "ms", id="milliseconds as text"),
        pytest.param("1740830400000000000", "us", id="nanoseconds as text"),
    ],
)
def test_times(value, precision):
    """
    A moment is read in any unit that its size tells, as a number or as text.
    """
    assert (int(NOON.timestamp() * 1_000_000), precision) == (at(value).us, at(value).precision)


@pytest.mark.parametrize(
    "value",
    [None, True, 0, -5, 1e300, 10**400, float("nan"), "", "soon", "2025-13-45", "17", [1], {}],
    ids=repr,
)
def test_what_is_no_time(value):
    """
    Nothing is made a time that is none.
    """
    assert at(value) is None


def test_a_time_spelled_otherwise_is_kept(tmp_path):
    """
    Where a column cannot give the source's spelling back, `extra` has it.
    """
    path = tmp_path / "log.jsonl"
    path.write_text(LINE.replace(RECORD["timestamp"], "1740830400"))
    row = cd.scan(path).messages.collect().row(0, named=True)

    assert NOON.replace(tzinfo=None) == row["created_at"].replace(tzinfo=None)
    assert "1740830400" == json.loads(row["extra"])["timestamp"]


@pytest.mark.parametrize(
    ("name", "page"),
    [
        ("openai-chat", '{"object": "list", "data": []}'),
        ("langfuse", '{"data": [], "meta": {"page": 1}}'),
    ],
)
def test_an_empty_page_is_a_record_too(tmp_path, name, page):
    """
    A page of an API's list that lists nothing is counted, as empty.
    """
    path = tmp_path / "log.jsonl"
    path.write_text(f"{page}\n{page}\n")
    causes = dict(
        cd.scan(path, format=name).accounting.select("cause", "n_records").collect().rows()
    )

    assert {"empty": 2} == {cause: n for cause, n in causes.items() if n}

"""What SQLite stores in any column of any type, and what it comes out as."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from datetime import datetime

import polars as pl
import pytest
from chat_tables import build, column, conversations, extras, messages, rows, table
from hypothesis import given
from hypothesis import strategies as st

from chatdata import migrate, sample, spool
from chatdata.database import read, times, values
from chatdata.sample import fill

AT = "2025-03-01 10:00:00"
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
UUID = "abcdefab-1234-4234-8234-abcdefabcdef"


@pytest.mark.parametrize(
    ("stored", "expected", "precision"),
    [
        ("2025-03-01 10:00:00", "2025-03-01T10:00:00", "s"),
        ("2025-03-01T10:00:00", "2025-03-01T10:00:00", "s"),
        ("2025-03-01 10:00", "2025-03-01T10:00:00", "s"),
        ("2025-03-01", "2025-03-01T00:00:00", "day"),
        ("2025-03-01 10:00:00.000001", "2025-03-01T10:00:00.000001", "us"),
        ("2025-03-01 10:00:00.5", "2025-03-01T10:00:00.500000", "us"),
        ("2025-03-01 10:00:00,5", "2025-03-01T10:00:00.500000", "us"),
        ("2025-03-01 10:00:00.123456789", "2025-03-01T10:00:00.123456", "us"),
        ("2025-03-01T10:00:00Z", "2025-03-01T10:00:00", "s"),
        ("2025-03-01 10:00:00 UTC", "2025-03-01T10:00:00", "s"),
        ("2025-03-01T10:00:00.25+05:00", "2025-03-01T05:00:00.250000", "us"),
        ("2025-03-01T10:00:00-0330", "2025-03-01T13:30:00", "s"),
        ("2025-03-01T23:00:00-05", "2025-03-02T04:00:00", "s"),
        (" 2025-03-01 10:00:00 ", "2025-03-01T10:00:00", "s"),
        ("1740823200", "2025-03-01T10:00:00", "s"),
        ("1740823200.25", "2025-03-01T10:00:00.250000", "s"),
        ("1740823200250", "2025-03-01T10:00:00.250000", "ms"),
        ("1740823200000250", "2025-03-01T10:00:00.000250", "us"),
        ("-100000000", "1966-10-31T14:13:20", "s"),
        ("2024-02-29 00:00:00", "2024-02-29T00:00:00", "s"),
        ("2025/03/01 10:00:00", "2025-03-01T10:00:00", "s"),
        ("2025/3/1 9:05", "2025-03-01T09:05:00", "s"),
        ("2025-3-1T10:00:00.5Z", "2025-03-01T10:00:00.500000", "us"),
        ("2025/03/01", "2025-03-01T00:00:00", "day"),
        ("2025-03-01T10:00:00+00:00Z", "2025-03-01T10:00:00", "s"),
        ("2025-03-01T10:00:00.25+05:00Z", "2025-03-01T05:00:00.250000", "us"),
        ("Sat, 01 Mar 2025 10:00:00 GMT", "2025-03-01T10:00:00", "s"),
        ("Sat, 1 Mar 2025 10:00:00 -0500", "2025-03-01T15:00:00", "s"),
        (
            "Sat Mar 01 2025 10:00:00 GMT+0500 (Pakistan Standard Time)",
            "2025-03-01T05:00:00",
            "s",
        ),
        ("Sat Mar 01 2025 10:00:00 GMT+0000", "2025-03-01T10:00:00", "s"),
        ("01 mar 2025 10:00", "2025-03-01T10:00:00", "s"),
        ("Sat Mat 01 2025 10:00:00 GMT+0000", None, None),
        ("3/1/2025, 10:00:00 AM", None, None),
        ("01/03/2025 10:00", None, None),
        ("2025-03-01 10:00:00 AM", None, None),
        ("2025/13/01 10:00:00", None, None),
        ("2025-02-29 00:00:00", None, None),
        ("0000-00-00 00:00:00", None, None),
        ("2025-03-01 25:00:00", None, None),
        ("tomorrow", None, None),
        ("1", None, None),
        ("", None, None),
        (None, None, None),
    ],
)
@pytest.mark.parametrize("beside", [None, AT, f"{AT}.5+01:00"])
def test_times(stored, expected, precision, beside):
    """
    A time is read whatever form it has, and whatever form the others of its column have.
    """
    parsed = times.parse(pl.Series([stored, beside], dtype=pl.String), "UTC")

    assert expected == (parsed.values[0].isoformat() if parsed.values[0] else None)
    assert precision == parsed.precision[0]
    assert (expected is None and stored is not None) == parsed.unread[0]


@pytest.mark.parametrize(
    ("stored", "zone", "expected"),
    [
        (AT, "Asia/Karachi", "2025-03-01T05:00:00"),
        (f"{AT}Z", "Asia/Karachi", "2025-03-01T10:00:00"),
        (f"{AT}+01:00", "Asia/Karachi", "2025-03-01T09:00:00"),
        ("1740823200", "Asia/Karachi", "2025-03-01T10:00:00"),
        ("2025-07-01 10:00:00", "America/New_York", "2025-07-01T14:00:00"),
        ("2025-12-01 10:00:00", "America/New_York", "2025-12-01T15:00:00"),
        pytest.param("2025-11-02 01:30:00", "America/New_York", "2025-11-02T05:30:00", id="twice"),
        pytest.param("2025-03-09 02:30:00", "America/New_York", None, id="skipped"),
    ],
)
@pytest.mark.parametrize("beside", [AT, f"{AT}Z"])
def test_time_zones(stored, zone, expected, beside):
    """
    A time without a zone is of the zone named; what that clock skipped is kept as text.
    """
    parsed = times.parse(pl.Series([stored, beside]), zone)

    assert expected == (parsed.values[0].isoformat() if parsed.values[0] else None)
    assert (expected is None) == parsed.unread[0]


@pytest.mark.parametrize("zone", ["UTC", "America/New_York"])
def test_typed_times(zone):
    """
    A column of times, with a zone of its own or without, is read as text would be.
    """
    naive = pl.Series([datetime(2025, 7, 1, 10)])  # noqa: DTZ001 - without a zone
    aware = naive.dt.replace_time_zone("Asia/Karachi")

    assert 10 + 4 * (zone != "UTC") == times.parse(naive, zone).values[0].hour
    assert 5 == times.parse(aware, zone).values[0].hour


def test_every_form_in_one_table(tmp_path):
    """
    Forms may change from row to row, also after many rows; what is no time is kept.
    """
    forms = [
        "2025-03-01T10:00:00Z",
        "2025-03-01 11:00:00.5",
        1740823200,
        1740823200.5,
        None,
        "soon",
    ]
    plain = [(n, 1, "user", "a", AT) for n in range(70_000)]
    odd = [(n, 1, "user", "a", at) for n, at in enumerate(forms, 70_000)]
    said = messages(*plain, *odd, columns=f"{SIMPLE}, created_at DATETIME")
    chats = read(build(tmp_path / "app.db", said)).check()
    last = chats.messages.filter(pl.col("message_id").cast(pl.Int64) >= 70_000)

    assert ["10:00:00.000", "11:00:00.500", "10:00:00.000", "10:00:00.500", None, None] == column(
        last.select(pl.col("created_at").dt.strftime("%H:%M:%S%.3f")), "created_at"
    )
    assert {"created_at": "soon"} == extras(last)[-1]
    assert 70_004 == chats.messages.collect()["created_at"].count()


@pytest.mark.parametrize(
    ("stored", "expected"),
    [
        (UUID, UUID),
        (UUID.upper(), UUID),
        (UUID.replace("-", ""), UUID),
        (UUID.replace("-", "").upper(), UUID),
        ("x" * 32, "x" * 32),
        ("X" * 36, "X" * 36),
        ("Ab-1", "Ab-1"),
        ("007", "007"),
        (7, "7"),
        (-7, "-7"),
        (2**62, str(2**62)),
        (None, None),
    ],
)
def test_keys(stored, expected):
    """
    Integers are decimal text, uuids have dashes and lower case, everything else stays as it is.
    """
    assert [expected] == values.key(pl.Series([stored])).to_list()


@given(
    st.lists(
        st.fixed_dictionaries(
            {
                'a "b"': st.none() | st.text(st.characters(codec="utf-8")),
                "n": st.none() | st.integers(-(2**62), 2**62),
                "x": st.none() | st.floats(allow_nan=False, allow_infinity=False),
                "ok": st.none() | st.booleans(),
            }
        ),
        min_size=1,
    )
)
def test_json_objects(stored):
    """
    Whatever the values, the object holds them, less the nulls.
    """
    types = {'a "b"': pl.String, "n": pl.Int64, "x": pl.Float64, "ok": pl.Boolean}
    frame = pl.DataFrame(stored, schema=types)
    objects = frame.select(values.json_object(frame.to_dict())).to_series().to_list()

    assert [{key: value for key, value in row.items() if value is not None} for row in stored] == [
        json.loads(text or "{}") for text in objects
    ]


@pytest.mark.parametrize(
    ("one", "other", "both"),
    [
        ('{"a":1}', '{"b":2}', {"a": 1, "b": 2}),
        ('{"a":1}', None, {"a": 1}),
        (None, '{"b":2}', {"b": 2}),
        (None, None, None),
    ],
)
def test_joined_objects(one, other, both):
    """
    Two objects become one, and null stands for none.
    """
    stored = pl.DataFrame({"one": [one], "other": [other]}, schema=dict.fromkeys(
        ("one", "other"), pl.String))  # fmt: skip
    joined = stored.select(values.joined(pl.col("one"), pl.col("other"))).item()

    assert both == (None if joined is None else json.loads(joined))


@pytest.mark.parametrize("place", [5, 5000, 70_000])
def test_types_that_change(tmp_path, place):
    """
    A column may hold a value of another type anywhere; no row is lost to it, and ids still order.
    """
    said = [(n, 1, "user", "a", n, 0.5, AT) for n in range(place + 10)]
    said[place] = (place, 1, "user", 5, "many", "half", AT)
    columns = f"{SIMPLE}, tokens INTEGER, score REAL, created_at DATETIME"
    path = build(tmp_path / "app.db", messages(*said[::-1], columns=columns))
    chats = read(path).check()
    odd = chats.messages.filter(message_id=str(place))

    assert place + 10 == chats.messages.collect().height
    assert ["5"] == column(odd, "content")
    assert [place] == column(odd, "position")
    assert {"tokens": "many", "score": "half"} == extras(odd)[0]


@pytest.mark.parametrize(
    ("stored", "expected", "n_chars"),
    [
        (b"caf\xe9", "caf\\xe9", 7),
        ("پیغام 🎉", "پیغام 🎉", 7),
        ("a\0b", "a\0b", 3),
        ("", "", 0),
        (None, None, None),
        (5, "5", 1),
        (b"\x00\xff", "\0\\xff", 5),
    ],
)
@pytest.mark.parametrize("n_before", [0, 5000])
def test_texts(tmp_path, stored, expected, n_chars, n_before):
    """
    Bytes that are no UTF-8 are written as escapes; every other text stays as it is.
    """
    path = build(tmp_path / "app.db", messages(columns=SIMPLE))
    with closing(sqlite3.connect(path)) as connection:
        connection.executemany(
            "INSERT INTO messages VALUES (?, 1, 'user', 'é')", [(n,) for n in range(n_before)]
        )
        value = "CAST(? AS TEXT)" if isinstance(stored, bytes) else "?"
        connection.execute(f"INSERT INTO messages VALUES (9999, 1, 'user', {value})", (stored,))
        connection.commit()
    chats = read(path).check()

    assert [(expected, n_chars)] == rows(
        chats.messages.filter(message_id="9999"), "content", "n_chars"
    )
    assert n_before == chats.messages.filter(content="é").collect().height


@pytest.mark.parametrize(
    ("stored", "n_chars"),
    [("plain", 5), ("پیغام 🎉", 7), ("a\0b", None), ("é\0", None), ("", 0), (None, None), (25, 2)],
)
def test_sizes_without_text(tmp_path, stored, n_chars):
    """
    The size of a text that stays in the database is right, or unknown.
    """
    said = messages((1, 1, "user", stored), columns=SIMPLE)
    chats = read(build(tmp_path / "app.db", said), text=False).check()

    assert [(None, n_chars)] == rows(chats.messages, "content", "n_chars")


def test_bytes(tmp_path):
    """
    A uuid stored as bytes is a uuid; other bytes are hexadecimal.
    """
    key = bytes.fromhex(UUID.replace("-", ""))
    path = build(
        tmp_path / "app.db",
        conversations((key, "u1"), columns="id BLOB PRIMARY KEY, user_id TEXT"),
        messages(
            (b"\x01", key, "user", "a", b"\xff\x00"),
            ("x", key, "user", "b", None),
            columns="id BLOB, conversation_id BLOB, role TEXT, content TEXT, vector BLOB",
        ),
    )
    chats = read(path).check()

    assert [UUID] == column(chats.conversations, "conversation_id")
    assert [("01", UUID), ("x", UUID)] == rows(
        chats.messages, "message_id", "conversation_id", by="message_id"
    )
    assert [{"vector": "ff00"}, {}] == extras(chats.messages, by="message_id")


def test_tables_beside(tmp_path):
    """
    Views, and virtual tables with their shadows, are passed over.
    """
    path = build(
        tmp_path / "app.db", messages((1, 1, "user", "a"), columns=SIMPLE), table("x", "y")
    )
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(
            "CREATE VIEW chat_messages AS SELECT * FROM messages;"
            "CREATE VIRTUAL TABLE found USING fts5(session_id, role, content);"
            "INSERT INTO found VALUES ('1', 'user', 'a');"
        )
    chats = read(path).check()

    assert [("app.db/messages", 1)] == rows(chats.accounting, "path", "n_records")


@pytest.mark.parametrize("text", [True, False])
def test_what_outgrows_memory(tmp_path, monkeypatch, text):
    """
    Rows that do not fit into memory go through files, in the same order.
    """
    said = [(n, n % 7, "user", f"text {n}", AT) for n in range(140_000)]
    path = build(tmp_path / "app.db", messages(*said, columns=f"{SIMPLE}, created_at DATETIME"))
    whole = read(path, text=text).collect()
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1 << 20)
    spooled = read(path, text=text)

    assert "PARQUET" in spooled.messages.explain().upper()
    for name, frame in whole.frames.items():
        assert frame.collect().equals(spooled.frames[name].collect())


def test_our_own_schema_with_backfilled_calls(tmp_path):
    """
    At the head of our own migrations the messages hold the calls, and our table mirrors them.
    """
    url = f"sqlite:///{tmp_path / 'app.db'}"
    migrate.upgrade(url)
    fill(sample(conversations=30, seed=3), url)
    before = read(url).check()
    migrate.backfill.run(url)
    after = read(url).check()
    counts = dict(zip(column(after.accounting, "cause"), column(after.accounting, "n_tool_calls"),
                      strict=False))  # fmt: skip
    found = before.tool_calls.collect()

    assert found.equals(after.tool_calls.collect())
    assert found.height == counts["mirrored"]
    assert "a second copy: the messages hold the calls, and their column is the truth" in column(
        after.explain().lazy(), "reason"
    )

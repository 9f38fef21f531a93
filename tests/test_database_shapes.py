"""One small chat, stored in many layouts, reads the same from each of them."""

from __future__ import annotations

import polars as pl
import pytest
from chat_layouts import LAYOUTS, SAID, SPOKEN
from chat_tables import build, rows
from polars.testing import assert_frame_equal

from chatdata import spool
from chatdata.database import parts, read


@pytest.fixture(params=LAYOUTS)
def layout(request):
    return LAYOUTS[request.param]


def test_the_chat_is_the_same(layout, new_database):
    """
    Whatever the layout: who said what in which order, and the same calls with the same outcomes.
    """
    tables, calls = layout
    chats = read(build(new_database(), *tables)).check()

    assert SPOKEN == rows(chats.messages, "role", "content", by="position")
    assert calls == rows(
        chats.tool_calls, "name", "arguments", "result", "status", by=["message_id", "position"]
    )
    assert [0, 1, 2, 3] == sorted(chats.messages.collect()["position"])
    assert [len(text) for _, text in SPOKEN] == [
        size for (size,) in rows(chats.messages, "n_chars", by="position")
    ]


def test_every_row_is_accounted_for(layout, tmp_path):
    """
    The accounting adds up to the rows of the chat tables, and nothing is rejected.
    """
    tables, _ = layout
    chats = read(build(tmp_path / "app.db", *tables))
    expected = sum(len(one.rows) for one in tables if one.name != '"user"')

    assert expected == chats.accounting.collect()["n_records"].sum()
    assert 0 == chats.rejects.collect().height
    assert 4 == chats.audit().filter(cause="certified")["n_messages"].item()


def test_calls_are_linked_to_messages(layout, tmp_path):
    """
    Every call belongs to the first answer, and both to a conversation that is there.
    """
    tables, calls = layout
    chats = read(build(tmp_path / "app.db", *tables))
    answer = chats.messages.filter(content=SAID[1]).collect()

    assert [(answer["message_id"].item(), n) for n in range(len(calls))] == rows(
        chats.tool_calls, "message_id", "position", by="position"
    )
    assert set(answer["conversation_id"]) <= set(chats.conversations.collect()["conversation_id"])


def test_memory_is_no_limit(layout, tmp_path, monkeypatch):
    """
    What does not fit into memory goes through files, and comes out the same.
    """
    path = build(tmp_path / "app.db", *layout[0])
    expected = [frame.collect() for frame in read(path).frames.values()]
    monkeypatch.setattr(spool, "MEMORY_BYTES", 1)
    spooled = [frame.collect() for frame in read(path).frames.values()]

    for one, other in zip(expected, spooled, strict=True):
        assert_frame_equal(one, other)


def test_in_parts(layout, tmp_path, monkeypatch):
    """
    A database that is computed in parts gives the same rows, in whatever order.
    """
    path = build(tmp_path / "app.db", *layout[0])
    monkeypatch.setattr(parts, "PART_BYTES", 4096)
    whole, parted = read(path).check(), read(path, held_bytes=1).check()

    for name, frame in whole.frames.items():
        assert_frame_equal(
            *(one.collect().sort(pl.all(), nulls_last=True) for one in (frame, parted.frames[name]))
        )

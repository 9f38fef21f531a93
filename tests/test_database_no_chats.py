"""Tables that only resemble a chat: what is refused, and the mapping that reads it all the same."""

from __future__ import annotations

import pytest
from chat_tables import column, conversations, messages, rows, table

from chatdata.errors import LayoutError

KEYED = "id INTEGER PRIMARY KEY, session_id TEXT, {}"


@pytest.mark.parametrize("name", ["feedback", "notes", "comment", "summary"])
def test_what_is_said_about_a_chat_is_no_chat(scanned, name):
    """
    A rating or a note is no message of the chat, and a mapping says where it is one.
    """
    said = table("reviews", KEYED.format(f"role TEXT, {name} TEXT"), (1, "s", "user", "fine"))

    with pytest.raises(LayoutError, match=r"no chat tables found.*name yours with a mapping"):
        scanned(said)


def test_a_mapping_reads_notes(scanned):
    """
    Where notes are what was said, their column is named.
    """
    said = table("reviews", KEYED.format("role TEXT, notes TEXT"), (1, "s", "user", "fine"))
    chats = scanned(said, mapping={"messages": "reviews", "content": "notes"})

    assert [("user", "fine")] == rows(chats.messages, "role", "content")


@pytest.mark.parametrize(
    "pair", ["request response", "text response", "message response", "input output"]
)
@pytest.mark.parametrize("other", ["method", "path", "status_code", "url", "userAgent"])
def test_a_log_of_requests_is_no_exchange(scanned, pair, other):
    """
    What a server responded is nobody's answer, though the log has a session's key.
    """
    asked, said = pair.split()
    log = table(
        "api_log", KEYED.format(f"{asked} TEXT, {said} TEXT, {other} TEXT"), (1, "s", "a", "b", "c")
    )

    with pytest.raises(LayoutError, match="no chat tables found"):
        scanned(log)


@pytest.mark.parametrize(
    ("columns", "mapping"),
    [
        pytest.param("text response", None, id="no other column"),
        pytest.param("prompt response path", None, id="a prompt"),
        pytest.param("request response url model", None, id="a model's log"),
        pytest.param("text response path", {"question": "text", "answer": "response"}, id="mapped"),
    ],
)
def test_exchanges_are_read(scanned, columns, mapping):
    """
    A question and its answer are two messages, also where the log has more of the request.
    """
    declared = ", ".join(f"{name} TEXT" for name in columns.split())
    row = (1, "s", "a", "b", *("c" for _ in columns.split()[2:]))
    chats = scanned(table("log", KEYED.format(declared), row), mapping=mapping)

    assert [("user", "a"), ("assistant", "b")] == rows(
        chats.messages, "role", "content", by="position"
    )


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("source", "api client"),
        ("origin", "machine user"),
        ("actor", "user system"),
        ("created_by", "user customer"),
        ("kind", "info error warning"),
    ],
)
def test_a_log_of_events_is_no_chat(scanned, name, words):
    """
    A column that any log has says who speaks only with a person's and a model's words.
    """
    events = [(n, "s", word, "logged in") for n, word in enumerate(words.split())]
    columns = KEYED.format(f"{name} TEXT, message TEXT")
    log = table("audit", columns, *events)

    with pytest.raises(LayoutError, match="no chat tables found"):
        scanned(log)


@pytest.mark.parametrize(
    ("name", "words"),
    [("source", "user bot"), ("actor", "client agent"), ("kind", "human ai"), ("sent_by", "user")],
)
def test_such_a_column_of_a_chat_says_who_speaks(scanned, name, words):
    """
    With such words, and under names that only tell of speakers, it is a chat.
    """
    said = [(n, "s", word, "hi") for n, word in enumerate(words.split())]
    chats = scanned(table("entries", KEYED.format(f"{name} TEXT, message TEXT"), *said))

    assert words.split() == column(chats.messages, "role_raw")


def test_a_log_of_events_beside_a_chat_is_not_named(scanned):
    """
    What is no chat needs no line.
    """
    events = table("audit", KEYED.format("actor TEXT, message TEXT"), (1, "s", "user", "logged in"))
    chats = scanned(
        conversations((1, "u", None)), messages((1, "u", 1, "user", "a", None, None)), events
    )

    assert [] == [one for one in chats.findings if one.became == "not read"]

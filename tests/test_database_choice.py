"""Which of several tables holds the messages, and which of several columns says who speaks."""

from __future__ import annotations

import json

import pytest
from chat_tables import build, column, conversations, rows, table

import chatdata as cd
from chatdata.database import read
from chatdata.errors import LayoutError

T = "2025-03-01 10:00:0{}"
TALKS = conversations((1, "u", T.format(0)))
HEAD = "id INTEGER PRIMARY KEY, conversation_id INTEGER"
KEYED = f"{HEAD} REFERENCES conversations(id)"
END = "created_at TIMESTAMP"
CHAT = table(
    "dialog",
    f"{HEAD}, role TEXT, content TEXT, {END}",
    (1, 1, "user", "a", T.format(1)),
    (2, 1, "assistant", "b", T.format(2)),
)
BOTH = ["user", "assistant"]


def roles(chats):
    return column(chats.messages.sort("position"), "role")


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        pytest.param("type TEXT, is_user BOOLEAN", (("text", 1), ("image", 0)), id="a kind"),
        pytest.param("type TEXT, direction TEXT", (("text", "in"), ("text", "out")), id="none"),
        pytest.param(
            "type TEXT, direction TEXT", (("text", "inbound"), ("text", "outbound")), id="channel"
        ),
        pytest.param("author TEXT, is_bot BOOLEAN", (("Ann", 0), ("Helper", 1)), id="names"),
        pytest.param("sender TEXT, is_user BOOLEAN", (("Ann", 1), ("Bot", 0)), id="some names"),
        pytest.param("sender TEXT, author TEXT", ((None, "human"), (None, "ai")), id="nulls"),
        pytest.param("role TEXT, is_user BOOLEAN", (("user", 0), ("bot", 0)), id="the first"),
    ],
)
def test_a_role_is_a_column_that_holds_roles(scanned, columns, said):
    """
    A column that is named like a role and holds none gives way to one that does.
    """
    made = [(i, 1, *words, "x", T.format(i)) for i, words in enumerate(said)]
    chats = scanned(TALKS, table("messages", f"{HEAD}, {columns}, content TEXT, {END}", *made))

    expected = ["system", "system"] if "in" in said[0] else BOTH
    assert expected == roles(chats)


def test_a_role_in_a_file_is_one_that_holds_roles(tmp_path):
    """
    The same goes for the rows of a file that a mapping names.
    """
    path = tmp_path / "log.jsonl"
    said = [
        {"chat": "c", "type": "text", "is_user": is_user, "words": "x"} for is_user in (True, False)
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in said), encoding="utf-8")
    chats = cd.scan(path, mapping={"conversation_id": "chat", "content": "words"}).check()

    assert BOTH == roles(chats)


@pytest.mark.parametrize(
    "beside",
    [
        pytest.param(
            table(
                "notifications",
                f"{KEYED}, type TEXT, message TEXT, {END}",
                (1, 1, "info", "x", T.format(1)),
                (2, 1, "promo", "x", T.format(2)),
            ),
            id="a log with a type",
        ),
        pytest.param(
            table(
                "messages",
                f"{KEYED}, sender TEXT, body TEXT, {END}",
                (1, 1, "ann@example.org", "x", T.format(1)),
            ),
            id="mail",
        ),
        pytest.param(table("messages", f"{KEYED}, role TEXT, content TEXT, {END}"), id="empty"),
        pytest.param(
            table("messages", f"{KEYED}, content TEXT, {END}", (1, 1, "x", T.format(1))),
            id="nobody speaks",
        ),
    ],
)
@pytest.mark.parametrize(
    "chat",
    [
        pytest.param(CHAT, id="messages"),
        pytest.param(
            table(
                "exchanges",
                f"{HEAD}, question TEXT, answer TEXT, {END}",
                (1, 1, "a", "b", T.format(1)),
            ),
            id="exchanges",
        ),
    ],
)
def test_what_says_who_speaks_goes_before_what_does_not(scanned, chat, beside):
    """
    Neither a better name nor a type of something else is taken for a chat that has both speakers.
    """
    chats = scanned(TALKS, chat, beside)

    assert [("user", "a", 0), ("assistant", "b", 1)] == rows(
        chats.messages, "role", "content", "position", by="position"
    )


def test_messages_that_refer_to_conversations_go_first(scanned):
    """
    Of two tables that say who speaks, the one whose key refers to another table is taken.
    """
    linked = table("dialog", CHAT.columns.replace(HEAD, KEYED), *CHAT.rows)
    support = table("support_messages", CHAT.columns, (1, 1, "user", "no", T.format(1)))

    assert BOTH == roles(scanned(TALKS, linked, support))


def test_a_text_without_a_speaker_is_no_message(tmp_path):
    """
    A table beside the chat whose name tells of nothing said is no table of a user's messages.
    """
    notes = table("feedback", f"{KEYED}, message TEXT", (1, 1, "Great"))
    with pytest.raises(LayoutError, match="no chat tables found"):
        read(build(tmp_path / "app.db", TALKS, notes))


def test_postgres_is_looked_into_alike(postgres):
    """
    A type that is no role gives way on Postgres too, booleans and enumerations read as text.
    """
    said = table(
        "messages",
        f"{HEAD}, type TEXT, is_user BOOLEAN, content TEXT, {END}",
        (1, 1, "text", True, "x", T.format(1)),
        (2, 1, "text", False, "x", T.format(2)),
    )
    empty = table("chat_messages", f"{KEYED}, role TEXT, content TEXT, {END}")

    assert BOTH == roles(read(build(postgres(), TALKS, empty, said)).check())

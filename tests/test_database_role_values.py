"""Roles that are stored as numbers: an analyst says what each of them stands for."""

from __future__ import annotations

import json

import pytest
from chat_tables import build, conversations, messages, rows

from chatdata.database import read
from chatdata.errors import LayoutError

TALK = conversations((1, "u", None))
KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, {} SMALLINT, content TEXT"
SAID = messages(
    (1, 1, 2, "Be short"), (2, 1, 0, "Hi"), (3, 1, 1, "Canary"), columns=KEYED.format("role")
)
NAMED = {"role.0": "user", "role.1": "assistant", "role.2": "system"}


@pytest.mark.parametrize(
    ("column", "mapping"),
    [
        ("role", NAMED),
        ("role", {f"messages.{key}": word for key, word in NAMED.items()}),
        ("author_kind", {"role": "author_kind", **NAMED}),
        ("role", {**NAMED, "role.0": "human", "role.1": "Bot"}),
    ],
)
def test_numbers_that_are_named(new_database, column, mapping):
    """
    Each value has the role that was said, and keeps what was stored, on both databases.
    """
    said = messages(*SAID.rows, columns=KEYED.format(column))
    chats = read(build(new_database(), TALK, said), mapping=mapping).check()

    assert [("system", "2", "injected"), ("user", "0", "chat"), ("assistant", "1", "chat")] == rows(
        chats.messages, "role", "role_raw", "kind", by="position"
    )
    assert [] == [one for one in chats.findings if one.became == "not read"]


def test_numbers_that_nobody_named_are_said(scanned):
    """
    Which values there are, and the option that names them, stand in a line of `scan`.
    """
    chats = scanned(TALK, SAID)
    (reason,) = [one.reason for one in chats.findings if one.became == "not read"]

    assert ["event"] * 3 == [kind for (kind,) in rows(chats.messages, "kind")]
    assert "values are 0, 1, 2" in reason
    assert "--map role.0=user --map role.1=assistant" in reason


def test_words_are_never_shown(scanned):
    """
    A word that is no role may be somebody's name.
    """
    said = messages((1, 1, "Canary", "a"), (2, 1, "7", "b"), columns=KEYED.format("role"))
    chats = scanned(TALK, said)

    assert "Canary" not in json.dumps([one.reason for one in chats.findings])


def test_a_number_that_was_left_out_is_an_event(scanned):
    """
    Of values that are named in part the others are as unknown as before.
    """
    chats = scanned(TALK, SAID, mapping={"role.0": "user", "role.1": "assistant"})

    assert ["event", "chat", "chat"] == [
        kind for (kind,) in rows(chats.messages, "kind", by="position")
    ]


@pytest.mark.parametrize(
    ("mapping", "said"),
    [
        ({"role.0": "boss"}, "expected user, assistant, system or tool"),
        ({"role.0": "user", "messages": "conversations", "content": "user_id",
          "conversation_id": "id"}, "name its column with role="),
    ],
)  # fmt: skip
def test_a_wrong_word_or_no_role_is_refused(scanned, mapping, said):
    """
    What names no role, and values of a column that is not there, are refused in one line.
    """
    with pytest.raises(LayoutError, match=said):
        scanned(TALK, SAID, mapping=mapping)


@pytest.mark.parametrize("toml", [True, False])
def test_in_the_terminal(tmp_path, program, toml):
    """
    As flags or in a file the values are named alike, for a database and for a table in a file.
    """
    path, log = tmp_path / "app.db", tmp_path / "log.jsonl"
    build(f"sqlite:///{path}", TALK, SAID)
    names = ("id", "conversation_id", "role", "content")
    log.write_text(
        "".join(json.dumps(dict(zip(names, row, strict=True))) + "\n" for row in SAID.rows)
    )
    (tmp_path / "map.toml").write_text('[role]\n0 = "user"\n1 = "assistant"\n2 = "system"\n')
    flags = [part for key, word in NAMED.items() for part in ("--map", f"{key}={word}")]
    asked = ["--map", tmp_path / "map.toml"] if toml else flags
    found = [json.loads(program("scan", one, *asked, "--json")[1]) for one in (path, log)]

    assert [{"assistant": 1, "system": 1, "user": 1}] * 2 == [
        one["messages_by_role"] for one in found
    ]

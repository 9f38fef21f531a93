"""The rules by which stored values become values of the frames, one by one."""

from __future__ import annotations

import json

import pytest
from chat_tables import column, conversations, extras, messages, rows, table

T = "2025-03-01 10:00:0{}.000000"
AT = T.format(1)
CALL = json.dumps([{"tool": "add_task", "parameters": {"title": "milk"}}])
SIMPLE = "id INTEGER PRIMARY KEY, conversation_id INTEGER, role TEXT, content TEXT"
LOG = "id INTEGER PRIMARY KEY, tool_name TEXT, arguments TEXT"


@pytest.mark.parametrize(
    ("stored", "role", "kind"),
    [
        ("user", "user", "chat"),
        ("USER", "user", "chat"),
        (" Human ", "user", "chat"),
        ("Role.USER", "user", "chat"),
        ("assistant", "assistant", "chat"),
        ("bot", "assistant", "chat"),
        ("ai", "assistant", "chat"),
        ("AI_AGENT", "assistant", "chat"),
        ("agent", "assistant", "chat"),
        ("model", "assistant", "chat"),
        ("chatbot", "assistant", "chat"),
        ("system", "system", "injected"),
        ("developer", "system", "injected"),
        ("tool", "tool", "tool_result"),
        ("function", "tool", "tool_result"),
        ("tool_result", "tool", "tool_result"),
        ("FUNCTION_RESPONSE", "tool", "tool_result"),
        ("moderator", "system", "event"),
        (None, "system", "event"),
    ],
)
def test_role(scanned, stored, role, kind):
    """
    A role is one of four words, whatever the application calls it; its own word is kept.
    """
    chats = scanned(messages((1, 1, stored, "hello"), columns=SIMPLE))

    assert [(role, stored, kind)] == rows(chats.messages, "role", "role_raw", "kind")


def test_a_second_speaker_column_is_kept(scanned):
    """
    Of several columns that could be the role, the first of the list is; the other is not lost.
    """
    columns = SIMPLE.replace("role TEXT", "type TEXT, sender_type TEXT")
    chats = scanned(messages((1, 1, "markdown", "bot", "hello"), columns=columns))

    assert [("assistant", "bot")] == rows(chats.messages, "role", "role_raw")
    assert [{"type": "markdown"}] == extras(chats.messages)


@pytest.mark.parametrize(
    ("own", "owner", "kept"),
    [
        pytest.param("u1", "u1", {}, id="the same"),
        pytest.param("u2", "u1", {"user_id": "u2"}, id="another"),
        pytest.param(None, "u1", {}, id="none of its own"),
        pytest.param("u2", None, {"user_id": "u2"}, id="the conversation has none"),
    ],
)
def test_user(scanned, own, owner, kept):
    """
    The conversation's user is its own; a message's is kept where it differs.
    """
    chats = scanned(conversations((1, owner, AT)), messages((1, own, 1, "user", "a", None, AT)))

    assert [owner] == column(chats.conversations, "user_id")
    assert [kept] == extras(chats.messages)


def test_users_without_a_column_in_the_conversations(scanned):
    """
    Without a user of its own a conversation has that of its messages, and the others are kept.
    """
    said = [(n, user, 1, "user", "a", None, T.format(n)) for n, user in ((1, "u1"), (2, "u2"))]
    own = scanned(
        conversations((1, AT), columns="id INTEGER, created_at TIMESTAMP"), messages(*said)
    )

    assert ["u1"] == column(own.conversations, "user_id")
    assert [{}, {"user_id": "u2"}] == extras(own.messages, by="position")


def test_users_without_a_table_of_conversations(scanned):
    """
    Without a table of conversations the messages name the user, the span and the only model.
    """
    columns = f"{SIMPLE}, user_id TEXT, model TEXT, created_at TIMESTAMP"
    said = [(n, 7, "user", "a", user, "m", T.format(n)) for n, user in ((2, "u2"), (1, None))]
    chats = scanned(messages(*said, columns=columns))

    assert [("7", "7", "u2", "m", "10:00:01", "10:00:02")] == [
        (*row[:4], *(f"{at:%H:%M:%S}" for at in row[4:]))
        for row in rows(
            chats.conversations,
            *("conversation_id", "native_id", "user_id", "model", "created_at", "updated_at"),
        )
    ]


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        pytest.param([(2, "user", T.format(1)), (1, "user", T.format(2))], [2, 1], id="by time"),
        pytest.param(
            [(1, "assistant", f"{T.format(1)[:-6]}000900"), (2, "user", T.format(1))],
            [2, 1],
            id="a question stored just before its answer",
        ),
        pytest.param(
            [(1, "assistant", T.format(1)), (2, "user", f"{T.format(1)[:-6]}000900")],
            [2, 1],
            id="a question stored just after its answer",
        ),
        pytest.param(
            [(1, "assistant", T.format(1)), (2, "user", f"{T.format(1)[:-6]}002000")],
            [1, 2],
            id="two milliseconds are no tie",
        ),
        pytest.param(
            [(4, "assistant", AT), (3, "user", AT), (2, "assistant", AT), (1, "user", AT)],
            [1, 2, 3, 4],
            id="of many at one moment the ids know best",
        ),
        pytest.param([(1, "user", None), (2, "user", AT)], [2, 1], id="without a time at the end"),
        pytest.param([(2, "user", None), (1, "user", None)], [1, 2], id="no times at all"),
    ],
)
def test_order(scanned, said, expected):
    """
    Messages stand in the order they were said in, each the child of the one before.
    """
    chats = scanned(
        messages(
            *((n, 1, role, "a", at) for n, role, at in said),
            columns=f"{SIMPLE}, created_at TIMESTAMP",
        )
    )
    texts = [str(n) for n in expected]

    assert list(zip(texts, [None, *texts[:-1]], strict=True)) == rows(
        chats.messages, "message_id", "parent_message_id", by="position"
    )


def test_random_ids_do_not_order(scanned):
    """
    Of several messages within milliseconds the clock decides, where ids say nothing.
    """
    said = [(key, 1, role, "a", f"{T.format(1)[:-6]}000{n}00") for key, role, n in
            (("z", "assistant", 1), ("y", "user", 6), ("x", "assistant", 9))]  # fmt: skip
    columns = f"{SIMPLE.replace('INTEGER', 'TEXT', 1)}, created_at TIMESTAMP"
    chats = scanned(messages(*said[::-1], columns=columns))

    assert [("z",), ("y",), ("x",)] == rows(chats.messages, "message_id", by="position")


def test_sequence(scanned):
    """
    A sequence column goes before times and ids, and is no number among the leftovers.
    """
    said = [(1, 1, "user", "a", 20, T.format(1)), (2, 1, "user", "b", 3, T.format(2))]
    chats = scanned(messages(*said, columns=f"{SIMPLE}, seq INTEGER, created_at TIMESTAMP"))

    assert ["b", "a"] == [text for (text,) in rows(chats.messages, "content", by="position")]
    assert [{}, {}] == extras(chats.messages)


def test_positions_of_keys_that_look_alike(scanned):
    """
    Conversations whose keys are the same number are not the same conversation.
    """
    columns = SIMPLE.replace("conversation_id INTEGER", "conversation_id TEXT")
    chats = scanned(messages(*((n, key, "user", "a") for n, key in enumerate(("1", "01", "+1"))),
                          columns=columns))  # fmt: skip

    assert [("+1", 0), ("01", 0), ("1", 0)] == rows(
        chats.messages, "conversation_id", "position", by="conversation_id"
    )


def test_soft_delete(scanned):
    """
    Deleted rows stay, with the time of deletion among the leftovers.
    """
    chats = scanned(
        conversations((1, "u1", AT, AT, 1), columns="id INTEGER PRIMARY KEY, user_id TEXT,"
                      " created_at DATETIME, deleted_at DATETIME, is_active BOOLEAN"),
        messages((1, 1, "user", "a", AT), columns=f"{SIMPLE}, deleted_at DATETIME"),
    )  # fmt: skip

    assert [{"deleted_at": AT, "is_active": True}] == extras(chats.conversations)
    assert [{"deleted_at": AT}] == extras(chats.messages)


def test_every_other_column_is_kept(scanned):
    """
    What no column of a frame took is in `extra`, under its own name and with its own type.
    """
    columns = f'{SIMPLE}, tokens INTEGER, score REAL, ok BOOLEAN, "a ""b""" TEXT, empty TEXT'
    said = [(1, 1, "user", "a", 5, 0.5, 1, 'x "y"\n', None), (2, 1, "user", "b", *[None] * 4, "")]
    chats = scanned(messages(*said, columns=columns))

    assert [{"tokens": 5, "score": 0.5, "ok": True, 'a "b"': 'x "y"\n'}, {"empty": ""}] == extras(
        chats.messages, by="position"
    )


def test_null_texts_in_json_columns_are_null(scanned):
    """
    The text `null` in a JSON column is how some libraries write null.
    """
    chats = scanned(
        conversations((1, "null", '{"a": 1}'), columns="id INTEGER, labels JSON, context JSON"),
        messages((1, 1, "user", "null"), columns=SIMPLE),
    )

    assert [{"context": '{"a": 1}'}] == extras(chats.conversations)
    assert ["null"] == column(chats.messages, "content")


def test_orphans(scanned):
    """
    Messages without their conversation, and conversations without messages, stay.
    """
    chats = scanned(
        conversations((1, "u1", AT), (2, "u2", AT)),
        messages((1, "u1", 1, "user", "a", None, AT), (2, "u9", 8, "user", "b", None, AT),
                 (3, None, None, "user", "c", None, AT)),
    )  # fmt: skip

    assert ["1", "2"] == column(chats.conversations, "conversation_id")
    assert [("1", 0), ("8", 0), ("messages#none", 0)] == rows(
        chats.messages, "conversation_id", "position", by="message_id"
    )
    assert [{}, {"orphan": True, "user_id": "u9"}, {"orphan": True}] == extras(
        chats.messages, by="message_id"
    )


def test_ids_that_are_not_unique(scanned):
    """
    Rows of tables without keys stay apart, whatever they repeat or leave out.
    """
    said = messages(("a", 1, "user", "x"), ("a", 1, "user", "y"), (None, 1, "user", "z"),
                    columns=SIMPLE.replace("id INTEGER PRIMARY KEY", "id TEXT", 1))  # fmt: skip
    listed = conversations(("1", "u1"), ("1", "u2"), (None, "u3"), columns="id TEXT, user_id TEXT")
    log = table("log", "id INTEGER, tool_name TEXT, args TEXT", *((4, "t", '{"a":1}'),) * 2)
    chats = scanned(listed, said, log)

    assert 3 == chats.messages.collect().height
    assert ["u1", "u2", "u3"] == sorted(column(chats.conversations, "user_id"))
    assert 2 == chats.tool_calls.collect().height
    assert ["1", "1", None] == column(chats.conversations, "native_id")
    assert 8 == chats.accounting.collect()["n_records"].sum()


def test_tokens_and_models(scanned):
    """
    Tokens, models and finish reasons come from the columns of those names.
    """
    columns = f"{SIMPLE}, model TEXT, finish_reason TEXT, input_tokens INTEGER, output_tokens TEXT"
    chats = scanned(messages((1, 1, "user", "a", "m", "stop", 5, "7"), columns=columns))

    assert [("m", "stop", 5, 7, None)] == rows(
        chats.messages, "model", "finish_reason", "input_tokens", "output_tokens",
        "reasoning_tokens",
    )  # fmt: skip
    assert 7 == chats.accounting.collect()["output_tokens"].sum()


@pytest.mark.parametrize(
    "tables",
    [
        (messages(columns=SIMPLE),),
        (conversations(), messages()),
        (conversations(), messages(), table("tool_calls", f"{LOG}, message_id INTEGER")),
        (conversations((1, "u", AT)), messages()),
        (messages((1, None, None, None, None, None, None)),),
    ],
)
def test_hardly_any_rows(scanned, tables):
    """
    Empty tables give empty frames, and rows of nulls give rows.
    """
    chats = scanned(*tables)

    assert sum(len(one.rows) for one in tables) == chats.accounting.collect()["n_records"].sum()
    assert 0 == chats.tool_calls.collect().height

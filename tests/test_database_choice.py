"""Which of several tables holds the messages, and which of several columns says who speaks."""

from __future__ import annotations

import json

import polars as pl
import pytest
from chat_tables import build, column, conversations, execute, rows, table

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
        pytest.param("is_user TEXT", (("Y",), ("N",)), id="letters"),
        pytest.param("from_bot TEXT", (("no",), ("yes",)), id="yes and no"),
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


@pytest.mark.parametrize("beside", ["message_versions", "llm_logs", "support_messages"])
def test_plain_messages_go_before_others_that_refer_to_conversations(scanned, beside):
    """
    A table called messages holds them, even where only what lies beside it has a foreign key.
    """
    columns = f"role TEXT, content TEXT, {END}"
    said = [(1, 1, "user", "a", T.format(1)), (2, 1, "assistant", "b", T.format(2))]
    other = table(beside, f"{KEYED}, {columns}", *said, (3, 1, "assistant", "c", T.format(3)))

    chats = scanned(TALKS, table("messages", f"{HEAD}, {columns}", *said), other)

    assert ["a", "b"] == column(chats.messages.sort("position"), "content")


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


@pytest.mark.parametrize(
    ("columns", "said"),
    [
        pytest.param("is_bot_message BOOLEAN", (0, 1), id="is_bot_message"),
        pytest.param("is_user_message BOOLEAN", (1, 0), id="is_user_message"),
        pytest.param("ai_generated BOOLEAN", (0, 1), id="ai_generated"),
        pytest.param("user_type TEXT", ("human", "bot"), id="user_type"),
        pytest.param('"from" TEXT', ("User", "Assistant"), id="from"),
        pytest.param("sent_by TEXT", ("customer", "agent"), id="sent_by"),
    ],
)
def test_other_columns_say_who_speaks_by_what_they_hold(scanned, columns, said):
    """
    Flags of any usual wording count, and so do columns of other names whose values are roles.
    """
    made = [(i, 1, word, "x", T.format(i)) for i, word in enumerate(said)]
    chats = scanned(TALKS, table("messages", f"{HEAD}, {columns}, content TEXT, {END}", *made))

    assert BOTH == roles(chats)
    assert [] == not_read(chats)


def not_read(chats):
    return [one.subject for one in chats.findings if one.became == "not read"]


@pytest.mark.parametrize(
    ("name", "columns", "said"),
    [
        pytest.param("messages", "content TEXT", ("x",), id="no column"),
        pytest.param("messages", "sent_by TEXT, content TEXT", ("ann", "x"), id="names"),
    ],
)
def test_a_guess_of_who_speaks_is_told(scanned, name, columns, said):
    """
    Where nothing says who speaks, the summary says that it is a guess.
    """
    chats = scanned(TALKS, table(name, f"{HEAD}, {columns}", (1, 1, *said)))

    assert ["user"] == roles(chats)
    assert ["messages"] == not_read(chats)


def test_answers_that_refer_to_their_question_are_named(scanned):
    """
    A table of answers without a conversation key is not read, and it is said so.
    """
    asked = table("questions", f"{HEAD}, text TEXT", (1, 1, "a"))
    columns = "id INTEGER PRIMARY KEY, question_id INTEGER REFERENCES questions(id), text TEXT"

    assert ["answers"] == not_read(scanned(TALKS, asked, table("answers", columns, (1, 1, "b"))))


@pytest.mark.parametrize(
    ("question", "answer"),
    [
        ("request", "response"),
        ("text", "response"),
        ("message", "bot_answer"),
        ("human_input", "llm_output"),
        ("user_question", "agent_reply"),
    ],
)
def test_words_for_a_question_and_its_answer(scanned, question, answer):
    """
    Both halves are found by any of the usual words, a kind of message beside them or not.
    """
    columns = f"{HEAD}, {question} TEXT, {answer} TEXT, message_type TEXT"
    chats = scanned(TALKS, table("log", columns, (1, 1, "a", "b", "text")))

    assert [("user", "a", 0), ("assistant", "b", 1)] == rows(
        chats.messages, "role", "content", "position", by="position"
    )


def test_a_mapping_of_halves_is_followed_or_refused(tmp_path, scanned):
    """
    Where the mapping names both halves they are taken, and where it names one it is no use, told.
    """
    log = table(
        "log",
        f"{HEAD}, role TEXT, content TEXT, ask TEXT, said TEXT",
        (1, 1, "user", "c", "a", "b"),
    )
    both = {"question": "ask", "answer": "said"}

    assert BOTH == roles(scanned(TALKS, log, mapping=both))
    with pytest.raises(LayoutError, match="column 'ask' for question"):
        read(tmp_path / "app.db", mapping={"question": "ask"})


def test_a_mapped_conversation_key_finds_its_table(scanned):
    """
    The name of the key is enough where nothing else is unusual.
    """
    columns = CHAT.columns.replace("conversation_id", "room_id")
    chats = scanned(table("dialog", columns, *CHAT.rows), mapping={"conversation_id": "room_id"})

    assert BOTH == roles(chats)


def test_a_key_that_refers_to_conversations_is_theirs(scanned):
    """
    A thread beside it that is null or of somebody else does not part the messages from them.
    """
    columns = f"{HEAD}, chat_id INTEGER REFERENCES chats(id), role TEXT, content TEXT"
    said = ((1, None, 7, "user", "a"), (2, None, 7, "assistant", "b"))
    chats = scanned(
        table("chats", "id INTEGER PRIMARY KEY", (7,)), table("messages", columns, *said)
    )

    assert ["7", "7"] == column(chats.messages, "conversation_id")


@pytest.mark.parametrize(
    ("messages", "key", "expected"),
    [
        pytest.param("messages", "thread_id", "threads", id="by the key"),
        pytest.param("ai_messages", "conversation_id", "ai_conversations", id="by both"),
        pytest.param("log", "session_id", "conversations", id="by no name"),
    ],
)
def test_conversations_are_named_as_their_key(scanned, messages, key, expected):
    """
    Without a foreign key the table is the one that the key names, if there is one.
    """
    named = (expected, "conversations")
    owned = [table(name, "id INTEGER, user_id TEXT", (1, name)) for name in dict.fromkeys(named)]
    columns = f"id INTEGER PRIMARY KEY, {key} INTEGER, role TEXT, content TEXT"
    chats = scanned(*owned, table(messages, columns, (1, 1, "user", "a")))

    assert [expected] == column(chats.conversations, "user_id")


def test_conversations_as_lists_are_told_what_to_do(tmp_path):
    """
    Where each conversation is one JSON list in its row, the error says so and how to read it.
    """
    said = json.dumps([{"role": "user", "content": "Canary"}])
    chats = table("chats", "id INTEGER PRIMARY KEY, user_id TEXT, messages JSON", (1, "u", said))
    rated = table(
        "feedback", "id INTEGER PRIMARY KEY, chat_id INTEGER, message TEXT", (1, 1, "Good")
    )
    with pytest.raises(LayoutError, match="one JSON list in 'messages'"):
        read(build(tmp_path / "app.db", chats, rated))


def test_whole_messages_with_a_type_are_refused(tmp_path):
    """
    Messages as JSON with a type and a content are nobody's words, as those with a role.
    """
    said = [(i, "s", json.dumps({"type": who, "content": "x"})) for i, who in enumerate(BOTH)]
    columns = "id INTEGER PRIMARY KEY, session_id TEXT, message TEXT"
    with pytest.raises(LayoutError, match="whole messages as JSON in 'message'"):
        read(build(tmp_path / "app.db", table("bot_chat_histories", columns, *said)))


def test_a_role_of_numbers_is_told(scanned):
    """
    Where the values of a role are none, its rows are events, and the summary says so.
    """
    columns = f"{HEAD}, role INTEGER, content TEXT"
    chats = scanned(TALKS, table("messages", columns, (1, 1, 0, "a"), (2, 1, 1, "b")))

    assert ["event", "event"] == column(chats.messages, "kind")
    assert ["messages.role"] == not_read(chats)


def test_other_schemas_are_named(postgres):
    """
    A chat in another schema of Postgres than the role's own is not found, and the error names it.
    """
    url = postgres()
    execute(url, "CREATE SCHEMA talk", f"CREATE TABLE talk.messages ({CHAT.columns})")

    with pytest.raises(LayoutError, match="tables are in schema talk too"):
        read(url)


def test_a_program_s_own_log(scanned, tmp_path):
    """
    What a program logs of its threads is nobody's message, in the same file as a chat or alone.
    """
    columns = "id INTEGER PRIMARY KEY, thread_id TEXT, level TEXT, target TEXT, message TEXT"
    log = table("logs", columns, *((n, "1", "INFO", "net", "x") for n in range(9)))

    assert ["a", "b"] == [text for (text,) in rows(scanned(TALKS, CHAT, log).messages, "content")]
    with pytest.raises(LayoutError):
        read(build(tmp_path / "log.db", log))


@pytest.mark.parametrize("name", ["bot_responses", "Bot_Responses"])
def test_a_key_names_its_table_in_any_letters(scanned, name):
    """
    A call belongs to the answer that its key refers to, however the key writes the table.
    """
    asked = table("questions", f"{HEAD}, text TEXT, {END}", (1, 1, "a", T.format(1)))
    said = table("bot_responses", f"{HEAD}, text TEXT, {END}", (1, 1, "b", T.format(2)))
    calls = table(
        "tool_calls",
        f"id INTEGER PRIMARY KEY, message_id INTEGER REFERENCES {name}(id), tool_name TEXT,"
        " arguments TEXT",
        (1, 1, "add", "{}"),
    )
    chats = scanned(TALKS, asked, said, calls)
    answer = chats.messages.filter(pl.col("role") == "assistant")

    assert column(answer, "message_id") == column(chats.tool_calls, "message_id")

"""Views are no tables of the chat, unless a mapping names them."""

from __future__ import annotations

import sqlite3
from contextlib import closing

import pytest
from chat_tables import build, column, conversations, execute, messages, rows, table

import chatdata as cd
from chatdata.database import read
from chatdata.errors import LayoutError

T = "2025-03-01 10:00:0{}"
TALK = (
    conversations((1, "u", T.format(0)), (2, "v", T.format(0))),
    table(
        "entries",
        "entry INTEGER PRIMARY KEY, talk INTEGER, who TEXT, said TEXT, at TIMESTAMP, gone INTEGER",
        (1, 1, "user", "a", T.format(1), 0),
        (2, 1, "bot", "b", T.format(2), 0),
        (3, 2, "user", "c", T.format(3), 1),
    ),
    table(
        "log",
        "id INTEGER PRIMARY KEY, entry INTEGER, tool TEXT, args TEXT",
        (1, 2, "search", '{"q":1}'),
    ),
)
SAID = (
    "CREATE VIEW said AS SELECT entry AS id, talk AS conversation_id, who AS role,"
    " said AS content, at AS created_at FROM entries WHERE gone = 0"
)
CALLED = "CREATE VIEW called AS SELECT id, entry AS message_id, tool AS tool_name, args FROM log"
KNOWN = "CREATE VIEW talks AS SELECT id, user_id, created_at FROM conversations WHERE id = 1"


@pytest.fixture
def url(new_database):
    made = build(new_database(), *TALK)
    if made.startswith("postgresql"):
        execute(made, SAID, CALLED, KNOWN)
    else:
        with closing(sqlite3.connect(made.removeprefix("sqlite:///"))) as connection, connection:
            for statement in (SAID, CALLED, KNOWN):
                connection.execute(statement)
    return made


@pytest.mark.parametrize("asked", [{}, {"since": T.format(0)}, {"user_id": "u"}])
def test_a_mapping_names_views(url, asked):
    """
    Messages, conversations and calls may each be a view, with all that may be asked.
    """
    mapping = {"messages": "said", "conversations": "talks", "tool_calls": "called"}
    chats = read(url, mapping=mapping, **asked).check()

    assert [("1", "user", "a"), ("2", "assistant", "b")] == rows(
        chats.messages, "message_id", "role", "content", by="position"
    )
    assert ["u"] == column(chats.conversations, "user_id")
    assert [("2", "search", '{"q":1}')] == rows(chats.tool_calls, "message_id", "name", "arguments")


def test_a_view_that_nobody_named_is_not_looked_at(url):
    """
    Views repeat what tables hold, so none is taken by inference.
    """
    with pytest.raises(LayoutError, match="no chat tables found"):
        read(url)


def test_a_materialised_view(postgres):
    """
    On Postgres a view may hold its rows.
    """
    made = build(postgres(), *TALK)
    execute(made, SAID.replace("VIEW", "MATERIALIZED VIEW"))

    assert ["a", "b"] == sorted(
        column(read(made, mapping={"messages": "said"}).messages, "content")
    )


def test_views_of_a_file(tmp_path):
    """
    `scan` of a path takes them too; a name that is neither table nor view is refused.
    """
    path = tmp_path / "app.db"
    build(
        f"sqlite:///{path}",
        conversations((1, "u", None)),
        messages((1, "u", 1, "user", "a", None, None)),
    )
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.execute("CREATE VIEW said AS SELECT * FROM messages")

    assert ["a"] == column(cd.scan(path, mapping={"messages": "said"}).messages, "content")
    with pytest.raises(LayoutError, match="which is not there"):
        cd.scan(path, mapping={"messages": "sayd"})

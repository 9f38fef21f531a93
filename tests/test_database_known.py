"""SQLite files in which a known program and an application keep chats side by side."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from chat_tables import build, column, conversations, table

import chatdata as cd
from chatdata.formats import base
from chatdata.formats.base import Format
from chatdata.ingest import ingest

DATA = Path(__file__).parent / "data"
FILES = {
    "agentsview": "archive.db",
    "langchain": "history.db",
    "langgraph": "threads.db",
    "llm-logs-db": "logs.db",
    "open-webui": "webui.db",
    "openai-agents": "sessions.db",
    "openinference": "phoenix.db",
}
T = "2025-03-01 10:00:0{}"
KEYED = "id INTEGER PRIMARY KEY, conversation_id INTEGER, {} body TEXT, created_at TEXT"
SAID = table(
    "chat_messages",
    KEYED.format("role TEXT,"),
    (1, 1, "user", "Canary", T.format(1)),
    (2, 1, "assistant", "Canary", T.format(2)),
)
UNSIGNED = table("chat_messages", KEYED.format(""), (1, 1, "Canary", T.format(1)))


def holding(folder, name, *own):
    """
    A file of a known format with tables of an application's own.
    """
    path = folder / "app.db"
    shutil.copy(DATA / name / FILES[name], path)
    build(f"sqlite:///{path}", *own)
    return path


def unread(chats):
    return [(one.subject, one.reason) for one in chats.findings if one.became == "not read"]


def formats(chats):
    return set(column(chats.messages.join(chats.conversations, on="conversation_id"), "source"))


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("start", ["", "sqlite:///"])
def test_messages_of_an_application_go_before_what_a_program_keeps(tmp_path, name, start):
    """
    By path and by URL its own messages are read, and one line says what reads the others.
    """
    chats = cd.scan(f"{start}{holding(tmp_path, name, SAID)}")

    ((_, reason),) = unread(chats)

    assert ["Canary", "Canary"] == column(chats.messages, "content")
    assert f"--format {name}" in reason
    assert "Canary" not in reason


@pytest.mark.parametrize("name", FILES)
def test_the_format_that_is_asked_for_is_read(tmp_path, name):
    """
    `format` reads what the program keeps, and the application's own table is named.
    """
    plain = cd.scan(DATA / name / FILES[name])
    chats = cd.scan(holding(tmp_path, name, SAID), format=name)

    ((table_name, reason),) = unread(chats)

    assert [] == unread(plain)
    assert formats(plain) == formats(chats) == {name}
    assert "chat_messages" == table_name
    assert "--map messages=chat_messages" in reason


@pytest.mark.parametrize("name", FILES)
def test_a_table_in_which_nobody_is_known_to_speak_is_named(tmp_path, name):
    """
    What may be an application's messages hides nothing, and is not passed over in silence.
    """
    path = holding(tmp_path, name, UNSIGNED)
    chats = cd.scan(path)
    mapped = cd.scan(path, mapping={"messages": "chat_messages"})

    assert {name} == formats(chats)
    assert ["chat_messages"] == [subject for subject, _ in unread(chats)]
    assert ["Canary"] == column(mapped.messages, "content")


@pytest.mark.parametrize("own", [table("notes", "id INTEGER, content TEXT", (1, "x")), SAID])
def test_a_table_of_notes_or_an_empty_one_hides_no_checkpoints(tmp_path, own):
    """
    Only messages with rows are an application's chats.
    """
    chats = cd.scan(holding(tmp_path, "langgraph", table(own.name, own.columns)))

    assert {"langgraph"} == formats(chats)
    assert [] == unread(chats)


def test_responses_beside_conversations_are_no_log_of_llm(tmp_path):
    """
    Tables that only share names with those of a known program are an application's.
    """
    path = tmp_path / "app.db"
    responses = "id INTEGER PRIMARY KEY, message_id INTEGER, rating INTEGER"
    build(
        f"sqlite:///{path}",
        conversations((1, "u", T.format(0))),
        SAID,
        table("responses", responses, (1, 2, 5)),
    )

    assert {"app-db"} == formats(cd.scan(path))


def test_an_import_takes_the_application_and_says_what_it_left(tmp_path, program):
    """
    An import decides as a scan does, and names what it did not read.
    """
    path = holding(tmp_path, "openai-agents", SAID)
    by_url = ingest(f"sqlite:///{path}", tmp_path / "other")
    code, said, _ = program("import", path, "--into", tmp_path / "lake")

    assert {"app-db"} == formats(cd.scan(tmp_path / "lake"))
    assert ["agent_messages, agent_sessions"] == [one.subject for one in by_url.findings]
    assert 0 == code
    assert "agent_messages, agent_sessions: not read" in said


def test_a_folder_says_so_for_each_file(tmp_path):
    """
    Among other files too, what is not read is named.
    """
    holding(tmp_path, "langchain", SAID)
    shutil.copy(DATA / "openai-agents" / FILES["openai-agents"], tmp_path)
    chats = cd.scan(tmp_path)

    assert {"app-db", "openai-agents"} == formats(chats)
    assert ["message_store"] == [subject for subject, _ in unread(chats)]


def test_a_format_that_names_no_tables_keeps_its_file(tmp_path, monkeypatch):
    """
    Of a format of somebody else nobody knows which tables are its own, so none is an application's.
    """
    path = tmp_path / "app.db"
    build(f"sqlite:///{path}", SAID)

    def parse(reading):
        reading.count("event")
        return ()

    other = Format(
        "other", "Another program", lambda evidence: float(evidence.kind == "tables"), parse
    )
    monkeypatch.setattr(base, "formats", lambda: (other,))
    chats = cd.scan(path)

    assert 0 == chats.messages.collect().height
    assert [] == unread(chats)

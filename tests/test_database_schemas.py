"""Schemas are Postgres': a schema of anything else is refused, and never passed over."""

from __future__ import annotations

import pytest
from chat_tables import build, column, conversations, execute, messages

import chatdata as cd
from chatdata.database import read
from chatdata.errors import SourceError
from chatdata.ingest import ingest
from chatdata.load import scan_all, suggest_map

TALK = (conversations((1, "u", None)), messages((1, "u", 1, "user", "a", None, None)))
ONLY = "only a Postgres database has schemas"


@pytest.fixture
def path(tmp_path):
    build(f"sqlite:///{tmp_path / 'app.db'}", *TALK)
    return tmp_path / "app.db"


@pytest.mark.parametrize("start", ["", "sqlite:///"])
@pytest.mark.parametrize("ask", [cd.scan, read, suggest_map])
def test_a_schema_of_sqlite_is_refused(path, ask, start):
    """
    Whoever names one would believe that it was looked into.
    """
    with pytest.raises(SourceError, match=ONLY):
        ask(f"{start}{path}", schema="app")


def test_other_sources_and_imports_refuse_it_too(path, tmp_path):
    """
    So do folders, several sources and an import; no password comes along.
    """
    for sources in (str(tmp_path), [str(path)]):
        with pytest.raises(SourceError, match=ONLY):
            cd.scan(sources, schema="app")
    with pytest.raises(SourceError, match=ONLY):
        scan_all([f"sqlite:///{path}", str(path)], schema="app")
    with pytest.raises(SourceError, match=ONLY):
        ingest([path], tmp_path / "lake", schema="app")
    with pytest.raises(SourceError, match=ONLY) as refused:
        cd.scan("mysql://me:Canary@host/db", schema="app")

    assert "Canary" not in str(refused.value)


def test_in_the_terminal(path, program):
    """
    One line says so.
    """
    code, _, said = program("scan", path, "--schema", "app")

    assert 2 == code
    assert ONLY in said


def test_beside_a_postgres_database_it_is_that_ones(path, postgres, tmp_path):
    """
    Of several sources the schema is that of the Postgres databases among them.
    """
    url = postgres()
    execute(
        url,
        "CREATE SCHEMA app",
        "CREATE TABLE app.messages"
        " (id INT PRIMARY KEY, conversation_id INT, role TEXT, content TEXT)",
        "INSERT INTO app.messages VALUES (1, 1, 'user', 'b')",
    )
    both = scan_all([url, str(path)], schema="app")
    ingest([url, path], tmp_path / "lake", schema="app")

    assert ["a", "b"] == sorted(column(both.messages, "content"))
    assert ["a", "b"] == sorted(column(cd.scan(tmp_path / "lake").messages, "content"))

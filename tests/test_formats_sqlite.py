"""SQLite logs: the fixtures are what their statements make, and any damage is one reject."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import polars as pl
import pytest

import chatdata as cd

DATA = Path(__file__).parent / "data"
MADE = sorted(DATA.glob("*/make-*.sql"))


def made_from(statements):
    return statements.with_name(f"{statements.stem.removeprefix('make-')}.db")


def named(path):
    return path.parent.name


@pytest.mark.parametrize("statements", MADE, ids=named)
def test_fixture_is_what_its_statements_make(statements):
    """
    A binary fixture can be read as text: it holds what the statements beside it make.
    """
    with (
        closing(sqlite3.connect(":memory:")) as made,
        closing(sqlite3.connect(made_from(statements))) as kept,
    ):
        made.executescript(statements.read_text())

        assert sorted(made.iterdump()) == sorted(kept.iterdump())


@pytest.mark.parametrize("statements", MADE, ids=named)
def test_tables_of_other_versions(tmp_path, statements):
    """
    Without any one of its tables a file is still read, and accounts for what it cannot say.
    """
    name = named(statements)
    with closing(sqlite3.connect(made_from(statements))) as kept:
        listed = kept.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in listed:
            path = tmp_path / f"without-{table}.db"
            with closing(sqlite3.connect(path)) as copy:
                kept.backup(copy)
                copy.execute(f'drop table "{table}"')
                copy.commit()
            chats = cd.scan(path, format=name).check()
            accounting = dict(chats.accounting.select("cause", "n_records").collect().rows())

            assert accounting.get("rejected", 0) == chats.rejects.collect().height


@pytest.mark.parametrize("statements", MADE, ids=named)
def test_reading_changes_nothing(tmp_path, statements):
    """
    A log is opened for reading only: not a byte of it or beside it changes.
    """
    path = tmp_path / "log.db"
    path.write_bytes(made_from(statements).read_bytes())
    cd.scan(path).collect()

    assert made_from(statements).read_bytes() == path.read_bytes()
    assert ["log.db"] == [found.name for found in tmp_path.iterdir()]


def test_sessions_are_told_apart_whatever_names_them(tmp_path):
    """
    A number or nothing may stand for a session's name: each is a conversation, all rows add up.
    """
    path = tmp_path / "sessions.db"
    said = '{"role": "user", "content": "hi"}'
    with closing(sqlite3.connect(path)) as stored, stored:
        stored.executescript(
            "create table agent_sessions (session_id, created_at);"
            "create table agent_messages (id integer primary key, session_id, message_data,"
            " created_at);"
        )
        stored.executemany("insert into agent_sessions values (?, null)", [(None,), (5,), ("a",)])
        rows = [(None, said), (5, said), ("a", said), ("a", "null")]
        stored.executemany(
            "insert into agent_messages (session_id, message_data) values (?, ?)", rows
        )
    chats = cd.scan(path).check()
    names = chats.conversations.select("conversation_id").collect()["conversation_id"]

    assert {"sessions.db#1", "5", "a"} == set(names)
    assert {"kept": 6, "rejected": 1} == dict(
        chats.accounting.filter(pl.col("n_records") > 0)
        .select("cause", "n_records")
        .collect()
        .rows()
    )

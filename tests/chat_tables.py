"""Chat databases as an application leaves them: tables of any layout, on SQLite or Postgres."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from dataclasses import dataclass

CONVERSATIONS = "id INTEGER PRIMARY KEY, user_id VARCHAR(36), created_at TIMESTAMP"
MESSAGES = (
    "id INTEGER PRIMARY KEY, user_id VARCHAR(36), conversation_id INTEGER,"
    " role VARCHAR(20), content TEXT, tool_calls TEXT, created_at TIMESTAMP"
)


@dataclass(frozen=True)
class Table:
    """One table: its name as SQL writes it, its columns as DDL, its rows."""

    name: str
    columns: str
    rows: tuple[tuple[object, ...], ...]


def table(name, columns, *rows):
    return Table(name, columns, rows)


def conversations(*rows, columns=CONVERSATIONS, name="conversations"):
    return Table(name, columns, rows)


def messages(*rows, columns=MESSAGES, name="messages"):
    return Table(name, columns, rows)


def build(url, *tables):
    """
    Create the tables in an empty database and give its URL back.
    """
    if str(url).startswith("postgresql"):
        import psycopg  # noqa: PLC0415 - only where a Postgres is tested

        with closing(psycopg.connect(url)) as connection:
            _fill(connection.cursor(), tables, "%s")
            connection.commit()
    else:
        with closing(sqlite3.connect(str(url).removeprefix("sqlite:///"))) as connection:
            _fill(connection.cursor(), tables, "?")
            connection.commit()
    return url


def _fill(cursor, tables, mark):
    for one in tables:
        cursor.execute(f"CREATE TABLE {one.name} ({one.columns})")
    for one in tables:
        if one.rows:
            marks = ", ".join([mark] * len(one.rows[0]))
            cursor.executemany(f"INSERT INTO {one.name} VALUES ({marks})", one.rows)


def column(frame, name):
    return frame.select(name).collect().to_series().to_list()


def rows(frame, *names, by=None):
    """
    The rows of a frame as tuples, in an order that does not depend on how they are stored.
    """
    collected = frame.collect()
    return (collected.sort(by) if by else collected).select(names).rows()


def extras(frame, *, by=None):
    """
    The `extra` of each row, decoded.
    """
    return [json.loads(text or "{}") for (text,) in rows(frame, "extra", by=by)]


def execute(url, *statements):
    """
    Run statements on a Postgres, each in a transaction of its own.
    """
    import psycopg  # noqa: PLC0415 - a base install has none

    with closing(psycopg.connect(url, autocommit=True)) as connection:
        for statement in statements:
            connection.execute(statement)


def as_role(url, name, password=""):
    """
    The URL for another role.
    """
    return url.replace("postgres@", f"{name}:{password}@" if password else f"{name}@")

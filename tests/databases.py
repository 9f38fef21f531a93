"""Short ways to put something into a database, and to look what is in it."""

from __future__ import annotations

from pathlib import Path

import sqlalchemy as sa

from chatdata import migrate


def tables(url):
    with migrate.connect(url) as connection:
        return sorted(sa.inspect(connection).get_table_names())


def execute(url, *statements):
    with migrate.connect(url) as connection, connection.begin():
        for statement in statements:
            connection.exec_driver_sql(statement)


def fetch(url, query):
    with migrate.connect(url) as connection:
        return [tuple(row) for row in connection.exec_driver_sql(query)]


def restore(url, copy):
    """
    For a process that is told of its work in JSON, which knows no paths.
    """
    return migrate.restore(url, Path(copy))


def contents(url):
    """
    Every row of every table of the application, as text, whatever the column's type has become.
    """
    with migrate.connect(url) as connection:
        names = sa.inspect(connection).get_table_names()
        return {
            name: sorted(
                str(tuple(row)) for row in connection.exec_driver_sql(f"SELECT * FROM {name}")
            )
            for name in names
            if not name.startswith("chatdata_")
        }


def catalog(url):
    """
    Columns and constraints on PostgreSQL, in the order of their names.
    """
    query = """
        SELECT c.relname, a.attname, format_type(a.atttypid, a.atttypmod), a.attnotnull
        FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
        WHERE c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped
          AND c.relname NOT LIKE 'chatdata%%'
        UNION ALL
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid), convalidated
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
          AND conrelid::regclass::text NOT LIKE 'chatdata%%'
        ORDER BY 1, 2, 3"""
    return fetch(url, query)

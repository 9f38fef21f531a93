"""Short ways to put something into a database, and to look what is in it."""

from __future__ import annotations

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

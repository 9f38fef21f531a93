"""The sample in the application's own form: rows of users, conversations and messages."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

import polars as pl

from chatdata.sample import phrases

if TYPE_CHECKING:
    from collections.abc import Iterator

    from adbc_driver_manager import AdbcConnection

    from chatdata.chats import Chats


def fill(chats: Chats[pl.LazyFrame], url: str) -> None:
    """Store the sample as the application would have, in one transaction.

    The application knows no forks, no rows of results and nothing that nobody said: only what
    users and assistants said on the main path is stored, with the calls of a message as its
    JSON text. It always writes a time, so a null one is stored as that of the message before.

    Args:
        chats: what `sample` made.
        url: a database at the head of the migrations, without rows: `sqlite:///path` or
            `postgresql://…`.
    """
    is_sqlite = url.startswith("sqlite")
    with _connect(url) as connection:
        for table, rows in _tables(chats).items():
            _append(connection, table, _with_text_times(rows) if is_sqlite else rows)
        if not is_sqlite:
            for table in ("conversations", "messages"):
                _count_on(connection, table)


def _tables(chats: Chats[pl.LazyFrame]) -> dict[str, pl.DataFrame]:
    conversations, messages, calls = pl.collect_all(
        [chats.conversations, chats.messages, chats.tool_calls]
    )
    number = pl.col("conversation_id").cast(pl.Int32)
    owners = conversations.select(number.alias("id"), "user_id", "created_at", "updated_at")
    return {
        "users": _users(owners),
        "conversations": owners,
        "messages": messages.filter(
            "is_main_path", pl.col("kind") == "chat", pl.col("role").is_in(["user", "assistant"])
        )
        .join(_stored_calls(calls), on="message_id", how="left", maintain_order="left")
        .select(
            "role",
            "content",
            id=pl.col("message_id").cast(pl.Int32),
            conversation_id=number,
            created_at=pl.col("created_at").forward_fill().over("conversation_id"),
            tool_calls=pl.coalesce("stored", pl.col("extra").str.json_path_match("$.tool_calls")),
        )
        .join(
            owners.select("user_id", conversation_id="id", started_at="created_at"),
            on="conversation_id",
            how="left",
        )
        .with_columns(created_at=pl.coalesce("created_at", "started_at"))
        .drop("started_at")
        .sort("id"),
    }


def _with_text_times(rows: pl.DataFrame) -> pl.DataFrame:
    return rows.with_columns(pl.col(pl.Datetime).dt.strftime("%Y-%m-%d %H:%M:%S%.6f"))


def _users(owners: pl.DataFrame) -> pl.DataFrame:
    """Give every user a name and an address, in the order of their first conversation."""
    return (
        owners.group_by("user_id")
        .agg(created_at=pl.col("created_at").min())
        .sort("created_at", "user_id")
        .with_row_index("place")
        .select(
            id="user_id",
            email=pl.format("user{}@example.org", pl.col("place") + 1),
            name=pl.lit(pl.Series(phrases.NAMES)).gather(pl.col("place") % len(phrases.NAMES)),
            password_hash=pl.lit("$2b$12$not.a.real.hash"),
            created_at="created_at",
            updated_at="created_at",
        )
    )


def _stored_calls(calls: pl.DataFrame) -> pl.DataFrame:
    """Write the calls of each message as `[{"tool":…,"parameters":…,"result":…}]`."""
    raw = pl.col("arguments_raw")
    quoted = raw.str.replace_all("\\", "\\\\", literal=True).str.replace_all(
        '"', '\\"', literal=True
    )
    parts = (
        ('{"tool":"', pl.col("name")),
        ('","parameters":', pl.coalesce("arguments", pl.format('"{}"', quoted))),
        (',"result":', pl.col("result").fill_null("null")),
        ("", _flag(pl.col("status"))),
        ("}", pl.lit("")),
    )
    item = pl.concat_str(*(part for text, value in parts for part in (pl.lit(text), value)))
    return (
        calls.sort("message_id", "position")
        .group_by("message_id", maintain_order=True)
        .agg(item.str.join(",").alias("items"))
        .select("message_id", stored=pl.format("[{}]", "items"))
    )


def _flag(status: pl.Expr) -> pl.Expr:
    """Write down a status that no field of a result can say."""
    return (
        pl.when(status.is_in(["denied", "cancelled", "timeout"]))
        .then(pl.format(',"status":"{}"', status))
        .otherwise(pl.lit(""))
    )


@contextmanager
def _connect(url: str) -> Iterator[AdbcConnection]:
    from adbc_driver_manager import AdbcConnection, AdbcDatabase

    # The drivers' public way in is `dbapi`, which takes twenty times as long to load.
    if url.startswith("sqlite"):
        import adbc_driver_sqlite

        driver, uri = adbc_driver_sqlite._driver_path(), url.partition(":///")[2]  # noqa: SLF001
    else:
        import adbc_driver_postgresql

        driver, uri = adbc_driver_postgresql._driver_path(), url  # noqa: SLF001
    with AdbcDatabase(driver=driver, uri=uri) as database, AdbcConnection(database) as connection:
        connection.set_autocommit(False)
        yield connection
        connection.commit()


def _append(connection: AdbcConnection, table: str, rows: pl.DataFrame) -> None:
    from adbc_driver_manager import (
        INGEST_OPTION_MODE,
        INGEST_OPTION_MODE_APPEND,
        INGEST_OPTION_TARGET_TABLE,
        AdbcStatement,
    )

    with AdbcStatement(connection) as statement:
        statement.set_options(
            **{
                INGEST_OPTION_TARGET_TABLE: table,
                INGEST_OPTION_MODE: INGEST_OPTION_MODE_APPEND,
            }
        )
        statement.bind_stream(rows.to_arrow(compat_level=pl.CompatLevel.oldest()).to_reader())
        statement.execute_update()


def _count_on(connection: AdbcConnection, table: str) -> None:
    """Let a Postgres table give out ids after those it was given."""
    from adbc_driver_manager import AdbcStatement

    with AdbcStatement(connection) as statement:
        statement.set_sql_query(
            f"SELECT setval(pg_get_serial_sequence('{table}', 'id'), max(id)) FROM {table}"
        )
        statement.execute_update()

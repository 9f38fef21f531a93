"""An application's database to frames, beside pandas, plain ADBC, ORM objects and COPY."""

from __future__ import annotations

import json
import sqlite3
from typing import TYPE_CHECKING, Any

import world
from measure import Case, Group, Target, at_least, at_most

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl
    import sqlalchemy as sa
    from measure import Results

    from chatdata.database.connect import Snapshot


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""
    has_connectorx = world.add_module("connectorx")

    def sqlite() -> Group:
        url = f"sqlite:///{world.sqlite(n_messages)}"
        few = f"sqlite:///{world.sqlite(n_messages // 10)}"
        connectorx = ["connectorx_arrow"] if has_connectorx else []
        peers = (*connectorx, "pandas_read_sql", "pandas_read_sql_bare", "pandas_script")
        return Group(
            "database",
            "sqlite",
            f"SQLite to frames, {n_messages:,} messages",
            (*_cases(url, *peers), Case("orm_objects", few, scale=10)),
            (
                _target("1", "≥ 3 x pandas.read_sql, CPU", at_least("pandas_read_sql", "cpu", 3)),
                _target(
                    "1",
                    "≥ 3 x pandas.read_sql on a bare connection, CPU",
                    at_least("pandas_read_sql_bare", "cpu", 3),
                ),
                _target("1", "≥ 10 x ORM objects, CPU", at_least("orm_objects", "cpu", 10)),
            ),
        )

    def sqlite_base() -> Group:
        url = f"sqlite:///{world.sqlite(n_messages, base=True)}"
        return Group(
            "database",
            "sqlite-base",
            f"SQLite to frames, base columns alone, {n_messages:,} messages",
            _cases(url, "pandas_read_sql"),
            (_target("1", "≤ 1.15 x plain ADBC, wall", at_most("plain_adbc", "wall", 1.15)),),
        )

    def postgres() -> Group:
        url = world.postgres(n_messages)
        return Group(
            "database",
            "postgres",
            f"Postgres to frames, {n_messages:,} messages",
            _cases(url, "pandas_read_sql", "pandas_script"),
            (_target("2", "≥ 4 x pandas.read_sql, wall", at_least("pandas_read_sql", "wall", 4)),),
        )

    def postgres_base() -> Group:
        url = world.postgres(n_messages, base=True)
        return Group(
            "database",
            "postgres-base",
            f"Postgres to frames, base columns alone, {n_messages:,} messages",
            _cases(url, "copy_binary"),
            (_target("2", "≤ 1.2 x COPY BINARY, wall", at_most("copy_binary", "wall", 1.2)),),
        )

    yield from (sqlite, sqlite_base, postgres, postgres_base)


def _cases(url: str, *peers: str) -> tuple[Case, ...]:
    """Put chatdata beside reading alone, the least that its frames take, and the peers."""
    return tuple(
        Case(name, url) for name in ("chatdata_frames", "plain_adbc", "adbc_script", *peers)
    )


def _target(number: str, text: str, met: Callable[[Results, str], tuple[float, bool]]) -> Target:
    return Target(number, text, met, limit="adbc_script")


def chatdata_frames(source: str) -> Callable[[], dict[str, Any]]:
    """cd.scan, all frames collected."""
    import polars as pl

    import chatdata as cd

    cd.scan(_tiny()).collect()

    def work() -> dict[str, Any]:
        chats = cd.scan(source).collect()
        sizes = [chats.messages, chats.conversations, chats.tool_calls]
        n_messages, n_conversations, n_calls = (
            frame.select(pl.len()).collect().item() for frame in sizes
        )
        chars = chats.messages.select(pl.col("n_chars").sum()).collect().item()
        return {
            "messages": n_messages,
            "conversations": n_conversations,
            "chars": chars,
            "tool_calls": n_calls,
        }

    return work


def pandas_read_sql(source: str) -> Callable[[], dict[str, Any]]:
    """pandas.read_sql of both tables, times parsed, through the engine that pandas asks for."""
    return _read_sql(_engine(source))


def pandas_read_sql_bare(source: str) -> Callable[[], dict[str, Any]]:
    """The same on a bare sqlite3 connection, which pandas takes too."""
    return _read_sql(sqlite3.connect(source.removeprefix("sqlite:///")))


def _read_sql(connection: Any) -> Callable[[], dict[str, Any]]:  # noqa: ANN401 - as pandas takes it
    import pandas as pd

    def work() -> dict[str, Any]:
        messages = pd.read_sql("SELECT * FROM messages", connection, parse_dates=["created_at"])
        conversations = pd.read_sql(
            "SELECT * FROM conversations", connection, parse_dates=["created_at", "updated_at"]
        )
        return {"messages": len(messages), "conversations": len(conversations)}

    return work


def pandas_script(source: str) -> Callable[[], dict[str, Any]]:
    """The frames that chatdata gives, as a pandas script makes them: order, sizes, tool calls."""
    import pandas as pd

    connection = _engine(source)

    def work() -> dict[str, Any]:
        messages = pd.read_sql("SELECT * FROM messages", connection, parse_dates=["created_at"])
        conversations = pd.read_sql(
            "SELECT * FROM conversations", connection, parse_dates=["created_at", "updated_at"]
        )
        messages["n_chars"] = messages["content"].str.len()
        messages = messages.sort_values(["conversation_id", "created_at", "id"])
        messages["position"] = messages.groupby("conversation_id").cumcount()
        calls = []
        if "tool_calls" in messages:
            stored = messages.loc[messages["tool_calls"].notna(), ["id", "tool_calls"]]
            for message_id, text in zip(stored["id"], stored["tool_calls"], strict=True):
                for call in json.loads(text):
                    row = (message_id, call["tool"], json.dumps(call["parameters"]))
                    calls.append((*row, json.dumps(call["result"]), call["result"]["success"]))
        frame = pd.DataFrame(calls, columns=["message_id", "name", "arguments", "result", "ok"])
        return {
            "messages": len(messages),
            "conversations": len(conversations),
            "chars": int(messages["n_chars"].sum()),
            "tool_calls": len(frame),
        }

    return work


def plain_adbc(source: str) -> Callable[[], dict[str, Any]]:
    """Both tables through low-level ADBC into Polars, nothing computed."""
    _frames(_tiny())

    def work() -> dict[str, Any]:
        messages, conversations = _frames(source)
        return {"messages": messages.height, "conversations": conversations.height}

    return work


def adbc_script(source: str) -> Callable[[], dict[str, Any]]:
    """The frames that chatdata gives, by a script for this very layout, of the fastest parts.

    Low-level ADBC, Polars, and msgspec with the types of the calls: nothing is inferred, checked
    or kept that the layout does not promise. It is the least that Python takes for these frames.
    """
    import msgspec
    import polars as pl

    raw = msgspec.Raw
    call = msgspec.defstruct("Call", [("tool", str), ("parameters", raw), ("result", raw)])
    decode_calls = msgspec.json.Decoder(list[call]).decode
    decode_result = msgspec.json.Decoder(msgspec.defstruct("Result", [("success", bool)])).decode
    _frames(_tiny())

    def work() -> dict[str, Any]:
        messages, conversations = _frames(source)
        at = pl.col("created_at")
        if messages["created_at"].dtype == pl.String:
            at = at.str.to_datetime("%Y-%m-%d %H:%M:%S%.f", time_unit="us")
        place = pl.int_range(pl.len(), dtype=pl.UInt32)
        begins = pl.col("conversation_id").ne_missing(pl.col("conversation_id").shift())
        messages = (
            messages.with_columns(created_at=at, n_chars=pl.col("content").str.len_chars())
            .sort("conversation_id", "created_at", "id")
            .with_columns(
                pl.col("id", "conversation_id").cast(pl.String),
                position=place - pl.when(begins).then(place).forward_fill(),
                parent_id=pl.when(~begins).then(pl.col("id").shift()).cast(pl.String),
            )
        )
        n_calls = 0
        if "tool_calls" in messages.columns:
            stored = messages.select("id", "tool_calls").drop_nulls()
            calls = [
                (message_id, call.tool, bytes(call.parameters), bytes(call.result), told.success)
                for message_id, text in stored.iter_rows()
                for call in decode_calls(text)
                for told in (decode_result(call.result),)
            ]
            columns = ("message_id", "name", "arguments", "result", "ok")
            frame = pl.DataFrame(calls, columns, orient="row")
            n_calls = frame.with_columns(pl.col("arguments", "result").cast(pl.String)).height
        return {
            "messages": messages.height,
            "conversations": conversations.height,
            "chars": messages["n_chars"].sum(),
            "tool_calls": n_calls,
        }

    return work


def _frames(source: str) -> list[pl.DataFrame]:
    """Read both tables through low-level ADBC into Polars, without the typed first row."""
    import polars as pl
    import pyarrow as pa

    from chatdata.database.connect import open_snapshot, target

    with open_snapshot(target(source)) as snapshot:
        frames = [
            pl.DataFrame(pl.from_arrow(pa.Table.from_batches(list(snapshot.batches(sql)))))
            for sql in _selects(snapshot)
        ]
    n_typed = 1 if snapshot.dialect == "sqlite" else 0
    return [frame.slice(n_typed) for frame in frames]


def connectorx_arrow(source: str) -> Callable[[], dict[str, Any]]:
    """Both tables through connectorx into Arrow, nothing computed."""
    world.add_module("connectorx")
    import connectorx

    url = source.replace("sqlite:////", "sqlite:///")

    def work() -> dict[str, Any]:
        messages, conversations = (
            connectorx.read_sql(url, f"SELECT * FROM {table}", return_type="arrow")
            for table in ("messages", "conversations")
        )
        return {"messages": len(messages), "conversations": len(conversations)}

    return work


def orm_objects(source: str) -> Callable[[], dict[str, Any]]:
    """SQLModel objects of all messages and conversations."""
    from sqlmodel import Session, create_engine, select

    from chatdata.models import Conversation, Message

    engine = create_engine(source)

    def work() -> dict[str, Any]:
        with Session(engine) as session:
            messages = session.exec(select(Message)).all()
            conversations = session.exec(select(Conversation)).all()
        return {"messages": len(messages), "conversations": len(conversations)}

    return work


def copy_binary(source: str) -> Callable[[], dict[str, Any]]:
    """COPY BINARY of both tables to nowhere: the least that Postgres asks for."""
    import psycopg

    connection = psycopg.connect(source)

    def work() -> dict[str, Any]:
        with connection.cursor() as cursor:
            for table in ("messages", "conversations"):
                with cursor.copy(f"COPY {table} TO STDOUT (FORMAT BINARY)") as copy:
                    for _ in copy:
                        pass
        return {}

    return work


def _selects(snapshot: Snapshot) -> Iterator[str]:
    """A SELECT for each table; SQLite's driver takes its types from a typed first row."""
    from chatdata.database.catalog import tables

    found = {table.name: table for table in tables(snapshot, None)}
    for name in ("messages", "conversations"):
        columns = found[name].columns
        names = ", ".join(column.name for column in columns)
        typed = ", ".join(
            f"{0 if column.kind == 'integer' else repr('')} AS {column.name}" for column in columns
        )
        head = f"SELECT {typed} UNION ALL " if snapshot.dialect == "sqlite" else ""
        yield f"{head}SELECT {names} FROM {name}"


def _engine(source: str) -> sa.Engine:
    import sqlalchemy as sa

    return sa.create_engine(source.replace("postgresql://", "postgresql+psycopg://"))


def _tiny() -> str:
    """A database of a few rows: its scan loads every module that the measured one needs."""
    from world import sqlite

    return f"sqlite:///{sqlite(1000)}"

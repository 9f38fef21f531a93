"""Into a lake: a large file of messages beside a loop by hand, and a database, twice."""

from __future__ import annotations

import shutil
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import world
from measure import Case, Group, Results, Target, at_least, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

_PEAK_MB = 1000
_SHARE = 0.02
_TEN = 10


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""

    def jsonl_lake() -> Group:
        file = world.jsonl(4 * n_messages)
        return Group(
            "imports",
            "jsonl-lake",
            f"JSONL of {4 * n_messages:,} messages, {file.stat().st_size / 1e6:,.0f} MB, to a lake",
            tuple(
                Case(name, str(file)) for name in ("jsonl_to_lake", "loop_by_hand", "duckdb_script")
            ),
            (
                Target("6", f"≤ {_PEAK_MB} MB of memory", below("rss", _PEAK_MB)),
                Target(
                    "6",
                    "≥ 2 x a loop by hand, CPU",
                    at_least("loop_by_hand", "cpu", 2),
                    limit="duckdb_script",
                ),
            ),
            once=True,
        )

    def postgres_lake() -> Group:
        url = world.postgres(n_messages, times=_TEN)
        return Group(
            "imports",
            "postgres-lake",
            f"Postgres of {n_messages * _TEN:,} messages to a lake; again, one in a hundred new",
            (Case("postgres_to_lake", url), Case("postgres_again", url)),
            (
                Target("9", f"≤ {_PEAK_MB} MB of memory", below("rss", _PEAK_MB)),
                Target("9", f"again: ≤ {_SHARE:.0%} of the rows read", _read_again),
            ),
            once=True,
        )

    yield from (jsonl_lake, postgres_lake)


def jsonl_to_lake(source: str) -> Callable[[], dict[str, Any]]:
    """`chatdata import` of a file, its columns named by a mapping."""
    folder = Path(tempfile.mkdtemp(prefix="chatdata-bench-", dir=world.FOLDER))
    named = [f"--map={name}={name}" for name in ("conversation_id", "user_id", "role", "content")]
    # A few rows load every module that the measured ones need.
    _program("import", world.jsonl(1000), "--into", folder / "tiny", *named)

    def work() -> dict[str, Any]:
        lake = folder / "lake"
        _program("import", source, "--into", lake, *named)
        import polars as pl

        import chatdata as cd

        written = cd.scan(lake)
        counts = [
            frame.select(pl.len()).collect().item()
            for frame in (written.conversations, written.messages, written.tool_calls)
        ]
        shutil.rmtree(folder)
        return dict(zip(("conversations", "messages", "tool_calls"), counts, strict=True))

    return work


def _program(*words: object) -> None:
    """Run the program in this process, as its users do in one of its own."""
    from chatdata.cli import main

    sys.argv = ["chatdata", *map(str, words)]
    try:
        main()
    except SystemExit as ended:
        if ended.code:
            raise


def loop_by_hand(source: str) -> Callable[[], dict[str, Any]]:
    """The same frames, line by line, with the fastest JSON there is here; nothing is written."""
    import msgspec
    import polars as pl

    decode = msgspec.json.decode

    def work() -> dict[str, Any]:
        messages, calls, talks = [], [], {}
        with Path(source).open("rb") as lines:
            for line in lines:
                row = decode(line)
                talk = row["conversation_id"]
                talks.setdefault(talk, row["user_id"])
                content = row["content"]
                messages.append(
                    (row["id"], talk, row["role"], content, len(content), row["created_at"])
                )
                for place, call in enumerate(decode(row["tool_calls"] or "[]")):
                    result = call["result"]
                    texts = (msgspec.json.encode(call[key]) for key in ("parameters", "result"))
                    called = (row["id"], talk, place, call["tool"], result["success"], *texts)
                    calls.append(called)
        frames = [
            pl.DataFrame(rows, orient="row", infer_schema_length=None)
            for rows in (list(talks.items()), messages, calls)
        ]
        n_talks, n_messages, n_calls = (frame.height for frame in frames)
        return {"conversations": n_talks, "messages": n_messages, "tool_calls": n_calls}

    return work


def duckdb_script(source: str) -> Callable[[], dict[str, Any]]:
    """The least that an import does: the original kept, messages and calls written as Parquet.

    In DuckDB and zstd, for these very columns and this very shape of calls; nothing is checked,
    identified or sorted.
    """
    import duckdb
    import pyarrow as pa

    names = ("user_id", "conversation_id", "role", "content", "tool_calls")
    columns = {"id": "BIGINT", **dict.fromkeys(names, "VARCHAR"), "created_at": "TIMESTAMP"}
    shape = '[{"tool":"VARCHAR","parameters":"JSON","result":"JSON"}]'
    duckdb.sql("SELECT 1").fetchall()

    def work() -> dict[str, Any]:
        with (
            tempfile.TemporaryDirectory(dir=world.FOLDER) as folder,
            duckdb.connect(config={"memory_limit": "700MB"}) as connection,
            Path(source).open("rb") as original,
        ):
            with pa.CompressedOutputStream(f"{folder}/original.zst", "zstd") as packed:
                shutil.copyfileobj(original, packed, 1 << 20)
            rows = f"read_json('{source}', columns = {columns}, format = 'newline_delimited')"
            messages = f"'{folder}/messages.parquet'"
            calls = f"unnest(from_json(tool_calls, '{shape}'), recursive := true)"
            queries = {
                "messages": f"SELECT *, length(content) AS n_chars FROM {rows}",
                "conversations": "SELECT conversation_id, any_value(user_id)"
                f" FROM {messages} GROUP BY ALL",
                "tool_calls": f"SELECT id, {calls} FROM {messages} WHERE tool_calls IS NOT NULL",
            }
            counts = {}
            for name, query in queries.items():
                file = f"{folder}/{name}.parquet"
                connection.execute(
                    f"COPY ({query}) TO '{file}' (COMPRESSION zstd, COMPRESSION_LEVEL 1)"
                )
                found = connection.execute(f"SELECT count(*) FROM '{file}'").fetchone() or (0,)
                counts[name] = found[0]
        return counts

    return work


def postgres_to_lake(source: str) -> Callable[[], dict[str, Any]]:
    """`chatdata import` of a whole database."""
    lake = world.FOLDER / "lake-of-postgres"
    shutil.rmtree(lake, ignore_errors=True)
    return _import(source, lake, "whole")


def postgres_again(source: str) -> Callable[[], dict[str, Any]]:
    """The same again, after new conversations: one message in a hundred."""
    world.grow(source)
    return _import(source, world.FOLDER / "lake-of-postgres", "again")


def _import(source: str, lake: Path, which: str) -> Callable[[], dict[str, Any]]:
    from chatdata.database.connect import Snapshot

    n_rows, batches = 0, Snapshot.batches

    def counted(snapshot: Snapshot, *asked: Any, **how: Any) -> Iterator[Any]:  # noqa: ANN401 - as it is
        nonlocal n_rows
        for batch in batches(snapshot, *asked, **how):
            n_rows += batch.num_rows
            yield batch

    def work() -> dict[str, Any]:
        Snapshot.batches = counted  # type: ignore[method-assign]
        _program("import", source, "--into", lake)
        return {f"read_{which}": n_rows}

    return work


def _read_again(results: Results, _own: str) -> tuple[float, bool]:
    first, second = (
        results.rounds[case][0]["answer"][key]
        for case, key in (("postgres_to_lake", "read_whole"), ("postgres_again", "read_again"))
    )
    return second / first, second / first <= _SHARE

"""What becomes of answers when a log is large: other engines, fewer files, and the arithmetic."""

from __future__ import annotations

import re
from pathlib import Path
from tempfile import mkdtemp
from typing import TYPE_CHECKING, Any

import duckdb
import polars as pl
from polars.testing import assert_frame_equal

from chatdata import analysis, spool
from chatdata.errors import EngineError
from chatdata.formats.lake import is_lake
from chatdata.load import scan
from chatdata.notebook.session import read
from chatdata.notebook.words import words
from chatdata.store import write

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from chatdata.chats import Chats
    from chatdata.notebook.words import Words

_CONVERSATIONS = 3_000
_ASKED: dict[str, Callable[[Chats[Any]], Any]] = {
    "How long is each conversation?": analysis.conversation_length,
    "How long are they together?": analysis.length_distribution,
    "Which tools are called, and fail?": analysis.tool_usage,
    "Which tool follows which?": analysis.tool_transitions,
    "Who writes again?": analysis.weekly_retention,
}
_COUNTED = """select source, month::varchar as month, count(*) as n_messages
from read_parquet(?, hive_partitioning = true) group by all"""
# A plan leaves files out only where it knows what is asked for: no parameters. Counting needs none.
_PLAN = """explain select sum(n_chars)
from read_parquet({}, hive_partitioning = true) where source = {} and month = {}"""
_FILES = re.compile(r"Scanning Files: (\d+)/(\d+)")
_PLACES = pl.Schema(
    {
        "source": pl.String(),
        "month": pl.String(),
        "n_messages": pl.Int64(),
        "n_opened": pl.Int64(),
        "n_files": pl.Int64(),
    }
)

# What one million messages cost, and how a lake is cut: those of docs/sizing.md.
_MILLION = 1_000_000
_DISK_BYTES = 89_000_000
_MESSAGES_PER_FILE = 150_000
_MESSAGES_PER_GROUP = 50_000
_MESSAGES_PER_CONVERSATION = 11.2
_CPU_S = 0.57


def lake(source: str) -> Path:
    """Give the lake that a source is, or write it to a new one that goes with the process."""
    if "\n" not in source and is_lake(Path(source).expanduser()):
        return Path(source).expanduser()
    asked = f"sample?conversations={_CONVERSATIONS}" if source == "sample" else source
    folder = Path(mkdtemp(prefix="lake-", dir=spool.folder()))
    write(read(asked), folder)
    return folder


def same_answers(
    folder: Path, engines: Iterable[str] = ("polars", "duckdb"), *, memory_limit: str = "1GB"
) -> pl.DataFrame:
    """Ask every engine the same of a lake, and hold the answers to those of Polars.

    Args:
        folder: the lake.
        engines: of polars, duckdb and spark.
        memory_limit: what DuckDB may hold.

    Returns:
        One row per question, in a fixed order: `question` (str), `n_rows` (i64, of the answer),
        then for each engine but Polars a column of its name (str: the same; differs; not run, and
        why).
    """
    first = scan(folder)
    answers = {question: _answer(ask(first)) for question, ask in _ASKED.items()}
    found = {"question": [*answers], "n_rows": [len(each) for each in answers.values()]}
    for engine in engines:
        if engine != "polars":
            found[engine] = _held(folder, engine, memory_limit, answers)
    return pl.DataFrame(found, schema_overrides={"n_rows": pl.Int64})


def files_opened(folder: Path) -> pl.DataFrame:
    """Say how many files of messages a query opens that asks for one source and month.

    Returns:
        One row per source and month in the lake, by name: `source`, `month` (str), `n_messages`
        (i64), `n_opened` (i64, files that DuckDB's plan opens), `n_files` (i64, of all messages).
    """
    if not any(folder.glob("messages/*/*/*.parquet")):
        return pl.DataFrame(schema=_PLACES)
    files = str(folder / "messages/*/*/*.parquet")
    with duckdb.connect() as connection:
        connection.execute("SET enable_progress_bar = false")
        counts = connection.execute(_COUNTED, [files]).pl()
        asked = counts.drop_nulls("month").sort("source", "month")
        plans = [
            connection.execute(_PLAN.format(*map(_quoted, (files, *place)))).fetchall()[0][1]
            for place in asked.select("source", "month").iter_rows()
        ]
    opened = [_FILES.search(plan) for plan in plans]
    n_files = len([*folder.glob("messages/*/*/*.parquet")])
    # A plan says nothing of files where it opens them all.
    return asked.with_columns(
        n_opened=pl.Series(
            [int(each[1]) if each else n_files for each in opened], dtype=pl.Int64()
        ),
        n_files=pl.lit(n_files, pl.Int64()),
    ).cast(_PLACES)


def verdict(answers: pl.DataFrame, opened: pl.DataFrame) -> Words:
    """Say whether engines agree, and how many files a question spares."""
    told = [
        f"{column.name} gives the same answer as polars to {(column == 'the same').sum()} of "
        f"{len(answers)} questions."
        if column.str.starts_with("not run").not_().all()
        else f"{column.name} was not asked: {column[0].removeprefix('not run: ')}."
        for column in answers.drop("question", "n_rows")
    ]
    if opened.is_empty():
        return words([*told, "The lake has no messages with a time, so no file can be spared."])
    n_files, most = opened["n_files"][0], opened.select(pl.col("n_opened").max()).item()
    spared = (
        f"Asked for one source and month, a query opens at most {most:,} of {n_files:,} files of "
        f"messages (over {len(opened):,} sources and months)."
    )
    return words([*told, spared])


def sizing(messages: Iterable[int] = (10**6, 10**7, 10**8, 10**9)) -> pl.DataFrame:
    """Multiply out what so many messages take, from what a million does.

    Returns:
        One row per size: `n_messages`, `n_conversations` (i64), `disk_gb` (f64), `n_files`,
        `n_row_groups` (i64, of messages), `cpu_s` (f64, of `conversation_length` on Polars).
    """
    n = pl.col("n_messages")
    return pl.DataFrame({"n_messages": [*messages]}, schema={"n_messages": pl.Int64}).with_columns(
        n_conversations=(n / _MESSAGES_PER_CONVERSATION).cast(pl.Int64),
        disk_gb=n / _MILLION * _DISK_BYTES / 1e9,
        n_files=-(-n // _MESSAGES_PER_FILE),
        n_row_groups=-(-n // _MESSAGES_PER_GROUP),
        cpu_s=n / _MILLION * _CPU_S,
    )


def _held(
    folder: Path, engine: str, memory_limit: str, answers: dict[str, pl.DataFrame]
) -> list[str]:
    """Compare the answers of one engine to those that are known."""
    try:
        chats = _scanned(folder, engine, memory_limit)
    except EngineError as error:
        return [f"not run: {error}"] * len(answers)
    return [
        "the same" if _equal(answers[question], _answer(ask(chats))) else "differs"
        for question, ask in _ASKED.items()
    ]


def _scanned(folder: Path, engine: str, memory_limit: str) -> Chats[Any]:
    if engine == "duckdb":
        return scan(folder, engine="duckdb", memory_limit=memory_limit)
    if engine == "spark":
        return scan(folder, engine="spark")
    raise EngineError(f"found {engine!r}, expected duckdb or spark")


def _quoted(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _answer(frame: Any) -> pl.DataFrame:  # noqa: ANN401 - a frame of any engine
    if isinstance(frame, pl.DataFrame):
        return frame
    if isinstance(frame, pl.LazyFrame):
        return frame.collect()
    return pl.DataFrame(frame.pl() if hasattr(frame, "pl") else frame.toArrow())


def _equal(first: pl.DataFrame, other: pl.DataFrame) -> bool:
    """Whether two answers have the same rows in the same order, sums of fractions apart."""
    try:
        assert_frame_equal(first, other, rel_tol=1e-9)
    except AssertionError:
        return False
    return True

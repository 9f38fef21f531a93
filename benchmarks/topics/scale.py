"""A lake of ten million messages: answers from it, and from the stored messages by hand."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import world
from measure import Case, Group, Target, at_least, below

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    import polars as pl

_TEN = 10  # times as many messages as the other groups have


def groups(n_messages: int) -> Iterator[Callable[[], Group]]:
    """Give the groups, each made (its data with it) only when it is asked for."""
    n_messages *= _TEN

    def lake_tools() -> Group:
        lake, stored = str(world.lake(n_messages)), str(world.stored(n_messages))
        return Group(
            "scale",
            "lake-tools",
            f"Calls and errors of each tool, {n_messages:,} messages",
            (
                Case("tools_lake", lake),
                Case("calls_lake", lake),
                Case("usage_script", lake),
                Case("tools_duckdb", stored),
                Case("tools_duckdb_whole", stored),
                Case("tools_polars", stored),
            ),
            (
                Target("4", "tool_usage ≤ 0.5 s, wall", below("wall", 0.5 * n_messages / 1e7)),
                Target(
                    "4",
                    "calls and errors alone ≥ 8 x DuckDB by hand, wall",
                    lambda results, _own: at_least("tools_duckdb", "wall", 8)(
                        results, "calls_lake"
                    ),
                ),
                Target(
                    "4",
                    "tool_usage ≥ 8 x DuckDB by hand, conversations and users too, wall",
                    at_least("tools_duckdb_whole", "wall", 8),
                    limit="usage_script",
                ),
            ),
        )

    def lake_lengths() -> Group:
        lake, stored = str(world.lake(n_messages)), str(world.stored(n_messages))
        return Group(
            "scale",
            "lake-lengths",
            f"Messages, characters and duration of each conversation, {n_messages:,} messages",
            (
                Case("sizes_lake", lake),
                Case("lengths_lake", lake),
                Case("sizes_duckdb", stored),
                Case("sizes_polars", stored),
            ),
            (
                Target("4", "≤ 1.0 s, wall", below("wall", n_messages / 1e7)),
                Target("4", "≥ 6 x DuckDB by hand, wall", at_least("sizes_duckdb", "wall", 6)),
            ),
        )

    yield from (lake_tools, lake_lengths)


def tools_lake(source: str) -> Callable[[], dict[str, Any]]:
    """cd.analysis.tool_usage of a lake."""
    import chatdata as cd

    cd.analysis.tool_usage(cd.scan(_tiny()))

    def work() -> dict[str, Any]:
        usage = cd.analysis.tool_usage(cd.scan(source))
        counts = usage.select("name", "n_tool_calls", "n_errors").sort("name")
        return {"tools": [list(row) for row in counts.rows()]}

    return work


def calls_lake(source: str) -> Callable[[], dict[str, Any]]:
    """Calls and errors alone, over the lake's columns: the least that the question takes."""
    import polars as pl

    import chatdata as cd

    cd.scan(_tiny()).tool_calls.collect()

    def work() -> dict[str, Any]:
        failed = pl.col("status").is_in(["error", "timeout"]).sum()
        calls = cd.scan(source).tool_calls.group_by("name")
        found = calls.agg(pl.len(), n_errors=failed).sort("name").collect()
        return {"tools": [list(row) for row in found.rows()]}

    return work


def usage_script(source: str) -> Callable[[], dict[str, Any]]:
    """The least for conversations and users too: the lake's Parquet in a script of Polars."""
    import polars as pl

    def work() -> dict[str, Any]:
        talks = pl.scan_parquet(f"{source}/conversations/**/*.parquet", hive_partitioning=False)
        failed = pl.col("status").is_in(["error", "timeout"]).sum()
        found = (
            pl.scan_parquet(f"{source}/tool_calls/**/*.parquet", hive_partitioning=False)
            .group_by("conversation_id", "name")
            .agg(pl.len(), n_errors=failed)
            .join(talks.select("conversation_id", "user_id"), on="conversation_id", how="left")
            .group_by("name")
            .agg(
                pl.col("len", "n_errors").sum(),
                n_talks=pl.len(),
                n_users=pl.col("user_id").n_unique(),
            )
            .sort("name")
            .collect()
        )
        return {"tools": [list(row[:3]) for row in found.rows()]}

    return work


def tools_duckdb(source: str) -> Callable[[], dict[str, Any]]:
    """The same by hand: the stored JSON through from_json, guarded, in DuckDB."""
    return _from_json(source)


def tools_duckdb_whole(source: str) -> Callable[[], dict[str, Any]]:
    """The same with the conversations and the users of each tool, as `tool_usage` gives them."""
    return _from_json(
        source, ", count(DISTINCT conversation_id) AS n_talks, count(DISTINCT user_id) AS n_users"
    )


def _from_json(source: str, more: str = "") -> Callable[[], dict[str, Any]]:
    import duckdb

    shape = '[{"tool":"VARCHAR","parameters":"JSON","result":{"success":"BOOLEAN"}}]'

    def work() -> dict[str, Any]:
        found = duckdb.sql(
            f"""
            WITH calls AS (
                SELECT conversation_id, user_id, unnest(from_json(tool_calls, '{shape}')) AS call
                FROM '{source}/*.parquet'
                WHERE tool_calls IS NOT NULL AND json_valid(tool_calls)
            )
            SELECT call.tool AS name, count(*), count(*) FILTER (NOT call.result.success){more}
            FROM calls GROUP BY ALL ORDER BY name
            """
        ).fetchall()
        return {"tools": [list(row[:3]) for row in found]}

    return work


def tools_polars(source: str) -> Callable[[], dict[str, Any]]:
    """The same by hand: json_decode in Polars."""
    import polars as pl

    call = pl.Struct({"tool": pl.String(), "result": pl.Struct({"success": pl.Boolean()})})

    def work() -> dict[str, Any]:
        found = (
            pl.scan_parquet(f"{source}/*.parquet")
            .filter(pl.col("tool_calls").is_not_null())
            .select(pl.col("tool_calls").str.json_decode(pl.List(call)).alias("call"))
            .explode("call")
            .unnest("call")
            .group_by(name="tool")
            .agg(pl.len(), n_errors=(~pl.col("result").struct["success"]).sum())
            .sort("name")
            .collect()
        )
        return {"tools": [list(row) for row in found.rows()]}

    return work


def sizes_lake(source: str) -> Callable[[], dict[str, Any]]:
    """Messages, characters and wall duration alone, over the lake's columns."""
    import polars as pl

    import chatdata as cd

    cd.scan(_tiny()).messages.collect()

    def work() -> dict[str, Any]:
        return _totals(_sizes(cd.scan(source).messages, pl.col("n_chars").sum()))

    return work


def lengths_lake(source: str) -> Callable[[], dict[str, Any]]:
    """cd.analysis.conversation_length of a lake: all twelve measures."""
    import polars as pl

    import chatdata as cd

    cd.analysis.conversation_length(cd.scan(_tiny())).collect()

    def work() -> dict[str, Any]:
        found = cd.analysis.conversation_length(cd.scan(source)).select(
            n="n_messages", chars="n_chars", seconds=pl.col("duration_wall_s")
        )
        return _totals(found)

    return work


def sizes_duckdb(source: str) -> Callable[[], dict[str, Any]]:
    """The same by hand, from the text, in DuckDB."""
    import duckdb

    def work() -> dict[str, Any]:
        found = duckdb.sql(
            f"""
            SELECT count(*) AS n, sum(length(content)) AS chars,
                   CASE WHEN count(created_at) > 1
                   THEN epoch_us(max(created_at)) - epoch_us(min(created_at)) END / 1e6 AS seconds
            FROM '{source}/*.parquet' GROUP BY conversation_id
            """
        )
        return _totals(found.pl().lazy())

    return work


def sizes_polars(source: str) -> Callable[[], dict[str, Any]]:
    """The same by hand, from the text, in Polars."""
    import polars as pl

    def work() -> dict[str, Any]:
        frame = pl.scan_parquet(f"{source}/*.parquet")
        return _totals(_sizes(frame, pl.col("content").str.len_chars().cast(pl.Int64).sum()))

    return work


def _tiny() -> str:
    """A lake of a few rows: what is asked of it loads every module that the measured one needs."""
    return str(world.lake(1000))


def _sizes(messages: pl.LazyFrame, chars: pl.Expr) -> pl.LazyFrame:
    import polars as pl

    span = (pl.col("created_at").max() - pl.col("created_at").min()).dt.total_microseconds()
    return messages.group_by("conversation_id").agg(
        n=pl.len(),
        chars=chars,
        seconds=pl.when(pl.col("created_at").count() > 1).then(span / 1e6),
    )


def _totals(sizes: pl.LazyFrame) -> dict[str, Any]:
    """Add the conversations up, so that answers of a million rows can be compared."""
    import polars as pl

    row = sizes.select(
        pl.len().alias("conversations"),
        pl.col("n").cast(pl.Int64).sum(),
        pl.col("chars").cast(pl.Int64).sum(),
        (pl.col("seconds").sum() / 1e3).round(0).cast(pl.Int64),
    ).collect()
    return dict(zip(row.columns, row.row(0), strict=True))

"""What DuckDB reads of a Polars frame: only what a query needs, and what it would read itself."""

from __future__ import annotations

import duckdb
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pytest
from random_chats import random_chats

from chatdata.engines.scanned import Scanned

QUERIES = [
    "select count(*) from messages",
    "select role, kind, count(*), sum(n_chars) from messages group by all",
    "select count(*) from messages where created_at > '2025-01-02' and n_chars is not null",
    "select count(*) from messages where content is null or role in ('user', 'tool')",
    "select count(*) from messages where not is_main_path or content < 'm'",
    "select min(content), max(content), count(distinct content) from messages where content <> ''",
    (
        "select count(*) from messages a join messages b on a.message_id = b.parent_message_id"
        " where b.role = 'assistant'"
    ),
    (
        "select message_id from messages where created_at is not null"
        " order by created_at desc, message_id limit 7"
    ),
]


@pytest.fixture(scope="module")
def messages():
    return random_chats(3).messages.collect()


@pytest.mark.parametrize("query", QUERIES)
def test_a_query_has_the_answer_of_parquet(messages, query, tmp_path):
    """
    DuckDB's answer over the frame is its answer over the same rows in Parquet.
    """
    messages.write_parquet(tmp_path / "messages.parquet")
    with duckdb.connect() as alone:
        alone.register("messages", Scanned(messages.lazy()))
        found = alone.sql(query).fetchall()
    with duckdb.connect() as other:
        other.sql(f"create view messages as from '{tmp_path}/messages.parquet'")
        expected = other.sql(query).fetchall()

    assert expected
    assert sorted(map(repr, expected)) == sorted(map(repr, found))


def test_only_what_is_needed_is_read(messages, monkeypatch):
    """
    Columns that a query does not name, and frames that it does not name, are left alone.
    """
    asked = []
    whole = Scanned.scanner

    def scanner(self, columns=None, **how):
        asked.append(columns)
        return whole(self, columns, **how)

    monkeypatch.setattr(Scanned, "scanner", scanner)
    with duckdb.connect() as alone:
        alone.register("messages", Scanned(messages.lazy()))
        alone.register("others", Scanned(messages.lazy()))
        alone.sql("select max(n_chars) from messages where role = 'user'").fetchall()

    assert [{"n_chars", "role"}] == [set(columns) for columns in asked]


def test_a_frame_is_scanned_as_often_as_asked():
    """
    Each scan reads anew; without columns or filter it gives everything, also of no rows.
    """
    frame = pl.LazyFrame({"a": [3, 1, 2], "b": ["x", None, "🙂"]})
    scanned = Scanned(frame)

    for _ in range(2):
        assert frame.collect().rows() == pl.DataFrame(scanned.scanner().to_table()).rows()
    kept = scanned.scanner(["a"], filter=ds.field("a") > 1).to_table()
    assert [3, 2] == kept["a"].to_pylist()
    assert pa.schema({"a": pa.int64()}) == Scanned(frame.clear()).scanner(["a"]).to_table().schema

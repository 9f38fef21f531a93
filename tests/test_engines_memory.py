"""What DuckDB may hold in memory, and what becomes of the rest."""

from __future__ import annotations

import pytest

import chatdata as cd
from chatdata.engines.duckdb import connection, limit
from chatdata.errors import EngineError


@pytest.fixture(autouse=True)
def unlimited():
    """
    The limit is that of the process: put it back.
    """
    before = connection().sql("SELECT current_setting('memory_limit')").fetchone()[0]
    yield
    limit(before)


def test_a_limit_is_kept_to():
    """
    A sort of twice the limit is finished, in order: DuckDB refuses what it cannot put on disk.
    """
    chats = cd.scan("sample?conversations=5", engine="duckdb", memory_limit="100MB")
    rows = connection().sql(
        "SELECT md5(i::VARCHAR) AS h, repeat('x', 40) AS t FROM range(2000000) AS r(i) ORDER BY h"
    )
    last = ""
    n = 0
    for batch in rows.to_arrow_reader(100_000):
        hashes = batch.column("h").to_pylist()
        assert [last, *hashes] == sorted([last, *hashes])
        last, n = hashes[-1], n + len(hashes)

    assert 2_000_000 == n
    assert "95.3 MiB" == connection().sql("SELECT current_setting('memory_limit')").fetchone()[0]
    assert 5 == chats.conversations.count("*").fetchone()[0]


@pytest.mark.parametrize("engine", ["polars", "spark"])
def test_only_duckdb_keeps_to_a_limit(engine):
    """
    An engine that cannot keep to a limit is not given one in silence.
    """
    with pytest.raises(EngineError, match=f"for {engine}; only engine='duckdb'"):
        cd.scan("sample", engine=engine, memory_limit="1GB")


@pytest.mark.parametrize("size", ["lots", "-3MB", "80%", "", "1 GB; DROP"])
def test_a_limit_is_a_size(size):
    """
    What is no size is refused, and nothing changes.
    """
    before = connection().sql("SELECT current_setting('memory_limit')").fetchone()
    with pytest.raises(EngineError, match="expected a size like 800MB or 4GiB"):
        cd.scan("sample", engine="duckdb", memory_limit=size)

    assert before == connection().sql("SELECT current_setting('memory_limit')").fetchone()

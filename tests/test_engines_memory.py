"""What DuckDB may hold in memory, and what becomes of the rest."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import chatdata as cd
from chatdata.engines import duckdb as on_duckdb
from chatdata.engines.duckdb import connection, limit
from chatdata.errors import EngineError

pytestmark = pytest.mark.usefixtures("unlimited")


SORT = """
from pathlib import Path
import chatdata as cd
from chatdata.engines.duckdb import connection

chats = cd.scan("sample?conversations=5", engine="duckdb", memory_limit="500MB")
rows = connection().sql(
    "SELECT md5(i::VARCHAR) AS h, repeat('x', 40) AS t FROM range(5000000) AS r(i) ORDER BY h"
)
last, n = "", 0
for batch in rows.to_arrow_reader(10_000):
    hashes = batch.column("h").to_pylist()
    assert [last, *hashes] == sorted([last, *hashes])
    last, n = hashes[-1], n + len(hashes)
status = Path("/proc/self/status").read_text().splitlines()
(peak,) = (int(line.split()[1]) for line in status if line.startswith("VmHWM:"))
print(n, chats.conversations.count("*").fetchone()[0], peak * 1024 // 1_000_000)
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the system tells no peaks")
def test_a_process_keeps_to_a_limit():
    """
    A sort that outgrows the limit is finished, in order, and the whole process stays near it.
    """
    done = subprocess.run([sys.executable, "-c", SORT], capture_output=True, text=True, check=True)
    n, n_conversations, peak_mb = map(int, done.stdout.split())

    assert (5_000_000, 5) == (n, n_conversations)
    assert 575 > peak_mb


@pytest.mark.parametrize(
    ("asked", "held_mb", "own_mb"),
    [
        pytest.param("1GB", 250, 350, id="what the process holds, and room, are left"),
        pytest.param("1GiB", 0, 644, id="binary sizes"),
        pytest.param("9GB", 0, 5400, id="many threads"),
        pytest.param("2 gb", 1600, 500, id="a quarter is left, whatever the process holds"),
        pytest.param("0.5GB", 100, 200, id="fractions"),
    ],
)
def test_what_of_a_limit_duckdb_gets(asked, held_mb, own_mb, monkeypatch):
    """
    DuckDB gets what the process does not hold, a thread for each half gigabyte of it, and keeps no
    order that nobody asked for.
    """
    monkeypatch.setattr(on_duckdb, "_held_bytes", lambda: held_mb * 1_000_000)
    limit(asked)
    size, in_order, n_threads = (
        connection().sql(f"SELECT current_setting('{name}')").fetchone()[0]
        for name in ("memory_limit", "preserve_insertion_order", "threads")
    )

    number, unit = size.split()
    mib = float(number) * {"MiB": 1, "GiB": 1024}[unit]

    assert own_mb == pytest.approx(mib * 1.048576, rel=0.01)
    assert not in_order
    assert min(max(own_mb // 500, 1), os.cpu_count()) == n_threads


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

"""What DuckDB would print by itself."""

from __future__ import annotations

import subprocess
import sys

ASKED = """
import chatdata as cd
from chatdata.engines import duckdb
from chatdata.migrate.copying import scratch
asked = "SELECT current_setting('enable_progress_bar')"
print(duckdb.connection().sql(asked).fetchall())
print(cd.scan("sample?conversations=2").sql(asked).rows())
with scratch.opened() as connection:
    print(connection.sql(asked).fetchall())
"""


def test_no_progress_bar():
    """
    Nothing is drawn where answers go, also where DuckDB takes the process for an interactive one.
    """
    # It does for a program that is no file, as in a notebook.
    ran = subprocess.run([sys.executable, "-c", ASKED], capture_output=True, text=True, check=True)

    assert ["[(False,)]"] * 3 == ran.stdout.splitlines()

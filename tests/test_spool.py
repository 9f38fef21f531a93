"""What waits in memory takes no more of it than its rows."""

from __future__ import annotations

import polars as pl
from polars.testing import assert_frame_equal

from chatdata import schema
from chatdata.spool import detached


def n_bytes(frame):
    """
    What a frame keeps in memory, shared with others or not.
    """
    arrays = frame.to_arrow(compat_level=pl.CompatLevel.newest()).combine_chunks().columns
    chunks = [chunk for array in arrays for chunk in array.chunks]
    return sum(buffer.size for chunk in chunks for buffer in chunk.buffers() if buffer)


def test_few_rows_do_not_keep_the_others():
    """
    Rows that were taken out of many share their texts with them until they are detached.
    """
    many = pl.DataFrame({"text": [f"{n:05} " * 20 for n in range(10_000)]})
    few = many.filter(pl.int_range(pl.len()) % 1000 == 0)

    assert n_bytes(few) > 1_000_000
    assert n_bytes(detached(few)) < 5_000
    assert_frame_equal(few, detached(few))


def test_every_type_of_the_contract_is_kept():
    """
    A frame is the same afterwards, whatever its columns hold.
    """
    for table in schema.TABLES:
        frame = table.schema.to_frame()
        full = frame.clear(3)
        assert_frame_equal(full, detached(full))
        assert frame.schema == detached(frame).schema

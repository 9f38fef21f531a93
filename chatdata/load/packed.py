"""Rows of many frames in one table: each column of a frame in a column that has its type.

A function that Spark runs gives one table; five tables would mean five readings. The columns are
as many as the widest frame needs, so that rows of one frame waste little on those of another.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    import pyarrow as pa
    from pyspark.sql import DataFrame

# What workers tell beside the five frames of the contract.
FRAMES: dict[str, dict[str, pl.DataType]] = {
    **{table.name: dict(table.schema) for table in schema.TABLES},
    "links": {"name": pl.String(), "has": pl.Boolean()},
    "documents": {"number": pl.Int64(), "n_read": pl.Int64()},
    "findings": {
        "stage": pl.Int64(),
        "number": pl.Int64(),
        "place": pl.Int64(),
        "origin": pl.String(),
        "subject": pl.String(),
        "became": pl.String(),
        "reason": pl.String(),
    },
    "errors": {
        "kind": pl.String(),
        "message": pl.String(),
        "source": pl.String(),
        "line": pl.Int64(),
    },
}
_SLOTS: dict[type[pl.DataType], tuple[str, pl.DataType]] = {
    pl.String: ("text", pl.String()),
    pl.Boolean: ("flag", pl.Boolean()),
    pl.Datetime: ("time", schema.TIME),
}
_NUMBER = ("number", pl.Int64())
_BATCH_BYTES = 32 << 20


def placed(columns: Mapping[str, pl.DataType]) -> dict[str, tuple[str, pl.DataType]]:
    """Give each column of a frame its column in the packed table, and that one's type."""
    used: dict[str, int] = {}
    places = {}
    for name, dtype in columns.items():
        kind, packed = _SLOTS.get(type(dtype), _NUMBER)
        used[kind] = used.get(kind, -1) + 1
        places[name] = (f"{kind}_{used[kind]}", packed)
    return places


_PLACES = {name: placed(columns) for name, columns in FRAMES.items()}
COLUMNS: dict[str, pl.DataType] = {
    "frame": pl.String(),
    "lineage": pl.Int64(),
    **dict(sorted(place for places in _PLACES.values() for place in places.values())),
}


def pack(name: str, rows: pl.DataFrame) -> Iterator[pa.RecordBatch]:
    """Pack rows of a frame and their `lineage`, in batches that fit into a message to Spark."""
    places = _PLACES[name]
    held = {place: pl.col(column).cast(dtype) for column, (place, dtype) in places.items()}
    held |= {"frame": pl.lit(name), "lineage": pl.col("lineage").cast(pl.Int64)}
    packed = rows.select(
        held.get(column, pl.lit(None, dtype)).alias(column) for column, dtype in COLUMNS.items()
    )
    n_batches = max(1, int(packed.estimated_size()) // _BATCH_BYTES)
    for part in packed.iter_slices(-(-packed.height // n_batches) or 1):
        table = part.to_arrow()
        yield from table.cast(_arrow(table.schema)).combine_chunks().to_batches()


def unpack(packed: DataFrame, name: str, *more: str) -> DataFrame:
    """Give the rows of one frame back, in the types that Spark has for it, with more columns."""
    from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

    return packed.where(F.col("frame") == name).select(
        *(F.col(place).alias(column) for column, (place, _) in _PLACES[name].items()), *more
    )


def _arrow(found: pa.Schema) -> pa.Schema:
    """Give texts the offsets of 32 bits that Spark expects."""
    import pyarrow as pa

    return pa.schema(
        pa.field(field.name, pa.string() if pa.types.is_large_string(field.type) else field.type)
        for field in found
    )

"""Frames on Spark: one machine's or a cluster's.

Spark has no unsigned integers, so counts and positions are 64 bits wide there.
"""

from __future__ import annotations

import re
import threading
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl
import pyarrow as pa
from pyspark.errors import AnalysisException, PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it
from pyspark.sql import types as T  # noqa: N812

from chatdata import schema
from chatdata.engines import UNSAID
from chatdata.engines.polars import pseudonyms
from chatdata.errors import EngineError, QueryError

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime
    from pathlib import Path

    from pyspark.sql import DataFrame, SparkSession

    from chatdata.engines import Name

NAME: Name = "spark"

_EPOCH = "TIMESTAMP_NTZ'1970-01-01 00:00:00'"
_TYPES: dict[type[pl.DataType], T.DataType] = {
    pl.String: T.StringType(),
    pl.Boolean: T.BooleanType(),
    pl.UInt32: T.LongType(),
    pl.UInt64: T.LongType(),
    pl.Int64: T.LongType(),
    pl.Datetime: T.TimestampNTZType(),
}
_UNSIGNED = (pl.UInt32(), pl.UInt64())
_GLOB = re.compile(r"[\\{}\[\]*?]")
_naming = threading.Lock()


def hold(frames: Mapping[str, pl.DataFrame], session: SparkSession) -> dict[str, DataFrame]:
    """Send frames in memory to a session."""
    return {
        name: session.createDataFrame(frame.to_arrow(), struct(frame.schema))
        for name, frame in frames.items()
    }


def scan_files(session: SparkSession, files: list[Path], table: schema.Table) -> DataFrame:
    """Give the rows of some Parquet files of a frame, to be read when they are asked for."""
    if not files:
        return session.createDataFrame([], struct(table.schema))
    # A relative path would be one of the folder in which the session's Java was started.
    paths = (_GLOB.sub(r"\\\g<0>", str(path.absolute())) for path in files)
    return _typed(session.read.schema(_stored(table)).parquet(*paths), table)


def scan_folder(session: SparkSession, urls: list[str], table: schema.Table) -> DataFrame:
    """Give the rows of all Parquet files below URLs that Spark reaches; none may be there."""
    read = session.read.schema(_stored(table)).option("recursiveFileLookup", "true")
    try:
        return _typed(read.parquet(*urls), table)
    except AnalysisException as error:
        if "PATH_NOT_FOUND" not in str(error):
            raise
        return session.createDataFrame([], struct(table.schema))


def _stored(table: schema.Table) -> T.StructType:
    """Give the types in which Spark reads the Parquet of a frame."""
    stored = struct(table.schema)
    for field in stored:
        if table.schema[field.name] == pl.UInt64:
            field.dataType = T.DecimalType(20, 0)
    return stored


def _typed(read: DataFrame, table: schema.Table) -> DataFrame:
    return read.select(
        *(
            F.col(field.name).cast(field.dataType).alias(field.name)
            for field in struct(table.schema)
        )
    )


def struct(columns: Mapping[str, pl.DataType]) -> T.StructType:
    """Give the Spark types of columns of the contract."""
    return T.StructType(
        [T.StructField(name, _TYPES[type(dtype)]) for name, dtype in columns.items()]
    )


def collect(frames: Mapping[str, DataFrame]) -> dict[str, pl.DataFrame]:
    """Read frames into this process's memory, in the types of the contract."""
    tables = {table.name: table for table in schema.TABLES}
    return {name: _polars(frame).cast(tables[name].schema) for name, frame in frames.items()}


def query(frames: Mapping[str, DataFrame], sql: str) -> pl.DataFrame:
    """Run a query in Spark's SQL; views of the session that have these names are put back."""
    session = next(iter(frames.values())).sparkSession
    # The names are the session's, so two queries at once would see each other's tables.
    with _naming:
        before = {name: session.table(name) for name in frames if _is_view(session, name)}
        for name, frame in frames.items():
            frame.createOrReplaceTempView(name)
        try:
            return _polars(session.sql(sql))
        except AnalysisException as error:
            raise QueryError(str(error).strip().splitlines()[0]) from None
        except PySparkException as error:
            instead = "try_cast(x as type) and the other try_ functions give null instead"
            raise QueryError(f"{error.getCondition()}: {UNSAID}; {instead}") from None
        finally:
            for name in frames:
                session.catalog.dropTempView(name)
            for name, frame in before.items():
                frame.createOrReplaceTempView(name)


def check_joinable(frames: Iterable[DataFrame]) -> None:
    """Make sure that all frames are of one session."""
    if len({frame.sparkSession for frame in frames}) > 1:
        raise EngineError(
            "frames of two Spark sessions cannot meet; read both with the same spark="
        )


def types(table: schema.Table) -> dict[str, pl.DataType]:
    """Give the types of the contract, without the unsigned ones."""
    return {
        name: pl.Int64() if dtype in _UNSIGNED else dtype for name, dtype in table.schema.items()
    }


def with_microseconds(frame: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """Add integer microseconds since 1970."""
    return frame.withColumns(
        {
            name: F.expr(f"timestampdiff(MICROSECOND, {_EPOCH}, {time})")
            for name, time in columns.items()
        }
    )


def with_bytes(frame: DataFrame, columns: Mapping[str, str]) -> DataFrame:
    """Add numbers of bytes."""
    return frame.withColumns(
        {name: F.octet_length(text).cast("bigint") for name, text in columns.items()}
    )


def moment(at: datetime) -> nw.Expr:
    """Give a naive moment in UTC as a literal; Spark would take a Python one for local time."""
    return nw.lit(at.isoformat(" ")).cast(nw.Datetime("us"))


def pseudonymised(frame: DataFrame, namespaces: Mapping[str, str], key: bytes) -> DataFrame:
    """Put keyed pseudonyms in place of ids, in the workers: the key is in no plan and no log."""

    def replaced(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            rows = pl.DataFrame(batch)
            hidden = rows.with_columns(
                pseudonyms(key, namespace, rows[column]) for column, namespace in namespaces.items()
            )
            yield from hidden.to_arrow().cast(batch.schema).to_batches()

    return frame.mapInArrow(replaced, frame.schema)


def batches(frame: DataFrame) -> Iterator[pl.DataFrame]:
    """Give the rows in batches, in no order, a partition at a time.

    Rows travel packed, because Spark hands them over one by one as objects otherwise.
    """
    packed = frame.mapInArrow(_packed, "batch binary")
    for row in packed.toLocalIterator():
        yield pl.read_ipc_stream(bytes(row.batch))


def _packed(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    for batch in batches:
        sink = pa.BufferOutputStream()
        with pa.ipc.new_stream(sink, batch.schema) as stream:
            stream.write_batch(batch)
        content = sink.getvalue().to_pybytes()
        yield pa.RecordBatch.from_pydict({"batch": pa.array([content], pa.binary())})


def _polars(frame: DataFrame) -> pl.DataFrame:
    return pl.DataFrame(frame.toArrow())


def _is_view(session: SparkSession, name: str) -> bool:
    return session.catalog.tableExists(name) and session.catalog.getTable(name).isTemporary

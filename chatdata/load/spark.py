"""Any source in, `Chats` on Spark out.

A lake is read there. Files are parsed by the workers, as this process would parse them: each task
reads some of them and settles what is the same message among those. Files that share a lineage
across tasks are read again, together. An application's database is read on this machine.
"""

from __future__ import annotations

import math
import re
import uuid
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import polars as pl
from pyspark.errors import PySparkException
from pyspark.sql import functions as F  # noqa: N812 - as everybody writes it

from chatdata import errors, schema
from chatdata.chats import Chats, Finding, from_frames
from chatdata.engines.spark import scan_files, scan_folder, struct
from chatdata.errors import EngineError, SourceError
from chatdata.formats.lake import MARK, Stored, open_lake, stored
from chatdata.load import worker
from chatdata.load.collect import Found, refuse
from chatdata.load.lineage import gathered, joined
from chatdata.load.packed import COLUMNS, unpack
from chatdata.load.read import read
from chatdata.load.scope import scoped
from chatdata.spool import folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    import pyarrow as pa
    from pyspark.sql import DataFrame, SparkSession

    from chatdata.load.read import Source
    from chatdata.load.scope import Scope
    from chatdata.load.worker import Listed, Work

_TASK_BYTES = 64 << 20
_FILE_BYTES = 16 << 10
"""What opening a file costs, in bytes that could be read meanwhile."""
_TASKS_PER_CORE = 2
_ASSUMED_CORES = 8
_NO_MODULE = re.compile(r"No module named '([\w.]+)'")


def read_there(source: Source, scope: Scope, session: SparkSession) -> Chats[DataFrame]:
    """Read a source into frames of a Spark session.

    Raises:
        SourceError: the source cannot be read.
        EngineError: the workers cannot read it, or it is a database and the session a cluster's.
    """
    if source.kind == "sample":
        return read(source, scope).to("spark", spark=session)
    if source.kind == "database":
        return _handed_over(source, scope, session)
    if source.kind == "lake":
        scan_there = partial(scan_files, session)
        return scoped(
            open_lake(stored(Path(source.where)), scan_there, scope.since, scope.until), scope
        )
    return scoped(_read_files(source, scope, session), scope)


def lake_there(url: str, session: SparkSession) -> Chats[DataFrame]:
    """Read a lake on storage that Spark reaches by itself; the URL is given to it as it is.

    Raises:
        SourceError: Spark finds no lake there.
    """
    url = url.rstrip("/")
    shown = re.sub("//[^/]*@", "//", url)
    try:
        mark = "".join(row[0] for row in session.read.text(f"{url}/{MARK}").collect())
    except Exception as error:
        # Java's errors come in many classes, and quote what they please.
        raise SourceError(
            "Spark finds no lake there; logs in a bucket are read with engine='polars' or "
            "'duckdb', other storage needs its Hadoop package",
            source=shown,
        ) from error
    name = url.rpartition("/")[2]
    files = {table.name: [f"{url}/{table.name}"] for table in schema.TABLES}
    scan_there = partial(scan_folder, session)
    return open_lake(Stored(name, shown, mark, files), scan_there)


def _handed_over(source: Source, scope: Scope, session: SparkSession) -> Chats[DataFrame]:
    """Read a database on this machine, and let a Spark on this machine read what it gave."""
    master = str(session.conf.get("spark.master", ""))
    if not master.startswith("local"):
        raise EngineError(
            "an application's database is read on one machine, which a cluster cannot look into; "
            "run `chatdata import URL --into LAKE` on storage that it shares, and scan the lake"
        )
    chats = read(source, scope)
    frames = {}
    for table in schema.TABLES:
        path = folder() / f"{uuid.uuid4().hex}.parquet"
        chats.frames[table.name].sink_parquet(path, compression="zstd", compression_level=1)
        frames[table.name] = scan_files(session, [path], table)
    origin = chats.findings[0].origin if chats.findings else "database"
    reason = "read on this machine into temporary Parquet, which Spark reads; removed at exit"
    handed = Finding(origin, "frames", f"frames on Spark {master}", reason)
    return from_frames(frames, (*chats.findings, handed))


def _read_files(source: Source, scope: Scope, session: SparkSession) -> Chats[DataFrame]:
    files = [
        worker.Listed(
            number, str(each.file.absolute()), each.name, each.path, each.file.stat().st_size
        )
        for number, each in enumerate(source.documents)
    ]
    alone = len(files) == 1
    reads = partial(worker.Work, scope=scope, format=source.format, alone=alone)
    packed = _run(map(reads, _split([(file,) for file in files], session)), session)
    documents = _told(packed, "documents")
    _raise_told(_told(packed, "errors"))
    apart = joined(_shared(packed))
    if apart:
        numbers = gathered(dict(documents.select("number", "lineage").rows()), apart)
        groups = [[files[number] for number in group] for group in numbers]
        again = _run(map(reads, _split(groups, session)), session)
        packed = _without(packed, apart).unionByName(again)
    findings = _told(packed, "findings").sort("stage", "number", "place")
    told = [
        *source.copies,
        *(Finding(*row) for row in findings.select("origin", "subject", "became", "reason").rows()),
    ]
    if not documents["n_read"].sum():
        refuse(Found(findings=told), source.where)
    return from_frames({table.name: unpack(packed, table.name) for table in schema.TABLES}, told)


def _split(groups: Sequence[Sequence[Listed]], session: SparkSession) -> list[tuple[Listed, ...]]:
    n_bytes = sum(file.n_bytes for group in groups for file in group)
    return shared_out(
        groups, max(math.ceil(n_bytes / _TASK_BYTES), _TASKS_PER_CORE * _n_cores(session))
    )


def shared_out(groups: Sequence[Sequence[Listed]], n_tasks: int) -> list[tuple[Listed, ...]]:
    """Share groups of files out, about as many bytes to each task; neighbours stay together."""
    weights = [sum(file.n_bytes + _FILE_BYTES for file in group) for group in groups]
    parts: list[list[Listed]] = [[] for _ in range(n_tasks)]
    before = 0
    for group, weight in zip(groups, weights, strict=True):
        parts[before * n_tasks // sum(weights)].extend(group)
        before += weight
    return [tuple(part) for part in parts if part]


def _n_cores(session: SparkSession) -> int:
    try:
        return session.sparkContext.defaultParallelism
    except PySparkException:
        # Spark Connect does not tell.
        return _ASSUMED_CORES


def _run(works: Iterable[Work], session: SparkSession) -> DataFrame:
    """Let workers read files; what they give stays with them until the session ends."""
    listed = list(works)

    def read_each(batches: Iterable[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
        for batch in batches:
            for place in batch.column(0):
                yield from worker.run(listed[place.as_py()])

    numbers = session.range(0, len(listed), 1, len(listed))
    return numbers.mapInArrow(read_each, struct(COLUMNS)).persist()


def _shared(packed: DataFrame) -> list[list[int]]:
    """List the lineages of several tasks that share a name."""
    links = unpack(packed, "links", "lineage").groupBy("name")
    lineages = F.sort_array(F.collect_set("lineage")).alias("lineages")
    names = links.agg(lineages, F.max("has").alias("has"))
    shared = names.where(F.col("has") & (F.size("lineages") > 1)).select("lineages").distinct()
    return list(_collected(shared)["lineages"].to_list())


def _without(packed: DataFrame, lineages: Iterable[int]) -> DataFrame:
    """Leave out rows of some lineages."""
    left_out = pl.DataFrame({"lineage": list(lineages)}, schema={"lineage": pl.Int64()})
    gone = packed.sparkSession.createDataFrame(left_out.to_arrow())
    return packed.join(F.broadcast(gone), "lineage", "left_anti").select(*COLUMNS)


def _told(packed: DataFrame, name: str) -> pl.DataFrame:
    """Collect what workers tell beside the frames, with the lineage of each row."""
    return _collected(unpack(packed, name, "lineage"))


def _collected(frame: DataFrame) -> pl.DataFrame:
    try:
        return pl.DataFrame(frame.toArrow())
    except PySparkException as error:
        missing = _NO_MODULE.search(str(error))
        reason = f"they have no module {missing[1]!r}" if missing else "its traceback is the cause"
        raise EngineError(
            f"a Spark worker failed: {reason}; workers need chatdata as it is installed here"
        ) from error


def _raise_told(told: pl.DataFrame) -> None:
    """Raise what a worker could not read."""
    for row in told.select("kind", "message", "source", "line").rows(named=True):
        if row["kind"] == worker.MISSING:
            raise EngineError(
                "the workers find no such file; logs must lie on storage that all of them share",
                source=row["source"],
            )
        place = {} if row["line"] is None else {"line": row["line"]}
        raise getattr(errors, row["kind"])(row["message"], source=row["source"], **place)

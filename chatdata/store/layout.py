"""Where a row lies in a lake: in the folder of its source and its month.

`<frame>/source=<source>/month=<YYYY-MM>/<file>.parquet`, in the manner of Hive, which DuckDB,
Polars and Spark take for columns and prune by. The files keep every column of the contract.

A message has the month in which it was written; a call that of its message; a conversation the
month in which it began. What is not known is `__HIVE_DEFAULT_PARTITION__`: engines read it as null.
Rejects and accounting are few and lie in one folder each.
"""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING
from urllib.parse import quote, unquote

import polars as pl

from chatdata import schema
from chatdata.formats.lake import UNKNOWN
from chatdata.spool import detached

if TYPE_CHECKING:
    from collections.abc import Mapping

PARTITIONED = (schema.CONVERSATIONS, schema.MESSAGES, schema.TOOL_CALLS)
PLACE = ("_source", "_month")
_ORDER = ("conversation_id", "message_id", "position")
_MANY = 500_000
_MONTH = pl.col("created_at").dt.strftime("%Y-%m")


def folder(table: schema.Table, source: str | None, month: str | None) -> str:
    """Name the folder of a partition, below the lake."""
    if table not in PARTITIONED:
        return table.name
    named = UNKNOWN if source is None else quote(source, safe="")
    return f"{table.name}/source={named}/month={month or UNKNOWN}"


def place_of(path: str) -> tuple[str | None, str | None]:
    """Read source and month off the folder of a file."""
    named = dict(part.split("=", 1) for part in path.split("/")[:-1] if "=" in part)
    source, month = named.get("source", UNKNOWN), named.get("month", UNKNOWN)
    return None if source == UNKNOWN else unquote(source), None if month == UNKNOWN else month


def new_name(folder: str, stem: str) -> str:
    """Name a new file in a folder; by the beginning of its name readers of it know its kind."""
    return f"{folder}/{stem}-{uuid.uuid4().hex}.parquet"


def order(table: schema.Table) -> list[str]:
    """Name the columns by which the rows of a file are sorted."""
    if table is schema.MESSAGES:
        return ["conversation_id", "position"]
    return [name for name in _ORDER if name in table.schema and table in PARTITIONED]


def placed(
    table: schema.Table,
    frames: Mapping[str, pl.LazyFrame],
    known: Mapping[str, pl.LazyFrame] | None = None,
) -> pl.LazyFrame:
    """Add to each row of a frame where it belongs: `_source` and `_month`.

    Args:
        table: which of the frames.
        frames: the frames to write, by name.
        known: those of the lake, where `frames` may refer to rows that they do not hold.
    """
    frame = frames[table.name].select(table.schema.names())
    if table is schema.CONVERSATIONS:
        return frame.with_columns(_source="source", _month=_MONTH)
    if table not in PARTITIONED:
        return frame.with_columns(pl.lit(None, pl.String).alias(name) for name in PLACE)
    if (source := _only_source(frames, known)) is not None:
        frame = frame.with_columns(_source=pl.lit(source))
    else:
        frame = _told(frame, frames, known, schema.CONVERSATIONS, _source=pl.col("source"))
    if table is schema.MESSAGES:
        return frame.with_columns(_month=_MONTH)
    return _told(frame, frames, known, schema.MESSAGES, _month=_MONTH)


def _only_source(
    frames: Mapping[str, pl.LazyFrame], known: Mapping[str, pl.LazyFrame] | None
) -> str | None:
    """Give the source of all conversations, where there is but one: none has to be looked up."""
    own = frames["conversations"].select("source").unique().collect()["source"]
    if len(own) != 1:
        return None
    others = known["conversations"].select("source").unique().collect()["source"] if known else own
    return own[0] if set(others) <= set(own) else None


def _told(
    frame: pl.LazyFrame,
    frames: Mapping[str, pl.LazyFrame],
    known: Mapping[str, pl.LazyFrame] | None,
    table: schema.Table,
    **what: pl.Expr,
) -> pl.LazyFrame:
    """Add what another frame says of the rows that this one refers to; new rows speak first."""
    key = str(table.key)
    # Queries of their own: measured, they take less memory and time than as parts of the join.
    asked = detached(frame.select(key).unique().collect())
    sources = [
        source[table.name].select(key, **what)
        for source in ((frames, known) if known else (frames,))
    ]
    told = (
        detached(rows.join(asked, on=key, how="semi"))
        for source in sources
        for rows in source.collect_batches(chunk_size=_MANY)
    )
    # Of a frame without rows no batch comes.
    whole = pl.concat([sources[0].head(0).collect(), *told])
    first = whole.unique(key, keep="first", maintain_order=True)
    return frame.join(first.lazy(), on=key, how="left", maintain_order="left")

"""Frames on Polars: lazy, in this process."""

from __future__ import annotations

import hmac
from functools import partial
from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from datetime import datetime

    from chatdata import schema
    from chatdata.engines import Name

NAME: Name = "polars"

_DIGITS = 32


def collect(frames: Mapping[str, pl.LazyFrame]) -> dict[str, pl.DataFrame]:
    """Read frames into memory, what they share once."""
    return dict(zip(frames, pl.collect_all(frames.values()), strict=True))


def query(frames: Mapping[str, pl.LazyFrame], sql: str) -> pl.DataFrame:
    """Run a DuckDB query; only the frames that it names are read."""
    from chatdata.engines import duckdb

    return duckdb.query_lazily(frames, sql)


def check_joinable(_frames: Iterable[pl.LazyFrame]) -> None:
    """Polars frames always can."""


def types(table: schema.Table) -> dict[str, pl.DataType]:
    """Give the types of the contract, which are Polars'."""
    return dict(table.schema)


def with_microseconds(frame: pl.LazyFrame, columns: Mapping[str, str]) -> pl.LazyFrame:
    """Add integer microseconds since 1970."""
    return frame.with_columns(
        pl.col(time).dt.epoch("us").alias(name) for name, time in columns.items()
    )


def with_bytes(frame: pl.LazyFrame, columns: Mapping[str, str]) -> pl.LazyFrame:
    """Add numbers of bytes."""
    return frame.with_columns(
        pl.col(text).str.len_bytes().cast(pl.Int64).alias(name) for name, text in columns.items()
    )


def moment(at: datetime) -> nw.Expr:
    """Give a naive moment in UTC as a literal."""
    return nw.lit(at)


def pseudonymised(frame: pl.LazyFrame, namespaces: Mapping[str, str], key: bytes) -> pl.LazyFrame:
    """Put keyed pseudonyms in place of ids."""
    return frame.with_columns(
        pl.col(column).map_batches(
            partial(pseudonyms, key, namespace), pl.String, is_elementwise=True
        )
        for column, namespace in namespaces.items()
    )


def pseudonyms(key: bytes, namespace: str, ids: pl.Series) -> pl.Series:
    """Replace each id by HMAC-SHA-256(key, namespace, id), 128 bits of it; nulls stay."""
    known = ids.drop_nulls().unique()
    names = [
        # A zero byte between the two, which no namespace holds, keeps the parts apart.
        hmac.digest(key, f"{namespace}\0{each}".encode(), "sha256").hex()[:_DIGITS]
        for each in known
    ]
    return ids.replace_strict(known, pl.Series(names, dtype=pl.String), return_dtype=pl.String)


def batches(frame: pl.LazyFrame) -> Iterator[pl.DataFrame]:
    """Give the rows in batches, in no order, never all of them at once."""
    return frame.collect_batches(maintain_order=False)

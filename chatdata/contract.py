"""Whether frames follow the contract of `schema.py`, on whatever engine they live."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata import engines, schema

if TYPE_CHECKING:
    from collections.abc import Mapping

    from narwhals.typing import IntoLazyFrameT as Frame


def violations(frames: Mapping[str, Frame]) -> tuple[str, ...]:
    """Say, in one sentence each, what breaks the contract: columns, types, nulls, values, keys."""
    return tuple(
        sentence
        for table in schema.TABLES
        for sentence in _of_columns(table, frames[table.name])
        or _of_rows(table, frames[table.name])
    )


def _of_columns(table: schema.Table, frame: Frame) -> list[str]:
    expected = _schema(engines.engine_of(frame).types(table))
    found = nw.from_native(frame).collect_schema()
    if list(found.items()) == list(expected.items()):
        return []
    wrong = [
        f"{table.name}.{name}: found {found.get(name, 'nothing')}, expected {dtype}"
        for name, dtype in expected.items()
        if found.get(name) != dtype
    ]
    wrong += [f"{table.name}.{name}: not in the contract" for name in found if name not in expected]
    return wrong or [f"{table.name}: columns are not in the order of the contract"]


def _of_rows(table: schema.Table, frame: Frame) -> list[str]:
    checks = {
        f"{table.name}.{column.name}: %d nulls where none is allowed": _count(
            nw.col(column.name).is_null()
        )
        for column in table.columns
        if not column.nullable
    } | {
        f"{table.name}.{column.name}: %d values other than {', '.join(column.values)}": _count(
            ~nw.col(column.name).is_in(column.values)
        )
        for column in table.columns
        if column.values
    }
    if table.key:
        checks[f"{table.name}.{table.key}: %d rows repeat a key"] = nw.len().cast(
            nw.Int64
        ) - nw.col(table.key).n_unique().cast(nw.Int64)
    counted = nw.from_native(frame).select(
        **{str(place): count for place, count in enumerate(checks.values())}
    )
    row = counted.collect("polars").to_polars().row(0)
    return [sentence % count for sentence, count in zip(checks, row, strict=True) if count]


def _schema(columns: Mapping[str, pl.DataType]) -> nw.Schema:
    return nw.from_native(pl.LazyFrame(schema=columns)).collect_schema()


def _count(condition: nw.Expr) -> nw.Expr:
    return nw.when(condition).then(nw.lit(1)).otherwise(nw.lit(0)).sum()

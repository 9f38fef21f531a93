"""What tools are called with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import msgspec
import narwhals as nw
import polars as pl
import pyarrow as pa

from chatdata.analysis.rates import share

if TYPE_CHECKING:
    from collections.abc import Iterable

    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_arguments"]

_TYPES = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
_COLUMNS: dict[str, pa.DataType] = {
    "name": pa.string(),
    "key": pa.string(),
    "type": pa.string(),
    "value": pa.string(),
    "n": pa.int64(),
}


def tool_arguments(chats: Chats[Frame]) -> pl.DataFrame:
    """Infer from the calls what arguments each tool takes.

    No value is shown: only how often an argument is there, its types, sizes and variety.

    Returns:
        One row per tool and argument, by tool, then most often present first: `name`, `argument`
        (str), `n_tool_calls` (i64, with arguments that are a JSON object), `n_present` (i64, with
        this argument), `share` (f64, of those calls), `types` (str, JSON types, joined by ", "),
        `n_values` (i64, different ones), `p50_chars`, `max_chars` (f64, code points of the value as
        compact JSON, text without quotes).
    """
    calls = (
        nw.from_native(chats.tool_calls)
        .filter(~nw.col("arguments").is_null())
        .group_by("name", "arguments")
        .agg(n=nw.len().cast(nw.Int64))
        .collect("polars")
        .to_polars()
    )
    columns = (calls[name].to_list() for name in ("name", "arguments", "n"))
    values = pl.DataFrame(_values(zip(*columns, strict=True)))
    tools = calls.group_by("name").agg(n_tool_calls=pl.col("n").sum())
    n, size = pl.col("n"), pl.col("value").str.len_chars().cast(pl.Float64)
    return (
        values.group_by("name", argument="key")
        .agg(
            n_present=n.sum(),
            types=pl.col("type").unique().sort().str.join(", "),
            n_values=pl.col("value").n_unique().cast(pl.Int64),
            p50_chars=size.repeat_by("n").explode().quantile(0.5, "linear"),
            max_chars=size.max(),
        )
        .join(tools, on="name", nulls_equal=True)
        .with_columns(share=share(pl.col("n_present"), pl.col("n_tool_calls")))
        .select(
            "name",
            "argument",
            "n_tool_calls",
            "n_present",
            "share",
            "types",
            "n_values",
            "p50_chars",
            "max_chars",
        )
        .sort("name", "n_present", "argument", descending=[False, True, False], nulls_last=True)
    )


def _values(calls: Iterable[tuple[str | None, str, int]]) -> pa.Table:
    """Part arguments into their members: a kernel, Arrow out, nothing of an engine."""
    columns: tuple[list[Any], ...] = ([], [], [], [], [])
    for name, text, n in calls:
        for key, value in _members(text).items():
            row = (name, key, _TYPES[type(value)], _text(value), n)
            for column, cell in zip(columns, row, strict=True):
                column.append(cell)
    return pa.table(list(columns), schema=pa.schema(_COLUMNS))


def _members(text: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(text, type=dict[str, Any])
    except (msgspec.DecodeError, RecursionError):
        return {}


def _text(value: object) -> str:
    return value if isinstance(value, str) else msgspec.json.encode(value).decode()

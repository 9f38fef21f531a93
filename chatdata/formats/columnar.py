"""Conversations in Parquet columns to frames, without a Python object per row."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.formats.frames import Batch, columns_of
from chatdata.formats.records import Bad
from chatdata.formats.rows import KINDS, ROLES

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.formats.base import Reading

_ROWS = 20_000
_IDS = ("conversation_id", "conversation_hash")
_TAKEN = {"model", "conversation"}
_TURN_TAKEN = {"role", "content"}
_BROKEN = "the Parquet file is damaged, or a column is not what the format promises"
# What damaged pages and columns of an unexpected type raise.
BROKEN_PARQUET = (pl.exceptions.PolarsError, pl.exceptions.PanicException, OSError)


def batches(reading: Reading) -> Iterator[Batch]:
    """Read rows of `{id, model, conversation: [{role, content}], …}`, some thousand at a time.

    What cannot be read ends the reading, as one reject.
    """
    try:
        source = pl.scan_parquet(reading.document.local())
        names = source.collect_schema().names()
        native = next(name for name in _IDS if name in names)
        n_rows = source.select(pl.len()).collect().item()
        for start in range(0, n_rows, _ROWS):
            rows = source.slice(start, _ROWS).collect().with_row_index("_bundle", offset=1)
            batch = _batch(rows, native, reading, start)
            reading.n_records += rows.height
            yield batch
    except (*BROKEN_PARQUET, StopIteration):
        reading.n_records += 1
        reading.reject(Bad(reading.n_records, 0, ""), _BROKEN)


def _batch(rows: pl.DataFrame, native: str, reading: Reading, start: int) -> Batch:
    place = pl.concat_str(pl.lit(f"{reading.name}#"), pl.col("_bundle") + start)
    rows = rows.with_columns(_id=pl.coalesce(native, place))
    return Batch(
        _conversations(rows, native, reading),
        _messages(rows),
        pl.DataFrame(schema=columns_of("tool_calls")),
    )


def _conversations(rows: pl.DataFrame, native: str, reading: Reading) -> pl.DataFrame:
    others = _others(rows, _TAKEN | {native})
    named = {} if native == _IDS[0] else {"id_key": native}
    last = _moment(rows.schema["timestamp"]) if "timestamp" in rows.columns else pl.lit(None)
    return rows.select(
        conversation_id="_id",
        source=pl.lit(reading.source),
        origin=pl.lit(reading.origin),
        native_id=native,
        model="model" if "model" in rows.columns else pl.lit(None),
        updated_at=last,
        extra=_json(others, named),
        _bundle="_bundle",
        _n_records=pl.lit(1),
        _hint=pl.lit(value=False),
    )


def _messages(rows: pl.DataFrame) -> pl.DataFrame:
    turns = (
        rows.select("_id", "_bundle", "conversation")
        .explode("conversation", empty_as_null=False)
        .drop_nulls("conversation")
        .with_columns(_nth=pl.int_range(1, pl.len() + 1).over("_bundle"))
        .unnest("conversation")
    )
    role = pl.col("role").str.to_lowercase().replace_strict(ROLES, default=None)
    moment = _moment(turns.schema["timestamp"]) if "timestamp" in turns.columns else pl.lit(None)
    others = _others(turns, _TURN_TAKEN)
    turns = turns.with_columns(_role=role.fill_null("system"), _at=moment)
    id_ = pl.concat_str("_id", pl.lit(":"), "_nth")
    whole = pl.col("_at").dt.microsecond() == 0
    precision = pl.when(whole).then(pl.lit("s")).otherwise(pl.lit("us"))
    return turns.select(
        message_id=id_,
        conversation_id="_id",
        parent_message_id=pl.when(pl.col("_nth") > 1).then(id_.shift(1)),
        is_main_path=pl.lit(value=True),
        role="_role",
        role_raw="role",
        kind=pl.when(role.is_null())
        .then(pl.lit("event"))
        .otherwise(pl.col("_role").replace_strict(KINDS)),
        content="content",
        generation_id=pl.when(pl.col("_role") == "assistant").then(id_),
        created_at="_at",
        created_at_precision=pl.when(pl.col("_at").is_not_null()).then(precision),
        extra=_json(others),
        _bundle="_bundle",
        _n_records=pl.lit(0),
        _follows=pl.lit(value=True),
        _stamped=pl.lit(value=False),
    )


def _moment(dtype: pl.DataType) -> pl.Expr:
    column = pl.col("timestamp")
    if isinstance(dtype, pl.Datetime):
        utc = column.dt.convert_time_zone("UTC") if dtype.time_zone else column
        return utc.dt.replace_time_zone(None).cast(schema.TIME)
    return (
        column.cast(pl.String)
        .str.to_datetime(time_unit="us", strict=False, time_zone="UTC")
        .dt.replace_time_zone(None)
    )


def _others(rows: pl.DataFrame, taken: set[str]) -> list[str]:
    """Name the columns that go to `extra`; a typed time is told, text that spells one is kept."""
    typed = isinstance(rows.schema.get("timestamp"), pl.Datetime)
    taken = taken | {"timestamp"} if typed else taken
    return [name for name in rows.columns if name[0] != "_" and name not in taken]


def _json(names: list[str], notes: dict[str, str] | None = None) -> pl.Expr:
    noted = [pl.lit(value).alias(name) for name, value in (notes or {}).items()]
    values = [*map(pl.col, names), *noted]
    return pl.struct(values).struct.json_encode() if values else pl.lit(None, pl.String)

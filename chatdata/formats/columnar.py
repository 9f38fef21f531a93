"""Conversations in Parquet columns to frames, without a Python object per row."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

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
_NO_TIME = pl.lit(None, schema.TIME)
_TAKEN = {"model", "conversation"}
_TURN_TAKEN = {"role", "content"}
# Columns of our own beside those of the file, under names that no file has.
_ID, _NTH, _ROLE, _AT, _BUNDLE = (f"chatdata:{name}" for name in ("id", "nth", "role", "at", "row"))
_OURS = {_ID, _NTH, _ROLE, _AT, _BUNDLE}
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
            rows = source.slice(start, _ROWS).collect().with_row_index(_BUNDLE, offset=1)
            batch = _batch(rows, native, reading, start)
            reading.n_records += rows.height
            yield batch
    except (*BROKEN_PARQUET, StopIteration):
        reading.n_records += 1
        reading.reject(Bad(reading.n_records, None, ""), _BROKEN)


def _batch(rows: pl.DataFrame, native: str, reading: Reading, start: int) -> Batch:
    place = pl.concat_str(pl.lit(f"{reading.name}#"), pl.col(_BUNDLE) + start)
    rows = rows.with_columns(pl.coalesce(pl.col(native).cast(pl.String), place).alias(_ID))
    return Batch(
        _typed("conversations", _conversations(rows, native, reading)),
        _typed("messages", _messages(rows)),
        pl.DataFrame(schema=columns_of("tool_calls")),
    )


def _typed(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Give columns their types here, where one that has another in the file can be refused."""
    return frame.cast({column: columns_of(name)[column] for column in frame.columns})


def _conversations(rows: pl.DataFrame, native: str, reading: Reading) -> pl.DataFrame:
    others = _others(rows, _TAKEN | {native})
    named = {} if native == _IDS[0] else {"id_key": native}
    last = _moment(rows.schema["timestamp"]) if "timestamp" in rows.columns else _NO_TIME
    return rows.select(
        conversation_id=_ID,
        source=pl.lit(reading.source),
        origin=pl.lit(reading.origin),
        native_id=native,
        model="model" if "model" in rows.columns else pl.lit(None),
        updated_at=last,
        extra=_json(rows, others, named),
        _bundle=_BUNDLE,
        _n_records=pl.lit(1),
        _hint=pl.lit(value=False),
    )


def _messages(rows: pl.DataFrame) -> pl.DataFrame:
    turns = (
        rows.select(_ID, _BUNDLE, "conversation")
        .explode("conversation", empty_as_null=False)
        .drop_nulls("conversation")
        .with_columns(pl.int_range(1, pl.len() + 1).over(_BUNDLE).alias(_NTH))
        .unnest("conversation")
    )
    role = pl.col("role").str.to_lowercase().replace_strict(ROLES, default=None)
    moment = _moment(turns.schema["timestamp"]) if "timestamp" in turns.columns else _NO_TIME
    others = _others(turns, _TURN_TAKEN)
    turns = turns.with_columns(role.fill_null("system").alias(_ROLE), moment.alias(_AT))
    id_ = pl.concat_str(_ID, pl.lit(":"), _NTH)
    whole = pl.col(_AT).dt.microsecond() == 0
    precision = pl.when(whole).then(pl.lit("s")).otherwise(pl.lit("us"))
    return turns.select(
        message_id=id_,
        conversation_id=_ID,
        parent_message_id=pl.when(pl.col(_NTH) > 1).then(id_.shift(1)),
        is_main_path=pl.lit(value=True),
        role=_ROLE,
        role_raw="role",
        kind=pl.when(role.is_null())
        .then(pl.lit("event"))
        .otherwise(pl.col(_ROLE).replace_strict(KINDS)),
        content="content",
        generation_id=pl.when(pl.col(_ROLE) == "assistant").then(id_),
        created_at=_AT,
        created_at_precision=pl.when(pl.col(_AT).is_not_null()).then(precision),
        extra=_json(turns, others),
        _bundle=_BUNDLE,
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
    taken = taken | _OURS | ({"timestamp"} if typed else set())
    return [name for name in rows.columns if name not in taken]


def _json(rows: pl.DataFrame, names: list[str], notes: dict[str, str] | None = None) -> pl.Expr:
    noted = [pl.lit(value).alias(name) for name, value in (notes or {}).items()]
    told = [_without_bytes(pl.col(name), rows.schema[name]).alias(name) for name in names]
    values = [*told, *noted]
    return pl.struct(values).struct.json_encode() if values else pl.lit(None, pl.String)


def _without_bytes(value: pl.Expr, dtype: pl.DataType) -> pl.Expr:
    """Replace bytes (images) anywhere in a value by their size; JSON has no place for them."""
    if isinstance(dtype, pl.Binary):
        return pl.when(value.is_not_null()).then(pl.struct(n_bytes=value.bin.size()))
    if isinstance(dtype, pl.List):
        inner = cast("pl.DataType", dtype.inner)
        return value.list.eval(_without_bytes(pl.element(), inner))
    if isinstance(dtype, pl.Struct):
        fields = [
            _without_bytes(value.struct.field(field.name), cast("pl.DataType", field.dtype)).alias(
                field.name
            )
            for field in dtype.fields
        ]
        return pl.when(value.is_not_null()).then(pl.struct(fields)) if fields else value
    return value

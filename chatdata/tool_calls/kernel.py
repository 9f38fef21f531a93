"""The two functions of the kernel, and the columns that they give."""

from __future__ import annotations

from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

import polars as pl
import pyarrow as pa
import pyarrow.compute as pc

from chatdata.tool_calls.decode import (
    NOTHING,
    Decoded,
    as_found,
    as_json,
    as_loose_json,
    as_text,
    decode,
    encode_json,
    unquote,
)
from chatdata.tool_calls.items import (
    Item,
    Keys,
    choose,
    first,
    flatten,
    is_output,
    look_inside,
    only_list,
    plain_keys,
    sort_items,
    unwrap,
)
from chatdata.tool_calls.outcome import error_class, is_told, outcome
from chatdata.tool_calls.pairing import CALL_IDS, as_outputs, companions, pair

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

NOT_DECODABLE = "tool calls are neither JSON nor a Python literal"
NOT_WRITABLE = "tool calls are nested too deeply or hold too long a number"
NOT_A_CALL = "item is not a tool call"
NO_CALL_FOR_RESULT = "tool result matches no call"


class Row(NamedTuple):
    """One row of the kernel's output, in the order of `OUTPUT`.

    `outcome` is "call"; "malformed" (`reason` says why); or "kept": no call, but something the
    caller has to keep from the stored text, a count in place of the list or further keys of a
    wrapper. `status_evidence` and `status_below` are `outcome.Outcome`.
    """

    outcome: str
    reason: str | None = None
    position: int | None = None
    native_id: str | None = None
    name: str | None = None
    server: str | None = None
    arguments_raw: str | None = None
    arguments: str | None = None
    arguments_status: str | None = None
    result: str | None = None
    status: str | None = None
    status_evidence: str | None = None
    status_below: str | None = None
    error_class: str | None = None
    extra: str | None = None


OUTPUT = pa.schema(
    {
        "message_id": pa.string(),
        **{name: pa.uint32() if name == "position" else pa.string() for name in Row._fields},
    }
)
"""The columns of both functions: the message, then the fields of `Row`."""


Fields = tuple[Any, ...]
"""The fields of a `Row`."""

_NO_ARGUMENTS = (None, None, None)
_MESSAGES = 256


def extract_tool_calls(batch: pa.RecordBatch, *, inside: str | None = None) -> pa.RecordBatch:
    """Read the calls out of stored text, message by message.

    Args:
        batch: `message_id` (str), `text` (str, null: no calls) and, where the source keeps the
            results in a column of their own, `results` (str).
        inside: look only into this key of each text, a JSON object that also holds other things.

    Returns:
        `OUTPUT`: one row per call, in the order of the input and of each list, with positions from
        0 in each message; and one row per malformed text or item, per result without its call and
        per text to be kept. Never raises on what a text holds, and never quotes it in a reason.
    """
    batch = _in_text(batch)
    texts = batch.column("text")
    nothing = pc.is_in(texts, value_set=_array(NOTHING, pa.string()))
    stored = batch.filter(pc.and_(pc.is_valid(texts), pc.invert(nothing))).to_pydict()
    results = stored.get("results") or [None] * len(stored["text"])
    return _batch(
        (message_id, _read(text, result, inside))
        for message_id, text, result in zip(
            stored["message_id"], stored["text"], results, strict=True
        )
    )


def extract_tool_rows(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Read calls that are stored one to a row, in columns of their own.

    Args:
        batch: `message_id`, `name`, `arguments`, `result` and, where the source has them,
            `native_id`, `success`, `is_error`, `status`, `error` (all str, as stored).

    Returns:
        `OUTPUT`, one row per row of the batch, in its order, at position 0; a row without a name
        is malformed.
    """
    stored = _in_text(batch).to_pydict()
    message_ids = stored.pop("message_id")
    return _batch(
        (message_id, [_read_row(dict(zip(stored, values, strict=True)))])
        for message_id, *values in zip(message_ids, *stored.values(), strict=True)
    )


def results_of_others(text: str) -> list[dict[str, str | None]]:
    """Read results that name their calls, which stand elsewhere.

    Returns:
        For each its `native_id`, `text` and, where it says so in a flag, `status`.
    """
    outputs, exact = companions(text)
    found: list[dict[str, str | None]] = []
    for output in outputs:
        key = first(output, CALL_IDS)
        if key is None:
            continue
        call: Item = {"name": key, "id": output[key]}
        pair([call], [output], keep=False)
        try:
            row = Row(*_call(call, choose(call), 0, exact=exact))
        except (ValueError, RecursionError):
            continue
        status = row.status if row.status_evidence == "flag" else None
        found.append({"native_id": row.native_id, "text": row.result, "status": status})
    return found


def _in_text(batch: pa.RecordBatch) -> pa.RecordBatch:
    """Give every column as text: engines hand over other kinds of it, and columns of nulls."""
    columns = [column.cast(pa.string()) for column in batch.columns]
    return pa.RecordBatch.from_arrays(columns, names=batch.schema.names)


def _batch(messages: Iterator[tuple[str, list[Fields]]]) -> pa.RecordBatch:
    """Put the rows of each message into columns."""
    ids: list[str] = []
    columns: list[list[Any]] = [[] for _ in Row._fields]
    # Rows that outlive their turn set the garbage collector going, a fifth of all time.
    while some := list(islice(messages, _MESSAGES)):
        rows = [row for _, found in some for row in found]
        ids += [message_id for message_id, found in some for _ in found]
        # Where none of them has a row, there is nothing to put anywhere.
        for column, values in zip(columns, zip(*rows, strict=True), strict=False):
            column.extend(values)
    found = zip((ids, *columns), OUTPUT.types, strict=True)
    arrays = [_array(values, kind) for values, kind in found]
    return pa.RecordBatch.from_arrays(arrays, schema=OUTPUT)


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array[Any]:
    """Make an array by way of Polars: `pa.array` imports pandas wherever it is installed."""
    series = pl.Series(values=values, dtype=pl.String() if kind == pa.string() else pl.UInt32())
    return series.to_arrow().cast(kind)


def _read(text: str, results: str | None, inside: str | None) -> list[Fields]:
    """Read one message's stored text: its calls, then what is wrong with the rest."""
    try:
        decoded = decode(text)
        if inside is not None:
            decoded = look_inside(decoded, inside)
    except ValueError:
        # An object of other things that does not even name the key says nothing of calls.
        is_other = text.strip() in NOTHING or (inside is not None and inside not in text)
        return [] if is_other else [Row("malformed", NOT_DECODABLE)]
    try:
        if results is None and decoded.exact:
            plain = _read_plain(only_list(decoded.value))
            if plain is not None:
                return plain
        return _read_closely(decoded, results, inside)
    except (ValueError, RecursionError):
        return [Row("malformed", NOT_WRITABLE)]


def _read_closely(decoded: Decoded, results: str | None, inside: str | None) -> list[Fields]:
    items, exact, keep, within = unwrap(decoded)
    if items is None:
        return [Row("kept") if keep else Row("malformed", NOT_A_CALL)]
    calls, outputs, n_unusable, exact = sort_items(items, exact=exact)
    keep = keep and inside is None
    n_unmatched = 0
    if outputs:
        n_unmatched, keep = pair(calls, outputs, keep=keep)
    if within is not None:
        n_within, keep = pair(calls, as_outputs(within), keep=keep)
        n_unmatched += n_within
    if results is not None:
        beside, is_exact = companions(results)
        n_beside, keep = pair(calls, beside, keep=keep)
        n_unmatched, exact = n_unmatched + n_beside, exact and is_exact
    rows = [_call(item, choose(item), position, exact=exact) for position, item in enumerate(calls)]
    if keep:
        rows.append(Row("kept"))
    rows += [Row("malformed", NOT_A_CALL)] * n_unusable
    rows += [Row("malformed", NO_CALL_FOR_RESULT)] * n_unmatched
    return rows


def _read_plain(items: list[Any] | None) -> list[Fields] | None:
    """Read a list of nothing but plain calls, as most applications store it, at half the cost.

    None stands for what has to be looked at more closely; the rows are the same either way.
    """
    if items is None:
        return None
    rows = []
    for position, stored in enumerate(items):
        if type(stored) is not dict or ("type" in stored and is_output(stored)):
            return None
        item: Item | None = stored
        keys = plain_keys(tuple(stored))
        if keys is None and (item := flatten(stored)) is not None:
            keys = plain_keys(tuple(item))
        if item is None or keys is None:
            return None
        if type(item[keys.name]) is not str or not item[keys.name].strip():
            return None
        rows.append(_call(item, keys, position, exact=True))
    return rows


def _read_row(stored: dict[str, str | None]) -> Fields:
    """Read one row of a tool table; the text `null` in a JSON column is null."""
    name = stored.get("name")
    if name is None or not name.strip():
        return Row("malformed", NOT_A_CALL)
    item = {
        key: value
        for key, value in stored.items()
        if value is not None and not (key == "arguments" and value.strip() in ("null", "None"))
    }
    native_id = item.pop("native_id", None) or None
    row = Row(*_call(item, choose(item), 0, exact=True))
    return row._replace(native_id=native_id, extra=None)


def _call(item: Item, keys: Keys, position: int, *, exact: bool) -> Fields:
    """Read one flat item; `exact` says that strict JSON gave it."""
    arguments, result = item.get(keys.arguments), item.get(keys.result)
    native_id, server = item.get(keys.id), item.get(keys.server)
    value = text = None
    if result is not None:
        value, text = _result(result, keys.result, exact=exact)
    told = outcome(item if keys.has_flags else None, value, has_result=text is not None)
    # A plain tuple: building a `Row` costs half as much again as all the rest of this function.
    return (
        "call",
        None,
        position,
        None if native_id is None or native_id == "" else as_text(native_id),
        as_text(item[keys.name]),
        None if server is None or server == "" else as_text(server),
        *(_NO_ARGUMENTS if arguments is None else _arguments(arguments, exact=exact)),
        text,
        *told,
        None if told.status == "ok" else error_class(told, value),
        _extra(item, keys, exact=exact) if keys.has_others else None,
    )


def _extra(item: Item, keys: Keys, *, exact: bool) -> str | None:
    left = {
        key: value
        for key, value in item.items()
        if key not in keys[:5] and value is not None and not is_told(key, value)
    }
    return as_loose_json(left, exact=exact) if left else None


def _arguments(value: object, *, exact: bool) -> tuple[str, str | None, str]:
    """Give arguments as found, as a compact JSON object where they are one, and what they are."""
    if exact and type(value) is dict:
        raw = encode_json(value).decode()
        return raw, raw, "ok"
    if not isinstance(value, str):
        compact = as_json(value, exact=exact)
        raw = as_found(value) if compact is None else compact
    else:
        raw = as_text(value)
        if not value.strip():
            return raw, None, "empty"
        try:
            value, exact = decode(value)
        except ValueError:
            return raw, None, "invalid"
        compact = as_json(value, exact=exact)
    if compact is None:
        return raw, None, "invalid"
    return (raw, compact, "ok") if isinstance(value, dict) else (raw, None, "not_object")


def _result(value: object, key: str, *, exact: bool) -> tuple[object, str | None]:
    """Give a result as a value to look into and as text; `{}` and empty texts are no result."""
    if exact and value and type(value) is dict:
        return value, encode_json(value).decode()
    if isinstance(value, str):
        return _result_of_text(value, key)
    if key == "outputs" and isinstance(value, (list, tuple)) and len(value) == 1:
        return _result(value[0], "", exact=exact)
    if value is None or value == {}:
        return None, None
    return value, as_loose_json(value, exact=exact)


def _result_of_text(text: str, key: str) -> tuple[object, str | None]:
    """Decode a result that holds an object or a list; any other text stays as it is."""
    start = text.lstrip()[:1]
    if start and start in '[{("':
        try:
            value, exact = decode(text)
            if isinstance(value, (dict, list, tuple)):
                return _result(value, key, exact=exact)
        except (ValueError, RecursionError):
            pass
        text = unquote(text) if start == '"' else text
    if text.strip() in ("", "null", "None"):
        return None, None
    return text, as_text(text)

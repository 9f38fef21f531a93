"""Rows of a message table to the messages frame: chunk by chunk, then in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database import names, times, values
from chatdata.database.extract import call_names
from chatdata.tool_calls import NOTHING

if TYPE_CHECKING:
    from chatdata.database.calls import CallSource
    from chatdata.database.extract import Raw

_TOKENS = tuple(c.name for c in schema.MESSAGES.columns if c.name.endswith("_tokens"))
_TIE_US = 1000
_PAIR = 2
_TEXTS = ("reasoning", "model", "finish_reason")


@dataclass(frozen=True)
class Context:
    """What the rows of one message table are read against."""

    calls: CallSource | None
    prefix: str  # before the ids of a table that is not the only one
    time_zone: str
    text: bool


def read_chunk(
    stored: pl.DataFrame, raw: Raw, context: Context, calls: pl.DataFrame | None
) -> pl.DataFrame:
    """Read part of a message table.

    Args:
        stored: the part.
        raw: the table it is of.
        context: what it is read against.
        calls: what the kernel found in it.

    Returns:
        The columns of the contract less those that need an order, and `_user`, `_sequence`,
        `_number` (an integer id), `_tool_call_id` and `_answer` (what a row that has one says)
        besides; `message_id` is null where the table has no id.
    """
    native, content = raw.part(stored, "id"), raw.part(stored, "content")
    answer = stored["answer"] if "answer" in stored.columns else content
    at = times.parse(raw.part(stored, "created_at"), context.time_zone)
    sizes = stored["n_chars"] if "n_chars" in stored.columns else content.str.len_chars()
    unlinked = f"{raw.binding.table.name}#none"
    frame = pl.DataFrame(
        {
            "message_id": context.prefix + values.key(native),
            "conversation_id": values.key(raw.part(stored, "conversation_id")).fill_null(unlinked),
            "native_id": native.cast(pl.String),
            "content": content,
            "n_chars": sizes.cast(pl.UInt32, strict=False),
            **{name: raw.part(stored, name).cast(pl.String) for name in _TEXTS},
            "created_at": at.values,
            "created_at_precision": at.precision,
            **{name: _number(stored, raw, name) for name in _TOKENS},
            "_user": values.key(raw.part(stored, "user_id")),
            "_sequence": _number(stored, raw, "sequence"),
            "_number": _number(stored, raw, "id") if raw.is_numbered else None,
            "_tool_call_id": raw.part(stored, "tool_call_id").cast(pl.String),
            "_answer": values.only(answer, raw.part(stored, "tool_call_id").is_not_null()),
        },
        schema_overrides={"_number": pl.Int64},
    )
    left = _leftovers(stored, raw, context, calls)
    if context.text:
        left |= values.filled(raw.unread(stored, "created_at", at))
    role = raw.part(stored, "role")
    column = raw.binding.columns.get("role")
    is_user = names.IS_USER.get(column.plain) if column else None
    spoken = values.roles(role, raw.binding.role, is_user=is_user)
    return pl.concat([frame, spoken], how="horizontal").with_columns(extra=values.json_object(left))


def _number(stored: pl.DataFrame, raw: Raw, what: str) -> pl.Series:
    return raw.part(stored, what).cast(pl.Int64, strict=False)


def _leftovers(
    stored: pl.DataFrame, raw: Raw, context: Context, calls: pl.DataFrame | None
) -> dict[str, pl.Series]:
    """What no column of the frames took; stored calls only where something in them is left."""
    taken = {one.name for what, one in raw.binding.columns.items() if what != "tool_call_id"}
    holders = {call.column.name for call in raw.binding.call_columns}
    calls_in = call_names(raw.binding)
    rows = pl.int_range(stored.height, dtype=pl.UInt32, eager=True)
    has_call = wrong = pl.repeat(value=False, n=stored.height, eager=True)
    if calls is not None:
        is_call = calls["outcome"] == "call"
        has_call = rows.is_in(calls.filter(is_call)["_row"].implode())
        wrong = rows.is_in(calls.filter(~is_call)["_row"].implode())
    left: dict[str, pl.Series] = {}
    for column in raw.binding.table.columns:
        name = raw.named(column)
        if name is None or column.name in taken:
            continue
        if not context.text and column.name in calls_in:
            continue
        value = stored[name]
        if context.calls is not None and name in context.calls.columns:
            # A row with a call has taken what stands beside it, unless something found no call.
            unsaid = wrong if name == context.calls.text else wrong | ~has_call
            left[column.name] = values.only(value, unsaid)
        elif column.name in holders and value.dtype == pl.String:
            left[column.name] = values.only(value, ~value.is_in(NOTHING))
        else:
            left[column.name] = values.leftover(value, column.kind)
    return values.filled(left)


def marks(keys: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
    """Mark messages whose conversation is missing, and users who are not its owner.

    Args:
        keys: `_row`, `conversation_id` and `_user` of all messages.
        owners: `conversation_id` and `user_id` of all conversations.

    Returns:
        One row per message with something to say, in the order of `_row`: `_row` and `_marks`, a
        JSON object.
    """
    # The rows of a conversation lie together: only where they change is there much to look up.
    pair = ("conversation_id", "_user")
    changed = pl.any_horizontal(pl.col(*pair).ne_missing(pl.col(*pair).shift()))
    pairs = keys.filter(changed | (pl.col("_row") == 0)).select(pair).unique()
    known = owners.unique("conversation_id").with_columns(_known=True)
    found = pairs.join(known, on="conversation_id", how="left")
    orphan = pl.col("_known").is_null()
    other = pl.col("_user").is_not_null() & pl.col("_user").ne_missing(pl.col("user_id"))
    odd = found.filter(orphan | other)
    said = {
        "orphan": pl.when(orphan).then(pl.lit(value=True)),
        "user_id": pl.col("_user"),
    }
    return (
        keys.select("_row", *pair)
        .join(
            odd.select(*pair, _marks=values.json_object(said)),
            on=pair,
            nulls_equal=True,
            maintain_order="left",
        )
        .select("_row", "_marks")
    )


def ordered(frame: pl.DataFrame, *, by_sequence: bool) -> pl.DataFrame:
    """Put all messages of a table in order.

    By the sequence column where there is one; else by time, then by an integer id. Within a
    millisecond a question comes before its answer: some applications write both at once. Where
    more than two messages share a moment, integer ids know better; random ids do not order.

    Args:
        frame: `_row`, `message_id`, `conversation_id`, `created_at`, `role`, `_sequence` and
            `_number` of all rows.
        by_sequence: whether the table has a sequence.

    Returns:
        `message_id`, `position` and `parent_message_id`, row by row in the order of `_row`.
    """
    conversation = frame["conversation_id"]
    number = conversation.cast(pl.Int64, strict=False)
    if number.null_count() or number.cast(pl.String).ne(conversation).any():
        number = conversation.cast(pl.Categorical).to_physical().cast(pl.Int64)
    keys = frame.select(
        "_row",
        "_sequence",
        "_number",
        _conversation=number,
        _at=pl.col("created_at").cast(pl.Int64),
        _speaker=(pl.col("role") != "user").cast(pl.Int8),
    )
    if by_sequence:
        keys = keys.sort("_conversation", "_sequence", "_at", "_number", "_row", nulls_last=True)
    else:
        keys = _by_time(keys)
    row = keys["_row"]
    place = pl.int_range(pl.len(), dtype=pl.UInt32)
    start = (pl.col("_conversation") != pl.col("_conversation").shift()).fill_null(value=True)
    named = keys.select(
        position=place - pl.when(start).then(place).forward_fill(),
        message_id=frame["message_id"].gather(row),
    )
    if named["message_id"].null_count():
        by_place = pl.format("{}:{}", conversation.gather(row), pl.col("position") + 1)
        named = named.with_columns(pl.coalesce("message_id", by_place))
    parent = pl.when(pl.col("position") > 0).then(pl.col("message_id").shift())
    return named.with_columns(parent_message_id=parent)[row.arg_sort()]


def _by_time(keys: pl.DataFrame) -> pl.DataFrame:
    order = ("_conversation", "_at", "_number", "_row")
    keys = keys.sort(*order, nulls_last=True)
    joined = (pl.col("_conversation") == pl.col("_conversation").shift()) & (
        (pl.col("_at") - pl.col("_at").shift()) <= _TIE_US
    )
    if not keys.select(joined.any()).item():
        return keys
    moment = keys.select((~joined.fill_null(value=False)).cum_sum()).to_series()
    is_tied = pl.select(pl.lit(moment).is_duplicated()).to_series()
    tied = keys.with_columns(_moment=moment).filter(is_tied)
    n_tied = pl.len().over("_moment")
    numbered = pl.col("_number").is_not_null()
    resolved = tied.with_columns(
        _clock=pl.when(n_tied > _PAIR).then("_at"),
        _speaker=pl.when((n_tied == _PAIR) | ~numbered).then("_speaker"),
    ).sort("_moment", "_clock", "_speaker", "_at", "_number", "_row", nulls_last=True)
    # The tied rows are put in order among the places they hold.
    places = is_tied.arg_true()
    rows = keys["_row"].scatter(places, resolved["_row"])
    return keys.with_columns(rows)

"""The messages of a table in order: each with its place in its conversation and its parent."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import polars as pl

from chatdata import schema
from chatdata.database.conversations import owners
from chatdata.database.values import joined, json_object, unique

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chatdata.database.extract import Source
    from chatdata.database.parts import Part

KEYS = (
    "message_id",
    "conversation_id",
    "created_at",
    "role",
    "model",
    "_user",
    "_sequence",
    "_number",
)
"""The columns of messages that their order is made of."""
_TIE_US = 1000
_PAIR = 2


@dataclass(frozen=True)
class Order:
    """What a message has by the others of its part.

    Attributes:
        keys: what orders messages, row by row.
        places: their ids, places and parents.
        marks: what is noted of some, by `_row`.
    """

    keys: pl.DataFrame
    places: pl.DataFrame
    marks: pl.DataFrame


def order_of(part: Part, source: Source, listed: pl.DataFrame | None) -> Order:
    """Put the messages of a part in order; `listed` are the rows of its conversations."""
    keys = pl.concat(part.rows.columns(*KEYS)).with_row_index("_row")
    if not all(raw.has_unique_ids for raw in source.messages):
        keys = keys.with_columns(unique(keys["message_id"]))
    by_sequence = all("sequence" in raw.binding.columns for raw in source.messages)
    places = _ordered(keys, by_sequence=by_sequence)
    keys = keys.with_columns(places["message_id"])
    return Order(keys, places, _marks(keys, owners(source.conversations, listed, keys)))


def in_order(part: Part, order: Order) -> Iterator[pl.DataFrame]:
    """Complete the messages of a part with what depends on all of them; its rows are gone then."""
    start = 0
    for rows in part.rows.drain():
        frame = rows.with_columns(
            *order.places.slice(start, rows.height).iter_columns(),
            is_main_path=pl.lit(value=True),
            generation_id=pl.lit(None, pl.String),
        )
        if order.marks.height:
            row = pl.int_range(start, start + rows.height, dtype=pl.UInt32, eager=True)
            mark = (
                row.alias("_row")
                .to_frame()
                .join(order.marks, on="_row", how="left", maintain_order="left")
            )
            frame = frame.with_columns(extra=joined(pl.col("extra"), pl.lit(mark["_marks"])))
        start += rows.height
        yield frame.select(schema.MESSAGES.schema.names())


def _marks(keys: pl.DataFrame, owners: pl.DataFrame) -> pl.DataFrame:
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
            odd.select(*pair, _marks=json_object(said)),
            on=pair,
            nulls_equal=True,
            maintain_order="left",
        )
        .select("_row", "_marks")
    )


def _ordered(frame: pl.DataFrame, *, by_sequence: bool) -> pl.DataFrame:
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

"""Names of conversations: different ones that share an id get different ids, and one gets one.

A sub-agent that one log names after the call that started it (`session/call`) and another by a
name of its own has that. Of different conversations that share an id the first in source order
keeps it, the next is called `<id>~2`, and so on; whatever is named after its conversation goes
along. Rows that say so (`_joins`) are parts of the first one; and of a request and its outcome
(`_part`) the first two belong together, the second two, and so on.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED_AFTER = {
    "conversations": (),
    "messages": ("message_id", "parent_message_id", "generation_id"),
    "tool_calls": ("tool_call_id", "message_id", "result_message_id"),
}
_RENAMED = {"_bundle": pl.UInt64(), "_old": pl.String(), "_new": pl.String()}


def told_apart(raw: Mapping[str, pl.LazyFrame]) -> dict[str, pl.LazyFrame]:
    """Rename the sub-agents that have a name, and conversations whose id an earlier one has."""
    raw = _applied(raw, _named_after_calls(raw["conversations"]))
    own = (
        raw["conversations"]
        .filter(~pl.col("_hint"))
        .select("_row", "_bundle", "_part", "_joins", "conversation_id")
        .collect()
        .sort("_row")
    )
    return _applied(raw, _renamed(own))


def _named_after_calls(conversations: pl.LazyFrame) -> pl.DataFrame:
    """List the bundles of sub-agents that go by their call, where another log has their name."""
    session = pl.col("conversation_id").str.replace("/[^/]*$", "")
    by_call = pl.concat_str(session, pl.lit("/"), "parent_tool_call_id")
    called = (
        conversations.filter(pl.col("parent_tool_call_id").is_not_null())
        .select("_bundle", "_hint", "conversation_id", _old=by_call)
        .collect()
    )
    goes_by_call = pl.col("conversation_id") == pl.col("_old")
    names = called.filter(~goes_by_call).select("_old", _new="conversation_id").unique("_old")
    nameless = called.filter(goes_by_call & ~pl.col("_hint"))
    return nameless.join(names, on="_old").select(list(_RENAMED))


def _renamed(own: pl.DataFrame) -> pl.DataFrame:
    """List the bundles that get another id."""
    joins = pl.col("_joins").fill_null(value=False)
    numbered = (
        own.filter(pl.col("conversation_id").is_duplicated())
        .with_columns(_nth=(~joins).cum_sum().over("conversation_id", "_part"))
        .filter(~joins & (pl.col("_nth") > 1))
    )
    if numbered.is_empty():
        return pl.DataFrame(schema=_RENAMED)
    taken = own.select(_new="conversation_id").unique()
    named = numbered.select(
        "_bundle",
        _old="conversation_id",
        _new=pl.concat_str("conversation_id", pl.lit("~"), "_nth"),
    )
    while not (clash := named.join(taken, on="_new", how="semi")).is_empty():
        # An id that looks like one of ours: a further ~ makes it one that nobody has.
        named = named.with_columns(
            _new=pl.when(pl.col("_new").is_in(clash["_new"].implode()))
            .then(pl.col("_new") + "~")
            .otherwise("_new")
        )
    return named


def _applied(raw: Mapping[str, pl.LazyFrame], renamed: pl.DataFrame) -> dict[str, pl.LazyFrame]:
    if renamed.is_empty():
        return dict(raw)
    return {name: _apply(frame, name, renamed.lazy()) for name, frame in raw.items()}


def _apply(frame: pl.LazyFrame, name: str, renamed: pl.LazyFrame) -> pl.LazyFrame:
    columns = frame.collect_schema().names()
    after = pl.concat_str("_new", pl.lit(":"))
    before = pl.concat_str("_old", pl.lit(":"))
    new = {
        column: pl.when(pl.col(column).str.starts_with(before))
        .then(pl.concat_str(after, pl.col(column).str.slice(before.str.len_chars())))
        .otherwise(column)
        for column in _NAMED_AFTER[name]
    }
    if name == "tool_calls":
        # Further results of a call are named in its `extra`.
        quote = pl.lit('"')
        new["extra"] = (
            pl.when(pl.col("extra").str.contains('"other_results"', literal=True))
            .then(pl.col("extra").str.split(quote + before).list.join(quote + after))
            .otherwise("extra")
        )
    mine = pl.col("_new").is_not_null() & ~(
        pl.col("_hint") if name == "conversations" else pl.lit(value=False)
    )
    return (
        frame.join(renamed, on="_bundle", how="left", maintain_order="left")
        .with_columns(
            conversation_id=pl.when(mine).then("_new").otherwise("conversation_id"),
            **{
                column: pl.when(mine).then(value).otherwise(column) for column, value in new.items()
            },
        )
        .select(columns)
    )

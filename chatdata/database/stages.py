"""Calls that are stored anew as they go on: as pending, then as done, under the same id."""

from __future__ import annotations

import polars as pl

from chatdata.database.echoes import Told
from chatdata.database.values import joined

_CALL = ("conversation_id", "native_id", "name")
_ENDED = ("result", "result_message_id", "status", "status_evidence", "status_below", "error_class")
_IS_OPEN = (pl.col("status") == "no_result") & pl.col("result").is_null()


def in_one(calls: pl.DataFrame) -> Told:
    """Put the stages of a call together: counted is the first, which takes its end from the last.

    Within a message an id is proof enough, unless the arguments differ. Ids may begin anew in every
    turn, so a later message, or row of a table, goes on with a call only where it has the same
    arguments, and where nothing has ended the call before.

    Args:
        calls: as `settle.answered` gives them, with their `_position`.
    """
    rows = calls.with_row_index("_nth")
    several = rows.filter(pl.col("native_id").is_not_null(), pl.len().over(_CALL) > 1)
    if several.is_empty():
        return Told(calls, calls.clear())
    order = ("_position", "_nth")
    marked = several.sort(order, nulls_last=True).with_columns(
        _open=_IS_OPEN, _given=pl.col("arguments").str.replace_all(r"\s", "").replace("{}", None)
    )
    before = {name: pl.col(name).shift().over(_CALL) for name in ("_open", "_given", "message_id")}
    is_beside = (pl.col("message_id") == before["message_id"]).fill_null(value=False)
    is_alike = pl.col("_given").eq_missing(before["_given"])
    is_filled = pl.any_horizontal(pl.col("_given").is_null(), before["_given"].is_null())
    was_told = pl.col("status_evidence").shift().over(_CALL).eq_missing("flag")
    goes_on = before["_open"] & is_alike & (~pl.col("_open") | was_told)
    is_first = pl.col("_nth") == pl.col("_nth").first().over(_CALL)
    is_stage = ~is_first & ((is_beside & (is_alike | is_filled)) | goes_on)
    grouped = marked.with_columns(_call=(~is_stage).cum_sum().over(_CALL), _again=is_stage)
    again = pl.col("_nth").is_in(grouped.filter("_again")["_nth"].implode())
    whole = rows.filter(~again).join(_ends(grouped), on="_nth", how="left", maintain_order="left")
    return Told(_completed(whole).select(calls.columns), rows.filter(again).drop("_nth"))


def _ends(grouped: pl.DataFrame) -> pl.DataFrame:
    """Give the first row of each call of several stages what the others say."""
    key = [*_CALL, "_call"]
    said = ("arguments_raw", "arguments", "arguments_status", "started_at", "ended_at")
    last = pl.col(*_ENDED).filter(~pl.col("_open")).last()
    stages = grouped.filter(pl.len().over(key) > 1)
    return (
        stages.group_by(key, maintain_order=True)
        .agg(
            pl.col("_nth").first(),
            last.name.prefix("_its_"),
            pl.col(*said).drop_nulls().last().name.prefix("_its_"),
            _its_extra=pl.col("extra").slice(1).drop_nulls().last(),
        )
        .drop(key)
    )


def _completed(whole: pl.DataFrame) -> pl.DataFrame:
    has_ended = pl.col("_its_status").is_not_null()
    is_unsaid = pl.col("arguments").replace("{}", None).is_null()
    arguments = ("arguments_raw", "arguments", "arguments_status")
    return whole.with_columns(
        *(pl.when(has_ended).then(f"_its_{name}").otherwise(name).alias(name) for name in _ENDED),
        *(
            pl.when(is_unsaid).then(pl.coalesce(f"_its_{name}", name)).otherwise(name).alias(name)
            for name in arguments
        ),
        *(pl.coalesce(name, f"_its_{name}").alias(name) for name in ("started_at", "ended_at")),
        extra=joined(pl.col("extra"), pl.col("_its_extra")),
    )

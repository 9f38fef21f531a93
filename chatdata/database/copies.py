"""What the dropped copy of a call says, and the one that counts does not."""

from __future__ import annotations

import polars as pl

from chatdata.database.stages import in_one

_ARGUMENTS = ("arguments_raw", "arguments", "arguments_status")
_ENDED = ("status", "status_evidence", "error_class")
_TOLD = (*_ARGUMENTS, "result", *_ENDED, "status_below", "started_at", "ended_at")
_KEYS = (
    ("conversation_id", "native_id", "name"),
    ("message_id", "name", "_given"),
    ("message_id", "name"),
    ("conversation_id", "name", "_given"),
)


def filled_in(calls: pl.DataFrame, copies: pl.DataFrame) -> pl.DataFrame:
    """Give calls of messages what only their copies in a table say: results, ends, times.

    A copy is known by its id, else by its message, name and arguments, or by less where there are
    as many copies as calls; then they are in the same order.

    Args:
        calls: the kernel's rows of messages.
        copies: the rows of the table that repeat them, with their `message_id`.
    """
    copies = in_one(copies.filter(outcome="call").with_columns(_position=None)).calls
    made, again = (
        rows.with_row_index("_nth").with_columns(
            _given=pl.col("arguments").str.replace_all(r"\s", "").fill_null("{}")
        )
        for rows in (calls, copies)
    )
    made_again = again.select("_nth", *{name for key in _KEYS for name in key})
    left = made.filter(outcome="call").select(made_again.columns)
    pairs = []
    for key in _KEYS:
        found = _paired(left, made_again, key)
        pairs.append(found)
        left = left.join(found, on="_nth", how="anti")
        made_again = made_again.join(found, left_on="_nth", right_on="_copy", how="anti")
    told = pl.concat(pairs).join(
        again.select(pl.col("_nth").alias("_copy"), pl.col(*_TOLD).name.prefix("_its_")), on="_copy"
    )
    if told.is_empty():
        return calls
    both = made.join(told, on="_nth", how="left", maintain_order="left")
    return _completed(both).select(calls.columns)


def _paired(calls: pl.DataFrame, copies: pl.DataFrame, key: tuple[str, ...]) -> pl.DataFrame:
    """Pair calls and copies of which there are as many, in their order: `_nth` and `_copy`."""
    rank = {"_of": pl.int_range(pl.len()).over(key), "_n": pl.len().over(key)}
    one, other = (
        rows.select("_nth", *key).sort("_nth").with_columns(**rank) for rows in (calls, copies)
    )
    return one.join(other, on=[*key, "_of", "_n"]).select("_nth", _copy="_nth_right")


def _completed(both: pl.DataFrame) -> pl.DataFrame:
    is_flagged = pl.col("status_evidence").eq_missing("flag") & (pl.col("status") != "no_result")
    is_silent = pl.col("result").is_null() & ~is_flagged
    is_told = pl.col("_its_status_evidence").eq_missing("flag") & ~is_flagged
    has_copy = pl.col("_copy").is_not_null()

    def its(name: str, where: pl.Expr) -> pl.Expr:
        return pl.when(has_copy & where).then(f"_its_{name}").otherwise(name).alias(name)

    return both.with_columns(
        *(its(name, pl.col("arguments_raw").is_null()) for name in _ARGUMENTS),
        *(its(name, is_silent | is_told) for name in _ENDED),
        *(its(name, pl.col("result").is_null()) for name in ("result", "status_below")),
        *(its(name, pl.col("started_at").is_null()) for name in ("started_at", "ended_at")),
    )

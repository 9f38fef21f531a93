"""Who does the talking, in characters and in bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.quantiles import quantile
from chatdata.analysis.rates import share
from chatdata.analysis.rows import counted, is_counted, tally, total, with_bytes

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["conversation_bytes", "talk_share", "talk_share_distribution"]

_SPEAKERS = ("user", "assistant", "tool", "system")
_QUANTILES = {"p10": 0.1, "p25": 0.25, "p50": 0.5, "p75": 0.75, "p90": 0.9}


def talk_share(chats: Chats[Frame]) -> Frame:
    """Say how much of each conversation's text each role wrote.

    Returns:
        One row per conversation with counted text, by id: `conversation_id` (str), `n_chars` (i64,
        code points), `user_share`, `assistant_share`, `tool_share`, `system_share` (f64, of them,
        adding up to 1; null where all text is empty).
    """
    shares = (f"{speaker}_share" for speaker in _SPEAKERS)
    found = _shares(chats).select("conversation_id", "n_chars", *shares)
    return found.sort("conversation_id").to_native()


def talk_share_distribution(chats: Chats[Frame]) -> pl.DataFrame:
    """Summarise over conversations how much of their text each role wrote.

    Returns:
        Four rows, one per role: `role` (str), `n_conversations` (i64, with text), `n_chars` (i64,
        code points of that role in all of them), `share` (f64, of all characters), `p10_share`,
        `p25_share`, `p50_share`, `p75_share`, `p90_share` (f64, of a conversation's characters,
        exact over conversations, each counted once whatever its length).
    """
    shares = _shares(chats)
    parts = [
        shares.select(
            nw.lit(speaker).alias("role"),
            nw.col(f"{speaker}_share").count().cast(nw.Int64).alias("n_conversations"),
            total(speaker).alias("n_chars"),
            *(
                quantile(f"{speaker}_share", q).alias(f"{name}_share")
                for name, q in _QUANTILES.items()
            ),
        )
        .collect("polars")
        .to_polars()
        for speaker in _SPEAKERS
    ]
    n = pl.col("n_chars").fill_null(0)
    return pl.concat(parts).select(
        "role",
        pl.col("n_conversations").fill_null(0),
        n,
        share(n, n.sum()).alias("share"),
        *(f"{name}_share" for name in _QUANTILES),
    )


def conversation_bytes(chats: Chats[Frame]) -> Frame:
    """Measure the counted text of each conversation in code points and in bytes of UTF-8.

    Reads every text; lengths in characters alone are in `conversation_length` and read none.

    Returns:
        One row per conversation with counted text, by id: `conversation_id` (str), `n_chars`,
        `n_bytes` (i64).
    """
    return (
        with_bytes(chats.messages, "content")
        .filter(is_counted(), ~nw.col("content_bytes").is_null())
        .group_by("conversation_id")
        .agg(total("n_chars"), total("content_bytes").alias("n_bytes"))
        .sort("conversation_id")
        .to_native()
    )


def _shares(chats: Chats[Frame]) -> nw.LazyFrame[Frame]:
    said = (
        counted(chats)
        .filter(~nw.col("n_chars").is_null())
        .with_columns(n_chars=nw.col("n_chars").cast(nw.Int64))
    )
    chars = nw.col("n_chars")
    return (
        said.with_columns(
            **{speaker: chars * tally(nw.col("role") == speaker) for speaker in _SPEAKERS}
        )
        .group_by("conversation_id")
        .agg(total("n_chars"), *(total(speaker) for speaker in _SPEAKERS))
        .select(
            "conversation_id",
            "n_chars",
            *_SPEAKERS,
            *(
                nw.when(chars > 0).then(nw.col(speaker) / chars).alias(f"{speaker}_share")
                for speaker in _SPEAKERS
            ),
        )
    )

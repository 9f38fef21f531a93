"""What there is: the first table of everything."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rows import is_counted, is_error, is_prompt, tally, total

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["overview"]


def overview(chats: Chats[Frame]) -> pl.DataFrame:
    """Count everything once.

    Returns:
        One row per thing: `what` (str: conversations, users, messages, prompts, tool calls, tools,
        errors, rejected records) and `n` (i64). Messages are those that lengths count; errors are
        calls that failed by the log's own word.
    """
    counts = {
        **_counts(
            chats.conversations,
            conversations=nw.len(),
            users=_distinct("user_id"),
        ),
        **_counts(
            nw.from_native(chats.messages)
            .with_columns(counted=tally(is_counted()), prompt=tally(is_counted() & is_prompt()))
            .to_native(),
            messages=total("counted"),
            prompts=total("prompt"),
        ),
        **_counts(
            nw.from_native(chats.tool_calls).with_columns(error=tally(is_error())).to_native(),
            **{"tool calls": nw.len(), "tools": _distinct("name"), "errors": total("error")},
        ),
        **_counts(chats.rejects, **{"rejected records": nw.len()}),
    }
    return pl.DataFrame(
        {"what": list(counts), "n": list(counts.values())},
        schema={"what": pl.String(), "n": pl.Int64()},
    )


def _counts(frame: Frame, **counts: nw.Expr) -> dict[str, int]:
    found = nw.from_native(frame).select(**counts).collect("polars").to_polars()
    return {name: found[name].item() or 0 for name in counts}


def _distinct(name: str) -> nw.Expr:
    """Count the distinct values of a column; a null is none of them."""
    return nw.col(name).n_unique() - nw.col(name).is_null().cast(nw.Int64).max()

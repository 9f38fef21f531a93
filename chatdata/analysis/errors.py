"""How calls fail, and how long they take."""

from __future__ import annotations

from typing import TYPE_CHECKING

import narwhals as nw
import polars as pl

from chatdata.analysis.rates import share
from chatdata.analysis.rows import is_error, with_us

if TYPE_CHECKING:
    from narwhals.typing import IntoLazyFrameT as Frame

    from chatdata.chats import Chats

__all__ = ["tool_error_signatures", "tool_errors", "tool_latency"]

_SIGNATURE_CHARS = 200
# In this order: what is masked first is not masked again as something smaller.
_MASKS = (
    (r"(?s)\n.*", ""),
    (r"https?://\S+", "<url>"),
    (r"\S+@\S+", "<address>"),
    (r"(?:[A-Za-z]:)?[\\/][^\s'\",;:)\]}]+", "<path>"),
    (r"'[^']*'|\"[^\"]*\"|`[^`]*`", "<text>"),
    (r"\b[0-9a-fA-F]{8}-[0-9a-fA-F-]{27}\b|\b0x[0-9a-fA-F]+\b|\b[0-9a-f]{12,}\b", "<id>"),
    (r"\d+(?:[.,:]\d+)*", "<n>"),
)
_QUANTILES = {"p50": 0.5, "p90": 0.9, "p95": 0.95, "p99": 0.99}


def tool_errors(chats: Chats[Frame]) -> pl.DataFrame:
    """Count errors by tool and class.

    Returns:
        One row per tool and class that occurs, most errors first: `name`, `error_class` (str, null
        where it is not known), `n_errors`, `n_conversations` (i64), `share` (f64, of the tool's
        errors).
    """
    counts = (
        nw.from_native(chats.tool_calls)
        .filter(is_error())
        .group_by("name", "error_class")
        .agg(
            n_errors=nw.len().cast(nw.Int64),
            n_conversations=nw.col("conversation_id").n_unique().cast(nw.Int64),
        )
        .collect("polars")
        .to_polars()
    )
    n = pl.col("n_errors")
    return counts.with_columns(share=share(n, n.sum().over("name"))).sort(
        "n_errors", "name", "error_class", descending=[True, False, False], nulls_last=True
    )


def tool_error_signatures(chats: Chats[Frame]) -> pl.DataFrame:
    """Group errors by what their results say, with numbers, paths, ids and quotations masked.

    A signature may still hold words of a result; it is for the analyst, not for publication.

    Returns:
        One row per tool and signature, most errors first: `name`, `signature` (str, the first line
        of the result, or of what a JSON result calls its error or message, at most 200 characters,
        null where there is none), `n_errors` (i64).
    """
    failed = (
        nw.from_native(chats.tool_calls)
        .filter(is_error())
        .select("name", "result")
        .collect("polars")
        .to_polars()
    )
    result = pl.col("result")
    said = [
        pl.when(result.str.starts_with("{")).then(result).str.json_path_match(path)
        for path in ("$.error.message", "$.error", "$.message")
    ]
    signature = pl.coalesce(*said, result).str.strip_chars().replace("", None)
    for pattern, mask in _MASKS:
        signature = signature.str.replace_all(pattern, mask)
    return (
        failed.group_by("name", signature.str.head(_SIGNATURE_CHARS).alias("signature"))
        .agg(n_errors=pl.len().cast(pl.Int64))
        .sort("n_errors", "name", "signature", descending=[True, False, False], nulls_last=True)
    )


def tool_latency(chats: Chats[Frame]) -> pl.DataFrame:
    """Summarise how long calls take, where both ends are recorded.

    Calls of one message that end in the same instant were timed together; they have no latency of
    their own.

    Returns:
        One row per tool, most called first: `name` (str), `n_tool_calls`, `n_timed` (i64, with a
        latency of their own), `p50_s`, `p90_s`, `p95_s`, `p99_s`, `max_s` (f64, seconds, exact,
        linear between neighbours, null without any).
    """
    together = nw.len().over("message_id", "ended_us")
    latency = nw.col("ended_us") - nw.col("started_us")
    alone = nw.col("message_id").is_null() | (together == 1)
    calls = (
        with_us(chats.tool_calls, "started_at", "ended_at")
        .select("name", latency_us=nw.when(alone, latency >= 0).then(latency))
        .collect("polars")
        .to_polars()
    )
    seconds = pl.col("latency_us") / 1e6
    return (
        calls.group_by("name")
        .agg(
            n_tool_calls=pl.len().cast(pl.Int64),
            n_timed=seconds.count().cast(pl.Int64),
            **{f"{name}_s": seconds.quantile(q, "linear") for name, q in _QUANTILES.items()},
            max_s=seconds.max(),
        )
        .sort("n_tool_calls", "name", descending=[True, False], nulls_last=True)
    )

"""Stored values to the values of the frames: keys, roles, leftovers."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chatdata.database.catalog import Kind

_ROLES = {
    "user": "user human prompter end_user enduser customer client visitor inbound incoming",
    "assistant": "assistant gpt chatgpt bing bard ai ai_agent aimessagechunk gemini model agent bot"
    " chatbot machine api llm copilot claude outbound outgoing",
    "tool": "tool function observation ipython tool_response tool_result tool_output"
    " function_response function_result function_call_output",
    "system": "system developer info error warning",
}
_ROLE_OF = {word: role for role, words in _ROLES.items() for word in words.split()}
TOOL_WORDS = tuple(word for word, role in _ROLE_OF.items() if role == "tool")
_KIND_OF = {"tool": "tool_result", "system": "injected"}
_TRUE = dict.fromkeys(("1", "true", "t", "yes", "y", "on"), True) | dict.fromkeys(
    ("0", "false", "f", "no", "n", "off"), False
)

_WHOLE = 2**53
_HEX = r"^[0-9a-fA-F]{32}$"
_DASHED = r"^[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}$"


def key(stored: pl.Series) -> pl.Series:
    """Write a key as text: integers in decimal, a uuid with dashes however it is stored.

    Whole numbers that are stored as floats, as pandas does beside nulls, are the integers they are.
    """
    if stored.dtype.is_float() and stored.is_between(-_WHOLE, _WHOLE).all():
        whole = stored.cast(pl.Int64)
        stored = whole if (whole == stored).all() else stored
    text = stored.cast(pl.String)
    if stored.dtype != pl.String or not text.str.len_bytes().is_in([32, 36]).any():
        return text
    # Rows of one conversation or user lie together: only where the key changes is it looked at.
    changed = text.ne_missing(text.shift())
    changed[0] = True
    run = changed.cast(pl.UInt32).cum_sum() - 1
    return _uuids(text.filter(changed)).gather(run)


def _uuids(text: pl.Series) -> pl.Series:
    written = (
        pl.when(pl.lit(text).str.contains(_HEX))
        .then(_with_dashes(pl.lit(text).str.to_lowercase()))
        .when(pl.lit(text).str.contains(_DASHED))
        .then(pl.lit(text).str.to_lowercase())
        .otherwise(pl.lit(text))
    )
    return pl.select(written).to_series()


def _with_dashes(text: pl.Expr) -> pl.Expr:
    cuts = ((0, 8), (8, 4), (12, 4), (16, 4), (20, 12))
    return pl.concat_str(*(text.str.slice(start, size) for start, size in cuts), separator="-")


def roles(
    stored: pl.Series,
    every: str | None = None,
    *,
    is_user: bool | None = None,
    are_types: bool = False,
    named: Mapping[str, str] | None = None,
) -> pl.DataFrame:
    """Give `role`, `role_raw` and `kind` for stored role words.

    An unknown word is an event of the system.

    Args:
        stored: the words.
        every: the role of all rows of a table that has no words.
        is_user: where the words are true and false: whether a true one stands for a person.
        are_types: whether they are types of steps, of which only messages are said by anybody.
        named: of some words the role that they stand for.
    """
    raw = stored.cast(pl.String)
    read = _role if is_user is None else partial(_flagged, is_user=is_user)
    read = _role_of_step if are_types else read
    known = {word: every or read(word) for word in raw.unique().to_list()}
    known |= {word: _role(named[word]) for word in known if named and word in named}
    kinds = {
        word: "event" if role is None else _KIND_OF.get(role, "chat")
        for word, role in known.items()
    }
    spoken = {word: role or "system" for word, role in known.items()}
    return pl.DataFrame(
        {"role": _replaced(raw, spoken), "role_raw": raw, "kind": _replaced(raw, kinds)}
    )


def is_role(word: str) -> bool:
    """Whether a word says who speaks."""
    return _role(word) is not None


def _role(word: str | None) -> str | None:
    """Read a role word, also an enumeration's member as `Role.USER`, or a `userMessage`."""
    plain = (word or "").strip().lower().rpartition(".")[2]
    return _ROLE_OF.get(plain) or _ROLE_OF.get(re.sub(r"[ _-]?message$", "", plain))


def _role_of_step(word: str | None) -> str | None:
    return _role(word) if (word or "").lower().endswith("message") else None


def _flagged(word: str | None, *, is_user: bool) -> str | None:
    said = _TRUE.get((word or "").strip().lower())
    return None if said is None else "user" if said is is_user else "assistant"


def _replaced(stored: pl.Series, mapping: Mapping[str | None, str]) -> pl.Series:
    if all(word == said for word, said in mapping.items()):
        return stored
    if len(set(mapping.values())) == 1:
        return pl.repeat(next(iter(mapping.values())), stored.len(), dtype=pl.String(), eager=True)
    return stored.replace_strict(list(mapping), list(mapping.values()), return_dtype=pl.String)


def leftover(stored: pl.Series, kind: Kind) -> pl.Series:
    """Read a column that goes to `extra`: SQLite's 0 and 1 as booleans, JSON's `null` as null."""
    if kind == "boolean" and stored.dtype.is_integer() and stored.is_in([0, 1, None]).all():
        return stored.cast(pl.Boolean)
    if kind == "json":
        return only(stored, stored != "null")
    return stored


def only(stored: pl.Series, mask: pl.Series) -> pl.Series:
    """Keep the values where the mask says so, null elsewhere."""
    return pl.select(pl.when(mask).then(pl.lit(stored))).to_series()


def filled(columns: Mapping[str, pl.Series]) -> dict[str, pl.Series]:
    """Leave out the columns that hold nothing."""
    return {name: value for name, value in columns.items() if value.null_count() < value.len()}


def unique(ids: pl.Series) -> pl.Series:
    """Tell apart different rows that share an id: the later ones get `~2`, `~3`."""
    earlier = pl.int_range(pl.len()).over("id")
    again = pl.col("id").is_not_null() & (earlier > 0)
    renamed = pl.when(again).then(pl.format("{}~{}", "id", earlier + 1)).otherwise("id")
    return pl.DataFrame({"id": ids}).select(renamed.alias(ids.name)).to_series()


def json_object(values: Mapping[str, pl.Series | pl.Expr]) -> pl.Expr:
    """Put values into one JSON object per row, without the nulls; null where nothing is left."""
    if not values:
        return pl.lit(None, pl.String)
    members = [
        pl.concat_str(pl.lit(f"{json.dumps(name, ensure_ascii=False)}:"), _json(value))
        for name, value in values.items()
    ]
    joined = pl.concat_str(members, separator=",", ignore_nulls=True)
    return pl.when(joined != "").then(pl.concat_str(pl.lit("{"), joined, pl.lit("}")))


def _json(value: pl.Series | pl.Expr) -> pl.Expr:
    column = value if isinstance(value, pl.Expr) else pl.lit(value)
    encoded = pl.struct(v=column).struct.json_encode()
    # {"v":…} less its frame; a null stays null so that it leaves the object.
    body = encoded.str.slice(5, encoded.str.len_chars() - 6)
    return pl.when(column.is_not_null()).then(body)


def joined(one: pl.Expr, other: pl.Expr) -> pl.Expr:
    """Put two JSON objects into one; null stands for none."""
    both = pl.concat_str(one.str.head(-1), pl.lit(","), other.str.slice(1))
    return pl.coalesce(both, one, other)

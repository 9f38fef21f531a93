"""What JSON arguments are made of.

Kernels: texts in, one row or one shape out for each, nothing of an engine.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import msgspec
import polars as pl

if TYPE_CHECKING:
    from collections.abc import Iterable

TYPES: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
    type(None): "null",
}
DEEPEST = 8

Shape: TypeAlias = "str | tuple[str, tuple[Any, ...]]"
"""A type's name; with what is in it, sorted, where it is an object or an array."""

_decode = msgspec.json.Decoder(dict[str, Any]).decode
_encode = msgspec.json.Encoder().encode


def members(texts: Iterable[str]) -> pl.DataFrame:
    """Part arguments into their members.

    Returns:
        One row per member: `place` (u32, of its text), `key`, `type`, `value` (str, compact JSON, a
        text without quotes). A text that is no JSON object has none.
    """
    places: list[int] = []
    keys: list[str] = []
    values: list[Any] = []
    for place, text in enumerate(texts):
        found = decoded(text)
        places.extend([place] * len(found))
        keys.extend(found)
        values.extend(found.values())
    return pl.DataFrame(
        {
            "place": places,
            "key": keys,
            "type": [TYPES[type(value)] for value in values],
            "value": [_text(value) for value in values],
        },
        schema={
            "place": pl.UInt32(),
            "key": pl.String(),
            "type": pl.String(),
            "value": pl.String(),
        },
    )


def decoded(text: str) -> dict[str, Any]:
    """Read arguments; what is no JSON object has no members."""
    try:
        return _decode(text)
    except (msgspec.DecodeError, RecursionError):
        return {}


def shape(value: object, depth: int = 0) -> Shape:
    """Say of which types a value is made, the same for values that differ in their leaves only."""
    if depth < DEEPEST:
        if isinstance(value, dict):
            inner = ((key, shape(part, depth + 1)) for key, part in value.items())
            return ("object", tuple(sorted(inner, key=_key)))
        if isinstance(value, list):
            kinds = {shape(part, depth + 1) for part in value}
            return ("array", tuple(sorted(kinds, key=repr)))
    return TYPES[type(value)]


def _key(member: tuple[str, Shape]) -> str:
    return member[0]


def _text(value: object) -> str:
    return value if isinstance(value, str) else _encode(value).decode()

"""Stored text to values and back: JSON, JSON inside JSON, Python literals."""

from __future__ import annotations

import ast
import json
import warnings
from typing import NamedTuple

import msgspec

NOTHING = ("", "null", "None", "[]", "{}")
"""Texts that say there is nothing: no calls, no arguments, no result."""

_decode_json = msgspec.json.Decoder().decode
encode_json = msgspec.json.Encoder().encode


class Decoded(NamedTuple):
    """A value, and whether strict JSON gave it: then it encodes to what was stored."""

    value: object
    exact: bool


def decode(text: str) -> Decoded:
    """Decode stored text, and what it holds for as long as that is text again, three times at most.

    Raises:
        ValueError: neither JSON nor a Python literal.
    """
    decoded = _load(text)
    for _ in range(3):
        if not isinstance(decoded.value, str):
            break
        if decoded.value.strip() in NOTHING:
            return Decoded(None, decoded.exact)
        inner = _load(decoded.value)
        decoded = Decoded(inner.value, decoded.exact and inner.exact)
    return decoded


def _load(text: str) -> Decoded:
    try:
        return Decoded(_decode_json(text), exact=True)
    except (msgspec.DecodeError, RecursionError):
        pass
    try:
        # Takes lone surrogates and NaN, which writers in Python do produce.
        return Decoded(json.loads(text), exact=False)
    except (ValueError, RecursionError):
        pass
    if text.lstrip()[:1] not in ("[", "{", "("):
        raise ValueError("neither JSON nor a Python literal")
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return Decoded(ast.literal_eval(text.strip()), exact=False)
    except (SyntaxError, TypeError, MemoryError, RecursionError) as error:
        raise ValueError("neither JSON nor a Python literal") from error


def as_text(value: object) -> str:
    """Give a value as text that Arrow takes: lone surrogates stay as their escapes."""
    text = value if isinstance(value, str) else str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def as_json(value: object, *, exact: bool) -> str | None:
    """Encode compactly, or None where the value has no JSON (NaN, a set, bytes)."""
    try:
        if exact:
            return encode_json(value).decode()
        return as_text(
            json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
        )
    except (ValueError, TypeError, RecursionError):
        return None


def as_loose_json(value: object, *, exact: bool) -> str:
    """Encode compactly, with Python's words for what has no JSON."""
    compact = as_json(value, exact=exact)
    if compact is not None:
        return compact
    try:
        return as_text(json.dumps(value, ensure_ascii=False, separators=(",", ":"), default=str))
    except (ValueError, TypeError, RecursionError):
        return as_text(value)

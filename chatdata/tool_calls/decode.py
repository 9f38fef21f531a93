"""Stored text to values and back: JSON, JSON inside JSON, Python literals."""

from __future__ import annotations

import ast
import json
import math
import warnings
from typing import Any, NamedTuple

import msgspec

NOTHING = ("", "null", "None", "[]", "{}")
"""Texts that say there is nothing: no calls, no arguments, no result."""

_NEITHER = "neither JSON nor a Python literal"
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
    more = 3
    while more and isinstance(decoded.value, str):
        if decoded.value.strip() in ("", "None"):
            return Decoded(None, decoded.exact)
        inner = _load(decoded.value)
        decoded = Decoded(inner.value, decoded.exact and inner.exact)
        more -= 1
    return decoded


def unquote(text: str) -> str:
    """Give what a JSON string holds; any other text as it is."""
    try:
        value = _load(text).value
    except ValueError:
        return text
    return value if isinstance(value, str) else text


def _load(text: str) -> Decoded:
    try:
        return Decoded(_decode_json(text), exact=True)
    except (msgspec.DecodeError, UnicodeEncodeError, RecursionError):
        pass
    try:
        # Takes lone surrogates and NaN, which writers in Python do produce.
        return Decoded(json.loads(text), exact=False)
    except (ValueError, RecursionError):
        pass
    if text.lstrip()[:1] not in ("[", "{", "("):
        raise ValueError(_NEITHER)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            warnings.simplefilter("ignore", DeprecationWarning)
            return Decoded(ast.literal_eval(text.strip()), exact=False)
    except (SyntaxError, TypeError, ValueError, MemoryError, RecursionError):
        # Their words may quote the text.
        raise ValueError(_NEITHER) from None


def as_text(value: object) -> str:
    """Give a value as text that Arrow takes: lone surrogates stay as their escapes."""
    text = value if isinstance(value, str) else str(value)
    return text if text.isascii() else text.encode("utf-8", "backslashreplace").decode()


def as_json(value: object, *, exact: bool) -> str | None:
    """Encode compactly, or None where the value has no JSON (NaN, a set, bytes)."""
    try:
        return encode_json(value).decode() if exact else _dumps(value, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return None


def as_found(value: object) -> str:
    """Encode a value that has no JSON the way Python writes it, NaN as `NaN`.

    Raises:
        ValueError: it holds a number that is too long to write.
        RecursionError: it is nested too deeply.
    """
    try:
        return _dumps(value, allow_nan=True)
    except TypeError:
        return as_loose_json(value, exact=False)


def as_loose_json(value: object, *, exact: bool) -> str:
    """Encode compactly, with a text in place of what has no JSON.

    Raises:
        ValueError: it holds a number that is too long to write.
        RecursionError: it is nested too deeply.
    """
    compact = as_json(value, exact=exact)
    return _dumps(_plain(value), allow_nan=False) if compact is None else compact


def _dumps(value: object, *, allow_nan: bool) -> str:
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=allow_nan)
    return as_text(text)


def _plain(value: Any) -> Any:  # noqa: ANN401 - any value
    """Replace what JSON has no word for by text, sets by lists in a fixed order."""
    if isinstance(value, dict):
        return {str(key): _plain(part) for key, part in value.items()}
    if isinstance(value, (set, frozenset)):
        value = sorted(value, key=repr)
    if isinstance(value, (list, tuple)):
        return [_plain(part) for part in value]
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return value if value is None or isinstance(value, (str, int, float)) else str(value)

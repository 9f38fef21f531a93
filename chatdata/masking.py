"""Values hidden inside the JSON of tools, by the names of their keys."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import TYPE_CHECKING, Any

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping

MASK = "[masked]"

# Where JSON of tools stands; of messages the content too, where it is a result.
_JSON = {
    "conversations": ("extra",),
    "messages": ("extra",),
    "tool_calls": ("arguments_raw", "arguments", "result", "extra"),
}


def masked(frames: Mapping[str, pl.LazyFrame], keys: Collection[str]) -> dict[str, pl.LazyFrame]:
    """Mask what stands under some keys of arguments, results and extras.

    Raises:
        ValueError: no key is named.
    """
    names = frozenset(key.casefold() for key in keys)
    if not names or "" in names:
        raise ValueError("found no key to mask, expected names such as 'email'")
    hide = partial(_mask_all, _Keys(names))

    def mask(column: str) -> pl.Expr:
        return pl.col(column).map_batches(hide, pl.String, is_elementwise=True)

    hidden = {
        name: frame.with_columns(mask(column) for column in _JSON.get(name, ()))
        for name, frame in frames.items()
    }
    is_result = pl.col("kind") == "tool_result"
    content = pl.when(is_result).then(mask("content")).otherwise("content").alias("content")
    return {**hidden, "messages": hidden["messages"].with_columns(content)}


class _Keys:
    """Names of keys, in lower case."""

    def __init__(self, names: frozenset[str]) -> None:
        self.names = names
        words = "|".join(re.escape(name) for name in sorted(names))
        self._word = re.compile(rf"(?<![\w-])(?:{words})(?![\w-])", re.IGNORECASE)

    def may_stand_in(self, texts: pl.Series) -> pl.Series:
        """Tell the texts that have to be read; a key can be written with escapes."""
        if not all(name.isascii() for name in self.names):
            return texts.is_not_null()
        named = texts.str.contains_any(sorted(self.names), ascii_case_insensitive=True)
        return named | texts.str.contains("\\u", literal=True)

    def mask(self, text: str) -> str:
        """Mask the values of keys in JSON, or all of another text that names one."""
        try:
            value = json.loads(text)
            hidden = self._hide(value) if isinstance(value, dict | list | str) else value
        except (ValueError, RecursionError):
            return MASK if self._word.search(text) else text
        if hidden == value:
            return text
        return json.dumps(hidden, ensure_ascii=False, separators=(",", ":"))

    def _hide(self, value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
        if isinstance(value, dict):
            return {
                key: MASK if key.casefold() in self.names else self._hide(each)
                for key, each in value.items()
            }
        if isinstance(value, list):
            return [self._hide(each) for each in value]
        return self.mask(value) if isinstance(value, str) else value


def _mask_all(keys: _Keys, texts: pl.Series) -> pl.Series:
    """Mask each text; only those that may name a key are read."""
    where = keys.may_stand_in(texts).arg_true()
    masked = [keys.mask(text) for text in texts.gather(where)]
    return texts.clone().scatter(where, pl.Series(masked, dtype=pl.String))

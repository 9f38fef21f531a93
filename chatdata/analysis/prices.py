"""The analyst's own prices, from a TOML file.

```toml
[prices.todo-small-1]
id = "list of the provider"
date = 2025-09-01
tokens_in = 3.00            # per million tokens, in units of the currency
tokens_out = 15.00
tokens_cache_read = 0.30
```
"""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from pathlib import Path

_KINDS = ("tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write")


def read(path: Path) -> pl.DataFrame:
    """Read prices for `token_cost`.

    Returns:
        One row per model, by name: `model` (str), `tokens_in`, `tokens_out`, `tokens_cache_read`,
        `tokens_cache_write` (i64, micro-units per million tokens), `price_id` (str), `price_date`
        (date).

    Raises:
        SourceError: the file is missing, is no TOML, or a price lacks its id, date or number.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"), parse_float=Decimal)
    except OSError as error:
        raise SourceError(f"prices cannot be read: {error.strerror}", source=str(path)) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SourceError(
            "found no TOML, expected [prices.MODEL] tables", source=str(path)
        ) from None
    prices = document.get("prices", {})
    rows = [_row(str(path), model, price) for model, price in sorted(prices.items())]
    schema = {"model": pl.String(), **{kind: pl.Int64() for kind in _KINDS}}
    return pl.DataFrame(
        rows, schema={**schema, "price_id": pl.String(), "price_date": pl.Date()}, orient="row"
    )


def _row(source: str, model: str, price: dict[str, Any]) -> tuple[Any, ...]:
    if not isinstance(price.get("id"), str) or not isinstance(price.get("date"), date):
        raise SourceError(
            f"prices.{model} lacks `id` (a text) or `date` (like 2025-09-01)", source=source
        )
    numbers = [price.get(kind) for kind in _KINDS]
    if not all(n is None or (isinstance(n, int | Decimal) and n >= 0) for n in numbers):
        raise SourceError(
            f"prices.{model}: expected numbers per million tokens, 0 or more", source=source
        )
    micro = [None if n is None else round(n * 1_000_000) for n in numbers]
    return (model, *micro, price["id"], price["date"])

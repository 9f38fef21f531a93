"""What tokens cost: a bundled list of public prices, or the analyst's own TOML file.

```toml
[prices.todo-small-1]
id = "our contract"
date = 2025-09-01           # what is older than a model's first price has that price too
names = ["todo-small-1-fast"]
tokens_in = 3.00            # per million tokens, in units of the currency
tokens_out = 15.00
tokens_cache_read = 0.30
max_context = 200_000       # tokens of input; longer ones are unpriced
```

A model with several prices has a list of such tables, `[[prices.todo-small-1]]`.
"""

from __future__ import annotations

import tomllib
from datetime import date
from decimal import Decimal
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata.errors import SourceError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

KINDS = ("tokens_in", "tokens_out", "tokens_cache_read", "tokens_cache_write")
SCHEMA = pl.Schema(
    {
        "model": pl.String(),
        **{kind: pl.Int64() for kind in KINDS},
        "max_context": pl.Int64(),
        "price_id": pl.String(),
        "price_date": pl.Date(),
        "source": pl.String(),
    }
)
_BUNDLED = "prices.toml"


def read(path: Path) -> pl.DataFrame:
    """Read prices for `token_cost` and `conversation_cost`.

    Returns:
        One row per name of a model and date, by both: `model` (str), `tokens_in`, `tokens_out`,
        `tokens_cache_read`, `tokens_cache_write` (i64, micro-units per million tokens, null where
        the file has none), `max_context` (i64, tokens, null where there is no limit), `price_id`
        (str), `price_date` (date), `source` (str, null where the file names none).

    Raises:
        SourceError: the file is missing, is no TOML, or a price lacks its id, date or number.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise SourceError(f"prices cannot be read: {error.strerror}", source=str(path)) from None
    except UnicodeDecodeError:
        raise SourceError("found no UTF-8, expected TOML", source=str(path)) from None
    return _parsed(text, str(path))


@cache
def bundled() -> pl.DataFrame:
    """Give the bundled list, in US dollars, as `read` does."""
    text = files("chatdata.analysis").joinpath(_BUNDLED).read_text(encoding="utf-8")
    return _parsed(text, _BUNDLED)


def _parsed(text: str, source: str) -> pl.DataFrame:
    try:
        document = tomllib.loads(text, parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        raise SourceError("found no TOML, expected [prices.MODEL] tables", source=source) from None
    prices = document.get("prices", {})
    rows = [
        row
        for model, found in prices.items()
        for price in (found if isinstance(found, list) else [found])
        for row in _listed(source, model, price)
    ]
    return pl.DataFrame(rows, schema=SCHEMA, orient="row").sort("model", "price_date")


def _listed(source: str, model: str, price: dict[str, Any]) -> Iterator[tuple[Any, ...]]:
    if not isinstance(price.get("id"), str) or not isinstance(price.get("date"), date):
        raise SourceError(
            f"prices.{model} lacks `id` (a text) or `date` (like 2025-09-01)", source=source
        )
    numbers = [price.get(kind) for kind in KINDS]
    if not all(n is None or (isinstance(n, int | Decimal) and n >= 0) for n in numbers):
        raise SourceError(
            f"prices.{model}: expected numbers per million tokens, 0 or more", source=source
        )
    longest, names = price.get("max_context"), price.get("names", [])
    if not (longest is None or isinstance(longest, int)) or not isinstance(names, list):
        raise SourceError(
            f"prices.{model}: expected a whole `max_context` and a list of `names`", source=source
        )
    micro = [None if n is None else round(n * 1_000_000) for n in numbers]
    for name in (model, *names):
        yield (name, *micro, longest, price["id"], price["date"], price.get("source"))

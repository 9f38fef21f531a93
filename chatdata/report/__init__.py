"""A report to hand on: one page, self-contained, without a word that anybody wrote.

```python
from chatdata.report import report

report(cd.scan("sample"), Path("report.html"))
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.errors import ChatdataError
from chatdata.notebook.page import page
from chatdata.notebook.secrets import warn_of_secrets
from chatdata.report.few import without_few
from chatdata.report.sections import sections

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from chatdata.chats import Chats
    from chatdata.report.compared import Compare

__all__ = ["report"]


def report(  # noqa: PLR0913 - each is a choice of its own, all but two by keyword
    chats: Chats[pl.LazyFrame],
    path: Path,
    *,
    title: str = "What is in this chat log",
    about: str = "",
    time_zone: str = "UTC",
    compare: Compare | None = None,
    n_examples: int = 0,
    min_cell: int = 0,
) -> Path:
    """Write a report on a chat log as one HTML page that needs no network.

    It names tools, models and agents, but no user, title, path, message, argument or result, unless
    examples are asked for. What looks like a secret is warned of before the page is written.

    Args:
        chats: what to report on; read once and held in memory.
        path: where the page goes; folders are made.
        title: the page's title.
        about: a sentence under the title, on what was asked for.
        time_zone: whose days, weeks and hours.
        compare: what to set side by side: a moment, naive and in UTC, for the periods before and
            after it; "periods" for the last ones; or "model", "agent" or "source".
        n_examples: how many errors and how many conversations to quote.
        min_cell: fewest known users of a tool, model, agent or week that stands alone; 0 shows all.

    Returns:
        `path`.

    Raises:
        ChatdataError: examples are asked for where small groups are not to be told apart.
    """
    if n_examples and min_cell:
        raise ChatdataError("examples quote single people; ask for them or for min_cell, not both")
    read, put_together = chats.collect(), ""
    if min_cell:
        read, put_together = without_few(read, min_cell)
    found = sections(
        read, time_zone=time_zone, compare=compare, n_examples=n_examples, min_cell=min_cell
    )
    quotes = (
        "It quotes what people and models wrote: hand it on with care."
        if n_examples
        else "Nothing that anybody wrote is on this page."
    )
    text = page(title, list(found), lead=" ".join(filter(None, (about, quotes, put_together))))
    warn_of_secrets(text, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path

"""A report to hand on: one page, self-contained, without a word that anybody wrote.

```python
from chatdata.report import report

report(cd.scan("sample"), Path("report.html"))
```
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from chatdata.notebook.page import page
from chatdata.notebook.secrets import warn_of_secrets
from chatdata.report.sections import sections

if TYPE_CHECKING:
    from pathlib import Path

    import polars as pl

    from chatdata.chats import Chats

__all__ = ["report"]


def report(
    chats: Chats[pl.LazyFrame],
    path: Path,
    *,
    title: str = "What is in this chat log",
    about: str = "",
    time_zone: str = "UTC",
) -> Path:
    """Write a report on a chat log as one HTML page that needs no network.

    It names tools and models, but no user, title, path, message, argument or result. What looks
    like a secret is warned of before the page is written.

    Args:
        chats: what to report on; read once and held in memory.
        path: where the page goes; folders are made.
        title: the page's title.
        about: a sentence under the title, on what was asked for.
        time_zone: whose days, weeks and hours.

    Returns:
        `path`.
    """
    found = list(sections(chats.collect(), time_zone))
    lead = " ".join(filter(None, (about, "Nothing that anybody wrote is on this page.")))
    text = page(title, found, lead=lead)
    warn_of_secrets(text, path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path

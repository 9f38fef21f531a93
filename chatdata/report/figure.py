"""A figure of the first page: an answer, the query that gives it again, and how it is shown."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

import polars as pl

from chatdata.notebook.page import folded, shown

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from chatdata.notebook.table import Table

# What lengths count, in the words of SQL.
COUNTED = "is_main_path and kind in ('chat', 'tool_result')"
_LEAST = 0.001


@dataclass(frozen=True)
class Figure:
    """What a query on the five frames of `Chats.sql` answers, and how a reader is told.

    `show` knows nothing but the answer, so running the query checks every number that is shown.
    """

    answer: pl.DataFrame
    sql: str
    show: Callable[[pl.DataFrame], Table | str]
    folded: bool = False

    def html(self) -> str:
        """Show the answer, and its query on demand."""
        told = self.show(self.answer)
        query = f"<pre>{escape(self.sql)}</pre>"
        if isinstance(told, str):
            summary = f"<summary>{escape(told)} <small>SQL</small></summary>"
            return f'<details class="finding">{summary}{query}</details>'
        html = f"{shown(told)}<details><summary><small>SQL</small></summary>{query}</details>"
        return folded(told.title, html) if self.folded else html


def finding(sql: str, say: Callable[[dict[str, Any]], str], values: Mapping[str, object]) -> Figure:
    """Make a figure of one row; `say` gets its values by name."""
    answer = pl.DataFrame({name: [value] for name, value in values.items()})
    return Figure(answer, sql, lambda frame: say(frame.row(0, named=True)))


def many(n: int, noun: str, plural: str = "") -> str:
    """Write a number of things: "1 call", "2,056 calls"."""
    return f"{n:,} {noun if n == 1 else plural or f'{noun}s'}"


def amount(value: float, noun: str) -> str:
    """Write a quantity that need not be whole: "1 message", "2.5 messages"."""
    return f"{number(value)} {noun if value == 1 else f'{noun}s'}"


def percent(share: float) -> str:
    """Write a share: "4.5%"; what is not quite nothing or all is not rounded to it."""
    if 0 < share < _LEAST:
        return f"less than {_LEAST:.1%}"
    if 1 - _LEAST < share < 1:
        return f"more than {1 - _LEAST:.1%}"
    return f"{number(round(share * 100, 1))}%"


def number(value: float) -> str:
    """Write a number with at most two decimals: "6", "20.2", "1,024"."""
    return f"{value:,.2f}".rstrip("0").rstrip(".")

"""Completion of what a log has: tables and columns in `%%sql`, columns in strings and `pl.col.`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import polars as pl
from IPython.core.completer import SimpleCompletion, context_matcher

from chatdata import schema

if TYPE_CHECKING:
    from collections.abc import Iterable

    from IPython.core.completer import CompletionContext, SimpleMatcherResult
    from IPython.core.interactiveshell import InteractiveShell

_ID = "chatdata.columns"
_TABLES = {table.name for table in schema.TABLES}
_COLUMNS = {column.name for table in schema.TABLES for column in table.columns}
_SQL = re.compile(r"%%?sql\b")
# What is begun right before the cursor: a word; a string where a column may be named; an attribute.
_WORD = re.compile(r"(?P<begun>\w*)$")
_COLUMN = re.compile(r"(?:[\[(,=]\s*[\"']|\bcol\.)(?P<begun>\w*)$")


def complete_columns(shell: InteractiveShell) -> None:
    """Let a shell complete columns; once is as good as twice."""
    completer = shell.Completer
    if completer is not None and not any(
        getattr(each, "matcher_identifier", "") == _ID for each in completer.custom_matchers
    ):
        completer.custom_matchers.append(_matcher(shell))


def _matcher(shell: InteractiveShell) -> object:
    @context_matcher(identifier=_ID)  # type: ignore[untyped-decorator] # IPython is typed in part
    def columns(context: CompletionContext) -> SimpleMatcherResult:
        cell = context.full_text.lstrip()
        in_sql = _SQL.match(cell if cell.startswith("%%") else context.line_with_cursor.lstrip())
        begun = (_WORD if in_sql else _COLUMN).search(context.text_until_cursor)
        names_answer = context.cursor_line == 0 and cell.startswith("%%")
        if begun is None or names_answer:
            return {"completions": []}
        known = _COLUMNS | (_TABLES if in_sql else _of_frames(shell.user_ns.values()))
        found = sorted(name for name in known if name.startswith(begun["begun"]))
        return {
            "completions": [SimpleCompletion(name, type="column") for name in found],
            "matched_fragment": begun["begun"],
            "suppress": bool(found),
        }

    return columns


def _of_frames(values: Iterable[object]) -> set[str]:
    """Name the columns of the frames in memory that the analyst has made."""
    frames = [value for value in list(values) if isinstance(value, pl.DataFrame)]
    return {name for frame in frames for name in frame.columns}

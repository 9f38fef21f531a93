"""What a notebook does first: read its source, settle how things look, offer `%%sql`."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING

import polars as pl
from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, line_cell_magic, magics_class

from chatdata.errors import QueryError
from chatdata.load import scan_all
from chatdata.notebook.completion import complete_columns

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from chatdata.chats import Chats


def read(source: str) -> Chats[pl.LazyFrame]:
    """Read what a `source` parameter names and hold it in memory.

    Args:
        source: anything that `chatdata.scan` takes; of several, one a line, files are one log, and
            others stand beside it under the names of their files or databases.
    """
    return scan_all([line.strip() for line in source.splitlines() if line.strip()]).collect()


def setup(chats: Chats[pl.LazyFrame]) -> None:
    """Settle how frames look, let `%%sql` query these chats, and complete their columns.

    `%%sql` answers with a frame; `%%sql name` keeps it under that name instead. Warnings, which
    hold paths of the machine they were raised on, stay out of the outputs.
    """
    warnings.simplefilter("ignore")
    pl.Config(
        tbl_rows=20,
        tbl_cols=16,
        tbl_width_chars=160,
        fmt_str_lengths=40,
        float_precision=3,
        tbl_hide_dataframe_shape=True,
    )
    shell = get_ipython()
    if shell is not None:
        shell.register_magics(Sql(shell, chats))
        complete_columns(shell)


@magics_class
class Sql(Magics):
    """`%sql` and `%%sql` over the frames of one `Chats`."""

    def __init__(self, shell: InteractiveShell, chats: Chats[pl.LazyFrame]) -> None:
        super().__init__(shell)
        self.names = shell.user_ns
        self.chats = chats

    @line_cell_magic
    def sql(self, line: str, cell: str | None = None) -> pl.DataFrame | None:
        """Run a DuckDB query; a name after `%%sql` keeps the answer under it.

        Raises:
            QueryError: the query is wrong, or the name is none.
        """
        name, query = ("", line) if cell is None else (line.strip(), cell)
        if name and not name.isidentifier():
            raise QueryError(
                f"found {name!r} after %%sql, expected a name to keep the answer under"
            )
        answer = self.chats.sql(query)
        if not name:
            return answer
        self.names[name] = answer
        return None

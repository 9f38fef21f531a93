"""Tables that leave the house: cells of few people are left out, and what would give them away.

```python
from chatdata import publish

usage = cd.analysis.tool_usage(chats).select("name", "n_users", "n_tool_calls", "share")
publish.suppressed(usage, by=["name"], values=["n_tool_calls", "share"])
```

`rare` names the groups to put together instead, for what is shown by more than one table.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Sequence

FEWEST_USERS = 10
SMALL, COMPLEMENTARY = "small", "complementary"
_LEAST_HIDDEN = 2


def suppressed(
    table: pl.DataFrame,
    *,
    by: Sequence[str],
    values: Sequence[str],
    users: str = "n_users",
    k: int = FEWEST_USERS,
) -> pl.DataFrame:
    """Suppress the cells of a table that fewer than k different people are behind.

    A single hidden cell is what a line's total leaves when the others are taken away. So in each
    line, along every column of `by`, hidden cells are none, or two or more with k users together:
    the next smallest are hidden with them. Where a whole line is hidden, its total must not be
    published either.

    Args:
        table: one row per cell.
        by: the columns that tell cells apart; totals over any one of them may be known.
        values: the columns to leave out of suppressed cells.
        users: the column of different users behind a cell; it is left out too.
        k: fewest users of a cell that is shown.

    Returns:
        The rows in their order, `values` and `users` null where suppressed, and last `suppressed`
        (str: `small`, for the cell itself; `complementary`, for another's sake; null where shown).

    Raises:
        ValueError: a cell has two rows or no number of users, or a column of `by` or `values` is
            missing.
    """
    _check(table, by, values, users)
    place, count = "_place", pl.col(users)
    cells = table.with_row_index(place).with_columns(
        suppressed=pl.when(count < k).then(pl.lit(SMALL))
    )
    hidden_before = -1
    while hidden_before != (hidden := cells["suppressed"].count()):
        hidden_before = hidden
        for column in by:
            cells = _protected(cells, [name for name in by if name != column], users, k)
    shown = pl.col("suppressed").is_null()
    blank = [name for name in (*values, users) if name not in by]
    return cells.sort(place).select(
        *(
            pl.when(shown).then(name).alias(name) if name in blank else pl.col(name)
            for name in table.columns
        ),
        "suppressed",
    )


def rare(members: pl.DataFrame, *, by: str, user: str, k: int = FEWEST_USERS) -> pl.Series:
    """Name the groups that must stand together if none of fewer than k people shall be told apart.

    They are those with fewer than k people, and the next smallest until k people or more are behind
    all of them together; none, where no group is that small.

    Args:
        members: one row per group and person behind it; a person of a group may be unknown.
        by: the column that tells groups apart.
        user: the column of people, null for one who is not known and counts nowhere.
        k: fewest people of a group that may stand alone.

    Returns:
        The groups, fewest people first, then by name.
    """
    sizes = members.group_by(by).agg(n=pl.col(user).n_unique() - pl.col(user).is_null().any())
    ranked = sizes.sort("n", by).with_row_index("rank")
    n_small = ranked.filter(pl.col("n") < k).height
    if not n_small:
        return ranked.get_column(by).head(0)
    first = (
        members.drop_nulls(user).join(ranked, on=by).group_by(user).agg(pl.col("rank").min())
    ).sort("rank")
    # Where the k-th person appears, k are behind that group and all before it.
    enough = first["rank"][k - 1] + 1 if len(first) >= k else len(ranked)
    return ranked.get_column(by).head(max(n_small, enough))


def _protected(cells: pl.DataFrame, line: list[str], users: str, k: int) -> pl.DataFrame:
    """Hide one more cell in each line in which too little is hidden to hide anything."""
    shown = pl.col("suppressed").is_null()

    def along(expression: pl.Expr) -> pl.Expr:
        return expression.over(line) if line else expression

    hidden = along((~shown).sum())
    behind = along(pl.when(shown).then(0).otherwise(users).sum())
    bare = (hidden > 0) & ((hidden < _LEAST_HIDDEN) | (behind < k))
    # The smallest that is shown goes first; equals go by their place in the table.
    rank = along(pl.struct(~shown, users, "_place").rank("ordinal"))
    return cells.with_columns(
        suppressed=pl.when(bare & shown & (rank == 1))
        .then(pl.lit(COMPLEMENTARY))
        .otherwise("suppressed")
    )


def _check(table: pl.DataFrame, by: Sequence[str], values: Sequence[str], users: str) -> None:
    missing = [name for name in (*by, *values, users) if name not in table.columns]
    if missing:
        raise ValueError(f"found no column {', '.join(missing)}; there are {table.columns}")
    if table.select(by).is_duplicated().any():
        raise ValueError(f"found two rows of one cell by {', '.join(by)}, expected one")
    if table[users].null_count():
        raise ValueError(f"found cells without {users}, expected a number in each")

"""Which files must be read together, because identity decides between their rows.

Files are of one lineage when they have or use a common name (`identity/kin.py`). What `identity`
does with rows of different lineages does not depend on each other; so lineages can be resolved
apart, and give the rows that they give together.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

from chatdata.identity import kin

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MEMBER_BITS = 20
"""A file's number, shifted by these, leaves room for the documents in it."""


def number_of_file() -> pl.Expr:
    """Give the number of the file that a document lies in."""
    number: pl.Expr = (pl.col("_document") // 2**MEMBER_BITS).cast(pl.Int64)
    return number


def links(raw: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> pl.DataFrame:
    """List the names by which rows, as readers gave them, could meet rows of other files.

    Returns:
        One row per name and file: `name` (str), `has` (bool, whether it is a name of a row there,
        or only used) and `number` (i64, of the file).
    """
    named = kin.links(raw).select("name", "has", number=number_of_file())
    return named.group_by("name", "number").agg(pl.col("has").any())


def lineages(linked: pl.DataFrame, numbers: Iterable[int]) -> pl.DataFrame:
    """Give each file its lineage: the smallest number among those it is linked with.

    Returns:
        One row per file: `number` and `lineage` (i64).
    """
    tied = kin.components(linked.rename({"number": "_bundle"}))
    files = pl.DataFrame({"number": list(numbers)}, schema={"number": pl.Int64()})
    return files.join(
        tied, left_on="number", right_on="_bundle", how="left", maintain_order="left"
    ).select("number", lineage=pl.coalesce("_kin", "number"))


def joined(groups: Sequence[Sequence[int]]) -> dict[int, int]:
    """Join groups that overlap; each member is given the smallest of all it is joined with."""
    rows = [(str(place), True, number) for place, group in enumerate(groups) for number in group]
    schema = {"name": pl.String(), "has": pl.Boolean(), "_bundle": pl.Int64()}
    return dict(kin.components(pl.DataFrame(rows, schema=schema, orient="row")).rows())


def gathered(lineage_of: Mapping[int, int], joined: Mapping[int, int]) -> list[list[int]]:
    """List the files whose lineages were joined, in the groups that must be read together.

    Args:
        lineage_of: each file's lineage among those it was read with.
        joined: what each of the lineages that share a name belongs to.
    """
    groups: dict[int, list[int]] = {}
    for number in sorted(lineage_of):
        if (lineage := lineage_of[number]) in joined:
            groups.setdefault(joined[lineage], []).append(number)
    return list(groups.values())

"""Which conversations have to be settled together: those that know each other by a name.

A name is an id that may stand in several conversations: the conversation's own, that of a message
which is unique in the world, of its copy, of a call. Who has a name is tied to whoever else has it
or refers to it. Ids that are made of the conversation's own tie nobody else, and are left out:
where logs have no ids, there is one name per conversation.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl

if TYPE_CHECKING:
    from collections.abc import Mapping

LINKS = {
    "_document": pl.UInt64(),
    "_bundle": pl.UInt64(),
    "name": pl.String(),
    "has": pl.Boolean(),
}
_PLACE = ("_document", "_bundle")


def links(frames: Mapping[str, pl.DataFrame | pl.LazyFrame]) -> pl.DataFrame:
    """List the names by which bundles are known, as `LINKS`: `has` it, or refers to it.

    Args:
        frames: whole bundles of raw rows.
    """
    conversations, messages, calls = (
        frames[name].lazy() for name in ("conversations", "messages", "tool_calls")
    )
    by_conversation = pl.concat_str("conversation_id", pl.lit(":"))
    by_message = pl.concat_str("message_id", pl.lit(":"))
    hint = pl.col("_hint").fill_null(value=False)
    others = messages.filter(~pl.col("parent_message_id").str.starts_with(by_conversation)).join(
        messages.select("_bundle", parent_message_id="message_id"),
        on=["_bundle", "parent_message_id"],
        how="anti",
    )
    own_id = ~pl.col("message_id").str.starts_with(by_conversation)
    own_call = ~(
        pl.col("tool_call_id").str.starts_with(by_conversation)
        | pl.col("tool_call_id").str.starts_with(by_message).fill_null(value=False)
    )
    named = [
        conversations.select(*_PLACE, name="conversation_id", has=~hint),
        conversations.select(*_PLACE, name="_of_message", has=pl.lit(value=False)),
        messages.filter(own_id).select(*_PLACE, name="message_id", has=pl.lit(value=True)),
        messages.select(*_PLACE, name="_twin", has=pl.lit(value=True)),
        messages.filter(pl.col("_aliases").list.len() > 0)
        .select(*_PLACE, name="_aliases", has=pl.lit(value=True))
        .explode("name"),
        others.select(*_PLACE, name="parent_message_id", has=pl.lit(value=False)),
        calls.filter(own_call).select(*_PLACE, name="tool_call_id", has=pl.lit(value=True)),
        calls.select(*_PLACE, name="_twin", has=pl.lit(value=True)),
    ]
    return (
        pl.concat(named)
        .filter(pl.col("name").is_not_null())
        .with_columns(name=base("name"))
        .unique()
        .collect()
    )


def base(name: str) -> pl.Expr:
    """Take off the number (~2) that tells an id apart from others: they belong together."""
    return pl.col(name).str.replace(r"(~\d*)+$", "")


def reached(known: pl.LazyFrame, seeds: pl.DataFrame) -> pl.DataFrame:
    """Find the bundles that are tied to some, directly or through others.

    Args:
        known: the links of all that may be reached.
        seeds: the links of those to start from.

    Returns:
        The links of the bundles that are reached, those of the seeds not among them.
    """
    found = [seeds.clear()]
    edge = seeds
    while not edge.is_empty():
        tied = (
            known.join(edge.lazy().select("name", _other="has"), on="name", how="inner")
            .filter(pl.col("has") | pl.col("_other"))
            .select(pl.col("_bundle").unique())
        )
        new = known.join(tied, on="_bundle", how="semi").collect()
        for links_ in (*found, seeds):
            new = new.join(links_, on="_bundle", how="anti")
        edge = new
        found.append(new)
    return pl.concat(found)


def components(known: pl.DataFrame) -> pl.DataFrame:
    """Give each bundle the smallest bundle that it is tied to, directly or through others.

    Returns:
        `_bundle` and `_kin`, for the bundles that are tied to any other.
    """
    shared = known.filter(pl.col("name").is_duplicated())
    edges = (
        shared.filter(pl.col("has").any().over("name"))
        .select("_bundle", _kin=pl.col("_bundle").min().over("name"))
        .unique()
    )
    ties = pl.concat([edges, edges.select(_bundle="_kin", _kin="_bundle")]).filter(
        pl.col("_bundle") != pl.col("_kin")
    )
    kin = ties.select("_bundle", _kin="_bundle").unique()
    while True:
        smaller = (
            ties.join(kin.rename({"_bundle": "_kin", "_kin": "_least"}), on="_kin")
            .group_by("_bundle")
            .agg(pl.col("_least").min())
        )
        new = kin.join(smaller, on="_bundle").select(
            "_bundle", _kin=pl.min_horizontal("_kin", "_least")
        )
        # Whoever was found to belong to someone takes over whom that one belongs to.
        new = new.join(
            new.rename({"_bundle": "_kin", "_kin": "_least"}), on="_kin", how="left"
        ).select("_bundle", _kin=pl.coalesce("_least", "_kin"))
        if new.sort("_bundle").equals(kin.sort("_bundle")):
            return kin
        kin = new
